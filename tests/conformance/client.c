/*
 * The client that the conformance runner gives calls to make, to its reference server. Each request
 * on standard input is one; what came of it goes to standard output. The end of the input ends it.
 *
 * A few threads make calls side by side, each with a channel of its own: the runner has cases that
 * take their time.
 */
#include <pthread.h>
#include <string.h>

#include "connectrpc/conformance/v1/client_compat.mesh.h"
#include "tests/conformance/compat.h"

typedef Connectrpc__Conformance__V1__ClientCompatRequest case_request;
typedef Connectrpc__Conformance__V1__ClientResponseResult case_result;
typedef Connectrpc__Conformance__V1__ClientStreamRequest client_stream_request;
typedef Connectrpc__Conformance__V1__BidiStreamRequest bidi_stream_request;

enum {
    THREADS = 8,
    METADATA_MAX = 64
};

/* A call to make. */
typedef struct test_case {
    mesh_arena *arena;
    const case_request *request;
    case_result *result;
    const char *refusal; /* why it could not be made; NULL: it was */
    mesh_channel *channel;
    mesh_call_options options;
} test_case;

static void *request_message(test_case *test, size_t index,
                             const ProtobufCMessageDescriptor *descriptor)
{
    const compat_any *any = test->request->request_messages[index];

    if (strcmp(compat_type(any), descriptor->name) != 0)
        compat_die("%s where %s is needed", any->type_url, descriptor->name);
    return compat_unpack(test->arena, descriptor, any->value);
}

/* --- what came of it -------------------------------------------------------------------------- */

/* `payload` may be NULL, and may live shorter than the case. */
static void add_payload(test_case *test, const compat_payload *payload)
{
    case_result *result = test->result;
    compat_payload **payloads = compat_alloc(test->arena, result->n_payloads + 1, sizeof *payloads);
    ProtobufCBinaryData bytes = {.len = 0};

    if (payload != NULL)
        bytes = compat_bytes(test->arena, payload);
    if (result->n_payloads > 0)
        memcpy(payloads, result->payloads, result->n_payloads * sizeof *payloads);
    payloads[result->n_payloads++] = compat_unpack(
        test->arena, &connectrpc__conformance__v1__conformance_payload__descriptor, bytes);
    result->payloads = payloads;
}

static void set_error(test_case *test, mesh_code code, const mesh_error *err)
{
    compat_error *error;
    mesh_error_any detail;

    if (code == MESH_OK)
        return;
    error = compat_new(test->arena, &connectrpc__conformance__v1__error__descriptor);
    error->code = (Connectrpc__Conformance__V1__Code)code;
    connectrpc__conformance__v1__error__set_message(error,
                                                    mesh_arena_strdup(test->arena, err->message));
    while (mesh_error_detail_at(err, error->n_details, &detail))
        error->n_details++;
    error->details = compat_alloc(test->arena, error->n_details, sizeof *error->details);
    for (size_t i = 0; mesh_error_detail_at(err, i, &detail); i++) {
        compat_any *any = compat_new(test->arena, &google__protobuf__any__descriptor);

        any->type_url = mesh_arena_printf(test->arena, "type.googleapis.com/%.*s",
                                          (int)detail.type_size, detail.type);
        any->value.len = detail.size;
        any->value.data = mesh_arena_memdup(test->arena, detail.data, detail.size);
        error->details[i] = any;
    }
    test->result->error = error;
}

static void set_metadata(test_case *test, const mesh_metadata *headers, size_t header_count,
                         const mesh_metadata *trailers, size_t trailer_count)
{
    case_result *result = test->result;

    result->n_response_headers = compat_headers(test->arena, headers, header_count,
                                                &result->response_headers);
    result->n_response_trailers = compat_headers(test->arena, trailers, trailer_count,
                                                 &result->response_trailers);
}

static void set_stream_metadata(test_case *test, mesh_stream *stream)
{
    const mesh_metadata *headers;
    const mesh_metadata *trailers;
    size_t header_count;
    size_t trailer_count;

    trailers = mesh_stream_trailers(stream, &trailer_count);
    headers = mesh_stream_headers(stream, &header_count);
    set_metadata(test, headers, header_count, trailers, trailer_count);
}

/* --- giving up -------------------------------------------------------------------------------- */

/* When the runner wants the call to be cancelled; the defaults are never. */
typedef struct cancel_plan {
    bool before_close_send;
    bool after_close_send;
    uint32_t after_ms;
    uint32_t after_responses;
} cancel_plan;

#define TIMING(name) \
    CONNECTRPC__CONFORMANCE__V1__CLIENT_COMPAT_REQUEST__CANCEL__CANCEL_TIMING_##name

static cancel_plan plan_of(const case_request *request)
{
    const Connectrpc__Conformance__V1__ClientCompatRequest__Cancel *cancel = request->cancel;
    cancel_plan plan = {.before_close_send = false};

    if (cancel == NULL)
        return plan;
    switch (cancel->cancel_timing_case) {
    case TIMING(BEFORE_CLOSE_SEND):
        plan.before_close_send = true;
        break;
    case TIMING(AFTER_NUM_RESPONSES):
        plan.after_responses = cancel->after_num_responses;
        break;
    case TIMING(AFTER_CLOSE_SEND_MS):
        plan.after_ms = cancel->after_close_send_ms;
        plan.after_close_send = true;
        break;
    default:
        plan.after_close_send = true;
        break;
    }
    return plan;
}

/* Ends the sending side, and the call where that is wanted. */
static void close_send(mesh_stream *stream, const cancel_plan *plan)
{
    if (plan->before_close_send) {
        mesh_stream_cancel(stream);
        return;
    }
    (void)mesh_stream_close_send(stream);
    if (plan->after_close_send) {
        compat_sleep(plan->after_ms);
        mesh_stream_cancel(stream);
    }
}

/* --- unary ------------------------------------------------------------------------------------ */

static void unary_done(void *context, mesh_code code,
                       const Connectrpc__Conformance__V1__UnaryResponse *response,
                       const mesh_error *err)
{
    test_case *test = context;

    if (code == MESH_OK)
        add_payload(test, response->payload);
    set_error(test, code, err);
}

static void call_unary_to_cancel(test_case *test,
                                 const Connectrpc__Conformance__V1__UnaryRequest *message,
                                 const cancel_plan *plan)
{
    mesh_cancel *cancel = mesh_cancel_create();
    mesh_code code;

    if (cancel == NULL)
        compat_die("out of memory");
    test->options.cancel = cancel;
    code = connectrpc__conformance__v1__conformance_service__unary__async(
        test->channel, message, &test->options, unary_done, test);
    if (code != MESH_OK)
        compat_die("a call cannot be started: %s", mesh_code_name(code));
    compat_sleep(plan->after_ms);
    mesh_cancel_destroy(cancel);
}

static void call_unary(test_case *test)
{
    const cancel_plan plan = plan_of(test->request);
    const Connectrpc__Conformance__V1__UnaryRequest *message = request_message(
        test, 0, &connectrpc__conformance__v1__unary_request__descriptor);
    Connectrpc__Conformance__V1__UnaryResponse *response;
    mesh_error err;
    mesh_code code;

    if (test->request->cancel != NULL) {
        call_unary_to_cancel(test, message, &plan);
        return;
    }
    code = connectrpc__conformance__v1__conformance_service__unary(test->channel, message,
                                                                   &response, &test->options, &err);
    if (code == MESH_OK)
        add_payload(test, response->payload);
    set_error(test, code, &err);
}

static void call_unimplemented(test_case *test)
{
    Connectrpc__Conformance__V1__UnimplementedResponse *response;
    mesh_error err;

    set_error(test,
              connectrpc__conformance__v1__conformance_service__unimplemented(
                  test->channel,
                  request_message(test, 0,
                                  &connectrpc__conformance__v1__unimplemented_request__descriptor),
                  &response, &test->options, &err),
              &err);
}

static void call_with_metadata(test_case *test, void (*call)(test_case *test))
{
    mesh_metadata headers[METADATA_MAX];
    mesh_metadata trailers[METADATA_MAX];
    size_t header_count = 0;
    size_t trailer_count = 0;

    test->options.headers = headers;
    test->options.headers_capacity = METADATA_MAX;
    test->options.header_count = &header_count;
    test->options.trailers = trailers;
    test->options.trailers_capacity = METADATA_MAX;
    test->options.trailer_count = &trailer_count;
    call(test);
    set_metadata(test, headers, header_count, trailers, trailer_count);
}

/* --- streams ---------------------------------------------------------------------------------- */

/* The codes of sends do not matter: the end of the call says why. */
static void finish(test_case *test, mesh_stream *stream)
{
    mesh_error err;

    set_stream_metadata(test, stream);
    set_error(test, mesh_stream_finish(stream, &err), &err);
}

static void call_server_stream(test_case *test)
{
    const cancel_plan plan = plan_of(test->request);
    const Connectrpc__Conformance__V1__ServerStreamResponse *response;
    mesh_stream *stream;
    mesh_error err;
    mesh_code code = connectrpc__conformance__v1__conformance_service__server_stream(
        test->channel,
        request_message(test, 0, &connectrpc__conformance__v1__server_stream_request__descriptor),
        &stream, &test->options, &err);

    if (code != MESH_OK) {
        set_error(test, code, &err);
        return;
    }
    if (plan.after_close_send) {
        compat_sleep(plan.after_ms);
        mesh_stream_cancel(stream);
    }
    while (connectrpc__conformance__v1__conformance_service__server_stream__next(
               stream, &response) == MESH_OK) {
        add_payload(test, response->payload);
        if (test->result->n_payloads == plan.after_responses)
            mesh_stream_cancel(stream);
    }
    finish(test, stream);
}

static void call_client_stream(test_case *test)
{
    const case_request *request = test->request;
    const cancel_plan plan = plan_of(request);
    Connectrpc__Conformance__V1__ClientStreamResponse *response;
    mesh_stream *stream;
    mesh_error err;
    mesh_code code = connectrpc__conformance__v1__conformance_service__client_stream(
        test->channel, &stream, &test->options, &err);
    size_t sent = 0;

    if (code != MESH_OK) {
        set_error(test, code, &err);
        return;
    }
    for (; code == MESH_OK && sent < request->n_request_messages; sent += code == MESH_OK) {
        compat_sleep(request->request_delay_ms);
        code = connectrpc__conformance__v1__conformance_service__client_stream__send(
            stream,
            request_message(test, sent,
                            &connectrpc__conformance__v1__client_stream_request__descriptor));
    }
    test->result->num_unsent_requests = (int32_t)(request->n_request_messages - sent);
    close_send(stream, &plan);
    set_stream_metadata(test, stream);
    code = connectrpc__conformance__v1__conformance_service__client_stream__finish(stream,
                                                                                   &response, &err);
    if (code == MESH_OK)
        add_payload(test, response->payload);
    set_error(test, code, &err);
}

/* Reads the next response; false at the end. */
static bool next_response(test_case *test, mesh_stream *stream, const cancel_plan *plan)
{
    const Connectrpc__Conformance__V1__BidiStreamResponse *response;

    if (connectrpc__conformance__v1__conformance_service__bidi_stream__next(stream, &response) !=
        MESH_OK)
        return false;
    add_payload(test, response->payload);
    if (test->result->n_payloads == plan->after_responses)
        mesh_stream_cancel(stream);
    return true;
}

static void call_bidi_stream(test_case *test)
{
    const case_request *request = test->request;
    const cancel_plan plan = plan_of(request);
    bool full_duplex =
        request->stream_type ==
        CONNECTRPC__CONFORMANCE__V1__STREAM_TYPE__STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM;
    mesh_stream *stream;
    mesh_error err;
    mesh_code code = connectrpc__conformance__v1__conformance_service__bidi_stream(
        test->channel, &stream, &test->options, &err);
    size_t sent = 0;

    if (code != MESH_OK) {
        set_error(test, code, &err);
        return;
    }
    while (code == MESH_OK && sent < request->n_request_messages) {
        compat_sleep(request->request_delay_ms);
        code = connectrpc__conformance__v1__conformance_service__bidi_stream__send(
            stream, request_message(test, sent,
                                    &connectrpc__conformance__v1__bidi_stream_request__descriptor));
        sent += code == MESH_OK;
        if (full_duplex && (code != MESH_OK || !next_response(test, stream, &plan)))
            break;
    }
    test->result->num_unsent_requests = (int32_t)(request->n_request_messages - sent);
    close_send(stream, &plan);
    while (next_response(test, stream, &plan))
        ;
    finish(test, stream);
}

/* --- a case ----------------------------------------------------------------------------------- */

static void make_call(test_case *test)
{
    static const struct {
        const char *name;
        bool one_request;
        void (*call)(test_case *test);
        bool unary;
    } methods[] = {
        {"Unary", true, call_unary, true},
        {"Unimplemented", true, call_unimplemented, true},
        {"ServerStream", true, call_server_stream, false},
        {"ClientStream", false, call_client_stream, false},
        {"BidiStream", false, call_bidi_stream, false},
    };
    const case_request *request = test->request;

    test->refusal = "there is no such method";
    if (strcmp(request->service,
               connectrpc__conformance__v1__conformance_service__descriptor.name) != 0)
        return;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(request->method, methods[i].name) != 0)
            continue;
        test->refusal = "the method takes one request";
        if (methods[i].one_request && request->n_request_messages != 1)
            return;
        test->refusal = NULL;
        if (methods[i].unary)
            call_with_metadata(test, methods[i].call);
        else
            methods[i].call(test);
    }
}

static void make_channel(test_case *test)
{
    const case_request *request = test->request;
    const Connectrpc__Conformance__V1__TLSCreds *credentials = request->client_tls_creds;
    const ProtobufCBinaryData none = {.len = 0};
    compat_pem server, certificate, key;
    mesh_tls_options tls = {.size = sizeof tls};
    mesh_channel_options options = {
        .size = sizeof options,
        .max_receive_bytes = request->message_receive_limit,
    };
    mesh_error err;

    compat_pem_open(&server, request->server_tls_cert);
    compat_pem_open(&certificate, credentials != NULL ? credentials->cert : none);
    compat_pem_open(&key, credentials != NULL ? credentials->key : none);
    if (server.path != NULL) {
        tls.ca_file = server.path;
        tls.certificate_file = certificate.path;
        tls.key_file = key.path;
        options.tls = &tls;
    }
    if (mesh_channel_create(
            mesh_arena_printf(test->arena, "%s:%u", request->host, (unsigned)request->port),
            &options, &test->channel, &err) != MESH_OK)
        compat_die("no channel: %s", err.message);
    compat_pem_close(&server);
    compat_pem_close(&certificate);
    compat_pem_close(&key);
}

static void set_options(test_case *test)
{
    const case_request *request = test->request;
    mesh_metadata *metadata;
    size_t count = 0;

    for (size_t i = 0; i < request->n_request_headers; i++)
        count += request->request_headers[i]->n_value;
    metadata = compat_alloc(test->arena, count, sizeof *metadata);
    test->options = (mesh_call_options){
        .size = sizeof test->options,
        .arena = test->arena,
        .timeout_ms = MESH_NO_TIMEOUT,
        .compress = request->compression ==
                    CONNECTRPC__CONFORMANCE__V1__COMPRESSION__COMPRESSION_GZIP,
        .metadata = metadata,
        .metadata_count = count,
    };
    count = 0;
    for (size_t i = 0; i < request->n_request_headers; i++)
        for (size_t j = 0; j < request->request_headers[i]->n_value; j++)
            metadata[count++] = (mesh_metadata){
                .key = compat_key(test->arena, request->request_headers[i]),
                .value = request->request_headers[i]->value[j],
                .size = strlen(request->request_headers[i]->value[j]),
            };
    if (connectrpc__conformance__v1__client_compat_request__has_timeout_ms(request))
        test->options.timeout_ms = mesh_timeout_left(request->timeout_ms);
}

static Connectrpc__Conformance__V1__ClientCompatResponse *run(mesh_arena *arena,
                                                              const case_request *request)
{
    Connectrpc__Conformance__V1__ClientCompatResponse *response = compat_new(
        arena, &connectrpc__conformance__v1__client_compat_response__descriptor);
    test_case test = {
        .arena = arena,
        .request = request,
        .result = compat_new(arena,
                             &connectrpc__conformance__v1__client_response_result__descriptor),
    };

    make_channel(&test);
    set_options(&test);
    make_call(&test);
    mesh_channel_destroy(test.channel);
    response->test_name = request->test_name;
    if (test.refusal != NULL) {
        response->result_case = CONNECTRPC__CONFORMANCE__V1__CLIENT_COMPAT_RESPONSE__RESULT_ERROR;
        response->error = compat_new(arena,
                                     &connectrpc__conformance__v1__client_error_result__descriptor);
        response->error->message = mesh_arena_strdup(arena, test.refusal);
    } else {
        response->result_case =
            CONNECTRPC__CONFORMANCE__V1__CLIENT_COMPAT_RESPONSE__RESULT_RESPONSE;
        response->response = test.result;
    }
    return response;
}

/* --- the program ------------------------------------------------------------------------------ */

static pthread_mutex_t input = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static void *run_cases(void *unused)
{
    (void)unused;
    for (;;) {
        mesh_arena *arena = mesh_arena_create(0, 0);
        const case_request *request;
        const Connectrpc__Conformance__V1__ClientCompatResponse *response;

        if (arena == NULL)
            compat_die("out of memory");
        pthread_mutex_lock(&input);
        request = compat_read(arena,
                              &connectrpc__conformance__v1__client_compat_request__descriptor);
        pthread_mutex_unlock(&input);
        if (request == NULL) {
            mesh_arena_destroy(arena);
            return NULL;
        }
        response = run(arena, request);
        pthread_mutex_lock(&output);
        compat_write(response);
        pthread_mutex_unlock(&output);
        mesh_arena_destroy(arena);
    }
}

int main(void)
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, run_cases, NULL) != 0)
            compat_die("a thread cannot be started");
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    return 0;
}
