#include "tests/interop/test_service.h"

#include <pthread.h>
#include <unistd.h>

#include "tests/interop/load_report.h"
#include "tests/interop/pause.h"

enum {
    HOSTNAME_BYTES = 256
};

/* --- what the methods share ------------------------------------------------------------------- */

/* Sends the two keys of the case custom_metadata back. */
static mesh_code echo_metadata(mesh_call *call, mesh_error *err)
{
    static const char initial[] = "x-grpc-test-echo-initial";
    static const char trailing[] = "x-grpc-test-echo-trailing-bin";
    const mesh_metadata *entry = mesh_call_metadata(call, initial, 0);
    mesh_code code = MESH_OK;

    if (entry != NULL)
        code = mesh_call_add_header(call, initial, entry->value, entry->size, err);
    entry = mesh_call_metadata(call, trailing, 0);
    if (code == MESH_OK && entry != NULL)
        code = mesh_call_add_trailer(call, trailing, entry->value, entry->size, err);
    return code;
}

/* The status that a request wants to be answered. */
static mesh_code wanted_status(const Grpc__Testing__EchoStatus *status, mesh_error *err)
{
    if (status == NULL || status->code == MESH_OK)
        return MESH_OK;
    return mesh_error_set(err, (mesh_code)status->code, "%s", status->message);
}

static bool is_wanted(const Grpc__Testing__BoolValue *value)
{
    return value != NULL && value->value;
}

static mesh_code check_compressed(const Grpc__Testing__BoolValue *expected, bool was_compressed,
                                  mesh_error *err)
{
    if (expected == NULL || (expected->value != 0) == was_compressed)
        return MESH_OK;
    return mesh_error_field(err, "expect_compressed", "but the message was%s compressed",
                            was_compressed ? "" : " not");
}

static mesh_code fill_payload(mesh_arena *arena, Grpc__Testing__PayloadType type, int32_t size,
                              Grpc__Testing__Payload *payload, mesh_error *err)
{
    if (type != GRPC__TESTING__PAYLOAD_TYPE__COMPRESSABLE)
        return mesh_error_field(err, "response_type", "must be COMPRESSABLE");
    if (size < 0)
        return mesh_error_field(err, "size", "must not be negative");
    grpc__testing__payload__init(payload);
    payload->body.len = (size_t)size;
    payload->body.data = mesh_arena_calloc(arena, 1, (size_t)size);
    if (payload->body.data == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory for %d bytes", size);
    return MESH_OK;
}

/* --- unary ------------------------------------------------------------------------------------ */

static mesh_code empty_call(void *self, mesh_call *call, const Grpc__Testing__Empty *request,
                            Grpc__Testing__Empty *response, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)request;
    (void)response;
    (void)err;
    return MESH_OK;
}

static mesh_code unary_call(void *self, mesh_call *call,
                            const Grpc__Testing__SimpleRequest *request,
                            Grpc__Testing__SimpleResponse *response, mesh_error *err)
{
    mesh_arena *arena = mesh_call_arena(call);
    mesh_code code = echo_metadata(call, err);
    char hostname[HOSTNAME_BYTES] = "";

    if (code == MESH_OK)
        code = check_compressed(request->expect_compressed, mesh_call_was_compressed(call), err);
    if (code == MESH_OK)
        code = wanted_status(request->response_status, err);
    if (code == MESH_OK && request->orca_per_query_report != NULL)
        code = load_report_answer(call, request->orca_per_query_report, err);
    response->payload = mesh_arena_alloc(arena, sizeof *response->payload);
    if (code == MESH_OK && response->payload != NULL)
        code = fill_payload(arena, request->response_type, request->response_size,
                            response->payload, err);
    if (code != MESH_OK)
        return code;
    if (is_wanted(request->response_compressed))
        mesh_call_compress(call);
    if (request->fill_server_id)
        response->server_id = self;
    (void)gethostname(hostname, sizeof hostname - 1);
    response->hostname = mesh_arena_strdup(arena, hostname);
    return MESH_OK;
}

/* --- streams ---------------------------------------------------------------------------------- */

static mesh_code answer_stream(mesh_call *call, mesh_stream *stream, pause_timer **timer,
                               const Grpc__Testing__StreamingOutputCallRequest *request,
                               mesh_error *err)
{
    mesh_code code = MESH_OK;

    for (size_t i = 0; code == MESH_OK && i < request->n_response_parameters; i++) {
        const Grpc__Testing__ResponseParameters *wanted = request->response_parameters[i];
        Grpc__Testing__StreamingOutputCallResponse response =
            GRPC__TESTING__STREAMING_OUTPUT_CALL_RESPONSE__INIT;
        Grpc__Testing__Payload payload;

        if (wanted->interval_us > 0) {
            if (*timer == NULL)
                *timer = pause_timer_create(call);
            if (!pause_for(*timer, wanted->interval_us))
                return MESH_CANCELLED;
        }
        code = fill_payload(mesh_call_arena(call), request->response_type, wanted->size, &payload,
                            err);
        response.payload = &payload;
        if (is_wanted(wanted->compressed))
            mesh_call_compress(call);
        mesh_stream_compress(stream, is_wanted(wanted->compressed));
        if (code == MESH_OK)
            code = grpc__testing__test_service__full_duplex_call__reply(stream, &response);
    }
    return code;
}

static mesh_code streaming_output_call(void *self, mesh_call *call,
                                       const Grpc__Testing__StreamingOutputCallRequest *request,
                                       mesh_stream *stream, mesh_error *err)
{
    pause_timer *timer = NULL;
    mesh_code code = echo_metadata(call, err);

    (void)self;
    if (code == MESH_OK)
        code = wanted_status(request->response_status, err);
    if (code == MESH_OK)
        code = answer_stream(call, stream, &timer, request, err);
    return code;
}

static mesh_code streaming_input_call(void *self, mesh_call *call, mesh_stream *stream,
                                      Grpc__Testing__StreamingInputCallResponse *response,
                                      mesh_error *err)
{
    const Grpc__Testing__StreamingInputCallRequest *request;
    mesh_code code = echo_metadata(call, err);

    (void)self;
    while (code == MESH_OK) {
        code = grpc__testing__test_service__streaming_input_call__receive(stream, &request, err);
        if (code == MESH_OK) {
            code = check_compressed(request->expect_compressed, mesh_stream_was_compressed(stream),
                                    err);
            if (request->payload != NULL)
                response->aggregated_payload_size += (int32_t)request->payload->body.len;
        }
    }
    return code == MESH_EOF ? MESH_OK : code;
}

static mesh_code full_duplex_call(void *self, mesh_call *call, mesh_stream *stream, mesh_error *err)
{
    /* One client at a time may say what is reported outside of calls, until its stream ends. */
    static pthread_mutex_t reporting = PTHREAD_MUTEX_INITIALIZER;
    const Grpc__Testing__StreamingOutputCallRequest *request;
    pause_timer *timer = NULL;
    bool reports = false;
    mesh_code code = echo_metadata(call, err);

    (void)self;
    while (code == MESH_OK) {
        code = grpc__testing__test_service__full_duplex_call__receive(stream, &request, err);
        if (code != MESH_OK)
            break;
        code = wanted_status(request->response_status, err);
        if (code == MESH_OK && request->orca_oob_report != NULL) {
            if (!reports)
                pthread_mutex_lock(&reporting);
            reports = true;
            code = load_report_set(call, request->orca_oob_report, err);
        }
        if (code == MESH_OK)
            code = answer_stream(call, stream, &timer, request, err);
    }
    if (reports)
        pthread_mutex_unlock(&reporting);
    return code == MESH_EOF ? MESH_OK : code;
}

mesh_api test_service_api(const char *server_id)
{
    static const grpc__testing__test_service__handlers handlers = {
        .empty_call = empty_call,
        .unary_call = unary_call,
        .streaming_output_call = streaming_output_call,
        .streaming_input_call = streaming_input_call,
        .full_duplex_call = full_duplex_call,
    };

    return grpc__testing__test_service__api(&handlers, (void *)(uintptr_t)server_id);
}
