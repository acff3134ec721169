/*
 * A service on mesh/events that sells (its events leave through its outbox), or one that notes what
 * was sold (through its inbox).
 *
 *   event_service tables  DATABASE
 *   event_service sell    DATABASE NATS COUNT BATCH RATE SELLERS
 *   event_service note    DATABASE NATS COUNT
 *
 * Selling ends when all is published, noting when COUNT events were noted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/event_load.h"

enum {
    CONNECTIONS = 24,
    DRAIN_TIMEOUT_MS = 600000
};

static mesh_code add_events(void *self, mesh_tx *tx, const Bench__V1__Sold *sold, int64_t count,
                            mesh_error *err)
{
    mesh_code code = MESH_OK;
    (void)self;
    for (int64_t i = 0; code == MESH_OK && i < count; i++)
        code = bench__v1__sold__add(tx, &sold[i], err);
    return code;
}

/* The moments in which events were committed, of a transaction that handled them. */
typedef struct moments {
    size_t count;
    int64_t committed_ns[];
} moments;

static void count_handled(void *context)
{
    const moments *handled = context;
    for (size_t i = 0; i < handled->count; i++)
        handled_one(handled->committed_ns[i]);
}

static mesh_code on_sold(void *self, mesh_tx *tx, const bench__v1__sold__received *received,
                         size_t count, mesh_error *err)
{
    (void)self;
    mesh_arena *arena = mesh_tx_arena(tx);
    const char **ids = mesh_arena_calloc(arena, count, sizeof *ids);
    const char **notes = mesh_arena_calloc(arena, count, sizeof *notes);
    int64_t *versions = mesh_arena_calloc(arena, count, sizeof *versions);
    moments *handled = mesh_arena_alloc(arena, sizeof *handled + count * sizeof(int64_t));
    if (ids == NULL || notes == NULL || versions == NULL || handled == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    handled->count = count;
    for (size_t i = 0; i < count; i++) {
        ids[i] = received[i].event->item_id;
        versions[i] = received[i].event->version;
        notes[i] = received[i].event->note;
        handled->committed_ns[i] = received[i].event->committed_ns;
    }
    mesh_code code = mesh_tx_after_commit(tx, count_handled, handled, err);
    if (code != MESH_OK)
        return code;
    return note_rows(tx, ids, versions, notes, count, err);
}

static int make_tables(mesh_db *db)
{
    mesh_error err = {0};
    must("tables", mesh_migrate(db, "mesh_events", mesh_events_migrations(), &err), &err);
    mesh_db_destroy(db);
    return 0;
}

static mesh_events *start_events(mesh_db *db, const char *service, const char *nats,
                                 const mesh_consumer *consumers)
{
    const mesh_events_options options = {
        .url = nats, .service = service, .db = db, .consumers = consumers};
    mesh_events *events = NULL;
    mesh_error err = {0};
    must("events", mesh_events_create(&options, &events, &err), &err);
    must("events", mesh_events_start(events, &err), &err);
    return events;
}

static int end(mesh_events *events, mesh_db *db, bool well)
{
    bool drained = mesh_events_drain(events, DRAIN_TIMEOUT_MS);
    mesh_events_destroy(events);
    mesh_db_destroy(db);
    if (!well)
        fprintf(stderr, "nothing comes any more\n");
    return well && drained ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    mesh_db *db = open_pool(argv[2], CONNECTIONS);
    if (strcmp(argv[1], "tables") == 0)
        return make_tables(db);
    if (strcmp(argv[1], "sell") == 0 && argc == 8) {
        const event_load load = {atol(argv[4]), atol(argv[5]), atol(argv[6]), atol(argv[7])};
        mesh_events *events = start_events(db, "bench", argv[3], NULL);
        sell_all(&(seller){.load = &load, .db = db, .in_transaction = add_events});
        return end(events, db, true);
    }
    if (strcmp(argv[1], "note") == 0 && argc == 5) {
        const mesh_consumer consumers[] = {bench__v1__sold__batch_consumer(on_sold, NULL),
                                           {.event = NULL}};
        mesh_events *events = start_events(db, "notes", argv[3], consumers);
        bool well = wait_until_handled(atol(argv[4]));
        return end(events, db, well);
    }
    return 2;
}
