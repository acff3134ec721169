/*
 * How long a server keeps its connections, by age and idleness, and how many PINGs it bears. Who is
 * told to go (GOAWAY) ends the calls that it has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

#define SUM_PATH "/testing.v1.Testing/Sum"

enum {
    SHORT_MS = 1000,
    MANY_PINGS = 10 /* without calls; two are borne */
};

static testing_service service;

static void start(raw_client *client, const mesh_server_options *options)
{
    testing_service_start(&service, TESTING_INLINE, options, NULL);
    raw_connect(client, mesh_server_port(service.server));
}

static void stop(raw_client *client)
{
    raw_close(client);
    testing_service_stop(&service);
}

static raw_frame next;

static bool read_until(raw_client *client, uint8_t type)
{
    return raw_read_until(client, type, &next);
}

/* A call that is open, and not ended by its client. */
static uint32_t open_call(raw_client *client)
{
    uint32_t call = raw_request(client, SUM_PATH, NULL, NULL, false);

    testing_wait(&service.opened);
    return call;
}

static void expect_served(raw_client *client, uint32_t call)
{
    raw_message(client, call, false, NULL, 0, true);
    assert_true(raw_wait(client, call));
    testing_wait(&service.closed);
    assert_int_equal(service.close_code, MESH_OK);
}

static void a_call_of_a_connection_that_is_too_old_is_served_to_its_end(void **state)
{
    raw_client client;
    uint32_t call;

    (void)state;
    start(&client, &(mesh_server_options){.max_connection_age_ms = SHORT_MS});
    call = open_call(&client);
    /* the first without a limit; the PING between them tells which calls were on their way */
    assert_true(read_until(&client, H2_GOAWAY));
    assert_true(read_until(&client, H2_GOAWAY));
    expect_served(&client, call);
    assert_false(read_until(&client, H2_GOAWAY));
    stop(&client);
}

static void a_connection_that_idles_is_closed_after_its_last_call(void **state)
{
    raw_client client;

    (void)state;
    start(&client, &(mesh_server_options){.max_connection_idle_ms = SHORT_MS});
    expect_served(&client, open_call(&client));
    assert_true(read_until(&client, H2_GOAWAY));
    while (read_until(&client, H2_GOAWAY))
        continue;
    stop(&client);
}

static void who_pings_too_often_is_told_to_calm_down(void **state)
{
    static const uint8_t ping[8];
    raw_client client;

    (void)state;
    start(&client, NULL);
    for (int i = 0; i < MANY_PINGS; i++)
        raw_send(&client, &(h2_head){sizeof ping, H2_PING, 0, 0}, ping);
    assert_int_equal(raw_wait_for_goaway(&client), H2_ENHANCE_YOUR_CALM);
    assert_false(read_until(&client, H2_HEADERS));
    assert_int_equal(testing_echo(&service, "others are served", NULL), MESH_OK);
    stop(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_of_a_connection_that_is_too_old_is_served_to_its_end),
        cmocka_unit_test(a_connection_that_idles_is_closed_after_its_last_call),
        cmocka_unit_test(who_pings_too_often_is_told_to_calm_down),
    };

    return cmocka_run_group_tests_name("age of connections", tests, NULL, NULL);
}
