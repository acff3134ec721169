#include "tests/mesh/rpc/fuzz_server.h"

#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/rpc/pool.h"
#include "mesh/rpc/transport.h"

enum {
    MAX_METHODS = 16,
    MAX_METADATA = 16,
    MAX_EVENTS = 10000, /* of a call: more is one that never ends */
    INFLATED_MAX = 10000
};

struct mesh_tserver {
    const mesh_server_events *events;
    void *server;
    struct {
        void *method;
        mesh_arrival arrival;
    } methods[MAX_METHODS];
    size_t method_count;
};

typedef struct fuzz_message {
    uint8_t *bytes; /* NULL: none */
    mesh_slice slices[2];
} fuzz_message;

/* What an operation asked for and no event answered yet. */
typedef struct fuzz_call {
    mesh_tcall head; /* first: the layer above knows a call by it */
    fuzz_input input;
    unsigned what;
    mesh_metadata metadata[MAX_METADATA];
    size_t key_sizes[MAX_METADATA];
    size_t metadata_count;
    fuzz_message request, read; /* those that are with the layer above */
    bool reading, writing, watching, waking;
    bool finished, cancelled, released;
    bool abort_asked, aborted;
} fuzz_call;

extern const mesh_transport __wrap_mesh_transport_core;

static mesh_tserver *last_server;

/* --- messages --------------------------------------------------------------------------------- */

static void release_message(void *owner)
{
    fuzz_message *held = owner;

    FUZZ_CHECK(held->bytes != NULL);
    free(held->bytes);
    held->bytes = NULL;
}

/* The next message; false when there is none. Each has memory of its own. */
static bool next_message(fuzz_call *call, fuzz_message *held, mesh_message *message)
{
    fuzz_input block;
    size_t first;

    if (call->input.size == 0)
        return false;
    FUZZ_CHECK(held->bytes == NULL); /* released before the next read */
    block = fuzz_block(&call->input);
    first = call->what & FUZZ_CALL_SLICES ? block.size / 2 : 0;
    held->bytes = malloc(block.size > 0 ? block.size : 1);
    FUZZ_CHECK(held->bytes != NULL);
    if (block.size > 0)
        memcpy(held->bytes, block.data, block.size);
    *message = (mesh_message){
        .slices = held->slices, .size = block.size, .owner = held, .release = release_message};
    if (first > 0)
        held->slices[message->slice_count++] = (mesh_slice){held->bytes, first};
    if (block.size > first)
        held->slices[message->slice_count++] = (mesh_slice){held->bytes + first,
                                                            block.size - first};
    message->compressed = call->what & FUZZ_CALL_GZIP && call->input.size == 0;
    message->limit = INFLATED_MAX;
    return true;
}

static bool reserve(size_t size, mesh_buffer *buffer)
{
    *buffer = (mesh_buffer){.data = mesh_malloc(size > 0 ? size : 1), .size = size};
    return buffer->data != NULL;
}

static void discard(mesh_buffer *buffer)
{
    mesh_free(buffer->data);
}

/* Reads what is sent to its last byte. */
static void send_message(const mesh_buffer *buffer)
{
    uint8_t *copy = malloc(buffer->size > 0 ? buffer->size : 1);

    FUZZ_CHECK(copy != NULL);
    memcpy(copy, buffer->data, buffer->size);
    free(copy);
    mesh_free(buffer->data);
}

/* --- operations ------------------------------------------------------------------------------- */

static bool metadata_at(mesh_tcall *tcall, bool trailing, size_t *at, mesh_received *received)
{
    fuzz_call *call = (fuzz_call *)tcall;

    if (trailing || *at >= call->metadata_count)
        return false;
    *received = (mesh_received){.entry = call->metadata[*at], .key_size = call->key_sizes[*at]};
    (*at)++;
    return true;
}

static void peer(mesh_tcall *tcall, mesh_arena *arena, mesh_peer *out)
{
    (void)tcall;
    (void)arena;
    *out = (mesh_peer){.address = "ipv4:127.0.0.1:1"};
}

static void wake(mesh_tcall *tcall)
{
    fuzz_call *call = (fuzz_call *)tcall;

    FUZZ_CHECK(!call->finished);
    call->waking = true;
}

static void watch_close(mesh_tcall *tcall)
{
    fuzz_call *call = (fuzz_call *)tcall;

    FUZZ_CHECK(!call->watching && !call->finished && !call->aborted);
    call->watching = true;
}

static void read_next(mesh_tcall *tcall)
{
    fuzz_call *call = (fuzz_call *)tcall;

    FUZZ_CHECK(!call->reading && !call->finished && !call->aborted);
    call->reading = true;
}

/* What becomes of a write is up to the message's size. */
static mesh_write_result write_message(mesh_tcall *tcall, const mesh_metadata_list *headers,
                                       const mesh_buffer *message, bool compress, bool more)
{
    static const mesh_write_result results[] = {MESH_WRITE_PENDING, MESH_WRITE_DONE,
                                                MESH_WRITE_FULL};
    fuzz_call *call = (fuzz_call *)tcall;
    mesh_write_result result = results[message->size % 3];

    (void)headers;
    (void)compress;
    (void)more;
    FUZZ_CHECK(!call->writing && !call->finished && !call->aborted);
    call->writing = result != MESH_WRITE_DONE;
    send_message(message);
    return result;
}

static void finish(mesh_tcall *tcall, const mesh_final *final)
{
    fuzz_call *call = (fuzz_call *)tcall;

    FUZZ_CHECK(!call->finished);
    FUZZ_CHECK(final->code >= MESH_OK && final->code <= MESH_UNAUTHENTICATED);
    FUZZ_CHECK(final->code != MESH_OK || final->text == NULL);
    call->finished = true;
    if (final->message != NULL)
        send_message(final->message);
}

/* One transport tells of a close then, as of any call that is given up, the other does not. */
static void abort_call(mesh_tcall *tcall, const mesh_final *final)
{
    fuzz_call *call = (fuzz_call *)tcall;

    FUZZ_CHECK(!call->finished && !call->aborted);
    FUZZ_CHECK(final->code == MESH_UNAUTHENTICATED && final->message == NULL);
    call->aborted = true;
    call->cancelled = call->what & FUZZ_CALL_SLICES;
}

static void cancel(mesh_tcall *tcall)
{
    ((fuzz_call *)tcall)->cancelled = true;
}

static void release(mesh_tcall *tcall)
{
    ((fuzz_call *)tcall)->released = true;
}

static const mesh_tcall_ops ops = {
    .metadata = metadata_at,
    .peer = peer,
    .wake = wake,
    .watch_close = watch_close,
    .read = read_next,
    .write = write_message,
    .finish = finish,
    .abort = abort_call,
    .cancel = cancel,
    .release = release,
};

/* --- a call ----------------------------------------------------------------------------------- */

static void read_metadata(fuzz_call *call)
{
    while (call->input.size > 0) {
        fuzz_input line = fuzz_until(&call->input, '\n');
        size_t at = call->metadata_count;
        fuzz_input key;

        if (line.size == 0 || at == MAX_METADATA)
            break;
        key = fuzz_until(&line, ':');
        if (line.size > 0 && line.data[0] == ' ')
            (void)fuzz_byte(&line);
        call->metadata[at] = (mesh_metadata){(const char *)key.data, line.data, line.size};
        call->key_sizes[at] = key.size;
        call->metadata_count++;
    }
}

static void open_call(mesh_tserver *tserver, fuzz_call *call, size_t method)
{
    static const char unknown[] = "/none.Such/Method";
    mesh_open open = {.deadline_ns = call->what & FUZZ_CALL_LATE ? 1 : MESH_NO_DEADLINE,
                      .too_much_metadata = call->what & FUZZ_CALL_METADATA};

    if (method == tserver->method_count) {
        open.path = unknown;
        open.path_size = sizeof unknown - 1;
    } else {
        open.method = tserver->methods[method].method;
        if (tserver->methods[method].arrival != MESH_AT_HEADERS)
            open.has_message = next_message(call, &call->request, &open.message);
    }
    tserver->events->on_open(tserver->server, &call->head, &open);
}

static void bring_message(mesh_tserver *tserver, fuzz_call *call)
{
    mesh_message message;

    call->reading = false;
    if (!call->cancelled && !call->aborted && next_message(call, &call->read, &message))
        tserver->events->on_message(&call->head, &message);
    else
        tserver->events->on_message(&call->head, NULL);
}

static void bring_written(mesh_tserver *tserver, fuzz_call *call)
{
    call->writing = false;
    tserver->events->on_written(&call->head, !call->cancelled);
}

/* --- a worker, on the same thread ------------------------------------------------------------- */

mesh_pool_answer __wrap_mesh_pool_submit(mesh_pool *pool, mesh_flow *flow, mesh_job *job);

static mesh_job *submitted;

mesh_pool_answer __wrap_mesh_pool_submit(mesh_pool *pool, mesh_flow *flow, mesh_job *job)
{
    (void)pool;
    (void)flow;
    FUZZ_CHECK(submitted == NULL);
    submitted = job;
    return MESH_POOL_TAKEN;
}

void __wrap_mesh_pool_relax(mesh_pool *pool, mesh_job *job);

void __wrap_mesh_pool_relax(mesh_pool *pool, mesh_job *job)
{
    (void)pool;
    FUZZ_CHECK(submitted == job);
}

static bool run_submitted(void)
{
    mesh_job *job = submitted;

    if (job == NULL)
        return false;
    job->run(job->argument);
    submitted = NULL;
    job->end(job->argument);
    return true;
}

/* --- its events ------------------------------------------------------------------------------- */

/* As an interceptor does, which knows of the call as long as it is not finished. */
static void ask_to_abort(fuzz_call *call)
{
    unsigned when = call->input.size == 0 ? FUZZ_CALL_ABORTED | FUZZ_CALL_REFUSED
                                          : FUZZ_CALL_REFUSED;
    mesh_error err;

    if (call->abort_asked || call->finished || !(call->what & when))
        return;
    call->abort_asked = true;
    mesh_error_clear(&err);
    mesh_call_abort(call->head.upper, mesh_error_set(&err, MESH_UNAUTHENTICATED, "no more"), &err);
}

/* The one thing that happens next; false when nothing can any more. */
static bool step(mesh_tserver *tserver, fuzz_call *call)
{
    bool slow = call->what & FUZZ_CALL_SLOW;

    ask_to_abort(call);
    if (!slow && run_submitted())
        return true;
    if (call->watching && call->what & FUZZ_CALL_CANCELLED && call->input.size == 0)
        call->cancelled = true;
    if (call->watching && (call->finished || call->cancelled)) {
        call->watching = false;
        tserver->events->on_close(&call->head, call->cancelled);
    } else if (call->waking) {
        call->waking = false;
        tserver->events->on_woken(&call->head);
    } else if (call->writing && !(slow && call->reading)) {
        bring_written(tserver, call);
    } else if (call->reading) {
        bring_message(tserver, call);
    } else if (run_submitted()) {
        return true;
    } else if (!call->finished && call->watching) {
        call->cancelled =
            true; /* the handler waits for something else: the client loses patience */
    } else {
        return false;
    }
    return true;
}

static void play_call(mesh_server *server, fuzz_input input)
{
    mesh_tserver *tserver = last_server;
    fuzz_call call = {.head = {.ops = &ops}};
    size_t method = fuzz_byte(&input) % (tserver->method_count + 1);
    size_t events = 0;

    FUZZ_CHECK(tserver->server == server);
    call.what = fuzz_byte(&input);
    call.input = input;
    call.head.upper = calloc(1, tserver->events->upper_bytes);
    FUZZ_CHECK(call.head.upper != NULL);
    read_metadata(&call);
    open_call(tserver, &call, method);
    while (step(tserver, &call))
        FUZZ_CHECK(++events < MAX_EVENTS);
    FUZZ_CHECK(call.finished);
    if (!tserver->events->on_done(&call.head))
        FUZZ_CHECK(call.released);
    FUZZ_CHECK(call.request.bytes == NULL && call.read.bytes == NULL);
    FUZZ_CHECK(mesh_server_active(server) == 0);
    tserver->events->on_free(call.head.upper);
    free(call.head.upper);
}

/* --- the server ------------------------------------------------------------------------------- */

static mesh_code server_create(const mesh_server_options *options, const mesh_server_events *events,
                               void *server, mesh_tserver **tserver, mesh_error *err)
{
    mesh_tserver *made = calloc(1, sizeof *made);

    (void)options;
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->events = events;
    made->server = server;
    *tserver = last_server = made;
    return MESH_OK;
}

static mesh_code server_add_method(mesh_tserver *tserver, const char *path, mesh_arrival arrival,
                                   void *method, mesh_error *err)
{
    if (tserver->method_count == MAX_METHODS)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no room for %s", path);
    tserver->methods[tserver->method_count].method = method;
    tserver->methods[tserver->method_count++].arrival = arrival;
    return MESH_OK;
}

static mesh_code server_start(mesh_tserver *tserver, int *port, mesh_error *err)
{
    (void)tserver;
    (void)err;
    *port = 1;
    return MESH_OK;
}

static void nothing(mesh_tserver *tserver)
{
    (void)tserver;
}

static bool has_connections(mesh_tserver *tserver)
{
    (void)tserver;
    return false;
}

static void server_destroy(mesh_tserver *tserver)
{
    free(tserver);
}

const mesh_transport __wrap_mesh_transport_core = {
    .name = FUZZ_TRANSPORT,
    .reserve = reserve,
    .discard = discard,
    .server_create = server_create,
    .server_add_method = server_add_method,
    .server_start = server_start,
    .server_refuse = nothing,
    .server_has_connections = has_connections,
    .server_is_sending = has_connections,
    .server_cancel = nothing,
    .server_destroy = server_destroy,
};

/* --- the target ------------------------------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static mesh_server *server;

    if (server == NULL)
        server = fuzz_server_start();
    play_call(server, (fuzz_input){data, size});
    return 0;
}
