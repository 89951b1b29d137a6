-- Scalar functions of KQL that SQL has no equal for: time, text, addresses, hashes. All pure; null where Kusto says null.

-- ---- conversions

-- Kusto's toint() keeps the low 32 bits.
CREATE OR REPLACE FUNCTION kql.to_int(value bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ((value & 4294967295) # 2147483648) - 2147483648
$$;

CREATE FUNCTION kql.to_int(value text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kql.to_long(value) BETWEEN -2147483648 AND 2147483647 THEN kql.to_long(value) END
$$;

CREATE FUNCTION kql.dynamic_bool(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE jsonb_typeof(value) WHEN 'boolean' THEN value = 'true' WHEN 'number' THEN value <> '0'
    WHEN 'string' THEN coalesce(kql.to_bool(value #>> '{}'), kql.to_long(value #>> '{}') <> 0) END
$$;

CREATE FUNCTION kql.dynamic_real(value jsonb) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE jsonb_typeof(value) WHEN 'boolean' THEN (value = 'true')::int::float8
    WHEN 'number' THEN kql.to_double((value #>> '{}')::numeric) WHEN 'string' THEN kql.to_real(value #>> '{}') END
$$;

CREATE FUNCTION kql.to_decimal(value text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN btrim(value) ~ '^[-+]?[0-9]{1,34}(\.[0-9]{0,34})?$' THEN btrim(value)::numeric END
$$;

CREATE OR REPLACE FUNCTION kql.real_text(value float8) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(CASE WHEN value::text ~ '^-?[0-9]+$' THEN value::text || '.0' WHEN value = 'Infinity' THEN 'inf'
    WHEN value = '-Infinity' THEN '-inf' ELSE value::text END, '')
$$;

CREATE FUNCTION kql.to_hex(value bigint, width bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN value IS NULL THEN '' WHEN length(to_hex(value)) >= width THEN to_hex(value)
    ELSE lpad(to_hex(value), least(width, 64)::int, '0') END
$$;

-- ---- time

-- Years first in any of -/, months first with the year behind, digits only: what Kusto reads beside RFC 3339.
CREATE FUNCTION kql.date_normal(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN value ~ '^\d{8}$' THEN regexp_replace(value, '^(\d{4})(\d\d)(\d\d)$', '\1-\2-\3')
    WHEN value ~ '^\d{1,2}[-/]\d{1,2}[-/]\d{4}' THEN regexp_replace(value, '^(\d{1,2})[-/](\d{1,2})[-/](\d{4})', '\3-\1-\2')
    WHEN value ~ '^\d{4}/\d{1,2}/\d{1,2}' THEN regexp_replace(value, '^(\d{4})/(\d{1,2})/(\d{1,2})', '\1-\2-\3')
    WHEN value ~ '^\d{4}$' THEN value || '-01-01' ELSE value END
$$;

CREATE OR REPLACE FUNCTION kql.to_datetime(value text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  m text[] := regexp_match(kql.date_normal(btrim(value)),
    '^(\d{4})-(\d{1,2})(?:-(\d{1,2}))?(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7})\d*)?)?)?\s*(?:Z|([-+])(\d{2}):?(\d{2}))?$');
BEGIN
  IF m IS NULL THEN RETURN NULL; END IF;
  IF coalesce(m[4], '0')::int > 23 OR coalesce(m[5], '0')::int > 59 OR coalesce(m[6], '0')::int > 59 THEN RETURN NULL; END IF;
  RETURN (make_date(m[1]::int, m[2]::int, coalesce(m[3], '1')::int) - date '0001-01-01')::bigint * 864000000000
    + coalesce(m[4], '0')::bigint * 36000000000 + coalesce(m[5], '0')::bigint * 600000000
    + coalesce(m[6], '0')::bigint * 10000000 + rpad(coalesce(m[7], '0'), 7, '0')::bigint
    - CASE m[8] WHEN '+' THEN 1 WHEN '-' THEN -1 ELSE 0 END
      * (coalesce(m[9], '0')::bigint * 36000000000 + coalesce(m[10], '0')::bigint * 600000000);
EXCEPTION WHEN others THEN
  RETURN NULL;
END $$;

CREATE FUNCTION kql.make_datetime(year bigint, month bigint, day bigint, hour bigint, minute bigint, second float8) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN year BETWEEN 1 AND 9999 AND month BETWEEN 1 AND 12 AND hour BETWEEN 0 AND 23 AND minute BETWEEN 0 AND 59
      AND second >= 0 AND second < 60
      AND day BETWEEN 1 AND extract(day FROM make_date(least(greatest(year, 1), 9999)::int, least(greatest(month, 1), 12)::int, 1) + interval '1 month - 1 day')
    THEN (make_date(year::int, month::int, day::int) - date '0001-01-01')::bigint * 864000000000 + hour * 36000000000
      + minute * 600000000 + round(second::numeric * 10000000)::bigint END
$$;

CREATE FUNCTION kql.make_timespan(day bigint, hour bigint, minute bigint, second float8) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN day BETWEEN 0 AND 10000000 AND hour BETWEEN 0 AND 23 AND minute BETWEEN 0 AND 59 AND second >= 0 AND second < 60
    THEN day * 864000000000 + hour * 36000000000 + minute * 600000000 + round(second::numeric * 10000000)::bigint END
$$;

CREATE FUNCTION kql.unit_ticks(unit text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE unit WHEN 'week' THEN 6048000000000 WHEN 'day' THEN 864000000000 WHEN 'hour' THEN 36000000000
    WHEN 'minute' THEN 600000000 WHEN 'second' THEN 10000000 WHEN 'millisecond' THEN 10000 WHEN 'microsecond' THEN 10 END
$$;

CREATE FUNCTION kql.datetime_add(unit text, amount bigint, ticks bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN unit IN ('year', 'quarter', 'month') THEN
      ((kql.date_of(ticks) + make_interval(months => (amount * CASE unit WHEN 'year' THEN 12 WHEN 'quarter' THEN 3 ELSE 1 END)::int))::date
        - date '0001-01-01')::bigint * 864000000000 + ticks % 864000000000
    WHEN unit = 'nanosecond' THEN ticks + amount / 100 ELSE ticks + amount * kql.unit_ticks(unit) END
$$;

-- How many borders of the unit lie between; a week begins on Sunday.
CREATE FUNCTION kql.datetime_diff(unit text, a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE unit
    WHEN 'year' THEN (extract(year FROM kql.date_of(a)) - extract(year FROM kql.date_of(b)))::bigint
    WHEN 'quarter' THEN ((extract(year FROM kql.date_of(a)) - extract(year FROM kql.date_of(b))) * 4
      + extract(quarter FROM kql.date_of(a)) - extract(quarter FROM kql.date_of(b)))::bigint
    WHEN 'month' THEN ((extract(year FROM kql.date_of(a)) - extract(year FROM kql.date_of(b))) * 12
      + extract(month FROM kql.date_of(a)) - extract(month FROM kql.date_of(b)))::bigint
    WHEN 'week' THEN (a + 864000000000) / 6048000000000 - (b + 864000000000) / 6048000000000
    WHEN 'nanosecond' THEN (a - b) * 100
    ELSE a / kql.unit_ticks(unit) - b / kql.unit_ticks(unit) END
$$;

CREATE FUNCTION kql.datetime_part(part text, ticks bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE part
    WHEN 'year' THEN extract(year FROM kql.date_of(ticks))::bigint WHEN 'quarter' THEN extract(quarter FROM kql.date_of(ticks))::bigint
    WHEN 'month' THEN extract(month FROM kql.date_of(ticks))::bigint
    WHEN 'week_of_year' THEN extract(week FROM kql.date_of(ticks))::bigint
    WHEN 'weekofyear' THEN extract(week FROM kql.date_of(ticks))::bigint
    WHEN 'day' THEN extract(day FROM kql.date_of(ticks))::bigint WHEN 'dayofyear' THEN extract(doy FROM kql.date_of(ticks))::bigint
    WHEN 'hour' THEN ticks / 36000000000 % 24 WHEN 'minute' THEN ticks / 600000000 % 60 WHEN 'second' THEN ticks / 10000000 % 60
    WHEN 'millisecond' THEN ticks % 10000000 / 10000 WHEN 'microsecond' THEN ticks % 10000000 / 10
    WHEN 'nanosecond' THEN ticks % 10000000 * 100 END
$$;

CREATE FUNCTION kql.format_fraction(ticks bigint, token text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN token LIKE 'F%' THEN rtrim(left(lpad((abs(ticks) % 10000000)::text, 7, '0'), length(token)), '0')
    ELSE left(lpad((abs(ticks) % 10000000)::text, 7, '0'), length(token)) END
$$;

CREATE FUNCTION kql.format_datetime(ticks bigint, format text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN ticks IS NULL THEN '' ELSE coalesce((SELECT string_agg(CASE
      WHEN t.m[1] = 'yyyy' THEN to_char(kql.date_of(ticks), 'YYYY')
      WHEN t.m[1] = 'yy' THEN to_char(kql.date_of(ticks), 'YY')
      WHEN t.m[1] = 'y' THEN (extract(year FROM kql.date_of(ticks))::int % 100)::text
      WHEN t.m[1] = 'MM' THEN to_char(kql.date_of(ticks), 'MM') WHEN t.m[1] = 'M' THEN to_char(kql.date_of(ticks), 'FMMM')
      WHEN t.m[1] = 'dd' THEN to_char(kql.date_of(ticks), 'DD') WHEN t.m[1] = 'd' THEN to_char(kql.date_of(ticks), 'FMDD')
      WHEN t.m[1] = 'HH' THEN lpad((ticks / 36000000000 % 24)::text, 2, '0') WHEN t.m[1] = 'H' THEN (ticks / 36000000000 % 24)::text
      WHEN t.m[1] = 'hh' THEN lpad(((ticks / 36000000000 + 11) % 12 + 1)::text, 2, '0')
      WHEN t.m[1] = 'h' THEN ((ticks / 36000000000 + 11) % 12 + 1)::text
      WHEN t.m[1] = 'mm' THEN lpad((ticks / 600000000 % 60)::text, 2, '0') WHEN t.m[1] = 'm' THEN (ticks / 600000000 % 60)::text
      WHEN t.m[1] = 'ss' THEN lpad((ticks / 10000000 % 60)::text, 2, '0') WHEN t.m[1] = 's' THEN (ticks / 10000000 % 60)::text
      WHEN t.m[1] = 'tt' THEN CASE WHEN ticks / 36000000000 % 24 < 12 THEN 'AM' ELSE 'PM' END
      WHEN t.m[1] ~ '^[fF]' THEN kql.format_fraction(ticks, t.m[1]) ELSE t.m[1] END, '' ORDER BY t.place)
    FROM regexp_matches(format, 'yyyy|yy|y|MM|M|dd|d|HH|H|hh|h|mm|m|ss|s|tt|f{1,7}|F{1,7}|.', 'g') WITH ORDINALITY t(m, place)), '') END
$$;

CREATE FUNCTION kql.format_timespan(ticks bigint, format text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN ticks IS NULL THEN '' ELSE CASE WHEN ticks < 0 THEN '-' ELSE '' END || coalesce((SELECT string_agg(CASE
      WHEN t.m[1] ~ '^d' THEN CASE WHEN length((abs(ticks) / 864000000000)::text) >= length(t.m[1]) THEN (abs(ticks) / 864000000000)::text
        ELSE lpad((abs(ticks) / 864000000000)::text, length(t.m[1]), '0') END
      WHEN t.m[1] IN ('hh', 'HH') THEN lpad((abs(ticks) / 36000000000 % 24)::text, 2, '0')
      WHEN t.m[1] IN ('h', 'H') THEN (abs(ticks) / 36000000000 % 24)::text
      WHEN t.m[1] = 'mm' THEN lpad((abs(ticks) / 600000000 % 60)::text, 2, '0') WHEN t.m[1] = 'm' THEN (abs(ticks) / 600000000 % 60)::text
      WHEN t.m[1] = 'ss' THEN lpad((abs(ticks) / 10000000 % 60)::text, 2, '0') WHEN t.m[1] = 's' THEN (abs(ticks) / 10000000 % 60)::text
      WHEN t.m[1] ~ '^[fF]' THEN kql.format_fraction(ticks, t.m[1]) ELSE t.m[1] END, '' ORDER BY t.place)
    FROM regexp_matches(format, 'd{1,8}|hh|h|HH|H|mm|m|ss|s|f{1,7}|F{1,7}|.', 'g') WITH ORDINALITY t(m, place)), '') END
$$;

CREATE FUNCTION kql.timestamp_of(ticks bigint) RETURNS timestamp
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT kql.date_of(ticks) + make_interval(secs => ((ticks % 864000000000) / 10)::float8 / 1000000)
$$;
CREATE FUNCTION kql.utc_to_local(ticks bigint, zone text) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT ticks + (extract(epoch FROM ((date_trunc('second', kql.timestamp_of(ticks)) AT TIME ZONE 'UTC') AT TIME ZONE zone)
    - date_trunc('second', kql.timestamp_of(ticks))) * 10000000)::bigint
$$;
-- A local time that the clock jumps over is taken as if it were an hour earlier.
CREATE FUNCTION kql.local_to_utc(ticks bigint, zone text) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT u - CASE WHEN kql.utc_to_local(u, zone) > ticks THEN kql.utc_to_local(u, zone) - ticks ELSE 0 END
  FROM (SELECT ticks + (extract(epoch FROM ((date_trunc('second', kql.timestamp_of(ticks)) AT TIME ZONE zone) AT TIME ZONE 'UTC')
    - date_trunc('second', kql.timestamp_of(ticks))) * 10000000)::bigint AS u) s
$$;

-- ---- text

-- How often the text holds it; occurrences may overlap.
CREATE FUNCTION kql.count_of(value text, part text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  found bigint := 0;
  place int := strpos(value, part);
BEGIN
  IF part = '' THEN RETURN 0; END IF;
  WHILE place > 0 LOOP
    found := found + 1;
    value := substr(value, place + 1);
    place := strpos(value, part);
  END LOOP;
  RETURN found;
END $$;

-- The place of the nth occurrence that begins within count characters from start; a negative start counts from the end.
CREATE FUNCTION kql.index_of(value text, part text, start bigint, count bigint, nth bigint) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  place bigint := CASE WHEN start < 0 THEN greatest(length(value) + start, 0) ELSE least(start, length(value)) END;
  last bigint := CASE WHEN count < 0 THEN length(value) ELSE place + count END;
  hit int;
BEGIN
  IF nth < 1 THEN RETURN NULL; END IF;
  LOOP
    hit := strpos(substr(value, place::int + 1), part);
    IF hit = 0 OR place + hit - 1 > last THEN RETURN -1; END IF;
    place := place + hit - 1;
    nth := nth - 1;
    IF nth = 0 THEN RETURN place; END IF;
    place := place + 1;
  END LOOP;
END $$;

CREATE FUNCTION kql.index_of_regex(value text, pattern text, start bigint, count bigint, nth bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN start < 0 OR nth < 1 THEN NULL ELSE coalesce(start - 1 + nullif(regexp_instr(
    CASE WHEN count < 0 THEN substr(value, start::int + 1) ELSE substr(value, start::int + 1, count::int) END, pattern, 1, nth::int), 0), -1) END
$$;

-- The matches of the pattern, whose group 1 is the whole: its own groups, or those that are asked for.
CREATE FUNCTION kql.extract_all(pattern text, value text, wanted jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT jsonb_agg(CASE WHEN wanted IS NULL AND cardinality(t.m) = 1 THEN to_jsonb(coalesce(t.m[1], ''))
      WHEN wanted IS NULL AND cardinality(t.m) = 2 THEN to_jsonb(coalesce(t.m[2], ''))
      WHEN wanted IS NULL THEN (SELECT jsonb_agg(coalesce(g, '') ORDER BY p) FROM unnest(t.m[2:]) WITH ORDINALITY u(g, p))
      ELSE (SELECT jsonb_agg(coalesce(t.m[e::int + 1], '') ORDER BY p) FROM jsonb_array_elements_text(wanted) WITH ORDINALITY w(e, p)) END
    ORDER BY t.place)
  FROM regexp_matches(value, pattern, 'g') WITH ORDINALITY t(m, place)
$$;

CREATE FUNCTION kql.translate(from_list text, to_list text, value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT translate(value, from_list, CASE WHEN to_list = '' THEN '' ELSE rpad(to_list, greatest(length(from_list), length(to_list)), right(to_list, 1)) END)
$$;

CREATE FUNCTION kql.has_any_index(value text, items jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce((SELECT e.place - 1 FROM jsonb_array_elements(CASE WHEN jsonb_typeof(items) = 'array' THEN items ELSE '[]' END)
    WITH ORDINALITY e(item, place) WHERE value ~* kql.has_pattern(kql.dynamic_text(e.item), true, true) ORDER BY e.place LIMIT 1), -1)
$$;

CREATE FUNCTION kql.replace_strings(value text, lookups jsonb, rewrites jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  n int := CASE WHEN jsonb_typeof(lookups) = 'array' THEN jsonb_array_length(lookups) ELSE 0 END;
BEGIN
  IF jsonb_typeof(rewrites) = 'array' AND jsonb_array_length(rewrites) <> n THEN RETURN ''; END IF;
  FOR i IN 0 .. n - 1 LOOP
    value := replace(value, kql.dynamic_text(lookups -> i),
      kql.dynamic_text(CASE WHEN jsonb_typeof(rewrites) = 'array' THEN rewrites -> i ELSE rewrites END));
  END LOOP;
  RETURN value;
END $$;

CREATE FUNCTION kql.repeat(value text, times bigint, delimiter text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN times < 1 OR times > 1024 THEN '' ELSE repeat(value || delimiter, times::int - 1) || value END
$$;

CREATE FUNCTION kql.text_of_bytes(value bytea) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN convert_from(value, 'UTF8');
EXCEPTION WHEN others THEN
  RETURN '';
END $$;

CREATE FUNCTION kql.base64_bytes(value text) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  IF value !~ '^[A-Za-z0-9+/]*={0,2}$' OR length(value) % 4 <> 0 THEN RETURN NULL; END IF;
  RETURN decode(value, 'base64');
EXCEPTION WHEN others THEN
  RETURN NULL;
END $$;

CREATE FUNCTION kql.base64_array(value text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kql.base64_bytes(value) IS NOT NULL THEN coalesce((SELECT jsonb_agg(get_byte(kql.base64_bytes(value), i) ORDER BY i)
    FROM generate_series(0, length(kql.base64_bytes(value)) - 1) i), '[]') END
$$;
CREATE FUNCTION kql.array_base64(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce((SELECT translate(encode(decode(string_agg(lpad(to_hex(e::int & 255), 2, '0'), '' ORDER BY p), 'hex'), 'base64'), E'\n', '')
    FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(value) = 'array' THEN value ELSE '[]' END) WITH ORDINALITY t(e, p)
    WHERE e ~ '^\d{1,3}$'), '')
$$;

-- A guid's bytes as .NET stores them: the first three groups little-endian.
CREATE FUNCTION kql.guid_hex(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT substr(v, 7, 2) || substr(v, 5, 2) || substr(v, 3, 2) || substr(v, 1, 2) || substr(v, 11, 2) || substr(v, 9, 2)
    || substr(v, 15, 2) || substr(v, 13, 2) || substr(v, 17) FROM (SELECT replace(value, '-', '') AS v) s
$$;
CREATE FUNCTION kql.base64_guid(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN length(kql.base64_bytes(value)) = 16
    THEN kql.guid_hex(encode(kql.base64_bytes(value), 'hex'))::uuid::text END
$$;

CREATE FUNCTION kql.url_encode(value text, keep text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce((SELECT string_agg(CASE WHEN c ~ '^[A-Za-z0-9]$' OR strpos(keep, c) > 0 THEN c
      ELSE regexp_replace(upper(encode(convert_to(c, 'UTF8'), 'hex')), '(..)', '%\1', 'g') END, '' ORDER BY p)
    FROM regexp_split_to_table(value, '') WITH ORDINALITY t(c, p)), '')
$$;
CREATE FUNCTION kql.url_decode(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  bytes text;
BEGIN
  SELECT string_agg(CASE WHEN m[1] ~ '^%[0-9A-Fa-f]{2}$' THEN substr(m[1], 2) ELSE encode(convert_to(m[1], 'UTF8'), 'hex') END, '' ORDER BY p)
    INTO bytes FROM regexp_matches(value, '%[0-9A-Fa-f]{2}|.', 'g') WITH ORDINALITY t(m, p);
  RETURN coalesce(convert_from(decode(bytes, 'hex'), 'UTF8'), '');
EXCEPTION WHEN others THEN
  RETURN value;
END $$;

CREATE FUNCTION kql.parse_query(value text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_object_agg(kql.url_decode(split_part(pair, '=', 1)), kql.url_decode(substr(pair, length(split_part(pair, '=', 1)) + 2))), '{}')
  FROM regexp_split_to_table(value, '&') pair WHERE pair <> ''
$$;
CREATE FUNCTION kql.parse_url(value text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT jsonb_build_object('Scheme', coalesce(m[1], ''), 'Host', coalesce(m[4], ''), 'Port', coalesce(m[5], ''), 'Path', coalesce(m[6], ''),
    'Username', coalesce(m[2], ''), 'Password', coalesce(m[3], ''), 'Query Parameters', kql.parse_query(coalesce(m[7], '')),
    'Fragment', coalesce(m[8], ''))
  FROM regexp_match(value, '^(?:([A-Za-z][A-Za-z0-9+.-]*):(?://)?)?(?:([^:@/?#]*)(?::([^@/?#]*))?@)?([^:/?#]*)(?::([0-9]+))?(/[^?#]*)?(?:[?]([^#]*))?(?:#(.*))?$') m
$$;

CREATE FUNCTION kql.parse_path(value text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT jsonb_build_object('Scheme', coalesce(s.m[1], ''), 'RootPath', coalesce((regexp_match(s.rest, '^[A-Za-z]:[\\/]'))[1], ''),
    'DirectoryPath', coalesce(d.dir, ''), 'DirectoryName', coalesce((regexp_match(d.dir, '([^\\/]+)$'))[1], ''),
    'Filename', f.name, 'Extension', coalesce((regexp_match(f.name, '\.([^.]*)$'))[1], ''), 'AlternateDataStreamName', coalesce(f.stream, ''))
  FROM (SELECT regexp_match(value, '^([A-Za-z][A-Za-z0-9+.-]+)://') AS m, regexp_replace(value, '^[A-Za-z][A-Za-z0-9+.-]+://', '') AS rest) s,
    LATERAL (SELECT (regexp_match(s.rest, '^(.*)[\\/][^\\/]*$'))[1] AS dir, regexp_replace(s.rest, '^.*[\\/]', '') AS last) d,
    LATERAL (SELECT split_part(d.last, ':', 1) AS name, nullif(split_part(d.last, ':', 2), '') AS stream) f
$$;

-- The first record of the text: fields apart by commas, quotes doubled inside of quotes.
CREATE FUNCTION kql.parse_csv(value text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  fields jsonb := '[]';
  m text[];
BEGIN
  LOOP
    m := regexp_match(value, '^\s*"((?:[^"]|"")*)"[^,\n]*(,|\r?\n|$)');
    IF m IS NOT NULL THEN
      value := substr(value, length((regexp_match(value, '^(\s*"(?:[^"]|"")*"[^,\n]*(?:,|\r?\n|$))'))[1]) + 1);
      fields := fields || to_jsonb(replace(m[1], '""', '"'));
    ELSE
      m := regexp_match(value, '^([^,\r\n]*)(,|\r?\n|$)');
      value := substr(value, length(m[1]) + length(m[2]) + 1);
      fields := fields || to_jsonb(m[1]);
    END IF;
    EXIT WHEN m[cardinality(m)] <> ',';
  END LOOP;
  RETURN fields;
END $$;

CREATE FUNCTION kql.parse_command_line(value text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  words jsonb := '[]';
  word text := '';
  quoted boolean := false;
  started boolean := false;
  slashes int := 0;
  c text;
BEGIN
  FOREACH c IN ARRAY regexp_split_to_array(value || ' ', '') LOOP
    IF c = '\' THEN slashes := slashes + 1; started := true; CONTINUE; END IF;
    IF c = '"' THEN
      word := word || repeat('\', slashes / 2);
      IF slashes % 2 = 1 THEN word := word || '"'; ELSE quoted := NOT quoted; END IF;
      started := true;
    ELSE
      word := word || repeat('\', slashes);
      IF c IN (' ', E'\t') AND NOT quoted THEN
        IF started THEN words := words || to_jsonb(word); END IF;
        word := '';
        started := false;
      ELSE
        word := word || c;
        started := true;
      END IF;
    END IF;
    slashes := 0;
  END LOOP;
  IF quoted THEN words := words || to_jsonb(rtrim(word, ' ')); END IF;
  RETURN words;
END $$;

-- Up to four parts, eight digits for each.
CREATE FUNCTION kql.parse_version(value text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN value ~ '^\d{1,8}(\.\d{1,8}){0,3}$' THEN
    (SELECT sum(coalesce(nullif(split_part(value, '.', i), '')::numeric, 0) * power(10::numeric, (4 - i) * 8)) FROM generate_series(1, 4) i) END
$$;

CREATE FUNCTION kql.extract_json(path text, value text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN nullif(jsonb_path_query_first(value::jsonb,
    ('strict ' || regexp_replace(path, '\[''([^''"\\]*)''\]', '."\1"', 'g'))::jsonpath, silent => true), 'null'::jsonb);
EXCEPTION WHEN others THEN
  RETURN NULL;
END $$;

CREATE FUNCTION kql.sha1(value bytea) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  m bytea := value || '\x80'::bytea || decode(repeat('00', (119 - length(value) % 64) % 64), 'hex') || int8send(length(value)::bigint * 8);
  h bigint[] := ARRAY[1732584193, 4023233417, 2562383102, 271733878, 3285377520];
  w bigint[];
  a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; k bigint; x bigint;
BEGIN
  FOR block IN 0 .. length(m) / 64 - 1 LOOP
    w := ARRAY[]::bigint[];
    FOR i IN 0 .. 79 LOOP
      IF i < 16 THEN
        x := (get_byte(m, block * 64 + i * 4)::bigint << 24) | (get_byte(m, block * 64 + i * 4 + 1) << 16)
          | (get_byte(m, block * 64 + i * 4 + 2) << 8) | get_byte(m, block * 64 + i * 4 + 3);
      ELSE
        x := w[i - 2] # w[i - 7] # w[i - 13] # w[i - 15];
        x := ((x << 1) | (x >> 31)) & 4294967295;
      END IF;
      w := w || x;
    END LOOP;
    a := h[1]; b := h[2]; c := h[3]; d := h[4]; e := h[5];
    FOR i IN 0 .. 79 LOOP
      IF i < 20 THEN f := (b & c) | ((~b) & 4294967295 & d); k := 1518500249;
      ELSIF i < 40 THEN f := b # c # d; k := 1859775393;
      ELSIF i < 60 THEN f := (b & c) | (b & d) | (c & d); k := 2400959708;
      ELSE f := b # c # d; k := 3395469782;
      END IF;
      x := ((((a << 5) | (a >> 27)) & 4294967295) + f + e + k + w[i + 1]) & 4294967295;
      e := d; d := c; c := ((b << 30) | (b >> 2)) & 4294967295; b := a; a := x;
    END LOOP;
    h := ARRAY[(h[1] + a) & 4294967295, (h[2] + b) & 4294967295, (h[3] + c) & 4294967295, (h[4] + d) & 4294967295, (h[5] + e) & 4294967295];
  END LOOP;
  RETURN lpad(to_hex(h[1]), 8, '0') || lpad(to_hex(h[2]), 8, '0') || lpad(to_hex(h[3]), 8, '0') || lpad(to_hex(h[4]), 8, '0') || lpad(to_hex(h[5]), 8, '0');
END $$;

CREATE FUNCTION kql.rotate_left(value bigint, bits int) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (value << bits) | ((value >> (64 - bits)) & ((1::bigint << bits) - 1))
$$;
-- Little-endian, unsigned as far as it goes: width 4 or 8.
CREATE FUNCTION kql.read_word(bytes bytea, place int, width int) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  word bigint := 0;
BEGIN
  FOR i IN REVERSE width - 1 .. 0 LOOP
    word := (word << 8) | get_byte(bytes, place + i);
  END LOOP;
  RETURN word;
END $$;

-- XXH64 with seed 0.
CREATE FUNCTION kql.xxhash64(bytes bytea) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  p1 CONSTANT bigint := -7046029288634856825;
  p2 CONSTANT bigint := -4417276706812531889;
  p3 CONSTANT bigint := 1609587929392839161;
  p4 CONSTANT bigint := -8796714831421723037;
  p5 CONSTANT bigint := 2870177450012600261;
  n int := length(bytes);
  place int := 0;
  lanes bigint[] := ARRAY[kql.plus(p1, p2), p2, 0, kql.minus(0, p1)];
  hash bigint := p5;
BEGIN
  IF n >= 32 THEN
    WHILE place <= n - 32 LOOP
      FOR i IN 1 .. 4 LOOP
        lanes[i] := kql.times(kql.rotate_left(kql.plus(lanes[i], kql.times(kql.read_word(bytes, place, 8), p2)), 31), p1);
        place := place + 8;
      END LOOP;
    END LOOP;
    hash := kql.plus(kql.plus(kql.rotate_left(lanes[1], 1), kql.rotate_left(lanes[2], 7)),
      kql.plus(kql.rotate_left(lanes[3], 12), kql.rotate_left(lanes[4], 18)));
    FOR i IN 1 .. 4 LOOP
      hash := kql.plus(kql.times(hash # kql.times(kql.rotate_left(kql.times(lanes[i], p2), 31), p1), p1), p4);
    END LOOP;
  END IF;
  hash := kql.plus(hash, n);
  WHILE place <= n - 8 LOOP
    hash := hash # kql.times(kql.rotate_left(kql.times(kql.read_word(bytes, place, 8), p2), 31), p1);
    hash := kql.plus(kql.times(kql.rotate_left(hash, 27), p1), p4);
    place := place + 8;
  END LOOP;
  IF place <= n - 4 THEN
    hash := kql.plus(kql.times(kql.rotate_left(hash # kql.times(kql.read_word(bytes, place, 4), p1), 23), p2), p3);
    place := place + 4;
  END IF;
  WHILE place < n LOOP
    hash := kql.times(kql.rotate_left(hash # kql.times(get_byte(bytes, place), p5), 11), p1);
    place := place + 1;
  END LOOP;
  hash := kql.times(hash # ((hash >> 33) & 2147483647), p2);
  hash := kql.times(hash # ((hash >> 29) & 34359738367), p3);
  RETURN hash # ((hash >> 32) & 4294967295);
END $$;
