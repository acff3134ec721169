-- What was tried lately, and how often, in windows that begin with the first of it: by all instances, and
-- over their restarts. kind: 1 passwords for a login, 2 passwords from an address, 3 sign-ups from an
-- address, 4 changes that a user makes to the own account. A password counts while it is looked at, when
-- nobody knows yet whether it is wrong.
--
-- digest stands for whose it is (attempt_store.h): a login is kept as it was written, and that may be a
-- password in the wrong field.
--
-- Unlogged, since each sign-in writes here twice and waits for it, and the log, its archives and standbys
-- have no use for it. A crash of the database empties it.
CREATE UNLOGGED TABLE attempt (
    kind smallint NOT NULL,
    digest bytea NOT NULL,
    count integer NOT NULL,
    going integer NOT NULL, -- of these, passwords that are looked at now
    end_time timestamptz NOT NULL, -- of the window
    PRIMARY KEY (kind, digest)
) WITH (fillfactor = 70);

CREATE INDEX attempt_end_time ON attempt (end_time);
