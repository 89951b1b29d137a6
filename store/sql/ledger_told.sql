-- Growth is told at each doubling.
UPDATE rmm.device_tools d SET told = d.count
FROM rmm.ledger_changed c
WHERE c.device = d.device AND c.tool = d.tool AND d.count >= 2 * d.told
