/* Channels that end while they connect: the program does not wait for what nobody needs. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <grpc/grpc.h>

#include "mesh/base/clock.h"
#include "tests/fixtures/h2_frame.h"
#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

enum {
    SHUTDOWN_MS = 2000 /* at most, until the core is at rest */
};

static int peer; /* what the channel is connected to */
static mesh_channel *channel;
static mesh_cancel *cancel;

static void *call_blocking(void *code)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_arena *arena = mesh_arena_create(0, 0);
    const mesh_call_options options = {.arena = arena, .cancel = cancel};

    *(mesh_code *)code = testing__v1__testing__echo(channel, &request, &response, &options, NULL);
    mesh_arena_destroy(arena);
    return NULL;
}

/* A channel that waits for its server's SETTINGS, and whose only call was given up meanwhile. */
static int start(void **state)
{
    char preface[sizeof H2_PREFACE - 1];
    mesh_code code = MESH_OK;
    char target[32];
    pthread_t thread;
    int port;
    int listener = raw_listen(&port);

    (void)state;
    snprintf(target, sizeof target, "127.0.0.1:%d", port);
    assert_int_equal(mesh_channel_create(target, NULL, &channel, NULL), MESH_OK);
    cancel = mesh_cancel_create();
    assert_non_null(cancel);
    assert_int_equal(pthread_create(&thread, NULL, call_blocking, &code), 0);
    peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    assert_int_equal(recv(peer, preface, sizeof preface, MSG_WAITALL), sizeof preface);
    assert_memory_equal(preface, H2_PREFACE, sizeof preface);
    mesh_cancel_calls(cancel);
    (void)pthread_join(thread, NULL);
    assert_int_equal(code, MESH_CANCELLED);
    mesh_cancel_destroy(cancel);
    close(listener);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    close(peer);
    return 0;
}

static void a_connection_that_comes_about_is_gone_with_its_channel(void **state)
{
    uint8_t settings[H2_HEAD_BYTES];

    (void)state;
    h2_head_write(settings, &(h2_head){.type = H2_SETTINGS});
    assert_int_equal(send(peer, settings, sizeof settings, MSG_NOSIGNAL), sizeof settings);
    mesh_channel_destroy(channel);
    assert_false(grpc_is_initialized());
}

static void a_server_that_says_nothing_holds_no_program_up(void **state)
{
    int64_t limit_ns = mesh_clock_deadline_ns(SHUTDOWN_MS);

    (void)state;
    mesh_channel_destroy(channel);
    assert_true(mesh_clock_left_ms(limit_ns) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_connection_that_comes_about_is_gone_with_its_channel,
                                        start, stop),
        cmocka_unit_test_setup_teardown(a_server_that_says_nothing_holds_no_program_up, start,
                                        stop),
    };

    return cmocka_run_group_tests_name("connecting", tests, NULL, NULL);
}
