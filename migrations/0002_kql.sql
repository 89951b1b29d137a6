-- Runtime of compiled KQL: what Kusto's functions mean where SQL has no equal. All pure.
CREATE SCHEMA IF NOT EXISTS kql;
COMMENT ON SCHEMA kql IS 'Functions that compiled KQL calls';

-- The regular expression of `has` and its kin: an edge that is a letter or digit needs a boundary there.
CREATE OR REPLACE FUNCTION kql.has_pattern(needle text, before boolean, after boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN needle = '' OR needle IS NULL THEN '(?:)' ELSE
    CASE WHEN before AND needle ~ '^[[:alnum:]]' THEN '(?:^|[^[:alnum:]])' ELSE '' END
    || regexp_replace(needle, '([^[:alnum:]_[:space:]])', '\\\1', 'g')
    || CASE WHEN after AND needle ~ '[[:alnum:]]$' THEN '(?:$|[^[:alnum:]])' ELSE '' END END
$$;

CREATE OR REPLACE FUNCTION kql.date_of(ticks bigint) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT date '0001-01-01' + (ticks / 864000000000)::int $$;

CREATE OR REPLACE FUNCTION kql.datetime_text(ticks bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(to_char(date '0001-01-01' + (ticks / 864000000000)::int, 'YYYY-MM-DD') || 'T'
    || lpad((ticks / 36000000000 % 24)::text, 2, '0') || ':' || lpad((ticks / 600000000 % 60)::text, 2, '0') || ':'
    || lpad((ticks / 10000000 % 60)::text, 2, '0') || '.' || lpad((ticks % 10000000)::text, 7, '0') || 'Z', '')
$$;

CREATE OR REPLACE FUNCTION kql.timespan_text(ticks bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(CASE WHEN ticks < 0 THEN '-' ELSE '' END
    || CASE WHEN abs(ticks) >= 864000000000 THEN (abs(ticks) / 864000000000)::text || '.' ELSE '' END
    || lpad((abs(ticks) / 36000000000 % 24)::text, 2, '0') || ':' || lpad((abs(ticks) / 600000000 % 60)::text, 2, '0') || ':'
    || lpad((abs(ticks) / 10000000 % 60)::text, 2, '0')
    || CASE WHEN ticks % 10000000 <> 0 THEN '.' || lpad((abs(ticks) % 10000000)::text, 7, '0') ELSE '' END, '')
$$;

CREATE OR REPLACE FUNCTION kql.bool_text(value boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT CASE WHEN value THEN 'True' WHEN NOT value THEN 'False' ELSE '' END $$;

CREATE OR REPLACE FUNCTION kql.dynamic_text(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE jsonb_typeof(value) WHEN 'boolean' THEN CASE WHEN value = 'true' THEN 'True' ELSE 'False' END
    ELSE coalesce(value #>> '{}', '') END
$$;

CREATE OR REPLACE FUNCTION kql.dynamic_type(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE jsonb_typeof(value) WHEN 'array' THEN 'array' WHEN 'object' THEN 'dictionary' WHEN 'string' THEN 'string'
    WHEN 'boolean' THEN 'bool' WHEN 'number' THEN CASE WHEN value::text ~ '[.eE]' THEN 'double' ELSE 'long' END ELSE 'null' END
$$;

CREATE OR REPLACE FUNCTION kql.item(value jsonb, place bigint) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN jsonb_typeof(value) = 'array' AND place BETWEEN -2147483648 AND 2147483647
    THEN nullif(value -> place::int, 'null'::jsonb) END
$$;

CREATE OR REPLACE FUNCTION kql.member(value jsonb, name text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN jsonb_typeof(value) = 'object' THEN nullif(value -> name, 'null'::jsonb) END
$$;

-- The elements of an array as text; a value that is no array is its own only element.
CREATE OR REPLACE FUNCTION kql.elements(value jsonb) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10 AS $$
  SELECT kql.dynamic_text(e) FROM jsonb_array_elements(CASE WHEN jsonb_typeof(value) = 'array' THEN value
    WHEN value IS NULL THEN '[]' ELSE jsonb_build_array(value) END) e
$$;

-- A set: arrays flattened, nulls dropped, in jsonb's own order.
CREATE OR REPLACE FUNCTION kql.set_of(items jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_agg(DISTINCT m), '[]') FROM jsonb_array_elements(coalesce(items, '[]')) e,
    jsonb_array_elements(CASE WHEN jsonb_typeof(e) = 'array' THEN e ELSE jsonb_build_array(e) END) m
  WHERE m <> 'null'
$$;

CREATE OR REPLACE FUNCTION kql.parse_json(value text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  IF value IS NULL OR value = '' THEN RETURN NULL; END IF;
  RETURN nullif(value::jsonb, 'null'::jsonb);
EXCEPTION WHEN others THEN
  RETURN to_jsonb(value);
END $$;

CREATE OR REPLACE FUNCTION kql.to_long(value text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN btrim(value, E' \t\r\n') ~ '^[-+]?[0-9]{1,18}$' THEN btrim(value, E' \t\r\n')::bigint
    WHEN btrim(value, E' \t\r\n') ~ '^[-+]?[0-9]{19}$' AND btrim(value, E' \t\r\n')::numeric BETWEEN -9223372036854775808 AND 9223372036854775807
      THEN btrim(value, E' \t\r\n')::bigint
    WHEN btrim(value, E' \t\r\n') ~ '^0[xX][0-9a-fA-F]{1,16}$'
      THEN ('x' || lpad(substr(btrim(value, E' \t\r\n'), 3), 16, '0'))::bit(64)::bigint END
$$;

CREATE OR REPLACE FUNCTION kql.to_long(value float8) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN value > -9.2e18 AND value < 9.2e18 THEN trunc(value)::bigint END
$$;

CREATE OR REPLACE FUNCTION kql.to_int(value bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT CASE WHEN value BETWEEN -2147483648 AND 2147483647 THEN value END $$;

CREATE OR REPLACE FUNCTION kql.to_real(value text) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN btrim(value) ~ '^[-+]?([0-9]{1,255}(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,2})?$' THEN btrim(value)::float8
    WHEN lower(btrim(value)) = 'nan' THEN 'NaN'::float8
    WHEN lower(btrim(value)) IN ('inf', '+inf', 'infinity', '+infinity') THEN 'Infinity'::float8
    WHEN lower(btrim(value)) IN ('-inf', '-infinity') THEN '-Infinity'::float8 END
$$;

CREATE OR REPLACE FUNCTION kql.to_bool(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN lower(value) = 'true' THEN true WHEN lower(value) = 'false' THEN false
    WHEN btrim(value) ~ '^[-+]?[0-9]{1,9}$' THEN btrim(value)::bigint <> 0 END
$$;

CREATE OR REPLACE FUNCTION kql.to_guid(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN value ~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' THEN lower(value) END
$$;

-- Dates as RFC 3339 writes them, the time, its parts and the zone optional; null when it is none.
CREATE OR REPLACE FUNCTION kql.to_datetime(value text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  m text[] := regexp_match(btrim(value),
    '^(\d{4})-(\d{1,2})(?:-(\d{1,2}))?(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7})\d*)?)?)?\s*(?:Z|([-+])(\d{2}):?(\d{2}))?$');
BEGIN
  IF m IS NULL THEN RETURN NULL; END IF;
  RETURN (make_date(m[1]::int, m[2]::int, coalesce(m[3], '1')::int) - date '0001-01-01')::bigint * 864000000000
    + coalesce(m[4], '0')::bigint * 36000000000 + coalesce(m[5], '0')::bigint * 600000000
    + coalesce(m[6], '0')::bigint * 10000000 + rpad(coalesce(m[7], '0'), 7, '0')::bigint
    - CASE m[8] WHEN '+' THEN 1 WHEN '-' THEN -1 ELSE 0 END
      * (coalesce(m[9], '0')::bigint * 36000000000 + coalesce(m[10], '0')::bigint * 600000000);
EXCEPTION WHEN others THEN
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION kql.to_timespan(value text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  m text[] := regexp_match(btrim(value), '^(-)?(?:(\d{1,7})\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?$');
  n text[] := regexp_match(btrim(value), '^(-)?(\d{1,7})$');
BEGIN
  IF n IS NOT NULL THEN
    RETURN n[2]::bigint * 864000000000 * CASE WHEN n[1] IS NULL THEN 1 ELSE -1 END;
  END IF;
  IF m IS NULL OR m[3]::int > 23 OR m[4]::int > 59 OR coalesce(m[5], '0')::int > 59 THEN RETURN NULL; END IF;
  RETURN CASE WHEN m[1] IS NULL THEN 1 ELSE -1 END * (coalesce(m[2], '0')::bigint * 864000000000
    + m[3]::bigint * 36000000000 + m[4]::bigint * 600000000 + coalesce(m[5], '0')::bigint * 10000000
    + rpad(coalesce(m[6], '0'), 7, '0')::bigint);
END $$;

CREATE OR REPLACE FUNCTION kql.divide(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT a / nullif(b, 0) $$;

CREATE OR REPLACE FUNCTION kql.divide(a float8, b float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN b <> 0 THEN a / b WHEN a > 0 THEN 'Infinity'::float8 WHEN a < 0 THEN '-Infinity'::float8
    WHEN a = 0 AND b = 0 THEN 'NaN'::float8 END
$$;

CREATE OR REPLACE FUNCTION kql.divide(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT a / nullif(b, 0) $$;

-- The remainder is never negative.
CREATE OR REPLACE FUNCTION kql.modulo(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ((a % nullif(abs(b), 0)) + abs(b)) % nullif(abs(b), 0)
$$;

CREATE OR REPLACE FUNCTION kql.modulo(a float8, b float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT a - nullif(abs(b), 0) * floor(a / nullif(abs(b), 0))
$$;

CREATE OR REPLACE FUNCTION kql.modulo(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT a - nullif(abs(b), 0) * floor(a / nullif(abs(b), 0))
$$;

CREATE OR REPLACE FUNCTION kql.bin(value bigint, size bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT value - (((value % nullif(size, 0)) + size) % nullif(size, 0))
$$;

CREATE OR REPLACE FUNCTION kql.start_of(unit text, ticks bigint, ahead int) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (((date_trunc(unit, kql.date_of(ticks)::timestamp) + ahead * ('1 ' || unit)::interval)::date)
    - date '0001-01-01')::bigint * 864000000000
$$;

CREATE OR REPLACE FUNCTION kql.substring(value text, start bigint, count bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(CASE WHEN count < 0 THEN '' WHEN start < 0 THEN substr(value, (length(value) + start + 1)::int, least(count, 1000000000)::int)
    WHEN start > 1000000000 THEN '' ELSE substr(value, start::int + 1, least(count, 1000000000)::int) END, '')
$$;

CREATE OR REPLACE FUNCTION kql.real_text(value float8) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(CASE WHEN value::text ~ '^-?[0-9]+$' THEN value::text || '.0' ELSE value::text END, '')
$$;

CREATE OR REPLACE FUNCTION kql.split(value text, delimiter text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN value = '' THEN '[""]'::jsonb ELSE to_jsonb(string_to_array(value, delimiter)) END
$$;

CREATE OR REPLACE FUNCTION kql.power(a float8, b float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN a < 0 AND b <> trunc(b) THEN 'NaN'::float8 WHEN a = 0 AND b < 0 THEN 'Infinity'::float8 ELSE power(a, b) END
$$;

CREATE OR REPLACE FUNCTION kql.dynamic_long(value jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE jsonb_typeof(value) WHEN 'number' THEN
      CASE WHEN (value #>> '{}')::numeric BETWEEN -9223372036854775808 AND 9223372036854775807
        THEN trunc((value #>> '{}')::numeric)::bigint END
    WHEN 'boolean' THEN (value = 'true')::int::bigint
    WHEN 'string' THEN kql.to_long(value #>> '{}') END
$$;
