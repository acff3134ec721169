-- When a list of all users first lacked the user, and no list since had it. One list can be wrong, so
-- that is no end yet; another one, some time later, confirms it.
ALTER TABLE user_copy ADD COLUMN doubt_time timestamptz;
