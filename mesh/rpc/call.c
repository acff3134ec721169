#include <assert.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/rpc/call_impl.h"

mesh_arena *mesh_call_arena(mesh_call *call)
{
    return call->arena;
}

const mesh_method *mesh_call_method(const mesh_call *call)
{
    return call->handler->method;
}

int64_t mesh_call_deadline_ns(const mesh_call *call)
{
    return call->deadline_ns;
}

bool mesh_call_cancelled(const mesh_call *call)
{
    return atomic_load_explicit(&call->cut, memory_order_acquire) != MESH_CUT_NOT;
}

const mesh_trace *mesh_call_trace(const mesh_call *call)
{
    return &call->trace;
}

const mesh_peer *mesh_call_peer(mesh_call *call)
{
    if (call->peer.address == NULL)
        call->tcall->ops->peer(call->tcall, call->arena, &call->peer);
    return &call->peer;
}

const mesh_metadata *mesh_call_metadata_all(mesh_call *call, size_t *count)
{
    if (!call->received_copied) {
        call->received_copied = true;
        /* on overflow the list is cut, and the call is answered RESOURCE_EXHAUSTED anyway */
        (void)mesh_metadata_list_received(call->tcall, call->arena, &call->received);
    }
    *count = call->received.count;
    return call->received.entries;
}

const mesh_metadata *mesh_call_metadata(mesh_call *call, const char *key, size_t index)
{
    size_t count;

    (void)mesh_call_metadata_all(call, &count);
    return mesh_metadata_find(&call->received, key, index);
}

mesh_code mesh_call_add_header(mesh_call *call, const char *key, const void *value, size_t size,
                               mesh_error *err)
{
    if (call->headers_sent)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                              "metadata \"%s\": leading metadata was sent already", key);
    return mesh_metadata_add(&call->headers, &call->trailers, call->arena,
                             &(mesh_metadata){key, value, size}, err);
}

mesh_code mesh_call_add_trailer(mesh_call *call, const char *key, const void *value, size_t size,
                                mesh_error *err)
{
    if (atomic_load_explicit(&call->answered, memory_order_relaxed))
        return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                              "metadata \"%s\": trailing metadata was sent already", key);
    return mesh_metadata_add(&call->trailers, &call->headers, call->arena,
                             &(mesh_metadata){key, value, size}, err);
}

void mesh_call_compress(mesh_call *call)
{
    call->compress = true;
}

bool mesh_call_was_compressed(const mesh_call *call)
{
    return call->message.compressed;
}

mesh_code mesh_call_slot_create(int *slot, mesh_error *err)
{
    static atomic_int next;
    int made = atomic_load(&next);

    do {
        if (made == MESH_CALL_SLOTS)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED,
                                  "all %d slots for data of calls are taken", MESH_CALL_SLOTS);
    } while (!atomic_compare_exchange_weak(&next, &made, made + 1));
    *slot = made;
    return MESH_OK;
}

void mesh_call_slot_set(mesh_call *call, int slot, void *data)
{
    assert(slot >= 0 && slot < MESH_CALL_SLOTS);
    call->slots[slot] = data;
}

void *mesh_call_slot_get(const mesh_call *call, int slot)
{
    assert(slot >= 0 && slot < MESH_CALL_SLOTS);
    return call->slots[slot];
}

void mesh_call_suspend(mesh_call *call)
{
    assert(!call->suspended);
    call->suspended = true;
}

void mesh_call_unsuspend(mesh_call *call)
{
    assert(call->suspended);
    call->suspended = false;
}

/* NULL: there is none, or no memory for it. */
static mesh_error *copy_error(mesh_code code, const mesh_error *err)
{
    mesh_error *copy = code != MESH_OK && err != NULL ? mesh_malloc(sizeof *err) : NULL;

    if (copy != NULL)
        *copy = *err;
    return copy;
}

/*
 * An abort may wake it, too, and whoever sees then that it was resumed must not end it before it is
 * woken for that: so both are one step.
 */
void mesh_call_resume(mesh_call *call, mesh_code code, const mesh_error *err)
{
    mesh_error *copy = copy_error(code, err);

    mesh_call_ref(call); /* once it is awake it may end, and its server with it */
    pthread_mutex_lock(&call->cancel_mu);
    call->resumed = true;
    call->verdict = code;
    call->verdict_error = copy;
    call->tcall->ops->wake(call->tcall);
    pthread_mutex_unlock(&call->cancel_mu);
    mesh_call_unref(call);
}

void mesh_call_abort(mesh_call *call, mesh_code code, const mesh_error *err)
{
    mesh_abort_stage none = MESH_ABORT_NONE;

    assert(code != MESH_OK);
    if (!atomic_compare_exchange_strong(&call->abort_stage, &none, MESH_ABORT_BEGUN))
        return;
    call->abort_code = code;
    call->abort_error = copy_error(code, err);
    atomic_store_explicit(&call->abort_stage, MESH_ABORT_ASKED, memory_order_release);
    call->tcall->ops->wake(call->tcall);
}

bool mesh_call_cut(mesh_call *call, mesh_cut why)
{
    mesh_cut before = MESH_CUT_NOT;

    return atomic_compare_exchange_strong(&call->cut, &before, why);
}

bool mesh_call_aborted(const mesh_call *call)
{
    return atomic_load_explicit(&call->cut, memory_order_acquire) == MESH_CUT_ABORTED;
}

void mesh_call_on_cancel(mesh_call *call, void (*fn)(void *context), void *context)
{
    bool now;

    mesh_call_ref(call); /* `fn` may end the call */
    pthread_mutex_lock(&call->cancel_mu);
    now = call->cancel_told && !call->cancel_over;
    if (now) {
        call->cancel_runs = true;
        call->canceller = pthread_self();
    } else if (!call->cancel_over) {
        call->on_cancel = fn;
        call->on_cancel_context = context;
    }
    pthread_mutex_unlock(&call->cancel_mu);
    if (now)
        mesh_call_run_cancel(call, fn, context);
    mesh_call_unref(call);
}

void mesh_call_run_cancel(mesh_call *call, void (*fn)(void *context), void *context)
{
    fn(context);
    pthread_mutex_lock(&call->cancel_mu);
    call->cancel_runs = false;
    pthread_cond_broadcast(&call->cancel_ran);
    pthread_mutex_unlock(&call->cancel_mu);
}

void mesh_join(mesh_call *parent)
{
    mesh_links_wait(&parent->links);
}

mesh_code mesh_call_cancel_code(const mesh_call *call, mesh_error *err)
{
    if (mesh_call_aborted(call)) {
        if (err != NULL && call->abort_error != NULL)
            *err = *call->abort_error;
        else
            (void)mesh_error_set(err, call->abort_code, "the call was ended");
        return call->abort_code;
    }
    if (call->deadline_ns != MESH_NO_DEADLINE && mesh_clock_monotonic_ns() >= call->deadline_ns)
        return mesh_error_set(err, MESH_DEADLINE_EXCEEDED, "the call's deadline passed");
    return mesh_error_set(err, MESH_CANCELLED, "the call was cancelled");
}
