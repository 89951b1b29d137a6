-- Answers about devices are kept as results are: what their states follow from raises the pulse, too. Passes of the ledger do
-- so behind their commit: they see one moment, in which another's change of the pulse would be a conflict.
CREATE TRIGGER pulse_days AFTER UPDATE OF quiet_days, new_days ON rmm.ledger FOR EACH ROW
    WHEN ((old.quiet_days, old.new_days) IS DISTINCT FROM (new.quiet_days, new.new_days))
    EXECUTE FUNCTION rmm.pulse_raise();
