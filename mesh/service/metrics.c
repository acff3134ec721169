#include "mesh/service/metrics.h"

/* The order is that of read_db. */
static const mesh_metric db_figures[] = {
    GAUGE("mesh_db_connections_max", "Connections to the database that the pool may have."),
    GAUGE("mesh_db_connections_open", "Connections that it has."),
    GAUGE("mesh_db_connections_idle", "Of them not in use."),
    GAUGE("mesh_db_waiting", "Threads that wait for a connection."),
    COUNTER("mesh_db_connects_total", "Connections made."),
    COUNTER("mesh_db_connect_errors_total", "Attempts to connect that failed."),
    COUNTER("mesh_db_acquired_total", "Connections handed out."),
    COUNTER("mesh_db_acquire_errors_total", "Waits that ended without a connection."),
    COUNTER("mesh_db_wait_seconds_total", "Time spent waiting for connections."),
    COUNTER("mesh_db_queries_total", "Statements run."),
    COUNTER("mesh_db_query_errors_total", "Statements that failed."),
    COUNTER("mesh_db_query_seconds_total", "Time spent in statements."),
};

static void read_db(void *context, double *values)
{
    mesh_db_stats stats;
    mesh_db_get_stats(context, &stats);
    *values++ = (double)stats.pool_max;
    *values++ = (double)stats.open;
    *values++ = (double)stats.idle;
    *values++ = (double)stats.waiting;
    *values++ = (double)stats.connects;
    *values++ = (double)stats.connect_errors;
    *values++ = (double)stats.acquired;
    *values++ = (double)stats.acquire_errors;
    *values++ = (double)stats.wait_ns * 1e-9;
    *values++ = (double)stats.queries;
    *values++ = (double)stats.query_errors;
    *values++ = (double)stats.query_ns * 1e-9;
}

/* The order is that of read_events. */
static const mesh_metric events_figures[] = {
    COUNTER("mesh_events_published_total", "Events stored by the broker."),
    COUNTER("mesh_events_publish_retries_total", "Attempts to publish that were made again."),
    COUNTER("mesh_events_publish_recalled_total", "Published events that the broker had lost."),
    GAUGE("mesh_events_pending", "Events in the outbox that are not published yet."),
    COUNTER("mesh_events_consumed_total", "Events handled."),
    COUNTER("mesh_events_duplicates_total", "Events that had been handled before."),
    COUNTER("mesh_events_redelivered_total", "Deliveries other than the first."),
    COUNTER("mesh_events_failed_total", "Deliveries whose handling failed."),
    COUNTER("mesh_events_past_total", "Events dropped, since their version was handled before."),
    COUNTER("mesh_events_gaps_total", "Deliveries sent back since an earlier version was missing."),
    COUNTER("mesh_events_dead_total", "Events given up: they are dead letters."),
    GAUGE("mesh_events_paused", "1 while the consumer is paused, else 0."),
    GAUGE("mesh_events_stalled", "1 while there are events and none gets done, else 0."),
    GAUGE("mesh_events_oldest_held_seconds", "Age of the oldest event held by the instance."),
    GAUGE("mesh_events_lag", "Events in the stream that were not delivered yet."),
    COUNTER("mesh_events_reconnects_total", "Connections to the broker made again."),
    GAUGE("mesh_events_publish_refused", "Events refused, each holding back its aggregate."),
    GAUGE("mesh_events_oldest_pending_seconds",
          "Age of the oldest event in the outbox that is not published."),
    GAUGE("mesh_events_held", "Events kept until an earlier version of their aggregate came."),
    GAUGE("mesh_events_oldest_gap_seconds", "How long an aggregate has waited for such a version."),
};

static void read_events(void *context, double *values)
{
    mesh_events_stats stats;
    mesh_events_get_stats(context, &stats);
    *values++ = (double)stats.published;
    *values++ = (double)stats.publish_retries;
    *values++ = (double)stats.publish_recalled;
    *values++ = (double)stats.pending;
    *values++ = (double)stats.consumed;
    *values++ = (double)stats.duplicates;
    *values++ = (double)stats.redelivered;
    *values++ = (double)stats.failed;
    *values++ = (double)stats.past;
    *values++ = (double)stats.gaps;
    *values++ = (double)stats.dead;
    *values++ = stats.paused;
    *values++ = stats.stalled;
    *values++ = (double)stats.oldest_held_ms * 1e-3;
    *values++ = (double)stats.lag;
    *values++ = (double)stats.reconnects;
    *values++ = (double)stats.publish_refused;
    *values++ = (double)stats.oldest_pending_ms * 1e-3;
    *values++ = (double)stats.held;
    *values++ = (double)stats.oldest_gap_ms * 1e-3;
}

/* The order is that of read_sagas. */
static const mesh_metric saga_figures[] = {
    GAUGE("mesh_sagas_running", "Sagas at work, or to be tried again."),
    GAUGE("mesh_sagas_waiting", "Sagas that wait for a signal."),
    GAUGE("mesh_sagas_parked", "Sagas that wait for an operator."),
    GAUGE("mesh_sagas_oldest_due_seconds", "How long one has waited to be taken."),
    GAUGE("mesh_sagas_active", "Actions that run here now."),
    COUNTER("mesh_sagas_attempts_total", "Actions and compensations begun."),
    COUNTER("mesh_sagas_failed_total", "Of them failed, and tried again."),
    COUNTER("mesh_sagas_timed_out_total", "Steps that took too long."),
    COUNTER("mesh_sagas_completed_total", "Sagas that came to their end."),
    COUNTER("mesh_sagas_compensated_total", "Sagas that were undone."),
    COUNTER("mesh_sagas_given_up_total", "Sagas that were parked."),
};

static void read_sagas(void *context, double *values)
{
    mesh_sagas_stats stats;
    mesh_sagas_get_stats(context, &stats);
    *values++ = (double)stats.running;
    *values++ = (double)stats.waiting;
    *values++ = (double)stats.parked;
    *values++ = (double)stats.oldest_due_ms * 1e-3;
    *values++ = (double)stats.active;
    *values++ = (double)stats.attempts;
    *values++ = (double)stats.failed;
    *values++ = (double)stats.timed_out;
    *values++ = (double)stats.completed;
    *values++ = (double)stats.compensated;
    *values++ = (double)stats.parked_total;
}

mesh_code mesh_service_metrics_create(mesh_service_metrics *metrics, mesh_error *err)
{
    *metrics = (mesh_service_metrics){.registry = mesh_metrics_create()};
    if (metrics->registry == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    const mesh_metric serving = GAUGE("mesh_serving", "1 while the health is SERVING, else 0.");
    mesh_code code = mesh_metrics_add_process(metrics->registry, err);
    if (code == MESH_OK)
        code = mesh_gauge_create(metrics->registry, &serving, &metrics->serving, err);
    if (code == MESH_OK)
        code = mesh_rpc_metrics_create(metrics->registry, &metrics->calls, err);
    return code;
}

mesh_code mesh_service_metrics_watch(mesh_service_metrics *metrics, const mesh_api *apis,
                                     mesh_db *db, mesh_events *events, mesh_sagas *sagas,
                                     mesh_error *err)
{
    mesh_code code = MESH_OK;
    for (size_t i = 0; i < MESH_SERVICE_MAX_APIS && apis[i].descriptor != NULL && code == MESH_OK;
         i++)
        code = mesh_rpc_metrics_declare(metrics->calls, apis[i].descriptor, err);
    metrics->db = db;
    if (code == MESH_OK && db != NULL)
        code = mesh_metrics_read(metrics->registry, db_figures,
                                 sizeof db_figures / sizeof db_figures[0], read_db, db, err);
    metrics->events = events;
    if (code == MESH_OK && events != NULL)
        code = mesh_metrics_read(metrics->registry, events_figures,
                                 sizeof events_figures / sizeof events_figures[0], read_events,
                                 events, err);
    metrics->sagas = sagas;
    if (code == MESH_OK && sagas != NULL)
        code = mesh_metrics_read(metrics->registry, saga_figures,
                                 sizeof saga_figures / sizeof saga_figures[0], read_sagas, sagas,
                                 err);
    return code;
}

mesh_code mesh_service_metrics_start(mesh_service_metrics *metrics, const char *listen,
                                     mesh_error *err)
{
    mesh_code code = mesh_metrics_http_start(metrics->registry, listen, &metrics->http, err);
    if (code != MESH_OK)
        mesh_error_prefix(err, "MESH_METRICS_LISTEN");
    return code;
}

void mesh_service_metrics_stop(mesh_service_metrics *metrics)
{
    mesh_metrics_http_stop(metrics->http);
    metrics->http = NULL;
    if (metrics->db != NULL)
        mesh_metrics_forget(metrics->registry, metrics->db);
    if (metrics->events != NULL)
        mesh_metrics_forget(metrics->registry, metrics->events);
    if (metrics->sagas != NULL)
        mesh_metrics_forget(metrics->registry, metrics->sagas);
    metrics->db = NULL;
    metrics->events = NULL;
    metrics->sagas = NULL;
}

void mesh_service_metrics_destroy(mesh_service_metrics *metrics)
{
    mesh_rpc_metrics_destroy(metrics->calls);
    mesh_metrics_destroy(metrics->registry);
}
