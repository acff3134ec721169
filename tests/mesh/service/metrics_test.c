/* What GET /metrics shows of a whole service. */
#include "tests/mesh/service/demo_program.h"

#include <stdio.h>
#include <string.h>

static void metrics_show_process_calls_pool_and_events(void **state)
{
    static const char *const lines[] = {
        "\nmesh_serving 1\n",
        "\nprocess_resident_memory_bytes ",
        "grpc_service=\"demo.v1.Demo\",grpc_method=\"Add\",grpc_code=\"OK\"} 1\n",
        "grpc_service=\"demo.v1.Demo\",grpc_method=\"Sleep\",grpc_code=\"OK\"} 0\n",
        "\nmesh_db_connections_max 3\n",
        "\nmesh_db_queries_total ",
        "\nmesh_events_pending 0\n",
        "\nmesh_events_published_total 1\n",
        "\nmesh_events_consumed_total ",
    };
    const char *const more[] = {"MESH_DB_POOL=3", NULL};
    char address[256];
    (void)state;
    demo demo = demo_serve("metrics", more);
    snprintf(address, sizeof address, "%s", program_field(demo.listening, "metrics"));
    assert_int_equal(demo_add(&demo, "measured"), MESH_OK);
    WAIT_FOR(demo_heard(&demo, "measured"));
    const char *text = demo_metrics(address);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("%s is missing in:\n%s", lines[i], text);
    demo_stop(&demo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_show_process_calls_pool_and_events),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
