-- $1 text: tool. What stands on findings that rmm.ledger_touched names and that are no more: the tool on the device, the
-- device when it was the last one, and what the estate knows of the tool from nowhere else.
WITH tools AS (
    DELETE FROM rmm.device_tools d USING (SELECT DISTINCT device FROM rmm.ledger_touched) t
    WHERE d.device = t.device AND d.tool = $1::text
      AND NOT EXISTS (SELECT FROM rmm.findings f WHERE f.device = d.device AND f.tool = d.tool)
    RETURNING d.device
), devices AS (
    DELETE FROM rmm.devices v USING tools t
    WHERE v.device = t.device
      AND NOT EXISTS (SELECT FROM rmm.device_tools o WHERE o.device = v.device AND o.tool <> $1::text)
), times AS (
    DELETE FROM rmm.finding_days d USING rmm.ledger_touched t
    WHERE (d.device, d.tool, d.signal) = (t.device, t.tool, t.signal)
      AND NOT EXISTS (SELECT FROM rmm.findings f WHERE (f.device, f.tool, f.signal) = (d.device, d.tool, d.signal) AND f.days @> d.day)
)
DELETE FROM rmm.tool_facts k
WHERE k.tool = $1::text
  AND NOT EXISTS (SELECT FROM rmm.facts f WHERE f.tool = k.tool AND f.kind = k.kind AND f.key = k.key)
