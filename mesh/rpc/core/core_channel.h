/*
 * What the two files of a client on the C core share:
 *
 *   core_channel.c      the channel, from its options to its end, and its queues
 *   core_client_call.c  a call: its operations and their answers
 *
 * A blocking unary call has a completion queue of its own, which the calling thread plucks: no
 * other thread is woken. Such queues are kept for the next call. Asynchronous calls and streams
 * share one queue and one polling thread of the channel, started with the first of them.
 */
#ifndef MESH_RPC_CORE_CORE_CHANNEL_H
#define MESH_RPC_CORE_CORE_CHANNEL_H

#include <pthread.h>

#include "mesh/rpc/core/core.h"

enum {
    CORE_KEPT_QUEUES_MAX = 64,        /* queues of blocking calls kept for reuse */
    CORE_REGISTERED_METHODS_MAX = 256 /* power of two; later methods are called by name */
};

/* A method by its address. */
typedef struct core_registered_method {
    const mesh_method *_Atomic method;
    void *handle;
} core_registered_method;

struct mesh_tchannel {
    grpc_channel *channel;
    size_t max_receive_bytes;
    pthread_mutex_t mu;
    grpc_completion_queue *kept[CORE_KEPT_QUEUES_MAX]; /* guarded by mu */
    size_t kept_count;                                 /* guarded by mu */
    /* of asynchronous calls and streams; NULL until the first; guarded by mu */
    grpc_completion_queue *queue;
    pthread_t thread;
    /* open addressing; written under mu */
    core_registered_method methods[CORE_REGISTERED_METHODS_MAX];
};

/* The handle of a method that is registered with the channel; NULL: there is no room for it. */
void *core_channel_method(mesh_tchannel *channel, const mesh_method *method);

/* A queue of a blocking call's own, which is given back to be kept for another. */
grpc_completion_queue *core_channel_own_queue(mesh_tchannel *channel);
void core_channel_keep_queue(mesh_tchannel *channel, grpc_completion_queue *queue);

/* The queue of all others, with its thread; NULL: there is none to be had. */
grpc_completion_queue *core_channel_shared_queue(mesh_tchannel *channel);

/* What that thread does: has the answers on the queue told, until that is shut down. */
void *core_client_poll(void *queue);

#endif
