/*
 * In the steady state a call on nghttp2 allocates nothing, whichever thread answers it. The linker
 * sends the allocations of the runtime through here, and with them nghttp2's, which come from it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

enum {
    WARM_UP = 500, /* until everything that is used again was made */
    CALLS = 2000
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

static mesh_code echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    response->text = request->text;
    return MESH_OK;
}

static const testing__v1__testing__handlers blocking = {.echo = echo};
static const testing__v1__testing__handlers inlined = {.echo__inline = echo};

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

/* Calls one after the other, with metadata and a deadline. */
static void call_often(raw_client *client, int calls)
{
    static const uint8_t text[] = {0x0a, 2, 'h', 'i'};

    for (int i = 0; i < calls; i++) {
        uint32_t stream = raw_request(client, "/testing.v1.Testing/Echo", "grpc-timeout", "20S",
                                      false);

        raw_message(client, stream, false, text, sizeof text, true);
        assert_true(raw_wait(client, stream));
    }
}

static void a_unary_call_allocates_nothing(void **state)
{
    raw_client client;
    size_t before;

    (void)state;
    is_a_client = true;
    raw_connect(&client, mesh_server_port(service.server));
    call_often(&client, WARM_UP);
    testing_wait_for_active(&service, 0);
    before = atomic_load(&made);
    call_often(&client, CALLS);
    testing_wait_for_active(&service, 0);
    assert_int_equal(atomic_load(&made) - before, 0);
    raw_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {BOTH(a_unary_call_allocates_nothing)};

    return cmocka_run_group_tests_name("allocations", tests, NULL, NULL);
}
