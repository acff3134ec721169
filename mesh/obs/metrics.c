#include "mesh/obs/metrics.h"

#include <stdbool.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/hash.h"
#include "mesh/base/options.h"
#include "mesh/base/utf8.h"
#include "mesh/obs/registry.h"

enum {
    FIRST_BYTES = 16 * 1024
};

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define DIGITS "0123456789"

mesh_metrics *mesh_metrics_create(void)
{
    mesh_metrics *metrics = mesh_calloc(1, sizeof *metrics);

    if (metrics == NULL)
        return NULL;
    metrics->arena = mesh_arena_create(FIRST_BYTES, 0);
    if (metrics->arena == NULL) {
        mesh_free(metrics);
        return NULL;
    }
    metrics->last_family = &metrics->families;
    pthread_mutex_init(&metrics->mu, NULL);
    return metrics;
}

void mesh_metrics_destroy(mesh_metrics *metrics)
{
    if (metrics == NULL)
        return;
    pthread_mutex_destroy(&metrics->mu);
    mesh_arena_destroy(metrics->arena);
    mesh_free(metrics);
}

/* ---- registration; all with the registry locked ---- */

static bool is_name(const char *name, const char *first, const char *others)
{
    return name != NULL && name[0] != '\0' && strchr(first, name[0]) != NULL &&
           name[strspn(name, others)] == '\0';
}

static mesh_code check_metric(const mesh_metric *metric, mesh_error *err)
{
    if (!is_name(metric->name, LETTERS ":", LETTERS ":" DIGITS))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "\"%s\" is no name of a metric",
                              metric->name == NULL ? "" : metric->name);
    if (metric->help == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "metric %s has no help", metric->name);
    if (MESH_RESERVED_CHECK(metric, err, "metric %s", metric->name) != MESH_OK)
        return MESH_INVALID_ARGUMENT;
    for (size_t i = 0; i < metric->label_count; i++) {
        const char *label = metric->labels[i].name;

        if (!is_name(label, LETTERS, LETTERS DIGITS) || strncmp(label, "__", 2) == 0 ||
            strcmp(label, "le") == 0)
            return mesh_error_set(err, MESH_INVALID_ARGUMENT, "metric %s: \"%s\" is no label",
                                  metric->name, label == NULL ? "" : label);
    }
    for (size_t i = 1; i < metric->bound_count; i++) {
        if (metric->bounds[i - 1] >= metric->bounds[i])
            return mesh_error_set(err, MESH_INVALID_ARGUMENT, "metric %s: bounds must ascend",
                                  metric->name);
    }
    return MESH_OK;
}

/* Copies a value of a label: with escapes, and without what is not UTF-8. Returns its end. */
static char *copy_value(char *to, const char *from)
{
    size_t left = strlen(from);

    while (left > 0) {
        size_t length = mesh_utf8_length((const uint8_t *)from, left);

        if (length == 0) {
            *to++ = '?';
            length = 1;
        } else if (*from == '\n') {
            *to++ = '\\';
            *to++ = 'n';
        } else {
            if (*from == '\\' || *from == '"')
                *to++ = '\\';
            memcpy(to, from, length);
            to += length;
        }
        from += length;
        left -= length;
    }
    return to;
}

/* The labels as they are shown; NULL when out of memory. */
static char *format_labels(mesh_arena *arena, const mesh_metric *metric)
{
    size_t size = 1;
    char *text, *at;

    for (size_t i = 0; i < metric->label_count; i++)
        size += strlen(metric->labels[i].name) + 2 * strlen(metric->labels[i].value) + 4;
    text = at = mesh_arena_alloc(arena, size);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < metric->label_count; i++) {
        if (i > 0)
            *at++ = ',';
        at = stpcpy(at, metric->labels[i].name);
        at = stpcpy(at, "=\"");
        at = copy_value(at, metric->labels[i].value);
        *at++ = '"';
    }
    *at = '\0';
    return text;
}

/* The bucket of the index that a series belongs to. */
static mesh_series **bucket_of(mesh_metrics *metrics, const mesh_series *series)
{
    uint64_t hash = mesh_hash_text(MESH_HASH_EMPTY, series->family->name);

    return &metrics->index[mesh_hash_text(hash, series->labels) % MESH_METRICS_BUCKETS];
}

/* Finds or adds the family of a metric; NULL when out of memory. */
static mesh_family *find_family(mesh_metrics *metrics, const mesh_metric *metric)
{
    mesh_family *family = metrics->families;

    while (family != NULL && strcmp(family->name, metric->name) != 0)
        family = family->next;
    if (family != NULL)
        return family;
    family = mesh_arena_calloc(metrics->arena, 1, sizeof *family);
    if (family == NULL)
        return NULL;
    family->kind = metric->kind;
    family->name = mesh_arena_memdup(metrics->arena, metric->name, strlen(metric->name) + 1);
    family->help = mesh_arena_memdup(metrics->arena, metric->help, strlen(metric->help) + 1);
    family->last = &family->first;
    if (family->name == NULL || family->help == NULL)
        return NULL;
    *metrics->last_family = family;
    metrics->last_family = &family->next;
    return family;
}

static mesh_code out_of_memory(const mesh_metric *metric, mesh_error *err)
{
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory for metric %s",
                          metric->name);
}

/* Adds a series with its value; it is shown from here on. */
static mesh_code add_series(mesh_metrics *metrics, const mesh_metric *metric,
                            const mesh_series *value, mesh_error *err)
{
    mesh_family *family = find_family(metrics, metric);
    mesh_series *series, **bucket;

    if (family == NULL)
        return out_of_memory(metric, err);
    if (family->kind != metric->kind || strcmp(family->help, metric->help) != 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "metric %s was registered with another kind or help", metric->name);
    series = mesh_arena_memdup(metrics->arena, value, sizeof *value);
    if (series == NULL)
        return out_of_memory(metric, err);
    series->labels = format_labels(metrics->arena, metric);
    if (series->labels == NULL)
        return out_of_memory(metric, err);
    series->family = family;
    bucket = bucket_of(metrics, series);
    for (const mesh_series *other = *bucket; other != NULL; other = other->next_found) {
        if (other->family == family && strcmp(other->labels, series->labels) == 0)
            return mesh_error_set(err, MESH_ALREADY_EXISTS, "metric %s{%s} exists", metric->name,
                                  series->labels);
    }
    series->next_found = *bucket;
    *bucket = series;
    *family->last = series;
    family->last = &series->next;
    return MESH_OK;
}

/* The value of a new series; false when out of memory. */
static bool make_value(mesh_arena *arena, const mesh_metric *metric, mesh_series *value)
{
    size_t count = metric->bound_count;
    mesh_histogram *histogram;

    *value = (mesh_series){0};
    switch (metric->kind) {
    case MESH_METRIC_COUNTER:
        value->counter = mesh_arena_calloc(arena, 1, sizeof *value->counter);
        return value->counter != NULL;
    case MESH_METRIC_GAUGE:
        value->gauge = mesh_arena_calloc(arena, 1, sizeof *value->gauge);
        return value->gauge != NULL;
    case MESH_METRIC_HISTOGRAM:
        histogram = mesh_arena_calloc(
            arena, 1, sizeof *histogram + (count + 1) * sizeof histogram->buckets[0]);
        if (histogram == NULL)
            return false;
        histogram->bounds = mesh_arena_memdup(arena, metric->bounds,
                                              count * sizeof *metric->bounds);
        histogram->bound_count = count;
        histogram->scale = metric->scale == 0 ? 1 : metric->scale;
        value->histogram = histogram;
        return histogram->bounds != NULL;
    }
    return false;
}

static mesh_code add_metric(mesh_metrics *metrics, const mesh_metric *given, mesh_metric_kind kind,
                            mesh_series *value, mesh_error *err)
{
    mesh_metric metric = *given;
    mesh_code code;

    metric.kind = kind;
    code = check_metric(&metric, err);
    if (code != MESH_OK)
        return code;
    pthread_mutex_lock(&metrics->mu);
    code = make_value(metrics->arena, &metric, value) ? add_series(metrics, &metric, value, err)
                                                      : out_of_memory(&metric, err);
    pthread_mutex_unlock(&metrics->mu);
    return code;
}

mesh_code mesh_counter_create(mesh_metrics *metrics, const mesh_metric *metric,
                              mesh_counter **counter, mesh_error *err)
{
    mesh_series value;
    mesh_code code = add_metric(metrics, metric, MESH_METRIC_COUNTER, &value, err);

    if (code == MESH_OK)
        *counter = value.counter;
    return code;
}

mesh_code mesh_gauge_create(mesh_metrics *metrics, const mesh_metric *metric, mesh_gauge **gauge,
                            mesh_error *err)
{
    mesh_series value;
    mesh_code code = add_metric(metrics, metric, MESH_METRIC_GAUGE, &value, err);

    if (code == MESH_OK)
        *gauge = value.gauge;
    return code;
}

mesh_code mesh_histogram_create(mesh_metrics *metrics, const mesh_metric *metric,
                                mesh_histogram **histogram, mesh_error *err)
{
    mesh_series value;
    mesh_code code = add_metric(metrics, metric, MESH_METRIC_HISTOGRAM, &value, err);

    if (code == MESH_OK)
        *histogram = value.histogram;
    return code;
}

/* Adds a reader's metrics one by one; those before a failing one stay and are not shown. */
static mesh_code add_reader(mesh_metrics *metrics, const mesh_metric *list, mesh_reader *reader,
                            mesh_error *err)
{
    mesh_code code = MESH_OK;

    for (size_t i = 0; i < reader->count && code == MESH_OK; i++) {
        mesh_series value = {.reader = reader, .reader_index = i};

        code = list[i].kind == MESH_METRIC_HISTOGRAM
                   ? mesh_error_set(err, MESH_INVALID_ARGUMENT,
                                    "metric %s: a histogram cannot be read", list[i].name)
                   : check_metric(&list[i], err);
        if (code == MESH_OK)
            code = add_series(metrics, &list[i], &value, err);
    }
    return code;
}

mesh_code mesh_metrics_read(mesh_metrics *metrics, const mesh_metric *list, size_t count,
                            mesh_metrics_read_fn *read, void *context, mesh_error *err)
{
    mesh_reader *reader;
    mesh_code code = MESH_RESOURCE_EXHAUSTED;

    pthread_mutex_lock(&metrics->mu);
    reader = mesh_arena_calloc(metrics->arena, 1, sizeof *reader);
    if (reader != NULL)
        reader->values = mesh_arena_calloc(metrics->arena, count, sizeof *reader->values);
    if (reader == NULL || reader->values == NULL) {
        mesh_error_set(err, code, "out of memory for %zu metrics", count);
        goto done;
    }
    reader->count = count;
    reader->context = context;
    code = add_reader(metrics, list, reader, err);
    if (code != MESH_OK)
        goto done;
    reader->read = read;
    reader->next = metrics->readers;
    metrics->readers = reader;

done:
    pthread_mutex_unlock(&metrics->mu);
    return code;
}

void mesh_metrics_forget(mesh_metrics *metrics, const void *context)
{
    pthread_mutex_lock(&metrics->mu);
    for (mesh_reader *reader = metrics->readers; reader != NULL; reader = reader->next) {
        if (reader->context == context)
            reader->read = NULL;
    }
    pthread_mutex_unlock(&metrics->mu);
}

/* ---- updates ---- */

void mesh_counter_add(mesh_counter *counter, uint64_t n)
{
    atomic_fetch_add_explicit(&counter->value, n, memory_order_relaxed);
}

void mesh_gauge_add(mesh_gauge *gauge, int64_t n)
{
    atomic_fetch_add_explicit(&gauge->value, n, memory_order_relaxed);
}

void mesh_gauge_set(mesh_gauge *gauge, int64_t value)
{
    atomic_store_explicit(&gauge->value, value, memory_order_relaxed);
}

void mesh_histogram_observe(mesh_histogram *histogram, int64_t value)
{
    size_t bucket = 0;

    while (bucket < histogram->bound_count && value > histogram->bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
}

uint64_t mesh_counter_value(const mesh_counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

int64_t mesh_gauge_value(const mesh_gauge *gauge)
{
    return atomic_load_explicit(&gauge->value, memory_order_relaxed);
}

uint64_t mesh_histogram_count(const mesh_histogram *histogram)
{
    uint64_t count = 0;

    for (size_t i = 0; i <= histogram->bound_count; i++)
        count += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
    return count;
}
