-- How files ran is asked of each pass's events: which files are a tool's is told by the few of the estate, not by each device's.
CREATE INDEX tool_facts_files ON rmm.tool_facts (key) WHERE kind = 'sha1';
