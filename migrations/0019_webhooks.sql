-- Webhooks: changes sent to receivers of the customer's.
CREATE TABLE rmm.webhooks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text NOT NULL,
    types text[],
    tool text,
    description text NOT NULL DEFAULT '',
    enabled boolean NOT NULL DEFAULT true,
    disabled_reason text,
    secret text NOT NULL,
    old_secret text,
    old_secret_until timestamptz,
    read_to bigint NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    paused_until timestamptz NOT NULL DEFAULT '-infinity',
    lease text,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE rmm.webhooks IS 'who is told of changes. No CHECK here: PostgreSQL would write the failing row, secret included, into its log';
COMMENT ON COLUMN rmm.webhooks.types IS 'types of changes; NULL: all';
COMMENT ON COLUMN rmm.webhooks.tool IS 'only changes of this tool, whatever the case; NULL: all';
COMMENT ON COLUMN rmm.webhooks.secret IS 'signs; as whsec_ and base64. Told once, never listed or logged';
COMMENT ON COLUMN rmm.webhooks.old_secret IS 'the one before, which signs too until old_secret_until';
COMMENT ON COLUMN rmm.webhooks.read_to IS 'changes up to this id have their deliveries';
COMMENT ON COLUMN rmm.webhooks.failures IS 'failed attempts since the last that went well';
COMMENT ON COLUMN rmm.webhooks.paused_until IS 'no attempt before: the receiver failed, or asked for it';
COMMENT ON COLUMN rmm.webhooks.lease IS 'the server that is delivering; another may once leased_until is over';

CREATE TABLE rmm.webhook_deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook bigint NOT NULL REFERENCES rmm.webhooks ON DELETE CASCADE,
    change bigint,
    message_id text NOT NULL,
    type text NOT NULL,
    body text COMPRESSION lz4 NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempted_at timestamptz,
    last_status integer,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (webhook, message_id)
);
CREATE INDEX webhook_deliveries_pending ON rmm.webhook_deliveries (webhook, change NULLS FIRST, id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_failed ON rmm.webhook_deliveries (webhook) WHERE state = 'failed';
CREATE INDEX webhook_deliveries_list ON rmm.webhook_deliveries (webhook, id);
CREATE INDEX webhook_deliveries_created ON rmm.webhook_deliveries (created_at);
COMMENT ON TABLE rmm.webhook_deliveries IS 'one a webhook and change, and one a test';
COMMENT ON COLUMN rmm.webhook_deliveries.change IS 'rmm.changes; NULL: a test';
COMMENT ON COLUMN rmm.webhook_deliveries.message_id IS 'header webhook-id: the same in every attempt';
COMMENT ON COLUMN rmm.webhook_deliveries.attempts IS 'made since the delivery was created or replayed';
COMMENT ON COLUMN rmm.webhook_deliveries.last_status IS 'HTTP status of the last answer; NULL: none came';

CREATE FUNCTION rmm.change_json(change rmm.changes) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT json_build_object('id', change.id::text, 'at', kql.time_text(change.at), 'type', change.type,
    'device_id', change.device_id, 'device_name', change.device_name, 'tool', change.tool,
    'run_id', change.run_id::text, 'detail', change.detail)::text
$$;
COMMENT ON FUNCTION rmm.change_json IS 'a change as the API and webhooks give it';

CREATE FUNCTION rmm.webhook_wants(hook rmm.webhooks, change rmm.changes) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT (hook.types IS NULL OR change.type = ANY (hook.types))
    AND (hook.tool IS NULL OR coalesce(lower(change.tool) = lower(hook.tool), false))
$$;

CREATE FUNCTION rmm.webhook_body(change rmm.changes) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT json_build_object('type', 'change.' || change.type, 'timestamp', kql.time_text(change.at),
    'data', rmm.change_json(change)::json)::text
$$;

CREATE FUNCTION rmm.webhook_json(hook rmm.webhooks) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT json_build_object('id', hook.id::text, 'url', hook.url, 'types', hook.types, 'tool', hook.tool,
    'description', hook.description, 'enabled', hook.enabled, 'disabled_reason', hook.disabled_reason,
    'created_at', kql.time_text(hook.created_at),
    'old_secret_until', CASE WHEN hook.old_secret_until > clock_timestamp() THEN kql.time_text(hook.old_secret_until) END,
    'failures', hook.failures,
    'paused_until', CASE WHEN hook.paused_until > clock_timestamp() THEN kql.time_text(hook.paused_until) END,
    'pending', (SELECT count(*) FROM rmm.webhook_deliveries d WHERE d.webhook = hook.id AND d.state = 'pending'),
    'failed', (SELECT count(*) FROM rmm.webhook_deliveries d WHERE d.webhook = hook.id AND d.state = 'failed'))::text
$$;
COMMENT ON FUNCTION rmm.webhook_json IS 'a webhook as the API gives it: without its secrets';

CREATE FUNCTION rmm.webhook_delivery_json(delivery rmm.webhook_deliveries) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT json_build_object('id', delivery.id::text, 'message_id', delivery.message_id, 'change', delivery.change::text,
    'type', delivery.type, 'state', delivery.state, 'attempts', delivery.attempts,
    'created_at', kql.time_text(delivery.created_at), 'attempted_at', kql.time_text(delivery.attempted_at),
    'next_at', CASE WHEN delivery.state = 'pending' THEN kql.time_text(delivery.next_at) END,
    'last_status', delivery.last_status, 'last_error', delivery.last_error)::text
$$;
COMMENT ON FUNCTION rmm.webhook_delivery_json IS 'a delivery as the API gives it';
