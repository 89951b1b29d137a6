-- Before the catalogue's tools are written anew.
DELETE FROM rmm.tools
