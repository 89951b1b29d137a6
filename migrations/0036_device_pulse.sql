-- Answers about devices are kept as results are: what the ledger changes raises the pulse, too.
CREATE TRIGGER pulse_devices AFTER INSERT OR UPDATE OR DELETE ON rmm.devices FOR EACH STATEMENT
    EXECUTE FUNCTION rmm.pulse_raise();
CREATE TRIGGER pulse_days AFTER UPDATE OF quiet_days, new_days ON rmm.ledger FOR EACH ROW
    WHEN ((old.quiet_days, old.new_days) IS DISTINCT FROM (new.quiet_days, new.new_days))
    EXECUTE FUNCTION rmm.pulse_raise();
COMMENT ON TABLE rmm.pulse IS 'one row, changed by each transaction that changes what results and answers about devices show: runs that end or go, hunts that are saved or retired, devices of the ledger';
