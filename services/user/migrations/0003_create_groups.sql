-- Users are in groups and have what their groups hold. Permissions are the strings of
-- user.v1.Permission.
CREATE TABLE groups (
    name text COLLATE "C" PRIMARY KEY
);

CREATE TABLE group_permission (
    group_name text COLLATE "C" NOT NULL REFERENCES groups ON DELETE CASCADE,
    permission text COLLATE "C" NOT NULL,
    PRIMARY KEY (group_name, permission)
);

CREATE TABLE user_group (
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    group_name text COLLATE "C" NOT NULL REFERENCES groups ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_name)
);

CREATE INDEX user_group_group ON user_group (group_name);

INSERT INTO groups VALUES ('admins'), ('merchants'), ('notifiers'), ('support');

INSERT INTO group_permission VALUES
    ('admins', 'user.manage'),
    ('admins', 'user.read'),
    ('merchants', 'product.write'),
    ('notifiers', 'notification.read_any'),
    ('notifiers', 'notification.send'),
    ('support', 'order.cancel_any'),
    ('support', 'order.read_any'),
    ('support', 'user.read');

-- Admins that were made before there were groups.
INSERT INTO user_group SELECT id, 'admins' FROM users WHERE role = 7;
