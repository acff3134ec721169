#include "mesh/rpc/core/core.h"

#include <assert.h>
#include <grpc/support/log.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/log.h"

const mesh_transport mesh_transport_core = {
    .name = "core",
    .reserve = core_reserve,
    .discard = core_discard,
    .server_create = core_server_create,
    .server_add_method = core_server_add_method,
    .server_start = core_server_start,
    .server_refuse = core_server_refuse,
    .server_has_connections = core_server_has_connections,
    .server_is_sending = core_server_is_sending,
    .server_cancel = core_server_cancel,
    .server_destroy = core_server_destroy,
    .channel_create = core_channel_create,
    .channel_destroy = core_channel_destroy,
    .call_create = core_call_create,
    .call_start = core_call_start,
    .drive = core_drive,
};

/* --- the library ------------------------------------------------------------------------------ */

enum {
    LOG_TEXT_MAX = 240, /* the core can say a kilobyte about an address that is taken */
    SHUTDOWN_WAIT_MS = 2000,
    SHUTDOWN_WAIT_LEFT_MS = 200, /* while something is left behind */
    ROUNDED_NS = 2000000         /* at most added to a deadline by the core */
};

static atomic_int users;               /* core_init without core_shutdown */
static _Atomic(int64_t) left_until_ns; /* something was left behind */

/* Where this thread wants the core's complaints instead of the log; NULL: nowhere. */
static _Thread_local char *cause;
static _Thread_local size_t cause_size;

/*
 * Copies the innermost of a text like
 * UNKNOWN:No address added {line:1, children:[UNKNOWN:Address already in use {errno:98}]}
 */
static void keep_cause(const char *text)
{
    static const char status[] = "UNKNOWN:";
    const char *at = text;

    while ((at = strstr(at, status)) != NULL) {
        at += sizeof status - 1;
        text = at;
    }
    snprintf(cause, cause_size, "%.*s", (int)strcspn(text, "{"), text);
    for (size_t size = strlen(cause); size > 0 && cause[size - 1] == ' '; size--)
        cause[size - 1] = '\0';
}

void core_keep_cause(char *text, size_t size)
{
    cause = text;
    cause_size = size;
}

/* The core's own complaints become lines of our log, with its source lines and without a trace. */
static void log_line(gpr_log_func_args *args)
{
    char text[LOG_TEXT_MAX];
    mesh_log_level level = args->severity == GPR_LOG_SEVERITY_ERROR  ? MESH_LOG_WARN
                           : args->severity == GPR_LOG_SEVERITY_INFO ? MESH_LOG_INFO
                                                                     : MESH_LOG_DEBUG;

    if (cause != NULL) {
        keep_cause(args->message);
        return;
    }
    snprintf(text, sizeof text, "%s", args->message);
    mesh_log(level, "gRPC core", MESH_LOG_S("text", text), MESH_LOG_S("file", args->file),
             MESH_LOG_I("line", args->line));
}

static void set_log(void)
{
    gpr_set_log_function(log_line);
}

void core_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, set_log);
    atomic_fetch_add(&users, 1);
    grpc_init();
}

void core_leave_behind(int64_t for_ms)
{
    atomic_store(&left_until_ns, mesh_clock_deadline_ns(for_ms));
}

void core_shutdown(void)
{
    bool left = mesh_clock_left_ms(atomic_load(&left_until_ns)) > 0;
    int64_t deadline_ns = mesh_clock_deadline_ns(left ? SHUTDOWN_WAIT_LEFT_MS : SHUTDOWN_WAIT_MS);

    grpc_shutdown();
    atomic_fetch_sub(&users, 1);
    while (atomic_load(&users) == 0 && grpc_is_initialized() && mesh_clock_left_ms(deadline_ns) > 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* nothing else tells */
    if (!grpc_is_initialized())
        atomic_store(&left_until_ns, 0);
}

/* --- messages --------------------------------------------------------------------------------- */

static void release_incoming(void *owner)
{
    core_incoming *incoming = owner;

    mesh_free(incoming->more_views);
    if (incoming->buffer != NULL)
        grpc_byte_buffer_destroy(incoming->buffer);
    incoming->more_views = NULL;
    incoming->buffer = NULL;
}

/*
 * The core leaves a message's compressed flag out of the buffer when grpc-encoding is missing,
 * identity or unknown to it. It keeps the flags of the last message that a call received for its
 * own tests, and declares for C++ only how to ask for them.
 */
uint32_t
last_message_flags(grpc_call *call) __asm__("_Z37grpc_call_test_only_get_message_flagsP9grpc_call");
static const uint32_t flag_compressed = 0x80000000; /* GRPC_WRITE_INTERNAL_COMPRESS */

void core_incoming_open(core_incoming *incoming, grpc_call *call, grpc_byte_buffer *buffer,
                        size_t limit, mesh_message *message)
{
    const grpc_slice_buffer *slices = &buffer->data.raw.slice_buffer;
    mesh_slice *views = incoming->views;

    *message = (mesh_message){
        .compressed = buffer->data.raw.compression != GRPC_COMPRESS_NONE,
        .limit = limit,
        .owner = incoming,
        .release = release_incoming,
    };
    incoming->buffer = buffer;
    if (!message->compressed && (last_message_flags(call) & flag_compressed) != 0) {
        message->code = MESH_INTERNAL;
        return;
    }
    if (slices->count > CORE_INLINE_SLICES) {
        incoming->more_views = mesh_calloc(slices->count, sizeof *views);
        if (incoming->more_views == NULL) {
            message->code = MESH_RESOURCE_EXHAUSTED;
            return;
        }
        views = incoming->more_views;
    }
    for (size_t i = 0; i < slices->count; i++) {
        views[i].data = GRPC_SLICE_START_PTR(slices->slices[i]);
        views[i].size = GRPC_SLICE_LENGTH(slices->slices[i]);
    }
    message->slices = views;
    message->slice_count = slices->count;
    message->size = slices->length;
}

bool core_reserve(size_t size, mesh_buffer *buffer)
{
    /* The large form is never inlined into the slice: the bytes have an address of their own. */
    grpc_slice slice = grpc_slice_malloc_large(size);

    *buffer = (mesh_buffer){
        .data = slice.data.refcounted.bytes, .size = size, .handle = slice.refcount};
    return true;
}

static grpc_slice slice_of(const mesh_buffer *buffer)
{
    grpc_slice slice;

    slice.refcount = buffer->handle;
    slice.data.refcounted.length = buffer->size;
    slice.data.refcounted.bytes = buffer->data;
    return slice;
}

void core_discard(mesh_buffer *buffer)
{
    if (buffer->handle != NULL)
        grpc_slice_unref(slice_of(buffer));
    *buffer = (mesh_buffer){0};
}

grpc_byte_buffer *core_outgoing(const mesh_buffer *buffer)
{
    grpc_slice slice = slice_of(buffer);
    grpc_byte_buffer *bytes = grpc_raw_byte_buffer_create(&slice, 1);

    grpc_slice_unref(slice);
    return bytes;
}

/* --- metadata --------------------------------------------------------------------------------- */

void core_metadata_add(core_metadata *metadata, const char *key, const void *value, size_t size)
{
    grpc_metadata *entry = &metadata->entries[metadata->count];

    assert(metadata->count < CORE_METADATA_MAX);
    memset(entry, 0, sizeof *entry);
    entry->key = grpc_slice_from_copied_string(key);
    entry->value = grpc_slice_from_copied_buffer(value, size);
    metadata->count++;
}

void core_metadata_add_list(core_metadata *metadata, const mesh_metadata_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++)
        core_metadata_add(metadata, list->entries[i].key, list->entries[i].value,
                          list->entries[i].size);
}

void core_metadata_clear(core_metadata *metadata)
{
    for (size_t i = 0; i < metadata->count; i++) {
        grpc_slice_unref(metadata->entries[i].key);
        grpc_slice_unref(metadata->entries[i].value);
    }
    metadata->count = 0;
}

/* Whether a key is part of the protocol rather than the application's. */
static bool is_own_key(const char *key, size_t size)
{
    if (size == 0 || key[0] == ':')
        return true;
    switch (size) {
    case 2:
        return memcmp(key, "te", 2) == 0;
    case 12:
        return memcmp(key, "content-type", 12) == 0;
    default:
        return size > 5 && memcmp(key, "grpc-", 5) == 0;
    }
}

bool core_metadata_next(const grpc_metadata_array *array, size_t *at, mesh_received *received)
{
    while (*at < array->count) {
        const grpc_metadata *metadata = &array->metadata[(*at)++];
        const char *key = (const char *)GRPC_SLICE_START_PTR(metadata->key);
        size_t size = GRPC_SLICE_LENGTH(metadata->key);

        if (is_own_key(key, size))
            continue;
        *received = (mesh_received){.entry = {.key = key,
                                              .value = GRPC_SLICE_START_PTR(metadata->value),
                                              .size = GRPC_SLICE_LENGTH(metadata->value)},
                                    .key_size = size};
        return true;
    }
    return false;
}

/* --- the rest --------------------------------------------------------------------------------- */

static const char *property_of(const grpc_auth_context *context, const char *name,
                               mesh_arena *arena)
{
    grpc_auth_property_iterator it = grpc_auth_context_find_properties_by_name(context, name);
    const grpc_auth_property *property = grpc_auth_property_iterator_next(&it);

    if (property == NULL || property->value_length == 0)
        return NULL;
    return mesh_arena_strndup(arena, property->value, property->value_length);
}

/* The name of a verified certificate; "" when there is none. */
static const char *identity_of(grpc_call *call, mesh_arena *arena)
{
    static const char *const names[] = {GRPC_PEER_DNS_PROPERTY_NAME, GRPC_PEER_URI_PROPERTY_NAME,
                                        GRPC_X509_CN_PROPERTY_NAME};
    grpc_auth_context *context = grpc_call_auth_context(call);
    const char *identity = NULL;

    if (context == NULL)
        return "";
    if (grpc_auth_context_peer_is_authenticated(context))
        for (size_t i = 0; identity == NULL && i < sizeof names / sizeof names[0]; i++)
            identity = property_of(context, names[i], arena);
    grpc_auth_context_release(context);
    return identity != NULL ? identity : "";
}

void core_peer(grpc_call *call, mesh_arena *arena, mesh_peer *peer)
{
    char *address = grpc_call_get_peer(call);

    peer->address = mesh_arena_strdup(arena, address != NULL ? address : "");
    gpr_free(address);
    peer->identity = identity_of(call, arena);
}

gpr_timespec core_deadline_to(int64_t deadline_ns)
{
    int64_t left_ns;

    if (deadline_ns == MESH_NO_DEADLINE)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    /*
     * The core rounds up to its milliseconds, twice, and what is left then to one (up to a second),
     * ten (up to ten) or a hundred of them for the server, which would have more time than its
     * client: 2,010 ms of 2,000. Two milliseconds less keep the round ones what they are, where
     * they are no more than a hundredth of what is left. That it may send an earlier time-out of
     * the connection again, up to three percent longer, cannot be helped.
     */
    left_ns = deadline_ns - mesh_clock_monotonic_ns();
    if (left_ns > 0)
        deadline_ns -= left_ns / 100 < ROUNDED_NS ? left_ns / 100 : ROUNDED_NS;
    return gpr_time_from_nanos(deadline_ns, GPR_CLOCK_MONOTONIC);
}

gpr_timespec core_in_ms(int64_t ms)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

int64_t core_deadline_from(gpr_timespec deadline)
{
    gpr_timespec monotonic;

    if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0)
        return MESH_NO_DEADLINE;
    monotonic = gpr_convert_clock_type(deadline, GPR_CLOCK_MONOTONIC);
    if (monotonic.tv_sec > INT64_MAX / GPR_NS_PER_SEC - 1)
        return MESH_NO_DEADLINE;
    return monotonic.tv_sec * GPR_NS_PER_SEC + monotonic.tv_nsec;
}

void core_start_batch(grpc_call *call, const grpc_op *ops, size_t count, void *tag)
{
    grpc_call_error error;

    CORE_TAG_RELEASE(tag);
    error = grpc_call_start_batch(call, ops, count, tag, NULL);
    if (error != GRPC_CALL_OK) {
        mesh_log(MESH_LOG_ERROR, "the gRPC core refused a batch",
                 MESH_LOG_S("cause", grpc_call_error_to_string(error)));
        abort();
    }
}
