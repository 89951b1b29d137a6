-- $1 text: a tool's name, in any case, its id in the catalogue, or an alias. The tool, and what the ledger saw of it in the
-- estate, each list's newest 100; the name wins over an alias.
WITH card AS (
    SELECT tool, card FROM rmm.tool_cards
    WHERE lower(tool) = lower($1::text) OR id = $1::text
       OR EXISTS (SELECT FROM json_array_elements_text(facts -> 'aliases') a WHERE lower(a) = lower($1::text))
    ORDER BY lower(tool) <> lower($1::text), tool LIMIT 1
), fact AS (
    SELECT f.*, count(*) OVER (PARTITION BY f.kind) AS total,
           row_number() OVER (PARTITION BY f.kind ORDER BY f.first_seen DESC, f.value, f.of) AS place
    FROM card JOIN rmm.tool_facts f ON f.tool = card.tool
), list AS (
    SELECT kind, json_build_object('total', max(total), 'newest', json_agg(
               (jsonb_build_object('value', value, 'first_seen', kql.ticks_text(first_seen), 'last_seen', kql.ticks_text(last_seen))
                || CASE kind WHEN 'serial' THEN jsonb_build_object('signer', split_part(of, E'\n', 1), 'issuer', split_part(of, E'\n', 2))
                   ELSE '{}' END) ORDER BY place) FILTER (WHERE place <= 100)) AS items
    FROM fact GROUP BY kind
), kinds (kind, name, place) AS (
    VALUES ('signer', 'signers', 1), ('serial', 'serials', 2), ('sha1', 'sha1s', 3), ('account', 'accounts', 4), ('domain', 'domains', 5)
), summary AS (
    SELECT count(*) AS devices, min(d.first_seen) AS first_seen, max(d.last_seen) AS last_seen, sum(d.count) AS count
    FROM card JOIN rmm.device_tools d ON d.tool = card.tool
)
SELECT left(card, -1) || ',"seen":{"devices":' || s.devices || ',"first_seen":' || coalesce(to_json(kql.ticks_text(s.first_seen))::text, 'null')
       || ',"last_seen":' || coalesce(to_json(kql.ticks_text(s.last_seen))::text, 'null') || ',"count":' || coalesce(s.count, 0)
       || (SELECT string_agg(',"' || k.name || '":' || coalesce(l.items::text, '{"total":0,"newest":[]}'), '' ORDER BY k.place)
           FROM kinds k LEFT JOIN list l USING (kind)) || '}}'
FROM card, summary s
