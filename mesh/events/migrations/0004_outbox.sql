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

-- What is not published yet. Queue 0 is everybody's; what waits for a refused event stands in a
-- queue of that event's position, so that it is in nobody's way.
CREATE TABLE mesh_outbox_due (
    queue bigint NOT NULL DEFAULT 0,
    position bigint NOT NULL,
    PRIMARY KEY (queue, position)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

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

-- What was published together: which events, and at which places of the stream (ascending).
CREATE TABLE mesh_outbox_batch (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    published_at timestamptz NOT NULL DEFAULT now(),
    last_sequence bigint NOT NULL,
    positions bigint[] NOT NULL,
    sequences bigint[] NOT NULL
);
CREATE INDEX mesh_outbox_batch_last_sequence ON mesh_outbox_batch (last_sequence);

-- One row, which is locked by the relay that works.
CREATE TABLE mesh_outbox_relay (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch bigint NOT NULL, -- grows when published events become due again
    stream_created bigint NOT NULL -- of the stream that was published to, in ns; 0: none yet
);
INSERT INTO mesh_outbox_relay (epoch, stream_created) VALUES (0, 0);
