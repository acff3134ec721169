#include "mesh/events/saga_workers.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/events/saga_attempt.h"

enum {
    LOOK_PERIOD_MS = 1000,  /* for what other processes began, at most */
    AWAY_PAUSE_MS = 250,    /* while the database is away */
    COUNT_PERIOD_MS = 5000, /* of the figures that the database has */
    PRUNE_PERIOD_MS = 60 * 60 * 1000,
    PRUNE_ROWS = 1000 /* in one statement, so that none holds locks for long */
};

struct mesh_saga_workers {
    mesh_sagas *sagas;
    pthread_t *threads; /* as many as started */
    size_t started;     /* of the one that starts them */
    /* Of the one that looks. */
    bool away; /* the last look failed */
    int64_t count_ns;
    int64_t prune_ns;

    pthread_mutex_t mu;
    pthread_cond_t woken;   /* for the one that looks */
    pthread_cond_t changed; /* for all others */
    /* Guarded by mu. */
    bool stopping;
    bool looking;    /* one does, or waits until it is time to */
    int busy;        /* those that look, and may find something, or have an attempt to make */
    bool poked;      /* since its last look something may have become due */
    int64_t look_ns; /* when it looks again by itself */
    mesh_sagas_stats stats;
};

/* --- looking ---------------------------------------------------------------------------------- */

static void read_attempt(const mesh_rows *rows, mesh_saga_attempt *attempt)
{
    snprintf(attempt->definition, sizeof attempt->definition, "%s", mesh_rows_text(rows, 0, 1));
    snprintf(attempt->id, sizeof attempt->id, "%s", mesh_rows_text(rows, 0, 2));
    snprintf(attempt->step, sizeof attempt->step, "%s", mesh_rows_text(rows, 0, 3));
    attempt->compensating = mesh_rows_bool(rows, 0, 4);
    attempt->number = (int)mesh_rows_int(rows, 0, 5);
}

/*
 * Notes an attempt at the saga that has been due for longest, and when the next one would be, which
 * leaves time to lock the saga for this one (`takeover_ms`: a connection has to be waited for).
 * When there is none, `pause_ms` is the time until one is due. What is locked is in others' hands.
 */
static mesh_code look(mesh_saga_workers *self, mesh_saga_attempt *attempt, bool *found,
                      int64_t *pause_ms, mesh_error *err)
{
    static const char sql[] =
        "WITH taken AS (UPDATE mesh_saga SET attempts = attempts + 1, due = now()"
        " + greatest($3, least($1 * power(2, least(attempts, 40)), $2)) * interval '1 millisecond'"
        " WHERE number = (SELECT number FROM mesh_saga WHERE due <= now() ORDER BY due LIMIT 1"
        " FOR UPDATE SKIP LOCKED)"
        " RETURNING definition, id, step, compensating, attempts)"
        " SELECT ceil(1000 * extract(epoch FROM (SELECT min(due) FROM mesh_saga WHERE due > now())"
        " - now()))::bigint, taken.*, taken IS NOT NULL FROM (SELECT) one LEFT JOIN taken ON true";
    const mesh_sagas_options *options = &self->sagas->options;
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(options->db, 0, sql,
                                   MESH_SQL_PARAMS(MESH_SQL_INT(options->retry_first_ms),
                                                   MESH_SQL_INT(options->retry_last_ms),
                                                   MESH_SQL_INT(options->takeover_ms)),
                                   &rows, err);
    if (code != MESH_OK)
        return code;
    *found = mesh_rows_bool(rows, 0, 6);
    *pause_ms = LOOK_PERIOD_MS;
    if (!mesh_rows_is_null(rows, 0, 0) && mesh_rows_int(rows, 0, 0) < LOOK_PERIOD_MS)
        *pause_ms = mesh_rows_int(rows, 0, 0);
    if (*found)
        read_attempt(rows, attempt);
    mesh_rows_end(rows);
    return MESH_OK;
}

static mesh_code count(mesh_saga_workers *self, mesh_error *err)
{
    static const char sql[] =
        "SELECT count(*) FILTER (WHERE status = 'running'),"
        " count(*) FILTER (WHERE status = 'waiting'), count(*) FILTER (WHERE status = 'parked'),"
        " (SELECT greatest(0, 1000 * extract(epoch FROM now() - min(due)))::bigint FROM mesh_saga)"
        " FROM mesh_saga WHERE status IN ('running', 'waiting', 'parked')";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(self->sagas->options.db, 0, sql, MESH_SQL_NO_PARAMS, &rows, err);
    if (code != MESH_OK)
        return code;
    pthread_mutex_lock(&self->mu);
    self->stats.running = mesh_rows_int(rows, 0, 0);
    self->stats.waiting = mesh_rows_int(rows, 0, 1);
    self->stats.parked = mesh_rows_int(rows, 0, 2);
    self->stats.oldest_due_ms = mesh_rows_int(rows, 0, 3);
    pthread_mutex_unlock(&self->mu);
    mesh_rows_end(rows);
    return MESH_OK;
}

/* A step for each look, so that sagas that are due need not wait for many. */
static mesh_code prune(mesh_saga_workers *self, mesh_error *err)
{
    static const char sql[] = "DELETE FROM mesh_saga WHERE number IN (SELECT number FROM mesh_saga"
                              " WHERE status IN ('completed', 'compensated')"
                              " AND changed_at < now() - $1 * interval '1 millisecond'"
                              " ORDER BY changed_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    int64_t removed = 0;
    mesh_code code = mesh_db_exec(
        self->sagas->options.db, 0, sql,
        MESH_SQL_PARAMS(MESH_SQL_INT(self->sagas->options.retention_ms), MESH_SQL_INT(PRUNE_ROWS)),
        &removed, err);
    if (code == MESH_OK && removed < PRUNE_ROWS)
        self->prune_ns = mesh_clock_deadline_ns(PRUNE_PERIOD_MS);
    return code;
}

/* What is done every now and then. */
static mesh_code keep_house(mesh_saga_workers *self, mesh_error *err)
{
    mesh_code code = MESH_OK;
    if (mesh_clock_monotonic_ns() >= self->count_ns) {
        code = count(self, err);
        self->count_ns = mesh_clock_deadline_ns(COUNT_PERIOD_MS);
    }
    if (code == MESH_OK && mesh_clock_monotonic_ns() >= self->prune_ns)
        code = prune(self, err);
    return code;
}

/* True with an attempt to make; else `pause_ms` says when to look again. */
static bool find_attempt(mesh_saga_workers *self, mesh_saga_attempt *attempt, int64_t *pause_ms)
{
    mesh_error err = {.code = MESH_OK};
    bool found = false;
    mesh_code code = keep_house(self, &err);
    if (code == MESH_OK)
        code = look(self, attempt, &found, pause_ms, &err);
    if (code != MESH_OK) {
        if (!self->away)
            mesh_log(MESH_LOG_WARN, "sagas cannot be looked for",
                     MESH_LOG_S("code", mesh_code_name(code)), MESH_LOG_S("error", err.message));
        *pause_ms = AWAY_PAUSE_MS;
    }
    self->away = code != MESH_OK;
    return found;
}

/* --- threads ---------------------------------------------------------------------------------- */

/* Waits for its turn to look, and then until it is time; false: it stops. Called with mu held. */
static bool wait_to_look(mesh_saga_workers *self)
{
    while (self->looking && !self->stopping)
        mesh_cond_wait_until(&self->changed, &self->mu, MESH_NO_DEADLINE);
    if (self->stopping)
        return false;
    self->looking = true;
    while (!self->poked && !self->stopping &&
           mesh_cond_wait_until(&self->woken, &self->mu, self->look_ns))
        continue;
    self->poked = false;
    return !self->stopping;
}

/* False: it stops. */
static bool next_attempt(mesh_saga_workers *self, mesh_saga_attempt *attempt)
{
    bool found = false;
    pthread_mutex_lock(&self->mu);
    while (!found && wait_to_look(self)) {
        int64_t pause_ms = 0;
        self->busy++;
        pthread_mutex_unlock(&self->mu);
        found = find_attempt(self, attempt, &pause_ms);
        pthread_mutex_lock(&self->mu);
        self->busy -= !found;
        self->looking = false;
        self->look_ns = found ? 0 : mesh_clock_deadline_ns(pause_ms);
    }
    self->stats.active += found;
    self->stats.attempts += found;
    if (self->stopping)
        pthread_cond_broadcast(&self->changed); /* who drains has to hear it, too */
    else
        pthread_cond_signal(&self->changed); /* it is another one's turn to look */
    pthread_mutex_unlock(&self->mu);
    return found;
}

static void *work(void *context)
{
    mesh_saga_workers *self = context;
    mesh_saga_attempt attempt;
    while (next_attempt(self, &attempt)) {
        mesh_saga_attempt_make(self->sagas, &attempt);
        pthread_mutex_lock(&self->mu);
        self->stats.active--;
        self->busy--;
        pthread_cond_broadcast(&self->changed);
        pthread_mutex_unlock(&self->mu);
    }
    return NULL;
}

mesh_code mesh_saga_workers_create(mesh_sagas *sagas, mesh_saga_workers **out, mesh_error *err)
{
    mesh_saga_workers *self = mesh_calloc(1, sizeof *self);
    pthread_t *threads = mesh_calloc(sagas->options.concurrency, sizeof *threads);
    if (self == NULL || threads == NULL) {
        mesh_free(self);
        mesh_free(threads);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    self->sagas = sagas;
    self->threads = threads;
    pthread_mutex_init(&self->mu, NULL);
    pthread_cond_init(&self->woken, NULL);
    pthread_cond_init(&self->changed, NULL);
    *out = self;
    return MESH_OK;
}

mesh_code mesh_saga_workers_start(mesh_saga_workers *self, mesh_error *err)
{
    for (; self->started < self->sagas->options.concurrency; self->started++) {
        int status = pthread_create(&self->threads[self->started], NULL, work, self);
        if (status != 0)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                                  strerror(status));
    }
    return MESH_OK;
}

bool mesh_saga_workers_drain(mesh_saga_workers *self, int64_t timeout_ms)
{
    int64_t deadline_ns = mesh_clock_deadline_ns(timeout_ms);
    pthread_mutex_lock(&self->mu);
    self->stopping = true;
    pthread_cond_broadcast(&self->woken);
    pthread_cond_broadcast(&self->changed);
    while (self->busy > 0 && mesh_cond_wait_until(&self->changed, &self->mu, deadline_ns))
        continue;
    bool idle = self->busy == 0;
    pthread_mutex_unlock(&self->mu);
    return idle;
}

void mesh_saga_workers_destroy(mesh_saga_workers *self)
{
    if (self == NULL)
        return;
    (void)mesh_saga_workers_drain(self, 0);
    for (size_t i = 0; i < self->started; i++)
        pthread_join(self->threads[i], NULL);
    pthread_cond_destroy(&self->changed);
    pthread_cond_destroy(&self->woken);
    pthread_mutex_destroy(&self->mu);
    mesh_free(self->threads);
    mesh_free(self);
}

void mesh_saga_workers_wake(mesh_saga_workers *self)
{
    pthread_mutex_lock(&self->mu);
    self->poked = true;
    pthread_cond_signal(&self->woken);
    pthread_mutex_unlock(&self->mu);
}

void mesh_saga_workers_count(mesh_saga_workers *self, const mesh_sagas_stats *more)
{
    pthread_mutex_lock(&self->mu);
    self->stats.failed += more->failed;
    self->stats.timed_out += more->timed_out;
    self->stats.completed += more->completed;
    self->stats.compensated += more->compensated;
    self->stats.parked_total += more->parked_total;
    pthread_mutex_unlock(&self->mu);
}

void mesh_saga_workers_figures(mesh_saga_workers *self, mesh_sagas_stats *stats)
{
    pthread_mutex_lock(&self->mu);
    *stats = self->stats;
    pthread_mutex_unlock(&self->mu);
}
