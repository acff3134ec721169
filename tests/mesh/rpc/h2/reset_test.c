/*
 * A server of the h2 transport whose clients give up calls: they may, as long as the server is not
 * kept busy with calls that nobody waits for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

#define ECHO_PATH "/testing.v1.Testing/Echo"
#define SUM_PATH "/testing.v1.Testing/Sum"
#define COUNT_PATH "/testing.v1.Testing/Count"

enum {
    CALLS = 5000, /* many times what may be given up at once before it was answered */
    STREAMS = 900 /* at once: no more than max_connection_streams, nor than may be given up so */
};

static testing_service service;

static void start(void)
{
    const mesh_server_options options = {
        .transport = "h2", .poller_count = 1, .size = sizeof options};

    testing_service_start(&service, TESTING_INLINE, &options, NULL);
}

static void stop(void)
{
    testing_service_stop(&service);
}

static int port(void)
{
    return mesh_server_port(service.server);
}

static void expect_served(void)
{
    assert_int_equal(testing_echo(&service, "decent", NULL), MESH_OK);
}

static void calls_that_are_reset_end_their_connection(void **state)
{
    raw_client client;
    int calls = 0;

    (void)state;
    start();
    raw_connect(&client, port());
    for (; calls < CALLS; calls++)
        raw_reset(&client, raw_request(&client, SUM_PATH, NULL, NULL, false));
    assert_false(raw_settle(&client));
    raw_close(&client);
    expect_served();
    stop();
}

/*
 * Resets that the client makes the server send (CVE-2025-8671): a window that overflows ends its
 * stream (RFC 9113, section 6.9.1).
 */
static void calls_that_break_a_rule_end_their_connection(void **state)
{
    raw_client client;

    (void)state;
    start();
    raw_connect(&client, port());
    for (int calls = 0; calls < CALLS; calls++)
        raw_widen(&client, raw_request(&client, SUM_PATH, NULL, NULL, false), INT32_MAX);
    assert_false(raw_settle(&client));
    raw_close(&client);
    expect_served();
    stop();
}

/* As many resets as end a connection, and an answer for each. */
static void an_answered_call_makes_up_for_one_that_is_reset(void **state)
{
    static const uint8_t no_message[H2_MESSAGE_HEAD_BYTES];
    raw_client client;

    (void)state;
    start();
    raw_connect(&client, port());
    raw_widen(&client, 0, 1 << 30); /* for the answers */
    for (int calls = 0; calls < CALLS; calls++) {
        uint32_t call = raw_request(&client, ECHO_PATH, NULL, NULL, false);

        raw_data(&client, call, no_message, sizeof no_message, true);
        raw_reset(&client, raw_request(&client, SUM_PATH, NULL, NULL, false));
        if (!raw_wait(&client, call))
            fail_msg("closed after %d calls", calls);
    }
    raw_close(&client);
    stop();
}

/* That is how a client ends a stream of which it has seen enough. */
static void calls_whose_answer_has_begun_may_be_reset(void **state)
{
    static const uint8_t without_end[] = {0x08, 0xff, 0xff, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff, 0xff, 0x01}; /* -1 */
    raw_client client;

    (void)state;
    start();
    raw_connect(&client, port());
    for (int calls = 0; calls < CALLS; calls++) {
        uint32_t call = raw_request(&client, COUNT_PATH, NULL, NULL, false);

        raw_message(&client, call, false, without_end, sizeof without_end, true);
        if (!raw_wait_for_headers(&client, call))
            fail_msg("closed after %d calls", calls);
        raw_reset(&client, call);
    }
    raw_close(&client);
    expect_served();
    stop();
}

/*
 * In one piece, and with it the room that each of them gave back before: two frames for each stream
 * that by themselves bring nothing.
 */
static void all_calls_of_a_connection_may_be_given_up_at_once(void **state)
{
    uint32_t calls[STREAMS];
    raw_client client;

    (void)state;
    start();
    raw_connect(&client, port());
    for (int i = 0; i < STREAMS; i++)
        calls[i] = raw_request(&client, SUM_PATH, NULL, NULL, false);
    assert_true(raw_settle(&client));
    for (int i = 0; i < STREAMS; i++) {
        raw_widen(&client, calls[i], 1);
        raw_reset(&client, calls[i]);
    }
    assert_true(raw_settle(&client));
    raw_close(&client);
    expect_served();
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_are_reset_end_their_connection),
        cmocka_unit_test(calls_that_break_a_rule_end_their_connection),
        cmocka_unit_test(an_answered_call_makes_up_for_one_that_is_reset),
        cmocka_unit_test(calls_whose_answer_has_begun_may_be_reset),
        cmocka_unit_test(all_calls_of_a_connection_may_be_given_up_at_once),
    };

    return cmocka_run_group_tests_name("calls that are given up", tests, NULL, NULL);
}
