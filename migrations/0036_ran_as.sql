-- Under which names signed files run: of all process events, not only of those that a hunt finds.
ALTER TABLE rmm.ledger ADD COLUMN ran pg_snapshot;
COMMENT ON COLUMN rmm.ledger.ran IS 'batches visible in it have been looked at for runs of signed files; NULL: none';
CREATE INDEX facts_signed ON rmm.facts (device) WHERE kind = 'sha1' AND signal = 'signature';
COMMENT ON COLUMN rmm.facts.kind IS 'of the signal signature, file_name, folder_path and account are those of the processes that ran the file';
