-- Services that have lost events of users ask who has changed lately, and who is gone. No token lives
-- for so long as a row stays here: two hours at least, and until the next user is deleted.
CREATE TABLE deleted_user (
    user_id uuid PRIMARY KEY,
    version bigint NOT NULL, -- of the deletion
    delete_time timestamptz NOT NULL
);

CREATE INDEX deleted_user_time ON deleted_user (delete_time);

CREATE INDEX users_changed ON users (update_time) WHERE version > 1;
