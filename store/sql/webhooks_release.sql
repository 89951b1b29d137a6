-- $1 text: lease. For a server that stops: what it hasn't ended is another's at once.
UPDATE rmm.webhooks SET lease = NULL, leased_until = clock_timestamp() WHERE lease = $1::text
