-- When the event was stored with which an aggregate began in the middle. What was stored before and comes
-- later was not applied, and what is stored later (emitted or published again) not asked for.
ALTER TABLE mesh_inbox_version ADD COLUMN begun_at timestamptz; -- NULL: it began with its first event
