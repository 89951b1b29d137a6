-- What coverage and retention need to know of the events without reading them.
CREATE TABLE rmm.retention (
    events_ticks bigint NOT NULL DEFAULT 90 * 864000000000,
    holder text,
    lease_until timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE UNIQUE INDEX retention_one ON rmm.retention ((true));
INSERT INTO rmm.retention DEFAULT VALUES;
COMMENT ON TABLE rmm.retention IS 'the one row about dropping what is old';
COMMENT ON COLUMN rmm.retention.events_ticks IS 'how long events are kept, in ticks: the setting of the server that started last';
COMMENT ON COLUMN rmm.retention.holder IS 'the server whose turn it is to drop; another takes over when the lease has run out';

CREATE TABLE rmm.arrivals (
    batch bigint NOT NULL,
    event_table smallint NOT NULL,
    day integer NOT NULL,
    machine_group text NOT NULL,
    rows bigint NOT NULL,
    late_hour bigint NOT NULL,
    late_day bigint NOT NULL,
    largest_delay bigint NOT NULL,
    newest_event bigint NOT NULL,
    arrived bigint NOT NULL,
    archive boolean NOT NULL
);
COMMENT ON TABLE rmm.arrivals IS 'counts of each commit, written with its rows; added to rmm.days about once a minute and deleted here';
COMMENT ON COLUMN rmm.arrivals.day IS 'event time in days since 0001-01-01';
COMMENT ON COLUMN rmm.arrivals.late_hour IS 'rows that arrived more than an hour after their event time';
COMMENT ON COLUMN rmm.arrivals.late_day IS 'rows that arrived more than a day after their event time';
COMMENT ON COLUMN rmm.arrivals.largest_delay IS 'from event time to arrival, in ticks; negative: events of the future';
COMMENT ON COLUMN rmm.arrivals.arrived IS 'time of the commit in ticks';
COMMENT ON COLUMN rmm.arrivals.archive IS 'the whole day was older than retention when these rows came: they are kept as long again';

CREATE TABLE rmm.days (
    event_table smallint NOT NULL,
    day integer NOT NULL,
    machine_group text NOT NULL,
    rows bigint NOT NULL,
    late_hour bigint NOT NULL,
    late_day bigint NOT NULL,
    largest_delay bigint NOT NULL,
    newest_event bigint NOT NULL,
    newest_arrival bigint NOT NULL,
    archived bigint,
    PRIMARY KEY (event_table, day, machine_group)
);
COMMENT ON TABLE rmm.days IS 'counts of a table, day and device group; together with rmm.arrivals they are exact';
COMMENT ON COLUMN rmm.days.archived IS 'when the last rows came that were older than retention already, in ticks; NULL: none did';

CREATE VIEW rmm.counts AS
SELECT event_table, day, machine_group, rows, late_hour, late_day, largest_delay, newest_event, newest_arrival, archived
FROM rmm.days
UNION ALL
SELECT event_table, day, machine_group, rows, late_hour, late_day, largest_delay, newest_event, arrived,
       CASE WHEN archive THEN arrived END
FROM rmm.arrivals;
COMMENT ON VIEW rmm.counts IS 'counts of all events by table, day and device group, to be summed';

CREATE TABLE rmm.reporters (
    event_table smallint NOT NULL,
    device integer NOT NULL,
    host integer NOT NULL,
    last_day integer NOT NULL,
    PRIMARY KEY (event_table, device)
);
COMMENT ON TABLE rmm.reporters IS 'the last day on which a device sent events of a table, but for the days of rmm.arrivals: read rmm.last_days';
COMMENT ON COLUMN rmm.reporters.host IS 'dict.host: name and group that the device had on that day';
INSERT INTO rmm.reporters SELECT event_table, device, 0, max(day) FROM rmm.presence GROUP BY 1, 2;

ALTER TABLE rmm.presence ADD COLUMN host integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN rmm.presence.host IS 'dict.host: name and group that the device had at its first event of the day; 0: not known';

CREATE VIEW rmm.last_days AS
SELECT event_table, device, (last & 2147483647)::integer AS host, (last >> 32)::integer AS last_day
FROM (SELECT event_table, device, greatest(r.last_day::bigint << 32 | r.host, fresh.last) AS last
      FROM rmm.reporters r
      FULL JOIN (SELECT p.event_table, p.device, max(p.day::bigint << 32 | p.host) AS last
                 FROM (SELECT DISTINCT event_table, day FROM rmm.arrivals) a JOIN rmm.presence p USING (event_table, day)
                 GROUP BY p.event_table, p.device) fresh USING (event_table, device)) l;
COMMENT ON VIEW rmm.last_days IS 'the last day on which a device sent events of a table, exact: who reports and who went silent';

CREATE TABLE rmm.filled (
    event_table smallint NOT NULL,
    column_name text NOT NULL,
    PRIMARY KEY (event_table, column_name)
);
COMMENT ON TABLE rmm.filled IS 'columns that had a value in any event: a hunt that looks at another finds nothing';

CREATE INDEX dead_letters_kinds ON rmm.dead_letters (event_table, code) WHERE state = 'rejected';
