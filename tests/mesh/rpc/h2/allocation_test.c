/*
 * In the steady state a call on nghttp2 allocates nothing, whichever thread answers it. The linker
 * sends the allocations of the runtime through here, and with them nghttp2's, which come from it.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mesh/rpc/handlers.h"
#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

enum {
    TOGETHER = 8,  /* more than a worker and the loop still hold when the next call comes */
    WARM_UP = 500, /* until everything that is used again was made */
    CALLS = 2000,
    STREAM_WARM_UP = 50,
    STREAMS = 150,
    MESSAGES = 20 /* of a stream: all of them fit into the connection's first window */
};

static atomic_size_t made;             /* allocations of all threads but the client's */
static _Thread_local bool is_a_client; /* which is the test's own */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static void count(void)
{
    if (!is_a_client)
        atomic_fetch_add(&made, 1);
}

void *__wrap_malloc(size_t size)
{
    count();
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count_, size_t size)
{
    count();
    return __real_calloc(count_, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    count();
    return __real_realloc(memory, size);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static mesh_code echo_behind_the_gate(void *self, mesh_call *call,
                                      const Testing__V1__EchoRequest *request,
                                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
    return testing_handle_echo(self, call, request, response, err);
}

static const testing__v1__testing__handlers blocking = {.echo = echo_behind_the_gate};
static mesh_code count_up(void *self, mesh_stream *stream, const Testing__V1__CountRequest *request,
                          mesh_error *err)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;

    (void)self;
    (void)err;
    for (number.value = 1; number.value <= request->value; number.value++)
        assert_int_equal(testing__v1__testing__count__try_reply(stream, &number), MESH_OK);
    mesh_stream_end(stream, MESH_OK, NULL);
    return MESH_OK;
}

static const testing__v1__testing__count__events counting = {.on_open = count_up};
static const testing__v1__testing__handlers inlined = {.echo__inline = testing_handle_echo,
                                                       .count__events = &counting};

static testing_service service;

static int start(void **state)
{
    const testing__v1__testing__handlers *handlers = testing_style_of(state) == TESTING_WORKER
                                                         ? &blocking
                                                         : &inlined;

    testing_service_serve(&service, testing__v1__testing__api(handlers, NULL),
                          &(mesh_server_options){.worker_count = 2, .poller_count = 1}, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    return 0;
}

typedef struct kind {
    const char *path;
    uint8_t request[4];
    size_t size;
} kind;

static const kind echoed = {"/testing.v1.Testing/Echo", {0x0a, 2, 'h', 'i'}, 4};
static const kind counted = {"/testing.v1.Testing/Count", {0x08, MESSAGES}, 2};

/* Begins a call with metadata and a deadline; gives its stream. */
static uint32_t begin_call(raw_client *client, const kind *kind)
{
    return raw_request(client, kind->path, "grpc-timeout", "20S", false);
}

static void send_request(raw_client *client, const kind *kind, uint32_t stream)
{
    raw_message(client, stream, false, kind->request, kind->size, true);
}

static uint32_t send_call(raw_client *client, const kind *kind)
{
    uint32_t stream = begin_call(client, kind);

    send_request(client, kind, stream);
    return stream;
}

/* The last of one call may be left to do when the next one comes: several are there at once. */
static void overlap_calls(raw_client *client, const kind *kind)
{
    uint32_t streams[TOGETHER];

    for (int i = 0; i < TOGETHER; i++)
        streams[i] = begin_call(client, kind);
    for (int i = 0; i < TOGETHER; i++)
        send_request(client, kind, streams[i]);
    assert_true(raw_settle(client));
    testing_wait_for_active(&service, 0);
}

/*
 * A client has its answer before the worker has let go of the call, so that the next call may begin
 * beside it: what that takes is made by calls of which none ends before all have begun.
 */
static void call_together(raw_client *client)
{
    assert_int_equal(pthread_mutex_lock(&gate), 0);
    for (int i = 0; i < TOGETHER; i++)
        (void)send_call(client, &echoed);
    testing_wait_for_active(&service, TOGETHER);
    assert_int_equal(pthread_mutex_unlock(&gate), 0);
    testing_wait_for_active(&service, 0);
}

static void call_one_after_the_other(raw_client *client, const kind *kind, int calls)
{
    for (int i = 0; i < calls; i++)
        assert_true(raw_wait(client, send_call(client, kind)));
}

static void a_unary_call_allocates_nothing(void **state)
{
    raw_client client;
    size_t before;

    is_a_client = true;
    raw_connect(&client, mesh_server_port(service.server));
    if (testing_style_of(state) == TESTING_WORKER)
        call_together(&client);
    else
        overlap_calls(&client, &echoed);
    call_one_after_the_other(&client, &echoed, WARM_UP);
    testing_wait_for_active(&service, 0);
    before = atomic_load(&made);
    call_one_after_the_other(&client, &echoed, CALLS);
    testing_wait_for_active(&service, 0);
    assert_int_equal(atomic_load(&made) - before, 0);
    raw_close(&client);
}

static void a_message_of_a_stream_allocates_nothing(void **state)
{
    raw_client client;
    size_t before;

    (void)state;
    is_a_client = true;
    raw_connect(&client, mesh_server_port(service.server));
    overlap_calls(&client, &counted);
    call_one_after_the_other(&client, &counted, STREAM_WARM_UP);
    testing_wait_for_active(&service, 0);
    before = atomic_load(&made);
    call_one_after_the_other(&client, &counted, STREAMS);
    testing_wait_for_active(&service, 0);
    assert_int_equal(atomic_load(&made) - before, 0);
    raw_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_unary_call_allocates_nothing),
        INLINE(a_message_of_a_stream_allocates_nothing),
    };

    return cmocka_run_group_tests_name("allocations", tests, NULL, NULL);
}
