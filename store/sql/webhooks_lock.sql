-- $1 integer: how many. Webhooks that have something to do and that no server is at, the longest unserved first; locked for
-- this transaction, so that the statements behind see what the server before has done.
SELECT w.id FROM rmm.webhooks w
WHERE w.enabled AND w.leased_until <= clock_timestamp()
  AND (w.read_to < (SELECT max(id) FROM rmm.changes)
       OR w.paused_until <= clock_timestamp()
          AND EXISTS (SELECT FROM rmm.webhook_deliveries d
                      WHERE d.webhook = w.id AND d.state = 'pending' AND d.next_at <= clock_timestamp()))
ORDER BY w.leased_until, w.id LIMIT $1::integer FOR NO KEY UPDATE SKIP LOCKED
