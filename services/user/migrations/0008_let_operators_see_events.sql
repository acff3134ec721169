-- Events hold what users did and who they are: who looks at them, or steers what becomes of them, is
-- trusted with that. Admins are, by their level; others by membership.
INSERT INTO groups VALUES ('operators');

INSERT INTO group_permission VALUES
    ('operators', 'event.operate'),
    ('operators', 'event.read');

INSERT INTO role_group VALUES (7, 'operators');
