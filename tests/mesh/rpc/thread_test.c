/*
 * The system gives no more threads: whichever is the one that fails, the server is not there or
 * whole, and nothing is left. The linker sends the runtime's pthread_create through here.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);

static atomic_int left = -1; /* threads until the one that fails; below 0: none does */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    if (atomic_fetch_sub(&left, 1) == 0)
        return EAGAIN;
    return __real_pthread_create(thread, attributes, run, argument);
}

enum {
    WORKERS = 2,
    POLLERS = 3
};

static mesh_code create_and_start(mesh_server **server, const char *listen, mesh_error *err)
{
    static testing_service service; /* the handlers' */
    const mesh_server_options options = {
        .listen = listen, .worker_count = WORKERS, .poller_count = POLLERS};
    mesh_code code = mesh_server_create(&options, server, err);

    if (code == MESH_OK)
        code = mesh_server_add(*server, testing_api(&service, TESTING_WORKER), err);
    if (code == MESH_OK)
        code = mesh_server_start(*server, err);
    return code;
}

static void expect_served(mesh_server *server)
{
    testing_service client = {.arena = mesh_arena_create(4096, 0)};

    snprintf(client.address, sizeof client.address, "127.0.0.1:%d", mesh_server_port(server));
    assert_int_equal(mesh_channel_create(client.address, NULL, &client.channel, NULL), MESH_OK);
    assert_int_equal(testing_echo(&client, "all there", NULL), MESH_OK);
    mesh_channel_destroy(client.channel);
    mesh_arena_destroy(client.arena);
}

/* A transport may need one more than it has pollers, to accept. */
static void each_thread_of_a_server_may_fail(void **state)
{
    mesh_server *server;
    mesh_error err;
    mesh_code code;
    int failing = 0;

    (void)state;
    for (;; failing++) {
        server = NULL;
        atomic_store(&left, failing);
        code = create_and_start(&server, "127.0.0.1:0", &err);
        if (code == MESH_OK)
            break;
        assert_int_equal(code, MESH_RESOURCE_EXHAUSTED);
        assert_true(atomic_load(&left) < 0);
        assert_non_null(strstr(err.message, "thread"));
        if (failing < WORKERS) {
            assert_null(server);
            continue;
        }
        assert_int_equal(mesh_server_port(server), 0);
        mesh_server_destroy(server);
    }
    assert_in_range(failing, WORKERS + POLLERS, WORKERS + POLLERS + 1);
    assert_int_equal(atomic_load(&left), 0);
    atomic_store(&left, -1);
    expect_served(server);
    mesh_server_destroy(server);
}

/* Its address is bound by then, so that somebody may have called already. */
static void a_client_of_a_server_that_did_not_start_is_turned_away(void **state)
{
    (void)state;
    for (int failing = WORKERS; failing < WORKERS + POLLERS; failing++) {
        mesh_server *server = NULL;
        raw_client client;
        uint32_t stream;
        char listen[32];
        int port;

        close(raw_listen(&port)); /* one that is free */
        snprintf(listen, sizeof listen, "127.0.0.1:%d", port);
        atomic_store(&left, failing);
        assert_int_equal(create_and_start(&server, listen, NULL), MESH_RESOURCE_EXHAUSTED);
        atomic_store(&left, -1);
        raw_connect(&client, port);
        stream = raw_request(&client, "/testing.v1.Testing/Echo", NULL, NULL, false);
        raw_message(&client, stream, false, NULL, 0, true);
        mesh_server_destroy(server);
        assert_false(raw_wait(&client, stream));
        raw_close(&client);
    }
}

static void on_answer(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                      const mesh_error *err)
{
    (void)response;
    (void)err;
    assert_int_equal(code, MESH_OK);
    sem_post(context);
}

/* The channel's own thread comes with its first asynchronous call or stream. */
static void the_thread_of_a_channel_may_fail_and_come_later(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    testing_service service;
    mesh_stream *stream = NULL;
    sem_t answered;

    (void)state;
    sem_init(&answered, 0, 0);
    testing_service_start(&service, TESTING_WORKER, NULL, NULL);
    atomic_store(&left, 0);
    assert_int_equal(
        testing__v1__testing__echo__async(service.channel, &request, NULL, on_answer, &answered),
        MESH_RESOURCE_EXHAUSTED);
    atomic_store(&left, 0);
    assert_int_equal(testing__v1__testing__double(service.channel, &stream, NULL, NULL),
                     MESH_RESOURCE_EXHAUSTED);
    assert_null(stream);
    assert_int_equal(
        testing__v1__testing__echo__async(service.channel, &request, NULL, on_answer, &answered),
        MESH_OK);
    testing_wait(&answered);
    testing_service_stop(&service);
    sem_destroy(&answered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_thread_of_a_server_may_fail),
        cmocka_unit_test(a_client_of_a_server_that_did_not_start_is_turned_away),
        cmocka_unit_test(the_thread_of_a_channel_may_fail_and_come_later),
    };

    return cmocka_run_group_tests_name("without threads", tests, NULL, NULL);
}
