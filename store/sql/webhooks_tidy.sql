-- Forgets deliveries that were over 30 days ago.
DELETE FROM rmm.webhook_deliveries
WHERE state <> 'pending' AND created_at < clock_timestamp() - interval '30 days'
