/* What GET /metrics shows of a whole service. */
#include "tests/mesh/service/demo_program.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The body of GET /metrics. */
static const char *metrics(const char *address)
{
    static char text[256 * 1024];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t size = 0;
    ssize_t got;
    assert_return_code(fd, errno);
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    assert_return_code(connect(fd, (const struct sockaddr *)&to, sizeof to), errno);
    assert_int_equal(write(fd, request, sizeof request - 1), sizeof request - 1);
    while ((got = read(fd, text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)got;
    text[size] = '\0';
    close(fd);
    return text;
}

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
    const char *text = metrics(address);
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
