/*
 * The server that the conformance runner's reference client calls. One request on standard input
 * says how to serve; the answer on standard output says where. SIGTERM ends it.
 *
 * All methods run on the worker pool, since they sleep when they are told to.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectrpc/conformance/v1/server_compat.mesh.h"
#include "mesh/base/clock.h"
#include "mesh/rpc/server.h"
#include "tests/conformance/compat.h"

typedef Connectrpc__Conformance__V1__ConformancePayload__RequestInfo request_info;
typedef Connectrpc__Conformance__V1__UnaryResponseDefinition one_response;
typedef Connectrpc__Conformance__V1__StreamResponseDefinition many_responses;

enum {
    DRAIN_MS = 1000
};

/* The requests of a call so far, as they are told back. */
typedef struct requests {
    compat_any **items;
    size_t count;
    size_t capacity;
} requests;

static void add_request(mesh_call *call, requests *requests, const void *message)
{
    mesh_arena *arena = mesh_call_arena(call);

    if (requests->count == requests->capacity) {
        size_t capacity = requests->capacity * 2 + 1;
        compat_any **items = compat_alloc(arena, capacity, sizeof *items);

        for (size_t i = 0; i < requests->count; i++)
            items[i] = requests->items[i];
        requests->items = items;
        requests->capacity = capacity;
    }
    requests->items[requests->count++] = compat_pack(arena, message);
}

/* --- what is told of a call ------------------------------------------------------------------- */

static request_info *requests_info(mesh_call *call, const requests *requests)
{
    request_info *info = compat_new(
        mesh_call_arena(call),
        &connectrpc__conformance__v1__conformance_payload__request_info__descriptor);

    info->requests = requests->items;
    info->n_requests = requests->count;
    return info;
}

static request_info *whole_info(mesh_call *call, const requests *requests)
{
    request_info *info = requests_info(call, requests);
    int64_t deadline_ns = mesh_call_deadline_ns(call);
    const mesh_metadata *metadata;
    size_t count;

    metadata = mesh_call_metadata_all(call, &count);
    info->n_request_headers = compat_headers(mesh_call_arena(call), metadata, count,
                                             &info->request_headers);
    if (deadline_ns != MESH_NO_DEADLINE)
        connectrpc__conformance__v1__conformance_payload__request_info__set_timeout_ms(
            info, (deadline_ns - mesh_clock_monotonic_ns()) / 1000000);
    return info;
}

static compat_payload *payload_of(mesh_call *call, ProtobufCBinaryData data, request_info *info)
{
    compat_payload *payload = compat_new(
        mesh_call_arena(call), &connectrpc__conformance__v1__conformance_payload__descriptor);

    payload->data = data;
    payload->request_info = info;
    return payload;
}

static mesh_code add_metadata(mesh_call *call, compat_header *const *headers, size_t count,
                              mesh_code (*add)(mesh_call *, const char *, const void *, size_t,
                                               mesh_error *),
                              mesh_error *err)
{
    mesh_code code = MESH_OK;

    for (size_t i = 0; i < count && code == MESH_OK; i++)
        for (size_t j = 0; j < headers[i]->n_value && code == MESH_OK; j++)
            code = add(call, compat_key(mesh_call_arena(call), headers[i]), headers[i]->value[j],
                       strlen(headers[i]->value[j]), err);
    return code;
}

/* The error that was asked for; `info` (may be NULL) is its last detail. */
static mesh_code raise_error(mesh_call *call, const compat_error *error, const request_info *info,
                             mesh_error *err)
{
    mesh_code code = mesh_error_set(
        err, (mesh_code)error->code, "%s",
        connectrpc__conformance__v1__error__has_message(error) ? error->message : "");

    for (size_t i = 0; i < error->n_details; i++)
        mesh_error_detail(err, compat_type(error->details[i]), error->details[i]->value.data,
                          error->details[i]->value.len);
    if (info != NULL) {
        ProtobufCBinaryData bytes = compat_bytes(mesh_call_arena(call), info);

        mesh_error_detail(err, info->base.descriptor->name, bytes.data, bytes.len);
    }
    return code;
}

/* --- one response ----------------------------------------------------------------------------- */

static mesh_code respond(mesh_call *call, const one_response *wanted, const requests *requests,
                         compat_payload **payload, mesh_error *err)
{
    mesh_code code;

    if (wanted != NULL) {
        code = add_metadata(call, wanted->response_headers, wanted->n_response_headers,
                            mesh_call_add_header, err);
        if (code == MESH_OK)
            code = add_metadata(call, wanted->response_trailers, wanted->n_response_trailers,
                                mesh_call_add_trailer, err);
        if (code != MESH_OK)
            return code;
        compat_sleep(wanted->response_delay_ms);
    }
    if (wanted != NULL &&
        wanted->response_case ==
            CONNECTRPC__CONFORMANCE__V1__UNARY_RESPONSE_DEFINITION__RESPONSE_ERROR)
        return raise_error(call, wanted->error, whole_info(call, requests), err);
    *payload = payload_of(
        call,
        wanted != NULL &&
                wanted->response_case ==
                    CONNECTRPC__CONFORMANCE__V1__UNARY_RESPONSE_DEFINITION__RESPONSE_RESPONSE_DATA
            ? wanted->response_data
            : (ProtobufCBinaryData){.len = 0},
        whole_info(call, requests));
    return MESH_OK;
}

static mesh_code unary(void *self, mesh_call *call,
                       const Connectrpc__Conformance__V1__UnaryRequest *request,
                       Connectrpc__Conformance__V1__UnaryResponse *response, mesh_error *err)
{
    requests all = {.count = 0};

    (void)self;
    add_request(call, &all, request);
    return respond(call, request->response_definition, &all, &response->payload, err);
}

/* Messages of a stream live until the next one: what is needed longer is read from the copy. */
static void *kept(mesh_call *call, const requests *requests,
                  const ProtobufCMessageDescriptor *descriptor)
{
    return compat_unpack(mesh_call_arena(call), descriptor, requests->items[0]->value);
}

static mesh_code client_stream(void *self, mesh_call *call, mesh_stream *stream,
                               Connectrpc__Conformance__V1__ClientStreamResponse *response,
                               mesh_error *err)
{
    const Connectrpc__Conformance__V1__ClientStreamRequest *request;
    const one_response *wanted = NULL;
    requests all = {.count = 0};
    mesh_code code;

    (void)self;
    while ((code = connectrpc__conformance__v1__conformance_service__client_stream__receive(
                stream, &request, err)) == MESH_OK)
        add_request(call, &all, request);
    if (code != MESH_EOF)
        return code;
    if (all.count > 0) {
        request = kept(call, &all, &connectrpc__conformance__v1__client_stream_request__descriptor);
        wanted = request->response_definition;
    }
    return respond(call, wanted, &all, &response->payload, err);
}

/* --- many responses --------------------------------------------------------------------------- */

/* A stream of responses under way. */
typedef struct responses {
    mesh_call *call;
    const many_responses *wanted; /* NULL: none */
    requests requests;            /* since the last response */
    size_t sent;
} responses;

static mesh_code begin_responses(responses *responses, mesh_error *err)
{
    const many_responses *wanted = responses->wanted;
    mesh_code code;

    if (wanted == NULL)
        return MESH_OK;
    code = add_metadata(responses->call, wanted->response_headers, wanted->n_response_headers,
                        mesh_call_add_header, err);
    if (code == MESH_OK)
        code = add_metadata(responses->call, wanted->response_trailers, wanted->n_response_trailers,
                            mesh_call_add_trailer, err);
    return code;
}

static bool has_more(const responses *responses)
{
    return responses->wanted != NULL && responses->sent < responses->wanted->n_response_data;
}

/* The next response, when its time has come. `each`: with the requests since the last one. */
static compat_payload *next_response(responses *responses, bool each)
{
    request_info *info = NULL;

    if (responses->sent == 0)
        info = whole_info(responses->call, &responses->requests);
    else if (each)
        info = requests_info(responses->call, &responses->requests);
    compat_sleep(responses->wanted->response_delay_ms);
    responses->requests.count = 0;
    return payload_of(responses->call, responses->wanted->response_data[responses->sent++], info);
}

static mesh_code end_responses(const responses *responses, mesh_error *err)
{
    if (responses->wanted == NULL || responses->wanted->error == NULL)
        return MESH_OK;
    return raise_error(
        responses->call, responses->wanted->error,
        responses->sent == 0 ? whole_info(responses->call, &responses->requests) : NULL, err);
}

static mesh_code server_stream(void *self, mesh_call *call,
                               const Connectrpc__Conformance__V1__ServerStreamRequest *request,
                               mesh_stream *stream, mesh_error *err)
{
    Connectrpc__Conformance__V1__ServerStreamResponse response =
        CONNECTRPC__CONFORMANCE__V1__SERVER_STREAM_RESPONSE__INIT;
    responses responses = {.call = call, .wanted = request->response_definition};
    mesh_code code;

    (void)self;
    add_request(call, &responses.requests, request);
    code = begin_responses(&responses, err);
    while (code == MESH_OK && has_more(&responses)) {
        response.payload = next_response(&responses, false);
        code = connectrpc__conformance__v1__conformance_service__server_stream__reply(stream,
                                                                                      &response);
    }
    return code == MESH_OK ? end_responses(&responses, err) : code;
}

static mesh_code bidi_stream(void *self, mesh_call *call, mesh_stream *stream, mesh_error *err)
{
    Connectrpc__Conformance__V1__BidiStreamResponse response =
        CONNECTRPC__CONFORMANCE__V1__BIDI_STREAM_RESPONSE__INIT;
    const Connectrpc__Conformance__V1__BidiStreamRequest *request;
    responses responses = {.call = call};
    bool full_duplex = false;
    bool begun = false;
    mesh_code code;

    (void)self;
    while ((code = connectrpc__conformance__v1__conformance_service__bidi_stream__receive(
                stream, &request, err)) == MESH_OK) {
        add_request(call, &responses.requests, request);
        if (!begun) {
            begun = true;
            request = kept(call, &responses.requests,
                           &connectrpc__conformance__v1__bidi_stream_request__descriptor);
            full_duplex = request->full_duplex;
            responses.wanted = request->response_definition;
            code = begin_responses(&responses, err);
        }
        if (full_duplex && !has_more(&responses))
            break;
        if (code == MESH_OK && full_duplex) {
            response.payload = next_response(&responses, true);
            code = connectrpc__conformance__v1__conformance_service__bidi_stream__reply(stream,
                                                                                        &response);
        }
        if (code != MESH_OK)
            return code;
    }
    if (code == MESH_EOF)
        code = MESH_OK;
    while (code == MESH_OK && has_more(&responses)) {
        response.payload = next_response(&responses, false);
        code = connectrpc__conformance__v1__conformance_service__bidi_stream__reply(stream,
                                                                                    &response);
    }
    return code == MESH_OK ? end_responses(&responses, err) : code;
}

/* --- the program ------------------------------------------------------------------------------ */

static const connectrpc__conformance__v1__conformance_service__handlers handlers = {
    .unary = unary,
    .client_stream = client_stream,
    .server_stream = server_stream,
    .bidi_stream = bidi_stream,
};

static mesh_server *serve(const Connectrpc__Conformance__V1__ServerCompatRequest *request)
{
    compat_pem certificate, key, clients;
    mesh_tls_options tls = {.size = sizeof tls};
    mesh_server_options options = {
        .size = sizeof options,
        .listen = "127.0.0.1:0",
        .max_receive_bytes = request->message_receive_limit,
        .worker_count = 128, /* many calls at once over one connection, whose handlers wait */
    };
    ProtobufCBinaryData none = {.len = 0};
    mesh_server *server;
    mesh_error err;

    compat_pem_open(&certificate, request->use_tls ? request->server_creds->cert : none);
    compat_pem_open(&key, request->use_tls ? request->server_creds->key : none);
    compat_pem_open(&clients, request->client_tls_cert);
    if (request->use_tls) {
        tls.certificate_file = certificate.path;
        tls.key_file = key.path;
        tls.ca_file = clients.path;
        tls.require_client_certificate = clients.path != NULL;
        options.tls = &tls;
    }
    if (mesh_server_create(&options, &server, &err) != MESH_OK ||
        mesh_server_add(server,
                        connectrpc__conformance__v1__conformance_service__api(&handlers, NULL),
                        &err) != MESH_OK ||
        mesh_server_start(server, &err) != MESH_OK)
        compat_die("the server does not start: %s", err.message);
    compat_pem_close(&certificate);
    compat_pem_close(&key);
    compat_pem_close(&clients);
    return server;
}

int main(void)
{
    Connectrpc__Conformance__V1__ServerCompatResponse response =
        CONNECTRPC__CONFORMANCE__V1__SERVER_COMPAT_RESPONSE__INIT;
    const Connectrpc__Conformance__V1__ServerCompatRequest *request;
    mesh_arena *arena = mesh_arena_create(0, 0);
    mesh_server *server;
    sigset_t end;
    int signal_number;

    if (arena == NULL)
        compat_die("out of memory");
    (void)sigemptyset(&end);
    (void)sigaddset(&end, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &end, NULL); /* before there are other threads */
    request = compat_read(arena, &connectrpc__conformance__v1__server_compat_request__descriptor);
    if (request == NULL || (request->use_tls && request->server_creds == NULL))
        compat_die("nobody says how to serve");
    server = serve(request);
    response.host = mesh_arena_strdup(arena, "127.0.0.1");
    response.port = (uint32_t)mesh_server_port(server);
    if (request->use_tls)
        response.pem_cert = request->server_creds->cert;
    compat_write(&response);
    (void)sigwait(&end, &signal_number);
    (void)mesh_server_drain(server, DRAIN_MS);
    mesh_server_destroy(server);
    mesh_arena_destroy(arena);
    return 0;
}
