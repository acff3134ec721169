/*
 * A server of typed messages and generated stubs, in either style that users write: handlers that
 * may block, on the worker pool, or such that may not, on the transport's thread. The environment
 * variable MESH_SERVER chooses the transport: h2 or core.
 *
 *   typed_echo [-m] [-g] [-l LOOPS] worker|inline PORT [CERTIFICATE KEY]
 *
 * -m   with metrics of calls
 * -g   guarded: each method wants a permission; prints "token TEXT" of one who has it
 * -l   threads of the transport (1)
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/v1/echo.mesh.h"
#include "guarded.h"
#include "mesh/obs/rpc.h"
#include "mesh/rpc/server.h"

enum {
    WORKER_QUEUE = 1024, /* room for all calls that a round has in flight */
    /* a chat answers at once and cannot ask its client to slow down: room for a whole one */
    STREAM_BUDGET_BYTES = 1 << 20,
    CONNECTIONS = 10500 /* all from one address, those that stay idle and others */
};

static mesh_code ping(void *self, mesh_call *context, const Bench__V1__Empty *request,
                      Bench__V1__Empty *response, mesh_error *err)
{
    (void)self;
    (void)context;
    (void)err;
    *response = *request;
    return MESH_OK;
}

static mesh_code call(void *self, mesh_call *context, const Bench__V1__Order *request,
                      Bench__V1__Order *response, mesh_error *err)
{
    (void)self;
    (void)context;
    (void)err;
    *response = *request;
    return MESH_OK;
}

static mesh_code copy(void *self, mesh_call *context, const Bench__V1__Payload *request,
                      Bench__V1__Payload *response, mesh_error *err)
{
    (void)self;
    (void)context;
    (void)err;
    *response = *request;
    return MESH_OK;
}

/* The payload that a download repeats. False: no memory. */
static bool make_payload(mesh_arena *arena, const Bench__V1__Amount *amount,
                         Bench__V1__Payload *payload)
{
    bench__v1__payload__init(payload);
    payload->body.len = amount->messages == 0 ? 0 : amount->bytes / amount->messages;
    payload->body.data = mesh_arena_calloc(arena, 1, payload->body.len + 1);
    return payload->body.data != NULL;
}

static void add(Bench__V1__Amount *amount, const Bench__V1__Payload *payload)
{
    amount->messages++;
    amount->bytes += (uint32_t)payload->body.len;
}

/* --- streams on the worker pool --------------------------------------------------------------- */

static mesh_code chat(void *self, mesh_call *context, mesh_stream *stream, mesh_error *err)
{
    const Bench__V1__Payload *payload;
    mesh_code code;

    (void)self;
    (void)context;
    while ((code = bench__v1__echo__chat__receive(stream, &payload, err)) == MESH_OK)
        if (bench__v1__echo__chat__reply(stream, payload) != MESH_OK)
            return mesh_error_set(err, MESH_ABORTED, "the answer could not be sent");
    return code == MESH_EOF ? MESH_OK : code;
}

static mesh_code upload(void *self, mesh_call *context, mesh_stream *stream,
                        Bench__V1__Amount *amount, mesh_error *err)
{
    const Bench__V1__Payload *payload;
    mesh_code code;

    (void)self;
    (void)context;
    while ((code = bench__v1__echo__upload__receive(stream, &payload, err)) == MESH_OK)
        add(amount, payload);
    return code == MESH_EOF ? MESH_OK : code;
}

static mesh_code download(void *self, mesh_call *context, const Bench__V1__Amount *amount,
                          mesh_stream *stream, mesh_error *err)
{
    Bench__V1__Payload payload;

    (void)self;
    if (!make_payload(mesh_call_arena(context), amount, &payload))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory");
    for (uint32_t i = 0; i < amount->messages; i++)
        if (bench__v1__echo__download__reply(stream, &payload) != MESH_OK)
            return mesh_error_set(err, MESH_ABORTED, "the answer could not be sent");
    return MESH_OK;
}

/* --- streams with events ---------------------------------------------------------------------- */

static mesh_code chat_message(void *self, mesh_stream *stream, const Bench__V1__Payload *payload,
                              mesh_error *err)
{
    (void)self;
    (void)err;
    return bench__v1__echo__chat__try_reply(stream, payload);
}

static void chat_end(void *self, mesh_stream *stream)
{
    (void)self;
    mesh_stream_end(stream, MESH_OK, NULL);
}

static mesh_code upload_open(void *self, mesh_stream *stream, mesh_error *err)
{
    mesh_arena *arena = mesh_call_arena(mesh_stream_call(stream));
    Bench__V1__Amount *amount = mesh_arena_alloc(arena, sizeof *amount);

    (void)self;
    if (amount == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory");
    bench__v1__amount__init(amount);
    mesh_stream_set_data(stream, amount);
    return MESH_OK;
}

static mesh_code upload_message(void *self, mesh_stream *stream, const Bench__V1__Payload *payload,
                                mesh_error *err)
{
    Bench__V1__Amount *amount = mesh_stream_data(stream);

    (void)self;
    (void)err;
    add(amount, payload);
    return MESH_OK;
}

static void upload_end(void *self, mesh_stream *stream)
{
    (void)self;
    (void)bench__v1__echo__upload__reply(stream, mesh_stream_data(stream));
    mesh_stream_end(stream, MESH_OK, NULL);
}

typedef struct download_state {
    uint32_t left;
    Bench__V1__Payload payload;
} download_state;

static void download_on(void *self, mesh_stream *stream)
{
    download_state *state = mesh_stream_data(stream);

    (void)self;
    for (; state->left > 0; state->left--)
        if (bench__v1__echo__download__try_reply(stream, &state->payload) != MESH_OK)
            return;
    mesh_stream_end(stream, MESH_OK, NULL);
}

static mesh_code download_open(void *self, mesh_stream *stream, const Bench__V1__Amount *amount,
                               mesh_error *err)
{
    mesh_arena *arena = mesh_call_arena(mesh_stream_call(stream));
    download_state *state = mesh_arena_alloc(arena, sizeof *state);

    if (state == NULL || !make_payload(arena, amount, &state->payload))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory");
    state->left = amount->messages;
    mesh_stream_set_data(stream, state);
    download_on(self, stream);
    return MESH_OK;
}

static const bench__v1__echo__chat__events chat_events = {
    .on_message = chat_message,
    .on_end = chat_end,
};

static const bench__v1__echo__upload__events upload_events = {
    .on_open = upload_open,
    .on_message = upload_message,
    .on_end = upload_end,
};

static const bench__v1__echo__download__events download_events = {
    .on_open = download_open,
    .on_writable = download_on,
};

static const bench__v1__echo__handlers inlined = {
    .ping__inline = ping,
    .call__inline = call,
    .copy__inline = copy,
    .chat__events = &chat_events,
    .upload__events = &upload_events,
    .download__events = &download_events,
};

static const bench__v1__echo__handlers on_workers = {
    .ping = ping,
    .call = call,
    .copy = copy,
    .chat = chat,
    .upload = upload,
    .download = download,
};

/* The metrics of calls as a service of the mesh has them. */
static mesh_interceptor observe(void)
{
    mesh_metrics *metrics = mesh_metrics_create();
    mesh_rpc_metrics *calls;
    mesh_error err = {.message = "out of memory"};

    if (metrics == NULL || mesh_rpc_metrics_create(metrics, &calls, &err) != MESH_OK) {
        fprintf(stderr, "typed_echo: %s\n", err.message);
        exit(1);
    }
    return mesh_rpc_metrics_server(calls);
}

static _Noreturn void serve(const mesh_server_options *options, mesh_api api)
{
    mesh_server *server;
    mesh_error err;

    if (mesh_server_create(options, &server, &err) != MESH_OK ||
        mesh_server_add(server, api, &err) != MESH_OK ||
        mesh_server_start(server, &err) != MESH_OK) {
        fprintf(stderr, "typed_echo: %s\n", err.message);
        exit(1);
    }
    for (;;)
        (void)pause();
}

int main(int argc, char **argv)
{
    mesh_tls_options tls = {0};
    mesh_interceptor interceptors[2];
    mesh_server_options options = {
        .size = sizeof options,
        .interceptors = interceptors,
        .poller_count = 1,
        .worker_queue = WORKER_QUEUE,
        .stream_budget_bytes = STREAM_BUDGET_BYTES,
        .max_connections = CONNECTIONS,
        .max_address_connections = CONNECTIONS,
    };
    bool guarded = false;
    mesh_api api;
    char listen[32];
    int option;

    while ((option = getopt(argc, argv, "mgl:")) != -1) {
        if (option == 'm') {
            interceptors[options.interceptor_count++] = observe();
        } else if (option == 'g') {
            guarded = true;
        } else if (option == 'l') {
            options.poller_count = strtoul(optarg, NULL, 10);
        } else {
            argc = 0;
        }
    }
    argv += optind;
    if (argc - optind != 2 && argc - optind != 4) {
        fprintf(stderr,
                "usage: typed_echo [-m] [-g] [-l LOOPS] worker|inline PORT [CERTIFICATE KEY]\n");
        return 2;
    }
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%s", argv[1]);
    options.listen = listen;
    if (argc - optind == 4) {
        tls.certificate_file = argv[2];
        tls.key_file = argv[3];
        options.tls = &tls;
    }
    api = bench__v1__echo__api(strcmp(argv[0], "worker") == 0 ? &on_workers : &inlined, NULL);
    if (guarded)
        interceptors[options.interceptor_count++] = bench_guard(&api);
    serve(&options, api);
}
