-- $1 text: hunt, $2 text: query, $3 bytea: original, $4 jsonb: error or NULL, $5 jsonb: warnings, $6 jsonb: columns,
-- $7 json: false positives. A new version when the query changed, else the latest one brought up to date; gives the version.
WITH latest AS (
    SELECT version, query FROM rmm.hunt_versions WHERE hunt_id = $1::text ORDER BY version DESC LIMIT 1
), added AS (
    INSERT INTO rmm.hunt_versions (hunt_id, version, query, original, error, warnings, columns, false_positives)
    SELECT $1::text, coalesce((SELECT version FROM latest), 0) + 1, $2::text, $3::bytea, $4::jsonb, $5::jsonb, $6::jsonb,
           $7::json
    WHERE NOT EXISTS (SELECT FROM latest WHERE query = $2::text)
    RETURNING version
), renewed AS (
    UPDATE rmm.hunt_versions SET original = $3::bytea, error = $4::jsonb, warnings = $5::jsonb, columns = $6::jsonb,
           false_positives = $7::json
    WHERE hunt_id = $1::text AND version = (SELECT version FROM latest WHERE query = $2::text)
    RETURNING version
)
UPDATE rmm.hunts SET current_version = coalesce((SELECT version FROM added), (SELECT version FROM renewed))
WHERE id = $1::text
RETURNING current_version
