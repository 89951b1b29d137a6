ALTER TABLE rmm.runs ADD COLUMN holder text;
COMMENT ON COLUMN rmm.runs.holder IS 'application_name of the sessions of the process that has the lease: without a session of that name, the process is gone';
