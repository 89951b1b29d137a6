-- No commit of events is under way, and none begins, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtext('rmm.dictionary_epoch'))
