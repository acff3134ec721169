#include "mesh/rpc/channel.h"

#include <assert.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/options.h"
#include "mesh/rpc/channel_impl.h"
#include "mesh/rpc/codec.h"
#include "mesh/rpc/method_impl.h"
#include "mesh/rpc/tls_impl.h"

enum {
    DEFAULT_RECEIVE_BYTES = 4 << 20,
    DEFAULT_ARENA_LIMIT_BYTES = 16 << 20,
    DEFAULT_KEEPALIVE_MS = 30000,
    DEFAULT_KEEPALIVE_TIMEOUT_MS = 10000,
    KEEPALIVE_MIN_MS = 10000, /* what servers of this runtime allow */
    ASYNC_ARENA_BYTES = 1024
};

/* --- the channel ------------------------------------------------------------------------------ */

/* The caller's options, as far as they are known, with all defaults. */
static mesh_code read_options(const mesh_channel_options *given, mesh_channel_options *options,
                              mesh_tls_options *tls, mesh_error *err)
{
    mesh_code code = MESH_OPTIONS_READ(mesh_channel_options, interceptor_count, options, given,
                                       err);

    if (code == MESH_OK)
        code = mesh_known_tls_options(&options->tls, tls, err);
    MESH_OPTION_DEFAULT(options->max_receive_bytes, DEFAULT_RECEIVE_BYTES);
    MESH_OPTION_DEFAULT(options->arena_limit_bytes, DEFAULT_ARENA_LIMIT_BYTES);
    MESH_OPTION_DEFAULT(options->keepalive_ms, DEFAULT_KEEPALIVE_MS);
    MESH_OPTION_DEFAULT(options->keepalive_timeout_ms, DEFAULT_KEEPALIVE_TIMEOUT_MS);
    if (code != MESH_OK)
        return code;
    if (options->max_receive_bytes > INT32_MAX)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "max_receive_bytes: must be below 2 GiB");
    if (options->keepalive_ms < KEEPALIVE_MIN_MS || options->keepalive_ms > INT32_MAX)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "keepalive_ms: must be within %d to %d",
                              KEEPALIVE_MIN_MS, INT32_MAX);
    if (options->keepalive_timeout_ms < 0 || options->keepalive_timeout_ms > INT32_MAX)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "keepalive_timeout_ms: must be within 0 to %d", INT32_MAX);
    return MESH_OK;
}

mesh_code mesh_channel_create(const char *target, const mesh_channel_options *options,
                              mesh_channel **out, mesh_error *err)
{
    mesh_channel_options known;
    mesh_tls_options tls;
    mesh_channel *channel = NULL;
    mesh_code code;

    if (target == NULL || target[0] == '\0')
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "target: must not be empty");
    code = read_options(options, &known, &tls, err);
    if (code != MESH_OK)
        return code;
    code = MESH_RESOURCE_EXHAUSTED;
    channel = mesh_calloc(1, sizeof *channel);
    if (channel == NULL)
        return mesh_error_set(err, code, "out of memory");
    mesh_links_init(&channel->links);
    channel->options = known;
    channel->transport = &mesh_transport_core;
    channel->target = mesh_strdup(target);
    channel->interceptors = mesh_calloc(known.interceptor_count + 1, sizeof *channel->interceptors);
    if (channel->target == NULL || channel->interceptors == NULL) {
        (void)mesh_error_set(err, code, "out of memory");
        goto fail;
    }
    code = MESH_OK;
    for (size_t i = 0; i < known.interceptor_count && code == MESH_OK; i++) {
        code = MESH_RESERVED_CHECK(&known.interceptors[i], err, "interceptor %s",
                                   known.interceptors[i].name);
        channel->interceptors[i] = known.interceptors[i];
    }
    if (code == MESH_OK)
        code = channel->transport->channel_create(target, &channel->options, &channel->tchannel,
                                                  err);
    if (code != MESH_OK)
        goto fail;
    *out = channel;
    return MESH_OK;

fail:
    mesh_channel_destroy(channel);
    return code;
}

void mesh_channel_destroy(mesh_channel *channel)
{
    if (channel == NULL)
        return;
    mesh_links_cancel(&channel->links);
    mesh_links_wait(&channel->links);
    if (channel->tchannel != NULL)
        channel->transport->channel_destroy(channel->tchannel);
    mesh_links_destroy(&channel->links);
    mesh_free(channel->interceptors);
    mesh_free(channel->target);
    mesh_free(channel);
}

const char *mesh_channel_target(const mesh_channel *channel)
{
    return channel->target;
}

/* --- cancellation ----------------------------------------------------------------------------- */

mesh_cancel *mesh_cancel_create(void)
{
    mesh_cancel *cancel = mesh_calloc(1, sizeof *cancel);

    if (cancel != NULL)
        mesh_links_init(&cancel->links);
    return cancel;
}

void mesh_cancel_calls(mesh_cancel *cancel)
{
    mesh_links_cancel(&cancel->links);
}

void mesh_cancel_destroy(mesh_cancel *cancel)
{
    if (cancel == NULL)
        return;
    mesh_links_cancel(&cancel->links);
    mesh_links_wait(&cancel->links);
    mesh_links_destroy(&cancel->links);
    mesh_free(cancel);
}

/* --- a call on its way out -------------------------------------------------------------------- */

const mesh_method *mesh_outgoing_method(const mesh_outgoing *outgoing)
{
    return outgoing->method;
}

mesh_call *mesh_outgoing_parent(const mesh_outgoing *outgoing)
{
    return outgoing->parent;
}

int64_t mesh_outgoing_started_ns(const mesh_outgoing *outgoing)
{
    return outgoing->started_ns;
}

mesh_code mesh_outgoing_add(mesh_outgoing *outgoing, const char *key, const void *value,
                            size_t size, mesh_error *err)
{
    return mesh_metadata_add(&outgoing->metadata, NULL, outgoing->arena,
                             &(mesh_metadata){key, value, size}, err);
}

mesh_code mesh_known_call_options(const mesh_call_options *given, mesh_call_options *known,
                                  mesh_error *err)
{
    return MESH_OPTIONS_READ(mesh_call_options, was_compressed, known, given, err);
}

/* The earlier of the parent's deadline and the time-out: the caller's, else the contract's. */
static int64_t deadline_of(const mesh_outgoing *outgoing, int64_t timeout_ms)
{
    int64_t limit_ms = timeout_ms == 0 ? outgoing->method->deadline_ms : timeout_ms;
    int64_t deadline_ns = MESH_NO_DEADLINE;

    if (limit_ms > 0)
        deadline_ns = mesh_clock_add_ms(outgoing->started_ns, limit_ms);
    if (outgoing->parent != NULL && outgoing->parent->deadline_ns < deadline_ns)
        deadline_ns = outgoing->parent->deadline_ns;
    return deadline_ns;
}

static mesh_code add_trace(mesh_outgoing *outgoing, mesh_error *err)
{
    char text[MESH_TRACEPARENT_BYTES];

    mesh_trace_child(&outgoing->trace,
                     outgoing->parent != NULL ? &outgoing->parent->trace : mesh_trace_current());
    mesh_trace_format(&outgoing->trace, text);
    return mesh_outgoing_add(outgoing, "traceparent", text, sizeof text - 1, err);
}

void mesh_outgoing_end(mesh_outgoing *outgoing, mesh_code code)
{
    while (outgoing->opened > 0) {
        const mesh_client_interceptor *interceptor =
            &outgoing->channel->interceptors[--outgoing->opened];

        if (interceptor->on_end != NULL)
            interceptor->on_end(interceptor->self, outgoing, code);
    }
}

mesh_code mesh_outgoing_begin(mesh_outgoing *outgoing, mesh_channel *channel,
                              const mesh_method *method, const mesh_call_options *options,
                              mesh_arena *arena, mesh_error *err)
{
    mesh_code code;

    *outgoing = (mesh_outgoing){
        .channel = channel,
        .method = method,
        .parent = options->parent,
        .cancel = options->cancel,
        .arena = arena,
        .started_ns = mesh_clock_monotonic_ns(),
    };
    code = mesh_api_descriptor_check(method->api, err);
    if (code != MESH_OK)
        return code;
    outgoing->deadline_ns = deadline_of(outgoing, options->timeout_ms);
    if (options->timeout_ms < 0)
        return mesh_error_set(err, MESH_DEADLINE_EXCEEDED, "timeout_ms: it is over already");
    if (outgoing->parent != NULL && mesh_call_cancelled(outgoing->parent))
        return mesh_call_cancel_code(outgoing->parent, err);
    code = add_trace(outgoing, err);
    for (size_t i = 0; code == MESH_OK && i < options->metadata_count; i++)
        code = mesh_outgoing_add(outgoing, options->metadata[i].key, options->metadata[i].value,
                                 options->metadata[i].size, err);
    while (code == MESH_OK && outgoing->opened < channel->options.interceptor_count) {
        const mesh_client_interceptor *interceptor = &channel->interceptors[outgoing->opened];

        if (interceptor->on_start != NULL)
            code = interceptor->on_start(interceptor->self, outgoing, err);
        if (code == MESH_OK)
            outgoing->opened++;
    }
    if (code != MESH_OK)
        mesh_outgoing_end(outgoing, code);
    return code;
}

mesh_code mesh_outgoing_start(mesh_outgoing *outgoing, const ProtobufCMessage *request,
                              const mesh_call_options *options, bool blocking,
                              const mesh_client_events *events, void *upper, mesh_error *err)
{
    mesh_channel *channel = outgoing->channel;
    mesh_buffer buffer;
    mesh_start start = {
        .method = outgoing->method,
        .deadline_ns = outgoing->deadline_ns,
        .metadata = &outgoing->metadata,
        .wait_for_ready = options->wait_for_ready,
        .compress = options->compress,
        .blocking = blocking,
    };
    mesh_code code;

    if (request != NULL) {
        code = mesh_encode(channel->transport, outgoing->method->request, request,
                           mesh_encoded_size(outgoing->method->request, request), &buffer, err);
        if (code != MESH_OK)
            return code;
        buffer.compress = options->compress;
        start.request = &buffer;
    }
    outgoing->tcall = channel->transport->call_create(channel->tchannel, &start, events, upper);
    if (outgoing->tcall == NULL) {
        if (request != NULL)
            channel->transport->discard(&buffer);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    mesh_links_add(&channel->links, &outgoing->channel_link, outgoing->tcall);
    if (outgoing->parent != NULL) {
        mesh_call_ref(outgoing->parent);
        mesh_links_add(&outgoing->parent->links, &outgoing->parent_link, outgoing->tcall);
    }
    if (outgoing->cancel != NULL)
        mesh_links_add(&outgoing->cancel->links, &outgoing->cancel_link, outgoing->tcall);
    channel->transport->call_start(outgoing->tcall, &start);
    return MESH_OK;
}

void mesh_outgoing_release(mesh_outgoing *outgoing)
{
    mesh_tcall *tcall = outgoing->tcall;
    mesh_call *parent = outgoing->parent;
    mesh_cancel *cancel = outgoing->cancel;

    /* after the last link is gone, the channel may be destroyed: release comes first */
    if (parent != NULL)
        mesh_links_detach(&parent->links, &outgoing->parent_link);
    if (cancel != NULL)
        mesh_links_detach(&cancel->links, &outgoing->cancel_link);
    mesh_links_detach(&outgoing->channel->links, &outgoing->channel_link);
    tcall->ops->release(tcall);
    if (parent != NULL) {
        mesh_links_remove(&parent->links, &outgoing->parent_link);
        mesh_call_unref(parent);
    }
    if (cancel != NULL)
        mesh_links_remove(&cancel->links, &outgoing->cancel_link);
    mesh_links_remove(&outgoing->channel->links, &outgoing->channel_link);
}

/* --- unary calls ------------------------------------------------------------------------------ */

mesh_code mesh_unary_result(const mesh_method *method, mesh_message *message,
                            const mesh_status *status, mesh_arena *arena,
                            ProtobufCMessage **response, mesh_error *err)
{
    mesh_error own;
    mesh_code code = status->code;

    mesh_error_clear(&own);
    if (code != MESH_OK) {
        code = mesh_error_decode_status(&own, (int)code, status->text, status->text_size,
                                        status->details, status->details_size);
        if (message != NULL)
            mesh_message_release(message);
    } else if (message == NULL) {
        /* https://grpc.github.io/grpc/core/md_doc_statuscodes.html, response cardinality */
        code = mesh_error_set(&own, MESH_UNIMPLEMENTED, "%s answered OK without a message",
                              method->path);
    } else {
        code = mesh_decode(method->response, message, arena, response, &own);
        if (code == MESH_INVALID_ARGUMENT) {
            mesh_error_prefix(&own, "%s answered a malformed message", method->path);
            own.code = code = MESH_INTERNAL;
        }
    }
    if (code != MESH_OK && err != NULL)
        *err = own;
    return code;
}

typedef struct unary_call {
    mesh_outgoing outgoing;
    const mesh_call_options *options;
    mesh_arena *arena;
    ProtobufCMessage *response;
    mesh_error *err;
    mesh_code code;
} unary_call;

/* Metadata for the caller's own arrays. */
static void copy_metadata(mesh_tcall *tcall, bool trailing, mesh_arena *arena,
                          mesh_metadata *entries, size_t capacity, size_t *count)
{
    mesh_metadata_list list = {.entries = NULL};

    if (count == NULL)
        return;
    (void)mesh_metadata_copy(tcall, trailing, arena, &list);
    *count = list.count < capacity ? list.count : capacity;
    if (*count > 0)
        memcpy(entries, list.entries, *count * sizeof *entries);
}

static void on_blocking_unary(mesh_tcall *tcall, mesh_message *message, const mesh_status *status)
{
    unary_call *call = tcall->upper;
    const mesh_call_options *options = call->options;
    bool was_compressed = message != NULL && message->compressed;

    call->code = mesh_unary_result(call->outgoing.method, message, status, call->arena,
                                   &call->response, call->err);
    copy_metadata(tcall, false, call->arena, options->headers, options->headers_capacity,
                  options->header_count);
    copy_metadata(tcall, true, call->arena, options->trailers, options->trailers_capacity,
                  options->trailer_count);
    if (call->code == MESH_OK && options->was_compressed != NULL)
        *options->was_compressed = was_compressed;
}

mesh_code mesh_unary_call(mesh_channel *channel, const mesh_method *method,
                          const ProtobufCMessage *request, ProtobufCMessage **response,
                          const mesh_call_options *caller_options, mesh_error *err)
{
    static const mesh_client_events events = {.on_unary = on_blocking_unary};
    mesh_call_options options;
    unary_call call = {.options = &options, .err = err};

    assert(request != NULL);
    call.code = mesh_known_call_options(caller_options, &options, err);
    if (call.code != MESH_OK)
        return call.code;
    call.arena = options.arena != NULL    ? options.arena
                 : options.parent != NULL ? options.parent->arena
                                          : NULL;
    if (call.arena == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "%s: the options need an arena or a parent for the answer to live in",
                              method->path);
    if (options.header_count != NULL)
        *options.header_count = 0;
    if (options.trailer_count != NULL)
        *options.trailer_count = 0;
    call.code = mesh_outgoing_begin(&call.outgoing, channel, method, &options, call.arena, err);
    if (call.code != MESH_OK)
        return call.code;
    call.code = mesh_outgoing_start(&call.outgoing, request, &options, true, &events, &call, err);
    if (call.code == MESH_OK) {
        channel->transport->drive(call.outgoing.tcall);
        mesh_outgoing_end(&call.outgoing, call.code);
        mesh_outgoing_release(&call.outgoing);
    } else {
        mesh_outgoing_end(&call.outgoing, call.code);
    }
    if (call.code == MESH_OK)
        *response = call.response;
    return call.code;
}

/* An asynchronous call: lives in its own arena, with its answer. */
typedef struct async_call {
    mesh_outgoing outgoing;
    mesh_arena *arena;
    mesh_answer_fn *adapter;
    void (*callback)(void);
    void *context;
} async_call;

static void on_async_unary(mesh_tcall *tcall, mesh_message *message, const mesh_status *status)
{
    async_call *call = tcall->upper;
    mesh_arena *arena = call->arena;
    ProtobufCMessage *response = NULL;
    const mesh_trace *before;
    mesh_error err;
    mesh_code code;

    mesh_error_clear(&err);
    code = mesh_unary_result(call->outgoing.method, message, status, arena, &response, &err);
    mesh_outgoing_end(&call->outgoing, code);
    before = mesh_trace_set_current(&call->outgoing.trace);
    call->adapter(&(mesh_answer){
        .code = code,
        .response = response,
        .err = code == MESH_OK ? NULL : &err,
        .callback = call->callback,
        .context = call->context,
    });
    (void)mesh_trace_set_current(before);
    mesh_outgoing_release(&call->outgoing);
    mesh_arena_destroy(arena);
}

mesh_code mesh_unary_call_async(mesh_channel *channel, const mesh_method *method,
                                const ProtobufCMessage *request,
                                const mesh_call_options *caller_options,
                                const mesh_answer *callback, mesh_answer_fn *adapter)
{
    static const mesh_client_events events = {.on_unary = on_async_unary};
    mesh_call_options options;
    mesh_code code = mesh_known_call_options(caller_options, &options, NULL);
    mesh_arena *arena;
    async_call *call;

    assert(request != NULL);
    if (code != MESH_OK)
        return code;
    arena = mesh_arena_create(ASYNC_ARENA_BYTES, channel->options.arena_limit_bytes);
    call = arena != NULL ? mesh_arena_calloc(arena, 1, sizeof *call) : NULL;
    if (call == NULL) {
        mesh_arena_destroy(arena);
        return MESH_RESOURCE_EXHAUSTED;
    }
    call->arena = arena;
    call->adapter = adapter;
    call->callback = callback->callback;
    call->context = callback->context;
    code = mesh_outgoing_begin(&call->outgoing, channel, method, &options, arena, NULL);
    if (code == MESH_OK) {
        code = mesh_outgoing_start(&call->outgoing, request, &options, false, &events, call, NULL);
        if (code != MESH_OK)
            mesh_outgoing_end(&call->outgoing, code);
    }
    if (code != MESH_OK)
        mesh_arena_destroy(arena);
    return code;
}
