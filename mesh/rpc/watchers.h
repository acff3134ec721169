/*
 * Streams that one thread sends to, each from its own place in something that grows. A client that
 * does not read keeps nobody waiting. Private to this tree.
 *
 *   typedef struct place { mesh_watcher watcher; int64_t position; } place;
 *
 * The thread calls `round` whenever there may be something to do: a stream was added, closed or has
 * room again, mesh_watchers_wake was called, or the time has passed that the last round asked for.
 * A round goes over the list of mesh_watchers_sweep, and what it keeps in a watcher beside the
 * head, it looks at unlocked: the thread alone frees watchers. In the table of the method,
 * on_open ends with mesh_watchers_add, and the others are mesh_watchers_on_writable and
 * mesh_watchers_on_close.
 *
 * One lock, held while a message is sent, so that on_close waits for a send that has begun. It is
 * not held during a round otherwise.
 */
#ifndef MESH_RPC_WATCHERS_H
#define MESH_RPC_WATCHERS_H

#include "mesh/rpc/stream.h"

typedef struct mesh_watchers mesh_watchers;

/* The head of a watcher, which mesh_calloc made. All but `next` are of watchers.c. */
typedef struct mesh_watcher {
    struct mesh_watcher *next; /* the thread's, except that add puts new ones in front under mu */
    mesh_watchers *watchers;   /* immutable */
    mesh_stream *stream;       /* guarded by mu; NULL: closed */
    bool full;                 /* guarded by mu; the stream takes no more until it is writable */
} mesh_watcher;

typedef struct mesh_watchers_options {
    int64_t (*round)(void *self); /* after how many ms it wants to be called again; < 0: when
                                     something happens */
    void *self;                   /* borrowed */
    size_t max;                   /* streams at once; 0: any number */
} mesh_watchers_options;

/* Starts the thread, which calls nothing before something wakes it. RESOURCE_EXHAUSTED. */
mesh_code mesh_watchers_create(const mesh_watchers_options *options, mesh_watchers **watchers,
                               mesh_error *err);

/* Ends the thread, and frees watchers that are left. After the server. NULL is accepted. */
void mesh_watchers_destroy(mesh_watchers *watchers);

/*
 * The watcher gets the stream, as its data, and is taken, also by a call that fails. From on_open.
 * RESOURCE_EXHAUSTED: there are as many as may be; UNAVAILABLE: the service stops.
 */
mesh_code mesh_watchers_add(mesh_watchers *watchers, mesh_watcher *watcher, mesh_stream *stream,
                            mesh_error *err);

/* For tables of events; `self` is not looked at, nor is a stream that was not added. */
void mesh_watchers_on_writable(void *self, mesh_stream *stream);
void mesh_watchers_on_close(void *self, mesh_stream *stream, mesh_code code);

/* There may be something new. Any thread. */
void mesh_watchers_wake(mesh_watchers *watchers);

/* Ends all streams with UNAVAILABLE, and takes no more: the service drains. Any thread. */
void mesh_watchers_end(mesh_watchers *watchers);

/* --- from a round ----------------------------------------------------------------------------- */

/* Frees those that are closed and returns the first of the others. */
mesh_watcher *mesh_watchers_sweep(mesh_watchers *watchers);

/* Whether a send may succeed. */
bool mesh_watcher_can_take(mesh_watcher *watcher);

/* Sends a message; false: not now, or never again. */
bool mesh_watcher_send(mesh_watcher *watcher, const ProtobufCMessage *message);

/* Ends the stream. */
void mesh_watcher_give_up(mesh_watcher *watcher, mesh_code code, const mesh_error *err);

#endif
