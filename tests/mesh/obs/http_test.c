#include "mesh/obs/http.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mesh/base/alloc.h"
#include "tests/mesh/base/test.h"

enum {
    WAIT_MS = 30000
};

static mesh_metrics *metrics;
static mesh_metrics_http *http;
static mesh_error err;
static char answer[64 * 1024];

static int set_up(void **state)
{
    mesh_gauge *gauge;

    (void)state;
    metrics = mesh_metrics_create();
    if (metrics == NULL ||
        mesh_gauge_create(metrics, &(mesh_metric){.name = "depth", .help = "How deep."}, &gauge,
                          &err) != MESH_OK ||
        mesh_metrics_http_start(metrics, NULL, &http, &err) != MESH_OK)
        return -1;
    mesh_gauge_set(gauge, 7);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mesh_metrics_http_stop(http);
    http = NULL;
    mesh_metrics_destroy(metrics);
    return 0;
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Reads until the peer closes. False when it does not within the limit. */
static bool read_all(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    size_t size = 0;
    ssize_t got = 1;

    while (got > 0 && size + 1 < sizeof answer) {
        if (poll(&poll_fd, 1, WAIT_MS) != 1)
            return false;
        got = recv(fd, answer + size, sizeof answer - 1 - size, 0);
        if (got > 0)
            size += (size_t)got;
    }
    answer[size] = '\0';
    return true;
}

/* Sends a request and reads the answer. */
static const char *ask(const char *request)
{
    int fd = connect_to(mesh_metrics_http_port(http));

    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    assert_true(read_all(fd));
    close(fd);
    return answer;
}

#define CLOSE "Host: x\r\nConnection: close\r\n\r\n"

static void only_get_metrics_is_answered(void **state)
{
    static const struct {
        const char *request, *status, *also;
    } cases[] = {
        {"GET /metrics HTTP/1.1\r\n" CLOSE, "HTTP/1.1 200 ", "\n# TYPE depth gauge\ndepth 7\n"},
        {"GET /metrics HTTP/1.1\r\n" CLOSE, "HTTP/1.1 200 ",
         "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"},
        {"GET /metrics?name=x HTTP/1.1\r\n" CLOSE, "HTTP/1.1 200 ", "depth 7\n"},
        {"GET /metrics HTTP/1.0\r\n\r\n", "HTTP/1.", "depth 7\n"},
        {"GET / HTTP/1.1\r\n" CLOSE, "HTTP/1.1 404 ", "/metrics"},
        {"GET /metrics/ HTTP/1.1\r\n" CLOSE, "HTTP/1.1 404 ", ""},
        {"GET /metrics/../x HTTP/1.1\r\n" CLOSE, "HTTP/1.1 404 ", ""},
        {"POST / HTTP/1.1\r\nContent-Length: 3\r\n" CLOSE "abc", "HTTP/1.1 404 ", ""},
        {"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n" CLOSE "abc", "HTTP/1.1 405 ",
         "Allow: GET\r\n"},
        {"HEAD /metrics HTTP/1.1\r\n" CLOSE, "HTTP/1.1 405 ", "Allow: GET\r\n"},
        {"DELETE /metrics HTTP/1.1\r\n" CLOSE, "HTTP/1.1 405 ", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *text = ask(cases[i].request);

        if (strncmp(text, cases[i].status, strlen(cases[i].status)) != 0 ||
            strstr(text, cases[i].also) == NULL)
            fail_msg("%s -> %s", cases[i].request, text);
    }
}

static void what_is_no_http_does_no_harm(void **state)
{
    static char huge[100 * 1024];

    (void)state;
    memset(huge, 'a', sizeof huge - 1);
    memcpy(huge, "GET /", 5);
    for (int i = 0; i < 3; i++) {
        int fd = connect_to(mesh_metrics_http_port(http));
        const char *text = i == 0 ? huge : i == 1 ? "\r\n\r\n\x16\x03\x01 garbage\r\n\r\n" : "PRI";

        (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        assert_true(read_all(fd)); /* closed, with an answer or without */
        close(fd);
    }
    assert_non_null(strstr(ask("GET /metrics HTTP/1.1\r\n" CLOSE), "depth 7\n"));
}

static void more_connections_than_the_limit_wait_and_are_served(void **state)
{
    int port = mesh_metrics_http_port(http);
    int idle[40];

    (void)state;
    for (size_t i = 0; i < COUNT(idle); i++)
        idle[i] = connect_to(port);
    for (size_t i = 0; i < COUNT(idle); i++)
        close(idle[i]);
    assert_non_null(strstr(ask("GET /metrics HTTP/1.1\r\n" CLOSE), "depth 7\n"));
}

static void addresses_are_checked(void **state)
{
    static const struct {
        const char *listen;
        mesh_code code;
        const char *message;
    } cases[] = {
        {"127.0.0.1:0", MESH_OK, ""},
        {"localhost:0", MESH_OK, ""},
        {"", MESH_OK, ""},
        {"127.0.0.1", MESH_INVALID_ARGUMENT, "metrics address \"127.0.0.1\" is not HOST:PORT"},
        {":1", MESH_INVALID_ARGUMENT, "HOST:PORT"},
        {"h:", MESH_INVALID_ARGUMENT, "HOST:PORT"},
        {"h:1x", MESH_INVALID_ARGUMENT, "HOST:PORT"},
        {"::1:80", MESH_INVALID_ARGUMENT, "[V6]:PORT"},
        {"unix:/x", MESH_INVALID_ARGUMENT, "HOST:PORT"},
        {"127.0.0.1:65536", MESH_INVALID_ARGUMENT, "127.0.0.1:65536"},
        {"192.0.2.1:0", MESH_UNAVAILABLE, "metrics address 192.0.2.1:0 cannot be bound: "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_metrics_http *other = NULL;
        mesh_code code;

        mesh_error_clear(&err);
        code = mesh_metrics_http_start(metrics, cases[i].listen, &other, &err);
        if (code != cases[i].code || strstr(err.message, cases[i].message) == NULL)
            fail_msg("%s: %d %s", cases[i].listen, code, err.message);
        if (code == MESH_OK)
            assert_in_range(mesh_metrics_http_port(other), 1, 65535);
        mesh_metrics_http_stop(other);
    }
}

static void a_taken_port_is_named(void **state)
{
    mesh_metrics_http *other = NULL;
    char listen_text[32];

    (void)state;
    snprintf(listen_text, sizeof listen_text, "127.0.0.1:%d", mesh_metrics_http_port(http));
    assert_int_equal(mesh_metrics_http_start(metrics, listen_text, &other, &err), MESH_UNAVAILABLE);
    assert_non_null(strstr(err.message, listen_text));
    assert_non_null(strstr(err.message, "in use"));
}

static void running_out_of_memory_is_an_error_and_passes(void **state)
{
    mesh_metrics_http *other = NULL;

    (void)state;
    mesh_alloc_fail_at(1);
    assert_int_equal(mesh_metrics_http_start(metrics, NULL, &other, &err), MESH_RESOURCE_EXHAUSTED);
    assert_null(other);
    for (size_t n = 1; n <= 2; n++) { /* the arena of a scrape, then its text */
        mesh_alloc_fail_at(n);
        assert_non_null(strstr(ask("GET /metrics HTTP/1.1\r\n" CLOSE), "HTTP/1.1 503 "));
        assert_true(mesh_alloc_failed());
    }
    mesh_alloc_fail_at(0);
    assert_non_null(strstr(ask("GET /metrics HTTP/1.1\r\n" CLOSE), "depth 7\n"));
}

static void stop_closes_idle_connections(void **state)
{
    int fd = connect_to(mesh_metrics_http_port(http));

    (void)state;
    mesh_metrics_http_stop(http);
    http = NULL;
    assert_true(read_all(fd));
    close(fd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(only_get_metrics_is_answered),
        CASE(what_is_no_http_does_no_harm),
        CASE(more_connections_than_the_limit_wait_and_are_served),
        CASE(addresses_are_checked),
        CASE(a_taken_port_is_named),
        CASE(running_out_of_memory_is_an_error_and_passes),
        CASE(stop_closes_idle_connections),
    };

    return cmocka_run_group_tests_name("metrics_http", tests, NULL, NULL);
}
