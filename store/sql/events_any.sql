-- One row when any event was ever stored.
SELECT 1 FROM rmm.present LIMIT 1
