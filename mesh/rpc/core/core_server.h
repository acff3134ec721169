/*
 * What the three files of the server on the C core share:
 *
 *   core_server.c       the server, from its options to its end
 *   core_poller.c       a queue with its thread, and the calls that are posted on it
 *   core_server_call.c  a call: its operations and their answers
 *
 * A call belongs to one queue and so to one thread: its events come in order, without a lock.
 */
#ifndef MESH_RPC_CORE_CORE_SERVER_H
#define MESH_RPC_CORE_CORE_SERVER_H

#include <pthread.h>
#include <stdalign.h>

#include "mesh/rpc/core/core.h"

typedef struct core_poller core_poller;
typedef struct core_server_call core_server_call;

/* A method of one server. Immutable once it started. */
typedef struct core_method {
    char *path; /* NULL: calls of unknown methods */
    mesh_arrival arrival;
    void *upper;
    void *registered;
} core_method;

/* The calls of one method on one queue. Only the poller's thread touches it once that started. */
typedef struct core_lane {
    mesh_tserver *server;
    core_poller *poller;
    const core_method *method;
    core_server_call *free_calls;
    size_t free_count;
    size_t posted;
} core_lane;

struct core_poller {
    mesh_tserver *server;
    grpc_completion_queue *queue;
    pthread_t thread;
    bool running;
    core_lane *lanes;         /* one a method */
    atomic_size_t open_calls; /* between on_open and on_done; written by its thread only */
};

struct mesh_tserver {
    grpc_server *server;
    const mesh_server_events *events;
    void *upper;
    char *address;
    grpc_server_credentials *credentials; /* until start */
    size_t max_receive_bytes;
    core_method *methods;
    size_t method_count;
    core_poller *pollers;
    size_t poller_count;
    bool bound;           /* the core has a listener to shut down */
    bool started;         /* guarded by mu until the pollers have seen it */
    atomic_bool refusing; /* clients were told */
    atomic_bool ending;   /* no call is posted any more; those that still come out are dropped */
    pthread_mutex_t mu;
    pthread_cond_t stopped_changed;
    bool stopped; /* guarded by mu: the core has shut the server down */
};

typedef enum core_server_tag_kind {
    TAG_NEW,
    TAG_WAKE,
    TAG_CLOSE,
    TAG_READ,
    TAG_WRITE,
    TAG_ABORT,
    TAG_FINISH,
    TAG_KINDS
} core_server_tag_kind;

/* What the queues hand back: one of these, or the mesh_tserver itself when it has shut down. */
typedef struct core_server_tag {
    core_server_call *call;
    core_server_tag_kind kind;
} core_server_tag;

struct core_server_call {
    mesh_tcall head;
    core_lane *lane;
    core_server_call *next_free;
    grpc_call *call; /* NULL while posted or free */
    grpc_metadata_array metadata;
    grpc_call_details details; /* of calls to unknown methods */
    gpr_timespec deadline;
    grpc_byte_buffer *payload; /* the request that came with the call, until that is open */
    grpc_byte_buffer *received;
    grpc_byte_buffer *sent;
    core_incoming request; /* that came with the call */
    core_incoming incoming;
    core_server_tag tags[TAG_KINDS];
    int cancelled;
    bool close_watched;
    bool close_told;
    atomic_bool finished; /* finish or abort was called, on whatever thread */
    bool headers_sent;
    bool aborted; /* its status was sent before finish */
    /* Operations that the core has not answered, and one more until finish was answered. */
    atomic_int pending;
    alignas(max_align_t) unsigned char upper[];
};

/* Waits until it is known whether the server started. */
bool core_server_started(mesh_tserver *server);

/* The server's end, told by the poller that got its tag. */
void core_server_stopped(mesh_tserver *server);

/* Makes the poller's queue. */
void core_poller_init(core_poller *poller, mesh_tserver *server);

/* Makes its lanes, each with one call. RESOURCE_EXHAUSTED: out of memory. */
mesh_code core_poller_make_lanes(core_poller *poller, mesh_error *err);

/* Starts its thread. RESOURCE_EXHAUSTED: the system gives no more. */
mesh_code core_poller_start(core_poller *poller, mesh_error *err);

/* Shuts the queue down and waits until all that was in it came out. After the server's shutdown. */
void core_poller_stop(core_poller *poller);

/* Frees its calls and its queue, after grpc_server_destroy. */
void core_poller_destroy(core_poller *poller);

/* A call without a request, to be posted; NULL: out of memory. */
core_server_call *core_server_call_create(core_lane *lane);
void core_server_call_destroy(core_server_call *call);

/* Lets go of a request that was answered: the call can be posted again. */
void core_server_call_reset(core_server_call *call);

/* Tells the layer above of a request that arrived, or of the answer to an operation. */
void core_server_call_arrived(core_server_call *call);
void core_server_call_answer(core_server_call *call, core_server_tag_kind kind, bool ok);

#endif
