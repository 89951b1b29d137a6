-- What the new events say, into rmm.facts.
INSERT INTO rmm.facts AS f (device, tool, signal, kind, key, value, of, first_seen, last_seen)
SELECT device, tool, signal, kind, rmm.fact_key(value, of) AS key, value, of, min(first_seen), max(last_seen)
FROM rmm.ledger_facts GROUP BY device, tool, signal, kind, key, value, of ORDER BY device, tool, signal, kind, key
ON CONFLICT (device, tool, signal, kind, key) DO UPDATE
SET first_seen = least(f.first_seen, excluded.first_seen), last_seen = greatest(f.last_seen, excluded.last_seen)
