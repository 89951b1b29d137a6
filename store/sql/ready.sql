-- One write that leaves nothing behind: a full disk or a standby must show, and a mere SELECT stays green. Schema version
-- and time of the last commit of events.
SELECT (SELECT max(number) FROM rmm.migrations),
       kql.time_text((SELECT arrived_at FROM rmm.batches ORDER BY id DESC LIMIT 1)),
       pg_catalog.pg_logical_emit_message(true, 'rmmhunt.ready', '')
