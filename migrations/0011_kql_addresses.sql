-- IP addresses in KQL: an address may carry a prefix (/24), and what isn't an address gives null or "".
CREATE FUNCTION kql.ipv4_prefix(value text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN value ~ '^((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d)(/(3[0-2]|[12]?\d))?$'
    THEN coalesce(nullif(split_part(value, '/', 2), '')::int, 32) END
$$;
COMMENT ON FUNCTION kql.ipv4_prefix(text) IS '32 without one; null when the text is no IPv4 address';

CREATE FUNCTION kql.ipv4_masked(value text, prefix int) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kql.ipv4_prefix(value) IS NOT NULL AND prefix BETWEEN 0 AND 32 THEN
    ((split_part(value, '.', 1)::bigint << 24) | (split_part(value, '.', 2)::bigint << 16) | (split_part(value, '.', 3)::bigint << 8)
      | split_part(split_part(value, '.', 4), '/', 1)::bigint) & ((4294967295 << (32 - prefix)) & 4294967295) END
$$;

CREATE FUNCTION kql.ipv4_compare(a text, b text, prefix bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN prefix BETWEEN 0 AND 32 AND kql.ipv4_prefix(a) IS NOT NULL AND kql.ipv4_prefix(b) IS NOT NULL THEN
    sign(kql.ipv4_masked(a, least(prefix, kql.ipv4_prefix(a), kql.ipv4_prefix(b))::int)
      - kql.ipv4_masked(b, least(prefix, kql.ipv4_prefix(a), kql.ipv4_prefix(b))::int))::bigint END
$$;

CREATE FUNCTION kql.ipv4_in_any(address text, ranges jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kql.ipv4_prefix(address) IS NOT NULL THEN EXISTS (SELECT FROM kql.elements(ranges) r WHERE kql.ipv4_compare(address, r, 32) = 0) END
$$;

CREATE FUNCTION kql.ipv4_is_private(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kql.ipv4_prefix(value) IS NOT NULL THEN
    (kql.ipv4_prefix(value) >= 8 AND kql.ipv4_masked(value, 8) = 167772160) OR (kql.ipv4_prefix(value) >= 12 AND kql.ipv4_masked(value, 12) = 2886729728)
      OR (kql.ipv4_prefix(value) >= 16 AND kql.ipv4_masked(value, 16) = 3232235520) END
$$;

CREATE FUNCTION kql.ipv4_text(address bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ((address >> 24) & 255) || '.' || ((address >> 16) & 255) || '.' || ((address >> 8) & 255) || '.' || (address & 255)
$$;
CREATE FUNCTION kql.format_ipv4(value text, prefix bigint, with_prefix boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(kql.ipv4_text(kql.ipv4_masked(v, p)) || CASE WHEN with_prefix THEN '/' || p ELSE '' END, '')
  FROM (SELECT v, CASE WHEN prefix BETWEEN 0 AND 32 THEN least(prefix, kql.ipv4_prefix(v))::int END AS p
    FROM (SELECT CASE WHEN value ~ '^\d{1,10}$' AND value::bigint <= 4294967295 THEN kql.ipv4_text(value::bigint) ELSE value END AS v) s) t
$$;

CREATE FUNCTION kql.ipv4_range(first text, last text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  low bigint := kql.ipv4_masked(first, 32);
  high bigint := kql.ipv4_masked(last, 32);
  list jsonb := '[]';
  bits int;
BEGIN
  IF low IS NULL OR high IS NULL THEN RETURN NULL; END IF;
  WHILE low <= high LOOP
    bits := 0;
    WHILE bits < 32 AND low % (2::bigint << bits) = 0 AND low + (2::bigint << bits) - 1 <= high LOOP bits := bits + 1; END LOOP;
    list := list || to_jsonb(kql.ipv4_text(low) || '/' || (32 - bits));
    low := low + (1::bigint << bits);
  END LOOP;
  RETURN list;
END $$;

-- Every address as IPv6, IPv4 mapped into ::ffff:0:0/96; null when it is none.
CREATE FUNCTION kql.ipv6_of(value text) RETURNS inet
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  address inet;
BEGIN
  IF value !~ '^[0-9A-Fa-f:.]+(/\d{1,3})?$' THEN RETURN NULL; END IF;
  IF kql.ipv4_prefix(value) IS NOT NULL THEN
    RETURN ('::ffff:' || split_part(value, '/', 1) || '/' || (96 + kql.ipv4_prefix(value)))::inet;
  END IF;
  address := value::inet;
  RETURN CASE WHEN family(address) = 6 THEN address END;
EXCEPTION WHEN others THEN
  RETURN NULL;
END $$;

CREATE FUNCTION kql.ipv6_compare(a text, b text, prefix bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN p IS NULL OR x IS NULL OR y IS NULL THEN NULL
    WHEN network(set_masklen(x, p)) < network(set_masklen(y, p)) THEN -1
    WHEN network(set_masklen(x, p)) > network(set_masklen(y, p)) THEN 1 ELSE 0 END::bigint
  FROM (SELECT x, y, CASE WHEN prefix BETWEEN 0 AND 128 THEN least(masklen(x), masklen(y),
      CASE WHEN kql.ipv4_prefix(a) IS NOT NULL AND kql.ipv4_prefix(b) IS NOT NULL AND prefix <= 32 THEN 96 + prefix ELSE prefix END)::int END AS p
    FROM (SELECT kql.ipv6_of(a) AS x, kql.ipv6_of(b) AS y) s) t
$$;

CREATE FUNCTION kql.ipv6_in_any(address text, ranges jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kql.ipv6_of(address) IS NOT NULL THEN EXISTS (SELECT FROM kql.elements(ranges) r WHERE kql.ipv6_compare(address, r, 128) = 0) END
$$;

-- The address as a term of the text: no digit or dot beside it.
CREATE FUNCTION kql.has_ipv4(value text, address text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT kql.ipv4_prefix(address) = 32 AND strpos(address, '/') = 0
    AND value ~ ('(?:^|[^0-9A-Za-z.])' || replace(address, '.', '\.') || '(?:$|[^0-9A-Za-z.])')
$$;
CREATE FUNCTION kql.has_ipv4_prefix(value text, prefix text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT prefix ~ '^(\d{1,3}\.){1,3}$|^(\d{1,3}\.){3}\d{1,3}$' AND value ~ ('(?:^|[^0-9A-Za-z.])' || replace(prefix, '.', '\.')
    || CASE WHEN right(prefix, 1) = '.' THEN '' ELSE '(?:$|[^0-9A-Za-z.])' END)
$$;

-- The first argument against all the others.
CREATE FUNCTION kql.ipv4_in_any_of(VARIADIC list text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT kql.ipv4_in_any(list[1], to_jsonb(list[2:])) $$;
CREATE FUNCTION kql.ipv6_in_any_of(VARIADIC list text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT kql.ipv6_in_any(list[1], to_jsonb(list[2:])) $$;
CREATE FUNCTION kql.has_any_ipv4(VARIADIC list text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT EXISTS (SELECT FROM unnest(list[2:]) a WHERE kql.has_ipv4(list[1], a)) $$;
CREATE FUNCTION kql.has_any_ipv4_prefix(VARIADIC list text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT EXISTS (SELECT FROM unnest(list[2:]) a WHERE kql.has_ipv4_prefix(list[1], a)) $$;
