/* A thread with its connections: what the sockets say, what other threads post, and timers. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mesh/base/alloc.h"
#include "mesh/base/log.h"
#include "mesh/rpc/h2/h2.h"

enum {
    EVENTS_MAX = 64,
    FREE_OUTPUTS_MAX = 4
};

_Thread_local h2_loop *h2_this_loop;

/* --- what other threads post ------------------------------------------------------------------ */

void h2_loop_post(h2_loop *loop, h2_post *post)
{
    h2_post *newest = atomic_load_explicit(&loop->posts, memory_order_relaxed);
    const uint64_t one = 1;

    do
        post->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&loop->posts, &newest, post, memory_order_seq_cst,
                                                  memory_order_relaxed));
    /* the loop looks at its posts once more after it has said that it sleeps */
    if (atomic_exchange(&loop->sleeping, false) && write(loop->wake_fd, &one, sizeof one) < 0)
        mesh_log(MESH_LOG_ERROR, "a loop cannot be woken", MESH_LOG_S("cause", strerror(errno)));
}

static void run_posts(h2_loop *loop)
{
    h2_post *newest = atomic_exchange(&loop->posts, NULL);
    h2_post *oldest = NULL;

    while (newest != NULL) {
        h2_post *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        h2_post *next = oldest->next; /* it may be posted again at once */

        oldest->run(oldest);
        oldest = next;
    }
}

static h2_loop *loop_of_command(h2_post *post)
{
    return (h2_loop *)((char *)post - offsetof(h2_loop, command_post));
}

/* Ends all calls; a connection that does not take the news ends with them. */
static void cancel_all(h2_loop *loop)
{
    h2_conn *next;

    for (h2_conn *conn = loop->conns; conn != NULL; conn = next) {
        next = conn->next;
        for (h2_call *call = conn->calls; call != NULL; call = call->next_in_conn)
            h2_call_end(call, MESH_UNAVAILABLE, "the server shuts down");
        h2_conn_flush(conn);
        if (conn->calls != NULL)
            h2_conn_close(conn);
    }
}

static void run_commands(h2_post *post)
{
    h2_loop *loop = loop_of_command(post);
    unsigned commands = atomic_exchange(&loop->commands, 0);
    h2_conn *next;

    if ((commands & H2_REFUSE) != 0)
        for (h2_conn *conn = loop->conns; conn != NULL; conn = next) {
            next = conn->next;
            h2_conn_drain(conn);
        }
    if ((commands & H2_CANCEL) != 0)
        cancel_all(loop);
    if ((commands & H2_CLOSE) != 0)
        for (h2_conn *conn = loop->conns; conn != NULL; conn = next) {
            next = conn->next;
            h2_conn_close(conn);
        }
    if ((commands & H2_STOP) != 0)
        loop->stopping = true;
}

void h2_loop_command(h2_loop *loop, unsigned command)
{
    if (atomic_fetch_or(&loop->commands, command) == 0)
        h2_loop_post(loop, &loop->command_post);
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Milliseconds that epoll may wait. */
static int patience(const h2_loop *loop)
{
    int64_t left_ms;

    if (loop->timers == NULL)
        return -1;
    left_ms = mesh_clock_left_ms(loop->timers->due_ns);
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

static void clear_wake_up(h2_loop *loop)
{
    uint64_t count;

    if (read(loop->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR)
        mesh_log(MESH_LOG_ERROR, "a loop's eventfd is broken",
                 MESH_LOG_S("cause", strerror(errno)));
}

static void forget_closed(h2_loop *loop)
{
    while (loop->closed != NULL) {
        h2_conn *conn = loop->closed;

        loop->closed = conn->next_dirty;
        h2_conn_unref(conn);
    }
}

static void handle(h2_loop *loop, const struct epoll_event *event)
{
    if (event->data.ptr == loop) {
        clear_wake_up(loop);
    } else if (event->data.ptr == &loop->throttle) {
        h2_throttle_run(loop);
    } else {
        h2_conn_on_event(event->data.ptr, event->events);
    }
}

static void run_once(h2_loop *loop)
{
    struct epoll_event events[EVENTS_MAX];
    int count;

    loop->round++;
    atomic_store(&loop->sleeping, true);
    if (atomic_load(&loop->posts) != NULL || loop->tired.first != NULL || h2_throttle_waits(loop))
        count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, 0);
    else
        count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, patience(loop));
    atomic_store(&loop->sleeping, false);
    loop->now_ns = mesh_clock_monotonic_ns();
    for (int i = 0; i < count; i++) {
        handle(loop, &events[i]);
        h2_turns_run(loop);
    }
    run_posts(loop);
    h2_turns_run(loop);
    h2_timers_fire(&loop->timers, loop->now_ns);
    h2_turns_run(loop);
    h2_turns_next(loop, &loop->tired);
    if (h2_throttle_waits(loop))
        h2_throttle_run(loop);
    forget_closed(loop);
}

static void *run(void *argument)
{
    h2_loop *loop = argument;

    h2_this_loop = loop;
    while (!loop->stopping || loop->conns != NULL || loop->call_count > 0)
        run_once(loop);
    return NULL;
}

/* --- its life --------------------------------------------------------------------------------- */

mesh_code h2_loop_init(h2_loop *loop, mesh_tserver *server, mesh_error *err)
{
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = loop};

    *loop = (h2_loop){.server = server, .epoll_fd = -1, .wake_fd = -1, .throttle.epoll_fd = -1};
    loop->command_post.run = run_commands;
    loop->mem = (nghttp2_mem){.mem_user_data = &loop->blocks,
                              .malloc = h2_blocks_malloc,
                              .free = h2_blocks_free,
                              .calloc = h2_blocks_calloc,
                              .realloc = h2_blocks_realloc};
    loop->input = mesh_malloc(H2_INPUT_BYTES);
    if (loop->input == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &wake) != 0 ||
        !h2_throttle_init(loop))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot make an event loop: %s",
                              strerror(errno));
    return MESH_OK;
}

mesh_code h2_loop_start(h2_loop *loop, mesh_error *err)
{
    int error = pthread_create(&loop->thread, NULL, run, loop);

    if (error != 0)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                              strerror(error));
    loop->running = true;
    return MESH_OK;
}

void h2_loop_join(h2_loop *loop)
{
    if (loop->running)
        (void)pthread_join(loop->thread, NULL);
    loop->running = false;
}

void h2_loop_destroy(h2_loop *loop)
{
    while (loop->free_calls != NULL) {
        h2_call *call = loop->free_calls;

        loop->free_calls = call->next;
        h2_call_destroy(call);
    }
    while (loop->free_output != NULL) {
        h2_output *output = loop->free_output;

        loop->free_output = output->next;
        mesh_free(output);
    }
    h2_cache_clear(&loop->cache);
    h2_blocks_clear(&loop->blocks);
    mesh_free(loop->input);
    if (loop->wake_fd >= 0)
        (void)close(loop->wake_fd);
    if (loop->throttle.epoll_fd >= 0)
        (void)close(loop->throttle.epoll_fd);
    if (loop->epoll_fd >= 0)
        (void)close(loop->epoll_fd);
}

/* --- output ----------------------------------------------------------------------------------- */

h2_output *h2_loop_take_output(h2_loop *loop)
{
    h2_output *output = loop->free_output;

    if (output != NULL) {
        loop->free_output = output->next;
        loop->free_output_count--;
    } else {
        output = mesh_malloc(sizeof *output);
    }
    if (output == NULL)
        return NULL;
    output->next = NULL;
    output->first = output->count = 0;
    output->bytes = output->copied = 0;
    output->full = false;
    output->spent = NULL;
    return output;
}

void h2_loop_give_output(h2_loop *loop, h2_output *output)
{
    while (output->spent != NULL) {
        h2_buffer *buffer = output->spent;

        output->spent = buffer->next;
        h2_buffer_give(&loop->cache, buffer);
    }
    if (loop->free_output_count == FREE_OUTPUTS_MAX) {
        mesh_free(output);
        return;
    }
    output->next = loop->free_output;
    loop->free_output = output;
    loop->free_output_count++;
}
