/*
 * Evented streams of a server: their callbacks, one at a time. They run on the transport's threads,
 * except those of a message that has to be inflated, which takes a worker: what the transport tells
 * meanwhile waits until that has given the stream back.
 */
#include "mesh/rpc/codec.h"
#include "mesh/rpc/server_impl.h"
#include "mesh/rpc/stream_impl.h"

/* --- on a worker ------------------------------------------------------------------------------ */

static void leave_worker(void *argument)
{
    mesh_call *call = argument;

    mesh_stream_leave_worker(call->stream);
    mesh_call_unref(call);
}

bool mesh_stream_submit(mesh_stream *stream, const mesh_message *message, void (*run)(void *call))
{
    mesh_error err;

    pthread_mutex_lock(&stream->mu);
    stream->on_worker = true;
    pthread_mutex_unlock(&stream->mu);
    mesh_error_clear(&err);
    if (mesh_call_submit(stream->call, mesh_call_job_of(message), run, leave_worker, &err) ==
        MESH_OK)
        return true;
    mesh_stream_end(stream, err.code, &err);
    mesh_stream_leave_worker(stream);
    return false;
}

/* --- callbacks -------------------------------------------------------------------------------- */

static void read_next(mesh_stream *stream)
{
    pthread_mutex_lock(&stream->mu);
    mesh_stream_read(stream);
    pthread_mutex_unlock(&stream->mu);
}

static void tell_end(mesh_stream *stream)
{
    const mesh_handler *handler = stream->call->handler;

    if (!mesh_call_cancelled(stream->call) && stream->events->on_end != NULL)
        stream->events->on_end(handler->api.handlers, handler->api.self, stream);
}

static void tell_message(mesh_stream *stream, mesh_message *message)
{
    const mesh_handler *handler = stream->call->handler;
    ProtobufCMessage *decoded;
    mesh_error err;
    mesh_code code;

    mesh_error_clear(&err);
    code = mesh_stream_decode(stream, message, &decoded, &err);
    if (message == &stream->message) /* on a worker */
        mesh_pool_relax(stream->call->server->pool, &stream->call->job);
    if (code == MESH_OK && stream->events->on_message != NULL)
        code = stream->events->on_message(handler->api.handlers, handler->api.self, stream, decoded,
                                          &err);
    mesh_stream_forget(stream);
    if (code != MESH_OK)
        mesh_stream_end(stream, code, &err);
}

/* With the call's trace as the thread's. */
static void tell(mesh_stream *stream, mesh_message *message)
{
    const mesh_trace *before = mesh_trace_set_current(&stream->call->trace);

    if (message != NULL)
        tell_message(stream, message);
    else
        tell_end(stream);
    (void)mesh_trace_set_current(before);
}

static void run_message(void *argument)
{
    mesh_call *call = argument;
    mesh_stream *stream = call->stream;
    bool ending;

    pthread_mutex_lock(&stream->mu);
    ending = stream->ending;
    pthread_mutex_unlock(&stream->mu);
    if (ending)
        mesh_message_release(&stream->message);
    else
        tell(stream, &stream->message);
}

void mesh_stream_deliver(mesh_stream *stream, mesh_message *message, bool ending)
{
    if (ending) {
        /* who sends on without reading what still waits to be sent would never see the end */
        if (message != NULL) {
            mesh_message_release(message);
            read_next(stream);
        }
    } else if (message != NULL && mesh_message_is_slow(message)) {
        mesh_message_keep(message);
        stream->message = *message;
        if (!mesh_stream_submit(stream, &stream->message, run_message))
            mesh_message_release(&stream->message);
    } else {
        tell(stream, message);
        if (message != NULL)
            read_next(stream);
    }
}

void mesh_stream_opened(mesh_stream *stream, const ProtobufCMessage *request)
{
    const mesh_handler *handler = stream->call->handler;
    const mesh_trace *before;
    mesh_error err;
    mesh_code code = MESH_OK;

    pthread_mutex_lock(&stream->mu);
    stream->opened = !stream->ending;
    pthread_mutex_unlock(&stream->mu);
    if (!stream->opened)
        return;
    mesh_error_clear(&err);
    before = mesh_trace_set_current(&stream->call->trace);
    if (stream->events->on_open != NULL)
        code = stream->events->on_open(handler->api.handlers, handler->api.self, stream, request,
                                       &err);
    (void)mesh_trace_set_current(before);
    if (code != MESH_OK)
        mesh_stream_end(stream, code, &err);
    else
        read_next(stream);
}

void mesh_stream_writable(mesh_stream *stream)
{
    const mesh_handler *handler = stream->call->handler;

    if (stream->events->on_writable != NULL)
        stream->events->on_writable(handler->api.handlers, handler->api.self, stream);
}

void mesh_stream_closed(mesh_stream *stream)
{
    const mesh_handler *handler = stream->call->handler;
    mesh_code code = stream->end_code;

    if (!stream->opened)
        return;
    if (mesh_call_cancelled(stream->call))
        code = mesh_call_cancel_code(stream->call, NULL);
    if (stream->events->on_close != NULL)
        stream->events->on_close(handler->api.handlers, handler->api.self, stream, code);
}
