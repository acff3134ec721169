/* The inside of mesh_call, for the files of mesh/rpc that make, answer and end calls. Internal. */
#ifndef MESH_RPC_CALL_IMPL_H
#define MESH_RPC_CALL_IMPL_H

#include <stdatomic.h>

#include "mesh/rpc/connections.h"
#include "mesh/rpc/links.h"
#include "mesh/rpc/metadata.h"
#include "mesh/rpc/transport.h"

/* A method of a server, with who handles it. Immutable once the server started. */
typedef struct mesh_handler {
    mesh_server *server;
    const mesh_method *method;
    mesh_api api;
    mesh_handler_style style;
} mesh_handler;

/* What a call takes of its server. */
typedef struct mesh_admission {
    mesh_connection *connection; /* NULL: not known */
    bool admitted;               /* has a place among max_calls, and in the connection's share */
} mesh_admission;

/* How far an abort has come. */
typedef enum mesh_abort_stage {
    MESH_ABORT_NONE,
    MESH_ABORT_BEGUN, /* it is being written down */
    MESH_ABORT_ASKED  /* the transport's thread sees to it when it was woken */
} mesh_abort_stage;

/* Why a call is over before its end. */
typedef enum mesh_cut {
    MESH_CUT_NOT,
    MESH_CUT_CANCELLED, /* by the client, its deadline, or the transport */
    MESH_CUT_ABORTED    /* by mesh_call_abort */
} mesh_cut;

/*
 * Owners, each with a count in `refs`: the transport until on_done; a job on the worker pool; a
 * deferred answer; every child. The last one gives the memory back.
 */
struct mesh_call {
    mesh_tcall *tcall; /* immutable while the call runs, as is all without a remark */
    mesh_server *server;
    const mesh_handler *handler;
    mesh_arena *arena; /* kept over reuse of the memory, as is `links` */
    bool links_made;
    mesh_links links; /* calls made for this one */
    mesh_admission admission;
    mesh_job job; /* on a worker, one at a time */
    int64_t deadline_ns;
    mesh_trace trace;
    mesh_message message; /* the request, until it is decoded */
    bool has_message;
    bool more_messages; /* the client sent more than the request */
    ProtobufCMessage *request;
    ProtobufCMessage *response;
    mesh_stream *stream;         /* streaming methods only */
    mesh_metadata_list received; /* filled when first asked for */
    bool received_copied;
    mesh_metadata_list headers;
    mesh_metadata_list trailers;
    bool headers_sent;
    atomic_bool answered;
    bool watched;      /* the transport was asked to tell of its close */
    bool suspended;    /* an interceptor lets it wait */
    bool resumed;      /* guarded by cancel_mu, as are the next two: it need not wait any more */
    mesh_code verdict; /* of who resumed it */
    mesh_error *verdict_error;
    bool runs; /* its handler was begun, or is about to; the transport's */
    _Atomic(mesh_abort_stage) abort_stage;
    mesh_code abort_code;    /* immutable once it is ASKED, as is the next */
    mesh_error *abort_error; /* NULL: there was no memory, or nothing to say */
    bool untouched;          /* refused before anybody saw it */
    atomic_bool malformed;   /* as in mesh_final */
    atomic_bool understood;  /* the same */
    bool compress;
    bool inlined; /* its handler runs within an event of the transport */
    bool deferred;
    size_t answer_held; /* bytes of its memory, until the transport is done */
    mesh_peer peer;
    void *slots[MESH_CALL_SLOTS];
    size_t opened;         /* interceptors whose on_open was called */
    _Atomic(mesh_cut) cut; /* changes once */
    atomic_int refs;
    pthread_mutex_t cancel_mu;        /* made with `links` */
    void (*on_cancel)(void *context); /* guarded by cancel_mu */
    void *on_cancel_context;          /* the same */
    bool cancel_told;                 /* the same: cancelled, or ended */
    bool cancel_over;                 /* the same: the call was answered */
    bool cancel_runs;                 /* the same: `on_cancel` is running, on `canceller` */
    pthread_t canceller;              /* the same */
    pthread_cond_t cancel_ran;        /* it does not any more */
};

void mesh_call_ref(mesh_call *call);

/* Drops one count; the last one frees the call. Not for the transport's own count. */
void mesh_call_unref(mesh_call *call);

/* Ends the call with a code, an error (may be NULL) and, when MESH_OK, a message (may be NULL).
 * Once. */
void mesh_call_answer(mesh_call *call, mesh_code code, const mesh_error *err,
                      const mesh_buffer *message);

/* The same with an error. */
void mesh_call_answer_error(mesh_call *call, const mesh_error *err);

/* The same with what the handler of a unary call returned. */
void mesh_call_answer_unary(mesh_call *call, mesh_code code, const mesh_error *err);

/* It runs on, and is to see its close. Not after it was answered. */
void mesh_call_watch(mesh_call *call);

/* A server's call was let in: runs its handler, at once or when its one request is all here. */
void mesh_call_begin(mesh_call *call);

/* Its one request, if it has such, is all here. */
void mesh_call_run(mesh_call *call);

/*
 * Gives it to a worker as a job, with a count of its own, which `end` drops. RESOURCE_EXHAUSTED:
 * there is none, nor a place to wait; neither is called.
 */
mesh_code mesh_call_submit(mesh_call *call, mesh_job_kind kind, void (*run)(void *call),
                           void (*end)(void *call), mesh_error *err);

/* What a job is that decodes a message. */
mesh_job_kind mesh_call_job_of(const mesh_message *message);

/* mesh_decode. A blocking handler of a stream waits here until it may take a processor for it. */
mesh_code mesh_call_decode(mesh_call *call, const ProtobufCMessageDescriptor *descriptor,
                           mesh_message *message, mesh_arena *arena, ProtobufCMessage **out,
                           mesh_error *err);

/* What its messages and its arenas count against. */
mesh_budget *mesh_call_memory(mesh_call *call);

/* Runs `fn` with cancel_runs set, and clears it. */
void mesh_call_run_cancel(mesh_call *call, void (*fn)(void *context), void *context);

/* It is over, for this reason, unless it is already for another; then false. Any thread. */
bool mesh_call_cut(mesh_call *call, mesh_cut why);

/* Whether mesh_call_abort has ended it. Any thread. */
bool mesh_call_aborted(const mesh_call *call);

/* Why a cancelled call was: DEADLINE_EXCEEDED, CANCELLED, or as mesh_call_abort said. */
mesh_code mesh_call_cancel_code(const mesh_call *call, mesh_error *err);

#endif
