-- From when on a finding is quiet, how long it is new, and from which time in ticks on states of the past can be told (0: any).
-- A sighting by its day alone is no longer asked for the time of once it is both quiet and no longer new.
SELECT quiet_days, new_days, coalesce((inexact_day + 1 + greatest(quiet_days, new_days)) * 864000000000, 0) FROM rmm.ledger
