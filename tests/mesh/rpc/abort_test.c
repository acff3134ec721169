/* Calls that an interceptor ends while they go on: both sides see it, with its status. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/alloc.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/rpc/kinds.h"
#include "tests/mesh/rpc/raw_client.h"

enum {
    KEPT_MAX = 64,
    ROUNDS = 60,
    THREADS = 3
};

static testing_service service;

/* --- who keeps the calls ---------------------------------------------------------------------- */

/* What the interceptor does with calls that come. */
typedef enum how {
    KEEPS,
    SUSPENDS,
    ABORTS, /* at once */
    ABORTS_SUSPENDED
} how;

static struct {
    pthread_mutex_t mu;
    mesh_call *calls[KEPT_MAX]; /* in the order in which they came; NULL: ended */
    size_t count;
    how how;
    mesh_code closed_with; /* the last that ended */
    atomic_size_t opened, closed;
} kept = {.mu = PTHREAD_MUTEX_INITIALIZER};

static mesh_error reason;

static void set_reason(mesh_code code)
{
    mesh_error_clear(&reason);
    (void)mesh_error_reason(&reason, code, "testing.v1", "NO_MORE", "not any more");
}

static mesh_code on_open(void *self, mesh_call *call, mesh_error *err)
{
    (void)self;
    (void)err;
    pthread_mutex_lock(&kept.mu);
    if (kept.how == SUSPENDS || kept.how == ABORTS_SUSPENDED)
        mesh_call_suspend(call);
    if (kept.how == ABORTS || kept.how == ABORTS_SUSPENDED)
        mesh_call_abort(call, reason.code, &reason);
    kept.calls[kept.count++ % KEPT_MAX] = call;
    pthread_mutex_unlock(&kept.mu);
    atomic_fetch_add(&kept.opened, 1);
    return MESH_OK;
}

static void on_close(void *self, mesh_call *call, mesh_code code)
{
    (void)self;
    pthread_mutex_lock(&kept.mu);
    for (size_t i = 0; i < KEPT_MAX; i++)
        if (kept.calls[i] == call)
            kept.calls[i] = NULL;
    kept.closed_with = code;
    pthread_mutex_unlock(&kept.mu);
    atomic_fetch_add(&kept.closed, 1);
}

/* Those that have come since the `first`-th. */
static void abort_from(size_t first)
{
    pthread_mutex_lock(&kept.mu);
    for (size_t i = first; i < KEPT_MAX; i++)
        if (kept.calls[i] != NULL)
            mesh_call_abort(kept.calls[i], reason.code, &reason);
    pthread_mutex_unlock(&kept.mu);
}

static void abort_all(void)
{
    abort_from(0);
}

static mesh_code closed_with(void)
{
    mesh_code code;

    pthread_mutex_lock(&kept.mu);
    code = kept.closed_with;
    pthread_mutex_unlock(&kept.mu);
    return code;
}

static void keep(how how)
{
    pthread_mutex_lock(&kept.mu);
    memset(kept.calls, 0, sizeof kept.calls);
    kept.count = 0;
    kept.how = how;
    pthread_mutex_unlock(&kept.mu);
    atomic_store(&kept.opened, 0);
    atomic_store(&kept.closed, 0);
}

/* The first that is kept, which nobody ends meanwhile. */
static mesh_call *first_kept(void)
{
    mesh_call *call;

    WAIT_FOR(atomic_load(&kept.opened) > 0);
    pthread_mutex_lock(&kept.mu);
    call = kept.calls[0];
    pthread_mutex_unlock(&kept.mu);
    assert_non_null(call);
    return call;
}

static void serve(const testing__v1__testing__handlers *handlers, testing_style style)
{
    const mesh_interceptor keeper = {.name = "keeper", .on_open = on_open, .on_close = on_close};
    const mesh_server_options options = {
        .poller_count = 1, .worker_count = 4, .interceptors = &keeper, .interceptor_count = 1};

    keep(KEEPS);
    set_reason(MESH_UNAUTHENTICATED);
    testing_service_serve(&service,
                          handlers != NULL ? testing__v1__testing__api(handlers, &service)
                                           : testing_api(&service, style),
                          &options, NULL);
}

static int start(void **state)
{
    serve(NULL, testing_style_of(state));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    assert_int_equal(atomic_load(&kept.closed), atomic_load(&kept.opened));
    return 0;
}

/* --- streams ---------------------------------------------------------------------------------- */

static const mesh_call_options options = {.timeout_ms = 20000};

static mesh_stream *open_sum(void)
{
    mesh_stream *stream = NULL;

    assert_int_equal(testing__v1__testing__sum(service.channel, &stream, &options, NULL), MESH_OK);
    return stream;
}

static mesh_stream *open_double(void)
{
    mesh_stream *stream = NULL;

    assert_int_equal(testing__v1__testing__double(service.channel, &stream, &options, NULL),
                     MESH_OK);
    return stream;
}

static mesh_stream *open_count(int64_t value, int32_t padding)
{
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    mesh_stream *stream = NULL;

    request.value = value;
    request.padding = padding;
    assert_int_equal(
        testing__v1__testing__count(service.channel, &request, &stream, &options, NULL), MESH_OK);
    return stream;
}

static void send_number(mesh_stream *stream, int64_t value)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;

    number.value = value;
    (void)testing__v1__testing__double__send(stream, &number);
}

static void expect_reason(mesh_code code, const mesh_error *err)
{
    if (code != reason.code || strcmp(err->reason, reason.reason) != 0)
        fail_msg("%s %s: %s", mesh_code_name(code), err->reason, err->message);
    assert_string_equal(err->domain, "testing.v1");
    assert_string_equal(err->message, "not any more");
}

/* Of one whose client has to read before it is over. It must not have an end of its own. */
static void expect_cut_unread(mesh_stream *stream)
{
    mesh_error err;

    mesh_error_clear(&err);
    expect_reason(mesh_stream_finish(stream, &err), &err);
    testing_wait_for_active(&service, 0);
    assert_int_equal(closed_with(), reason.code);
}

static void expect_cut(mesh_stream *stream)
{
    testing_wait_for_active(&service, 0);
    expect_cut_unread(stream);
}

static void a_stream_of_requests_is_cut(void **state)
{
    mesh_stream *stream = open_sum();
    bool evented = testing_style_of(state) == TESTING_INLINE;

    send_number(stream, 1);
    if (evented)
        testing_wait(&service.opened);
    (void)first_kept();
    abort_all();
    expect_cut(stream);
    if (evented) {
        testing_wait(&service.closed);
        assert_int_equal(service.close_code, MESH_UNAUTHENTICATED);
    }
}

static void a_stream_of_answers_is_cut(void **state)
{
    const Testing__V1__Number *number;
    mesh_stream *stream = open_count(-1, 100);

    for (int i = 0; i < 100; i++)
        assert_int_equal(testing__v1__testing__count__next(stream, &number), MESH_OK);
    abort_all();
    expect_cut_unread(stream);
    if (testing_style_of(state) == TESTING_INLINE) {
        testing_wait(&service.closed);
        assert_int_equal(service.close_code, MESH_UNAUTHENTICATED);
    } else {
        testing_wait(&service.cancelled);
        assert_int_equal(service.close_code, MESH_CANCELLED); /* the call was, in its handler */
    }
}

static void a_stream_both_ways_is_cut(void **state)
{
    const Testing__V1__Number *number = NULL;
    mesh_stream *stream = open_double();

    (void)state;
    send_number(stream, 21);
    assert_int_equal(testing__v1__testing__double__next(stream, &number), MESH_OK);
    assert_int_equal(number->value, 42);
    abort_all();
    expect_cut(stream);
}

static bool is_core(void)
{
    const char *transport = getenv("MESH_SERVER");

    return transport != NULL && strcmp(transport, "core") == 0;
}

/* On the core the one write that is outstanding comes first. */
static void one_whose_client_does_not_read_is_cut(void **state)
{
    mesh_stream *stream = open_count(-1, 100000);

    (void)state;
    (void)first_kept();
    abort_all();
    if (!is_core())
        testing_wait_for_active(&service, 0);
    expect_cut_unread(stream);
}

static void other_streams_go_on(void **state)
{
    mesh_stream *stays = open_double();
    const Testing__V1__Number *number = NULL;
    mesh_stream *goes;

    (void)state;
    send_number(stays, 1);
    assert_int_equal(testing__v1__testing__double__next(stays, &number), MESH_OK);
    goes = open_double();
    WAIT_FOR(atomic_load(&kept.opened) == 2);
    abort_from(1);
    testing_wait_for_active(&service, 1);
    send_number(stays, 2);
    assert_int_equal(testing__v1__testing__double__next(stays, &number), MESH_OK);
    assert_int_equal(number->value, 4);
    assert_int_equal(closed_with(), MESH_UNAUTHENTICATED);
    assert_int_equal(mesh_stream_finish(stays, NULL), MESH_OK);
    assert_int_equal(mesh_stream_finish(goes, NULL), MESH_UNAUTHENTICATED);
}

/* --- handlers that are slow to notice --------------------------------------------------------- */

static sem_t begun, go_on;
static mesh_code after_it;

static mesh_code stubborn_sum(void *self, mesh_call *call, mesh_stream *stream,
                              Testing__V1__Number *response, mesh_error *err)
{
    const Testing__V1__Number *number;

    (void)self;
    sem_post(&begun);
    testing_wait(&go_on);
    assert_true(mesh_call_cancelled(call));
    (void)mesh_call_add_trailer(call, "x-late", "1", 1, NULL);
    after_it = testing__v1__testing__sum__receive(stream, &number, err);
    response->value = 7;
    return MESH_OK; /* as if it had not noticed */
}

static mesh_code stubborn_count(void *self, mesh_call *call,
                                const Testing__V1__CountRequest *request, mesh_stream *stream,
                                mesh_error *err)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;

    (void)self;
    (void)request;
    (void)err;
    sem_post(&begun);
    testing_wait(&go_on);
    assert_true(mesh_call_cancelled(call));
    after_it = testing__v1__testing__count__reply(stream, &number);
    return MESH_OK;
}

static const testing__v1__testing__handlers stubborn = {
    .sum = stubborn_sum,
    .count = stubborn_count,
};

static int start_stubborn(void **state)
{
    (void)state;
    sem_init(&begun, 0, 0);
    sem_init(&go_on, 0, 0);
    serve(&stubborn, TESTING_WORKER);
    return 0;
}

static int stop_stubborn(void **state)
{
    sem_destroy(&begun);
    sem_destroy(&go_on);
    return stop(state);
}

static void the_client_does_not_wait_for_the_handler(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        mesh_stream *stream = i == 0 ? open_sum() : open_count(1, 0);
        mesh_error err;

        mesh_error_clear(&err);
        if (i == 0)
            send_number(stream, 1); /* of which the handler learns no more */
        testing_wait(&begun);
        abort_all();
        expect_reason(mesh_stream_finish(stream, &err), &err);
        sem_post(&go_on);
        testing_wait_for_active(&service, 0);
        assert_int_equal(after_it, i == 0 ? MESH_UNAUTHENTICATED : MESH_CANCELLED);
        assert_int_equal(closed_with(), MESH_UNAUTHENTICATED);
    }
}

/* --- unary calls ------------------------------------------------------------------------------ */

static void ask(testing_asked *one, const Testing__V1__EchoRequest *request)
{
    memset(&one->err, 0, sizeof one->err);
    testing_ask(service.channel, request, &options, one);
}

static void a_handler_of_one_answer_is_told_and_its_answer_dropped(void **state)
{
    static testing_asked one;
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;

    (void)state;
    request.hang = true;
    ask(&one, &request);
    testing_wait(&service.hanging);
    abort_all();
    testing_wait(&service.cancelled);
    expect_reason(testing_answer_of(&one), &one.err);
}

static void calls_made_for_it_are_given_up(void **state)
{
    static testing_asked one;
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    uint8_t byte = 1;

    (void)state;
    request.forward = 1;
    request.data = (ProtobufCBinaryData){.len = 1, .data = &byte}; /* the one that it calls hangs */
    ask(&one, &request);
    testing_wait(&service.hanging);
    pthread_mutex_lock(&kept.mu);
    mesh_call_abort(kept.calls[0], reason.code, &reason);
    pthread_mutex_unlock(&kept.mu);
    testing_wait(&service.cancelled);
    expect_reason(testing_answer_of(&one), &one.err);
}

/* --- before there is a handler ---------------------------------------------------------------- */

static void call_each(void)
{
    for (size_t i = 0; i < TESTING_KINDS; i++) {
        mesh_error err;

        mesh_error_clear(&err);
        expect_reason(testing_kinds[i].call(&service, &err), &err);
    }
}

static void one_is_cut_as_it_comes(void **state)
{
    (void)state;
    for (size_t i = 0; i < TESTING_KINDS; i++) {
        mesh_error err;
        mesh_code code;

        testing_wait_for_active(&service, 0);
        keep(ABORTS);
        mesh_error_clear(&err);
        code = testing_kinds[i].call(&service, &err);
        /* an inline handler has answered before */
        if (code != testing_kinds[i].code || strstr(testing_kinds[i].name, "bidi") != NULL)
            expect_reason(code, &err);
    }
}

static void one_that_is_suspended_is_cut_before_it_is_resumed(void **state)
{
    (void)state;
    keep(ABORTS_SUSPENDED);
    call_each();
    assert_int_equal(mesh_server_active(service.server), TESTING_KINDS);
    pthread_mutex_lock(&kept.mu);
    for (size_t i = 0; i < TESTING_KINDS; i++)
        assert_non_null(kept.calls[i]);
    pthread_mutex_unlock(&kept.mu);
    for (size_t i = 0; i < TESTING_KINDS; i++)
        mesh_call_resume(kept.calls[i], i % 2 == 0 ? MESH_OK : MESH_PERMISSION_DENIED, NULL);
    testing_wait_for_active(&service, 0);
    assert_int_equal(closed_with(), MESH_UNAUTHENTICATED);
}

static void *abort_once(void *unused)
{
    abort_all();
    return unused;
}

/* Who resumes a call may do so in the same moment. */
static void it_may_be_resumed_meanwhile(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        static testing_asked one;
        Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
        pthread_t thread;
        mesh_call *call;

        keep(SUSPENDS);
        request.text = "hello";
        ask(&one, &request);
        call = first_kept();
        assert_int_equal(pthread_create(&thread, NULL, abort_once, NULL), 0);
        mesh_call_resume(call, MESH_OK, NULL);
        if (testing_answer_of(&one) != MESH_OK)
            expect_reason(one.code, &one.err);
        pthread_join(thread, NULL);
        testing_wait_for_active(&service, 0);
    }
}

/* Its one request is here, and its end is not. */
static void one_whose_client_has_not_ended_is_cut(void **state)
{
    static const uint8_t frame[] = {0, 0, 0, 0, 4, 0x0a, 2, 'h', 'i'};
    raw_client client;
    uint32_t stream;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    stream = raw_request(&client, "/testing.v1.Testing/Count", NULL, NULL, false);
    raw_data(&client, stream, frame, sizeof frame, false);
    (void)first_kept();
    abort_all();
    assert_true(raw_wait(&client, stream));
    testing_wait_for_active(&service, 0);
    assert_int_equal(closed_with(), MESH_UNAUTHENTICATED);
    raw_close(&client);
}

/* --- what has no effect ----------------------------------------------------------------------- */

static void the_first_of_several_counts(void **state)
{
    mesh_stream *stream = open_double();
    mesh_call *call = first_kept();

    (void)state;
    pthread_mutex_lock(&kept.mu);
    mesh_call_abort(call, reason.code, &reason);
    mesh_call_abort(call, MESH_INTERNAL, NULL);
    pthread_mutex_unlock(&kept.mu);
    expect_cut(stream);
}

static void a_code_alone_is_enough(void **state)
{
    mesh_stream *stream = open_double();
    mesh_call *call = first_kept();

    (void)state;
    pthread_mutex_lock(&kept.mu);
    mesh_call_abort(call, MESH_ABORTED, NULL);
    pthread_mutex_unlock(&kept.mu);
    testing_wait_for_active(&service, 0);
    assert_int_equal(mesh_stream_finish(stream, NULL), MESH_ABORTED);
}

static void without_memory_the_code_is_said(void **state)
{
    const Testing__V1__Number *number;
    mesh_stream *stream = open_double();
    mesh_error err;
    mesh_call *call = first_kept();

    (void)state;
    send_number(stream, 1);
    assert_int_equal(testing__v1__testing__double__next(stream, &number), MESH_OK);
    mesh_error_clear(&err);
    pthread_mutex_lock(&kept.mu);
    mesh_alloc_fail_at(1);
    mesh_call_abort(call, reason.code, &reason);
    assert_true(mesh_alloc_failed());
    mesh_alloc_fail_at(0);
    pthread_mutex_unlock(&kept.mu);
    testing_wait_for_active(&service, 0);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_UNAUTHENTICATED);
    assert_string_equal(err.reason, "");
}

/* --- all at once ------------------------------------------------------------------------------ */

static atomic_bool over;

static void *abort_always(void *unused)
{
    while (!atomic_load(&over)) {
        abort_all();
        sched_yield();
    }
    return unused;
}

static void is_one_of_its_ends(const testing_kind *kind, mesh_code code, const mesh_error *err)
{
    if (code != kind->code && code != MESH_UNAUTHENTICATED)
        fail_msg("%s: %s: %s", kind->name, mesh_code_name(code), err->message);
}

/* Streams that their clients give up, some sooner and some later after they began. */
static void *cancel_streams(void *seed)
{
    unsigned random = (unsigned)*(int *)seed;

    for (int i = 0; i < ROUNDS; i++) {
        mesh_stream *stream = open_count(-1, 1000);
        const Testing__V1__Number *number;

        (void)testing__v1__testing__count__next(stream, &number);
        for (int j = rand_r(&random) % 50; j > 0; j--)
            sched_yield();
        mesh_stream_cancel(stream);
        assert_int_not_equal(mesh_stream_finish(stream, NULL), MESH_OK);
    }
    return NULL;
}

static void *call_kinds(void *unused)
{
    testing_service own = service; /* with an arena of its own */

    own.arena = mesh_arena_create(4096, 64 << 20);
    for (int i = 0; i < ROUNDS; i++)
        for (size_t j = 0; j < TESTING_KINDS; j++) {
            mesh_error err;

            mesh_error_clear(&err);
            is_one_of_its_ends(&testing_kinds[j], testing_kinds[j].call(&own, &err), &err);
        }
    mesh_arena_destroy(own.arena);
    return unused;
}

static void it_meets_every_other_end(void **state)
{
    pthread_t aborting, calling, cancelling[THREADS];
    int seeds[THREADS];

    (void)state;
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&aborting, NULL, abort_always, NULL), 0);
    assert_int_equal(pthread_create(&calling, NULL, call_kinds, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = i;
        assert_int_equal(pthread_create(&cancelling[i], NULL, cancel_streams, &seeds[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(cancelling[i], NULL);
    pthread_join(calling, NULL);
    atomic_store(&over, true);
    pthread_join(aborting, NULL);
    testing_wait_for_active(&service, 0);
}

static void it_meets_a_drain(void **state)
{
    testing_style style = testing_style_of(state);

    for (int i = 0; i < 10; i++) {
        mesh_stream *streams[] = {open_sum(), open_double(), open_count(-1, 1000)};
        pthread_t aborting;

        WAIT_FOR(atomic_load(&kept.opened) == 3);
        atomic_store(&over, false);
        assert_int_equal(pthread_create(&aborting, NULL, abort_always, NULL), 0);
        (void)mesh_server_drain(service.server, 0);
        atomic_store(&over, true);
        pthread_join(aborting, NULL);
        for (size_t j = 0; j < 3; j++)
            assert_int_not_equal(mesh_stream_finish(streams[j], NULL), MESH_OK);
        (void)stop(state);
        serve(NULL, style);
    }
}

#define STUBBORN(test) cmocka_unit_test_setup_teardown(test, start_stubborn, stop_stubborn)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_stream_of_requests_is_cut),
        BOTH(a_stream_of_answers_is_cut),
        BOTH(a_stream_both_ways_is_cut),
        BOTH(one_whose_client_does_not_read_is_cut),
        BOTH(other_streams_go_on),
        STUBBORN(the_client_does_not_wait_for_the_handler),
        WORKER(a_handler_of_one_answer_is_told_and_its_answer_dropped),
        WORKER(calls_made_for_it_are_given_up),
        BOTH(one_is_cut_as_it_comes),
        BOTH(one_that_is_suspended_is_cut_before_it_is_resumed),
        BOTH(it_may_be_resumed_meanwhile),
        BOTH(one_whose_client_has_not_ended_is_cut),
        BOTH(the_first_of_several_counts),
        BOTH(a_code_alone_is_enough),
        BOTH(without_memory_the_code_is_said),
        BOTH(it_meets_every_other_end),
        BOTH(it_meets_a_drain),
    };

    return cmocka_run_group_tests_name("aborted calls", tests, NULL, NULL);
}
