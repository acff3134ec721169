-- Which events were handled here. A handler's transaction notes the event first, so a redelivered
-- event finds its own row and changes nothing.
CREATE TABLE mesh_inbox (
    event_id uuid NOT NULL, -- UUIDv7, so old rows are found by this key
    consumer text NOT NULL, -- the durable consumer, named after its service
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, consumer)
);
