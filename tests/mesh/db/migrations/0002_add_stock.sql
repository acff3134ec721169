ALTER TABLE product ADD stock int NOT NULL DEFAULT 0;

DO $$
BEGIN
    UPDATE product SET stock = 3; /* in a /* nested */ comment; */
END
$$;
