-- Ids compare byte by byte ("C"), so that lists have one order whatever the server's locale is.
-- Room is left in each page for the stock's changes, which touch no index (heap-only updates).
CREATE TABLE product (
    id text COLLATE "C" PRIMARY KEY,
    title text NOT NULL,
    passenger_capacity integer NOT NULL,
    maximum_speed integer NOT NULL,
    in_stock integer NOT NULL CHECK (in_stock >= 0),
    backordered bigint NOT NULL DEFAULT 0 CHECK (backordered >= 0),
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    request_id uuid,
    request bytea -- what was asked for under that request_id, encoded, to tell a repetition
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX product_request_id ON product (request_id) WHERE request_id IS NOT NULL;
