-- How far the events of each aggregate were handled here: the next version is applied, an earlier one
-- dropped, a later one waits. Rows stay for good, so that an event that is emitted again is dropped
-- whenever it comes.
CREATE TABLE mesh_inbox_version (
    consumer text NOT NULL, -- the durable consumer, named after its service
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    version bigint NOT NULL, -- the last one that was applied or skipped; 0: none
    begins bigint NOT NULL, -- the lowest one seen where the first ones cannot come; 0: it is 1
    dead bigint NOT NULL DEFAULT 0, -- the first one that is among the dead letters; 0: none is
    PRIMARY KEY (consumer, aggregate_type, aggregate_id)
) WITH (fillfactor = 80);

-- The types of aggregates whose versions a consumer keeps.
CREATE TABLE mesh_inbox_type (
    consumer text NOT NULL,
    aggregate_type text NOT NULL,
    late boolean NOT NULL, -- earlier events had gone by when it began with them
    PRIMARY KEY (consumer, aggregate_type)
);

-- Deliveries that did not end well, of events that are neither handled nor among the dead letters yet.
CREATE TABLE mesh_inbox_attempt (
    consumer text NOT NULL,
    event text NOT NULL, -- its id, or its place in the stream when it has none
    delivery integer NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('begun', 'failed', 'passing')),
    code text NOT NULL,
    cause text NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event, delivery)
);

-- What operators said to a consumer, obeyed by all its instances.
CREATE TABLE mesh_inbox_control (
    consumer text PRIMARY KEY,
    paused boolean NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
