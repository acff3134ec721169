-- Levels of staff bring groups by themselves: who gets or loses the level has or loses what they hold
-- with it, and there is no membership to forget. role is one of users.role.
CREATE TABLE role_group (
    role smallint NOT NULL CHECK (role IN (7, 8, 9)),
    group_name text COLLATE "C" NOT NULL REFERENCES groups ON DELETE CASCADE,
    PRIMARY KEY (role, group_name)
);

INSERT INTO role_group VALUES
    (7, 'admins'),
    (7, 'merchants'),
    (7, 'notifiers'),
    (7, 'support'),
    (8, 'notifiers');

-- Admins had to be members until now.
DELETE FROM user_group m USING users u
    WHERE u.id = m.user_id AND u.role = 7 AND m.group_name = 'admins';

-- So that a list of names can be taken apart again.
ALTER TABLE groups ADD CONSTRAINT groups_name CHECK (name ~ '^[a-z0-9_-]{1,64}$');

-- Customers, and the employees whom they see, have names.
ALTER TABLE profile ADD CONSTRAINT profile_has_names
    CHECK (kind NOT IN (2, 3) OR (first_name <> '' AND last_name <> ''));

-- For lists, page by page; and to find the other admins.
CREATE INDEX users_kind ON users (kind, id);
CREATE INDEX users_employees ON users (id) WHERE kind = 3 AND confirmed AND NOT banned;
CREATE INDEX users_admins ON users (id) WHERE role = 7 AND NOT banned;
