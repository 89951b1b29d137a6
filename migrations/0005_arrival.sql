-- Which batches a snapshot saw: ids are given before the commit, so an id alone doesn't tell.
ALTER TABLE rmm.batches ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE rmm.batches ADD COLUMN from_ts bigint;
ALTER TABLE rmm.batches ADD COLUMN to_ts bigint;
CREATE INDEX batches_xid ON rmm.batches (xid);
COMMENT ON COLUMN rmm.batches.xid IS 'transaction that stored the batch: pg_visible_in_snapshot() says whether an earlier run saw it';
COMMENT ON COLUMN rmm.batches.from_ts IS 'earliest event time in the batch, in ticks; NULL: no rows, or stored before this column was there';
COMMENT ON COLUMN rmm.batches.to_ts IS 'latest event time in the batch, in ticks';
