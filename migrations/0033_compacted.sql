CREATE TABLE rmm.compacted (
    index_name text PRIMARY KEY,
    rows bigint NOT NULL,
    compacted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE rmm.compacted IS 'indexes of day partitions (schema data) that were built anew after their day had come to rest';
COMMENT ON COLUMN rmm.compacted.rows IS 'events of the day then: with a tenth more it is done again';
