-- $1 bigint[]: webhooks, locked, $2 text: lease, $3 integer: its seconds. The first due delivery of each, tests before changes.
WITH due AS (
    SELECT w.id AS webhook, d.id AS delivery
    FROM rmm.webhooks w
    CROSS JOIN LATERAL (SELECT d.id FROM rmm.webhook_deliveries d
                        WHERE d.webhook = w.id AND d.state = 'pending' AND d.next_at <= clock_timestamp()
                        ORDER BY d.change NULLS FIRST, d.id LIMIT 1) d
    WHERE w.id = ANY ($1::bigint[]) AND w.paused_until <= clock_timestamp()
), leased AS (
    UPDATE rmm.webhooks w SET lease = $2::text, leased_until = clock_timestamp() + $3::integer * interval '1 second'
    FROM due WHERE w.id = due.webhook
)
SELECT d.id, w.id, w.url, d.message_id, d.body, d.attempts, d.change IS NULL, w.failures, w.secret,
       (SELECT string_agg(o.secret, ' ' ORDER BY o.until DESC) FROM rmm.webhook_old_secrets o
        WHERE o.webhook = w.id AND o.until > clock_timestamp())
FROM due
JOIN rmm.webhook_deliveries d ON d.id = due.delivery
JOIN rmm.webhooks w ON w.id = due.webhook
