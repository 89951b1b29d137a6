-- $1 text: URL, $2 text: types as a JSON array or NULL, $3 text: tool or NULL, $4 text: description, $5 boolean: enabled,
-- $6 text: secret. A webhook that starts behind the latest change; as JSON, and its id.
INSERT INTO rmm.webhooks AS w (url, types, tool, description, enabled, secret, read_to)
SELECT $1::text, CASE WHEN $2::text IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text($2::jsonb)) END, $3::text,
       $4::text, $5::boolean, $6::text, (SELECT coalesce(max(id), 0) FROM rmm.changes)
RETURNING rmm.webhook_json(w), id
