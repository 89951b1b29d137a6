-- Days whose events retention has deleted: what a window can't show any more.
CREATE TABLE rmm.dropped_days (
    event_table smallint NOT NULL,
    day integer NOT NULL,
    PRIMARY KEY (event_table, day)
);
COMMENT ON TABLE rmm.dropped_days IS 'days of event time of which events of a table were deleted, as they were older than retention';
COMMENT ON COLUMN rmm.dropped_days.event_table IS 'place in the schema''s list of tables, from 0';
COMMENT ON COLUMN rmm.dropped_days.day IS 'counted from 0001-01-01';
