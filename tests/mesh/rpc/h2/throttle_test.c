/*
 * Connections that bring what nothing comes of: while others have calls, they get little of their
 * thread's time. How much is told by the calls of the two that it has seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "tests/mesh/rpc/handlers.h"
#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

enum {
    CALLS = 900, /* below max_connection_streams */
    OTHERS_CALLS = 100,
    CALL_US = 500,    /* of the thread's time, for each of the raw client's */
    PATIENCE_MS = 30, /* after it, a reset is no rapid one */
    FEW = 40,         /* too few to be throttled for */
    FIRST = 8,        /* which others wait for; too few to be let go for */
    THROTTLED = 100,  /* connections */
    EXPIRED = 200,    /* enough to be throttled for, were they held against it */
    RULES_BROKEN = 10 /* by as many connections, before others are suspect for it */
};

static const uint8_t malformed[] = {0x0a, 5, 'a'}; /* a string that is cut off */
static testing_service service;
static atomic_int seen; /* the raw client's calls */

/* The raw client's calls are those with this metadata. */
static mesh_code take_time(void *self, mesh_call *call, mesh_error *err)
{
    int64_t until_ns = mesh_clock_monotonic_ns() + CALL_US * INT64_C(1000);

    (void)self;
    (void)err;
    if (mesh_call_metadata(call, "x-raw", 0) == NULL)
        return MESH_OK;
    while (mesh_clock_monotonic_ns() < until_ns)
        continue;
    atomic_fetch_add(&seen, 1);
    return MESH_OK;
}

static const testing__v1__testing__handlers handlers = {.echo__inline = testing_handle_echo};
static const mesh_interceptor timer = {.name = "timer", .on_open = take_time};

static int start(void **state)
{
    (void)state;
    atomic_store(&seen, 0);
    testing_service_serve(
        &service, testing__v1__testing__api(&handlers, NULL),
        &(mesh_server_options){.poller_count = 1, .interceptors = &timer, .interceptor_count = 1},
        NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    return 0;
}

/* The raw client, beside another that is connected already. */
static void connect_beside_another(raw_client *client)
{
    assert_int_equal(testing_echo(&service, "connected", NULL), MESH_OK);
    raw_connect(client, mesh_server_port(service.server));
}

static uint32_t send_calls(raw_client *client, int count, const void *message, size_t size)
{
    return raw_calls(client, "/testing.v1.Testing/Echo", "x-raw", count, message, size);
}

/* How many of the raw client's calls are seen while another makes its own. */
static int seen_beside_others(void)
{
    int before = atomic_load(&seen);

    for (int i = 0; i < OTHERS_CALLS; i++)
        assert_int_equal(testing_echo(&service, "other", NULL), MESH_OK);
    return atomic_load(&seen) - before;
}

static void wait_until_seen(int count)
{
    int64_t until_ns = mesh_clock_deadline_ns(30000);

    while (atomic_load(&seen) < count && mesh_clock_left_ms(until_ns) > 0)
        (void)testing_echo(&service, "other", NULL);
    assert_true(atomic_load(&seen) >= count);
}

/* Sends a few malformed calls, and gives how many are seen while another client makes its own. */
static int few_malformed_beside_others(raw_client *client)
{
    int before = atomic_load(&seen);
    uint32_t last = send_calls(client, FEW, malformed, sizeof malformed);
    int now;

    wait_until_seen(before + 1);
    (void)seen_beside_others();
    now = atomic_load(&seen) - before;
    assert_true(raw_wait(client, last));
    return now;
}

/* Each of the thread's rounds gives it a turn as long as it is not throttled. */
static void calls_of_use_are_served_in_turn_with_those_of_others(void **state)
{
    raw_client client;
    uint32_t last;

    (void)state;
    connect_beside_another(&client);
    last = send_calls(&client, CALLS, NULL, 0);
    wait_until_seen(1);
    assert_true(seen_beside_others() >= OTHERS_CALLS / 2);
    assert_true(raw_wait(&client, last));
    raw_close(&client);
}

static void malformed_calls_take_little_time_from_others(void **state)
{
    raw_client client;
    uint32_t last;

    (void)state;
    connect_beside_another(&client);
    last = send_calls(&client, CALLS, malformed, sizeof malformed);
    wait_until_seen(FEW * 2);
    assert_in_range(seen_beside_others(), 0, OTHERS_CALLS / 2);
    /* once the others have nothing to do, it goes on */
    assert_true(raw_wait(&client, last));
    assert_int_equal(atomic_load(&seen), CALLS);
    raw_close(&client);
}

static void so_do_calls_that_are_reset(void **state)
{
    raw_client client;

    (void)state;
    connect_beside_another(&client);
    for (int i = 0; i < FEW * 2; i++)
        raw_reset(&client, raw_request(&client, "/testing.v1.Testing/Echo", NULL, NULL, false));
    assert_true(raw_settle(&client));
    (void)send_calls(&client, CALLS, malformed, sizeof malformed);
    assert_in_range(seen_beside_others(), 0, OTHERS_CALLS / 2);
    raw_close(&client);
}

/* They wait behind others of the same connection for longer than they have time. */
static void calls_that_expire_before_they_are_looked_at_are_held_against_nobody(void **state)
{
    raw_client client;
    uint32_t last = 0;

    (void)state;
    connect_beside_another(&client);
    raw_cork(&client, true);
    for (int i = 0; i < FIRST; i++)
        raw_message(&client, raw_request(&client, "/testing.v1.Testing/Echo", "x-raw", "1", false),
                    false, NULL, 0, true);
    for (int i = 0; i < EXPIRED; i++) {
        last = raw_request(&client, "/testing.v1.Testing/Echo", "grpc-timeout", "1m", false);
        raw_message(&client, last, false, NULL, 0, true);
    }
    raw_cork(&client, false);
    assert_true(raw_wait(&client, last));
    assert_true(raw_settle(&client));
    assert_int_equal(atomic_load(&seen), FIRST);
    assert_int_equal(few_malformed_beside_others(&client), FEW);
    raw_close(&client);
}

/* Who waits a while before that may have had a reason. */
static void calls_that_are_given_up_later_are_not_held_against_their_client(void **state)
{
    uint32_t calls[FEW * 2];
    raw_client client;
    int64_t until_ns;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    for (int i = 0; i < FEW * 2; i++)
        calls[i] = raw_request(&client, "/testing.v1.Testing/Echo", NULL, NULL, false);
    assert_true(raw_settle(&client));
    until_ns = mesh_clock_deadline_ns(PATIENCE_MS);
    while (mesh_clock_left_ms(until_ns) > 0)
        assert_int_equal(testing_echo(&service, "other", NULL), MESH_OK);
    for (int i = 0; i < FEW * 2; i++)
        raw_reset(&client, calls[i]);
    assert_true(raw_settle(&client));
    assert_int_equal(few_malformed_beside_others(&client), FEW);
    raw_close(&client);
}

static void who_was_throttled_is_let_go_for_calls_of_use(void **state)
{
    raw_client client;
    uint32_t last;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    last = send_calls(&client, FEW * 2, malformed, sizeof malformed);
    assert_true(raw_wait(&client, last));
    last = send_calls(&client, FEW, NULL, 0);
    assert_true(raw_wait(&client, last));
    last = send_calls(&client, CALLS, NULL, 0);
    wait_until_seen(FEW * 3 + 1);
    assert_true(seen_beside_others() >= OTHERS_CALLS / 2);
    assert_true(raw_wait(&client, last));
    raw_close(&client);
}

/* SETTINGS of five bytes end the connection (RFC 9113, section 6.5). */
static void break_a_rule(void)
{
    static const h2_head settings = {.size = 5, .type = H2_SETTINGS};
    raw_client client;

    raw_connect(&client, mesh_server_port(service.server));
    raw_send(&client, &settings, "\0\0\0\0");
    (void)raw_wait(&client, 1);
    raw_close(&client);
}

static void
new_connections_from_where_rules_are_broken_are_throttled_from_the_beginning(void **state)
{
    raw_client client;

    (void)state;
    assert_int_equal(testing_echo(&service, "connected", NULL), MESH_OK);
    for (int i = 0; i < RULES_BROKEN; i++)
        break_a_rule();
    raw_connect(&client, mesh_server_port(service.server));
    assert_in_range(few_malformed_beside_others(&client), 1, FEW - 1);
    raw_close(&client);
}

/* The same without them: so it is for the rules that they are. */
static void other_new_connections_are_not(void **state)
{
    raw_client client;

    (void)state;
    connect_beside_another(&client);
    assert_int_equal(few_malformed_beside_others(&client), FEW);
    raw_close(&client);
}

/* None of these is lost, and none waits for its turn among those who are throttled. */
static void a_drain_serves_the_calls_of_who_is_throttled(void **state)
{
    static raw_client clients[THROTTLED];
    uint32_t last[THROTTLED];

    (void)state;
    for (int i = 0; i < THROTTLED; i++) {
        raw_connect(&clients[i], mesh_server_port(service.server));
        last[i] = raw_calls(&clients[i], "/testing.v1.Testing/Echo", NULL, FEW * 2, malformed,
                            sizeof malformed);
        assert_true(raw_wait(&clients[i], last[i]));
    }
    for (int i = 0; i < THROTTLED; i++)
        last[i] = send_calls(&clients[i], 1, NULL, 0);
    assert_true(mesh_server_drain(service.server, 20000));
    assert_int_equal(atomic_load(&seen), THROTTLED);
    for (int i = 0; i < THROTTLED; i++) {
        assert_true(raw_wait(&clients[i], last[i]));
        raw_close(&clients[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(calls_of_use_are_served_in_turn_with_those_of_others, start,
                                        stop),
        cmocka_unit_test_setup_teardown(malformed_calls_take_little_time_from_others, start, stop),
        cmocka_unit_test_setup_teardown(so_do_calls_that_are_reset, start, stop),
        cmocka_unit_test_setup_teardown(
            calls_that_expire_before_they_are_looked_at_are_held_against_nobody, start, stop),
        cmocka_unit_test_setup_teardown(
            calls_that_are_given_up_later_are_not_held_against_their_client, start, stop),
        cmocka_unit_test_setup_teardown(who_was_throttled_is_let_go_for_calls_of_use, start, stop),
        cmocka_unit_test_setup_teardown(
            new_connections_from_where_rules_are_broken_are_throttled_from_the_beginning, start,
            stop),
        cmocka_unit_test_setup_teardown(other_new_connections_are_not, start, stop),
        cmocka_unit_test_setup_teardown(a_drain_serves_the_calls_of_who_is_throttled, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
