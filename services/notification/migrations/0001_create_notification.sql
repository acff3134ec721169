-- Ids are UUIDv7: in the order of creation, so the primary key serves the list, newest first.
--
-- `position` is a notification's place in the live feed. It is given after the commit that recorded
-- it, by one instance at a time, so that whoever sees a position sees all lower ones, too. (One taken
-- from a sequence while recording could be committed after a higher one, and a reader that goes on
-- after the highest it saw would miss it.)
CREATE TABLE notification (
    id uuid PRIMARY KEY,
    kind smallint NOT NULL,
    text text NOT NULL,
    resource text NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    read_time timestamptz,
    position bigint
);

CREATE SEQUENCE notification_position;
CREATE UNIQUE INDEX notification_by_position ON notification (position) WHERE position IS NOT NULL;
CREATE INDEX notification_without_position ON notification (id) WHERE position IS NULL;
CREATE INDEX notification_unread ON notification (id) WHERE read_time IS NULL;
