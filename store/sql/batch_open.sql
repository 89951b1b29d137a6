-- $1 integer: bit n set: table n of the schema has rows in it. The next commit's number: the upper part of its rows'
-- arrival numbers.
INSERT INTO rmm.batches (id, tables) VALUES (nextval('rmm.batch'), $1::integer) RETURNING id
