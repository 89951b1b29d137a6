-- What answers about devices show has changed.
UPDATE rmm.pulse SET n = n + 1, changed_by = pg_current_xact_id()
