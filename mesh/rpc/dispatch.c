/*
 * A call's life on the server, and what the transport tells of it: opened, past admission.c to its
 * handler (handlers.c), to the one place that answers (answer.c), to its end.
 */
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/arena_budget.h"
#include "mesh/rpc/admission.h"
#include "mesh/rpc/codec.h"
#include "mesh/rpc/stream_impl.h"

enum {
    FIRST_ARENA_BYTES = 4096
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
    call->received_copied = call->headers_sent = call->untouched = false;
    atomic_store_explicit(&call->answered, false, memory_order_relaxed);
    atomic_store_explicit(&call->malformed, false, memory_order_relaxed);
    atomic_store_explicit(&call->understood, false, memory_order_relaxed);
    call->compress = call->inlined = call->deferred = call->watched = call->runs = false;
    call->suspended = call->resumed = false;
    mesh_free(call->abort_error);
    call->abort_error = NULL;
    atomic_store_explicit(&call->abort_stage, MESH_ABORT_NONE, memory_order_relaxed);
    call->peer = (mesh_peer){.address = NULL};
    memset(call->slots, 0, sizeof call->slots);
    call->opened = 0;
    call->links.cancelled = false;
    call->on_cancel = NULL;
    call->cancel_told = call->cancel_over = false;
    atomic_store_explicit(&call->cut, MESH_CUT_NOT, memory_order_relaxed);
}

void mesh_call_unref(mesh_call *call)
{
    mesh_server *server = call->server;
    mesh_admission admission = call->admission;

    if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) != 1)
        return;
    reset(call);
    call->tcall->ops->release(call->tcall);
    mesh_admission_leave(server, admission);
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

static bool prepare(mesh_call *call, mesh_server *server)
{
    atomic_store_explicit(&call->refs, 1, memory_order_relaxed);
    if (!call->links_made) {
        mesh_links_init(&call->links);
        pthread_mutex_init(&call->cancel_mu, NULL);
        pthread_cond_init(&call->cancel_ran, NULL);
        call->links_made = true;
    }
    if (call->arena == NULL)
        call->arena = mesh_arena_create(FIRST_ARENA_BYTES, server->options.arena_limit_bytes);
    if (call->arena == NULL)
        return false;
    mesh_arena_set_budget(call->arena, mesh_call_memory(call));
    return true;
}

/* A call that the transport had taken before the drain, and brought after it. */
static void refuse_late(mesh_call *call)
{
    mesh_error err;

    mesh_error_clear(&err);
    (void)mesh_error_set(&err, MESH_UNAVAILABLE, "the server shuts down");
    call->untouched = true;
    mesh_call_answer_error(call, &err);
}

static void refuse_unknown(mesh_call *call, const mesh_open *open)
{
    mesh_error err;

    mesh_error_clear(&err);
    (void)mesh_error_set(&err, MESH_UNIMPLEMENTED, "there is no method %.*s here",
                         (int)(open->path_size < 128 ? open->path_size : 128), open->path);
    atomic_store(&call->malformed, true);
    mesh_call_answer_error(call, &err);
}

static void wait_for_verdict(mesh_call *call)
{
    mesh_call_watch(call); /* who gives it up meanwhile wants no handler to run */
    if (call->has_message)
        mesh_message_keep(&call->message);
}

/* What the interceptors say of it, as far as they were asked. */
static void go_on(mesh_call *call, mesh_code code, const mesh_error *err)
{
    if (code != MESH_OK)
        mesh_call_answer(call, code, err, NULL);
    else if (!call->suspended)
        mesh_call_begin(call);
    else
        wait_for_verdict(call);
}

static void on_open(void *argument, mesh_tcall *tcall, mesh_open *open)
{
    mesh_server *server = argument;
    mesh_call *call = tcall->upper;
    mesh_error err;
    mesh_code code;

    call->tcall = tcall;
    call->server = server;
    mesh_admission_enter(call, open->connection);
    call->handler = open->method;
    call->deadline_ns = open->deadline_ns;
    call->has_message = open->has_message;
    call->message = open->message; /* empty without one */
    if (!prepare(call, server)) {
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
    code = mesh_admission_check(call, open->too_much_metadata, &err);
    go_on(call, code, &err);
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

/* A call that is cut: all who have to do with it learn of it. */
static void tell_cut(mesh_call *call)
{
    mesh_links_cancel(&call->links);
    tell_cancel(call);
    if (call->stream != NULL)
        mesh_stream_over(call->stream);
}

/*
 * A unary call whose handler runs is answered by that, on any thread; all others have no answer yet
 * that could meet this one.
 */
static bool cut_off(mesh_call *call, const mesh_final *final)
{
    if (call->stream != NULL)
        return mesh_stream_abort(call->stream, final);
    if (atomic_load(&call->answered) || !mesh_call_cut(call, MESH_CUT_ABORTED))
        return false;
    if (!call->runs)
        call->tcall->ops->abort(call->tcall, final);
    return true;
}

static void abort_now(mesh_call *call)
{
    uint8_t details[MESH_ERROR_STATUS_BYTES];
    const mesh_error *err = call->abort_error;
    mesh_final final = {.code = call->abort_code};

    if (err != NULL && err->code == final.code) {
        final.text = err->message;
        final.details_size = mesh_error_encode_status(err, details, sizeof details);
        final.details = details;
    }
    if (cut_off(call, &final))
        tell_cut(call);
}

/* What who resumed it said of it. False: nobody has. */
static bool take_verdict(mesh_call *call, mesh_code *code, mesh_error *err)
{
    mesh_error *refusal;
    bool resumed;

    pthread_mutex_lock(&call->cancel_mu);
    resumed = call->resumed;
    *code = call->verdict;
    refusal = call->verdict_error;
    call->resumed = false;
    call->verdict_error = NULL;
    pthread_mutex_unlock(&call->cancel_mu);
    mesh_error_clear(err);
    if (resumed && refusal != NULL)
        *err = *refusal;
    mesh_free(refusal);
    return resumed;
}

static void on_woken(mesh_tcall *tcall)
{
    mesh_call *call = tcall->upper;
    mesh_error err;
    mesh_code code;

    if (atomic_load_explicit(&call->abort_stage, memory_order_acquire) == MESH_ABORT_ASKED)
        abort_now(call);
    if (!call->suspended || !take_verdict(call, &code, &err))
        return;
    call->suspended = false;
    if (mesh_call_cancelled(call))
        code = mesh_call_cancel_code(call, &err);
    else if (code == MESH_OK)
        code = mesh_admission_go_on(call, &err);
    go_on(call, code, &err);
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
    mesh_call_run(call);
}

static void on_written(mesh_tcall *tcall, bool ok)
{
    mesh_call *call = tcall->upper;

    /* The close follows; a handler that was told by its send must not see a call that goes on. */
    if (!ok)
        (void)mesh_call_cut(call, MESH_CUT_CANCELLED);
    mesh_stream_written(call->stream, ok);
}

static void on_close(mesh_tcall *tcall, bool cancelled)
{
    mesh_call *call = tcall->upper;

    if (!cancelled)
        return;
    (void)mesh_call_cut(call, MESH_CUT_CANCELLED);
    tell_cut(call);
}

static bool on_done(mesh_tcall *tcall)
{
    mesh_call *call = tcall->upper;
    mesh_server *server = call->server;
    mesh_admission admission = call->admission;

    if (call->arena == NULL) { /* there was no memory to begin with */
        if (call->has_message)
            mesh_message_release(&call->message);
        mesh_admission_leave(server, admission);
        return true;
    }
    mesh_budget_give(mesh_call_memory(call), call->answer_held);
    call->answer_held = 0;
    if (call->stream != NULL && call->stream->events != NULL)
        mesh_stream_closed(call->stream);
    if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) != 1)
        return false;
    reset(call);
    mesh_admission_leave(server, admission);
    return true;
}

const mesh_server_events mesh_server_dispatch = {
    .upper_bytes = sizeof(mesh_call),
    .on_open = on_open,
    .on_message = on_message,
    .on_written = on_written,
    .on_woken = on_woken,
    .on_close = on_close,
    .on_done = on_done,
    .on_free = on_free,
};
