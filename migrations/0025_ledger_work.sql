-- A pass over very many new events looks its own work tables up by these.
CREATE INDEX ledger_touched_tool ON rmm.ledger_touched (device, tool);
CREATE INDEX ledger_changed_tool ON rmm.ledger_changed (device, tool);
