-- Ids are UUIDv7: in the order of creation, so the primary key serves the list, newest first.
CREATE TABLE orders (
    id uuid PRIMARY KEY,
    currency text NOT NULL,
    total bigint NOT NULL CHECK (total >= 0), -- minor units
    version bigint NOT NULL DEFAULT 1,
    create_time timestamptz NOT NULL DEFAULT now(),
    request_id uuid
);

CREATE UNIQUE INDEX orders_request_id ON orders (request_id) WHERE request_id IS NOT NULL;

-- The title is a copy: what was sold stays readable when the product is gone.
CREATE TABLE order_line (
    order_id uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    position smallint NOT NULL,
    product_id text NOT NULL,
    title text NOT NULL,
    price bigint NOT NULL CHECK (price >= 0), -- minor units of the order's currency
    quantity integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, position)
);
