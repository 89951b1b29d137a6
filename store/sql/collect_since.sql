-- $1 bigint: commits after this one: bit n set: table n got rows; earliest and latest event time in ticks.
SELECT coalesce(bit_or(tables), 0), coalesce(min(from_ts), 0), coalesce(max(to_ts), 0) FROM rmm.batches WHERE id > $1::bigint
