/*
 * A call's way through the server: opened by the transport, past the interceptors, to its handler
 * inline, on a worker or as an evented stream, and to the one place that answers.
 */
#include <assert.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/rpc/codec.h"
#include "mesh/rpc/reason.h"
#include "mesh/rpc/server_impl.h"
#include "mesh/rpc/stream_impl.h"

enum {
    FIRST_ARENA_BYTES = 4096,
    RETRY_AFTER_MS = 100 /* advice to a caller that found no free worker */
};

/* --- the life of a call ----------------------------------------------------------------------- */

void mesh_call_ref(mesh_call *call)
{
    atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
}

/* Makes the memory of a call ready for the next one. */
static void reset(mesh_call *call)
{
    mesh_arena *arena = call->arena;

    if (call->stream != NULL)
        mesh_stream_free(call->stream);
    if (call->has_message)
        mesh_message_release(&call->message);
    mesh_arena_reset(arena);
    call->stream = NULL;
    call->has_message = call->more_messages = false;
    call->request = call->response = NULL;
    call->received = call->headers = call->trailers = (mesh_metadata_list){.entries = NULL};
    call->received_copied = call->headers_sent = call->answered = false;
    call->compress = call->deferred = false;
    call->peer = (mesh_peer){.address = NULL};
    memset(call->slots, 0, sizeof call->slots);
    call->opened = 0;
    call->links.cancelled = false;
    call->on_cancel = NULL;
    call->cancel_told = call->cancel_over = false;
    atomic_store_explicit(&call->cancelled, false, memory_order_relaxed);
}

/* The last touch of a call, and one atomic step: who ends it may be any thread, and the server
 * freed next. */
static void count_out(mesh_server *server)
{
    atomic_fetch_sub(&server->active, 1);
}

void mesh_call_unref(mesh_call *call)
{
    mesh_server *server = call->server;

    if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) != 1)
        return;
    reset(call);
    call->tcall->ops->release(call->tcall);
    count_out(server);
}

static void on_free(void *upper)
{
    mesh_call *call = upper;

    mesh_arena_destroy(call->arena);
    if (call->links_made) {
        mesh_links_destroy(&call->links);
        pthread_cond_destroy(&call->cancel_ran);
        pthread_mutex_destroy(&call->cancel_mu);
    }
}

static bool prepare(mesh_call *call, mesh_server *server, mesh_tcall *tcall)
{
    call->tcall = tcall;
    call->server = server;
    atomic_store_explicit(&call->refs, 1, memory_order_relaxed);
    if (!call->links_made) {
        mesh_links_init(&call->links);
        pthread_mutex_init(&call->cancel_mu, NULL);
        pthread_cond_init(&call->cancel_ran, NULL);
        call->links_made = true;
    }
    if (call->arena == NULL)
        call->arena = mesh_arena_create(FIRST_ARENA_BYTES, server->options.arena_limit_bytes);
    return call->arena != NULL;
}

/* --- the answer ------------------------------------------------------------------------------- */

static void tell_interceptors(mesh_call *call, mesh_code code)
{
    const mesh_server *server = call->server;

    while (call->opened > 0) {
        const mesh_interceptor *interceptor = &server->interceptors[--call->opened];

        if (interceptor->on_close != NULL)
            interceptor->on_close(interceptor->self, call, code);
    }
}

/* No callback comes after this; one that runs on another thread has returned. */
static void forget_cancel(mesh_call *call)
{
    pthread_mutex_lock(&call->cancel_mu);
    call->cancel_told = call->cancel_over = true;
    call->on_cancel = NULL;
    while (call->cancel_runs && !pthread_equal(call->canceller, pthread_self()))
        pthread_cond_wait(&call->cancel_ran, &call->cancel_mu);
    pthread_mutex_unlock(&call->cancel_mu);
}

void mesh_call_answer(mesh_call *call, mesh_code code, const mesh_error *err,
                      const mesh_buffer *message)
{
    uint8_t details[MESH_ERROR_STATUS_BYTES];
    mesh_error own;
    mesh_final final = {.headers = &call->headers,
                        .trailers = &call->trailers,
                        .compress = call->compress,
                        .message = message};

    if (mesh_arena_overflowed(call->arena)) {
        mesh_error_clear(&own);
        code = mesh_error_reason(&own, MESH_RESOURCE_EXHAUSTED, MESH_RPC_DOMAIN,
                                 MESH_RPC_CALL_MEMORY_EXCEEDED,
                                 "the call needs more memory than the %zu bytes it may have",
                                 call->server->options.arena_limit_bytes);
        err = &own;
    } else if (code < MESH_OK || code > MESH_UNAUTHENTICATED) {
        code = MESH_UNKNOWN;
    }
    if (code != MESH_OK && final.message != NULL) {
        mesh_buffer unused = *final.message;

        call->server->transport->discard(&unused);
        final.message = NULL;
    }
    final.code = code;
    if (code != MESH_OK && err != NULL && err->code == code) {
        final.text = err->message;
        final.details_size = mesh_error_encode_status(err, details, sizeof details);
        final.details = details;
    }
    tell_interceptors(call, code);
    if (call->handler == NULL || call->handler->style != MESH_HANDLER_INLINE || call->deferred)
        forget_cancel(call);
    call->headers_sent = call->answered = true;
    call->tcall->ops->finish(call->tcall, &final);
}

/* Answers a unary call with what its handler returned. */
static void answer_unary(mesh_call *call, mesh_code code, const mesh_error *err)
{
    mesh_error own;
    mesh_buffer buffer;

    mesh_error_clear(&own);
    if (code == MESH_OK && !mesh_arena_overflowed(call->arena)) {
        code = mesh_encode(call->server->transport, call->handler->method->response, call->response,
                           &buffer, &own);
        buffer.compress = call->compress;
        mesh_call_answer(call, code, &own, code == MESH_OK ? &buffer : NULL);
    } else {
        mesh_call_answer(call, code, err, NULL);
    }
}

/* --- handlers --------------------------------------------------------------------------------- */

static mesh_code decode_request(mesh_call *call, mesh_error *err)
{
    /* https://grpc.github.io/grpc/core/md_doc_statuscodes.html, request cardinality */
    if (!call->has_message)
        return mesh_error_set(err, MESH_UNIMPLEMENTED, "the call brought no request message");
    if (call->more_messages)
        return mesh_error_set(err, MESH_UNIMPLEMENTED,
                              "the call brought more than one request message");
    call->has_message = false;
    return mesh_decode(call->handler->method->request, &call->message, call->arena, &call->request,
                       err);
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
    answer_unary(call, code, &err);
}

static void answer_cancelled(mesh_call *call)
{
    mesh_error err;
    mesh_code code;

    mesh_error_clear(&err);
    code = mesh_call_cancel_code(call, &err);
    mesh_call_answer(call, code, &err, NULL);
}

static void run_unary_job(void *argument)
{
    mesh_call *call = argument;

    if (mesh_call_cancelled(call))
        answer_cancelled(call);
    else
        run_unary(call);
    mesh_call_unref(call);
}

void mesh_call_defer(mesh_call *call)
{
    assert(call->stream == NULL && !call->deferred);
    mesh_call_ref(call);
    if (call->handler->style == MESH_HANDLER_INLINE)
        call->tcall->ops->watch_close(call->tcall);
    call->deferred = true;
}

void mesh_call_finish(mesh_call *call, mesh_code code, const mesh_error *err)
{
    assert(call->deferred && !call->answered);
    answer_unary(call, code, err);
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
    mesh_call_unref(call);
}

static void submit(mesh_call *call, void (*job)(void *))
{
    mesh_error err;

    mesh_call_ref(call);
    if (mesh_pool_submit(call->server->pool, job, call))
        return;
    mesh_error_clear(&err);
    (void)mesh_error_reason(&err, MESH_RESOURCE_EXHAUSTED, MESH_RPC_DOMAIN, MESH_RPC_QUEUE_FULL,
                            "the service is busy: all %zu workers and "
                            "%zu places in their queue are taken",
                            call->server->options.worker_count, call->server->options.worker_queue);
    mesh_error_retry_after(&err, RETRY_AFTER_MS);
    mesh_call_answer(call, err.code, &err, NULL);
    mesh_call_unref(call);
}

static bool make_stream(mesh_call *call)
{
    mesh_stream *stream = mesh_arena_calloc(call->arena, 1, sizeof *stream);

    if (stream == NULL)
        return false;
    mesh_stream_init(stream, call->server->transport, call->tcall, call->handler->method, call);
    stream->budget = call->server->options.stream_budget_bytes;
    stream->arena_limit = call->server->options.arena_limit_bytes;
    call->stream = stream;
    return true;
}

static void open_events(mesh_call *call)
{
    mesh_error err;
    mesh_code code = MESH_OK;

    mesh_error_clear(&err);
    if (call->handler->method->kind == MESH_SERVER_STREAMING)
        code = decode_request(call, &err);
    if (code != MESH_OK) {
        mesh_call_answer(call, code, &err, NULL);
        return;
    }
    call->stream->events = call->handler->method->events;
    mesh_stream_opened(call->stream, call->request);
}

/* Runs the handler of a call whose one request, if it has such, is all here. */
static void dispatch(mesh_call *call)
{
    bool is_stream = call->handler->method->kind != MESH_UNARY;

    if (mesh_call_cancelled(call))
        answer_cancelled(call);
    else if (is_stream && !make_stream(call))
        mesh_call_answer(call, MESH_RESOURCE_EXHAUSTED, NULL, NULL);
    else if (call->handler->style == MESH_HANDLER_EVENTS)
        open_events(call);
    else
        submit(call, is_stream ? run_stream_job : run_unary_job);
}

static void refuse_unimplemented(mesh_call *call)
{
    mesh_error err;

    mesh_error_clear(&err);
    (void)mesh_error_set(&err, MESH_UNIMPLEMENTED, "%s is not implemented",
                         call->handler->method->path);
    mesh_call_answer(call, err.code, &err, NULL);
}

/*
 * A call that passed the interceptors. With one request it waits for the client's end, so that
 * neither a second message nor a reset goes unseen; an inline handler's does not: it costs little
 * more than the core itself, and that would be 5 % of it.
 */
static void begin(mesh_call *call)
{
    if (call->handler->style == MESH_HANDLER_NONE) {
        refuse_unimplemented(call);
    } else if (call->handler->style == MESH_HANDLER_INLINE) {
        run_unary(call);
    } else {
        call->tcall->ops->watch_close(call->tcall);
        if (call->has_message)
            call->tcall->ops->read(call->tcall);
        else
            dispatch(call);
    }
}

/* --- opening a call --------------------------------------------------------------------------- */

/* The runtime's own first interceptor: the call's span. */
static void open_trace(mesh_call *call)
{
    static const char traceparent[] = "traceparent";
    mesh_metadata entry;
    size_t key_size;
    size_t at = 0;
    mesh_trace parent = {.flags = 0};

    while (call->tcall->ops->metadata(call->tcall, false, &at, &entry, &key_size))
        if (key_size == sizeof traceparent - 1 && memcmp(entry.key, traceparent, key_size) == 0 &&
            mesh_trace_parse(&parent, entry.value, entry.size))
            break;
    mesh_trace_child(&call->trace, &parent);
}

/* Opens the interceptors that come next: all, or only those that see refused calls, too. */
static mesh_code open_interceptors(mesh_call *call, bool observers, mesh_error *err)
{
    const mesh_server *server = call->server;
    mesh_code code = MESH_OK;

    while (code == MESH_OK && call->opened < server->options.interceptor_count &&
           (!observers || server->interceptors[call->opened].observes)) {
        const mesh_interceptor *interceptor = &server->interceptors[call->opened++];

        if (interceptor->on_open != NULL)
            code = interceptor->on_open(interceptor->self, call, err);
    }
    return code;
}

/* The runtime's own checks. */
static mesh_code check_limits(mesh_call *call, mesh_error *err)
{
    const mesh_server *server = call->server;

    if (call->deadline_ns != MESH_NO_DEADLINE && mesh_clock_monotonic_ns() >= call->deadline_ns)
        return mesh_error_set(err, MESH_DEADLINE_EXCEEDED, "the call's deadline passed");
    if (atomic_load_explicit(&server->active, memory_order_relaxed) > server->options.max_calls) {
        (void)mesh_error_reason(
            err, MESH_RESOURCE_EXHAUSTED, MESH_RPC_DOMAIN, MESH_RPC_TOO_MANY_CALLS,
            "the service is busy: %zu calls run already", server->options.max_calls);
        mesh_error_retry_after(err, RETRY_AFTER_MS);
        return MESH_RESOURCE_EXHAUSTED;
    }
    return MESH_OK;
}

static mesh_code intercept(mesh_call *call, bool too_much_metadata, mesh_error *err)
{
    mesh_code code;

    open_trace(call);
    code = open_interceptors(call, true, err);
    if (code == MESH_OK && too_much_metadata)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the request has too much metadata");
    if (code == MESH_OK)
        code = check_limits(call, err);
    if (code == MESH_OK)
        code = open_interceptors(call, false, err);
    return code;
}

/* A call that the transport had taken before the drain, and brought after it. */
static void refuse_late(mesh_call *call)
{
    mesh_error err;

    mesh_error_clear(&err);
    (void)mesh_error_set(&err, MESH_UNAVAILABLE, "the server shuts down");
    mesh_call_answer(call, err.code, &err, NULL);
}

static void refuse_unknown(mesh_call *call, const mesh_open *open)
{
    mesh_error err;

    mesh_error_clear(&err);
    (void)mesh_error_set(&err, MESH_UNIMPLEMENTED, "there is no method %.*s here",
                         (int)(open->path_size < 128 ? open->path_size : 128), open->path);
    mesh_call_answer(call, err.code, &err, NULL);
}

static void on_open(void *argument, mesh_tcall *tcall, mesh_open *open)
{
    mesh_server *server = argument;
    mesh_call *call = tcall->upper;
    mesh_error err;
    mesh_code code;

    atomic_fetch_add(&server->active, 1);
    call->handler = open->method;
    call->deadline_ns = open->deadline_ns;
    call->has_message = open->has_message;
    call->message = open->message; /* empty without one */
    if (!prepare(call, server, tcall)) {
        tcall->ops->finish(tcall, &(mesh_final){.code = MESH_RESOURCE_EXHAUSTED});
        return;
    }
    if (call->handler == NULL) {
        refuse_unknown(call, open);
        return;
    }
    /* active was raised before: a drain that is about to end sees either this call or none of it */
    if (atomic_load(&server->closed)) {
        refuse_late(call);
        return;
    }
    mesh_error_clear(&err);
    code = intercept(call, open->too_much_metadata, &err);
    if (code == MESH_OK)
        begin(call);
    else
        mesh_call_answer(call, code, &err, NULL);
}

static void on_message(mesh_tcall *tcall, mesh_message *message)
{
    mesh_call *call = tcall->upper;

    if (call->stream != NULL) {
        mesh_stream_received(call->stream, message);
        return;
    }
    /* what followed the one request */
    call->more_messages = message != NULL;
    if (message != NULL)
        mesh_message_release(message);
    dispatch(call);
}

static void on_written(mesh_tcall *tcall, bool ok)
{
    mesh_call *call = tcall->upper;

    /* The close follows; a handler that was told by its send must not see a call that goes on. */
    if (!ok)
        atomic_store_explicit(&call->cancelled, true, memory_order_release);
    mesh_stream_written(call->stream, ok);
}

static void tell_cancel(mesh_call *call)
{
    void (*fn)(void *) = NULL;
    void *context;

    pthread_mutex_lock(&call->cancel_mu);
    if (!call->cancel_told)
        fn = call->on_cancel;
    context = call->on_cancel_context;
    call->cancel_told = true;
    call->cancel_runs = fn != NULL;
    call->canceller = pthread_self();
    pthread_mutex_unlock(&call->cancel_mu);
    if (fn == NULL)
        return;
    mesh_call_run_cancel(call, fn, context);
}

static void on_close(mesh_tcall *tcall, bool cancelled)
{
    mesh_call *call = tcall->upper;

    if (!cancelled)
        return;
    atomic_store_explicit(&call->cancelled, true, memory_order_release);
    mesh_links_cancel(&call->links);
    tell_cancel(call);
    if (call->stream != NULL)
        mesh_stream_over(call->stream);
}

static bool on_done(mesh_tcall *tcall)
{
    mesh_call *call = tcall->upper;
    mesh_server *server = call->server;

    if (call->arena == NULL) { /* there was no memory to begin with */
        if (call->has_message)
            mesh_message_release(&call->message);
        count_out(server);
        return true;
    }
    if (call->stream != NULL && call->stream->events != NULL)
        mesh_stream_closed(call->stream);
    if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) != 1)
        return false;
    reset(call);
    count_out(server);
    return true;
}

const mesh_server_events mesh_server_dispatch = {
    .upper_bytes = sizeof(mesh_call),
    .on_open = on_open,
    .on_message = on_message,
    .on_written = on_written,
    .on_close = on_close,
    .on_done = on_done,
    .on_free = on_free,
};
