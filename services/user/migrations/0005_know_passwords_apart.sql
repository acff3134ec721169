-- password_serial is one more with each other password, and stays when the same one is hashed anew: who
-- showed a password that is changed meanwhile begins no session with it.
ALTER TABLE users ADD password_serial bigint NOT NULL DEFAULT 1;

-- Expired sessions are found without looking at all. A refresh writes the column, so that a row is no
-- longer updated in its place.
CREATE INDEX session_expire_time ON session (expire_time);
ALTER TABLE session RESET (fillfactor);
