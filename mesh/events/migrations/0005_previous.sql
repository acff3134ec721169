-- What `version` was before it was set last, for the statement that sets it and says both. A number below
-- zero is that statement's mark of a row that was new, and stays there until the next one.
ALTER TABLE mesh_inbox_version ADD COLUMN previous bigint NOT NULL DEFAULT 0;
