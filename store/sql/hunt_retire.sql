-- $1 text: id or slug. Retires a hunt; its versions and results stay.
UPDATE rmm.hunts SET retired_at = clock_timestamp() WHERE (id = lower($1::text) OR slug = $1::text) AND retired_at IS NULL
