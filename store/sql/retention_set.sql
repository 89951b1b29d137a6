-- $1 bigint: how long events are kept, in ticks. Said at a server's start, before events come.
UPDATE rmm.retention SET events_ticks = $1::bigint
