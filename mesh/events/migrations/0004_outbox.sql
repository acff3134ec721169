-- Events on their way to the broker: written by the transactions that they belong to, published by
-- a relay, and kept for a while after, to be published again when the broker lost them.
CREATE TABLE mesh_outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in an aggregate the order of commits
    event_id uuid NOT NULL,
    subject text NOT NULL, -- as the contract says it, below the prefix of the bus
    type text NOT NULL,
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    version bigint NOT NULL, -- 0: the contract names none
    time timestamptz NOT NULL,
    traceparent text NOT NULL, -- '': added without a trace
    payload bytea NOT NULL
);
ALTER TABLE mesh_outbox ALTER COLUMN payload SET STORAGE EXTERNAL; -- no time for compression

-- Aggregates whose first event in the queue was refused by the broker, and what it said last.
CREATE TABLE mesh_outbox_refused (
    queue bigint PRIMARY KEY,
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    attempts bigint NOT NULL DEFAULT 1,
    cause text NOT NULL,
    jetstream_code bigint NOT NULL,
    UNIQUE (aggregate_type, aggregate_id)
);

-- What waits for those: each of them has a queue of its own, named after the position of its event, so
-- that it is in nobody's way.
CREATE TABLE mesh_outbox_held (
    queue bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (queue, position)
);

-- What was published together: which events, and at which places of the stream (ascending).
CREATE TABLE mesh_outbox_batch (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    published_at timestamptz NOT NULL DEFAULT now(),
    last_sequence bigint NOT NULL,
    positions bigint[] NOT NULL,
    sequences bigint[] NOT NULL
);
ALTER TABLE mesh_outbox_batch
    ALTER COLUMN positions SET STORAGE EXTERNAL,
    ALTER COLUMN sequences SET STORAGE EXTERNAL;
CREATE INDEX mesh_outbox_batch_last_sequence ON mesh_outbox_batch (last_sequence);

-- One row, which is locked by the relay that works.
CREATE TABLE mesh_outbox_relay (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    stream_created bigint NOT NULL DEFAULT 0, -- of the stream that was published to, in ns; 0: none yet
    -- The positions that are in nobody's way: published, held back, or of no event. All others are due.
    done int8multirange NOT NULL DEFAULT '{(,1)}',
    mark bigint NOT NULL DEFAULT 0, -- below, nothing is added when transactions ...
    mark_xid bigint NOT NULL DEFAULT 0 -- ... with lower numbers are over; 0: there is no mark
);
INSERT INTO mesh_outbox_relay DEFAULT VALUES;

-- What is not published yet. Queue 0 is everybody's.
CREATE VIEW mesh_outbox_due AS
    SELECT 0::bigint AS queue, event.position
    FROM mesh_outbox_relay, unnest('{(,)}'::int8multirange - done) AS gap,
        LATERAL (SELECT position FROM mesh_outbox WHERE position >= lower(gap)
            AND position < coalesce(upper(gap), 9223372036854775807) ORDER BY position) AS event
    WHERE one
    UNION ALL
    SELECT queue, position FROM mesh_outbox_held;

-- How many that are, about, and the position of the oldest one, at the price of a few looks into an index:
-- positions have few holes.
CREATE VIEW mesh_outbox_pending AS
    SELECT (SELECT count(*) FROM mesh_outbox_held) + coalesce(sum(last - first + 1), 0) AS events,
        least(min(first), (SELECT min(queue) FROM mesh_outbox_refused)) AS oldest
    FROM mesh_outbox_relay, unnest('{(,)}'::int8multirange - done) AS gap,
        LATERAL (SELECT min(position) AS first, max(position) AS last FROM mesh_outbox
            WHERE position >= lower(gap)
            AND position < coalesce(upper(gap), 9223372036854775807)) AS event
    WHERE one;
