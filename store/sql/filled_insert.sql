-- $1 smallint: table, $2 text[]: columns that have a value in an event of it.
INSERT INTO rmm.filled (event_table, column_name)
SELECT $1::smallint, name FROM unnest($2::text[]) AS u (name) ORDER BY name
ON CONFLICT DO NOTHING
