-- kind is a user.v1.User.Kind. role is the user.v1.Role that implies the user's others: 2 CONSUMER or
-- 3 PRO of a consumer (kind 1), 4 CUSTOMER (2), 5 EMPLOYEE (3), and of staff (4) 7 ADMIN, 8 LEVEL2 or
-- 9 LEVEL1.
--
-- What must be unique whatever its case is compared in lower case. Both are ASCII (check.c), so "C"
-- knows all of their letters; and nobody can forget to fill a generated column.
CREATE TABLE users (
    id uuid PRIMARY KEY,
    username text NOT NULL,
    username_key text GENERATED ALWAYS AS (lower(username COLLATE "C")) STORED,
    email text,
    email_key text GENERATED ALWAYS AS (lower(email COLLATE "C")) STORED,
    password_hash text NOT NULL, -- argon2id with its parameters and salt
    kind smallint NOT NULL,
    role smallint NOT NULL,
    banned boolean NOT NULL DEFAULT false,
    confirmed boolean NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_username_taken UNIQUE (username_key),
    CONSTRAINT users_email_taken UNIQUE (email_key),
    CONSTRAINT users_id_kind UNIQUE (id, kind),
    CONSTRAINT users_role_of_kind CHECK
        ((kind = 1 AND role IN (2, 3)) OR (kind = 2 AND role = 4) OR (kind = 3 AND role = 5)
         OR (kind = 4 AND role IN (7, 8, 9)))
);

-- Each user has exactly one profile, of the user's kind: both tables refer to each other.
CREATE TABLE profile (
    user_id uuid NOT NULL,
    kind smallint NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    PRIMARY KEY (user_id, kind),
    CONSTRAINT profile_user FOREIGN KEY (user_id, kind) REFERENCES users (id, kind) ON DELETE CASCADE
);

ALTER TABLE users ADD CONSTRAINT users_profile
    FOREIGN KEY (id, kind) REFERENCES profile (user_id, kind);
