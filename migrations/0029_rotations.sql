-- A vendor's new certificate reaches devices one after another, over many runs, and is still told as one.
CREATE TABLE rmm.rotated (
    tool text NOT NULL,
    key uuid NOT NULL,
    PRIMARY KEY (tool, key)
);
COMMENT ON TABLE rmm.rotated IS 'serials that a certificate_rotation has told of';
COMMENT ON COLUMN rmm.rotated.key IS 'as in rmm.tool_facts';
CREATE INDEX facts_serial ON rmm.facts (tool, key) WHERE kind = 'serial';

COMMENT ON TABLE rmm.facts IS 'what the found events say: device_name, machine_group, account, sha1, file_name, folder_path, signer, serial, domain, program';
COMMENT ON COLUMN rmm.facts.of IS 'what the value belongs to: the SHA1 of a file name or path, signer and issuer of a serial, host and SHA1 of a program that reached it';
