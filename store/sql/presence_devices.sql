-- $1 smallint: table of the schema, $2 bigint, $3 bigint: days since 0001-01-01. Devices that reported on one of them.
SELECT count(*) FROM (SELECT DISTINCT device FROM rmm.present
                      WHERE event_table = $1::smallint AND day BETWEEN $2::bigint AND $3::bigint) d
