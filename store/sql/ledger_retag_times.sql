-- $1 integer: hunt, $2 text, $3 text: tool and signal that it had. rmm.finding_days as the other hunts of them have it, where
-- they have the day's events. Before ledger_retag, which tells streaks from it.
UPDATE rmm.finding_days d SET first_seen = k.first_seen, last_seen = k.last_seen
FROM (SELECT k.device, (k.ts / 864000000000)::integer AS day, min(k.ts) AS first_seen, max(k.ts) AS last_seen
      FROM rmm.hits k JOIN rmm.hunt_tools t ON t.hunt = k.hunt
      WHERE t.tool = $2::text AND t.signal = $3::text AND k.hunt <> $1::integer
      GROUP BY 1, 2) k
WHERE (d.device, d.tool, d.signal, d.day) = (k.device, $2::text, $3::text, k.day)
  AND (d.first_seen, d.last_seen) <> (k.first_seen, k.last_seen)
