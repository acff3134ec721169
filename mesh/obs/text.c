/* The text format of Prometheus, version 0.0.4. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "mesh/obs/registry.h"

enum {
    MIN_TEXT_BYTES = 8 * 1024,
    NUMBER_BYTES = 32
};

/* A text that grows in an arena. Once it could not, it stays as it is. */
typedef struct text {
    mesh_arena *arena;
    char *bytes;
    size_t size, capacity;
    bool full;
} text;

/* Makes room for `more` bytes. */
static bool reserve(text *to, size_t more)
{
    size_t capacity = to->capacity;
    char *bytes;

    if (to->full)
        return false;
    if (more <= capacity - to->size)
        return true;
    while (capacity - to->size < more)
        capacity *= 2;
    bytes = mesh_arena_alloc(to->arena, capacity);
    if (bytes == NULL) {
        to->full = true;
        return false;
    }
    memcpy(bytes, to->bytes, to->size);
    to->bytes = bytes;
    to->capacity = capacity;
    return true;
}

static void put(text *to, const char *bytes)
{
    size_t size = strlen(bytes);

    if (reserve(to, size)) {
        memcpy(to->bytes + to->size, bytes, size);
        to->size += size;
    }
}

/* 15 digits: what every double keeps of a decimal number. */
static void format_number(double number, char out[NUMBER_BYTES])
{
    if (isnan(number)) {
        strcpy(out, "NaN");
    } else if (isinf(number)) {
        strcpy(out, number > 0 ? "+Inf" : "-Inf");
    } else {
        snprintf(out, NUMBER_BYTES, "%.15g", number);
        for (char *at = out; *at != '\0'; at++) { /* whatever LC_NUMERIC says */
            if (*at == ',')
                *at = '.';
        }
    }
}

/* One line: name + suffix {labels, extra} number. */
static void put_line(text *to, const mesh_family *family, const char *suffix, const char *labels,
                     const char *extra, const char *number)
{
    put(to, family->name);
    put(to, suffix);
    if (labels[0] != '\0' || extra[0] != '\0') {
        put(to, "{");
        put(to, labels);
        if (labels[0] != '\0' && extra[0] != '\0')
            put(to, ",");
        put(to, extra);
        put(to, "}");
    }
    put(to, " ");
    put(to, number);
    put(to, "\n");
}

static void put_histogram(text *to, const mesh_family *family, const mesh_series *series)
{
    mesh_histogram *histogram = series->histogram;
    char number[NUMBER_BYTES], bound[NUMBER_BYTES], le[NUMBER_BYTES + 8];
    /* The sum first: it may lag behind the buckets by calls that end right now, never be ahead. */
    double sum = (double)atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    unsigned long long count = 0;

    for (size_t i = 0; i <= histogram->bound_count; i++) {
        count += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        format_number(i < histogram->bound_count ? (double)histogram->bounds[i] * histogram->scale
                                                 : INFINITY,
                      bound);
        snprintf(le, sizeof le, "le=\"%s\"", bound);
        snprintf(number, sizeof number, "%llu", count);
        put_line(to, family, "_bucket", series->labels, le, number);
    }
    format_number(sum * histogram->scale, bound);
    put_line(to, family, "_sum", series->labels, "", bound);
    put_line(to, family, "_count", series->labels, "", number);
}

static void put_series(text *to, const mesh_family *family, const mesh_series *series)
{
    char number[NUMBER_BYTES];

    if (series->histogram != NULL) {
        put_histogram(to, family, series);
        return;
    }
    if (series->counter != NULL)
        snprintf(number, sizeof number, "%llu",
                 (unsigned long long)mesh_counter_value(series->counter));
    else if (series->gauge != NULL)
        snprintf(number, sizeof number, "%lld", (long long)mesh_gauge_value(series->gauge));
    else
        format_number(series->reader->values[series->reader_index], number);
    put_line(to, family, "", series->labels, "", number);
}

static bool is_shown(const mesh_series *series)
{
    return series->reader == NULL || series->reader->read != NULL;
}

/* The help of a family, in which a backslash and a line end are escaped. */
static void put_help(text *to, const mesh_family *family)
{
    put(to, "# HELP ");
    put(to, family->name);
    put(to, " ");
    for (const char *at = family->help; *at != '\0'; at++) {
        char one[2] = {*at, '\0'};

        put(to, *at == '\\' ? "\\\\" : *at == '\n' ? "\\n" : one);
    }
    put(to, "\n");
}

static void put_family(text *to, const mesh_family *family)
{
    static const char *const kinds[] = {
        [MESH_METRIC_COUNTER] = " counter\n",
        [MESH_METRIC_GAUGE] = " gauge\n",
        [MESH_METRIC_HISTOGRAM] = " histogram\n",
    };
    const mesh_series *series = family->first;

    while (series != NULL && !is_shown(series))
        series = series->next;
    if (series == NULL)
        return;
    put_help(to, family);
    put(to, "# TYPE ");
    put(to, family->name);
    put(to, kinds[family->kind]);
    for (; series != NULL; series = series->next) {
        if (is_shown(series))
            put_series(to, family, series);
    }
}

mesh_code mesh_metrics_text(mesh_metrics *metrics, mesh_arena *arena, const char **out,
                            size_t *size, mesh_error *err)
{
    text to = {.arena = arena};

    pthread_mutex_lock(&metrics->mu);
    to.capacity = metrics->text_bytes + metrics->text_bytes / 8 + MIN_TEXT_BYTES;
    to.bytes = mesh_arena_alloc(arena, to.capacity);
    to.full = to.bytes == NULL;
    for (mesh_reader *reader = metrics->readers; reader != NULL; reader = reader->next) {
        if (reader->read != NULL)
            reader->read(reader->context, reader->values);
    }
    for (const mesh_family *family = metrics->families; family != NULL; family = family->next)
        put_family(&to, family);
    if (!to.full)
        metrics->text_bytes = to.size;
    pthread_mutex_unlock(&metrics->mu);

    if (to.full)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory for the metrics' text");
    *out = to.bytes;
    *size = to.size;
    return MESH_OK;
}
