/*
 * What the server and the channels on the gRPC C core share. Internal to mesh/rpc/core, the only
 * folder that includes <grpc/...>.
 */
#ifndef MESH_RPC_CORE_CORE_H
#define MESH_RPC_CORE_CORE_H

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <stdatomic.h>

#include "mesh/base/clock.h"
#include "mesh/rpc/transport.h"

/*
 * Completion tags hand memory from the thread that started an operation to the thread that polls.
 * The core does that with locks that ThreadSanitizer cannot see, since libgrpc is not instrumented:
 * tell it.
 */
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define CORE_TAG_RELEASE(tag) __tsan_release(tag)
#define CORE_TAG_ACQUIRE(tag) __tsan_acquire(tag)
#else
#define CORE_TAG_RELEASE(tag) ((void)(tag))
#define CORE_TAG_ACQUIRE(tag) ((void)(tag))
#endif

enum {
    /*
     * What either side receives of metadata at a time, announced as MAX_HEADER_LIST_SIZE and so
     * counted as RFC 9113 does (section 10.5.1): 32 bytes more for each entry, gRPC's own among
     * them. Beyond it: RESOURCE_EXHAUSTED. The core's default is 8 KiB.
     */
    CORE_METADATA_BYTES_MAX = 16384
};

/* grpc_init, with the core's log going into ours. Each is matched by a core_shutdown. */
void core_init(void);

/*
 * grpc_shutdown; the last one waits until the core is at rest, for two seconds at most. A channel
 * that is destroyed lets the core end a handshake after grpc_shutdown has returned: a program that
 * ends meanwhile crashes in OpenSSL, which has cleaned up behind itself.
 *
 * All of the two seconds pass when a channel to several addresses was destroyed while one was ready
 * and another had not sent its SETTINGS yet: the channel itself is ready then, and does not say.
 */
void core_shutdown(void);

/*
 * For so long the core will not be at rest, since it keeps to itself what nobody can end: a
 * core_shutdown waits for a fifth of a second only.
 */
void core_leave_behind(int64_t for_ms);

/*
 * What the core complains of on this thread goes into `text` instead of the log, reduced to its
 * innermost cause, until the same is called with NULL.
 */
void core_keep_cause(char *text, size_t size);

enum {
    CORE_INLINE_SLICES = 4
};

/* A received message on its way up: the byte buffer and a view on its slices. One for each call. */
typedef struct core_incoming {
    grpc_byte_buffer *buffer;
    mesh_slice views[CORE_INLINE_SLICES];
    mesh_slice *more_views; /* for messages of more slices */
} core_incoming;

/*
 * Takes `buffer`, which is the last that `call` received, and describes it; `limit` is what a
 * compressed one may become.
 */
void core_incoming_open(core_incoming *incoming, grpc_call *call, grpc_byte_buffer *buffer,
                        size_t limit, mesh_message *message);

/* mesh_transport.reserve and discard. */
bool core_reserve(size_t size, mesh_buffer *buffer);
void core_discard(mesh_buffer *buffer);

/* Turns a reserved buffer, which is given away, into the core's; NULL when out of memory. */
grpc_byte_buffer *core_outgoing(const mesh_buffer *buffer);

/* Metadata on its way down: copies for one batch. */
enum {
    CORE_METADATA_MAX = 66
}; /* MESH_METADATA_MAX and two of gRPC's own */
typedef struct core_metadata {
    grpc_metadata entries[CORE_METADATA_MAX];
    size_t count;
} core_metadata;

void core_metadata_add(core_metadata *metadata, const char *key, const void *value, size_t size);
void core_metadata_add_list(core_metadata *metadata, const mesh_metadata_list *list);
void core_metadata_clear(core_metadata *metadata);

/* The next of what was received from `*at` on, without gRPC's own; moves `*at` behind it. */
bool core_metadata_next(const grpc_metadata_array *array, size_t *at, mesh_received *received);

/* Address and verified name of the peer, copied into the arena. */
void core_peer(grpc_call *call, mesh_arena *arena, mesh_peer *peer);

/* Deadlines between CLOCK_MONOTONIC nanoseconds and the core. */
gpr_timespec core_deadline_to(int64_t deadline_ns);
int64_t core_deadline_from(gpr_timespec deadline);

/* A moment in the core's time, `ms` milliseconds from now. */
gpr_timespec core_in_ms(int64_t ms);

/* Credentials from PEM files; NULL options: plaintext. INVALID_ARGUMENT names the file. */
mesh_code core_server_credentials(const mesh_tls_options *tls,
                                  grpc_server_credentials **credentials, mesh_error *err);
mesh_code core_channel_credentials(const mesh_tls_options *tls,
                                   grpc_channel_credentials **credentials, mesh_error *err);

/* Starts a batch whose tag is `tag`. A refused batch is a mistake of ours: logged, then abort. */
void core_start_batch(grpc_call *call, const grpc_op *ops, size_t count, void *tag);

/* The parts of mesh_transport_core. */
mesh_code core_server_create(const mesh_server_options *options, const mesh_server_events *events,
                             void *upper, mesh_tserver **tserver, mesh_error *err);
mesh_code core_server_add_method(mesh_tserver *tserver, const char *path, mesh_arrival arrival,
                                 void *method, mesh_error *err);
mesh_code core_server_start(mesh_tserver *tserver, int *port, mesh_error *err);
void core_server_refuse(mesh_tserver *tserver);
bool core_server_has_connections(mesh_tserver *tserver);
bool core_server_is_sending(mesh_tserver *tserver);
void core_server_cancel(mesh_tserver *tserver);
void core_server_destroy(mesh_tserver *tserver);
mesh_code core_channel_create(const char *target, const mesh_channel_options *options,
                              mesh_tchannel **tchannel, mesh_error *err);
void core_channel_destroy(mesh_tchannel *tchannel);
mesh_tcall *core_call_create(mesh_tchannel *tchannel, const mesh_start *start,
                             const mesh_client_events *events, void *upper);
void core_call_start(mesh_tcall *call, const mesh_start *start);
void core_drive(mesh_tcall *call);

#endif
