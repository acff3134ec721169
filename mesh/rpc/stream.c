#include "mesh/rpc/stream.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "mesh/base/alloc.h"
#include "mesh/base/arena_budget.h"
#include "mesh/base/clock.h"
#include "mesh/rpc/codec.h"
#include "mesh/rpc/refuse.h"
#include "mesh/rpc/stream_impl.h"

enum {
    FIRST_MESSAGE_ARENA_BYTES = 1024,
    SPARE_BYTES = 512 /* that a stream keeps of the budget, for its next message */
};

void mesh_stream_init(mesh_stream *stream, const mesh_transport *transport, mesh_tcall *tcall,
                      const mesh_method *method, mesh_call *call)
{
    bool is_server = call != NULL;

    *stream = (mesh_stream){
        .transport = transport,
        .tcall = tcall,
        .call = call,
        .method = method,
        .incoming = is_server ? method->request : method->response,
        .outgoing = is_server ? method->response : method->request,
        .compress = true,
    };
    stream->last = &stream->first;
    pthread_mutex_init(&stream->mu, NULL);
    pthread_cond_init(&stream->changed, NULL);
}

/* What a message that waits counts against the budgets; an empty one takes memory, too. */
static size_t cost_of(size_t message_bytes)
{
    return message_bytes + MESH_WAITING_MESSAGE_BYTES;
}

/* Makes room for so much that waits. False: there is none. mu is held. */
static bool hold(mesh_stream *stream, size_t bytes)
{
    size_t needed = stream->waiting_bytes + bytes;

    if (stream->memory != NULL && needed > stream->held_bytes) {
        if (!mesh_budget_take(stream->memory, needed - stream->held_bytes))
            return false;
        stream->held_bytes = needed;
    }
    stream->waiting_bytes = needed;
    return true;
}

/* So much does not wait any more. mu is held. */
static void give_back(mesh_stream *stream, size_t bytes)
{
    size_t keep;

    stream->waiting_bytes -= bytes;
    keep = stream->waiting_bytes + SPARE_BYTES;
    if (stream->held_bytes <= keep)
        return;
    mesh_budget_give(stream->memory, stream->held_bytes - keep);
    stream->held_bytes = keep;
}

static void drop_queue(mesh_stream *stream)
{
    while (stream->first != NULL) {
        mesh_outgoing_message *message = stream->first;

        stream->first = message->next;
        stream->transport->discard(&message->buffer);
        mesh_free(message);
    }
    stream->last = &stream->first;
    give_back(stream, stream->waiting_bytes - stream->writing_bytes);
}

void mesh_stream_free(mesh_stream *stream)
{
    drop_queue(stream);
    mesh_budget_give(stream->memory, stream->held_bytes);
    if (stream->has_message)
        mesh_message_release(&stream->message);
    mesh_arena_destroy(stream->message_arena);
    pthread_cond_destroy(&stream->changed);
    pthread_mutex_destroy(&stream->mu);
}

mesh_call *mesh_stream_call(mesh_stream *stream)
{
    return stream->call;
}

void mesh_stream_set_data(mesh_stream *stream, void *data)
{
    atomic_store_explicit(&stream->data, data, memory_order_release);
}

void *mesh_stream_data(const mesh_stream *stream)
{
    return atomic_load_explicit(&stream->data, memory_order_acquire);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* No write is outstanding any more. mu is held. */
static void end_write(mesh_stream *stream)
{
    stream->writing = stream->full = false;
    give_back(stream, stream->writing_bytes);
    stream->writing_bytes = 0;
}

/* Hands a message to the transport. mu is held, no write is outstanding. */
static void write_now(mesh_stream *stream, const mesh_buffer *buffer, bool more)
{
    mesh_call *call = stream->call;
    bool with_headers = call != NULL && !call->headers_sent;
    mesh_write_result result;

    if (with_headers)
        call->headers_sent = true;
    stream->writing = true;
    stream->writing_bytes = cost_of(buffer->size);
    result = stream->tcall->ops->write(stream->tcall, with_headers ? &call->headers : NULL, buffer,
                                       call != NULL && call->compress, more);
    stream->full = result == MESH_WRITE_FULL;
    if (result == MESH_WRITE_DONE)
        end_write(stream);
}

/* Takes a message: to the transport, or into the queue. mu is held. */
static mesh_code take(mesh_stream *stream, mesh_buffer *buffer)
{
    mesh_outgoing_message *message;

    if (stream->writing) {
        message = mesh_malloc(sizeof *message);
        if (message == NULL) {
            stream->transport->discard(buffer);
            stream->want_writable = true; /* once the write that is outstanding was */
            return MESH_RESOURCE_EXHAUSTED;
        }
        *message = (mesh_outgoing_message){.buffer = *buffer};
        *stream->last = message;
        stream->last = &message->next;
    } else {
        write_now(stream, buffer, false);
    }
    stream->sent++;
    return MESH_OK;
}

/*
 * Encodes and takes a message. *refused: its connection may hold no more memory, or there is none
 * for an evented stream, without a write that is outstanding, after which it could be told that it
 * may try again. mu is held.
 */
static mesh_code encode(mesh_stream *stream, const ProtobufCMessage *message, bool *refused)
{
    size_t size = mesh_encoded_size(stream->outgoing, message);
    mesh_buffer buffer;
    mesh_code code;

    *refused = !hold(stream, cost_of(size));
    if (*refused)
        return MESH_CANCELLED;
    code = mesh_encode(stream->transport, stream->outgoing, message, size, &buffer, NULL);
    if (code == MESH_OK) {
        buffer.compress = stream->compress;
        code = take(stream, &buffer);
    } else {
        stream->want_writable = true;
        *refused = stream->events != NULL && !stream->writing;
    }
    if (*refused)
        code = MESH_CANCELLED;
    if (code != MESH_OK)
        give_back(stream, cost_of(size));
    return code;
}

/* Ends a server's stream whose message was refused. Those that wait are for nobody any more. */
static void end_refused(mesh_stream *stream)
{
    mesh_error err;

    mesh_error_clear(&err);
    pthread_mutex_lock(&stream->mu);
    drop_queue(stream);
    pthread_mutex_unlock(&stream->mu);
    mesh_stream_end(stream, mesh_refuse_memory(&err), &err);
}

static bool has_room(const mesh_stream *stream)
{
    return !stream->full && stream->waiting_bytes < stream->budget;
}

/*
 * Nobody takes what is sent. Who learnt of its call's end in another way, before the transport has
 * told all of it, sees no other. mu is held.
 */
static bool is_over(const mesh_stream *stream)
{
    return stream->over || stream->ending ||
           (stream->call != NULL && mesh_call_cancelled(stream->call));
}

/* Waits until something changes. False: `until_ns` came first. mu is held. */
static bool wait_until(mesh_stream *stream, int64_t until_ns)
{
    const struct timespec until = {.tv_sec = until_ns / 1000000000,
                                   .tv_nsec = until_ns % 1000000000};

    return pthread_cond_clockwait(&stream->changed, &stream->mu, CLOCK_MONOTONIC, &until) !=
           ETIMEDOUT;
}

/* The client took too little for too long. The close follows, as in on_written. mu is held. */
static void give_up(mesh_stream *stream)
{
    (void)mesh_call_cut(stream->call, MESH_CUT_CANCELLED);
    stream->over = true;
    stream->tcall->ops->cancel(stream->tcall);
}

/* Waits for room, with a limit on a server. mu is held. */
static void wait_for_room(mesh_stream *stream)
{
    int64_t timeout_ms = stream->send_timeout_ms;
    int64_t until_ns = timeout_ms > 0 ? mesh_clock_deadline_ns(timeout_ms) : MESH_NO_DEADLINE;

    while (!has_room(stream) && !is_over(stream))
        if (!wait_until(stream, until_ns) && !has_room(stream) && !stream->over)
            give_up(stream);
}

static mesh_code send_message(mesh_stream *stream, const ProtobufCMessage *message, bool wait)
{
    mesh_code code = MESH_OK;
    bool refused = false;

    pthread_mutex_lock(&stream->mu);
    if (wait && !has_room(stream))
        wait_for_room(stream);
    if (is_over(stream)) {
        code = MESH_CANCELLED;
    } else if (!has_room(stream)) {
        stream->want_writable = true;
        code = MESH_RESOURCE_EXHAUSTED;
    }
    if (code == MESH_OK)
        code = encode(stream, message, &refused);
    pthread_mutex_unlock(&stream->mu);
    if (refused)
        end_refused(stream);
    return code;
}

void mesh_stream_compress(mesh_stream *stream, bool compress)
{
    pthread_mutex_lock(&stream->mu);
    stream->compress = compress;
    pthread_mutex_unlock(&stream->mu);
}

mesh_code mesh_stream_send(mesh_stream *stream, const ProtobufCMessage *message)
{
    return send_message(stream, message, true);
}

mesh_code mesh_stream_try_send(mesh_stream *stream, const ProtobufCMessage *message)
{
    return send_message(stream, message, false);
}

mesh_code mesh_stream_send_bytes(mesh_stream *stream, const void *data, size_t size)
{
    mesh_raw_message raw = {.data = data, .size = size};

    assert(stream->outgoing == NULL);
    return mesh_stream_send(stream, &raw.base);
}

/*
 * What comes after a write, or at once when none is outstanding. mu is held. True: all was written,
 * and the caller ends the server's call when it has given mu back, since interceptors are told
 * then.
 */
static bool continue_sending(mesh_stream *stream)
{
    while (!stream->writing && stream->first != NULL) {
        mesh_outgoing_message *message = stream->first;

        stream->first = message->next;
        if (stream->first == NULL)
            stream->last = &stream->first;
        write_now(stream, &message->buffer, stream->first != NULL);
        mesh_free(message);
    }
    if (stream->writing || !stream->ending || stream->finished || stream->on_worker)
        return false;
    stream->finished = true;
    if (stream->call == NULL && !stream->over) {
        stream->writing = true;
        stream->tcall->ops->half_close(stream->tcall);
    }
    return stream->call != NULL;
}

/*
 * The end of a server's stream. Nothing else is sent or read after `finished`, so mu is not needed.
 */
static void finish_server(mesh_stream *stream)
{
    mesh_call_answer(stream->call, stream->end_code, &stream->end_error, NULL);
}

void mesh_stream_written(mesh_stream *stream, bool ok)
{
    bool tell = false;
    bool finish;

    pthread_mutex_lock(&stream->mu);
    end_write(stream);
    if (!ok) {
        stream->over = true;
        drop_queue(stream);
    }
    finish = continue_sending(stream);
    if (stream->want_writable && !stream->over && !stream->ending &&
        stream->waiting_bytes <= stream->budget / 2) {
        stream->want_writable = false;
        tell = stream->events != NULL && !stream->on_worker;
        stream->writable_late = stream->on_worker;
    }
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->mu);
    if (finish)
        finish_server(stream);
    if (tell)
        mesh_stream_writable(stream);
}

void mesh_stream_leave_worker(mesh_stream *stream)
{
    bool finish, writable;

    do {
        pthread_mutex_lock(&stream->mu);
        writable = stream->writable_late && !stream->over && !stream->ending;
        stream->writable_late = false;
        stream->on_worker = writable;
        finish = continue_sending(stream);
        if (!writable)
            mesh_stream_read(stream);
        pthread_mutex_unlock(&stream->mu);
        if (writable)
            mesh_stream_writable(stream);
    } while (writable);
    if (finish)
        finish_server(stream);
}

void mesh_stream_over(mesh_stream *stream)
{
    bool finish = false;

    pthread_mutex_lock(&stream->mu);
    stream->over = true;
    drop_queue(stream);
    if (stream->events != NULL && !stream->ending) {
        stream->ending = true;
        mesh_error_clear(&stream->end_error);
        stream->end_code = mesh_call_cancel_code(stream->call, &stream->end_error);
    }
    if (stream->call != NULL)
        finish = continue_sending(stream);
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->mu);
    if (finish)
        finish_server(stream);
}

bool mesh_stream_abort(mesh_stream *stream, const mesh_final *final)
{
    bool aborted;

    pthread_mutex_lock(&stream->mu);
    aborted = !stream->finished && mesh_call_cut(stream->call, MESH_CUT_ABORTED);
    if (aborted) { /* in one step: nothing may be written behind the status */
        stream->over = true;
        if (stream->ending)
            stream->end_code = final->code; /* what it was to end with is not sent any more */
        drop_queue(stream);
        stream->tcall->ops->abort(stream->tcall, final);
    }
    pthread_mutex_unlock(&stream->mu);
    return aborted;
}

void mesh_stream_end(mesh_stream *stream, mesh_code code, const mesh_error *err)
{
    mesh_call *call = stream->call;
    bool finish = false;

    assert(call != NULL);
    mesh_call_ref(call); /* the stream may be done before the lock is given back */
    pthread_mutex_lock(&stream->mu);
    if (!stream->ending) {
        stream->ending = true;
        mesh_error_clear(&stream->end_error);
        stream->end_code = code;
        if (code == MESH_OK && (stream->over || mesh_call_cancelled(call)))
            stream->end_code = mesh_call_cancel_code(call, &stream->end_error);
        else if (code == MESH_OK && stream->method->kind == MESH_CLIENT_STREAMING &&
                 stream->sent == 0)
            stream->end_code = mesh_error_set(&stream->end_error, MESH_INTERNAL,
                                              "%s ended without its response",
                                              stream->method->path);
        else if (err != NULL && err->code == code)
            stream->end_error = *err;
        finish = continue_sending(stream);
        pthread_cond_broadcast(&stream->changed);
    }
    pthread_mutex_unlock(&stream->mu);
    if (finish)
        finish_server(stream);
    mesh_call_unref(call);
}

void mesh_stream_close(mesh_stream *stream)
{
    pthread_mutex_lock(&stream->mu);
    stream->ending = true;
    (void)continue_sending(stream);
    pthread_mutex_unlock(&stream->mu);
}

/* --- receiving -------------------------------------------------------------------------------- */

/* Nothing is read or handed up any more. mu is held. */
static bool is_aborted(const mesh_stream *stream)
{
    return stream->call != NULL && mesh_call_aborted(stream->call);
}

void mesh_stream_read(mesh_stream *stream)
{
    if (stream->reading || stream->receive_ended || stream->on_worker || is_aborted(stream) ||
        (stream->call != NULL && stream->finished))
        return;
    stream->reading = true;
    stream->tcall->ops->read(stream->tcall);
}

static bool make_message_arena(mesh_stream *stream)
{
    if (stream->message_arena != NULL)
        return true;
    stream->message_arena = mesh_arena_create(FIRST_MESSAGE_ARENA_BYTES, stream->arena_limit);
    if (stream->message_arena == NULL)
        return false;
    mesh_arena_set_budget(stream->message_arena, stream->memory);
    return true;
}

void mesh_stream_forget(mesh_stream *stream)
{
    if (stream->message_arena != NULL)
        mesh_arena_reset(stream->message_arena);
}

mesh_code mesh_stream_decode(mesh_stream *stream, mesh_message *message, ProtobufCMessage **out,
                             mesh_error *err)
{
    stream->was_compressed = message->compressed;
    if (!make_message_arena(stream)) {
        mesh_message_release(message);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    if (stream->call == NULL)
        return mesh_decode(stream->incoming, message, stream->message_arena, out, err);
    return mesh_call_decode(stream->call, stream->incoming, message, stream->message_arena, out,
                            err);
}

void mesh_stream_received(mesh_stream *stream, mesh_message *message)
{
    bool is_evented = stream->events != NULL;
    bool ending;

    if (message != NULL && stream->memory != NULL)
        (void)mesh_message_hold(message, stream->memory); /* mesh_decode tells */
    if (message != NULL && !is_evented)
        mesh_message_keep(message);
    pthread_mutex_lock(&stream->mu);
    ending = stream->ending;
    stream->reading = false;
    if (message == NULL) {
        stream->receive_ended = true;
    } else if (!is_evented) {
        stream->message = *message;
        stream->has_message = true;
    }
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->mu);
    if (is_evented)
        mesh_stream_deliver(stream, message, ending);
}

bool mesh_stream_take(mesh_stream *stream, mesh_message *message)
{
    bool taken;

    pthread_mutex_lock(&stream->mu);
    if (!stream->has_message)
        mesh_stream_read(stream);
    while (!stream->has_message && !stream->receive_ended && !is_aborted(stream))
        pthread_cond_wait(&stream->changed, &stream->mu);
    taken = stream->has_message && !is_aborted(stream);
    if (taken) {
        *message = stream->message;
        stream->has_message = false;
    }
    pthread_mutex_unlock(&stream->mu);
    return taken;
}

mesh_code mesh_stream_next(mesh_stream *stream, const ProtobufCMessage **message, mesh_error *err)
{
    ProtobufCMessage *decoded;
    mesh_message received;
    mesh_error own;
    mesh_code code;

    mesh_stream_forget(stream);
    if (!mesh_stream_take(stream, &received)) {
        if (stream->call != NULL && mesh_call_cancelled(stream->call))
            return mesh_call_cancel_code(stream->call, err);
        return MESH_EOF;
    }
    mesh_error_clear(&own);
    code = mesh_stream_decode(stream, &received, &decoded, &own);
    if (code != MESH_OK) {
        if (stream->call == NULL)
            code = mesh_stream_broken(stream, &own);
        if (err != NULL)
            *err = own;
        return code;
    }
    *message = decoded;
    /* fetch the next one while the caller works on this one */
    pthread_mutex_lock(&stream->mu);
    mesh_stream_read(stream);
    pthread_mutex_unlock(&stream->mu);
    return MESH_OK;
}

bool mesh_stream_was_compressed(const mesh_stream *stream)
{
    return stream->was_compressed;
}

mesh_code mesh_stream_next_bytes(mesh_stream *stream, const uint8_t **data, size_t *size,
                                 mesh_error *err)
{
    const ProtobufCMessage *message;
    const mesh_raw_message *raw;
    mesh_code code;

    assert(stream->incoming == NULL);
    code = mesh_stream_next(stream, &message, err);
    if (code != MESH_OK)
        return code;
    raw = (const mesh_raw_message *)(const void *)message;
    *data = raw->data;
    *size = raw->size;
    return MESH_OK;
}
