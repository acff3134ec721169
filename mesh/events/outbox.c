#include "mesh/events/outbox.h"

#include <stddef.h>
#include <string.h>

#include "mesh/db/array.h"
#include "mesh/db/publisher.h"

enum {
    CHUNK_EVENTS = 1000,           /* in one statement ... */
    CHUNK_BYTES = 4 * 1024 * 1024, /* ... and of payload, unless it is a single one */
    SCRATCH_FIRST_BYTES = 16 * 1024,
};

/* The events of a transaction, in its arena, in the order in which they were added. */
typedef struct added {
    mesh_entry *first;
    mesh_entry **last; /* where the next one goes */
    mesh_outbox_wake wake;
} added;

/* Some of them, for one statement. */
typedef struct chunk {
    const mesh_entry *first;
    size_t count;
    mesh_arena *arena; /* for the statement */
} chunk;

/* Takes as many as go into one statement, and returns what is left. */
static const mesh_entry *take(chunk *c, const mesh_entry *e)
{
    size_t bytes = 0;
    c->first = e;
    for (c->count = 0; e != NULL && c->count < CHUNK_EVENTS; e = e->next) {
        if (c->count > 0 && bytes + e->size > CHUNK_BYTES)
            break;
        bytes += e->size;
        c->count++;
    }
    return e;
}

/* A column of texts; `offset` is that of the member in the entry. */
static mesh_param text_column(const chunk *c, size_t offset)
{
    const char **items = mesh_arena_calloc(c->arena, c->count, sizeof *items);
    const mesh_entry *e = c->first;
    if (items == NULL)
        return MESH_SQL_NULL;
    for (size_t i = 0; i < c->count; i++, e = e->next)
        memcpy(&items[i], (const char *)e + offset, sizeof items[i]);
    return MESH_SQL_TEXT(mesh_array_of_texts(c->arena, items, c->count));
}

static mesh_param integer_column(const chunk *c, size_t offset)
{
    int64_t *items = mesh_arena_calloc(c->arena, c->count, sizeof *items);
    const mesh_entry *e = c->first;
    if (items == NULL)
        return MESH_SQL_NULL;
    for (size_t i = 0; i < c->count; i++, e = e->next)
        memcpy(&items[i], (const char *)e + offset, sizeof items[i]);
    return MESH_SQL_TEXT(mesh_array_of_integers(c->arena, items, c->count));
}

static mesh_param payload_column(const chunk *c)
{
    mesh_bytes *items = mesh_arena_calloc(c->arena, c->count, sizeof *items);
    const mesh_entry *e = c->first;
    if (items == NULL)
        return MESH_SQL_NULL;
    for (size_t i = 0; i < c->count; i++, e = e->next)
        items[i] = (mesh_bytes){e->payload, e->size};
    mesh_bytes array = mesh_array_of_bytes(c->arena, items, c->count);
    return MESH_SQL_BYTES(array.data, array.size);
}

/*
 * The transaction gets its number before positions are drawn: the relay concludes from a number
 * that is not given yet that its positions are not drawn either (queue.h).
 */
static mesh_code insert(mesh_tx *tx, const chunk *c, mesh_error *err)
{
    static const char SQL[] =
        "INSERT INTO mesh_outbox (event_id, subject, type, aggregate_type, aggregate_id, version,"
        "  time, traceparent, payload)"
        " SELECT unnest($1::uuid[]), unnest($2::text[]), unnest($3::text[]), unnest($4::text[]),"
        "  unnest($5::text[]), unnest($6::bigint[]),"
        "  timestamptz 'epoch' + unnest($7::bigint[]) / 1000 * interval '1 us',"
        "  unnest($8::text[]), unnest($9::bytea[])"
        " FROM pg_current_xact_id()";
    const mesh_param columns[] = {
        text_column(c, offsetof(mesh_entry, id)),
        text_column(c, offsetof(mesh_entry, subject)),
        text_column(c, offsetof(mesh_entry, type)),
        text_column(c, offsetof(mesh_entry, aggregate.type)),
        text_column(c, offsetof(mesh_entry, aggregate.id)),
        integer_column(c, offsetof(mesh_entry, version)),
        integer_column(c, offsetof(mesh_entry, time_ns)),
        text_column(c, offsetof(mesh_entry, traceparent)),
        payload_column(c),
    };
    if (mesh_arena_overflowed(c->arena))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    return mesh_tx_query(tx, SQL, (mesh_params){columns, sizeof columns / sizeof columns[0]}, NULL,
                         NULL, err);
}

static mesh_code insert_all(mesh_tx *tx, void *context, mesh_error *err)
{
    const added *self = context;
    mesh_code code = MESH_OK;
    chunk c = {.arena = mesh_arena_create(SCRATCH_FIRST_BYTES, 0)};
    if (c.arena == NULL)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    for (const mesh_entry *left = self->first; code == MESH_OK && left != NULL;) {
        left = take(&c, left);
        code = insert(tx, &c, err);
        mesh_arena_reset(c.arena);
    }
    mesh_arena_destroy(c.arena);
    if (code != MESH_OK)
        mesh_error_prefix(err, "the events of the transaction");
    return code;
}

static void tell(void *context)
{
    const added *self = context;
    self->wake.fn(self->wake.context);
}

/* The list of a transaction that has none yet. */
static mesh_code begin(mesh_tx *tx, mesh_outbox_wake wake, added **out, mesh_error *err)
{
    added *self = mesh_arena_alloc(mesh_tx_arena(tx), sizeof *self);
    if (self == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    self->first = NULL;
    self->last = &self->first;
    self->wake = wake;
    mesh_code code = mesh_tx_after_commit(tx, tell, self, err);
    if (code == MESH_OK)
        code = mesh_tx_before_commit(tx, insert_all, self, err);
    if (code == MESH_OK)
        *out = self;
    return code;
}

mesh_code mesh_outbox_add(mesh_tx *tx, mesh_entry *e, mesh_outbox_wake wake, mesh_error *err)
{
    added *self = mesh_tx_before_commit_context(tx, insert_all);
    if (self == NULL) {
        mesh_code code = begin(tx, wake, &self, err);
        if (code != MESH_OK)
            return code;
    }
    e->next = NULL;
    *self->last = e;
    self->last = &e->next;
    return MESH_OK;
}
