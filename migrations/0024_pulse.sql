-- What tells a server, without asking for more, that answers it keeps are still what the database would give.
CREATE TABLE rmm.pulse (
    n bigint NOT NULL,
    changed_by xid8 NOT NULL
);
CREATE UNIQUE INDEX pulse_one ON rmm.pulse ((true));
INSERT INTO rmm.pulse (n, changed_by) VALUES (1, '0');
COMMENT ON TABLE rmm.pulse IS 'one row, changed by each transaction that changes what results show: runs that end or go, hunts that are saved or retired';
COMMENT ON COLUMN rmm.pulse.n IS 'rises by one; as the row is locked until the commit, in the order in which changes can be seen';
COMMENT ON COLUMN rmm.pulse.changed_by IS 'the transaction that raised it last, which does so once';

CREATE FUNCTION rmm.pulse_raise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE rmm.pulse SET n = n + 1, changed_by = pg_current_xact_id() WHERE changed_by <> pg_current_xact_id();
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION rmm.pulse_raise IS 'for triggers on what results show';

CREATE TRIGGER pulse_ended AFTER UPDATE OF state ON rmm.runs FOR EACH ROW
    WHEN (old.state IS DISTINCT FROM new.state AND new.state NOT IN ('queued', 'running'))
    EXECUTE FUNCTION rmm.pulse_raise();
CREATE TRIGGER pulse_gone AFTER DELETE ON rmm.runs FOR EACH STATEMENT EXECUTE FUNCTION rmm.pulse_raise();
CREATE TRIGGER pulse_gone AFTER DELETE ON rmm.results FOR EACH STATEMENT EXECUTE FUNCTION rmm.pulse_raise();
CREATE TRIGGER pulse_hunts AFTER INSERT OR UPDATE OR DELETE ON rmm.hunts FOR EACH STATEMENT
    EXECUTE FUNCTION rmm.pulse_raise();
-- Whose run a slot was says whether it is a whole look (rmm.looks).
CREATE TRIGGER pulse_slots AFTER UPDATE OF run_id OR DELETE ON rmm.slots FOR EACH STATEMENT
    EXECUTE FUNCTION rmm.pulse_raise();
