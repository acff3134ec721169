/*
 * Where a server of the h2 transport listens, and whom it accepts: addresses of all kinds, sockets
 * that were left behind, and a process without file descriptors.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "mesh/rpc/h2/h2_listener.h"
#include "tests/fixtures/wait.h"

enum {
    LIMIT_MS = 20000,
    FEW_DESCRIPTORS = 64,
    CLIENTS = 100
};

static const mesh_server_options defaults = {
    .max_connections = 1000,
    .max_handshakes = 1000,
    .handshake_timeout_ms = 10000,
    .max_connection_streams = 100,
    .buffer_budget_bytes = 1 << 20,
    .connection_share_percent = 50,
};

typedef struct server {
    h2_limits *limits;
    h2_listener *listener;
    atomic_int accepted;
    char peer[H2_PEER_TEXT_BYTES]; /* the last one's; read after `accepted` */
    bool keeps;                    /* the connections, until the end */
    h2_accepted kept[CLIENTS];
} server;

static void on_accept(void *context, const h2_accepted *accepted)
{
    server *server = context;
    h2_accepted own = *accepted;

    h2_ticket_peer(&own.ticket, server->peer);
    if (server->keeps) {
        server->kept[atomic_load(&server->accepted)] = own;
    } else {
        h2_io_close(&own.io);
        h2_limits_leave(server->limits, &own.ticket);
    }
    atomic_fetch_add(&server->accepted, 1);
}

static mesh_code create(server *server, const char *listen, mesh_error *err)
{
    mesh_code code;

    *server = (struct server){.limits = NULL};
    assert_int_equal(h2_limits_create(&defaults, &server->limits, err), MESH_OK);
    code = h2_listener_create(
        &(h2_listener_options){
            .listen = listen, .limits = server->limits, .on_accept = on_accept, .context = server},
        &server->listener, err);
    if (code != MESH_OK)
        h2_limits_destroy(server->limits);
    return code;
}

static void serve(server *server, const char *listen)
{
    mesh_error err;

    if (create(server, listen, &err) != MESH_OK ||
        h2_listener_start(server->listener, &err) != MESH_OK)
        fail_msg("%s", err.message);
}

static void stop(server *server)
{
    h2_listener_destroy(server->listener);
    for (int i = 0; server->keeps && i < atomic_load(&server->accepted); i++) {
        h2_io_close(&server->kept[i].io);
        h2_limits_leave(server->limits, &server->kept[i].ticket);
    }
    h2_limits_destroy(server->limits);
}

static int connect_to(const struct sockaddr *address, socklen_t size)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (connect(fd, address, size) == 0)
        return fd;
    close(fd);
    return -1;
}

static int connect_v4(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return connect_to((struct sockaddr *)&address, sizeof address);
}

static int connect_v6(int port)
{
    struct sockaddr_in6 address = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_loopback};

    return connect_to((struct sockaddr *)&address, sizeof address);
}

static int connect_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return connect_to((struct sockaddr *)&address, sizeof address);
}

/* True once the other end closed it; false: it keeps it. */
static bool is_closed(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char byte;

    return poll(&ready, 1, LIMIT_MS) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

static void wait_for_accepted(server *server, int count)
{
    int64_t until_ns = mesh_clock_deadline_ns(LIMIT_MS);

    while (atomic_load(&server->accepted) < count) {
        if (mesh_clock_monotonic_ns() > until_ns)
            fail_msg("%d are accepted instead of %d", atomic_load(&server->accepted), count);
        wait_a_moment();
    }
}

static bool has_v6(void)
{
    const struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&loopback, sizeof loopback) == 0;

    if (fd >= 0)
        close(fd);
    return has;
}

/* --- where ------------------------------------------------------------------------------------ */

static void addresses_of_both_families_are_listened_on(void **state)
{
    static const struct {
        const char *listen;
        bool v4, v6;
    } cases[] = {{"127.0.0.1:0", true, false},
                 {"[::1]:0", false, true},
                 {"localhost:0", true, false},
                 {"0.0.0.0:0", true, false},
                 {"[::]:0", true, true}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        server server;
        int port, fd, count = 0;

        if (cases[i].v6 && !has_v6())
            continue;
        serve(&server, cases[i].listen);
        port = h2_listener_port(server.listener);
        assert_true(port > 0);
        if (cases[i].v4) {
            assert_true((fd = connect_v4(port)) >= 0);
            wait_for_accepted(&server, ++count);
            assert_int_equal(strncmp(server.peer, "ipv4:127.0.0.1:", 15), 0);
            assert_true(is_closed(fd));
            close(fd);
        }
        if (cases[i].v6) {
            assert_true((fd = connect_v6(port)) >= 0);
            wait_for_accepted(&server, ++count);
            assert_int_equal(strncmp(server.peer, "ipv6:[::1]:", 11), 0);
            close(fd);
        }
        stop(&server);
        assert_int_equal(connect_v4(port), -1);
    }
}

static void what_cannot_be_bound_is_named(void **state)
{
    server taken, other;
    char address[32], expected[100];
    mesh_error err;

    (void)state;
    serve(&taken, "127.0.0.1:0");
    snprintf(address, sizeof address, "127.0.0.1:%d", h2_listener_port(taken.listener));
    assert_int_equal(create(&other, address, &err), MESH_UNAVAILABLE);
    snprintf(expected, sizeof expected, "cannot listen on %s: Address already in use", address);
    assert_string_equal(err.message, expected);
    stop(&taken);
    assert_int_equal(create(&other, "no.such.host.invalid:0", &err), MESH_UNAVAILABLE);
    assert_non_null(strstr(err.message, "no.such.host.invalid:0"));
    assert_int_equal(create(&other, "unix:/nonexistent/socket", &err), MESH_UNAVAILABLE);
    assert_non_null(strstr(err.message, "No such file or directory"));
    assert_int_equal(create(&other, "fd://1000000", &err), MESH_UNAVAILABLE);
}

/* --- Unix sockets ----------------------------------------------------------------------------- */

/* Not in $TEST_TMPDIR: a socket's path has at most 107 bytes. */
static void make_path(char path[64], char listen[80])
{
    snprintf(path, 64, "/tmp/mesh-listener-test-%d", (int)getpid());
    snprintf(listen, 80, "unix:%s", path);
}

static void a_unix_socket_is_there_as_long_as_its_server(void **state)
{
    char path[64], listen[80];
    server server;
    int fd;

    (void)state;
    make_path(path, listen);
    serve(&server, listen);
    assert_int_equal(h2_listener_port(server.listener), 0);
    assert_true((fd = connect_path(path)) >= 0);
    wait_for_accepted(&server, 1);
    assert_string_equal(server.peer, "unix:");
    close(fd);
    stop(&server);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_socket_that_was_left_behind_is_replaced_and_no_other(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[64], listen[80];
    server first, second;
    mesh_error err;
    int left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd;

    (void)state;
    make_path(path, listen);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(left, (struct sockaddr *)&address, sizeof address), 0);
    close(left);
    serve(&first, listen);
    /* one that serves */
    assert_int_equal(create(&second, listen, &err), MESH_UNAVAILABLE);
    assert_non_null(strstr(err.message, "Address already in use"));
    assert_true((fd = connect_path(path)) >= 0);
    wait_for_accepted(&first, 1);
    close(fd);
    /* and the next one's is not removed with the first */
    assert_int_equal(unlink(path), 0);
    serve(&second, listen);
    stop(&first);
    assert_int_equal(access(path, F_OK), 0);
    stop(&second);
    /* what is no socket is left alone */
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(create(&second, listen, &err), MESH_UNAVAILABLE);
    assert_int_equal(unlink(path), 0);
}

/* --- inherited sockets ------------------------------------------------------------------------ */

static void an_inherited_socket_is_taken_over_and_left_to_others(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int parents = socket(AF_INET, SOCK_STREAM, 0), inherited, fd;
    char listen_on[32];
    server server;
    mesh_error err;

    (void)state;
    assert_int_equal(bind(parents, (struct sockaddr *)&address, sizeof address), 0);
    snprintf(listen_on, sizeof listen_on, "fd://%d", parents);
    assert_int_equal(create(&server, listen_on, &err), MESH_UNAVAILABLE); /* it does not listen */
    assert_non_null(strstr(err.message, "listens"));
    assert_int_equal(listen(parents, 10), 0);
    assert_int_equal(getsockname(parents, (struct sockaddr *)&address, &size), 0);
    inherited = dup(parents);
    snprintf(listen_on, sizeof listen_on, "fd://%d", inherited);
    serve(&server, listen_on);
    assert_int_equal(h2_listener_port(server.listener), ntohs(address.sin_port));
    assert_true((fd = connect_v4(ntohs(address.sin_port))) >= 0);
    wait_for_accepted(&server, 1);
    close(fd);
    stop(&server);
    assert_int_equal(fcntl(inherited, F_GETFD), -1);
    assert_true((fd = connect_v4(ntohs(address.sin_port))) >= 0); /* the parent's backlog */
    close(fd);
    close(parents);
}

/* --- whom ------------------------------------------------------------------------------------- */

static void who_waits_when_it_stops_is_still_accepted(void **state)
{
    server server;
    mesh_error err;
    int fd;

    (void)state;
    assert_int_equal(create(&server, "127.0.0.1:0", &err), MESH_OK);
    assert_true((fd = connect_v4(h2_listener_port(server.listener))) >= 0);
    assert_int_equal(h2_listener_start(server.listener, &err), MESH_OK);
    h2_listener_stop(server.listener);
    assert_int_equal(atomic_load(&server.accepted), 1);
    close(fd);
    stop(&server);
}

static void a_process_without_descriptors_refuses_and_recovers(void **state)
{
    struct rlimit before, few;
    int fillers[FEW_DESCRIPTORS], clients[3], fd, filled = 0;
    server server;

    (void)state;
    serve(&server, "127.0.0.1:0");
    for (size_t i = 0; i < 3; i++)
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){.rlim_cur = FEW_DESCRIPTORS, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (filled < FEW_DESCRIPTORS && (fillers[filled] = dup(0)) >= 0)
        filled++;
    assert_int_equal(errno, EMFILE);
    for (size_t i = 0; i < 3; i++) {
        const struct sockaddr_in address = {
            .sin_family = AF_INET,
            .sin_port = htons((uint16_t)h2_listener_port(server.listener)),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

        assert_int_equal(connect(clients[i], (const struct sockaddr *)&address, sizeof address), 0);
        assert_true(is_closed(clients[i]));
        close(clients[i]);
        fillers[filled++] = dup(0); /* what the client had */
    }
    WAIT_FOR(h2_limits_count(server.limits, H2_LIMIT_DESCRIPTORS) == 3);
    assert_int_equal(atomic_load(&server.accepted), 0);
    while (filled > 0)
        close(fillers[--filled]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true((fd = connect_v4(h2_listener_port(server.listener))) >= 0);
    wait_for_accepted(&server, 1);
    close(fd);
    stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_both_families_are_listened_on),
        cmocka_unit_test(what_cannot_be_bound_is_named),
        cmocka_unit_test(a_unix_socket_is_there_as_long_as_its_server),
        cmocka_unit_test(a_socket_that_was_left_behind_is_replaced_and_no_other),
        cmocka_unit_test(an_inherited_socket_is_taken_over_and_left_to_others),
        cmocka_unit_test(who_waits_when_it_stops_is_still_accepted),
        cmocka_unit_test(a_process_without_descriptors_refuses_and_recovers),
    };

    return cmocka_run_group_tests_name("listener of the h2 transport", tests, NULL, NULL);
}
