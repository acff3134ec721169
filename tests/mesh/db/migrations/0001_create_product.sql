-- A comment; with a semicolon, 'a quote and "another" one.
CREATE TABLE product (
    id text PRIMARY KEY, -- what about "quotes", \ and ??=
    note text NOT NULL DEFAULT E'it''s\ta \\ "note"; ??='
);

INSERT INTO product (id) VALUES ('odyssey');
