/*
 * A queue with its thread, in the shape that was measured to be cheapest: one a core, and for each
 * method a lane with a number of posted, reused calls.
 */
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/rpc/core/core_server.h"

enum {
    POSTED_CALLS = 64,   /* calls of a lane that wait for a request */
    POSTED_STREAMS = 8,  /* the same for methods whose calls live long */
    FREE_CALLS_MAX = 256 /* calls of a lane kept for reuse */
};

/* --- calls and their lanes -------------------------------------------------------------------- */

static size_t posted_target(const core_lane *lane)
{
    return lane->method->arrival == MESH_AT_HEADERS ? POSTED_STREAMS : POSTED_CALLS;
}

/* Asks the core for the lane's next call. Takes the call; frees it when the core refuses. */
static void post(core_lane *lane, core_server_call *call)
{
    grpc_completion_queue *queue = lane->poller->queue;
    grpc_call_error error;
    void *tag = &call->tags[TAG_NEW];

    atomic_store_explicit(&call->pending, 1, memory_order_relaxed);
    CORE_TAG_RELEASE(tag);
    if (lane->method->path == NULL)
        error = grpc_server_request_call(lane->server->server, &call->call, &call->details,
                                         &call->metadata, queue, queue, tag);
    else
        error = grpc_server_request_registered_call(
            lane->server->server, lane->method->registered, &call->call, &call->deadline,
            &call->metadata, lane->method->arrival == MESH_AT_HEADERS ? NULL : &call->payload,
            queue, queue, tag);
    if (error != GRPC_CALL_OK) {
        core_server_call_destroy(call);
        return;
    }
    lane->posted++;
}

/* Keeps as many calls posted as the lane wants. Without memory it goes on with fewer. */
static void replenish(core_lane *lane)
{
    while (lane->posted < posted_target(lane) &&
           !atomic_load_explicit(&lane->server->ending, memory_order_relaxed)) {
        core_server_call *call = lane->free_calls;

        if (call != NULL) {
            lane->free_calls = call->next_free;
            lane->free_count--;
        } else {
            call = core_server_call_create(lane);
            if (call == NULL)
                return;
        }
        post(lane, call);
    }
}

static void recycle(core_server_call *call)
{
    core_lane *lane = call->lane;

    core_server_call_reset(call);
    if (lane->free_count < FREE_CALLS_MAX) {
        call->next_free = lane->free_calls;
        lane->free_calls = call;
        lane->free_count++;
    } else {
        core_server_call_destroy(call);
    }
    replenish(lane);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void on_new(core_server_call *call, bool ok)
{
    core_lane *lane = call->lane;

    lane->posted--;
    /* counted first: the end of the server sees this call, or this call the end */
    atomic_fetch_add(&lane->poller->open_calls, 1);
    if (ok && !atomic_load(&lane->server->ending)) {
        replenish(lane);
        core_server_call_arrived(call);
    } else {
        core_server_call_destroy(call); /* the server takes no more calls */
        atomic_fetch_sub(&lane->poller->open_calls, 1);
    }
}

static void on_event(const core_server_tag *tag, bool ok)
{
    core_server_call *call = tag->call;
    core_lane *lane = call->lane;

    if (tag->kind == TAG_NEW) {
        on_new(call, ok);
        return;
    }
    core_server_call_answer(call, tag->kind, ok);
    if (atomic_fetch_sub_explicit(&call->pending, 1, memory_order_acq_rel) != 1)
        return;
    if (lane->server->events->on_done(&call->head))
        recycle(call);
    else
        replenish(lane); /* the layer above keeps the memory: another has to come for it */
    atomic_fetch_sub(&lane->poller->open_calls, 1);
}

static void *poll_queue(void *argument)
{
    core_poller *poller = argument;
    mesh_tserver *server = poller->server;

    if (core_server_started(server))
        for (size_t i = 0; i < server->method_count; i++)
            replenish(&poller->lanes[i]);
    for (;;) {
        grpc_event event = grpc_completion_queue_next(poller->queue,
                                                      gpr_inf_future(GPR_CLOCK_REALTIME), NULL);

        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        CORE_TAG_ACQUIRE(event.tag);
        if (event.tag == server)
            core_server_stopped(server);
        else
            on_event(event.tag, event.success != 0);
    }
}

/* --- its life --------------------------------------------------------------------------------- */

void core_poller_init(core_poller *poller, mesh_tserver *server)
{
    poller->server = server;
    poller->queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(server->server, poller->queue, NULL);
}

mesh_code core_poller_make_lanes(core_poller *poller, mesh_error *err)
{
    mesh_tserver *server = poller->server;

    poller->lanes = mesh_calloc(server->method_count, sizeof *poller->lanes);
    if (poller->lanes == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < server->method_count; i++) {
        core_lane *lane = &poller->lanes[i];

        *lane = (core_lane){.server = server, .poller = poller, .method = &server->methods[i]};
        /* one is enough to go on with, and without one nobody would ever call */
        lane->free_calls = core_server_call_create(lane);
        if (lane->free_calls == NULL)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
        lane->free_count = 1;
    }
    return MESH_OK;
}

mesh_code core_poller_start(core_poller *poller, mesh_error *err)
{
    int error = pthread_create(&poller->thread, NULL, poll_queue, poller);

    if (error != 0)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                              strerror(error));
    poller->running = true;
    return MESH_OK;
}

void core_poller_stop(core_poller *poller)
{
    const gpr_timespec never = gpr_inf_future(GPR_CLOCK_REALTIME);

    if (poller->queue == NULL)
        return;
    grpc_completion_queue_shutdown(poller->queue);
    if (poller->running)
        pthread_join(poller->thread, NULL);
    else
        while (grpc_completion_queue_next(poller->queue, never, NULL).type != GRPC_QUEUE_SHUTDOWN)
            ;
}

static void free_lanes(core_poller *poller)
{
    for (size_t i = 0; poller->lanes != NULL && i < poller->server->method_count; i++) {
        core_server_call *call = poller->lanes[i].free_calls;

        while (call != NULL) {
            core_server_call *next = call->next_free;

            core_server_call_destroy(call);
            call = next;
        }
    }
    mesh_free(poller->lanes);
}

void core_poller_destroy(core_poller *poller)
{
    if (poller->queue == NULL)
        return;
    free_lanes(poller);
    grpc_completion_queue_destroy(poller->queue);
}
