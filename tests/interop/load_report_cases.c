/* Load reports outside of calls. Those with an answer (orca_per_rpc) are not seen by clients of the
 * gRPC C core, which keeps the trailer to itself. */
#include <string.h>

#include "tests/interop/client.h"
#include "xds/service/orca/v3/orca.mesh.h"

enum {
    REPORT_LIMIT_MS = 30000 /* until a report shows what the server was told */
};

/* Tells the server what to report, and waits until it has heard. */
static void set_report(mesh_stream *stream, double cpu, double memory, double utilization)
{
    Grpc__Testing__TestOrcaReport__UtilizationEntry entry =
        GRPC__TESTING__TEST_ORCA_REPORT__UTILIZATION_ENTRY__INIT;
    Grpc__Testing__TestOrcaReport__UtilizationEntry *entries[] = {&entry};
    Grpc__Testing__TestOrcaReport report = GRPC__TESTING__TEST_ORCA_REPORT__INIT;
    Grpc__Testing__ResponseParameters parameters = GRPC__TESTING__RESPONSE_PARAMETERS__INIT;
    Grpc__Testing__ResponseParameters *list[] = {&parameters};
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    const Grpc__Testing__StreamingOutputCallResponse *response;

    entry.key = "util";
    entry.value = utilization;
    report.cpu_utilization = cpu;
    report.memory_utilization = memory;
    report.utilization = entries;
    report.n_utilization = 1;
    parameters.size = 1;
    request.orca_oob_report = &report;
    request.response_parameters = list;
    request.n_response_parameters = 1;
    CHECK(grpc__testing__test_service__full_duplex_call__send(stream, &request) == MESH_OK,
          "the report could not be sent");
    CHECK(grpc__testing__test_service__full_duplex_call__next(stream, &response) == MESH_OK,
          "the answer to the report is missing");
    check_payload(response->payload, 1);
}

static void expect_report(mesh_stream *reports, double cpu, double memory, double utilization)
{
    const Xds__Data__Orca__V3__OrcaLoadReport *report;
    mesh_error err;

    while (xds__service__orca__v3__open_rca_service__stream_core_metrics__next(reports, &report) ==
           MESH_OK)
        if (report->cpu_utilization == cpu && report->mem_utilization == memory &&
            report->n_utilization == 1 && strcmp(report->utilization[0]->key, "util") == 0 &&
            report->utilization[0]->value == utilization)
            return;
    fail("no report showed what the server was told: %s",
         mesh_stream_finish(reports, &err) != MESH_OK ? err.message : "it ended the stream");
}

static void orca_oob(const interop_client *client)
{
    Xds__Service__Orca__V3__OrcaLoadReportRequest request =
        XDS__SERVICE__ORCA__V3__ORCA_LOAD_REPORT_REQUEST__INIT;
    Google__Protobuf__Duration interval = GOOGLE__PROTOBUF__DURATION__INIT;
    const mesh_call_options options = {.timeout_ms = REPORT_LIMIT_MS};
    mesh_stream *reports;
    mesh_stream *stream;
    mesh_error err;

    interval.seconds = 1;
    request.report_interval = &interval;
    check_code("StreamCoreMetrics",
               xds__service__orca__v3__open_rca_service__stream_core_metrics(
                   client->channel, &request, &reports, &options, &err),
               &err, MESH_OK);
    check_code(
        "FullDuplexCall",
        grpc__testing__test_service__full_duplex_call(client->channel, &stream, &options, &err),
        &err, MESH_OK);
    set_report(stream, 0.8210, 0.5847, 0.30499);
    expect_report(reports, 0.8210, 0.5847, 0.30499);
    set_report(stream, 0.29309, 0.2, 0.2039);
    expect_report(reports, 0.29309, 0.2, 0.2039);
    check_code("FullDuplexCall", mesh_stream_finish(stream, &err), &err, MESH_OK);
    mesh_stream_cancel(reports);
    check_code("StreamCoreMetrics", mesh_stream_finish(reports, &err), &err, MESH_CANCELLED);
}

const interop_case load_report_cases[] = {
    {"orca_oob", orca_oob, "load reports outside of calls"},
    {NULL, NULL, NULL},
};
