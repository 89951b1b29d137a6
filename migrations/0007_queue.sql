ALTER TABLE rmm.runs
    ADD COLUMN attempt integer NOT NULL DEFAULT 0,
    ADD COLUMN lease_until timestamptz;
COMMENT ON TABLE rmm.runs IS 'requests to run hunts, and the queue of those that wait';
COMMENT ON COLUMN rmm.runs.attempt IS 'fencing number: each claim adds one, and only the latest may write results';
COMMENT ON COLUMN rmm.runs.lease_until IS 'until then nobody else may claim the run; NULL: now';
