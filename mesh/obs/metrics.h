/*
 * Metrics: counters, gauges and histograms with labels, written in the Prometheus text format.
 *
 *   mesh_metrics_create(&metrics);
 *   mesh_counter_create(metrics, &(mesh_metric){
 *       .name = "shop_orders_total", .help = "Orders taken.",
 *       .labels = (mesh_label[]){{"kind", "gift"}}, .label_count = 1,
 *   }, &orders, &err);
 *   ...
 *   mesh_counter_add(orders, 1);
 *
 * A metric with its label values is registered once, at start, and is then a pointer; an update is
 * one atomic addition. Names follow https://prometheus.io/docs/practices/naming/: counters end in
 * _total, units are seconds and bytes. Values of labels come from the program, never from a caller:
 * each value is a time series for ever.
 *
 * All functions but create and destroy may be called from any thread.
 */
#ifndef MESH_OBS_METRICS_H
#define MESH_OBS_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "mesh/base/arena.h"
#include "mesh/base/error.h"

MESH_BEGIN_DECLS

typedef struct mesh_metrics mesh_metrics; /* a registry */
typedef struct mesh_counter mesh_counter;
typedef struct mesh_gauge mesh_gauge;
typedef struct mesh_histogram mesh_histogram;

typedef enum mesh_metric_kind {
    MESH_METRIC_COUNTER, /* only grows */
    MESH_METRIC_GAUGE,   /* goes up and down */
    MESH_METRIC_HISTOGRAM
} mesh_metric_kind;

typedef struct mesh_label {
    const char *name; /* [a-zA-Z_][a-zA-Z0-9_]*, not beginning with "__", not "le" */
    const char *value;
} mesh_label;

/* What is registered. Everything is copied. */
typedef struct mesh_metric {
    mesh_metric_kind kind; /* for mesh_metrics_read; the other functions know it */
    const char *name;      /* [a-zA-Z_:][a-zA-Z0-9_:]* */
    const char *help;      /* one line */
    const mesh_label *labels;
    size_t label_count;

    /* Histograms: upper bounds of the buckets, ascending; +Inf is added. Values and bounds are
     * whole numbers of a small unit, and are multiplied by `scale` when shown (0: 1): nanoseconds
     * with scale 1e-9 show as seconds. */
    const int64_t *bounds;
    size_t bound_count;
    double scale;

    const void *reserved[2];
} mesh_metric;

/* NULL when out of memory. */
MESH_API mesh_metrics *mesh_metrics_create(void);

/* Frees the registry and all that was registered. NULL is accepted. */
MESH_API void mesh_metrics_destroy(mesh_metrics *metrics);

/*
 * Registers a metric, which lives as long as the registry. INVALID_ARGUMENT: a name is malformed,
 * bounds do not ascend, or the name was registered before with another kind or help;
 * ALREADY_EXISTS: the same name and labels were; RESOURCE_EXHAUSTED: out of memory.
 */
MESH_API mesh_code mesh_counter_create(mesh_metrics *metrics, const mesh_metric *metric,
                                       mesh_counter **counter, mesh_error *err);
MESH_API mesh_code mesh_gauge_create(mesh_metrics *metrics, const mesh_metric *metric,
                                     mesh_gauge **gauge, mesh_error *err);
MESH_API mesh_code mesh_histogram_create(mesh_metrics *metrics, const mesh_metric *metric,
                                         mesh_histogram **histogram, mesh_error *err);

/* Updates: lock-free, a few nanoseconds. */
MESH_API void mesh_counter_add(mesh_counter *counter, uint64_t n);
MESH_API void mesh_gauge_add(mesh_gauge *gauge, int64_t n);
MESH_API void mesh_gauge_set(mesh_gauge *gauge, int64_t value);
MESH_API void mesh_histogram_observe(mesh_histogram *histogram, int64_t value);

MESH_API uint64_t mesh_counter_value(const mesh_counter *counter);
MESH_API int64_t mesh_gauge_value(const mesh_gauge *gauge);
MESH_API uint64_t mesh_histogram_count(const mesh_histogram *histogram);

/*
 * Figures that somebody else keeps: `read` is called at each scrape, once for all of `count`
 * metrics (counters and gauges), and fills values[0] to values[count - 1]. It runs on the scraping
 * thread with the registry locked: it must not block for long, nor call functions of the registry.
 * `context` is borrowed until mesh_metrics_forget or destroy. Errors as for create.
 */
typedef void mesh_metrics_read_fn(void *context, double *values);
MESH_API mesh_code mesh_metrics_read(mesh_metrics *metrics, const mesh_metric *list, size_t count,
                                     mesh_metrics_read_fn *read, void *context, mesh_error *err);

/* No `read` registered with this context is called again once this returns; its metrics are no
 * longer shown. */
MESH_API void mesh_metrics_forget(mesh_metrics *metrics, const void *context);

/*
 * Registers what is known of the process, by Prometheus' own names: process_cpu_seconds_total,
 * process_resident_memory_bytes, process_virtual_memory_bytes, process_open_fds, process_max_fds,
 * process_threads, process_start_time_seconds. Once a registry.
 */
MESH_API mesh_code mesh_metrics_add_process(mesh_metrics *metrics, mesh_error *err);

/*
 * Writes all metrics in the text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/), into the arena.
 * RESOURCE_EXHAUSTED: the arena overflowed.
 */
MESH_API mesh_code mesh_metrics_text(mesh_metrics *metrics, mesh_arena *arena, const char **text,
                                     size_t *size, mesh_error *err);
#define MESH_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

MESH_END_DECLS

#endif
