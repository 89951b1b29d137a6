-- What tostring() gives for a dynamic value: arrays and objects without white space between their tokens, as KQL prints
-- them (jsonb puts a space behind each comma and colon). Strings are matched whole, so their own text stays.
CREATE OR REPLACE FUNCTION kql.dynamic_text(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE jsonb_typeof(value) WHEN 'boolean' THEN CASE WHEN value = 'true' THEN 'True' ELSE 'False' END
    WHEN 'array' THEN regexp_replace(value::text, '("(?:[^"\\]|\\.)*")|([:,]) ', '\1\2', 'g')
    WHEN 'object' THEN regexp_replace(value::text, '("(?:[^"\\]|\\.)*")|([:,]) ', '\1\2', 'g')
    ELSE coalesce(value #>> '{}', '') END
$$;
