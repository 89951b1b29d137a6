-- From when on a finding is quiet, and how long it is new.
SELECT quiet_days, new_days FROM rmm.ledger
