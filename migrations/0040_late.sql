-- A result lists what came late for its own window. Which results of which origin have listed an event stands at the event,
-- and only succeeded runs answer for a time.
CREATE TABLE rmm.answered (
    hunt integer PRIMARY KEY,
    version integer NOT NULL,
    times int8multirange NOT NULL
);
COMMENT ON TABLE rmm.answered IS 'ticks: windows that succeeded runs of a hunt''s version have answered; events in there that come afterwards are late. Beside ledger_hunts, as runs write it while passes of the ledger write that';
INSERT INTO rmm.answered (hunt, version, times)
SELECT hunt, version, int8multirange(int8range(NULL, served_to, '[]')) FROM rmm.ledger_hunts WHERE served_to IS NOT NULL;
ALTER TABLE rmm.ledger_hunts DROP COLUMN served_to;

DROP INDEX rmm.hits_late;
UPDATE rmm.hits SET late = false WHERE late; -- these have been listed
ALTER TABLE rmm.hits ADD COLUMN told text[];
CREATE INDEX hits_late ON rmm.hits (hunt, ts, arrived) WHERE late;
COMMENT ON COLUMN rmm.hits.late IS 'came after a succeeded run had answered for its time';
COMMENT ON COLUMN rmm.hits.told IS 'schedules of which a succeeded run has listed it as late; '''': a run by hand; NULL: none';
