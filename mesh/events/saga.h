/*
 * Sagas: what spans services and cannot be one transaction, as a table of steps.
 *
 *   static const mesh_saga_step steps[] = {
 *       {.name = "lock", .action = lock_ticket, .compensation = free_ticket},
 *       {.name = "pay", .action = ask_for_payment, .compensation = cancel_order,
 *        .timeout_ms = 15 * 60 * 1000},
 *       {.name = "complete", .action = complete_order},
 *       {.name = NULL},
 *   };
 *   const mesh_saga_definition definitions[] = {{.name = "order", .steps = steps}, {.name = NULL}};
 *
 *   mesh_saga_begin(sagas, tx, &(mesh_saga_beginning){.definition = "order", .id = order->id},
 *                   NULL, err);
 *
 * The steps' actions run one after the other. An action that cannot do its step refuses, and one
 * that waits too long is timed out: then the compensations of the steps run, the last one first.
 * What fails otherwise is tried again, later and later, and in the end parked for an operator.
 *
 * State is in the service's database (tables mesh_saga*, mesh_events_migrations). An action runs in
 * a transaction in which the saga moves on, too: what it writes, and the events that it adds,
 * happen once, whatever crashes when. What it asks of others over the network can happen and be
 * asked again: `run->key` is the same then and no other time, for them to tell.
 *
 * Any number of processes share the sagas of a database. All functions are thread-safe, but those
 * that say otherwise; a transaction is its caller's.
 */
#ifndef MESH_EVENTS_SAGA_H
#define MESH_EVENTS_SAGA_H

#include "mesh/base/clock.h"
#include "mesh/db/db.h"

MESH_BEGIN_DECLS

enum {
    MESH_SAGA_MAX_STEPS = 32,
    MESH_SAGA_NAME_BYTES = 64, /* of a definition or step, with its NUL */
    MESH_SAGA_ID_BYTES = 129,  /* the same of an id */
    MESH_SAGA_KEY_BYTES = 2 * MESH_SAGA_NAME_BYTES + MESH_SAGA_ID_BYTES + 8,
    MESH_SAGA_CONTEXT_BYTES = 64 * 1024, /* of a context, at most */
    MESH_SAGA_HISTORY_MAX = 200,         /* entries kept of a saga; the oldest go */
    MESH_SAGA_PAGE_MAX = 1000            /* sagas of a list */
};

/* --- What a program defines ------------------------------------------------------------------- */

/* What is given to an action; borrowed for its run. Only the library makes it. */
typedef struct mesh_saga_run {
    const char *definition;
    const char *id;
    const char *step;
    const char *key; /* "order/ID/pay/do", of a compensation "order/ID/pay/undo": the same for all
                        attempts; goes along with requests to others, to make them idempotent */
    int attempt;     /* 1 for the first one of this step and direction */
    int64_t deadline_ns; /* CLOCK_MONOTONIC; of this attempt and its transaction: for calls, too */

    /* What mesh_saga_begin was given, or the last action that succeeded left here: an action may
     * let it point elsewhere (into the transaction's arena), MESH_SAGA_CONTEXT_BYTES at most. */
    const uint8_t *context;
    size_t context_size;

    bool wait; /* an action sets it to have the step wait for mesh_saga_signal */
} mesh_saga_run;

/*
 * An action or compensation. It runs on a thread of mesh_sagas, in the trace of who began the
 * saga, with a connection of the pool: so it does not take long.
 *
 * MESH_OK: the step is done; or, with `run->wait` set (by an action, not by a compensation), done
 * when a signal says so. The transaction is committed.
 *
 * INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION and
 * OUT_OF_RANGE from an action: the step is refused; the transaction is rolled back and compensation
 * begins. Any other code, and every one from a compensation: rolled back and tried again.
 *
 * A compensation is called for each step that is done, or may be: that waits, or one of whose
 * attempts came to no clear end before it was refused or timed out. (What refused at the first
 * attempt was not done.) So it finds out, by the state of things, whether there is something to
 * undo.
 */
typedef mesh_code mesh_saga_action(void *self, mesh_tx *tx, mesh_saga_run *run, mesh_error *err);

typedef struct mesh_saga_step {
    const char *name; /* a-z 0-9 - _, unique in its definition; NULL ends a table */
    mesh_saga_action *action;
    mesh_saga_action *compensation; /* NULL: there is nothing to undo */
    int64_t timeout_ms; /* from the end of the step before to the end of this one, attempts and
                           waiting included, by the database's clock; 0: none */
    int attempts; /* before it is parked, also of the compensation; default 20, a quarter of an hour
                     with the default pauses; at most 1,000,000 */
    const void *reserved[2];
} mesh_saga_step;

/*
 * Sagas outlive releases, so names stay what they are. Steps may be added behind those that sagas
 * can be in, and removed when none is there. A process that is asked for a step or a definition
 * that it does not have counts a failed attempt (UNIMPLEMENTED): another one, of a newer release,
 * may have it; when no attempt is left it is parked.
 */
typedef struct mesh_saga_definition {
    const char *name;            /* as a step's; NULL ends a table */
    const mesh_saga_step *steps; /* ended by one without a name */
    const void *reserved[2];
} mesh_saga_definition;

/* --- Running ---------------------------------------------------------------------------------- */

typedef struct mesh_sagas mesh_sagas;

typedef struct mesh_sagas_options {
    size_t size;
    mesh_db *db;                             /* borrowed */
    const mesh_saga_definition *definitions; /* borrowed, constant for the life of mesh_sagas */
    void *self;                              /* for the actions */
    size_t concurrency;         /* actions at once, each with a connection; default 4, at most 64 */
    int64_t attempt_timeout_ms; /* of an action and its transaction, default 10,000,
                                   at most an hour */
    int64_t retry_first_ms;     /* pause after the first failed attempt, default 1,000; doubles */
    int64_t retry_last_ms;      /* up to this, default 60,000 */
    int64_t takeover_ms;        /* after which an attempt whose process died is made again (not
                                   before its pause is over), default 5,000 */
    int64_t retention_ms;       /* a saga that is over is forgotten after this, and its id is free
                                   again; default 30 days */
} mesh_sagas_options;

/*
 * Nothing runs yet, but sagas can be begun and signalled: a process that only does that (a server
 * without the role of a worker) needs no more. INVALID_ARGUMENT: a name is malformed or there
 * twice, a step has no action, a definition no step or more than MESH_SAGA_MAX_STEPS, a limit is
 * out of range; RESOURCE_EXHAUSTED: out of memory.
 */
MESH_API mesh_code mesh_sagas_create(const mesh_sagas_options *options, mesh_sagas **sagas,
                                     mesh_error *err);

/* Runs sagas from now on, when the tables are there. RESOURCE_EXHAUSTED: a thread cannot be
 * started; called again, it goes on from there. Called by one thread at a time. */
MESH_API mesh_code mesh_sagas_start(mesh_sagas *sagas, mesh_error *err);

/* Takes no further saga and waits for running actions, at most `timeout_ms`. False: one still runs;
 * called again, it goes on waiting. For good: sagas can still be begun and signalled, for other
 * processes to run. */
MESH_API bool mesh_sagas_drain(mesh_sagas *sagas, int64_t timeout_ms);

/* Waits for running actions. No transaction in which a saga was begun or signalled may be open.
 * NULL is accepted. */
MESH_API void mesh_sagas_destroy(mesh_sagas *sagas);

/* Figures for metrics. Those of the database are of all processes, a few seconds old, and 0 before
 * mesh_sagas_start; the counts are this process's and grow from the creation on. */
typedef struct mesh_sagas_stats {
    int64_t running;       /* in the database: at work, or to be tried again */
    int64_t waiting;       /* the same: for a signal */
    int64_t parked;        /* the same: for an operator */
    int64_t oldest_due_ms; /* for how long the one that waits longest has waited to be taken */
    size_t active;         /* actions that run here now */
    uint64_t attempts;     /* actions and compensations begun */
    uint64_t failed;       /* of them failed, and tried again */
    uint64_t timed_out;    /* steps */
    uint64_t completed;    /* sagas that came to their end */
    uint64_t compensated;  /* sagas that were undone */
    uint64_t parked_total; /* sagas given up for an operator */
    uint64_t reserved[8];  /* for figures to come */
} mesh_sagas_stats;

MESH_API void mesh_sagas_get_stats(mesh_sagas *sagas, mesh_sagas_stats *stats);

/* --- Beginning and telling -------------------------------------------------------------------- */

typedef struct mesh_saga_beginning {
    size_t size;
    const char *definition;
    const char *id;      /* what the saga is about: an order's id; 1 to 128 bytes */
    const void *context; /* copied; for the actions, often none is needed beside the id */
    size_t context_size;
} mesh_saga_beginning;

/*
 * A saga begins when the transaction commits: in the transaction of the change that calls for it.
 * `begun` (may be NULL) is false when there is one of this definition and id already, also one
 * that is over: then nothing happens. INVALID_ARGUMENT: there is no such definition here, the id or
 * the context is too long; FAILED_PRECONDITION: an autocommit transaction; errors of mesh_tx_query.
 */
MESH_API mesh_code mesh_saga_begin(mesh_sagas *sagas, mesh_tx *tx,
                                   const mesh_saga_beginning *beginning, bool *begun,
                                   mesh_error *err);

typedef struct mesh_saga_word {
    size_t size;
    const char *definition;
    const char *id;
    const char *step;
    mesh_code code;    /* MESH_OK: the step is done; another: it failed, compensation begins */
    const char *cause; /* of a failure, for history and logs; NULL: none */
} mesh_saga_word;

/*
 * Tells a step that waits how it ended, when the transaction commits: in the transaction of an
 * event's handler. One word counts, the first: `taken` (may be NULL) is false when the step has
 * been told already, or has ended otherwise (it was done without waiting, timed out, is being
 * compensated): a payment that comes too late is to be paid back.
 *
 * A word that comes before the step waits is kept until it does, which is in time then, however
 * late. When the saga is compensated before, a step that was told MESH_OK is compensated, too.
 *
 * It has the saga's lock until the transaction ends. An action has that lock from its beginning; so
 * a handler tells first, and then changes rows that actions change, too: they cannot lock each
 * other out.
 *
 * NOT_FOUND: there is no such saga (any more); INVALID_ARGUMENT: no such definition or step here;
 * FAILED_PRECONDITION: an autocommit transaction; errors of mesh_tx_query.
 */
MESH_API mesh_code mesh_saga_signal(mesh_sagas *sagas, mesh_tx *tx, const mesh_saga_word *word,
                                    bool *taken, mesh_error *err);

/* --- For operators ---------------------------------------------------------------------------- */

typedef enum mesh_saga_status {
    MESH_SAGA_ANY, /* in a query */
    MESH_SAGA_RUNNING,
    MESH_SAGA_WAITING,
    MESH_SAGA_PARKED,
    MESH_SAGA_COMPLETED,
    MESH_SAGA_COMPENSATED
} mesh_saga_status;

/* "running" and so on, "" for MESH_SAGA_ANY and what is none. Static. */
MESH_API const char *mesh_saga_status_name(mesh_saga_status status);

typedef struct mesh_saga_entry {
    int64_t at_ns; /* since the Unix epoch, as all times here */
    const char *step;
    bool compensating;
    int attempt;
    const char *what; /* "begun", "done", "waiting", "told", "failed", "refused", "timed out",
                         "parked", "retried", "resolved", "completed", "compensated" */
    mesh_code code;
    const char *cause; /* of a failure; what the operator said */
} mesh_saga_entry;

typedef struct mesh_saga_info {
    int64_t number; /* in order of the beginnings */
    const char *definition;
    const char *id;
    mesh_saga_status status;
    bool compensating;
    const char *step; /* at hand; the last one when it is over */
    int attempts;     /* begun in this step and direction */
    int attempts_max;
    int64_t begun_ns;
    int64_t changed_ns;
    int64_t due_ns;      /* when it is taken next; 0: only a signal or an operator moves it */
    int64_t deadline_ns; /* of the step; 0: none */
    mesh_code code;      /* of the last failure; MESH_OK: there was none */
    const char *cause;
    const uint8_t *context; /* this and the history by mesh_saga_show only */
    size_t context_size;
    const mesh_saga_entry *history; /* in order */
    size_t history_count;
} mesh_saga_info;

typedef struct mesh_saga_query {
    size_t size;
    mesh_saga_status status;
    const char *definition; /* NULL: all */
    int64_t after;          /* the `number` of the last one of the page before; 0: the first page */
    size_t limit;           /* default 50, at most MESH_SAGA_PAGE_MAX */
} mesh_saga_query;

/* Sagas in order of their beginning; `query` may be NULL. Everything is in the arena.
 * INVALID_ARGUMENT: a limit out of range; errors of mesh_db_query. */
MESH_API mesh_code mesh_saga_list(mesh_sagas *sagas, const mesh_saga_query *query,
                                  mesh_arena *arena, const mesh_saga_info **list, size_t *count,
                                  mesh_error *err);

/* NOT_FOUND: there is no such saga; errors of mesh_db_query. */
MESH_API mesh_code mesh_saga_show(mesh_sagas *sagas, const char *definition, const char *id,
                                  mesh_arena *arena, mesh_saga_info *info, mesh_error *err);

/*
 * Tries the step at hand again now, as often as its definition says, of a saga that is parked or
 * pauses. `by` says who wants it, for the history, and is not empty. NOT_FOUND;
 * FAILED_PRECONDITION: it waits or is over; errors of mesh_tx_begin, _query and _commit.
 * It names no step: said twice, it may meet the next one, which then is tried at once and more
 * often, but none is left out.
 */
MESH_API mesh_code mesh_saga_retry(mesh_sagas *sagas, const char *definition, const char *id,
                                   const char *by, mesh_error *err);

typedef enum mesh_saga_resolution {
    MESH_SAGA_STEP_DONE = 1, /* the step at hand (or its compensation) was done by hand: the next */
    MESH_SAGA_TURN_BACK,     /* compensation begins, with the step at hand */
    MESH_SAGA_ALL_UNDONE,    /* everything was undone by hand: it is over, compensated */
} mesh_saga_resolution;

/* All are needed; `step` and `compensating` as mesh_saga_show has them. */
typedef struct mesh_saga_decision {
    size_t size;
    const char *definition;
    const char *id;
    const char *step;  /* that is meant, since another one may be at hand by now */
    bool compensating; /* its compensation is */
    mesh_saga_resolution resolution;
    const char *by; /* who decides, and why, for the history */
} mesh_saga_decision;

/*
 * Ends by an operator's word what does not end by itself: of a saga that runs, waits or is parked.
 * Waits for an action that runs. A saga never comes to the same step and direction again: so of
 * several who decide about one, at the same time or later, the first one does. NOT_FOUND;
 * INVALID_ARGUMENT: something is missing, or there is no such resolution; FAILED_PRECONDITION: it
 * is over, or at another step (the message says which), or compensates already (TURN_BACK), or this
 * program does not have the step, to know what comes next; errors of mesh_tx_begin, _query and
 * _commit.
 */
MESH_API mesh_code mesh_saga_resolve(mesh_sagas *sagas, const mesh_saga_decision *decision,
                                     mesh_error *err);

MESH_END_DECLS

#endif
