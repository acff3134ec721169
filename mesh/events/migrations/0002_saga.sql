-- Sagas: what spans services, step by step. One row each.
CREATE TABLE mesh_saga (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in order of their beginning, for lists
    definition text NOT NULL,
    id text NOT NULL, -- chosen by who began it
    status text NOT NULL CHECK (status IN ('running', 'waiting', 'parked', 'completed', 'compensated')),
    compensating boolean NOT NULL DEFAULT false,
    step text NOT NULL, -- the one at hand; of a saga that is over the last one
    undo text[] NOT NULL DEFAULT '{}', -- steps done that have a compensation, in order of their end
    attempts integer NOT NULL DEFAULT 0, -- begun in this step and direction
    attempts_max integer NOT NULL, -- after so many it is parked
    due timestamptz, -- when somebody takes it next; null: only a signal or an operator moves it
    deadline timestamptz, -- of the step; null: none
    code text NOT NULL DEFAULT '', -- of the last failure, '' when there was none
    cause text NOT NULL DEFAULT '',
    context bytea NOT NULL,
    traceparent text NOT NULL, -- of who began it, '' when there was none
    begun_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (definition, id)
);
CREATE INDEX mesh_saga_due ON mesh_saga (due) WHERE due IS NOT NULL;
CREATE INDEX mesh_saga_status ON mesh_saga (status, number);
CREATE INDEX mesh_saga_over ON mesh_saga (changed_at) WHERE status IN ('completed', 'compensated');

-- What steps were told; the first word counts. Kept until the step waits for it.
CREATE TABLE mesh_saga_signal (
    saga bigint NOT NULL REFERENCES mesh_saga ON DELETE CASCADE,
    step text NOT NULL,
    code text NOT NULL,
    cause text NOT NULL,
    PRIMARY KEY (saga, step)
);

CREATE TABLE mesh_saga_history (
    saga bigint NOT NULL REFERENCES mesh_saga ON DELETE CASCADE,
    number bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    step text NOT NULL,
    compensating boolean NOT NULL,
    attempt integer NOT NULL,
    what text NOT NULL,
    code text NOT NULL,
    cause text NOT NULL,
    PRIMARY KEY (saga, number)
);
