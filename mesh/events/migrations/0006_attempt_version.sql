-- Which version of which aggregate was tried, for those that wait for it.
ALTER TABLE mesh_inbox_attempt
    ADD COLUMN aggregate_type text NOT NULL DEFAULT '',
    ADD COLUMN aggregate_id text NOT NULL DEFAULT '',
    ADD COLUMN version bigint NOT NULL DEFAULT 0; -- 0: none, or it was not read
CREATE INDEX mesh_inbox_attempt_version ON mesh_inbox_attempt (consumer, aggregate_type, aggregate_id, version)
    WHERE version > 0;
