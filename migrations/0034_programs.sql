-- From here on a command line may be in two parts: its program with the path in dict.path, the rest in the row. Rows of
-- before have no program beside their path and read the same. The column and the views come with the schema script; the
-- number keeps servers away that would read the rest alone.
COMMENT ON TABLE rmm.batches IS 'commits of events; those since the migration "programs" may store command lines in two parts';
