-- A first sighting that moved within a day says the times; one serial or device is one.
CREATE FUNCTION rmm.counted(number text, thing text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT number || ' ' || thing || CASE WHEN number = '1' THEN '' ELSE 's' END
$$;
COMMENT ON FUNCTION rmm.counted IS '"1 device", "2 devices"';
-- As much of two times as tells them apart.
CREATE FUNCTION rmm.moved_text(now text, was text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN left(now, 10) <> left(was, 10) THEN format('there since %s, not %s', left(now, 10), left(was, 10))
    WHEN left(now, 19) <> left(was, 19) THEN format('there since %s %s, not %s', left(now, 10), substr(now, 12, 8), substr(was, 12, 8))
    ELSE format('there since %s %s, not %s', left(now, 10), substr(now, 12, 16), substr(was, 12, 16)) END
$$;
COMMENT ON FUNCTION rmm.moved_text IS 'of texts as kql.ticks_text gives them';
CREATE OR REPLACE FUNCTION rmm.change_summary(type text, detail jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT concat_ws(', ',
    CASE WHEN type = 'new_serial' OR type = 'new_signer' THEN
           concat_ws(' ', 'serial=' || (detail ->> 'serial'), 'signer=' || (detail ->> 'signer'))
         WHEN type = 'certificate_rotation' THEN
           format('%s on %s signer=%s', rmm.counted(jsonb_array_length(detail -> 'serials')::text, 'serial'),
                  rmm.counted(detail ->> 'devices', 'device'), detail ->> 'signer')
         WHEN type = 'new_tool' THEN
           'on ' || rmm.counted(detail ->> 'devices', 'device')
         WHEN type = 'new_signal' THEN 'signal=' || (detail ->> 'signal')
         WHEN type = 'returned' THEN 'since ' || left(detail ->> 'since', 10)
         WHEN type = 'first_moved' THEN rmm.moved_text(detail ->> 'first_seen', detail ->> 'was')
         WHEN type = 'grew' THEN format('%sx, was %sx', detail ->> 'count', detail ->> 'was')
         ELSE (detail ->> 'count') || 'x ' || (SELECT string_agg(s, ',') FROM jsonb_array_elements_text(detail -> 'signals') s) END,
    CASE WHEN (detail ->> 'late')::bigint > 0 THEN (detail ->> 'late') || ' late' END)
$$;
