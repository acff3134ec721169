-- A session lasts from a sign-in until it is signed out of, ends by misuse, or is not refreshed in
-- time. A refresh token is its selector and a secret, both random; the secret's hash is kept, of the
-- last token alone. So whatever else comes with the selector is an earlier token, or a changed one.
CREATE TABLE session (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    selector bytea NOT NULL UNIQUE,
    secret_hash bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    refresh_time timestamptz NOT NULL DEFAULT now(),
    expire_time timestamptz NOT NULL
) WITH (fillfactor = 85);

CREATE INDEX session_user_id ON session (user_id);
