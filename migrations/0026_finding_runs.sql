-- How many runs saw a finding. Beside rmm.findings: each run raises nearly all of these, and none of the wide rows there.
CREATE TABLE rmm.finding_runs (
    device integer NOT NULL,
    tool text NOT NULL,
    signal text NOT NULL,
    runs bigint NOT NULL,
    PRIMARY KEY (device, tool, signal)
) WITH (fillfactor = 45);
COMMENT ON TABLE rmm.finding_runs IS 'succeeded runs whose results named the device, per finding; half of each page is left free, so that a run that raises all rows changes no index';
COMMENT ON COLUMN rmm.finding_runs.runs IS 'raised in the transaction in which the run ends, so once a run';
