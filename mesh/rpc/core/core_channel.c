/*
 * The channel on the C core, from its options to its end: its queues and the methods that it knows.
 */
#include "mesh/rpc/core/core_channel.h"
#include "mesh/base/alloc.h"

enum {
    RECONNECT_FIRST_MS = 100,
    RECONNECT_MAX_MS = 2000, /* a restarted service of the mesh is found again soon */
    CONNECT_TIMEOUT_MS = 5000,
    CONNECTING_WAIT_MS = 200 /* of a channel that ends meanwhile */
};

/* --- what its calls need ---------------------------------------------------------------------- */

void *core_channel_method(mesh_tchannel *channel, const mesh_method *method)
{
    size_t slot = ((uintptr_t)method / sizeof *method) % CORE_REGISTERED_METHODS_MAX;
    void *handle = NULL;

    for (size_t tries = 0; tries < CORE_REGISTERED_METHODS_MAX; tries++) {
        core_registered_method *entry =
            &channel->methods[(slot + tries) % CORE_REGISTERED_METHODS_MAX];
        const mesh_method *there = atomic_load_explicit(&entry->method, memory_order_acquire);

        if (there == method)
            return entry->handle;
        if (there == NULL)
            break;
    }
    pthread_mutex_lock(&channel->mu);
    for (size_t tries = 0; tries < CORE_REGISTERED_METHODS_MAX && handle == NULL; tries++) {
        core_registered_method *entry =
            &channel->methods[(slot + tries) % CORE_REGISTERED_METHODS_MAX];
        const mesh_method *there = atomic_load_explicit(&entry->method, memory_order_relaxed);

        if (there == method) {
            handle = entry->handle;
        } else if (there == NULL) {
            handle = grpc_channel_register_call(channel->channel, method->path, NULL, NULL);
            entry->handle = handle;
            atomic_store_explicit(&entry->method, method, memory_order_release);
        }
    }
    pthread_mutex_unlock(&channel->mu);
    return handle;
}

grpc_completion_queue *core_channel_own_queue(mesh_tchannel *channel)
{
    grpc_completion_queue *queue = NULL;

    pthread_mutex_lock(&channel->mu);
    if (channel->kept_count > 0)
        queue = channel->kept[--channel->kept_count];
    pthread_mutex_unlock(&channel->mu);
    return queue != NULL ? queue : grpc_completion_queue_create_for_pluck(NULL);
}

grpc_completion_queue *core_channel_shared_queue(mesh_tchannel *channel)
{
    grpc_completion_queue *queue;

    pthread_mutex_lock(&channel->mu);
    if (channel->queue == NULL) {
        queue = grpc_completion_queue_create_for_next(NULL);
        if (pthread_create(&channel->thread, NULL, core_client_poll, queue) == 0) {
            channel->queue = queue;
        } else {
            grpc_completion_queue_shutdown(queue);
            grpc_completion_queue_destroy(queue);
        }
    }
    queue = channel->queue;
    pthread_mutex_unlock(&channel->mu);
    return queue;
}

void core_channel_keep_queue(mesh_tchannel *channel, grpc_completion_queue *queue)
{
    pthread_mutex_lock(&channel->mu);
    if (channel->kept_count < CORE_KEPT_QUEUES_MAX) {
        channel->kept[channel->kept_count++] = queue;
        queue = NULL;
    }
    pthread_mutex_unlock(&channel->mu);
    if (queue != NULL) {
        grpc_completion_queue_shutdown(queue);
        grpc_completion_queue_destroy(queue);
    }
}

/* --- its life --------------------------------------------------------------------------------- */

static grpc_channel *make_channel(const char *target, const mesh_channel_options *options,
                                  grpc_channel_credentials *credentials)
{
    grpc_arg args[16];
    size_t count = 0;
    grpc_channel_args list;

#define ADD(name, number)                                        \
    args[count++] = (grpc_arg){.type = GRPC_ARG_INTEGER,         \
                               .key = (char *)(uintptr_t)(name), \
                               .value.integer = (int)(number)}
#define ADD_TEXT(name, text)                                       \
    args[count++] = (grpc_arg)                                     \
    {                                                              \
        .type = GRPC_ARG_STRING, .key = (char *)(uintptr_t)(name), \
        .value.string = (char *)(uintptr_t)(text)                  \
    }
    ADD(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, options->max_receive_bytes);
    ADD(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
    ADD(GRPC_ARG_MAX_METADATA_SIZE, CORE_METADATA_BYTES_MAX);
    ADD(GRPC_ARG_KEEPALIVE_TIME_MS, options->keepalive_ms);
    ADD(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options->keepalive_timeout_ms);
    /* the core would stop after two of them on a stream without data */
    ADD(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    ADD(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, RECONNECT_FIRST_MS);
    ADD(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, RECONNECT_MAX_MS);
    ADD(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, CONNECT_TIMEOUT_MS);
    ADD(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    ADD(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1); /* no connection shared with another channel */
    ADD(GRPC_ARG_ENABLE_RETRIES, 0);            /* its filter aborts when an answer has no status */
    ADD_TEXT(GRPC_ARG_LB_POLICY_NAME, "round_robin");
    ADD_TEXT(GRPC_ARG_PRIMARY_USER_AGENT_STRING, "meshc/" MESH_VERSION);
    if (options->tls != NULL && options->tls->server_name != NULL)
        ADD_TEXT(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, options->tls->server_name);
#undef ADD
#undef ADD_TEXT
    list = (grpc_channel_args){.num_args = count, .args = args};
    return grpc_channel_create(target, credentials, &list);
}

mesh_code core_channel_create(const char *target, const mesh_channel_options *options,
                              mesh_tchannel **tchannel, mesh_error *err)
{
    grpc_channel_credentials *credentials = NULL;
    mesh_tchannel *channel;
    mesh_code code;

    core_init();
    code = core_channel_credentials(options->tls, &credentials, err);
    if (code != MESH_OK) {
        core_shutdown();
        return code;
    }
    channel = mesh_calloc(1, sizeof *channel);
    if (channel == NULL) {
        grpc_channel_credentials_release(credentials);
        core_shutdown();
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    pthread_mutex_init(&channel->mu, NULL);
    channel->max_receive_bytes = options->max_receive_bytes;
    channel->channel = make_channel(target, options, credentials);
    grpc_channel_credentials_release(credentials);
    *tchannel = channel;
    return MESH_OK;
}

/*
 * Without its channel nobody polls a connection that waits for the server's SETTINGS, and the core
 * gives it up after CONNECT_TIMEOUT_MS only. So it may come about first; a server takes no longer.
 */
static void end_connecting(mesh_tchannel *channel)
{
    const gpr_timespec never = gpr_inf_future(GPR_CLOCK_REALTIME);
    grpc_completion_queue *queue;

    if (grpc_channel_check_connectivity_state(channel->channel, 0) != GRPC_CHANNEL_CONNECTING)
        return;
    queue = grpc_completion_queue_create_for_pluck(NULL);
    grpc_channel_watch_connectivity_state(channel->channel, GRPC_CHANNEL_CONNECTING,
                                          core_in_ms(CONNECTING_WAIT_MS), queue, channel);
    if (grpc_completion_queue_pluck(queue, channel, never, NULL).success == 0)
        core_leave_behind(CONNECT_TIMEOUT_MS);
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
}

void core_channel_destroy(mesh_tchannel *channel)
{
    end_connecting(channel);
    for (size_t i = 0; i < channel->kept_count; i++) {
        grpc_completion_queue_shutdown(channel->kept[i]);
        grpc_completion_queue_destroy(channel->kept[i]);
    }
    if (channel->queue != NULL) {
        grpc_completion_queue_shutdown(channel->queue);
        pthread_join(channel->thread, NULL);
        grpc_completion_queue_destroy(channel->queue);
    }
    grpc_channel_destroy(channel->channel);
    pthread_mutex_destroy(&channel->mu);
    mesh_free(channel);
    core_shutdown();
}
