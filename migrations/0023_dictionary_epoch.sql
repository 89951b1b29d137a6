-- Dictionary values that no event uses any more are deleted, safely beside commits of any server on the database.
CREATE TABLE rmm.dictionary_epoch (epoch bigint NOT NULL);
INSERT INTO rmm.dictionary_epoch VALUES (0);
COMMENT ON TABLE rmm.dictionary_epoch IS 'one row: how often values were deleted; ids that a server noted under another number may be gone';

-- A commit keeps values from being deleted until it ends, and learns whether its ids still count. The number is read by a
-- statement of its own, so that it is the one behind the lock.
CREATE FUNCTION rmm.dictionary_hold() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    LOCK TABLE rmm.dictionary_epoch IN ROW SHARE MODE;
    RETURN (SELECT epoch FROM rmm.dictionary_epoch);
END $$;

-- For the one who deletes values: until the end of its transaction nobody commits rows with ids that were noted before.
CREATE FUNCTION rmm.dictionary_take() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    LOCK TABLE rmm.dictionary_epoch IN EXCLUSIVE MODE;
    RETURN (SELECT epoch FROM rmm.dictionary_epoch);
END $$;
