/* What clients may take: each limit, that it gives back, and what is said of it. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/base/alloc.h"
#include "mesh/base/log.h"
#include "mesh/rpc/h2/h2_limits.h"

enum {
    SECOND_NS = 1000000000
};

static const mesh_server_options small = {
    .max_connections = 8,
    .max_address_connections = 3,
    .max_handshakes = 4,
    .handshake_timeout_ms = 1234,
    .max_connection_streams = 77,
    .buffer_budget_bytes = 1000,
    .connection_share_percent = 40,
};

static h2_limits *create(const mesh_server_options *options)
{
    h2_limits *limits;

    assert_int_equal(h2_limits_create(options, &limits, NULL), MESH_OK);
    return limits;
}

/* A client of an address as text, or of a Unix socket (NULL). */
static bool enter(h2_limits *limits, const char *from, h2_ticket *ticket)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(4711)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(4711)};
    struct sockaddr local = {.sa_family = AF_UNIX};

    if (from == NULL)
        return h2_limits_enter(limits, &local, sizeof local.sa_family, ticket);
    if (inet_pton(AF_INET, from, &v4.sin_addr) == 1)
        return h2_limits_enter(limits, (struct sockaddr *)&v4, sizeof v4, ticket);
    assert_int_equal(inet_pton(AF_INET6, from, &v6.sin6_addr), 1);
    return h2_limits_enter(limits, (struct sockaddr *)&v6, sizeof v6, ticket);
}

static void enter_ready(h2_limits *limits, const char *from, h2_ticket *ticket)
{
    assert_true(enter(limits, from, ticket));
    h2_limits_ready(limits, ticket);
}

static void a_peer_is_named_by_its_address(void **state)
{
    static const struct {
        const char *from, *text;
    } cases[] = {{"192.0.2.1", "ipv4:192.0.2.1:4711"},
                 {"2001:db8::1", "ipv6:[2001:db8::1]:4711"},
                 {"::ffff:192.0.2.1", "ipv4:192.0.2.1:4711"},
                 {NULL, "unix:"}};
    h2_limits *limits = create(&small);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[H2_PEER_TEXT_BYTES];
        h2_ticket ticket;

        assert_true(enter(limits, cases[i].from, &ticket));
        h2_ticket_peer(&ticket, text);
        assert_string_equal(text, cases[i].text);
        h2_limits_leave(limits, &ticket);
    }
    h2_limits_destroy(limits);
}

static void connections_have_a_limit_in_all(void **state)
{
    h2_limits *limits = create(&small);
    h2_ticket tickets[8], more;

    (void)state;
    for (size_t i = 0; i < 8; i++)
        enter_ready(limits, NULL, &tickets[i]); /* which has no address to be counted by */
    assert_false(enter(limits, NULL, &more));
    assert_false(enter(limits, "192.0.2.1", &more));
    assert_int_equal(h2_limits_count(limits, H2_LIMIT_CONNECTIONS), 2);
    h2_limits_leave(limits, &tickets[0]);
    enter_ready(limits, "192.0.2.1", &tickets[0]);
    for (size_t i = 0; i < 8; i++)
        h2_limits_leave(limits, &tickets[i]);
    h2_limits_destroy(limits);
}

static void an_address_has_its_part_and_leaves_the_rest_to_others(void **state)
{
    static const char *const same[][4] = {
        {"192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"},
        {"2001:db8::1", "2001:db8::2", "2001:db8::ffff:1", "2001:db8::3"},
    };
    h2_limits *limits = create(&small);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        h2_ticket tickets[3], other, more;

        for (size_t j = 0; j < 3; j++)
            enter_ready(limits, same[i][j], &tickets[j]);
        assert_false(enter(limits, same[i][3], &more));
        assert_int_equal(h2_limits_count(limits, H2_LIMIT_ADDRESS_CONNECTIONS), i + 1);
        enter_ready(limits, i == 0 ? "192.0.2.2" : "2001:db8:0:1::1", &other);
        h2_limits_leave(limits, &other);
        /* 2001:db8:: begins with the bytes of 32.1.13.184 */
        enter_ready(limits, "32.1.13.184", &other);
        h2_limits_leave(limits, &other);
        h2_limits_leave(limits, &tickets[0]);
        enter_ready(limits, same[i][3], &tickets[0]);
        for (size_t j = 0; j < 3; j++)
            h2_limits_leave(limits, &tickets[j]);
    }
    h2_limits_destroy(limits);
}

static void without_a_number_an_address_has_half(void **state)
{
    mesh_server_options options = small;
    h2_limits *limits;
    h2_ticket tickets[4], more;

    (void)state;
    options.max_address_connections = 0;
    limits = create(&options);
    for (size_t i = 0; i < 4; i++)
        enter_ready(limits, "192.0.2.1", &tickets[i]);
    assert_false(enter(limits, "192.0.2.1", &more));
    for (size_t i = 0; i < 4; i++)
        h2_limits_leave(limits, &tickets[i]);
    h2_limits_destroy(limits);
}

static void who_says_nothing_has_a_limit_of_its_own(void **state)
{
    h2_limits *limits = create(&small);
    h2_ticket silent[4], more;

    (void)state;
    assert_int_equal(h2_limits_handshake_ms(limits), 1234);
    assert_int_equal(h2_limits_streams(limits), 77);
    for (size_t i = 0; i < 2; i++)
        assert_true(enter(limits, "192.0.2.1", &silent[i]));
    assert_false(enter(limits, "192.0.2.1", &more)); /* half of them */
    assert_int_equal(h2_limits_count(limits, H2_LIMIT_ADDRESS_HANDSHAKES), 1);
    for (size_t i = 2; i < 4; i++)
        assert_true(enter(limits, "192.0.2.2", &silent[i]));
    assert_false(enter(limits, "192.0.2.3", &more));
    assert_int_equal(h2_limits_count(limits, H2_LIMIT_HANDSHAKES), 1);
    h2_limits_ready(limits, &silent[0]);
    h2_limits_ready(limits, &silent[0]); /* once is enough */
    assert_true(enter(limits, "192.0.2.1", &more));
    h2_limits_leave(limits, &more); /* also without being ready */
    assert_true(enter(limits, "192.0.2.1", &more));
    h2_limits_leave(limits, &more);
    for (size_t i = 0; i < 4; i++)
        h2_limits_leave(limits, &silent[i]);
    h2_limits_destroy(limits);
}

static void the_process_keeps_descriptors_for_itself(void **state)
{
    mesh_server_options options = small;
    struct rlimit before, few;
    h2_limits *limits;
    h2_ticket tickets[57];

    (void)state;
    options.max_connections = options.max_handshakes = 1000;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){.rlim_cur = 64, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    limits = create(&options);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (size_t i = 0; i < 56; i++)
        enter_ready(limits, NULL, &tickets[i]);
    assert_false(enter(limits, NULL, &tickets[56]));
    for (size_t i = 0; i < 56; i++)
        h2_limits_leave(limits, &tickets[i]);
    h2_limits_destroy(limits);
}

static void frames_that_bring_nothing_run_out(void **state)
{
    h2_limits *limits = create(&small);
    h2_ticket ticket;
    int64_t now_ns;

    (void)state;
    enter_ready(limits, NULL, &ticket);
    now_ns = ticket.idle_frames.filled_ns;
    for (int i = 0; i < H2_IDLE_FRAMES_MAX; i++)
        assert_true(h2_limits_idle_frames(limits, &ticket, 1, now_ns));
    assert_false(h2_limits_idle_frames(limits, &ticket, 1, now_ns));
    assert_int_equal(h2_limits_count(limits, H2_LIMIT_IDLE_FRAMES), 1);
    /* useful ones make up for them */
    h2_ticket_useful_frames(&ticket, 1);
    for (int i = 0; i < H2_IDLE_FRAMES_A_USEFUL_ONE; i++)
        assert_true(h2_limits_idle_frames(limits, &ticket, 1, now_ns));
    assert_false(h2_limits_idle_frames(limits, &ticket, 1, now_ns));
    /* and time */
    now_ns += SECOND_NS / 2;
    for (int i = 0; i < H2_IDLE_FRAMES_A_SECOND / 2; i++)
        assert_true(h2_limits_idle_frames(limits, &ticket, 1, now_ns));
    assert_false(h2_limits_idle_frames(limits, &ticket, 1, now_ns));
    /* which they keep for later, and time does not */
    h2_ticket_useful_frames(&ticket, H2_IDLE_FRAMES_MAX);
    assert_true(h2_limits_idle_frames(limits, &ticket,
                                      H2_IDLE_FRAMES_MAX * H2_IDLE_FRAMES_A_USEFUL_ONE, now_ns));
    assert_false(h2_limits_idle_frames(limits, &ticket, 1, now_ns));
    now_ns += INT64_C(1000000) * SECOND_NS;
    assert_false(h2_limits_idle_frames(limits, &ticket, H2_IDLE_FRAMES_MAX + 1, now_ns));
    assert_true(h2_limits_idle_frames(limits, &ticket, H2_IDLE_FRAMES_MAX, now_ns));
    assert_false(h2_limits_idle_frames(limits, &ticket, 1, now_ns));
    /* but not without end */
    h2_ticket_useful_frames(&ticket, UINT32_MAX);
    h2_ticket_useful_frames(&ticket, UINT32_MAX);
    assert_false(h2_limits_idle_frames(limits, &ticket, H2_IDLE_FRAMES_KEPT_MAX + 1, now_ns));
    assert_true(h2_limits_idle_frames(limits, &ticket, H2_IDLE_FRAMES_KEPT_MAX, now_ns));
    assert_false(h2_limits_idle_frames(limits, &ticket, 1, now_ns));
    h2_limits_leave(limits, &ticket);
    h2_limits_destroy(limits);
}

static void resets_run_out(void **state)
{
    h2_limits *limits = create(&small);
    h2_ticket ticket;
    int64_t now_ns;

    (void)state;
    enter_ready(limits, NULL, &ticket);
    now_ns = ticket.resets.filled_ns;
    for (int i = 0; i < H2_RESETS_MAX; i++)
        assert_true(h2_limits_reset(limits, &ticket, now_ns));
    assert_false(h2_limits_reset(limits, &ticket, now_ns));
    h2_ticket_call_ended(&ticket);
    assert_true(h2_limits_reset(limits, &ticket, now_ns));
    assert_false(h2_limits_reset(limits, &ticket, now_ns));
    now_ns += SECOND_NS;
    for (int i = 0; i < H2_RESETS_A_SECOND; i++)
        assert_true(h2_limits_reset(limits, &ticket, now_ns));
    assert_false(h2_limits_reset(limits, &ticket, now_ns));
    assert_int_equal(h2_limits_count(limits, H2_LIMIT_RESETS), 3);
    h2_limits_leave(limits, &ticket);
    h2_limits_destroy(limits);
}

static void bytes_have_a_limit_of_each_and_in_all(void **state)
{
    h2_limits *limits = create(&small);
    h2_ticket tickets[3];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        enter_ready(limits, NULL, &tickets[i]);
    assert_true(h2_ticket_take(&tickets[0], 400));
    assert_false(h2_ticket_take(&tickets[0], 1));
    assert_true(h2_ticket_take(&tickets[1], 400));
    assert_true(h2_ticket_take(&tickets[2], 200));
    assert_false(h2_ticket_take(&tickets[2], 1));
    assert_true(h2_ticket_has_share(&tickets[2], 1));
    assert_false(h2_ticket_has_share(&tickets[0], 1));
    h2_ticket_give(&tickets[0], 400);
    assert_true(h2_ticket_take(&tickets[2], 200));
    h2_ticket_give(&tickets[1], 400);
    h2_ticket_give(&tickets[2], 400);
    for (size_t i = 0; i < 3; i++)
        h2_limits_leave(limits, &tickets[i]);
    h2_limits_destroy(limits);
}

static void a_flood_of_refusals_is_one_line(void **state)
{
    h2_limits *limits = create(&small);
    char said[8192];
    h2_ticket ticket;
    ssize_t size;
    int log[2];

    (void)state;
    assert_int_equal(pipe2(log, O_NONBLOCK), 0);
    mesh_log_output(log[1]);
    assert_true(enter(limits, "192.0.2.1", &ticket));
    for (int i = 0; i < 1000; i++)
        h2_limits_refused(limits, H2_LIMIT_HANDSHAKE_TIME, &ticket);
    h2_limits_leave(limits, &ticket);
    mesh_log_output(-1);
    size = read(log[0], said, sizeof said - 1);
    assert_true(size > 0);
    said[size] = '\0';
    assert_non_null(strstr(said, "handshake_timeout_ms"));
    assert_non_null(strstr(said, "ipv4:192.0.2.1:4711"));
    assert_ptr_equal(strchr(said, '\n'), said + size - 1);
    assert_int_equal(h2_limits_count(limits, H2_LIMIT_HANDSHAKE_TIME), 1000);
    close(log[0]);
    close(log[1]);
    h2_limits_destroy(limits);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        h2_limits *limits = NULL;
        h2_ticket ticket;

        mesh_alloc_fail_at(n);
        if (h2_limits_create(&small, &limits, NULL) == MESH_OK &&
            enter(limits, "192.0.2.1", &ticket))
            h2_limits_leave(limits, &ticket);
        h2_limits_destroy(limits);
        assert_int_equal(mesh_alloc_live(), 0);
        if (!mesh_alloc_failed())
            break;
    }
    mesh_alloc_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_is_named_by_its_address),
        cmocka_unit_test(connections_have_a_limit_in_all),
        cmocka_unit_test(an_address_has_its_part_and_leaves_the_rest_to_others),
        cmocka_unit_test(without_a_number_an_address_has_half),
        cmocka_unit_test(who_says_nothing_has_a_limit_of_its_own),
        cmocka_unit_test(the_process_keeps_descriptors_for_itself),
        cmocka_unit_test(frames_that_bring_nothing_run_out),
        cmocka_unit_test(resets_run_out),
        cmocka_unit_test(bytes_have_a_limit_of_each_and_in_all),
        cmocka_unit_test(a_flood_of_refusals_is_one_line),
        cmocka_unit_test(each_allocation_may_fail),
    };

    return cmocka_run_group_tests_name("limits of the h2 transport", tests, NULL, NULL);
}
