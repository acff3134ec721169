/* More calls than a server takes, and calls whose time is over before a worker is free. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mesh/rpc/gate.h"
#include "tests/mesh/rpc/raw_client.h"

enum {
    UNREAD = 300,          /* answers that wait for one who does not read ... */
    ANSWER_BYTES = 8 << 20 /* ... behind one that no socket has room for */
};

static void a_full_pool_refuses_at_once_with_a_retry_delay(void **state)
{
    gate here;
    static testing_asked running[2], waiting[3], refused[4];

    (void)state;
    gate_open(&here, MESH_OPTIONS(mesh_server_options, .worker_count = 2, .worker_queue = 3,
                                  .connection_share_percent = 100));
    for (int i = 0; i < 2; i++) {
        gate_ask(&here, &running[i], 0);
        testing_wait(&here.entered);
    }
    for (int i = 0; i < 3; i++)
        gate_ask(&here, &waiting[i], 0);
    testing_wait_for_active(&here.service, 5);
    for (int i = 0; i < 4; i++) {
        gate_ask(&here, &refused[i], 0);
        gate_expect_busy(&refused[i]);
    }
    for (int i = 0; i < 5; i++)
        sem_post(&here.leave);
    for (int i = 0; i < 2; i++)
        assert_int_equal(testing_answer_of(&running[i]), MESH_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(testing_answer_of(&waiting[i]), MESH_OK);
    assert_int_equal(atomic_load(&here.handled), 5);
    gate_close(&here);
}

/* The pool takes as many calls as it promises from its first moment on, too. */
static void a_new_pool_is_not_full(void **state)
{
    (void)state;
    for (int round = 0; round < 30; round++) {
        gate here;
        static testing_asked four[4];

        gate_open(&here, MESH_OPTIONS(mesh_server_options, .worker_count = 3, .worker_queue = 1,
                                      .connection_share_percent = 100));
        for (int i = 0; i < 4; i++) {
            sem_post(&here.leave);
            gate_ask(&here, &four[i], 0);
        }
        for (int i = 0; i < 4; i++)
            assert_int_equal(testing_answer_of(&four[i]), MESH_OK);
        gate_close(&here);
    }
}

/* Handlers may block: calls that come at once share the idle workers, none waits for another. */
static void each_call_gets_a_worker_while_any_is_idle(void **state)
{
    gate here;
    static testing_asked eight[8];

    (void)state;
    gate_open(&here, MESH_OPTIONS(mesh_server_options, .worker_count = 8,
                                  .connection_share_percent = 100));
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 8; i++)
            gate_ask(&here, &eight[i], 0);
        for (int i = 0; i < 8; i++)
            testing_wait(&here.entered);
        for (int i = 0; i < 8; i++)
            sem_post(&here.leave);
        for (int i = 0; i < 8; i++)
            assert_int_equal(testing_answer_of(&eight[i]), MESH_OK);
    }
    gate_close(&here);
}

static void a_stream_is_refused_by_a_full_pool_too(void **state)
{
    gate here;
    static testing_asked running, waiting;
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    gate_open(&here, MESH_OPTIONS(mesh_server_options, .worker_count = 1, .worker_queue = 1,
                                  .connection_share_percent = 100));
    gate_ask(&here, &running, 0);
    testing_wait(&here.entered);
    gate_ask(&here, &waiting, 0);
    testing_wait_for_active(&here.service, 2);
    assert_int_equal(testing__v1__testing__double(here.service.channel, &stream, NULL, &err),
                     MESH_OK);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(err.message, "the service is busy"));
    sem_post(&here.leave);
    sem_post(&here.leave);
    assert_int_equal(testing_answer_of(&running), MESH_OK);
    assert_int_equal(testing_answer_of(&waiting), MESH_OK);
    gate_close(&here);
}

static void more_than_max_calls_are_refused_at_once(void **state)
{
    gate here;
    static testing_asked running[3], refused;

    (void)state;
    gate_open(&here,
              MESH_OPTIONS(mesh_server_options, .max_calls = 3, .connection_share_percent = 100));
    for (int i = 0; i < 3; i++) {
        gate_ask(&here, &running[i], 0);
        testing_wait(&here.entered);
    }
    gate_ask(&here, &refused, 0);
    gate_expect_busy(&refused);
    for (int i = 0; i < 3; i++)
        sem_post(&here.leave);
    for (int i = 0; i < 3; i++)
        assert_int_equal(testing_answer_of(&running[i]), MESH_OK);
    testing_wait_for_active(&here.service, 0);
    sem_post(&here.leave);
    assert_int_equal(testing_echo(&here.service, "room again", NULL), MESH_OK);
    gate_close(&here);
}

/* A call whose client has sent the request, but not its end, takes its place like any other. */
static void calls_that_wait_for_their_end_count(void **state)
{
    enum {
        CALLS = 3
    };
    gate here;
    raw_client client;
    uint32_t calls[CALLS];

    (void)state;
    gate_open(&here, MESH_OPTIONS(mesh_server_options, .max_calls = CALLS,
                                  .connection_share_percent = 100));
    raw_connect(&client, mesh_server_port(here.service.server));
    for (int i = 0; i < CALLS; i++) {
        calls[i] = raw_request(&client, "/testing.v1.Testing/Echo", NULL, NULL, false);
        raw_message(&client, calls[i], false, NULL, 0, false);
    }
    testing_wait_for_active(&here.service, CALLS);
    assert_int_equal(testing_echo(&here.service, "no room", NULL), MESH_RESOURCE_EXHAUSTED);
    assert_int_equal(atomic_load(&here.handled), 0);
    for (int i = 0; i < CALLS; i++) {
        sem_post(&here.leave);
        raw_data(&client, calls[i], NULL, 0, true);
        assert_true(raw_wait(&client, calls[i]));
    }
    assert_int_equal(atomic_load(&here.handled), CALLS);
    raw_close(&client);
    gate_close(&here);
}

/* --- calls that are not let in ---------------------------------------------------------------- */

/*
 * Begins to read an answer that is larger than all buffers of the connection. What is answered
 * behind it stays on the server, with its call.
 */
static void stop_in_answer(gate *here, raw_client *client)
{
    static raw_frame next;
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    uint32_t call = raw_request(client, "/testing.v1.Testing/Echo", NULL, NULL, false);
    uint8_t bytes[64];

    request.answer_size = ANSWER_BYTES;
    raw_widen(client, 0, 2 * ANSWER_BYTES);
    raw_widen(client, call, 2 * ANSWER_BYTES);
    raw_message(client, call, false, bytes, testing__v1__echo_request__pack(&request, bytes), true);
    testing_wait(&here->entered);
    sem_post(&here->leave);
    do
        assert_true(raw_receive(client, &next));
    while (next.head.stream != call || next.head.type != H2_DATA);
}

static void calls_that_were_not_let_in_take_nobodys_place(void **state)
{
    const size_t held = UNREAD + 1; /* with the one whose answer holds up the others */
    gate here;
    raw_client client;
    uint32_t call;

    (void)state;
    gate_open(&here, MESH_OPTIONS(mesh_server_options, .listen = "unix:overload_test.socket",
                                  .max_calls = UNREAD / 4));
    raw_connect_unix(&client, here.service.address);
    stop_in_answer(&here, &client);
    for (int i = 0; i < UNREAD; i++)
        (void)raw_request(&client, "/testing.v1.Testing/NothingThatIsHere", NULL, NULL, true);
    testing_wait_for_active(&here.service, held);
    sem_post(&here.leave);
    assert_int_equal(testing_echo(&here.service, "there is room", NULL), MESH_OK);
    testing_wait(&here.entered);
    testing_wait_for_active(&here.service, held);
    /* nor that of a call of their own connection */
    call = raw_request(&client, "/testing.v1.Testing/Echo", NULL, NULL, false);
    raw_message(&client, call, false, NULL, 0, true);
    testing_wait(&here.entered);
    assert_int_equal(mesh_server_active(here.service.server), held + 1);
    sem_post(&here.leave);
    raw_close(&client);
    gate_close(&here);
}

typedef struct seen {
    atomic_int opened;
    atomic_int refused; /* closed with RESOURCE_EXHAUSTED */
} seen;

static mesh_code see_open(void *self, mesh_call *call, mesh_error *err)
{
    seen *all = self;

    (void)call;
    (void)err;
    atomic_fetch_add(&all->opened, 1);
    return MESH_OK;
}

static void see_close(void *self, mesh_call *call, mesh_code code)
{
    seen *all = self;

    (void)call;
    if (code == MESH_RESOURCE_EXHAUSTED)
        atomic_fetch_add(&all->refused, 1);
}

static void a_refused_call_is_seen_by_those_who_observe(void **state)
{
    seen observer = {.opened = 0};
    seen other = {.opened = 0};
    const mesh_interceptor both[] = {
        {.on_open = see_open, .on_close = see_close, .self = &observer, .observes = true},
        {.on_open = see_open, .on_close = see_close, .self = &other},
    };
    gate here;
    static testing_asked running, refused;

    (void)state;
    gate_open(&here,
              &(mesh_server_options){.max_calls = 1, .interceptors = both, .interceptor_count = 2});
    gate_ask(&here, &running, 0);
    testing_wait(&here.entered);
    gate_ask(&here, &refused, 0);
    gate_expect_busy(&refused);
    sem_post(&here.leave);
    assert_int_equal(testing_answer_of(&running), MESH_OK);
    assert_int_equal(atomic_load(&observer.opened), 2);
    assert_int_equal(atomic_load(&observer.refused), 1);
    assert_int_equal(atomic_load(&other.opened), 1);
    assert_int_equal(atomic_load(&other.refused), 0);
    gate_close(&here);
}

/* Keeps the newest call, so that the test sees when its caller is gone. */
static mesh_code keep_call(void *self, mesh_call *call, mesh_error *err)
{
    mesh_call *_Atomic *kept = self;

    (void)err;
    atomic_store(kept, call);
    return MESH_OK;
}

static void a_deadline_that_passes_in_the_queue_keeps_the_handler_from_running(void **state)
{
    mesh_call *_Atomic newest = NULL;
    const mesh_interceptor keeper = {.name = "keeper", .on_open = keep_call, .self = &newest};
    gate here;
    static testing_asked running, late;

    (void)state;
    gate_open(&here, &(mesh_server_options){
                         .worker_count = 1, .interceptors = &keeper, .interceptor_count = 1});
    gate_ask(&here, &running, 0);
    testing_wait(&here.entered);
    gate_ask(&here, &late, 50);
    assert_int_equal(testing_answer_of(&late), MESH_DEADLINE_EXCEEDED);
    /* it waits in the queue, so it is not gone */
    while (!mesh_call_cancelled(atomic_load(&newest)))
        sched_yield();
    sem_post(&here.leave);
    assert_int_equal(testing_answer_of(&running), MESH_OK);
    testing_wait_for_active(&here.service, 0);
    assert_int_equal(atomic_load(&here.handled), 1);
    gate_close(&here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_pool_refuses_at_once_with_a_retry_delay),
        cmocka_unit_test(a_new_pool_is_not_full),
        cmocka_unit_test(each_call_gets_a_worker_while_any_is_idle),
        cmocka_unit_test(a_stream_is_refused_by_a_full_pool_too),
        cmocka_unit_test(more_than_max_calls_are_refused_at_once),
        cmocka_unit_test(calls_that_wait_for_their_end_count),
        cmocka_unit_test(calls_that_were_not_let_in_take_nobodys_place),
        cmocka_unit_test(a_refused_call_is_seen_by_those_who_observe),
        cmocka_unit_test(a_deadline_that_passes_in_the_queue_keeps_the_handler_from_running),
    };

    return cmocka_run_group_tests_name("overload", tests, NULL, NULL);
}
