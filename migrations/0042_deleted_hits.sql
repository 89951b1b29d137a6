-- What the ledger says of a hunt on a device stays when retention deletes the events.
CREATE TABLE rmm.deleted_hits (
    device integer NOT NULL,
    hunt integer NOT NULL,
    tool text NOT NULL,
    signal text NOT NULL,
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    count bigint NOT NULL,
    report_ids bigint[] NOT NULL,
    PRIMARY KEY (device, hunt, tool, signal)
);
COMMENT ON TABLE rmm.deleted_hits IS 'rmm.hits whose events retention has deleted, summed up per device and hunt';
COMMENT ON COLUMN rmm.deleted_hits.tool IS 'of the hunt when the events were deleted, as signal';
COMMENT ON COLUMN rmm.deleted_hits.first_seen IS 'event time in ticks, as last_seen';
