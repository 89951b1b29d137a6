-- Dynamic values of KQL: arrays, sets and bags. All pure; a value that isn't what is needed gives null.

-- What mv-expand makes rows of: an array's items, a bag's members one by one (pairs when as_array), anything else itself.
CREATE FUNCTION kql.expand(value jsonb, as_array boolean) RETURNS SETOF jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE ROWS 10 AS $$
BEGIN
  IF jsonb_typeof(value) = 'array' THEN
    RETURN QUERY SELECT nullif(e, 'null'::jsonb) FROM jsonb_array_elements(value) e;
  ELSIF jsonb_typeof(value) = 'object' THEN
    RETURN QUERY SELECT CASE WHEN as_array THEN jsonb_build_array(m.key, m.value) ELSE jsonb_build_object(m.key, m.value) END FROM jsonb_each(value) m;
  ELSE
    RETURN NEXT nullif(value, 'null'::jsonb);
  END IF;
END $$;

-- The array's items; none for what isn't an array.
CREATE FUNCTION kql.items(value jsonb) RETURNS TABLE (item jsonb, place bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10 AS $$
  SELECT e.item, e.place FROM jsonb_array_elements(CASE WHEN jsonb_typeof(value) = 'array' THEN value ELSE '[]' END) WITH ORDINALITY e(item, place)
$$;
CREATE FUNCTION kql.is_array(value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT coalesce(jsonb_typeof(value) = 'array', false) $$;

CREATE FUNCTION kql.array_sum(value jsonb) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN bool_and(jsonb_typeof(item) = 'number') THEN kql.to_double(sum(CASE WHEN jsonb_typeof(item) = 'number' THEN (item #>> '{}')::numeric END)) END
  FROM kql.items(value)
$$;

CREATE FUNCTION kql.array_concat(VARIADIC lists jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_agg(i.item ORDER BY l.place, i.place), '[]') FROM unnest(lists) WITH ORDINALITY l(list, place), kql.items(l.list) i
$$;

-- Both ends belong to it; negative ones count from the array's end.
CREATE FUNCTION kql.array_slice(value jsonb, first bigint, last bigint) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kql.is_array(value) THEN (SELECT coalesce(jsonb_agg(item ORDER BY place), '[]') FROM kql.items(value)
    WHERE place - 1 BETWEEN CASE WHEN first < 0 THEN first + jsonb_array_length(value) ELSE first END
      AND CASE WHEN last < 0 THEN last + jsonb_array_length(value) ELSE last END) END
$$;

CREATE FUNCTION kql.array_rotate(value jsonb, by bigint) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kql.is_array(value) THEN (SELECT coalesce(jsonb_agg(item ORDER BY kql.modulo(place - 1 - by, jsonb_array_length(value))), '[]')
    FROM kql.items(value)) END
$$;

CREATE FUNCTION kql.array_shift(value jsonb, by bigint, fill jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kql.is_array(value) THEN (SELECT coalesce(jsonb_agg(coalesce(CASE WHEN place - 1 + by BETWEEN 0 AND jsonb_array_length(value) - 1
    THEN value -> (place - 1 + by)::int ELSE fill END, 'null'::jsonb) ORDER BY place), '[]') FROM kql.items(value)) END
$$;

CREATE FUNCTION kql.array_index_of(value jsonb, wanted jsonb, start bigint, count bigint, nth bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kql.is_array(value) THEN coalesce((SELECT place - 1 FROM kql.items(value) WHERE item = wanted
      AND place - 1 >= CASE WHEN start < 0 THEN start + jsonb_array_length(value) ELSE start END
      AND (count < 0 OR place - 1 < CASE WHEN start < 0 THEN start + jsonb_array_length(value) ELSE start END + count)
    ORDER BY place OFFSET greatest(nth, 1) - 1 LIMIT 1), -1) END
$$;

CREATE FUNCTION kql.array_reverse(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kql.is_array(value) THEN (SELECT coalesce(jsonb_agg(item ORDER BY place DESC), '[]') FROM kql.items(value)) END
$$;

CREATE FUNCTION kql.array_iff(conditions jsonb, yes jsonb, no jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kql.is_array(conditions) THEN (SELECT coalesce(jsonb_agg(coalesce(CASE WHEN kql.dynamic_bool(item)
      THEN CASE WHEN kql.is_array(yes) THEN yes -> (place - 1)::int ELSE yes END
      WHEN NOT kql.dynamic_bool(item) THEN CASE WHEN kql.is_array(no) THEN no -> (place - 1)::int ELSE no END END, 'null'::jsonb) ORDER BY place), '[]')
    FROM kql.items(conditions)) END
$$;

-- Numbers by value, strings by code point, nulls at the end that is asked for.
CREATE FUNCTION kql.array_sort(value jsonb, descending boolean, nulls_last boolean) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN kql.is_array(value) THEN (SELECT coalesce(jsonb_agg(item ORDER BY (item = 'null') = nulls_last,
      CASE WHEN descending THEN -n ELSE n END, CASE WHEN NOT descending THEN t END COLLATE "C", CASE WHEN descending THEN t END COLLATE "C" DESC, place), '[]')
    FROM (SELECT item, place, CASE WHEN jsonb_typeof(item) = 'number' THEN (item #>> '{}')::numeric END AS n, item #>> '{}' AS t FROM kql.items(value)) s) END
$$;

CREATE FUNCTION kql.set_union(VARIADIC lists jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_agg(item ORDER BY place), '[]') FROM (SELECT item, min(place) AS place FROM kql.items(kql.array_concat(VARIADIC lists)) GROUP BY item) s
$$;
CREATE FUNCTION kql.set_intersect(VARIADIC lists jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_agg(item ORDER BY place), '[]') FROM (SELECT item, min(place) AS place FROM kql.items(lists[1]) GROUP BY item) s
  WHERE NOT EXISTS (SELECT FROM unnest(lists[2:]) l WHERE NOT EXISTS (SELECT FROM kql.items(l) o WHERE o.item = s.item))
$$;
CREATE FUNCTION kql.set_difference(VARIADIC lists jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_agg(item ORDER BY place), '[]') FROM (SELECT item, min(place) AS place FROM kql.items(lists[1]) GROUP BY item) s
  WHERE NOT EXISTS (SELECT FROM unnest(lists[2:]) l, kql.items(l) o WHERE o.item = s.item)
$$;
CREATE FUNCTION kql.jaccard(a jsonb, b jsonb) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN jsonb_array_length(kql.set_union(a, b)) = 0 THEN 'NaN'::float8
    ELSE jsonb_array_length(kql.set_intersect(a, b))::float8 / jsonb_array_length(kql.set_union(a, b)) END
$$;

CREATE FUNCTION kql.bag_merge(VARIADIC bags jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT kql.bag_of(to_jsonb(bags)) $$;

-- Keys, or paths such as $.a.b.
CREATE FUNCTION kql.key_path(key text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN key LIKE '$.%' THEN string_to_array(substr(key, 3), '.') ELSE ARRAY[key] END
$$;
CREATE FUNCTION kql.bag_remove_keys(bag jsonb, keys jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  key text;
BEGIN
  IF jsonb_typeof(bag) IS DISTINCT FROM 'object' THEN RETURN NULL; END IF;
  FOR key IN SELECT i.item #>> '{}' FROM kql.items(keys) i LOOP
    bag := bag #- kql.key_path(key);
  END LOOP;
  RETURN bag;
END $$;
CREATE FUNCTION kql.bag_set_key(bag jsonb, key text, value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN jsonb_typeof(bag) = 'object' THEN jsonb_set(bag, kql.key_path(key), coalesce(value, 'null'), true) END
$$;
CREATE FUNCTION kql.bag_zip(keys jsonb, members jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_object_agg(kql.dynamic_text(item), coalesce(members -> (place - 1)::int, 'null')), '{}') FROM kql.items(keys)
$$;
CREATE FUNCTION kql.bag_keys(bag jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN jsonb_typeof(bag) = 'object' THEN (SELECT coalesce(jsonb_agg(k), '[]') FROM jsonb_object_keys(bag) k) END
$$;

-- A bag of keys and values in turn.
CREATE FUNCTION kql.pack(VARIADIC pairs jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_object_agg(kql.dynamic_text(pairs[i]), coalesce(pairs[i + 1], 'null')), '{}') FROM generate_series(1, cardinality(pairs) - 1, 2) i
$$;
CREATE FUNCTION kql.pack_filled(VARIADIC pairs jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_object_agg(kql.dynamic_text(pairs[i]), pairs[i + 1]), '{}') FROM generate_series(1, cardinality(pairs) - 1, 2) i
  WHERE pairs[i + 1] IS NOT NULL AND pairs[i + 1] NOT IN ('null', '""')
$$;

CREATE FUNCTION kql.zip(VARIADIC lists jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_agg((SELECT jsonb_agg(coalesce(l.list -> i, 'null') ORDER BY l.place) FROM unnest(lists) WITH ORDINALITY l(list, place)) ORDER BY i), '[]')
  FROM generate_series(0, (SELECT max(CASE WHEN kql.is_array(l) THEN jsonb_array_length(l) ELSE 0 END) FROM unnest(lists) l) - 1) i
$$;

CREATE FUNCTION kql.treepath(value jsonb, path text) RETURNS SETOF text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  member record;
BEGIN
  IF jsonb_typeof(value) = 'object' THEN
    FOR member IN SELECT m.key, m.value FROM jsonb_each(value) m LOOP
      RETURN NEXT path || '[''' || member.key || ''']';
      RETURN QUERY SELECT kql.treepath(member.value, path || '[''' || member.key || ''']');
    END LOOP;
  ELSIF jsonb_typeof(value) = 'array' AND jsonb_array_length(value) > 0 THEN
    RETURN NEXT path || '[0]';
    RETURN QUERY SELECT DISTINCT kql.treepath(i.item, path || '[0]') FROM kql.items(value) i;
  END IF;
END $$;
