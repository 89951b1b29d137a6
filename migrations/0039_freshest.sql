-- Every list says how fresh the data is: two looks at an index.
CREATE INDEX days_newest_event ON rmm.days (newest_event);
CREATE INDEX days_newest_arrival ON rmm.days (newest_arrival);
