/* Every allocation of ours fails in turn, in a server's and a channel's whole life: never more than
 * an error. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/base/alloc.h"
#include "tests/fixtures/memory.h"
#include "tests/mesh/rpc/certificates.h"
#include "tests/mesh/rpc/service.h"

enum {
    TIMEOUT_MS = 20000, /* a lost answer shows as DEADLINE_EXCEEDED */
    NEVER = 10000
};

static bool lost; /* the connection: a channel waits a second before it makes another one */

/*
 * How a scenario went: MESH_OK, or what failed. Only the running out of memory may. Without memory
 * for what HTTP/2 itself needs, nghttp2 gives the connection up: its calls are UNAVAILABLE.
 */
static mesh_code allowed(mesh_code code)
{
    const char *transport = getenv("MESH_SERVER");

    if (code == MESH_UNAVAILABLE && transport != NULL && strcmp(transport, "h2") == 0) {
        lost = true;
        return MESH_RESOURCE_EXHAUSTED;
    }
    if (code != MESH_OK && code != MESH_RESOURCE_EXHAUSTED)
        fail_msg("%s", mesh_code_name(code));
    return code;
}

static mesh_code echo(mesh_channel *channel)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_arena *arena = mesh_arena_create(1024, 0);
    const mesh_metadata metadata = {"x-some", "metadata", 8};
    mesh_error err;
    mesh_code code;

    if (arena == NULL)
        return MESH_RESOURCE_EXHAUSTED;
    request.text = "hello";
    request.answer_size = 20000;
    code = testing__v1__testing__echo(channel, &request, &response,
                                      &(mesh_call_options){.arena = arena,
                                                           .timeout_ms = TIMEOUT_MS,
                                                           .metadata = &metadata,
                                                           .metadata_count = 1,
                                                           .compress = true},
                                      &err);
    if (code == MESH_OK)
        assert_int_equal(strlen(response->text), 20000);
    mesh_arena_destroy(arena);
    return allowed(code);
}

typedef struct waiter {
    sem_t done;
    mesh_code code;
} waiter;

static void on_done(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                    const mesh_error *err)
{
    waiter *one = context;

    (void)response;
    (void)err;
    one->code = code;
    sem_post(&one->done);
}

static mesh_code async_echo(mesh_channel *channel)
{
    static waiter one;
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    mesh_code code;

    sem_init(&one.done, 0, 0);
    request.text = "hello";
    code = testing__v1__testing__echo__async(
        channel, &request, &(mesh_call_options){.timeout_ms = TIMEOUT_MS}, on_done, &one);
    if (code != MESH_OK)
        return allowed(code);
    testing_wait(&one.done);
    return allowed(one.code);
}

static mesh_code count(mesh_channel *channel)
{
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    const mesh_call_options options = {.timeout_ms = TIMEOUT_MS};
    const Testing__V1__Number *number = NULL;
    mesh_stream *stream;
    mesh_error err;
    mesh_code code;
    int64_t got = 0;

    request.value = 50;
    request.padding = 3000;
    code = testing__v1__testing__count(channel, &request, &stream, &options, &err);
    if (code != MESH_OK)
        return allowed(code);
    while (testing__v1__testing__count__next(stream, &number) == MESH_OK)
        assert_int_equal(number->value, ++got);
    code = mesh_stream_finish(stream, &err);
    if (code == MESH_OK)
        assert_int_equal(got, 50);
    return allowed(code);
}

static mesh_code sum(mesh_channel *channel)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    Testing__V1__Number *total = NULL;
    mesh_arena *arena = mesh_arena_create(1024, 0);
    mesh_stream *stream;
    mesh_error err;
    mesh_code sent = MESH_OK, code;

    if (arena == NULL)
        return MESH_RESOURCE_EXHAUSTED;
    code = testing__v1__testing__sum(
        channel, &stream, &(mesh_call_options){.arena = arena, .timeout_ms = TIMEOUT_MS}, &err);
    if (code == MESH_OK) {
        number.value = 1;
        for (int i = 0; i < 20 && sent == MESH_OK; i++)
            sent = testing__v1__testing__sum__send(stream, &number);
        code = testing__v1__testing__sum__finish(stream, &total, &err);
        if (code == MESH_OK && sent == MESH_OK)
            assert_int_equal(total->value, 20);
        else if (code == MESH_OK)
            code = allowed(sent);
    }
    mesh_arena_destroy(arena);
    return allowed(code);
}

/* More than can be on their way at once, so that some wait; what was not taken is not answered. */
static mesh_code both_ways(mesh_channel *channel)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    const mesh_call_options options = {.timeout_ms = TIMEOUT_MS};
    const Testing__V1__Number *doubled = NULL;
    mesh_stream *stream;
    mesh_error err;
    mesh_code sent = MESH_OK, code;
    int64_t got = 0;

    code = testing__v1__testing__double(channel, &stream, &options, &err);
    if (code != MESH_OK)
        return allowed(code);
    for (int i = 0; i < 20 && sent == MESH_OK; i++) {
        number.value = i;
        sent = testing__v1__testing__double__send(stream, &number);
    }
    (void)mesh_stream_close_send(stream);
    while (testing__v1__testing__double__next(stream, &doubled) == MESH_OK)
        assert_int_equal(doubled->value, 2 * got++);
    code = mesh_stream_finish(stream, &err);
    if (code == MESH_OK && sent == MESH_OK)
        assert_int_equal(got, 20);
    else if (code == MESH_OK)
        code = sent;
    return allowed(code);
}

/* Given up while the server sends more than the windows take. */
static mesh_code give_up(mesh_channel *channel)
{
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    const mesh_call_options options = {.timeout_ms = TIMEOUT_MS};
    const Testing__V1__Number *number = NULL;
    mesh_stream *stream;
    mesh_error err;
    mesh_code code;

    request.value = 100;
    request.padding = 3000;
    code = testing__v1__testing__count(channel, &request, &stream, &options, &err);
    if (code != MESH_OK)
        return allowed(code);
    code = testing__v1__testing__count__next(stream, &number);
    mesh_stream_cancel(stream);
    if (mesh_stream_finish(stream, &err) == MESH_CANCELLED)
        return MESH_OK;
    assert_true(code != MESH_OK || err.code == MESH_RESOURCE_EXHAUSTED);
    return allowed(err.code);
}

static mesh_code on_open(void *self, mesh_call *call, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    return MESH_OK;
}

static mesh_code on_start(void *self, mesh_outgoing *outgoing, mesh_error *err)
{
    (void)self;
    return mesh_outgoing_add(outgoing, "x-added", "value", 5, err);
}

static const mesh_interceptor server_chain = {.name = "opens", .on_open = on_open};
static const mesh_client_interceptor channel_chain = {.name = "starts", .on_start = on_start};
static const mesh_tls_options server_tls = {.certificate_file = "server.pem",
                                            .key_file = "server.key"};
static const mesh_tls_options channel_tls = {.ca_file = "ca.pem"};

/* Everything from the first option to the last free. */
static mesh_code live(testing_style style, bool tls)
{
    static testing_service service; /* only what its handlers need */
    mesh_server *server = NULL;
    mesh_channel *channel = NULL;
    char address[32];
    mesh_error err;
    mesh_code code;

    memset(&service, 0, sizeof service);
    sem_init(&service.opened, 0, 0);
    sem_init(&service.closed, 0, 0);
    sem_init(&service.cancelled, 0, 0);
    code = mesh_server_create(&(mesh_server_options){.listen = "127.0.0.1:0",
                                                     .tls = tls ? &server_tls : NULL,
                                                     .worker_count = 2,
                                                     .poller_count = 1,
                                                     .interceptors = &server_chain,
                                                     .interceptor_count = 1},
                              &server, &err);
    if (code == MESH_OK)
        code = mesh_server_add(server, testing_api(&service, style), &err);
    if (code == MESH_OK)
        code = mesh_server_start(server, &err);
    if (code == MESH_OK) {
        snprintf(address, sizeof address, "127.0.0.1:%d", mesh_server_port(server));
        code = mesh_channel_create(address,
                                   &(mesh_channel_options){.tls = tls ? &channel_tls : NULL,
                                                           .interceptors = &channel_chain,
                                                           .interceptor_count = 1},
                                   &channel, &err);
    }
    if (code == MESH_OK) {
        mesh_code (*const calls[])(mesh_channel *) = {echo, async_echo, count,
                                                      sum,  both_ways,  give_up};

        lost = false;
        for (size_t i = 0; i < sizeof calls / sizeof calls[0] && !lost; i++) {
            mesh_code one = calls[i](channel);

            code = one != MESH_OK ? one : code;
        }
    }
    mesh_channel_destroy(channel);
    mesh_server_destroy(server);
    return allowed(code);
}

static void each_allocation_fails(testing_style style, bool tls)
{
    size_t n;

    (void)live(style, tls); /* what is made once and stays */
    for (n = 1; n < NEVER; n++) {
        mesh_code code;
        bool failed;

        mesh_alloc_fail_at(n);
        code = live(style, tls);
        failed = mesh_alloc_failed();
        memory_expect_freed(n);
        if (!failed) {
            assert_int_equal(code, MESH_OK);
            break;
        }
    }
    assert_in_range(n, 50, NEVER - 1);
    printf("%zu allocations failed, one at a time\n", n - 1);
}

static void no_memory_is_an_error_with_workers(void **state)
{
    (void)state;
    each_allocation_fails(TESTING_WORKER, false);
}

static void no_memory_is_an_error_with_events(void **state)
{
    (void)state;
    each_allocation_fails(TESTING_INLINE, false);
}

static void no_memory_is_an_error_with_tls(void **state)
{
    (void)state;
    assert_int_equal(chdir(getenv("TEST_TMPDIR")), 0);
    certificates_authority("ca");
    certificates_make("ca", "server", "IP:127.0.0.1");
    each_allocation_fails(TESTING_INLINE, true);
}

/* All, or those whose names match a pattern. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_is_an_error_with_workers),
        cmocka_unit_test(no_memory_is_an_error_with_events),
        cmocka_unit_test(no_memory_is_an_error_with_tls),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("running out of memory", tests, NULL, NULL);
}
