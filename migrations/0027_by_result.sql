-- Findings that hunts tell of whose events can't be told one by one: joins, conditions on groups.
ALTER TABLE rmm.findings ADD COLUMN by_result bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN rmm.findings.by_result IS 'the most events that one run of a hunt counted of which only results are known; 0: no such hunt saw it, and all else is exact to the event';
COMMENT ON COLUMN rmm.findings.count IS 'distinct events, of hunts whose events are known';
COMMENT ON COLUMN rmm.findings.days IS 'days with events, counted from 0001-01-01; all from first to last of a result where only that is known';
