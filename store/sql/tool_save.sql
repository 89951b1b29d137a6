-- $1 text: name, $2 text: id, $3 json: facts. A tool of the catalogue.
INSERT INTO rmm.tools (name, id, facts) VALUES ($1::text, $2::text, $3::json)
