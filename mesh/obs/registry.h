/* How metrics are kept: private to mesh/obs. */
#ifndef MESH_OBS_REGISTRY_H
#define MESH_OBS_REGISTRY_H

#include <pthread.h>
#include <stdatomic.h>

#include "mesh/obs/metrics.h"

enum {
    MESH_METRICS_BUCKETS = 1024
};

struct mesh_counter {
    atomic_uint_fast64_t value;
};

struct mesh_gauge {
    atomic_int_fast64_t value;
};

struct mesh_histogram {
    size_t bound_count;    /* immutable */
    const int64_t *bounds; /* immutable */
    double scale;          /* immutable */
    atomic_int_fast64_t sum;
    atomic_uint_fast64_t buckets[]; /* bound_count + 1; not cumulative */
};

/* A function that reads several values at once. */
typedef struct mesh_reader {
    struct mesh_reader *next;
    mesh_metrics_read_fn *read; /* NULL: forgotten */
    void *context;
    double *values; /* of the scrape that runs */
    size_t count;
} mesh_reader;

/* One metric with one set of label values. */
typedef struct mesh_series {
    struct mesh_series *next;       /* in the family, in the order of registration */
    struct mesh_series *next_found; /* in the index */
    const struct mesh_family *family;
    const char *labels; /* as they are shown: a="b",c="d" */
    mesh_counter *counter;
    mesh_gauge *gauge;
    mesh_histogram *histogram;
    const mesh_reader *reader; /* with the place of its value */
    size_t reader_index;
} mesh_series;

/* All series of a name. */
typedef struct mesh_family {
    struct mesh_family *next;
    const char *name, *help;
    mesh_metric_kind kind;
    mesh_series *first, **last;
} mesh_family;

/* Everything lives in `arena`; nothing is taken out before the registry is destroyed. */
struct mesh_metrics {
    pthread_mutex_t mu;
    mesh_arena *arena;     /* guarded by mu, as are the lists */
    mesh_family *families; /* in the order of registration */
    mesh_family **last_family;
    mesh_reader *readers;
    mesh_series *index[MESH_METRICS_BUCKETS]; /* all series, by hash of name and labels */
    size_t text_bytes;                        /* size of the last text, for the next one's buffer */
};

#endif
