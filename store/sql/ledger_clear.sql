-- Work tables of the pass, empty again.
TRUNCATE rmm.ledger_found, rmm.ledger_new, rmm.ledger_facts, rmm.ledger_touched, rmm.ledger_changed
