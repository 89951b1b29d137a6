-- No commit of events is under way, and none begins, until the transaction ends.
SELECT rmm.dictionary_take()
