-- A result lists what came late for its own window. Which results of which origin have listed an event stands at the event,
-- and only succeeded runs answer for a time.
ALTER TABLE rmm.ledger_hunts ADD COLUMN answered int8multirange NOT NULL DEFAULT '{}';
UPDATE rmm.ledger_hunts SET answered = int8multirange(int8range(NULL, served_to, '[]')) WHERE served_to IS NOT NULL;
ALTER TABLE rmm.ledger_hunts DROP COLUMN served_to;
COMMENT ON COLUMN rmm.ledger_hunts.answered IS 'ticks: windows that succeeded runs of this version have answered; events in there that come afterwards are late';

DROP INDEX rmm.hits_late;
UPDATE rmm.hits SET late = false WHERE late; -- these have been listed
ALTER TABLE rmm.hits ADD COLUMN told text[];
CREATE INDEX hits_late ON rmm.hits (hunt, ts) WHERE late;
COMMENT ON COLUMN rmm.hits.late IS 'came after a succeeded run had answered for its time';
COMMENT ON COLUMN rmm.hits.told IS 'schedules of which a succeeded run has listed it as late; '''': a run by hand; NULL: none';
