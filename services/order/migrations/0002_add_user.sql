-- Whose an order is: the id of a user, '' of orders from a time when callers had no name. Those are
-- nobody's, and so are the ones that a program from before this migration still takes.
ALTER TABLE orders ADD COLUMN user_id text COLLATE "C" NOT NULL DEFAULT '';

-- Whoever repeats a request is answered with an order of the same user's alone.
DROP INDEX orders_request_id;
CREATE UNIQUE INDEX orders_user_request_id ON orders (user_id, request_id)
    WHERE request_id IS NOT NULL;

-- Serves a user's list, newest first.
CREATE INDEX orders_user_id ON orders (user_id, id);
