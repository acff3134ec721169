/* Streaming calls as a client makes them: opening, ending, and what came with the answer. */
#include <assert.h>
#include <stdlib.h>

#include "mesh/rpc/channel_impl.h"
#include "mesh/rpc/codec.h"
#include "mesh/rpc/stream_impl.h"

enum {
    ARENA_BYTES = 2048,
    BUDGET_BYTES = 64 << 10
};

/* mesh_stream is its first member, so that the pointers are the same. */
typedef struct client_stream {
    mesh_stream stream;
    mesh_outgoing outgoing;
    mesh_arena *arena;        /* of this struct and all metadata */
    mesh_arena *answer_arena; /* where the answer to a stream of requests goes; may be NULL */
    ProtobufCMessage *answer; /* once it was read */
    mesh_metadata_list headers;
    mesh_metadata_list trailers;
    bool has_headers; /* guarded by the stream's mu, as all below */
    bool has_status;
    mesh_error status;
    bool broken; /* an answer could not be read: `status` says why, whatever the server says */
} client_stream;

static client_stream *client_of(mesh_stream *stream)
{
    assert(stream->call == NULL);
    return (client_stream *)stream;
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_headers(mesh_tcall *tcall)
{
    client_stream *client = tcall->upper;

    pthread_mutex_lock(&client->stream.mu);
    (void)mesh_metadata_copy(tcall, false, client->arena, &client->headers);
    client->has_headers = true;
    pthread_cond_broadcast(&client->stream.changed);
    pthread_mutex_unlock(&client->stream.mu);
}

static void on_message(mesh_tcall *tcall, mesh_message *message)
{
    client_stream *client = tcall->upper;

    mesh_stream_received(&client->stream, message);
}

static void on_written(mesh_tcall *tcall, bool ok)
{
    client_stream *client = tcall->upper;

    mesh_stream_written(&client->stream, ok);
}

static void on_status(mesh_tcall *tcall, const mesh_status *status)
{
    client_stream *client = tcall->upper;

    mesh_stream_over(&client->stream);
    pthread_mutex_lock(&client->stream.mu);
    (void)mesh_metadata_copy(tcall, true, client->arena, &client->trailers);
    if (!client->broken && status->code != MESH_OK)
        (void)mesh_error_decode_status(&client->status, (int)status->code, status->text,
                                       status->text_size, status->details, status->details_size);
    client->has_status = client->has_headers = true;
    pthread_cond_broadcast(&client->stream.changed);
    pthread_mutex_unlock(&client->stream.mu);
}

mesh_code mesh_stream_broken(mesh_stream *stream, mesh_error *err)
{
    client_stream *client = client_of(stream);

    if (err->code == MESH_INVALID_ARGUMENT) {
        mesh_error_prefix(err, "%s answered a malformed message", stream->method->path);
        err->code = MESH_INTERNAL;
    }
    pthread_mutex_lock(&stream->mu);
    if (!client->broken)
        client->status = *err;
    client->broken = true;
    pthread_mutex_unlock(&stream->mu);
    mesh_stream_cancel(stream);
    return err->code;
}

/* --- what the caller does --------------------------------------------------------------------- */

mesh_code mesh_stream_open(mesh_channel *channel, const mesh_method *method,
                           const ProtobufCMessage *request, const mesh_call_options *caller_options,
                           mesh_stream **stream, mesh_error *err)
{
    static const mesh_client_events events = {
        .on_headers = on_headers,
        .on_message = on_message,
        .on_written = on_written,
        .on_status = on_status,
    };
    mesh_call_options options;
    mesh_code code = mesh_known_call_options(caller_options, &options, err);
    mesh_arena *arena;
    client_stream *client;

    assert(method->kind != MESH_UNARY);
    if (code != MESH_OK)
        return code;
    arena = mesh_arena_create(ARENA_BYTES, channel->options.arena_limit_bytes);
    client = arena != NULL ? mesh_arena_calloc(arena, 1, sizeof *client) : NULL;
    if (client == NULL) {
        mesh_arena_destroy(arena);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    client->arena = arena;
    client->answer_arena = options.arena != NULL    ? options.arena
                           : options.parent != NULL ? options.parent->arena
                                                    : NULL;
    mesh_stream_init(&client->stream, channel->transport, NULL, method, NULL);
    client->stream.budget = BUDGET_BYTES;
    client->stream.arena_limit = channel->options.arena_limit_bytes;
    client->stream.ending = client->stream.finished = request != NULL;
    code = mesh_outgoing_begin(&client->outgoing, channel, method, &options, arena, err);
    if (code != MESH_OK)
        goto fail;
    code = mesh_outgoing_start(&client->outgoing, request, &options, false, &events, client, err);
    if (code != MESH_OK) {
        mesh_outgoing_end(&client->outgoing, code);
        goto fail;
    }
    client->stream.tcall = client->outgoing.tcall;
    *stream = &client->stream;
    return MESH_OK;

fail:
    mesh_stream_free(&client->stream);
    mesh_arena_destroy(arena);
    return code;
}

mesh_code mesh_stream_close_send(mesh_stream *stream)
{
    (void)client_of(stream);
    mesh_stream_close(stream);
    return MESH_OK;
}

void mesh_stream_cancel(mesh_stream *stream)
{
    client_stream *client = client_of(stream);

    client->outgoing.tcall->ops->cancel(client->outgoing.tcall);
}

/* Waits for the status; messages on the way there are dropped. */
static void wait_for_status(client_stream *client)
{
    mesh_stream *stream = &client->stream;

    pthread_mutex_lock(&stream->mu);
    while (!client->has_status || stream->reading || stream->writing) {
        if (stream->has_message)
            mesh_message_release(&stream->message);
        stream->has_message = false;
        if (!client->has_status)
            mesh_stream_read(stream);
        pthread_cond_wait(&stream->changed, &stream->mu);
    }
    pthread_mutex_unlock(&stream->mu);
}

mesh_code mesh_stream_finish(mesh_stream *stream, mesh_error *err)
{
    client_stream *client = client_of(stream);
    mesh_arena *arena = client->arena;
    mesh_code code;

    (void)mesh_stream_close_send(stream);
    wait_for_status(client);
    code = client->status.code;
    if (code != MESH_OK && err != NULL)
        *err = client->status;
    mesh_outgoing_end(&client->outgoing, code);
    mesh_stream_free(stream);
    mesh_outgoing_release(&client->outgoing);
    mesh_arena_destroy(arena);
    return code;
}

/* Reads the one answer to a stream of requests. What is wrong with it becomes the call's status. */
static void read_answer(client_stream *client)
{
    mesh_stream *stream = &client->stream;
    const mesh_method *method = stream->method;
    mesh_message message;
    mesh_error err;
    mesh_code code;

    (void)mesh_stream_close_send(stream);
    if (client->answer != NULL || !mesh_stream_take(stream, &message))
        return;
    mesh_error_clear(&err);
    if (client->answer_arena != NULL) {
        code = mesh_decode(stream->incoming, &message, client->answer_arena, &client->answer, &err);
    } else {
        mesh_message_release(&message);
        code = mesh_error_set(&err, MESH_INVALID_ARGUMENT,
                              "%s: the options need an arena or a parent for the answer to live in",
                              method->path);
    }
    if (code == MESH_OK && mesh_stream_take(stream, &message)) {
        mesh_message_release(&message);
        code = mesh_error_set(&err, MESH_UNIMPLEMENTED, "%s answered with more than one message",
                              method->path);
    }
    if (code != MESH_OK)
        (void)mesh_stream_broken(stream, &err);
}

mesh_code mesh_stream_finish_response(mesh_stream *stream, ProtobufCMessage **response,
                                      mesh_error *err)
{
    client_stream *client = client_of(stream);
    const mesh_method *method = stream->method;
    ProtobufCMessage *answer;
    mesh_code code;

    read_answer(client);
    answer = client->answer;
    code = mesh_stream_finish(stream, err);
    if (code != MESH_OK)
        return code;
    /* https://grpc.github.io/grpc/core/md_doc_statuscodes.html, response cardinality */
    if (answer == NULL)
        return mesh_error_set(err, MESH_UNIMPLEMENTED, "%s answered OK without a message",
                              method->path);
    *response = answer;
    return MESH_OK;
}

static void wait_for_headers(client_stream *client)
{
    pthread_mutex_lock(&client->stream.mu);
    while (!client->has_headers)
        pthread_cond_wait(&client->stream.changed, &client->stream.mu);
    pthread_mutex_unlock(&client->stream.mu);
}

const mesh_metadata *mesh_stream_headers(mesh_stream *stream, size_t *count)
{
    client_stream *client = client_of(stream);

    wait_for_headers(client);
    *count = client->headers.count;
    return client->headers.entries;
}

const mesh_metadata *mesh_stream_header(mesh_stream *stream, const char *key, size_t index)
{
    client_stream *client = client_of(stream);

    wait_for_headers(client);
    return mesh_metadata_find(&client->headers, key, index);
}

const mesh_metadata *mesh_stream_trailers(mesh_stream *stream, size_t *count)
{
    client_stream *client = client_of(stream);

    if (stream->method->kind == MESH_CLIENT_STREAMING)
        read_answer(client);
    wait_for_status(client);
    *count = client->trailers.count;
    return client->trailers.entries;
}
