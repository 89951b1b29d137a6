-- Files without a hash would all be in one chain of the index's pages: the indexes of schema_sync.c leave them out now.
DO $$
BEGIN
  IF to_regnamespace('dict') IS NOT NULL THEN
    DROP INDEX IF EXISTS dict.file_sha1, dict.file_sha256;
  END IF;
END $$;
