-- rmm.device_tools.streak_from anew, for other quiet_days.
UPDATE rmm.device_tools d SET streak_from = f.streak_from
FROM (SELECT device, tool, rmm.streak_from(range_agg(days), (SELECT quiet_days FROM rmm.ledger)) AS streak_from
      FROM rmm.findings GROUP BY device, tool) f
WHERE f.device = d.device AND f.tool = d.tool AND f.streak_from <> d.streak_from
