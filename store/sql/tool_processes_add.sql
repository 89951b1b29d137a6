-- $1 text: tool, $2 text[]: file names of its programs.
INSERT INTO rmm.tool_processes (tool, name)
SELECT DISTINCT $1::text, regexp_replace(lower(n), '\.exe$', '') FROM unnest($2::text[]) n
ON CONFLICT DO NOTHING
