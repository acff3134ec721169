#include "mesh/db/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/base/options.h"
#include "mesh/db/publisher.h"
#include "mesh/db/sqlstate.h"

enum {
    DEFAULT_POOL_MAX = 8,
    DEFAULT_ACQUIRE_TIMEOUT_MS = 2000,
    DEFAULT_CONNECT_TIMEOUT_MS = 5000,
    DEFAULT_STATEMENT_TIMEOUT_MS = 5000,
    DEFAULT_IDLE_TIMEOUT_MS = 5 * 60 * 1000,
    DEFAULT_MAX_AGE_MS = 30 * 60 * 1000
};

/* A thread that waits for a connection; on that thread's stack. Guarded by the pool's mu. */
typedef struct waiter {
    pthread_cond_t wake;
    bool granted;       /* it has a place in the pool now, and perhaps ... */
    mesh_db_conn *conn; /* ... a connection; NULL: it makes one */
    struct waiter *next;
} waiter;

struct mesh_db {
    mesh_db_settings settings; /* immutable */
    _Atomic(void *) publisher;
    atomic_bool down; /* the last attempt to connect failed */

    pthread_mutex_t mu;
    /* Guarded by mu. While threads wait, nothing is idle and `open` is at its maximum. */
    mesh_db_conn **idle; /* the one used last at the end */
    size_t idle_count;
    size_t open; /* places taken: in use, idle, or being connected */
    waiter *first_waiter;
    waiter **last_waiter;
    size_t waiting;
    uint64_t acquired;
    uint64_t acquire_errors;
    int64_t wait_ns;

    _Atomic uint64_t connects;
    _Atomic uint64_t connect_errors;
    _Atomic uint64_t queries;
    _Atomic uint64_t query_errors;
    _Atomic int64_t query_ns;
};

static mesh_code read_options(const mesh_db_options *given, mesh_db_settings *settings,
                              mesh_error *err)
{
    mesh_db_options options;
    mesh_code code = MESH_OPTIONS_READ(mesh_db_options, max_age_ms, &options, given, err);
    if (code != MESH_OK)
        return code;
    settings->pool_max = MESH_OPTION_DEFAULT(options.pool_max, DEFAULT_POOL_MAX);
    settings->acquire_timeout_ms = MESH_OPTION_DEFAULT(options.acquire_timeout_ms,
                                                       DEFAULT_ACQUIRE_TIMEOUT_MS);
    settings->connect_timeout_ms = MESH_OPTION_DEFAULT(options.connect_timeout_ms,
                                                       DEFAULT_CONNECT_TIMEOUT_MS);
    settings->statement_timeout_ms = MESH_OPTION_DEFAULT(options.statement_timeout_ms,
                                                         DEFAULT_STATEMENT_TIMEOUT_MS);
    settings->idle_timeout_ms = MESH_OPTION_DEFAULT(options.idle_timeout_ms,
                                                    DEFAULT_IDLE_TIMEOUT_MS);
    settings->max_age_ms = MESH_OPTION_DEFAULT(options.max_age_ms, DEFAULT_MAX_AGE_MS);
    if (settings->acquire_timeout_ms < 0 || settings->connect_timeout_ms < 0 ||
        settings->statement_timeout_ms < 0 || settings->idle_timeout_ms < 0 ||
        settings->max_age_ms < 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "a time limit is negative");
    if (settings->statement_timeout_ms > INT32_MAX)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "statement_timeout_ms is out of range; PostgreSQL's is at most %d",
                              INT32_MAX);
    /* libpq's own message would repeat the url, and a password with it. */
    PQconninfoOption *parsed = options.url != NULL ? PQconninfoParse(options.url, NULL) : NULL;
    if (parsed == NULL)
        return mesh_error_set(
            err, MESH_INVALID_ARGUMENT,
            "the database's url is malformed; it is postgresql://USER:PASSWORD@HOST:PORT/NAME");
    PQconninfoFree(parsed);
    settings->url = mesh_strdup(options.url);
    settings->name = mesh_strdup(MESH_OPTION_DEFAULT(options.name, "mesh"));
    if (settings->url == NULL || settings->name == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    return MESH_OK;
}

mesh_code mesh_db_create(const mesh_db_options *options, mesh_db **out, mesh_error *err)
{
    mesh_db *db = mesh_calloc(1, sizeof *db);
    if (db == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    pthread_mutex_init(&db->mu, NULL);
    db->last_waiter = &db->first_waiter;
    mesh_code code = read_options(options, &db->settings, err);
    if (code == MESH_OK) {
        db->idle = mesh_calloc(db->settings.pool_max, sizeof(mesh_db_conn *));
        db->settings.canceller = mesh_db_canceller_create();
        if (db->idle == NULL || db->settings.canceller == NULL)
            code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    if (code != MESH_OK) {
        mesh_db_destroy(db);
        return code;
    }
    *out = db;
    return MESH_OK;
}

void mesh_db_destroy(mesh_db *db)
{
    if (db == NULL)
        return;
    assert(db->open == db->idle_count); /* else a transaction is open */
    while (db->idle_count > 0)
        mesh_db_conn_close(db->idle[--db->idle_count]);
    mesh_db_canceller_destroy(db->settings.canceller);
    pthread_mutex_destroy(&db->mu);
    mesh_free(db->idle);
    mesh_free(db->settings.url);
    mesh_free(db->settings.name);
    mesh_free(db);
}

const mesh_db_settings *mesh_db_pool_settings(const mesh_db *db)
{
    return &db->settings;
}

bool mesh_db_set_publisher(mesh_db *db, void *publisher)
{
    void *none = NULL;
    if (publisher != NULL)
        return atomic_compare_exchange_strong(&db->publisher, &none, publisher);
    atomic_store(&db->publisher, NULL);
    return true;
}

void *mesh_db_publisher(mesh_db *db)
{
    return atomic_load(&db->publisher);
}

static bool expired(const mesh_db *db, mesh_db_conn *conn, int64_t now_ns)
{
    const mesh_db_settings *settings = &db->settings;
    return now_ns > mesh_clock_add_ms(*mesh_db_conn_used_ns(conn), settings->idle_timeout_ms) ||
           now_ns > mesh_clock_add_ms(mesh_db_conn_opened_ns(conn), settings->max_age_ms);
}

/* Gives a place (with a connection, or without) to whoever waits the longest. False: nobody waits.
 * Called with mu held. */
static bool grant(mesh_db *db, mesh_db_conn *conn)
{
    waiter *first = db->first_waiter;
    if (first == NULL)
        return false;
    db->first_waiter = first->next;
    if (db->first_waiter == NULL)
        db->last_waiter = &db->first_waiter;
    db->waiting--;
    first->granted = true;
    first->conn = conn;
    pthread_cond_signal(&first->wake);
    return true;
}

static void remove_waiter(mesh_db *db, waiter *self)
{
    waiter **link = &db->first_waiter;
    while (*link != self)
        link = &(*link)->next;
    *link = self->next;
    if (self->next == NULL)
        db->last_waiter = link;
    db->waiting--;
}

/* Waits until a place is granted. False when that did not happen by then. Called with mu held. */
static bool wait_turn(mesh_db *db, int64_t deadline_ns, mesh_db_conn **conn)
{
    waiter self = {.granted = false};
    pthread_cond_init(&self.wake, NULL);

    *db->last_waiter = &self;
    db->last_waiter = &self.next;
    db->waiting++;
    while (!self.granted && mesh_cond_wait_until(&self.wake, &db->mu, deadline_ns))
        continue;
    if (!self.granted)
        remove_waiter(db, &self);
    pthread_cond_destroy(&self.wake);
    *conn = self.conn;
    return self.granted;
}

/* Takes a place in the pool, and an idle connection if there is one. Called with mu held. */
static bool take_place(mesh_db *db, int64_t deadline_ns, mesh_db_conn **conn)
{
    *conn = NULL;
    if (db->idle_count > 0) {
        *conn = db->idle[--db->idle_count];
        return true;
    }
    if (db->open < db->settings.pool_max) {
        db->open++;
        return true;
    }
    int64_t start_ns = mesh_clock_monotonic_ns();
    bool granted = wait_turn(db, deadline_ns, conn);
    db->wait_ns += mesh_clock_monotonic_ns() - start_ns;
    return granted;
}

static void give_place_back(mesh_db *db)
{
    pthread_mutex_lock(&db->mu);
    if (!grant(db, NULL))
        db->open--;
    pthread_mutex_unlock(&db->mu);
}

/* Connects within a place that the caller has; on failure the place is given back. */
static mesh_code connect_place(mesh_db *db, int64_t deadline_ns, mesh_db_conn **conn,
                               mesh_error *err)
{
    int64_t until_ns = mesh_clock_earlier(deadline_ns,
                                          mesh_clock_deadline_ns(db->settings.connect_timeout_ms));
    /* Said once, not at every attempt while the database is away. */
    mesh_log_level level = atomic_load(&db->down) ? MESH_LOG_DEBUG : MESH_LOG_WARN;
    mesh_code code = mesh_db_conn_open(&db->settings, db->settings.statement_timeout_ms, until_ns,
                                       level, conn, err);
    if (code == MESH_OK) {
        atomic_fetch_add(&db->connects, 1);
        if (atomic_exchange(&db->down, false))
            mesh_log(MESH_LOG_INFO, "the database answers again");
        return MESH_OK;
    }
    atomic_fetch_add(&db->connect_errors, 1);
    atomic_store(&db->down, true);
    give_place_back(db);
    if (code == MESH_DEADLINE_EXCEEDED && until_ns != deadline_ns)
        return mesh_error_set(err, MESH_UNAVAILABLE, "%s", mesh_db_sqlstate_text(MESH_UNAVAILABLE));
    return code;
}

mesh_code mesh_db_pool_acquire(mesh_db *db, int64_t deadline_ns, mesh_db_conn **out, bool *fresh,
                               mesh_error *err)
{
    int64_t until_ns = mesh_clock_earlier(deadline_ns,
                                          mesh_clock_deadline_ns(db->settings.acquire_timeout_ms));
    mesh_db_conn *conn;
    pthread_mutex_lock(&db->mu);
    bool granted = take_place(db, until_ns, &conn);
    if (granted)
        db->acquired++;
    else
        db->acquire_errors++;
    pthread_mutex_unlock(&db->mu);
    if (!granted && until_ns == deadline_ns)
        return mesh_error_set(err, MESH_DEADLINE_EXCEEDED,
                              "no database connection became free before the deadline");
    if (!granted)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED,
                              "no database connection became free in time");
    if (conn != NULL &&
        (expired(db, conn, mesh_clock_monotonic_ns()) || !mesh_db_conn_alive(conn))) {
        mesh_db_conn_close(conn);
        conn = NULL;
    }
    *fresh = conn == NULL;
    if (conn == NULL) {
        mesh_code code = connect_place(db, deadline_ns, &conn, err);
        if (code != MESH_OK)
            return code;
    }
    *out = conn;
    return MESH_OK;
}

mesh_code mesh_db_pool_replace(mesh_db *db, int64_t deadline_ns, mesh_db_conn **conn,
                               mesh_error *err)
{
    mesh_db_conn_close(*conn);
    *conn = NULL;
    return connect_place(db, deadline_ns, conn, err);
}

void mesh_db_pool_release(mesh_db *db, mesh_db_conn *conn)
{
    mesh_db_conn *unused[2] = {NULL, NULL};
    int64_t now_ns = mesh_clock_monotonic_ns();
    *mesh_db_conn_used_ns(conn) = now_ns;
    if (!mesh_db_conn_reusable(conn) || expired(db, conn, now_ns)) {
        unused[0] = conn;
        conn = NULL;
    }
    pthread_mutex_lock(&db->mu);
    if (!grant(db, conn)) {
        if (conn != NULL)
            db->idle[db->idle_count++] = conn;
        else
            db->open--;
    }
    /* The first has been idle for the longest time; one a release is enough to shrink the pool. */
    if (db->idle_count > 0 && expired(db, db->idle[0], now_ns)) {
        unused[1] = db->idle[0];
        db->idle_count--;
        db->open--;
        memmove(db->idle, db->idle + 1, db->idle_count * sizeof(mesh_db_conn *));
    }
    pthread_mutex_unlock(&db->mu);
    mesh_db_conn_close(unused[0]);
    mesh_db_conn_close(unused[1]);
}

void mesh_db_pool_count_query(mesh_db *db, int64_t duration_ns, bool failed)
{
    atomic_fetch_add_explicit(&db->queries, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&db->query_ns, duration_ns, memory_order_relaxed);
    if (failed)
        atomic_fetch_add_explicit(&db->query_errors, 1, memory_order_relaxed);
}

void mesh_db_get_stats(mesh_db *db, mesh_db_stats *stats)
{
    *stats = (mesh_db_stats){
        .pool_max = db->settings.pool_max,
        .connects = atomic_load(&db->connects),
        .connect_errors = atomic_load(&db->connect_errors),
        .queries = atomic_load(&db->queries),
        .query_errors = atomic_load(&db->query_errors),
        .query_ns = atomic_load(&db->query_ns),
    };
    pthread_mutex_lock(&db->mu);
    stats->open = db->open;
    stats->idle = db->idle_count;
    stats->waiting = db->waiting;
    stats->acquired = db->acquired;
    stats->acquire_errors = db->acquire_errors;
    stats->wait_ns = db->wait_ns;
    pthread_mutex_unlock(&db->mu);
}
