-- Before the catalogue's own are put in.
DELETE FROM rmm.tool_processes
