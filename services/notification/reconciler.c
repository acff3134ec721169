#include "services/notification/reconciler.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"

enum {
    FIRST_RETRY_MS = 1000,
    TOLD_RETRY_MS = 4 * FIRST_RETRY_MS,
    LAST_RETRY_MS = 60000,
    FIRST_BLOCK_BYTES = 64 * 1024
};

struct reconciler {
    reconciler_options options; /* immutable, as are the next five */
    pthread_t thread;
    mesh_cancel *cancel;
    mesh_arena *arena; /* the thread's; of the page at hand */
    mesh_counter *missing, *stale, *gone, *doubted;
    mesh_counter *runs, *failures;

    pthread_mutex_t mu;
    pthread_cond_t changed; /* with mu */
    bool stopping;          /* guarded by mu */

    /* The thread's: where the run is, and what it did so far. */
    char after[RECONCILER_ID_BYTES];
    char token[RECONCILER_TOKEN_BYTES];
    reconciler_counts counts;
    int64_t retry_ms; /* until the page at hand is tried again; 0: it has not failed */
};

/* --- a run ------------------------------------------------------------------------------------ */

/* Only what is in order can be compared span by span. */
static mesh_code check_page(const reconciler *one, const reconciler_page *page, mesh_error *err)
{
    const char *before = one->after;
    bool right = strlen(page->next) < RECONCILER_TOKEN_BYTES &&
                 (page->count != 0 || page->next[0] == '\0');
    for (size_t i = 0; right && i < page->count; i++) {
        right = strcmp(page->ids[i], before) > 0 && strlen(page->ids[i]) < RECONCILER_ID_BYTES;
        before = page->ids[i];
    }
    if (right)
        return MESH_OK;
    return mesh_error_set(err, MESH_INTERNAL, "a page of %s is empty or out of order",
                          one->options.name);
}

static void add_counts(reconciler *one, const reconciler_counts *counts)
{
    mesh_counter_add(one->missing, (uint64_t)counts->missing);
    mesh_counter_add(one->stale, (uint64_t)counts->stale);
    mesh_counter_add(one->gone, (uint64_t)counts->gone);
    mesh_counter_add(one->doubted, (uint64_t)counts->doubted);
    one->counts.missing += counts->missing;
    one->counts.stale += counts->stale;
    one->counts.gone += counts->gone;
    one->counts.doubted += counts->doubted;
}

static mesh_code compare_page(reconciler *one, bool *last, mesh_error *err)
{
    const reconciler_options *options = &one->options;
    reconciler_span span = {.after = one->after};
    reconciler_page page = {0};
    reconciler_counts counts = {0};

    mesh_arena_reset(one->arena);
    mesh_code code = options->clock(options->self, &span.asked_ns, err);
    if (code == MESH_OK)
        code = options->fetch(options->self, one->arena, one->token, one->cancel, &page, err);
    if (code == MESH_OK)
        code = check_page(one, &page, err);
    if (code != MESH_OK)
        return code;
    *last = page.next[0] == '\0';
    if (!*last)
        span.last = page.ids[page.count - 1];
    code = options->repair(options->self, one->arena, &page, &span, &counts, err);
    if (code != MESH_OK)
        return code;
    add_counts(one, &counts);
    if (!*last) {
        snprintf(one->after, sizeof one->after, "%s", span.last);
        snprintf(one->token, sizeof one->token, "%s", page.next);
    }
    return MESH_OK;
}

static void end_run(reconciler *one)
{
    const reconciler_counts *counts = &one->counts;
    bool right = counts->missing == 0 && counts->stale == 0 && counts->gone == 0 &&
                 counts->doubted == 0;
    mesh_counter_add(one->runs, 1);
    mesh_log(right ? MESH_LOG_INFO : MESH_LOG_WARN, "a copy was compared",
             MESH_LOG_S("copy", one->options.name), MESH_LOG_I("missing", counts->missing),
             MESH_LOG_I("stale", counts->stale), MESH_LOG_I("gone", counts->gone),
             MESH_LOG_I("doubted", counts->doubted));
    one->counts = (reconciler_counts){0};
    one->after[0] = '\0';
    one->token[0] = '\0';
}

/* Told when it has lasted some seconds: when a service starts not everything is there. */
static void fail(reconciler *one, mesh_code code, const mesh_error *err)
{
    mesh_counter_add(one->failures, 1);
    if (one->retry_ms == TOLD_RETRY_MS)
        mesh_log(MESH_LOG_WARN, "a copy cannot be compared yet",
                 MESH_LOG_S("copy", one->options.name), MESH_LOG_S("code", mesh_code_name(code)),
                 MESH_LOG_S("error", err->message));
    if (one->retry_ms == 0)
        one->retry_ms = FIRST_RETRY_MS;
    else if (one->retry_ms < LAST_RETRY_MS / 2)
        one->retry_ms *= 2;
    else
        one->retry_ms = LAST_RETRY_MS;
}

/* A page, and after the last one what ends a run. Returns after how long it goes on. */
static int64_t work(reconciler *one)
{
    bool last = false;
    mesh_error err;
    mesh_error_clear(&err);
    mesh_code code = compare_page(one, &last, &err);
    if (code == MESH_OK && last)
        code = one->options.finish(one->options.self, &err);
    if (code != MESH_OK) {
        fail(one, code, &err);
        return one->retry_ms;
    }
    one->retry_ms = 0;
    if (!last)
        return 0;
    end_run(one);
    return one->options.interval_ms;
}

/* --- the thread ------------------------------------------------------------------------------- */

static void *run(void *context)
{
    reconciler *one = context;
    int64_t wait_ms = 0;
    while (mesh_cond_rest(&one->changed, &one->mu, &one->stopping, wait_ms))
        wait_ms = work(one);
    return NULL;
}

static mesh_code count_repairs(reconciler *one, const char *repair, mesh_counter **counter,
                               mesh_error *err)
{
    const mesh_label labels[] = {{"copy", one->options.name}, {"repair", repair}};
    const mesh_metric metric = {.name = "reconciler_repairs_total",
                                .help = "Records that a copy had wrong, by what was wrong.",
                                .labels = labels,
                                .label_count = 2};
    return mesh_counter_create(one->options.metrics, &metric, counter, err);
}

static mesh_code create_metrics(reconciler *one, mesh_error *err)
{
    const mesh_label label = {"copy", one->options.name};
    const mesh_metric runs = {.name = "reconciler_runs_total",
                              .help = "Comparisons of a copy with all that its owner has.",
                              .labels = &label,
                              .label_count = 1};
    const mesh_metric failures = {.name = "reconciler_failures_total",
                                  .help = "Pages of a copy that could not be compared.",
                                  .labels = &label,
                                  .label_count = 1};
    mesh_code code = mesh_counter_create(one->options.metrics, &runs, &one->runs, err);
    if (code == MESH_OK)
        code = mesh_counter_create(one->options.metrics, &failures, &one->failures, err);
    if (code == MESH_OK)
        code = count_repairs(one, "missing", &one->missing, err);
    if (code == MESH_OK)
        code = count_repairs(one, "stale", &one->stale, err);
    if (code == MESH_OK)
        code = count_repairs(one, "gone", &one->gone, err);
    if (code == MESH_OK)
        code = count_repairs(one, "doubted", &one->doubted, err);
    return code;
}

static mesh_code start(reconciler *one, mesh_error *err)
{
    if (pthread_cond_init(&one->changed, NULL) != 0)
        goto failed;
    if (pthread_mutex_init(&one->mu, NULL) != 0)
        goto no_mutex;
    if (pthread_create(&one->thread, NULL, run, one) != 0)
        goto no_thread;
    return MESH_OK;

no_thread:
    pthread_mutex_destroy(&one->mu);
no_mutex:
    pthread_cond_destroy(&one->changed);
failed:
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no thread to compare a copy");
}

static void free_parts(reconciler *one)
{
    mesh_cancel_destroy(one->cancel);
    mesh_arena_destroy(one->arena);
    mesh_free(one);
}

mesh_code reconciler_create(const reconciler_options *options, reconciler **made, mesh_error *err)
{
    reconciler *one = mesh_calloc(1, sizeof *one);
    if (one == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    one->options = *options;
    one->arena = mesh_arena_create(FIRST_BLOCK_BYTES, RECONCILER_ARENA_BYTES);
    one->cancel = mesh_cancel_create();
    mesh_code code = MESH_OK;
    if (one->arena == NULL || one->cancel == NULL)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    if (code == MESH_OK)
        code = create_metrics(one, err);
    if (code == MESH_OK)
        code = start(one, err);
    if (code != MESH_OK) {
        free_parts(one);
        return code;
    }
    *made = one;
    return MESH_OK;
}

void reconciler_stop(reconciler *one)
{
    if (one == NULL)
        return;
    pthread_mutex_lock(&one->mu);
    one->stopping = true;
    pthread_cond_signal(&one->changed);
    pthread_mutex_unlock(&one->mu);
    mesh_cancel_calls(one->cancel);
}

void reconciler_destroy(reconciler *one)
{
    if (one == NULL)
        return;
    reconciler_stop(one);
    pthread_join(one->thread, NULL);
    pthread_mutex_destroy(&one->mu);
    pthread_cond_destroy(&one->changed);
    free_parts(one);
}
