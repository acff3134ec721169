/* The inside of mesh_stream. Internal. */
#ifndef MESH_RPC_STREAM_IMPL_H
#define MESH_RPC_STREAM_IMPL_H

#include <pthread.h>

#include "mesh/rpc/call_impl.h"
#include "mesh/rpc/transport.h"

typedef struct mesh_outgoing_message {
    struct mesh_outgoing_message *next;
    mesh_buffer buffer;
} mesh_outgoing_message;

/*
 * Both sides of a streaming call. The transport's events and any number of user threads meet under
 * `mu`, which is held while operations start and never while callbacks run.
 */
struct mesh_stream {
    const mesh_transport *transport; /* immutable, as is all above mu */
    mesh_tcall *tcall;
    mesh_call *call; /* server: the call it belongs to; NULL on a client */
    const mesh_method *method;
    const ProtobufCMessageDescriptor *incoming;
    const ProtobufCMessageDescriptor *outgoing;
    const mesh_events_adapter *events; /* evented server streams */
    size_t budget;                     /* of what waits to be sent, in bytes */
    int64_t send_timeout_ms;           /* of a blocking send; 0: none */
    size_t arena_limit;
    mesh_budget *memory;       /* server: that its messages count against; NULL: none */
    mesh_arena *message_arena; /* the message being read; the reader's */
    bool was_compressed;       /* the same */
    _Atomic(void *) data;

    pthread_mutex_t mu;
    pthread_cond_t changed;
    /* receiving */
    mesh_message message;
    bool has_message;
    bool reading;       /* a read is outstanding */
    bool receive_ended; /* the peer sends no more, or is gone */
    /* sending */
    mesh_outgoing_message *first;
    mesh_outgoing_message **last;
    size_t waiting_bytes; /* queued or being written, each with its overhead */
    size_t held_bytes;    /* of `memory`: for what waits, and some to spare */
    size_t writing_bytes;
    bool writing;       /* a write is outstanding */
    bool full;          /* and the transport wants nothing more before it is done */
    bool want_writable; /* a send was refused */
    bool compress;      /* what is sent from now on, if the call lets it */
    bool over;          /* nothing can be sent any more */
    uint64_t sent;      /* messages taken so far */
    /* ending */
    bool ending;   /* server: mesh_stream_end was called; client: no more messages from here */
    bool finished; /* server: the answer was handed down; client: half-close was */
    mesh_code end_code;
    mesh_error end_error;
    /* evented: */
    bool opened;        /* on_open was called */
    bool on_worker;     /* callbacks are a worker's, which reads and finishes when it leaves */
    bool writable_late; /* there was room for more meanwhile */
};

void mesh_stream_init(mesh_stream *stream, const mesh_transport *transport, mesh_tcall *tcall,
                      const mesh_method *method, mesh_call *call);
void mesh_stream_free(mesh_stream *stream); /* not the memory of the struct */

/* What both sides do with the transport's events. */
void mesh_stream_received(mesh_stream *stream, mesh_message *message); /* NULL: no more */
void mesh_stream_written(mesh_stream *stream, bool ok);
/* Server: ends the call with this status, before its handler does. False: it has ended already. */
bool mesh_stream_abort(mesh_stream *stream, const mesh_final *final);
void mesh_stream_over(mesh_stream *stream); /* wakes everybody up; drops what waits to be sent */

/* Starts a read unless one is outstanding. mu is held. */
void mesh_stream_read(mesh_stream *stream);

/* Waits for a message and takes it, to be decoded or released; false at the end. */
bool mesh_stream_take(mesh_stream *stream, mesh_message *message);

/* Client: half-close after what was sent. */
void mesh_stream_close(mesh_stream *stream);

/* Client: an answer could not be read. Gives the call up, which ends with `err` then; returns its
 * code. */
mesh_code mesh_stream_broken(mesh_stream *stream, mesh_error *err);

/* The reader: decodes a message, which is released in any case. */
mesh_code mesh_stream_decode(mesh_stream *stream, mesh_message *message, ProtobufCMessage **out,
                             mesh_error *err);

/* The reader is done with a message. What it held is for others, while the stream waits. */
void mesh_stream_forget(mesh_stream *stream);

/* Server: what an evented stream is told. The message is released in any case; NULL: no more. */
void mesh_stream_opened(mesh_stream *stream, const ProtobufCMessage *request);
void mesh_stream_deliver(mesh_stream *stream, mesh_message *message, bool ending);
void mesh_stream_writable(mesh_stream *stream);
void mesh_stream_closed(mesh_stream *stream);

/*
 * Server: gives an evented stream to a worker, which runs its callbacks until it leaves. False:
 * there is none, and the stream was ended.
 */
bool mesh_stream_submit(mesh_stream *stream, const mesh_message *message, void (*run)(void *call));
void mesh_stream_leave_worker(mesh_stream *stream);

#endif
