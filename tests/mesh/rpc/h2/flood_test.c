/*
 * A server of the h2 transport among clients that flood it with frames or headers: they lose their
 * connections, decent ones do not, and others are served.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

#define ECHO_PATH "/testing.v1.Testing/Echo"
#define SUM_PATH "/testing.v1.Testing/Sum"

enum {
    FRAMES = 5000,      /* of a flood: many times what may come at once */
    FRAMES_A_CALL = 4,  /* of a decent client */
    DECENT_CALLS = 1000 /* whose frames are many times what may come at once, too */
};

static testing_service service;
static raw_client client;

static int start(void **state)
{
    (void)state;
    testing_service_start(&service, TESTING_INLINE,
                          MESH_OPTIONS(mesh_server_options, .transport = "h2", .poller_count = 1),
                          NULL);
    raw_connect(&client, mesh_server_port(service.server));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    raw_close(&client);
    testing_service_stop(&service);
    return 0;
}

static void expect_end(void)
{
    raw_wait_for_close(&client);
    assert_int_equal(testing_echo(&service, "others are served", NULL), MESH_OK);
}

/* Those of the head that the state is. */
static void a_flood_ends_its_connection(void **state)
{
    static const uint8_t payload[8] = {0, 0, 0, 1};

    (void)raw_request(&client, SUM_PATH, NULL, NULL, false);
    for (int n = 0; n < FRAMES && raw_try_send(&client, *state, payload); n++)
        continue;
    expect_end();
}

/* What decent clients send beside their calls is as much in all. */
static void a_client_with_calls_may_send_some(void **state)
{
    (void)state;
    for (int n = 0; n < DECENT_CALLS; n++) {
        uint32_t call = raw_request(&client, ECHO_PATH, NULL, NULL, false);

        for (int i = 0; i < FRAMES_A_CALL; i++)
            raw_widen(&client, 0, 64); /* four are more than an answer */
        raw_message(&client, call, false, NULL, 0, true);
        if (!raw_wait(&client, call))
            fail_msg("closed at call %d", n);
    }
}

/* 10,000 headers of 4 KiB in 16 KiB. */
static void a_bomb_of_headers_ends_its_connection(void **state)
{
    static uint8_t block[H2_PAYLOAD_BYTES_MAX];
    char value[4000];
    size_t size = h2_request(block, ECHO_PATH);

    (void)state;
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    size += h2_header_indexed(block + size, "x-a", value);
    size += h2_newest_header(block + size, 10000);
    raw_send(&client, &(h2_head){size, H2_HEADERS, H2_END_HEADERS, 1}, block);
    expect_end();
}

#define ON_CONNECTION(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define FLOOD(name, head)                                                                         \
    {                                                                                             \
        "a flood of " name " ends its connection", a_flood_ends_its_connection, start, stop, head \
    }
#define HEAD(...) (&(h2_head){__VA_ARGS__})

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOOD("SETTINGS", HEAD(0, H2_SETTINGS, 0, 0)),
        FLOOD("empty DATA", HEAD(0, H2_DATA, 0, 1)),
        FLOOD("WINDOW_UPDATE", HEAD(4, H2_WINDOW_UPDATE, 0, 1)),
        FLOOD("PRIORITY", HEAD(5, H2_PRIORITY, 0, 3)),
        FLOOD("an unknown type", HEAD(8, 99, 0, 0)),
        FLOOD("PING that answers none", HEAD(8, H2_PING, H2_ACK, 0)),
        ON_CONNECTION(a_client_with_calls_may_send_some),
        ON_CONNECTION(a_bomb_of_headers_ends_its_connection),
    };

    return cmocka_run_group_tests_name("floods of the h2 transport", tests, NULL, NULL);
}
