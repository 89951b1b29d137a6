-- Runs that a stopped server left behind.
UPDATE rmm.runs SET state = 'failed', finished_at = clock_timestamp(),
       error = '{"code":"interrupted","message":"the server stopped before the run was finished; start it again"}'
WHERE state IN ('queued', 'running')
