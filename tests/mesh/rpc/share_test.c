/* What the calls of one connection may take of a server: calls, workers and their queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mesh/rpc/gate.h"

/* The runtime's listeners. */
static const char *const listeners[] = {"127.0.0.1:0", "unix:share_test.socket"};

static void expect_share(testing_asked *one, const char *what)
{
    gate_expect_busy(one);
    assert_non_null(strstr(one->err.message, "connection_share_percent"));
    assert_non_null(strstr(one->err.message, what));
}

/*
 * Calls over two connections, of which the first takes its half of four. `options` says of what,
 * and `what` what is said of the third call then.
 */
static void fill_half(const mesh_server_options *options, const char *what)
{
    gate here;
    static testing_asked first[2], refused, others[2];
    mesh_channel *other;

    gate_open(&here, options);
    assert_int_equal(mesh_channel_create(here.service.address, NULL, &other, NULL), MESH_OK);
    for (int i = 0; i < 2; i++)
        gate_ask(&here, &first[i], 0);
    testing_wait_for_active(&here.service, 2);
    gate_ask(&here, &refused, 0);
    expect_share(&refused, what);
    for (int i = 0; i < 2; i++)
        gate_ask_text(other, "asked", &others[i]);
    testing_wait_for_active(&here.service, 4);
    for (int i = 0; i < 4; i++)
        sem_post(&here.leave);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(testing_answer_of(&first[i]), MESH_OK);
        assert_int_equal(testing_answer_of(&others[i]), MESH_OK);
    }
    /* and it is given back */
    testing_wait_for_active(&here.service, 0);
    for (int i = 0; i < 2; i++) {
        sem_post(&here.leave);
        gate_ask(&here, &first[i], 0);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(testing_answer_of(&first[i]), MESH_OK);
    mesh_channel_destroy(other);
    gate_close(&here);
}

static void a_connection_leaves_calls_to_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof listeners / sizeof listeners[0]; i++)
        fill_half(MESH_OPTIONS(mesh_server_options, .listen = listeners[i], .max_calls = 4),
                  "2 calls run already");
}

static void a_connection_leaves_workers_and_their_queue_to_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof listeners / sizeof listeners[0]; i++)
        fill_half(MESH_OPTIONS(mesh_server_options, .listen = listeners[i], .worker_count = 1,
                               .worker_queue = 3),
                  "take 2 workers and places");
}

/* Handlers may block: a worker that was given cannot be taken back. */
static void a_connection_runs_no_more_than_its_share_at_a_time(void **state)
{
    gate here;
    static testing_asked first[4], others[2];
    mesh_channel *other;
    int firsts = 0;

    (void)state;
    gate_open(&here, &(mesh_server_options){.worker_count = 4});
    assert_int_equal(mesh_channel_create(here.service.address, NULL, &other, NULL), MESH_OK);
    for (int i = 0; i < 4; i++)
        gate_ask_text(here.service.channel, "first", &first[i]);
    testing_wait_for_active(&here.service, 4);
    for (int i = 0; i < 2; i++)
        gate_ask_text(other, "other", &others[i]);
    for (int i = 0; i < 4; i++)
        testing_wait(&here.entered);
    assert_int_equal(atomic_load(&here.handled), 4);
    for (int i = 0; i < 4; i++)
        firsts += here.order[i] == 'f';
    assert_int_equal(firsts, 2);
    for (int i = 0; i < 6; i++)
        sem_post(&here.leave);
    for (int i = 0; i < 4; i++)
        assert_int_equal(testing_answer_of(&first[i]), MESH_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(testing_answer_of(&others[i]), MESH_OK);
    mesh_channel_destroy(other);
    gate_close(&here);
}

/* One worker, which is taken; who comes late with little does not wait for all of who was first. */
static void connections_are_served_in_turn(void **state)
{
    gate here;
    static testing_asked first[5], others[2];
    mesh_channel *other;

    (void)state;
    gate_open(&here, &(mesh_server_options){.worker_count = 1, .worker_queue = 16});
    assert_int_equal(mesh_channel_create(here.service.address, NULL, &other, NULL), MESH_OK);
    gate_ask_text(here.service.channel, "first", &first[0]);
    testing_wait(&here.entered);
    for (int i = 1; i < 5; i++)
        gate_ask_text(here.service.channel, "first", &first[i]);
    testing_wait_for_active(&here.service, 5);
    for (int i = 0; i < 2; i++)
        gate_ask_text(other, "other", &others[i]);
    gate_wait_for_queued(&here, 7);
    for (int i = 0; i < 7; i++)
        sem_post(&here.leave);
    for (int i = 0; i < 5; i++)
        assert_int_equal(testing_answer_of(&first[i]), MESH_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(testing_answer_of(&others[i]), MESH_OK);
    assert_true(strcmp(here.order, "ffofoff") == 0 || strcmp(here.order, "fofofff") == 0);
    mesh_channel_destroy(other);
    gate_close(&here);
}

/* Of eight places two are for connections whose calls do not wait yet. */
static void a_quarter_of_the_queue_is_kept_for_those_with_nothing_in_it(void **state)
{
    enum {
        CALLS = 9 /* one runs, eight wait */
    };
    gate here;
    static testing_asked all[CALLS], refused;
    mesh_channel *others[3];
    size_t asked = 0;

    (void)state;
    gate_open(&here, &(mesh_server_options){.worker_count = 1, .worker_queue = 8});
    for (int i = 0; i < 3; i++)
        assert_int_equal(mesh_channel_create(here.service.address, NULL, &others[i], NULL),
                         MESH_OK);
    gate_ask(&here, &all[asked++], 0);
    testing_wait(&here.entered);
    for (int i = 0; i < 4; i++)
        gate_ask(&here, &all[asked++], 0);
    testing_wait_for_active(&here.service, 5);
    /* it has its share: all five are in the queue, not only on their way there */
    gate_ask(&here, &refused, 0);
    gate_expect_busy(&refused);
    testing_wait_for_active(&here.service, 5);
    for (int i = 0; i < 2; i++)
        gate_ask_text(others[0], "asked", &all[asked++]);
    testing_wait_for_active(&here.service, 7);
    gate_ask_text(others[0], "asked", &refused);
    gate_expect_busy(&refused);
    testing_wait_for_active(&here.service, asked);
    for (int i = 1; i < 3; i++) {
        gate_ask_text(others[i], "asked", &all[asked++]);
        testing_wait_for_active(&here.service, asked);
        gate_ask_text(others[i], "asked", &refused);
        gate_expect_busy(&refused);
        testing_wait_for_active(&here.service, asked);
    }
    for (int i = 0; i < CALLS; i++)
        sem_post(&here.leave);
    for (int i = 0; i < CALLS; i++)
        assert_int_equal(testing_answer_of(&all[i]), MESH_OK);
    for (int i = 0; i < 3; i++)
        mesh_channel_destroy(others[i]);
    gate_close(&here);
}

static void a_share_is_at_least_one(void **state)
{
    gate here;

    (void)state;
    gate_open(&here, MESH_OPTIONS(mesh_server_options, .max_calls = 1, .worker_count = 1,
                                  .worker_queue = 1, .max_receive_bytes = 1 << 20,
                                  .connection_share_percent = 1));
    sem_post(&here.leave);
    assert_int_equal(testing_echo(&here.service, "the one", NULL), MESH_OK);
    gate_close(&here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_leaves_calls_to_others),
        cmocka_unit_test(a_connection_leaves_workers_and_their_queue_to_others),
        cmocka_unit_test(a_connection_runs_no_more_than_its_share_at_a_time),
        cmocka_unit_test(connections_are_served_in_turn),
        cmocka_unit_test(a_quarter_of_the_queue_is_kept_for_those_with_nothing_in_it),
        cmocka_unit_test(a_share_is_at_least_one),
    };

    return cmocka_run_group_tests_name("a connection's share", tests, NULL, NULL);
}
