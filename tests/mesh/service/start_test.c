/* Starting: migrations first, and every way not to start. */
#include "tests/mesh/service/demo_program.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "mesh/events/v1/events.mesh.h"

static void gives_up_when_nothing_answers_in_time(void **state)
{
    const char *const more[] = {"MESH_STARTUP_TIMEOUT=300ms", NULL};
    (void)state;
    demo demo = demo_start("postgresql://demo@127.0.0.1:1/demo", more);
    const char *line = program_wait_log(demo.program,
                                        "gave up starting: MESH_STARTUP_TIMEOUT passed");
    assert_non_null(strstr(line, "database"));
    demo_end(&demo, 1);
}

static void migrations_run_once_for_two_instances(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("twins", url);
    demo first = demo_start(url, demo_defaults), second = demo_start(url, demo_defaults);
    program_wait_log(first.program, "serving");
    program_wait_log(second.program, "serving");

    mesh_db *db = NULL;
    mesh_error err = {0};
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = url}, &db, &err), MESH_OK);
    assert_string_equal(
        postgres_value(db, "SELECT count(*) FROM mesh_migration WHERE component = 'demo'"), "1");
    mesh_db_destroy(db);

    assert_int_equal(demo_add(&first, "shared"), MESH_OK);
    WAIT_FOR(demo_heard(&second, "shared")); /* by either */
    demo_stop(&first);
    assert_int_equal(demo_health(&second, ""), SERVING);
    demo_stop(&second);
}

static void failing_migration_ends_it_at_once(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("broken", url);
    program *program = demo_launch(BROKEN_DEMO, url, demo_defaults);
    assert_non_null(strstr(program_wait_log(program, "cannot start"), "0002_break"));
    program_expect(program, 1);
    program_free(program);
}

static void table_of_consumers_may_be_full(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("crowded", url);
    program *program = demo_launch(FULL_DEMO, url, demo_defaults);
    program_wait_log(program, "serving");
    program_signal(program, SIGTERM);
    program_expect(program, 0);
    program_free(program);
}

/* S0.5: a service that is public to everybody shows nobody what its events hold. */
static void a_public_service_does_not_offer_its_events(void **state)
{
    static const int methods[] = {MESH__EVENTS__V1__EVENTS_SERVICE__GET_CONSUMER,
                                  MESH__EVENTS__V1__EVENTS_SERVICE__PUBLISH_EVENT,
                                  MESH__EVENTS__V1__EVENTS_SERVICE__GET_OUTBOX};
    (void)state;
    demo demo = demo_serve("public", demo_defaults);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        const mesh_method *method = &mesh__events__v1__events_service__methods[methods[i]];
        ProtobufCMessage *response;
        ProtobufCMessage *asked = mesh_arena_calloc(demo.arena, 1, method->request->sizeof_message);
        protobuf_c_message_init(method->request, asked);
        assert_int_equal(mesh_unary_call(demo.channel, method, asked, &response,
                                         &(mesh_call_options){.arena = demo.arena}, NULL),
                         MESH_UNIMPLEMENTED);
    }
    demo_stop(&demo);
}

static void taken_address_is_named(void **state)
{
    char url[POSTGRES_URL_BYTES], listen[256];
    (void)state;
    postgres_create_database("taken", url);
    demo demo = demo_start(url, demo_defaults);
    snprintf(listen, sizeof listen, "MESH_LISTEN=%s", mesh_channel_target(demo.channel));
    const char *const more[] = {listen, NULL};
    program *second = demo_launch(DEMO, url, more);
    assert_non_null(
        strstr(program_wait_log(second, "cannot start"), mesh_channel_target(demo.channel)));
    program_expect(second, 1);
    program_free(second);
    demo_stop(&demo);
}

static void failing_on_start_ends_it(void **state)
{
    const char *const more[] = {"DEMO_GREETING=-", NULL};
    (void)state;
    program *program = demo_launch(DEMO, "postgresql://demo@127.0.0.1:1/demo", more);
    assert_string_equal(program_field(program_wait_log(program, "on_start"), "peer"),
                        "127.0.0.1:1");
    assert_non_null(strstr(program_wait_log(program, "cannot start"), "no greeting today"));
    program_expect(program, 1);
    assert_null(strstr(program_output(program), "on_stop"));
    program_free(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_up_when_nothing_answers_in_time),
        cmocka_unit_test(migrations_run_once_for_two_instances),
        cmocka_unit_test(failing_migration_ends_it_at_once),
        cmocka_unit_test(table_of_consumers_may_be_full),
        cmocka_unit_test(a_public_service_does_not_offer_its_events),
        cmocka_unit_test(taken_address_is_named),
        cmocka_unit_test(failing_on_start_ends_it),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
