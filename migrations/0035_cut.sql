-- A look that a schedule's window cuts is no whole one: it would take hits from a hunt's latest result. And hunts that a
-- schedule names and that are gone are told, while the others run.
ALTER TABLE rmm.results ADD COLUMN cut boolean NOT NULL DEFAULT false;
ALTER TABLE rmm.runs ADD COLUMN missing text[];
COMMENT ON COLUMN rmm.results.cut IS 'the run''s window began later than the hunt''s own';
COMMENT ON COLUMN rmm.runs.missing IS 'ids or slugs that its schedule names and that were no hunts in use; NULL: none';
CREATE OR REPLACE VIEW rmm.looks AS
SELECT e.run_id, e.hunt_id, e.hunt_version, e.body, e.etag, e.finished_at, r.as_of, r.window_from, r.window_to,
       (r.window_from IS NULL AND r.window_to IS NULL) OR (NOT e.cut AND EXISTS (SELECT FROM rmm.slots s WHERE s.run_id = r.id)) AS whole,
       least(r.as_of, (extract(epoch FROM r.created_at) * 10000000)::bigint + 621355968000000000) AS looked_at
FROM rmm.results e JOIN rmm.runs r ON r.id = e.run_id
WHERE e.state = 'succeeded';
COMMENT ON COLUMN rmm.looks.whole IS 'the run asked for no from or to, or is a schedule''s whose window doesn''t cut the hunt''s own';
