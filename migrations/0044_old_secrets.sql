-- A webhook may get several secrets within a day: each one before signs until its own day is over.
CREATE TABLE rmm.webhook_old_secrets (
    webhook bigint NOT NULL REFERENCES rmm.webhooks ON DELETE CASCADE,
    secret text NOT NULL,
    until timestamptz NOT NULL
);
CREATE INDEX webhook_old_secrets_webhook ON rmm.webhook_old_secrets (webhook);
COMMENT ON TABLE rmm.webhook_old_secrets IS 'secrets that were rotated out and still sign, until their time is over. No CHECK here: PostgreSQL would write the failing row into its log';
INSERT INTO rmm.webhook_old_secrets (webhook, secret, until)
SELECT id, old_secret, old_secret_until FROM rmm.webhooks WHERE old_secret_until > clock_timestamp();
ALTER TABLE rmm.webhooks DROP COLUMN old_secret;
COMMENT ON COLUMN rmm.webhooks.old_secret_until IS 'until then the secret before signs, too';
