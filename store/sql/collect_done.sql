-- Ids that servers noted count no more.
UPDATE rmm.dictionary_epoch SET epoch = epoch + 1
