-- Whose a notification is: the id of a user, '' of those from a time when callers had no name, which
-- are nobody's. sender_id is who of the staff sent it, '' when the service made it itself.
ALTER TABLE notification
    ADD COLUMN user_id text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN sender_id text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN request_id uuid;

CREATE UNIQUE INDEX notification_request ON notification (sender_id, request_id)
    WHERE request_id IS NOT NULL;

-- These serve a user's list, newest first, and a stream of the user's that is behind.
CREATE INDEX notification_of_user ON notification (user_id, id);
CREATE INDEX notification_unread_of_user ON notification (user_id, id) WHERE read_time IS NULL;
CREATE INDEX notification_of_user_by_position ON notification (user_id, position)
    WHERE position IS NOT NULL;
DROP INDEX notification_unread;

-- What this service knows of users, from the events of the user service. Each event has the whole
-- user, so the one with the highest version is all there is to know.
--
-- A user that was deleted leaves a row with nothing but its version, so that an earlier event that
-- comes late does not bring it back. Such rows go when no event can come any more.
CREATE TABLE user_copy (
    id text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    deleted boolean NOT NULL,
    username text NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    kind smallint NOT NULL, -- a user.v1.User.Kind
    roles bigint NOT NULL,  -- bit n: the user.v1.Role n
    banned boolean NOT NULL,
    change_time timestamptz NOT NULL DEFAULT now() -- when the transaction began that wrote it
);

CREATE INDEX user_copy_deleted ON user_copy (change_time) WHERE deleted;
