/* Graceful stop: what runs is waited for, at the drain deadline it is cancelled, and nothing is
 * left. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

static testing_service service;
static sem_t leave;
enum {
    SHARE = 8 /* workers that one connection has, of 16 */
};

static atomic_size_t handled; /* echoes */
static mesh_call *_Atomic deferred_call;

/* --- handlers that take as long as the test wants --------------------------------------------- */

static void finish_cancelled(void *context)
{
    mesh_call *call = atomic_exchange(&deferred_call, NULL);

    (void)context;
    if (call != NULL)
        mesh_call_finish(call, MESH_CANCELLED, NULL);
}

static mesh_code echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    (void)self;
    (void)err;
    response->text = request->text;
    atomic_fetch_add(&handled, 1);
    if (request->defer) {
        mesh_call_defer(call);
        atomic_store(&deferred_call, call);
        mesh_call_on_cancel(call, finish_cancelled, NULL);
        sem_post(&service.hanging);
    } else if (request->hang) {
        sem_post(&service.hanging);
        testing_wait(&leave);
    }
    return MESH_OK;
}

static mesh_code twice(void *self, mesh_call *call, mesh_stream *stream, mesh_error *err)
{
    const Testing__V1__Number *number;
    mesh_code code;

    (void)self;
    (void)call;
    sem_post(&service.opened);
    while ((code = testing__v1__testing__double__receive(stream, &number, err)) == MESH_OK)
        code = testing__v1__testing__double__reply(stream, number);
    return code == MESH_EOF ? MESH_OK : code;
}

static mesh_code double_open(void *self, mesh_stream *stream, mesh_error *err)
{
    (void)self;
    (void)stream;
    (void)err;
    sem_post(&service.opened);
    return MESH_OK;
}

static mesh_code double_message(void *self, mesh_stream *stream, const Testing__V1__Number *number,
                                mesh_error *err)
{
    (void)self;
    (void)err;
    return testing__v1__testing__double__try_reply(stream, number);
}

static void double_end(void *self, mesh_stream *stream)
{
    (void)self;
    mesh_stream_end(stream, MESH_OK, NULL);
}

static void double_close(void *self, mesh_stream *stream, mesh_code code)
{
    (void)self;
    (void)stream;
    service.close_code = code;
    sem_post(&service.closed);
}

static const testing__v1__testing__double__events double_events = {
    .on_open = double_open,
    .on_message = double_message,
    .on_end = double_end,
    .on_close = double_close,
};
static const testing__v1__testing__handlers blocking = {.echo = echo, .double_ = twice};
static const testing__v1__testing__handlers evented = {.echo__inline = echo,
                                                       .double__events = &double_events};

/*
 * The gRPC core ends with the last that uses it, which takes a tenth of a second, at times more
 * than one. With a channel that stays it ends once, not in each test and each round.
 */
static mesh_channel *unused;

static int keep_core(void **state)
{
    (void)state;
    return mesh_channel_create("127.0.0.1:1", NULL, &unused, NULL) == MESH_OK ? 0 : -1;
}

static int let_core_end(void **state)
{
    (void)state;
    mesh_channel_destroy(unused);
    return 0;
}

static int start(void **state)
{
    const testing__v1__testing__handlers *handlers = testing_style_of(state) == TESTING_WORKER
                                                         ? &blocking
                                                         : &evented;

    sem_init(&leave, 0, 0);
    atomic_store(&handled, 0);
    testing_service_serve(&service, testing__v1__testing__api(handlers, NULL), NULL, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    sem_destroy(&leave);
    return 0;
}

/* --- asking and draining ---------------------------------------------------------------------- */

static void ask(testing_asked *one, bool hang, bool defer)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;

    request.hang = hang;
    request.defer = defer;
    testing_ask(service.channel, &request, NULL, one);
    if (hang || defer)
        testing_wait(&service.hanging);
}

typedef struct drain {
    pthread_t thread;
    int64_t timeout_ms;
    bool graceful;
} drain;

static void *run_drain(void *argument)
{
    drain *one = argument;

    one->graceful = mesh_server_drain(service.server, one->timeout_ms);
    return NULL;
}

static void start_drain(drain *one, int64_t timeout_ms)
{
    *one = (drain){.timeout_ms = timeout_ms};
    assert_int_equal(pthread_create(&one->thread, NULL, run_drain, one), 0);
}

static bool end_drain(drain *one)
{
    pthread_join(one->thread, NULL);
    assert_int_equal(mesh_server_active(service.server), 0);
    return one->graceful;
}

/* Whether the server took a call only to refuse it. */
static bool is_refused_late(const mesh_error *err)
{
    return strstr(err->message, "shuts down") != NULL;
}

/* Until new calls are refused. Those that the client sends before it has the GOAWAY are served. */
static void wait_until_draining(void)
{
    int64_t until = mesh_clock_deadline_ns(30000);
    const mesh_call_options options = {.arena = service.arena, .timeout_ms = 500};
    mesh_code code;

    do {
        Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
        Testing__V1__EchoResponse *response;
        mesh_error err = {0};

        code = testing__v1__testing__echo(service.channel, &request, &response, &options, &err);
        assert_false(is_refused_late(&err));
        if (mesh_clock_monotonic_ns() > until)
            fail_msg("calls are still answered %s", mesh_code_name(code));
    } while (code != MESH_UNAVAILABLE);
}

/* --- unary ------------------------------------------------------------------------------------ */

static void an_idle_server_drains_at_once(void **state)
{
    (void)state;
    assert_int_equal(testing_echo(&service, "hello", NULL), MESH_OK);
    assert_true(mesh_server_drain(service.server, INT64_MAX));
    assert_true(mesh_server_drain(service.server, 0)); /* once is enough */
    wait_until_draining();
}

static void a_running_call_is_waited_for_and_new_ones_are_unavailable(void **state)
{
    drain one;
    static testing_asked running;

    (void)state;
    ask(&running, true, false);
    start_drain(&one, 20000);
    wait_until_draining();
    assert_true(mesh_server_active(service.server) > 0);
    sem_post(&leave);
    assert_int_equal(testing_answer_of(&running), MESH_OK);
    assert_true(end_drain(&one));
}

static void a_deferred_call_is_waited_for(void **state)
{
    drain one;
    static testing_asked running;

    (void)state;
    ask(&running, false, true);
    start_drain(&one, 20000);
    wait_until_draining();
    mesh_call_finish(atomic_exchange(&deferred_call, NULL), MESH_OK, NULL);
    assert_int_equal(testing_answer_of(&running), MESH_OK);
    assert_true(end_drain(&one));
}

static void a_deferred_call_is_told_at_the_drain_deadline(void **state)
{
    drain one;
    static testing_asked running;

    (void)state;
    ask(&running, false, true);
    start_drain(&one, 50);
    assert_int_not_equal(testing_answer_of(&running), MESH_OK);
    assert_false(end_drain(&one));
    assert_null(atomic_load(&deferred_call));
}

/* --- what a client sends that does not know of the drain yet ---------------------------------- */

static const uint8_t echo_frame[] = {0, 0, 0, 0, 4, 0x0a, 2, 'h', 'i'};

/* Calls Echo by hand: the first `sent` bytes of its request. */
static uint32_t begin_echo(raw_client *client, size_t sent)
{
    uint32_t call = raw_request(client, "/testing.v1.Testing/Echo", NULL, NULL, false);

    raw_data(client, call, echo_frame, sent, sent == sizeof echo_frame);
    return call;
}

static void a_late_call_on_an_idle_server_is_served(void **state)
{
    raw_client client;
    drain one;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    assert_true(raw_wait(&client, begin_echo(&client, sizeof echo_frame)));
    start_drain(&one, 20000);
    assert_int_equal(raw_wait_for_goaway(&client), H2_NO_ERROR);
    assert_true(raw_wait(&client, begin_echo(&client, sizeof echo_frame)));
    assert_int_equal(handled, 2);
    raw_close(&client);
    assert_true(end_drain(&one));
}

static void a_call_that_is_half_here_is_served(void **state)
{
    const size_t half = sizeof echo_frame / 2;
    raw_client client;
    uint32_t call;
    drain one;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    assert_true(raw_wait(&client, begin_echo(&client, sizeof echo_frame)));
    call = begin_echo(&client, half);
    start_drain(&one, 20000);
    assert_int_equal(raw_wait_for_goaway(&client), H2_NO_ERROR);
    raw_data(&client, call, echo_frame + half, sizeof echo_frame - half, true);
    assert_true(raw_wait(&client, call));
    assert_int_equal(handled, 2);
    raw_close(&client);
    assert_true(end_drain(&one));
}

/* A client that never says that it knows holds up the end for a while only. */
static void a_client_that_ignores_the_drain_does_not_hold_it_up(void **state)
{
    raw_client client;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    assert_true(raw_wait(&client, begin_echo(&client, sizeof echo_frame)));
    assert_true(mesh_server_drain(service.server, INT64_MAX));
    assert_true(raw_wait(&client, begin_echo(&client, sizeof echo_frame)));
    assert_int_equal(handled, 1);
    raw_close(&client);
}

/* --- streams ---------------------------------------------------------------------------------- */

static mesh_stream *open_stream(void)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    const Testing__V1__Number *answer;
    mesh_stream *stream = NULL;
    mesh_error err;

    assert_int_equal(testing__v1__testing__double(service.channel, &stream, NULL, &err), MESH_OK);
    assert_int_equal(testing__v1__testing__double__send(stream, &number), MESH_OK);
    assert_int_equal(testing__v1__testing__double__next(stream, &answer), MESH_OK);
    testing_wait(&service.opened);
    return stream;
}

static void an_open_stream_goes_on_until_its_end(void **state)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    const Testing__V1__Number *answer = NULL;
    mesh_stream *stream = open_stream();
    mesh_error err;
    drain one;

    (void)state;
    start_drain(&one, 20000);
    wait_until_draining();
    number.value = 7;
    assert_int_equal(testing__v1__testing__double__send(stream, &number), MESH_OK);
    assert_int_equal(testing__v1__testing__double__next(stream, &answer), MESH_OK);
    assert_int_equal(answer->value, 7);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_OK);
    assert_true(end_drain(&one));
}

static void an_open_stream_is_cancelled_at_the_drain_deadline(void **state)
{
    mesh_stream *streams[SHARE];
    mesh_error err;
    drain one;

    (void)state;
    for (size_t i = 0; i < SHARE; i++)
        streams[i] = open_stream();
    start_drain(&one, 50);
    assert_false(end_drain(&one));
    for (size_t i = 0; i < SHARE; i++)
        assert_int_not_equal(mesh_stream_finish(streams[i], &err), MESH_OK);
}

static void an_evented_stream_is_closed_at_the_drain_deadline(void **state)
{
    an_open_stream_is_cancelled_at_the_drain_deadline(state);
    for (size_t i = 0; i < SHARE; i++)
        testing_wait(&service.closed);
    assert_int_equal(service.close_code, MESH_CANCELLED);
    assert_int_not_equal(sem_trywait(&service.closed), 0);
}

/* --- under load ------------------------------------------------------------------------------- */

typedef struct load {
    pthread_t thread;
    mesh_channel *channel;
    size_t good;
    size_t bad; /* neither answered nor unavailable */
} load;

static void *run_load(void *argument)
{
    load *one = argument;
    mesh_arena *arena = mesh_arena_create(4096, 0);
    mesh_code code;

    do {
        Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
        Testing__V1__EchoResponse *response;

        mesh_arena_reset(arena);
        code = testing__v1__testing__echo(one->channel, &request, &response,
                                          &(mesh_call_options){.arena = arena}, NULL);
        one->good += code == MESH_OK;
    } while (code == MESH_OK);
    one->bad = code != MESH_UNAVAILABLE;
    mesh_arena_destroy(arena);
    return NULL;
}

static void a_server_is_destroyed_in_the_middle_of_load(void **state)
{
    enum {
        THREADS = 8
    };

    for (int round = 0; round < 10; round++) {
        load loads[THREADS];

        for (size_t i = 0; i < THREADS; i++) {
            loads[i] = (load){.good = 0};
            assert_int_equal(mesh_channel_create(service.address, NULL, &loads[i].channel, NULL),
                             MESH_OK);
            assert_int_equal(pthread_create(&loads[i].thread, NULL, run_load, &loads[i]), 0);
        }
        for (int i = 0; i < 50; i++)
            assert_int_equal(testing_echo(&service, "busy", NULL), MESH_OK);
        mesh_server_destroy(service.server);
        service.server = NULL;
        for (size_t i = 0; i < THREADS; i++) {
            pthread_join(loads[i].thread, NULL);
            mesh_channel_destroy(loads[i].channel);
            assert_int_equal(loads[i].bad, 0);
        }
        (void)stop(NULL);
        (void)start(state);
    }
}

enum {
    CLIENTS = 50,
    LATE_CALLS_MS = 1000 /* for which a server that drains serves calls that are late */
};

typedef struct moving {
    pthread_t thread;
    const char *target;
    atomic_bool *over;
    atomic_size_t counts[17]; /* answers by code */
    size_t refused_late;
} moving;

static void *run_moving(void *argument)
{
    moving *one = argument;
    mesh_arena *arena = mesh_arena_create(4096, 0);
    mesh_channel *channel = NULL;

    if (mesh_channel_create(one->target, NULL, &channel, NULL) == MESH_OK)
        while (!atomic_load(one->over)) {
            Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
            Testing__V1__EchoResponse *response;
            mesh_error err = {0};

            mesh_arena_reset(arena);
            one->counts[testing__v1__testing__echo(
                channel, &request, &response,
                &(mesh_call_options){.arena = arena, .timeout_ms = 20000}, &err)]++;
            one->refused_late += is_refused_late(&err);
        }
    mesh_channel_destroy(channel);
    mesh_arena_destroy(arena);
    return NULL;
}

/* Those that are MESH_OK. */
static size_t count_answers(const moving *clients)
{
    size_t good = 0;

    for (size_t i = 0; i < CLIENTS; i++)
        good += clients[i].counts[MESH_OK];
    return good;
}

static void wait_for_answers(const moving *clients, size_t more)
{
    size_t wanted = count_answers(clients) + more;

    WAIT_FOR(count_answers(clients) >= wanted);
}

/* Drains; whether all clients had left before the time for late calls was over. */
static bool drain_in_time(void)
{
    int64_t late_ns = mesh_clock_deadline_ns(LATE_CALLS_MS);

    assert_true(mesh_server_drain(service.server, 20000));
    return mesh_clock_monotonic_ns() < late_ns;
}

/*
 * What the server took before its clients knew of the drain it serves, unless they are so slow that
 * the time for that is over; what it did not take can be tried again; then the other server has it
 * all.
 */
static void clients_move_on_without_any_other_trouble(void **state)
{
    for (int round = 0; round < 3; round++) {
        static moving clients[CLIENTS];
        atomic_bool over = false;
        bool in_time;
        testing_service other;
        char target[160];

        testing_service_serve(&other, testing__v1__testing__api(&blocking, NULL), NULL, NULL);
        snprintf(target, sizeof target, "ipv4:%s,%s", service.address, other.address);
        for (size_t i = 0; i < CLIENTS; i++) {
            clients[i] = (moving){.target = target, .over = &over};
            assert_int_equal(pthread_create(&clients[i].thread, NULL, run_moving, &clients[i]), 0);
        }
        wait_for_answers(clients, 1000);
        in_time = drain_in_time();
        mesh_server_destroy(service.server);
        service.server = NULL;
        wait_for_answers(clients, 1000);
        atomic_store(&over, true);
        for (size_t i = 0; i < CLIENTS; i++) {
            pthread_join(clients[i].thread, NULL);
            if (in_time)
                assert_int_equal(clients[i].refused_late, 0);
            for (int code = 0; code < 17; code++)
                if (clients[i].counts[code] > 0 && code != MESH_OK && code != MESH_UNAVAILABLE)
                    fail_msg("%zu calls ended %s", clients[i].counts[code],
                             mesh_code_name((mesh_code)code));
        }
        testing_service_stop(&other);
        (void)stop(NULL);
        (void)start(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(an_idle_server_drains_at_once),
        WORKER(a_running_call_is_waited_for_and_new_ones_are_unavailable),
        BOTH(a_deferred_call_is_waited_for),
        BOTH(a_deferred_call_is_told_at_the_drain_deadline),
        WORKER(a_late_call_on_an_idle_server_is_served),
        WORKER(a_call_that_is_half_here_is_served),
        WORKER(a_client_that_ignores_the_drain_does_not_hold_it_up),
        BOTH(an_open_stream_goes_on_until_its_end),
        WORKER(an_open_stream_is_cancelled_at_the_drain_deadline),
        INLINE(an_evented_stream_is_closed_at_the_drain_deadline),
        BOTH(a_server_is_destroyed_in_the_middle_of_load),
        BOTH(clients_move_on_without_any_other_trouble),
    };

    return cmocka_run_group_tests_name("draining", tests, keep_core, let_core_end);
}
