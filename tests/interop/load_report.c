#include "tests/interop/load_report.h"

#include <pthread.h>
#include <string.h>

#include "tests/interop/pause.h"

enum {
    REPORT_BYTES = 4096,
    MIN_INTERVAL_MS = 100,
    MAX_INTERVAL_S = 3600
};

/* What is reported outside of calls, encoded. */
static struct {
    pthread_mutex_t mu;
    uint8_t bytes[REPORT_BYTES]; /* guarded by mu, as is size */
    size_t size;
} current = {.mu = PTHREAD_MUTEX_INITIALIZER};

/* The test's report as an encoded xds.data.orca.v3.OrcaLoadReport in the call's arena. */
static mesh_code encode(mesh_call *call, const Grpc__Testing__TestOrcaReport *report,
                        uint8_t **bytes, size_t *size, mesh_error *err)
{
    Xds__Data__Orca__V3__OrcaLoadReport load = XDS__DATA__ORCA__V3__ORCA_LOAD_REPORT__INIT;
    mesh_arena *arena = mesh_call_arena(call);
    Xds__Data__Orca__V3__OrcaLoadReport__RequestCostEntry *costs;
    Xds__Data__Orca__V3__OrcaLoadReport__UtilizationEntry *utilizations;

    load.cpu_utilization = report->cpu_utilization;
    load.mem_utilization = report->memory_utilization;
    load.n_request_cost = report->n_request_cost;
    load.n_utilization = report->n_utilization;
    load.request_cost = mesh_arena_calloc(arena, load.n_request_cost, sizeof(void *));
    load.utilization = mesh_arena_calloc(arena, load.n_utilization, sizeof(void *));
    costs = mesh_arena_calloc(arena, load.n_request_cost, sizeof *costs);
    utilizations = mesh_arena_calloc(arena, load.n_utilization, sizeof *utilizations);
    if (mesh_arena_overflowed(arena))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory for the load report");
    for (size_t i = 0; i < load.n_request_cost; i++) {
        xds__data__orca__v3__orca_load_report__request_cost_entry__init(&costs[i]);
        costs[i].key = report->request_cost[i]->key;
        costs[i].value = report->request_cost[i]->value;
        load.request_cost[i] = &costs[i];
    }
    for (size_t i = 0; i < load.n_utilization; i++) {
        xds__data__orca__v3__orca_load_report__utilization_entry__init(&utilizations[i]);
        utilizations[i].key = report->utilization[i]->key;
        utilizations[i].value = report->utilization[i]->value;
        load.utilization[i] = &utilizations[i];
    }
    *size = xds__data__orca__v3__orca_load_report__get_packed_size(&load);
    *bytes = mesh_arena_alloc(arena, *size);
    if (*bytes == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory for the load report");
    (void)xds__data__orca__v3__orca_load_report__pack(&load, *bytes);
    return MESH_OK;
}

mesh_code load_report_answer(mesh_call *call, const Grpc__Testing__TestOrcaReport *report,
                             mesh_error *err)
{
    uint8_t *bytes;
    size_t size;
    mesh_code code = encode(call, report, &bytes, &size, err);

    if (code == MESH_OK)
        code = mesh_call_add_trailer(call, "endpoint-load-metrics-bin", bytes, size, err);
    return code;
}

mesh_code load_report_set(mesh_call *call, const Grpc__Testing__TestOrcaReport *report,
                          mesh_error *err)
{
    uint8_t *bytes;
    size_t size;
    mesh_code code = encode(call, report, &bytes, &size, err);

    if (code != MESH_OK)
        return code;
    if (size > REPORT_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "a load report has at most %d bytes",
                              REPORT_BYTES);
    pthread_mutex_lock(&current.mu);
    memcpy(current.bytes, bytes, size);
    current.size = size;
    pthread_mutex_unlock(&current.mu);
    return MESH_OK;
}

static mesh_code send_current(mesh_stream *stream)
{
    Xds__Data__Orca__V3__OrcaLoadReport *report;
    mesh_code code;

    pthread_mutex_lock(&current.mu);
    report = xds__data__orca__v3__orca_load_report__unpack(NULL, current.size, current.bytes);
    pthread_mutex_unlock(&current.mu);
    if (report == NULL)
        return MESH_RESOURCE_EXHAUSTED;
    code = xds__service__orca__v3__open_rca_service__stream_core_metrics__reply(stream, report);
    xds__data__orca__v3__orca_load_report__free_unpacked(report, NULL);
    return code;
}

static int64_t interval_us(const Google__Protobuf__Duration *wanted)
{
    int64_t microseconds = 0;

    if (wanted != NULL && wanted->seconds >= MAX_INTERVAL_S)
        microseconds = MAX_INTERVAL_S * INT64_C(1000000);
    else if (wanted != NULL && wanted->seconds >= 0)
        microseconds = wanted->seconds * 1000000 + wanted->nanos / 1000;
    return microseconds < MIN_INTERVAL_MS * 1000 ? MIN_INTERVAL_MS * 1000 : microseconds;
}

static mesh_code stream_core_metrics(void *self, mesh_call *call,
                                     const Xds__Service__Orca__V3__OrcaLoadReportRequest *request,
                                     mesh_stream *stream, mesh_error *err)
{
    pause_timer *timer = pause_timer_create(call);
    mesh_code code;

    (void)self;
    (void)err;
    do
        code = send_current(stream);
    while (code == MESH_OK && pause_for(timer, interval_us(request->report_interval)));
    return code;
}

mesh_api load_report_api(void)
{
    static const xds__service__orca__v3__open_rca_service__handlers handlers = {
        .stream_core_metrics = stream_core_metrics};

    return xds__service__orca__v3__open_rca_service__api(&handlers, NULL);
}
