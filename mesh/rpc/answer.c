/* The one place that ends a call: what is sent, and who is told. */
#include "mesh/base/arena_budget.h"
#include "mesh/rpc/codec.h"
#include "mesh/rpc/reason.h"
#include "mesh/rpc/refuse.h"
#include "mesh/rpc/server_impl.h"

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
                        .message = message,
                        .untouched = call->untouched,
                        .malformed = atomic_load(&call->malformed),
                        .understood = atomic_load(&call->understood)};

    if (call->has_message) { /* nobody will read it */
        mesh_message_release(&call->message);
        call->has_message = false;
    }
    if (mesh_call_aborted(call)) {
        mesh_error_clear(&own);
        code = mesh_call_cancel_code(call, &own);
        err = &own;
    } else if (mesh_arena_overflowed(call->arena)) {
        mesh_error_clear(&own);
        code = mesh_arena_over_budget(call->arena)
                   ? mesh_refuse_memory(&own)
                   : mesh_error_reason(&own, MESH_RESOURCE_EXHAUSTED, MESH_RPC_DOMAIN,
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
    if (!call->inlined || call->deferred)
        forget_cancel(call);
    call->headers_sent = true;
    atomic_store_explicit(&call->answered, true, memory_order_release);
    call->tcall->ops->finish(call->tcall, &final);
}

void mesh_call_answer_error(mesh_call *call, const mesh_error *err)
{
    mesh_call_answer(call, err->code, err, NULL);
}

/* Counts an answer that its client may be slow to read. */
static mesh_code hold_answer(mesh_call *call, size_t size, mesh_error *err)
{
    if (size <= MESH_MESSAGE_UNCOUNTED_BYTES)
        return MESH_OK;
    if (!mesh_budget_take(mesh_call_memory(call), size))
        return mesh_refuse_memory(err);
    call->answer_held = size;
    return MESH_OK;
}

void mesh_call_answer_unary(mesh_call *call, mesh_code code, const mesh_error *err)
{
    const ProtobufCMessageDescriptor *descriptor = call->handler->method->response;
    mesh_error own;
    mesh_buffer buffer;

    mesh_error_clear(&own);
    if (code == MESH_OK && !mesh_arena_overflowed(call->arena)) {
        size_t size = mesh_encoded_size(descriptor, call->response);

        code = hold_answer(call, size, &own);
        if (code == MESH_OK)
            code = mesh_encode(call->server->transport, descriptor, call->response, size, &buffer,
                               &own);
        buffer.compress = call->compress;
        mesh_call_answer(call, code, &own, code == MESH_OK ? &buffer : NULL);
    } else {
        mesh_call_answer(call, code, err, NULL);
    }
}
