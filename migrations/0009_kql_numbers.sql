-- Numbers as Kusto counts: a long wraps around where it overflows, a real becomes infinite or zero. All pure.
CREATE FUNCTION kql.wrap(value numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (mod(mod(trunc(value) + 9223372036854775808, 18446744073709551616) + 18446744073709551616, 18446744073709551616)
    - 9223372036854775808)::bigint
$$;
COMMENT ON FUNCTION kql.wrap(numeric) IS 'The 64 low bits in two''s complement';

CREATE FUNCTION kql.plus(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN a BETWEEN -4611686018427387904 AND 4611686018427387903 AND b BETWEEN -4611686018427387904 AND 4611686018427387903
    THEN a + b ELSE kql.wrap(a::numeric + b) END
$$;
CREATE FUNCTION kql.minus(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN a BETWEEN -4611686018427387904 AND 4611686018427387903 AND b BETWEEN -4611686018427387904 AND 4611686018427387903
    THEN a - b ELSE kql.wrap(a::numeric - b) END
$$;
CREATE FUNCTION kql.times(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN a BETWEEN -3037000499 AND 3037000499 AND b BETWEEN -3037000499 AND 3037000499
    THEN a * b ELSE kql.wrap(a::numeric * b) END
$$;

-- Decimal arithmetic decides where float8's would fail: past the largest double is infinity, below the smallest zero.
CREATE FUNCTION kql.to_double(value numeric) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN value > 1.797693134862315e308 THEN 'Infinity'::float8 WHEN value < -1.797693134862315e308 THEN '-Infinity'::float8
    WHEN abs(value) < 5e-324 THEN 0::float8 ELSE value::float8 END
$$;
CREATE FUNCTION kql.plus(a float8, b float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN abs(a) < 8e307 AND abs(b) < 8e307 OR abs(a) >= 'Infinity'::float8 OR abs(b) >= 'Infinity'::float8
    THEN a + b ELSE kql.to_double(a::numeric + b::numeric) END
$$;
CREATE FUNCTION kql.minus(a float8, b float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT kql.plus(a, -b) $$;
CREATE FUNCTION kql.times(a float8, b float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN a = 0 OR b = 0 OR abs(a) >= 'Infinity'::float8 OR abs(b) >= 'Infinity'::float8
      OR abs(a) BETWEEN 1e-150 AND 1e150 AND abs(b) BETWEEN 1e-150 AND 1e150
    THEN a * b ELSE kql.to_double(a::numeric * b::numeric) END
$$;
CREATE OR REPLACE FUNCTION kql.divide(a float8, b float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN b = 0 THEN CASE WHEN a > 0 AND a < 'NaN' THEN 'Infinity'::float8 WHEN a < 0 THEN '-Infinity'::float8 WHEN a IS NOT NULL THEN 'NaN'::float8 END
    WHEN a = 0 OR abs(a) >= 'Infinity'::float8 OR abs(b) >= 'Infinity'::float8
      OR abs(a) BETWEEN 1e-150 AND 1e150 AND abs(b) BETWEEN 1e-150 AND 1e150 THEN a / b
    ELSE kql.to_double(a::numeric / b::numeric) END
$$;
-- -9223372036854775808 / -1 overflows too.
CREATE OR REPLACE FUNCTION kql.divide(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT CASE WHEN b = -1 THEN kql.minus(0, a) ELSE a / nullif(b, 0) END $$;
CREATE OR REPLACE FUNCTION kql.modulo(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN b = -9223372036854775808 THEN CASE WHEN a >= 0 THEN a WHEN a = b THEN 0 ELSE a - b END
    WHEN a % nullif(abs(b), 0) < 0 THEN a % abs(b) + abs(b) ELSE a % nullif(abs(b), 0) END
$$;

CREATE FUNCTION kql.exponential(value float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN value > 709.78 THEN CASE WHEN value = 'NaN' THEN 'NaN'::float8 ELSE 'Infinity'::float8 END
    WHEN value < -745 THEN 0::float8 ELSE exp(value) END
$$;
CREATE OR REPLACE FUNCTION kql.power(a float8, b float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN a < 0 AND b <> trunc(b) THEN 'NaN'::float8 WHEN a = 0 AND b < 0 THEN 'Infinity'::float8
    WHEN a <> 0 AND b <> 0 AND abs(a) < 'Infinity' AND abs(b) < 'Infinity' AND b * ln(abs(a)) > 709.78
      THEN CASE WHEN a < 0 AND b::numeric % 2 <> 0 THEN '-Infinity'::float8 ELSE 'Infinity'::float8 END
    WHEN a <> 0 AND abs(a) < 'Infinity' AND abs(b) < 'Infinity' AND b * ln(abs(a)) < -740 THEN 0::float8
    ELSE power(a, b) END
$$;

-- Bags merged; of a name that several have, the first one's value.
CREATE FUNCTION kql.bag_of(bags jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM (
    SELECT DISTINCT ON (m.key) m.key, m.value FROM jsonb_array_elements(bags) WITH ORDINALITY b(bag, place),
      jsonb_each(CASE WHEN jsonb_typeof(b.bag) = 'object' THEN b.bag ELSE '{}' END) m ORDER BY m.key, b.place) s
$$;

-- The first of the sorted values at which the weights so far reach the share.
CREATE FUNCTION kql.percentile_weighted(items anycompatiblearray, weights bigint[], share float8) RETURNS anycompatible
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT s.item FROM (
    SELECT u.item, u.place, sum(u.weight) OVER (ORDER BY u.place) AS so_far, sum(u.weight) OVER () AS total
    FROM unnest(items, weights) WITH ORDINALITY u(item, weight, place)) s
  WHERE s.so_far >= s.total * share ORDER BY s.place LIMIT 1
$$;
