-- $1 text: schedule. Its slots go with it, their runs stay. No row when there is none.
DELETE FROM rmm.schedules WHERE id = $1::text RETURNING id
