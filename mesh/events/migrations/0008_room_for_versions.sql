-- Each event updates its aggregate's row. With room for that in the row's page the index needs no
-- change.
ALTER TABLE mesh_inbox_version SET (fillfactor = 50);
