-- What a run's hunts looked at, beside the run: reading it out of each result takes them apart.
ALTER TABLE rmm.runs ADD COLUMN looked_from bigint;
ALTER TABLE rmm.runs ADD COLUMN looked_to bigint;
COMMENT ON COLUMN rmm.runs.looked_from IS 'ticks: the earliest time that one of its hunts looked at; NULL: open, or not finished';
COMMENT ON COLUMN rmm.runs.looked_to IS 'ticks: the latest such time';

-- A schedule's run is a whole look, too: its window is what somebody chose for all of them, not a look at one stretch of time.
CREATE OR REPLACE VIEW rmm.looks AS
SELECT e.run_id, e.hunt_id, e.hunt_version, e.body, e.etag, e.finished_at, r.as_of, r.window_from, r.window_to,
       (r.window_from IS NULL AND r.window_to IS NULL) OR EXISTS (SELECT FROM rmm.slots s WHERE s.run_id = r.id) AS whole,
       least(r.as_of, (extract(epoch FROM r.created_at) * 10000000)::bigint + 621355968000000000) AS looked_at
FROM rmm.results e JOIN rmm.runs r ON r.id = e.run_id
WHERE e.state = 'succeeded';
COMMENT ON COLUMN rmm.looks.whole IS 'a schedule''s run, or one that asked for no from or to, which would cut the hunt''s own window';
