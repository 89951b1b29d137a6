-- Columns that had a value in any event.
SELECT event_table, column_name FROM rmm.filled
