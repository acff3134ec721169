#include "tests/bench/event_load.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mesh/base/clock.h"
#include "mesh/db/array.h"

enum {
    ITEMS = 1000, /* of each seller */
    NOTE_BYTES = 120,
    BATCH_MAX = 1000,
    LATENCIES = 1 << 16, /* kept; of the rest only the number */
    LOOK_MS = 2,
    SILENCE_LIMIT_MS = 60000
};

static char note[NOTE_BYTES + 1];

void must(const char *what, mesh_code code, const mesh_error *err)
{
    if (code == MESH_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, mesh_code_name(code), err != NULL ? err->message : "");
    exit(1);
}

mesh_db *open_pool(const char *url, size_t connections)
{
    const mesh_db_options options = {
        .url = url, .pool_max = connections, .acquire_timeout_ms = 60000};
    mesh_db *db = NULL;
    mesh_error err = {0};
    must("database", mesh_db_create(&options, &db, &err), &err);
    return db;
}

static void rest_until(int64_t until_ns)
{
    const struct timespec until = {.tv_sec = until_ns / 1000000000,
                                   .tv_nsec = until_ns % 1000000000};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* ---- selling ---- */

/* The business rows of a batch: the items' next versions. */
static mesh_code insert_rows(const seller *self, mesh_tx *tx, int64_t first, int64_t count,
                             mesh_error *err)
{
    return mesh_tx_query(tx,
                         "INSERT INTO sold (item_id, version, note)"
                         " SELECT 'i' || $1::bigint || '-' || k % $2::bigint, k / $2 + 1, $3"
                         " FROM generate_series($4::bigint, $5::bigint) k",
                         MESH_SQL_PARAMS(MESH_SQL_INT(self->number), MESH_SQL_INT(ITEMS),
                                         MESH_SQL_TEXT(note), MESH_SQL_INT(first),
                                         MESH_SQL_INT(first + count - 1)),
                         NULL, NULL, err);
}

static void fill(const seller *self, Bench__V1__Sold *sold, char (*ids)[ITEM_ID_BYTES],
                 int64_t first, int64_t count)
{
    int64_t now_ns = mesh_clock_monotonic_ns();
    for (int64_t i = 0; i < count; i++) {
        snprintf(ids[i], ITEM_ID_BYTES, "i%d-%" PRId64, self->number, (first + i) % ITEMS);
        sold[i] = (Bench__V1__Sold)BENCH__V1__SOLD__INIT;
        sold[i].item_id = ids[i];
        sold[i].version = (first + i) / ITEMS + 1;
        sold[i].committed_ns = now_ns;
        sold[i].note = note;
    }
}

static void sell_batch(const seller *self, int64_t first, int64_t count)
{
    static _Thread_local Bench__V1__Sold sold[BATCH_MAX];
    static _Thread_local char ids[BATCH_MAX][ITEM_ID_BYTES];
    mesh_error err = {0};
    mesh_tx *tx = NULL;
    must("begin", mesh_tx_begin(self->db, NULL, &tx, &err), &err);
    must("rows", insert_rows(self, tx, first, count, &err), &err);
    fill(self, sold, ids, first, count);
    if (self->in_transaction != NULL)
        must("events", self->in_transaction(self->self, tx, sold, count, &err), &err);
    must("commit", mesh_tx_commit(tx, &err), &err);
    if (self->committed != NULL)
        must("publish", self->committed(self->self, sold, count), NULL);
}

static void *sell(void *context)
{
    const seller *self = context;
    const event_load *load = self->load;
    int64_t all = load->count / load->sellers;
    int64_t next_ns = mesh_clock_monotonic_ns();
    for (int64_t first = 0; first < all; first += load->batch) {
        int64_t count = first + load->batch < all ? load->batch : all - first;
        sell_batch(self, first, count);
        if (load->rate > 0) {
            next_ns += count * load->sellers * 1000000000 / load->rate;
            rest_until(next_ns);
        }
    }
    return NULL;
}

void sell_all(const seller *pattern)
{
    pthread_t threads[SELLERS_MAX];
    seller sellers[SELLERS_MAX];
    int64_t count = pattern->load->sellers;
    int64_t start_ns = mesh_clock_monotonic_ns();
    memset(note, 'n', NOTE_BYTES);
    if (count < 1 || count > SELLERS_MAX || pattern->load->batch > BATCH_MAX)
        abort();
    for (int i = 0; i < count; i++) {
        sellers[i] = *pattern;
        sellers[i].number = i;
        if (pthread_create(&threads[i], NULL, sell, &sellers[i]) != 0)
            abort();
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("{\"start_ns\": %" PRId64 ", \"committed_ns\": %" PRId64 "}\n", start_ns,
           mesh_clock_monotonic_ns());
    fflush(stdout);
}

/* ---- handling ---- */

mesh_code note_rows(mesh_tx *tx, const char *const *ids, const int64_t *versions,
                    const char *const *notes, size_t count, mesh_error *err)
{
    mesh_arena *arena = mesh_tx_arena(tx);
    return mesh_tx_query(
        tx,
        "INSERT INTO noted (item_id, version, note)"
        " SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[])",
        MESH_SQL_PARAMS(MESH_SQL_TEXT(mesh_array_of_texts(arena, ids, count)),
                        MESH_SQL_TEXT(mesh_array_of_integers(arena, versions, count)),
                        MESH_SQL_TEXT(mesh_array_of_texts(arena, notes, count))),
        NULL, NULL, err);
}

static int64_t latencies_ns[LATENCIES];
static atomic_int_fast64_t handled_count;
static atomic_int_fast64_t last_ns;

void handled_one(int64_t committed_ns)
{
    int64_t now_ns = mesh_clock_monotonic_ns();
    int64_t place = atomic_fetch_add(&handled_count, 1);
    if (place < LATENCIES)
        latencies_ns[place] = now_ns - committed_ns;
    atomic_store(&last_ns, now_ns);
}

static int compare(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

bool wait_until_handled(int64_t count)
{
    int64_t seen = 0, since_ns = mesh_clock_monotonic_ns();
    while (atomic_load(&handled_count) < count) {
        int64_t now_ns = mesh_clock_monotonic_ns();
        if (atomic_load(&handled_count) != seen) {
            seen = atomic_load(&handled_count);
            since_ns = now_ns;
        } else if (now_ns > mesh_clock_add_ms(since_ns, SILENCE_LIMIT_MS)) {
            return false;
        }
        rest_until(mesh_clock_add_ms(now_ns, LOOK_MS));
    }
    int64_t kept = count < LATENCIES ? count : LATENCIES;
    qsort(latencies_ns, (size_t)kept, sizeof latencies_ns[0], compare);
    printf("{\"handled\": %" PRId64 ", \"last_ns\": %" PRId64
           ", \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
           (int64_t)atomic_load(&handled_count), (int64_t)atomic_load(&last_ns),
           (double)latencies_ns[kept / 2] / 1e6, (double)latencies_ns[kept * 99 / 100] / 1e6,
           (double)latencies_ns[kept - 1] / 1e6);
    fflush(stdout);
    return true;
}
