-- Hunts for a terminal: slug, tool, signal, state.
SELECT slug, tool, signal, state FROM rmm.hunts WHERE retired_at IS NULL ORDER BY slug
