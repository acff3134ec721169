/* The handler of a call: inline, on a worker, or as an evented stream. */
#include <assert.h>

#include "mesh/rpc/admission.h"
#include "mesh/rpc/codec.h"
#include "mesh/rpc/reason.h"
#include "mesh/rpc/server_impl.h"
#include "mesh/rpc/stream_impl.h"

/* What the client sent was a message, or not. A server that had no room says when to try again. */
static mesh_code decoded(mesh_call *call, mesh_code code, const mesh_error *err)
{
    int64_t delay_ms;

    if (code == MESH_OK)
        atomic_store_explicit(&call->understood, true, memory_order_relaxed);
    else if (!mesh_error_retry_delay(err, &delay_ms))
        atomic_store_explicit(&call->malformed, true, memory_order_relaxed);
    return code;
}

mesh_code mesh_call_decode(mesh_call *call, const ProtobufCMessageDescriptor *descriptor,
                           mesh_message *message, mesh_arena *arena, ProtobufCMessage **out,
                           mesh_error *err)
{
    bool blocks = call->stream != NULL && call->stream->events == NULL;
    bool waits = blocks && mesh_message_is_heavy(message);
    mesh_code code;

    if (waits)
        mesh_pool_enter(call->server->pool, MESH_JOB_DECODE);
    code = mesh_decode(descriptor, message, arena, out, err);
    if (waits)
        mesh_pool_leave(call->server->pool, MESH_JOB_DECODE);
    return decoded(call, code, err);
}

static mesh_code decode_request(mesh_call *call, mesh_error *err)
{
    /* https://grpc.github.io/grpc/core/md_doc_statuscodes.html, request cardinality */
    if (!call->has_message)
        return decoded(
            call, mesh_error_set(err, MESH_UNIMPLEMENTED, "the call brought no request message"),
            err);
    if (call->more_messages)
        return decoded(call,
                       mesh_error_set(err, MESH_UNIMPLEMENTED,
                                      "the call brought more than one request message"),
                       err);
    call->has_message = false;
    return mesh_call_decode(call, call->handler->method->request, &call->message, call->arena,
                            &call->request, err);
}

static mesh_code create_response(mesh_call *call, mesh_error *err)
{
    call->response = mesh_message_create(call->handler->method->response, call->arena);
    if (call->response == NULL)
        return mesh_error_reason(err, MESH_RESOURCE_EXHAUSTED, MESH_RPC_DOMAIN,
                                 MESH_RPC_CALL_MEMORY_EXCEEDED, "no memory for the response");
    return MESH_OK;
}

static void run_unary(mesh_call *call)
{
    const mesh_handler *handler = call->handler;
    const mesh_trace *before;
    mesh_error err;
    mesh_code code;

    mesh_error_clear(&err);
    code = decode_request(call, &err);
    if (!call->inlined)
        mesh_pool_relax(call->server->pool, &call->job);
    if (code == MESH_OK)
        code = create_response(call, &err);
    if (code == MESH_OK) {
        before = mesh_trace_set_current(&call->trace);
        code = handler->method->invoke(handler->api.handlers, handler->api.self, call,
                                       call->request, call->response, NULL, &err);
        (void)mesh_trace_set_current(before);
        if (call->deferred)
            return;
    }
    mesh_call_answer_unary(call, code, &err);
}

static void answer_cancelled(mesh_call *call)
{
    mesh_error err;

    mesh_error_clear(&err);
    (void)mesh_call_cancel_code(call, &err);
    mesh_call_answer_error(call, &err);
}

static void run_unary_job(void *argument)
{
    mesh_call *call = argument;

    if (mesh_call_cancelled(call))
        answer_cancelled(call);
    else
        run_unary(call);
}

void mesh_call_watch(mesh_call *call)
{
    if (!call->watched)
        call->tcall->ops->watch_close(call->tcall);
    call->watched = true;
}

void mesh_call_defer(mesh_call *call)
{
    assert(call->stream == NULL && !call->deferred);
    mesh_call_ref(call);
    if (call->inlined)
        mesh_call_watch(call);
    call->deferred = true;
}

void mesh_call_finish(mesh_call *call, mesh_code code, const mesh_error *err)
{
    assert(call->deferred && !atomic_load(&call->answered));
    mesh_call_answer_unary(call, code, err);
    mesh_call_unref(call);
}

/* A blocking handler of a stream, on a worker. */
static void run_stream_job(void *argument)
{
    mesh_call *call = argument;
    mesh_stream *stream = call->stream;
    const mesh_handler *handler = call->handler;
    mesh_method_kind kind = handler->method->kind;
    const mesh_trace *before;
    mesh_error err;
    mesh_code code = MESH_OK;

    mesh_error_clear(&err);
    if (mesh_call_cancelled(call))
        code = mesh_call_cancel_code(call, &err);
    if (code == MESH_OK && kind == MESH_SERVER_STREAMING)
        code = decode_request(call, &err);
    if (code == MESH_OK && kind == MESH_CLIENT_STREAMING)
        code = create_response(call, &err);
    if (code == MESH_OK) {
        before = mesh_trace_set_current(&call->trace);
        code = handler->method->invoke(handler->api.handlers, handler->api.self, call,
                                       call->request, call->response, stream, &err);
        (void)mesh_trace_set_current(before);
    }
    if (code == MESH_OK && kind == MESH_CLIENT_STREAMING &&
        mesh_stream_send(stream, call->response) == MESH_RESOURCE_EXHAUSTED)
        code = mesh_error_reason(&err, MESH_RESOURCE_EXHAUSTED, MESH_RPC_DOMAIN,
                                 MESH_RPC_CALL_MEMORY_EXCEEDED, "no memory for the response");
    mesh_stream_end(stream, code, &err);
}

/* The end of a call's job on a worker, which may be the end of the call. */
static void end_job(void *call)
{
    mesh_call_unref(call);
}

mesh_job_kind mesh_call_job_of(const mesh_message *message)
{
    return mesh_message_is_heavy(message) ? MESH_JOB_DECODE : MESH_JOB_PLAIN;
}

mesh_code mesh_call_submit(mesh_call *call, mesh_job_kind kind, void (*run)(void *call),
                           void (*end)(void *call), mesh_error *err)
{
    mesh_code code;

    mesh_call_ref(call);
    call->job = (mesh_job){.run = run, .end = end, .argument = call, .kind = kind};
    code = mesh_admission_submit(call, err);
    if (code != MESH_OK)
        mesh_call_unref(call);
    return code;
}

static void submit(mesh_call *call, mesh_job_kind kind, void (*run)(void *call))
{
    mesh_error err;

    mesh_error_clear(&err);
    if (mesh_call_submit(call, kind, run, end_job, &err) != MESH_OK)
        mesh_call_answer_error(call, &err);
}

static bool make_stream(mesh_call *call)
{
    mesh_stream *stream = mesh_arena_calloc(call->arena, 1, sizeof *stream);

    if (stream == NULL)
        return false;
    mesh_stream_init(stream, call->server->transport, call->tcall, call->handler->method, call);
    stream->budget = call->server->options.stream_budget_bytes;
    stream->send_timeout_ms = call->server->options.send_timeout_ms;
    stream->arena_limit = call->server->options.arena_limit_bytes;
    stream->memory = mesh_call_memory(call);
    if (call->handler->style == MESH_HANDLER_EVENTS)
        stream->events = call->handler->method->events;
    stream->receive_ended = call->handler->method->kind == MESH_SERVER_STREAMING;
    call->stream = stream;
    return true;
}

static void open_events(mesh_call *call, bool on_worker)
{
    mesh_error err;
    mesh_code code = MESH_OK;

    mesh_error_clear(&err);
    if (mesh_call_cancelled(call))
        code = mesh_call_cancel_code(call, &err);
    if (code == MESH_OK && call->handler->method->kind == MESH_SERVER_STREAMING)
        code = decode_request(call, &err);
    if (on_worker)
        mesh_pool_relax(call->server->pool, &call->job);
    if (code == MESH_OK)
        mesh_stream_opened(call->stream, call->request);
    else
        mesh_stream_end(call->stream, code, &err);
}

static void open_events_job(void *argument)
{
    open_events(argument, true);
}

/* To decode its request is no work for the transport's threads. */
static bool is_slow(const mesh_call *call)
{
    return call->has_message && mesh_message_is_slow(&call->message);
}

void mesh_call_run(mesh_call *call)
{
    bool is_stream = call->handler->method->kind != MESH_UNARY;

    call->runs = true;
    if (mesh_call_cancelled(call))
        answer_cancelled(call);
    else if (is_stream && !make_stream(call))
        mesh_call_answer(call, MESH_RESOURCE_EXHAUSTED, NULL, NULL);
    else if (call->handler->style == MESH_HANDLER_EVENTS && is_slow(call))
        (void)mesh_stream_submit(call->stream, &call->message, open_events_job);
    else if (call->handler->style == MESH_HANDLER_EVENTS)
        open_events(call, false);
    else if (is_stream)
        submit(call, MESH_JOB_STREAM, run_stream_job);
    else
        submit(call, mesh_call_job_of(&call->message), run_unary_job);
}

static void refuse_unimplemented(mesh_call *call)
{
    mesh_error err;

    mesh_error_clear(&err);
    (void)mesh_error_set(&err, MESH_UNIMPLEMENTED, "%s is not implemented",
                         call->handler->method->path);
    mesh_call_answer_error(call, &err);
}

/*
 * With one request it waits for the client's end, so that neither a second message nor a reset goes
 * unseen; an inline handler's does not: it costs little more than the core itself, and that would
 * be 5 % of it.
 */
void mesh_call_begin(mesh_call *call)
{
    if (call->handler->style == MESH_HANDLER_NONE) {
        refuse_unimplemented(call);
    } else if (call->handler->style == MESH_HANDLER_INLINE && !is_slow(call)) {
        call->inlined = call->runs = true;
        run_unary(call);
    } else {
        mesh_call_watch(call);
        if (call->has_message) {
            mesh_message_keep(&call->message);
            call->tcall->ops->read(call->tcall);
        } else {
            mesh_call_run(call);
        }
    }
}
