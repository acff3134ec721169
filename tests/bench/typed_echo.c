/*
 * The server that users write: typed messages, generated stubs.
 *
 *   typed_echo PORT [CERTIFICATE KEY]
 */
#include <stdio.h>
#include <unistd.h>

#include "bench/v1/echo.mesh.h"
#include "mesh/rpc/server.h"

enum {
    /* a chat answers at once and cannot ask its client to slow down: room for a whole one */
    STREAM_BUDGET_BYTES = 1 << 20
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
    amount->messages++;
    amount->bytes += (uint32_t)payload->body.len;
    return MESH_OK;
}

static void upload_end(void *self, mesh_stream *stream)
{
    (void)self;
    (void)bench__v1__echo__upload__reply(stream, mesh_stream_data(stream));
    mesh_stream_end(stream, MESH_OK, NULL);
}

typedef struct download {
    uint32_t left;
    Bench__V1__Payload payload;
} download;

static void download_on(void *self, mesh_stream *stream)
{
    download *state = mesh_stream_data(stream);

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
    download *state = mesh_arena_alloc(arena, sizeof *state);

    if (state == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory");
    state->left = amount->messages;
    bench__v1__payload__init(&state->payload);
    state->payload.body.len = amount->messages == 0 ? 0 : amount->bytes / amount->messages;
    state->payload.body.data = mesh_arena_calloc(arena, 1, state->payload.body.len + 1);
    if (state->payload.body.data == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory");
    mesh_stream_set_data(stream, state);
    download_on(self, stream);
    return MESH_OK;
}

static const bench__v1__echo__chat__events chat = {
    .on_message = chat_message,
    .on_end = chat_end,
};

static const bench__v1__echo__upload__events upload = {
    .on_open = upload_open,
    .on_message = upload_message,
    .on_end = upload_end,
};

static const bench__v1__echo__download__events downloads = {
    .on_open = download_open,
    .on_writable = download_on,
};

static const bench__v1__echo__handlers echo = {
    .ping__inline = ping,
    .call__inline = call,
    .copy__inline = copy,
    .chat__events = &chat,
    .upload__events = &upload,
    .download__events = &downloads,
};

int main(int argc, char **argv)
{
    mesh_tls_options tls = {0};
    mesh_server_options options = {
        .poller_count = 1,
        .stream_budget_bytes = STREAM_BUDGET_BYTES,
    };
    char listen[32];
    mesh_server *server;
    mesh_error err;

    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: typed_echo PORT [CERTIFICATE KEY]\n");
        return 2;
    }
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%s", argv[1]);
    options.listen = listen;
    if (argc == 4) {
        tls.certificate_file = argv[2];
        tls.key_file = argv[3];
        options.tls = &tls;
    }
    if (mesh_server_create(&options, &server, &err) != MESH_OK ||
        mesh_server_add(server, bench__v1__echo__api(&echo, NULL), &err) != MESH_OK ||
        mesh_server_start(server, &err) != MESH_OK) {
        fprintf(stderr, "typed_echo: %s\n", err.message);
        return 1;
    }
    for (;;)
        (void)pause();
}
