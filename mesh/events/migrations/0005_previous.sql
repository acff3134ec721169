-- What `version` was before it was set last, for the statement that sets it and says both.
ALTER TABLE mesh_inbox_version ADD COLUMN previous bigint NOT NULL DEFAULT 0;
