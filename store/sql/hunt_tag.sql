-- $1 text: hunt, $2 text: tool, $3 text: signal, $4 text: slug that it is to have. A row when that makes its hits sightings of
-- something else: the hunt's number, tool and signal as they are.
SELECT t.hunt, t.tool, t.signal
FROM rmm.hunts h JOIN rmm.hunt_tools t ON t.hunt = h.number
WHERE h.id = $1::text
  AND (t.tool, t.signal) <> (coalesce(nullif($2::text, ''), $4::text), coalesce(nullif($3::text, ''), 'other'))
