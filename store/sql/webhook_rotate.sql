-- $1 bigint: webhook, $2 text: secret, $3 integer: how many old ones may sign. The one until now signs too for a day. No row:
-- there is no such webhook, or as many old ones sign already.
WITH hook AS (
    SELECT id, secret FROM rmm.webhooks WHERE id = $1::bigint FOR UPDATE
), over AS (
    DELETE FROM rmm.webhook_old_secrets WHERE webhook = $1::bigint AND until <= clock_timestamp()
), old AS (
    INSERT INTO rmm.webhook_old_secrets (webhook, secret, until)
    SELECT id, secret, clock_timestamp() + interval '24 hours' FROM hook
    WHERE (SELECT count(*) FROM rmm.webhook_old_secrets o WHERE o.webhook = $1::bigint AND o.until > clock_timestamp()) < $3::integer
    RETURNING until
)
UPDATE rmm.webhooks AS w SET old_secret_until = old.until, secret = $2::text
FROM old WHERE w.id = $1::bigint
RETURNING rmm.webhook_json(w)
