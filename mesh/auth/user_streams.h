/*
 * The streams of users that are open, by user and by when their tokens expire: a thread ends each
 * at that moment. Internal.
 *
 * Thread-safe. A stream is memory of its call and stays in the table from an interceptor's on_open
 * to its on_close. Whoever looks at one holds the table's lock, under which calls may be aborted
 * (mesh_call_abort) and nothing else of the runtime be called.
 */
#ifndef MESH_AUTH_USER_STREAMS_H
#define MESH_AUTH_USER_STREAMS_H

#include <stdbool.h>
#include <sys/queue.h>

#include "mesh/rpc/call.h"

typedef struct mesh_user_stream mesh_user_stream;
struct mesh_user_stream {
    mesh_call *call;   /* immutable, as are the next three */
    const char *user;  /* whose it is; lives as long as the call */
    int64_t version;   /* of the user, when the token was issued */
    int64_t expires_s; /* seconds since the epoch; the first in which the token is no good */
    bool doubted;      /* for who looks; false when it is added */

    LIST_ENTRY(mesh_user_stream) same_user; /* or one with the same hash */
    LIST_ENTRY(mesh_user_stream) same_second;
};

typedef struct mesh_user_streams mesh_user_streams;

/* NULL: out of memory. */
mesh_user_streams *mesh_user_streams_create(void);

/* When there are none any more. NULL is accepted. */
void mesh_user_streams_destroy(mesh_user_streams *streams);

/*
 * The thread starts with the first. UNAUTHENTICATED with TOKEN_EXPIRED: it expired just now.
 * RESOURCE_EXHAUSTED: no thread can be started.
 */
mesh_code mesh_user_streams_add(mesh_user_streams *streams, mesh_user_stream *stream,
                                mesh_error *err);
void mesh_user_streams_remove(mesh_user_streams *streams, mesh_user_stream *stream);

/* Calls `fn` for each of a user's, with the lock. */
void mesh_user_streams_each(mesh_user_streams *streams, const char *user,
                            void (*fn)(void *context, mesh_user_stream *stream), void *context);

#endif
