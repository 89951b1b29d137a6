-- What a hunt's latest result is, in one place: a dashboard wants the newest look at the whole of the hunt's own window.
CREATE VIEW rmm.looks AS
SELECT e.run_id, e.hunt_id, e.hunt_version, e.body, e.etag, e.finished_at, r.as_of, r.window_from, r.window_to,
       r.window_from IS NULL AND r.window_to IS NULL AS whole,
       least(r.as_of, (extract(epoch FROM r.created_at) * 10000000)::bigint + 621355968000000000) AS looked_at
FROM rmm.results e JOIN rmm.runs r ON r.id = e.run_id
WHERE e.state = 'succeeded';
COMMENT ON VIEW rmm.looks IS 'results that can be shown; a hunt''s latest is the first by whole DESC, looked_at DESC, run_id DESC';
COMMENT ON COLUMN rmm.looks.whole IS 'the run asked for no from or to, which would cut the hunt''s own window';
COMMENT ON COLUMN rmm.looks.looked_at IS 'as_of in ticks, but not later than the run itself: an as_of in the future must not stay the latest for ever';
