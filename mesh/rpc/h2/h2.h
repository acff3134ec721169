/*
 * What the files of the server on nghttp2 share. Internal to mesh/rpc/h2.
 *
 *   h2_server.c   the server, from its options to its end
 *   h2_loop.c     a thread with its connections: events, what other threads post, timers
 *   h2_conn.c     a connection's life: read, write, keepalive, age, drain
 *   h2_session.c  what nghttp2 tells of a connection's frames
 *   h2_call.c     a call: what happened to it, and what is told of that
 *   h2_turn.c     when that is told: connections take turns
 *   h2_throttle.c connections that waste time get little of it
 *   h2_ops.c      a call: what is asked of it, from any thread
 *   h2_fields.c   what the headers of a request say
 *   h2_message.c  messages that come in, in their frames
 *   h2_answer.c   headers and trailers that go out
 *   h2_send.c     messages that go out, in their frames
 *   h2_memory.c   memory that is used again
 *   h2_timer.c    what is to happen later
 *
 * Unless another thread is named, everything here belongs to the loop's thread.
 */
#ifndef MESH_RPC_H2_H2_H
#define MESH_RPC_H2_H2_H

#include <nghttp2/nghttp2.h>
#include <pthread.h>
#include <stdalign.h>

#include "mesh/base/clock.h"
#include "mesh/rpc/h2/h2_listener.h"
#include "mesh/rpc/h2/h2_memory.h"
#include "mesh/rpc/h2/h2_timer.h"
#include "mesh/rpc/transport.h"

typedef struct h2_loop h2_loop;
typedef struct h2_conn h2_conn;
typedef struct h2_call h2_call;

enum {
    H2_PREFIX_BYTES = 5, /* of a message: its flag and its length */
    /* Of a request, counted as RFC 9113 does (section 10.5.1); also announced. */
    H2_HEADER_BYTES_MAX = 16384,
    H2_HEADER_ENTRY_BYTES = 32,      /* that each counts more */
    H2_STREAM_WINDOW_BYTES = 1 << 20 /* what a client may send that no handler has read */
};

/* --- the server ------------------------------------------------------------------------------- */

/* A method of one server. Immutable once it started. */
typedef struct h2_method {
    char *path;
    size_t path_size;
    mesh_arrival arrival;
    void *upper;
} h2_method;

struct mesh_tserver {
    const mesh_server_events *events;
    void *upper;
    mesh_server_options options; /* numbers only */
    char *listen;
    h2_tls *tls; /* NULL: plaintext */
    h2_limits *limits;
    h2_listener *listener;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    h2_method *methods;
    size_t method_count;
    const h2_method **table; /* of methods, by the hash of their paths; made at the start */
    size_t table_size;       /* a power of two */
    h2_loop *loops;
    size_t loop_count;
    atomic_size_t next_loop;   /* which gets the next connection */
    atomic_size_t connections; /* that are open */
    atomic_size_t blocked;     /* of these: their sockets have not taken all that was sent */
    bool counted;              /* keeps the buffers of h2_memory.c */
    bool started;
    atomic_bool refusing;
};

/* NULL: there is none of that name. */
const h2_method *h2_server_method(const mesh_tserver *server, const char *path, size_t size);

/* --- loops ------------------------------------------------------------------------------------ */

/* Something for a loop to do that came from another thread. */
typedef struct h2_post {
    struct h2_post *next;
    void (*run)(struct h2_post *post);
} h2_post;

/* What a server asks of its loops, one bit each. */
enum {
    H2_REFUSE = 1, /* clients are told to make no new calls */
    H2_CANCEL = 2, /* all calls end */
    H2_CLOSE = 4,  /* all connections are closed */
    H2_STOP = 8    /* the thread ends when it has no calls any more */
};

/* What is on its way to a socket: parts of messages, and a copy of all that is small. */
enum {
    H2_OUTPUT_PARTS = 128,
    H2_OUTPUT_COPIED_BYTES = 48 << 10 /* see h2_output_has_room */
};
typedef struct h2_output {
    struct h2_output *next;
    struct iovec parts[H2_OUTPUT_PARTS];
    int first; /* that is not written */
    int count;
    size_t bytes;     /* of all parts */
    size_t copied;    /* bytes of `copies` in use */
    bool full;        /* a DATA frame found no room */
    h2_buffer *spent; /* whose bytes are in the parts; let go when all is written */
    uint8_t copies[H2_OUTPUT_COPIED_BYTES];
} h2_output;

/* Connections that wait for their turn, in order. */
typedef struct h2_turns {
    h2_conn *first;
    h2_conn *last;
} h2_turns;

/* The connections of a loop that are throttled. */
typedef struct h2_throttle {
    int epoll_fd;    /* they are in this set, which is in the loop's */
    h2_turns tired;  /* those of them that have had their turn, and have more to tell */
    int64_t used_ns; /* by them, since they rested */
    h2_timer timer;  /* their rest is over */
} h2_throttle;

struct h2_loop {
    mesh_tserver *server;
    pthread_t thread;
    bool running; /* the thread was started */
    int epoll_fd; /* -1: none */
    int wake_fd;
    _Atomic(h2_post *) posts; /* by any thread; the newest first */
    atomic_bool sleeping;
    h2_post command_post;
    atomic_uint commands;
    bool stopping;
    int64_t now_ns;           /* when it woke up last */
    _Atomic(int64_t) busy_ns; /* when a call was told of whose connection is not throttled */
    h2_throttle throttle;
    uint64_t round; /* each looks at the sockets, the posts and the timers once */
    h2_turns turns; /* connections with something to tell of their calls */
    h2_turns tired; /* those that have had their turn, and have more to tell; not throttled */
    h2_conn *dirty; /* connections with something to send */
    h2_conn *conns;
    h2_conn *closed; /* until the current events have been handled: one may name them */
    h2_call *free_calls;
    size_t free_call_count;
    size_t call_count; /* in use, also by the layer above */
    h2_output *free_output;
    size_t free_output_count;
    h2_output *filling; /* by h2_send_data, while nghttp2 sends */
    h2_timer *timers;
    h2_cache cache;
    h2_blocks blocks;
    nghttp2_mem mem;
    uint8_t *input;
};

enum {
    H2_INPUT_BYTES = 64 << 10
};

/* The loop whose thread this is; NULL on all others. */
extern _Thread_local h2_loop *h2_this_loop;

/* Where this thread takes buffers from; NULL: it has no loop. */
static inline h2_cache *h2_this_cache(void)
{
    return h2_this_loop != NULL ? &h2_this_loop->cache : NULL;
}

/* RESOURCE_EXHAUSTED: no memory, no descriptors. h2_loop_destroy also after that. */
mesh_code h2_loop_init(h2_loop *loop, mesh_tserver *server, mesh_error *err);
mesh_code h2_loop_start(h2_loop *loop, mesh_error *err);
void h2_loop_join(h2_loop *loop);
void h2_loop_destroy(h2_loop *loop);

/* From any thread. A post is in one loop's hands at a time. */
void h2_loop_post(h2_loop *loop, h2_post *post);
void h2_loop_command(h2_loop *loop, unsigned command);

/* One is kept for the loop; NULL: out of memory. */
h2_output *h2_loop_take_output(h2_loop *loop);
void h2_loop_give_output(h2_loop *loop, h2_output *output);

/* --- connections ------------------------------------------------------------------------------ */

enum {
    H2_STREAMS_REMEMBERED = 16,
    H2_FRAME_HEAD_BYTES = 9
};

/* The last streams of which something is to be remembered when nghttp2 has forgotten them. */
typedef struct h2_streams {
    int32_t ids[H2_STREAMS_REMEMBERED];
    uint32_t count;
} h2_streams;

/* Where in its frames what a client sends is. */
typedef struct h2_heads {
    uint8_t head[H2_FRAME_HEAD_BYTES];
    uint8_t size;  /* of the head that is here */
    uint32_t left; /* of what comes before the next head */
    bool in_block; /* the next frame is to go on with a header block */
    bool hidden;   /* nghttp2 does not see what is left */
    bool over;     /* it sees no more */
} h2_heads;

struct h2_conn {
    h2_loop *loop;
    h2_post post; /* on its way to the loop */
    h2_conn *previous;
    h2_conn *next;
    h2_conn *next_dirty;
    h2_conn *next_turn;
    h2_call *ready_first; /* calls of which there is something to tell */
    h2_call *ready_last;
    uint64_t round;        /* of its last turn */
    int64_t turn_until_ns; /* 0: not known yet */
    uint32_t told;         /* calls in this turn */
    bool waits_turn;       /* it is among those that do */
    bool tired;            /* its turn is over */
    bool throttled;
    uint32_t credit; /* calls that may come to nothing, before it is */
    h2_io io;
    h2_ticket ticket;
    nghttp2_session *session; /* NULL: not yet, or not any more */
    h2_timer timer;
    uint32_t waits_for;   /* EPOLLIN, EPOLLOUT */
    size_t refs;          /* one while it is open, and one for each call */
    h2_call *calls;       /* whose streams are open */
    h2_output *output;    /* what the socket did not take; NULL: nothing */
    int64_t made_ns;      /* accepted */
    int64_t read_ns;      /* something came */
    int64_t idle_ns;      /* since when it has no calls */
    int64_t ping_ns;      /* a keepalive PING went out that is not answered; 0: none */
    int64_t goaway_ns;    /* clients were told that it ends; 0: they were not */
    int64_t blocked_ns;   /* since when the socket takes nothing; 0: it does */
    int64_t last_ping_ns; /* the client's */
    uint32_t ping_strikes;
    int32_t highest_stream; /* that a client opened */
    h2_heads heads;
    uint32_t frames;        /* since the last count */
    uint32_t useful_frames; /* of these, or of one before them */
    h2_streams resets;      /* by this side */
    h2_streams ended;       /* by the client, and by this side, too */
    bool open;
    bool dirty;
    bool handshaking;
    bool greeted;     /* the client's SETTINGS are here */
    bool last_goaway; /* the GOAWAY that says where it ends is on its way */
    bool broken;      /* to be closed, whatever it has to say */
    bool lingering;   /* all is said; waits for the client's end */
    char peer[H2_PEER_TEXT_BYTES];
    char *identity; /* that was verified; NULL: none */
};

/* On the listener's thread: the connection goes to a loop. */
void h2_conn_accepted(void *server, const h2_accepted *accepted);

/* The socket is ready for something. */
void h2_conn_on_event(h2_conn *conn, uint32_t events);

/* There is something to send when the current events have been handled. */
void h2_conn_touch(h2_conn *conn);
void h2_conn_flush(h2_conn *conn);

/* What its timer is for has changed: its client greeted it or answered a PING, or it has no more
 * calls. */
void h2_conn_look_again(h2_conn *conn);

/* Clients are told to make no new calls: the first of two GOAWAYs. */
void h2_conn_drain(h2_conn *conn);
/* Its PING was answered: the second. */
void h2_conn_drained(h2_conn *conn);
void h2_conn_close(h2_conn *conn);

/*
 * Takes room for bytes that are kept of or for a connection (h2_ticket_take). When there is none in
 * all, the connection of the loop that holds most is closed for it, so that clients who leave their
 * answers unread do not take it from the others. False: the connection itself has too much.
 */
bool h2_conn_take(h2_conn *conn, size_t bytes);

/* A call of it is no more. Frees it after the last. */
void h2_conn_unref(h2_conn *conn);

/* A client asks for too much (a limit that was counted): GOAWAY, then the end. */
void h2_conn_refuse(h2_conn *conn);

/* --- turns (h2_turn.c) ------------------------------------------------------------------------ */

/* Gives each connection with something to tell its turn, and sends what comes of it. */
void h2_turns_run(h2_loop *loop);
/* The next one of those that had theirs in an earlier round. */
void h2_turns_next(h2_loop *loop, h2_turns *tired);

/* --- throttling (h2_throttle.c) --------------------------------------------------------------- */

/* False: no descriptors, no memory. */
bool h2_throttle_init(h2_loop *loop);
/* Goes on with a throttled connection: one waits for that, or the loop's epoll says so. */
void h2_throttle_run(h2_loop *loop);
bool h2_throttle_waits(const h2_loop *loop);
/* A new connection, which is in no set yet. */
void h2_throttle_enter(h2_conn *conn);
/* The set that it is in. */
int h2_throttle_epoll(const h2_conn *conn);
/* A call of it was served; one came to nothing, with so many bytes, and the client is why. */
void h2_throttle_served(h2_conn *conn);
void h2_throttle_wasted(h2_conn *conn, size_t bytes);
/* In no queue of those that wait: is throttled no longer when enough of its calls were served. */
void h2_throttle_let_go(h2_conn *conn);

/* --- nghttp2 ---------------------------------------------------------------------------------- */

/* NULL: out of memory. */
nghttp2_session_callbacks *h2_session_callbacks(void);
nghttp2_option *h2_session_options(void);

/* A session that has its SETTINGS to send. False: out of memory. */
bool h2_session_open(h2_conn *conn);

/* Bytes that came. False: the connection is of no use any more. */
bool h2_session_receive(h2_conn *conn, const uint8_t *data, size_t size);

extern const uint8_t h2_keepalive_ping[8];
extern const uint8_t h2_drain_ping[8];

/* --- headers ---------------------------------------------------------------------------------- */

/* A list of names and values as nghttp2 takes it. */
typedef struct h2_block {
    const nghttp2_nv *entries;
    size_t count;
    h2_buffer *memory; /* NULL: it is constant */
} h2_block;

/* Compression of messages, as grpc-encoding names it. */
typedef enum h2_encoding {
    H2_IDENTITY,
    H2_GZIP,
    H2_DEFLATE,
    H2_ENCODING_COUNT
} h2_encoding;

/* The application's metadata of a request. Its name and its value follow it. */
typedef struct h2_field {
    uint32_t name_size;
    uint32_t value_size;
} h2_field;

typedef struct h2_fields {
    h2_buffer *memory; /* entries behind one another */
    h2_buffer *path;   /* when there is no such method */
    uint32_t count;
    uint32_t bytes;    /* of `memory` in use */
    size_t list_bytes; /* as RFC 9113 counts them, section 10.5.1 */
    bool is_post;
    bool is_head;
    bool is_grpc;         /* the content-type */
    uint8_t accepts;      /* one bit an encoding */
    h2_encoding encoding; /* H2_ENCODING_COUNT: an unknown one */
    mesh_code code;       /* not MESH_OK: the call ends with it, and `text` */
    const char *text;
} h2_fields;

/* --- calls ------------------------------------------------------------------------------------ */

/* What is asked of a call by another thread, one bit each. */
enum {
    H2_OP_WATCH = 1,
    H2_OP_READ = 2,
    H2_OP_WRITE = 4,
    H2_OP_FINISH = 8,
    H2_OP_CANCEL = 16,
    H2_OP_RELEASE = 32,
    H2_OP_WAKE = 64
};

struct h2_call {
    mesh_tcall head;
    h2_loop *loop;
    h2_conn *conn;
    h2_call *next; /* free, or ready */
    h2_call *previous_in_conn;
    h2_call *next_in_conn;
    h2_post post;
    atomic_uint posted;
    int32_t stream;
    int64_t made_ns;         /* its headers began */
    const h2_method *method; /* NULL: there is none of that name */
    int64_t deadline_ns;
    h2_timer timer;
    h2_fields fields;

    /* where it is; see the table in README.md */
    bool on_wire;      /* nghttp2 has its stream */
    bool headers_here; /* all of the request's headers */
    bool remote_ended;
    bool opened;     /* on_open was called */
    bool finished;   /* by the layer above */
    bool ended;      /* its status is on its way, for whatever reason */
    bool done;       /* on_done was called */
    bool begun;      /* the headers of its answer were sent */
    bool answered;   /* all of its answer was sent */
    bool reset_here; /* by h2_call_reset, since there was no other way to end it */
    bool cancelled;
    bool malformed;  /* as in mesh_final, or by the frames of its messages */
    bool understood; /* as in mesh_final */
    bool is_http;    /* no gRPC: the answer has no trailers */
    bool is_ready;
    bool waking;
    bool watched;
    bool close_told;
    bool reading;
    bool writing;

    /* what comes in */
    uint8_t prefix[H2_PREFIX_BYTES];
    uint8_t prefix_size;
    bool compressed;
    bool has_message; /* a whole one waits to be read */
    uint32_t message_size;
    uint32_t message_got;
    h2_buffer *message;
    h2_buffer *backlog; /* bytes that nobody has asked for: from backlog_first to backlog_last */
    size_t backlog_first;
    size_t backlog_last;
    size_t consumed; /* of the stream's window, to be given back */
    size_t held;     /* of the connection's budget */

    /* What an operation gives: its thread's until it is posted. */
    struct {
        h2_block headers;
        h2_block trailers;
        h2_buffer *message;
        h2_encoding encoding; /* of messages that are to be compressed */
        bool has_headers;     /* they were given, now or before */
        bool failed;          /* there was no memory for it */
        bool untouched;       /* as in mesh_final */
        bool malformed;       /* the same */
        bool understood;      /* the same */
    } given;

    /* what goes out */
    h2_block headers;
    h2_block trailers;
    bool has_response; /* nghttp2 was given the headers */
    bool has_trailers; /* and the trailers */
    bool asleep;       /* nghttp2 waits for more messages */
    h2_buffer *first;  /* messages that wait, in their frames */
    h2_buffer *last;
    size_t waiting; /* bytes of them */
    size_t waiting_count;
    size_t framed;       /* of these, in a DATA frame that found no room: nghttp2 sends it next */
    size_t waiting_held; /* of these, what counts against the connection's budget */

    alignas(max_align_t) unsigned char upper[];
};

/* A call of a stream that has begun; NULL: out of memory. */
h2_call *h2_call_create(h2_conn *conn, int32_t stream);

/* Something happened to it: what is to be told is told when its connection has its turn. */
void h2_call_ready(h2_call *call);
void h2_call_tell(h2_call *call);
/* Something came for it that was not told: its request, a message, their end. */
bool h2_call_has_arrival(const h2_call *call);

/* All of its headers are here: what they say, and what follows. */
void h2_call_arrived(h2_call *call);
/* The stream is no more. */
void h2_call_left_wire(h2_call *call);
/* The end of it, decided here: the peer sees the code, the layer above that it was cancelled. */
void h2_call_end(h2_call *call, mesh_code code, const char *text);
/* The same with details; of `final` only these, code and text are read. */
void h2_call_end_with(h2_call *call, const mesh_final *final);
/* The same as h2_call_end where the client is why. */
void h2_call_fault(h2_call *call, mesh_code code, const char *text);
/* The same with RST_STREAM: ENHANCE_YOUR_CALM, where there is no memory to say more, is
 * RESOURCE_EXHAUSTED at the client. */
void h2_call_reset(h2_call *call, uint32_t error);
/* The memory is free for the next one. */
void h2_call_recycle(h2_call *call);
void h2_call_destroy(h2_call *call);

extern const mesh_tcall_ops h2_call_ops;

/* h2_fields.c: one header of the request, in order. */
void h2_fields_add(h2_call *call, const char *name, size_t name_size, const uint8_t *value,
                   size_t value_size);
void h2_fields_clear(h2_fields *fields, h2_cache *cache);
bool h2_fields_next(const h2_fields *fields, size_t *at, mesh_received *received);

/* h2_message.c: bytes of messages, as they come. */
void h2_message_receive(h2_call *call, const uint8_t *data, size_t size);
/* Somebody waits for a message: goes on with what nobody had asked for. */
void h2_message_want(h2_call *call);
/* Hands up the one that is whole. */
void h2_message_take(h2_call *call, mesh_message *message);
void h2_message_clear(h2_call *call);

/* h2_answer.c. Any thread: makes headers and trailers. False: out of memory. */
bool h2_answer_headers(h2_call *call, const mesh_metadata_list *headers, bool compress);
/* `alone`: no headers went before them. */
bool h2_answer_trailers(const h2_call *call, const mesh_final *final, bool alone, h2_block *block);
/* To what is no gRPC: headers, and the text that follows. */
const char *h2_answer_http(const h2_call *call, h2_block *headers);
void h2_block_clear(h2_block *block);

/* h2_compress.c. Any thread: a message in its frame, compressed if it wants that and gets
 * smaller. */
h2_buffer *h2_frame(const mesh_buffer *message, h2_encoding encoding);

/* h2_send.c: takes a message; takes the headers first, if there are none yet. */
void h2_send_headers(h2_call *call, h2_block *headers);
void h2_send_message(h2_call *call, h2_buffer *message);
/* What ends the answer, behind all messages. */
void h2_send_trailers(h2_call *call, h2_block *trailers);
/* As much waits as a stream's budget allows, or no more than half of that. */
bool h2_send_is_full(const h2_call *call);
bool h2_send_has_room(const h2_call *call);
/* Nothing of what waits will be sent. */
void h2_send_drop(h2_call *call);
int h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                 nghttp2_data_source *source, void *context);
/* A copy into what is on its way; the caller has seen to the room. */
void h2_output_copy(h2_output *output, const void *data, size_t size);
bool h2_output_has_room(const h2_output *output);

#endif
