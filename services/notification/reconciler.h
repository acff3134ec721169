/*
 * Reconciliation: finds what a copy of another service's records has wrong, and repairs it. A copy
 * lives from events, and events can be missed after all: by a mistake of somebody's, by a backup
 * that was loaded, by a stream that lost some. So the owner of the records is asked for all of them
 * now and then.
 *
 * A run goes through the owner's records page by page, in ascending order of their ids, and
 * compares each page with what the copy has in the same span of ids. A page is of one moment, and
 * the copy goes on to take events meanwhile, so what both say is told apart by time: what the copy
 * wrote before the page was asked for cannot be newer than the page. There the page is right,
 * whatever differs; elsewhere a higher version is.
 *
 * A thread does it: at the start, then every `interval_ms`. A page that fails is tried again, after
 * 1 s, then twice as long each time, up to a minute. Each instance of a service has its own; they
 * do each other no harm.
 *
 * What the records are is the business of the functions that it is given.
 */
#ifndef SERVICES_NOTIFICATION_RECONCILER_H
#define SERVICES_NOTIFICATION_RECONCILER_H

#include "mesh/obs/metrics.h"
#include "mesh/rpc/channel.h"

enum {
    RECONCILER_ID_BYTES = 128,    /* of an id, with its NUL */
    RECONCILER_TOKEN_BYTES = 512, /* of a page's token, with its NUL */
    RECONCILER_ARENA_BYTES = 16 * 1024 * 1024
};

/* A page of the owner's records. */
typedef struct reconciler_page {
    size_t count;
    const char *const *ids; /* in ascending order of their bytes */
    const void *records;    /* for `repair`: what `fetch` made of the answer */
    const char *next;       /* token of the next page; "": this is the last one */
} reconciler_page;

/* What a page speaks of: all ids after `after`, up to `last`; NULL: there is no end. */
typedef struct reconciler_span {
    const char *after;
    const char *last;
    int64_t asked_ns; /* a moment before the page was asked for, by the copy's clock */
} reconciler_span;

/* Repairs: records that the copy did not have, had otherwise, and had though they are no more; and
 * those of which this is not sure yet. */
typedef struct reconciler_counts {
    int64_t missing;
    int64_t stale;
    int64_t gone;
    int64_t doubted;
} reconciler_counts;

/*
 * All is borrowed for the reconciler's life. The functions run on its thread. What they allocate
 * from the arena lives until the page is done. An error of any code: the page is tried again.
 */
typedef struct reconciler_options {
    const char *name;      /* of the records, for logs and metrics: "users" */
    int64_t interval_ms;   /* from the end of a run to the next one */
    mesh_metrics *metrics; /* gets reconciler_{repairs,runs,failures}_total */
    /* The time by the copy's clock, that of the database which it is in. */
    mesh_code (*clock)(void *self, int64_t *now_ns, mesh_error *err);
    /* Asks the owner for a page; "" is the first one. `cancel` ends the call when it must stop. */
    mesh_code (*fetch)(void *self, mesh_arena *arena, const char *token, mesh_cancel *cancel,
                       reconciler_page *page, mesh_error *err);
    /* Repairs what the copy has in the span, all or nothing, and says what it was. */
    mesh_code (*repair)(void *self, mesh_arena *arena, const reconciler_page *page,
                        const reconciler_span *span, reconciler_counts *counts, mesh_error *err);
    /* After the last page: tidies up. */
    mesh_code (*finish)(void *self, mesh_error *err);
    void *self;
} reconciler_options;

typedef struct reconciler reconciler;

/* Starts the thread. RESOURCE_EXHAUSTED: out of memory; errors of mesh_counter_create. */
mesh_code reconciler_create(const reconciler_options *options, reconciler **made, mesh_error *err);

/* Asks the thread to end, gives its call up, and does not wait. Any thread. */
void reconciler_stop(reconciler *one);

/* Stops, and waits for the thread. NULL is accepted. */
void reconciler_destroy(reconciler *one);

#endif
