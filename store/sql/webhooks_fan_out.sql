-- $1 bigint[]: webhooks, locked. Gives them deliveries for the changes behind read_to. Ids of changes are in commit order.
WITH fresh AS (
    SELECT w.id AS webhook, c.change, (c.change).id AS change_id, rmm.webhook_wants(w, c.change) AS wanted
    FROM rmm.webhooks w
    CROSS JOIN LATERAL (SELECT c AS change FROM rmm.changes c WHERE c.id > w.read_to ORDER BY c.id LIMIT 1000) c
    WHERE w.id = ANY ($1::bigint[])
), moved AS (
    UPDATE rmm.webhooks w SET read_to = f.last
    FROM (SELECT webhook, max(change_id) AS last FROM fresh GROUP BY webhook) f WHERE w.id = f.webhook
)
INSERT INTO rmm.webhook_deliveries (webhook, change, message_id, type, body)
SELECT webhook, change_id, 'chg_' || change_id, 'change.' || (change).type, rmm.webhook_body(change)
FROM fresh WHERE wanted ORDER BY change_id
ON CONFLICT (webhook, message_id) DO NOTHING
