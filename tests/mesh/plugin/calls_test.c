/* Calls of every kind through what the plugin generates: client functions, handlers, events. */
#include "tests/mesh/base/test.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "echo/v1/echo.mesh.h"
#include "mesh/rpc/server.h"

typedef Echo__V1__Number number;

enum {
    WAIT_S = 30 /* for what should happen at once */
};

static const number init = ECHO__V1__NUMBER__INIT;

static number number_of(int32_t value)
{
    number n = init;
    echo__v1__number__set_value(&n, value);
    return n;
}

/* `self` of every handler: its calls, on whatever thread they run. */
static void count_call(void *self)
{
    atomic_fetch_add((atomic_int *)self, 1);
}

/* Handlers that may block, on the worker pool. */
static mesh_code double_(void *self, mesh_call *call, const number *request, number *response,
                         mesh_error *err)
{
    (void)call;
    count_call(self);
    if (!echo__v1__number__has_value(request))
        return mesh_error_field(err, "value", "must be given");
    echo__v1__number__set_value(response, 2 * request->value);
    return MESH_OK;
}

static mesh_code count(void *self, mesh_call *call, const number *request, mesh_stream *stream,
                       mesh_error *err)
{
    mesh_code code = MESH_OK;
    (void)call;
    (void)err;
    count_call(self);
    for (int32_t i = 1; i <= request->value && code == MESH_OK; i++) {
        number next = number_of(i);
        code = echo__v1__echo__count__reply(stream, &next);
    }
    return code;
}

static mesh_code sum(void *self, mesh_call *call, mesh_stream *stream, number *response,
                     mesh_error *err)
{
    const number *next;
    mesh_code code;
    int32_t total = 0;
    (void)call;
    count_call(self);
    while ((code = echo__v1__echo__sum__receive(stream, &next, err)) == MESH_OK)
        total += next->value;
    echo__v1__number__set_value(response, total);
    return code == MESH_EOF ? MESH_OK : code;
}

static mesh_code talk(void *self, mesh_call *call, mesh_stream *stream, mesh_error *err)
{
    const number *next;
    mesh_code code;
    (void)call;
    count_call(self);
    while ((code = echo__v1__echo__talk__receive(stream, &next, err)) == MESH_OK) {
        number twice = number_of(2 * next->value);
        if (echo__v1__echo__talk__reply(stream, &twice) != MESH_OK)
            return MESH_CANCELLED;
    }
    return code == MESH_EOF ? MESH_OK : code;
}

static const echo__v1__echo__handlers workers = {
    .double_ = double_, .count = count, .sum = sum, .talk = talk};

/* The same on the transport's thread, with events. */
static mesh_code count_open(void *self, mesh_stream *stream, const number *request, mesh_error *err)
{
    mesh_code code = MESH_OK;
    (void)err;
    count_call(self);
    for (int32_t i = 1; i <= request->value && code == MESH_OK; i++) {
        number next = number_of(i);
        code = echo__v1__echo__count__try_reply(stream, &next);
    }
    mesh_stream_end(stream, code, NULL);
    return MESH_OK;
}

static mesh_code sum_open(void *self, mesh_stream *stream, mesh_error *err)
{
    (void)err;
    count_call(self);
    mesh_stream_set_data(stream, calloc(1, sizeof(int32_t)));
    return mesh_stream_data(stream) != NULL ? MESH_OK : MESH_RESOURCE_EXHAUSTED;
}

static mesh_code sum_message(void *self, mesh_stream *stream, const number *message,
                             mesh_error *err)
{
    (void)self;
    (void)err;
    *(int32_t *)mesh_stream_data(stream) += message->value;
    return MESH_OK;
}

static void sum_end(void *self, mesh_stream *stream)
{
    number total = number_of(*(int32_t *)mesh_stream_data(stream));
    (void)self;
    mesh_stream_end(stream, echo__v1__echo__sum__reply(stream, &total), NULL);
}

static void sum_close(void *self, mesh_stream *stream, mesh_code code)
{
    (void)self;
    (void)code;
    free(mesh_stream_data(stream));
}

static mesh_code talk_message(void *self, mesh_stream *stream, const number *message,
                              mesh_error *err)
{
    number twice = number_of(2 * message->value);
    (void)self;
    (void)err;
    return echo__v1__echo__talk__try_reply(stream, &twice);
}

static void talk_end(void *self, mesh_stream *stream)
{
    count_call(self);
    mesh_stream_end(stream, MESH_OK, NULL);
}

static const echo__v1__echo__count__events count_events = {.on_open = count_open};
static const echo__v1__echo__sum__events sum_events = {
    .on_open = sum_open, .on_message = sum_message, .on_end = sum_end, .on_close = sum_close};
static const echo__v1__echo__talk__events talk_events = {.on_message = talk_message,
                                                         .on_end = talk_end};

static const echo__v1__echo__handlers evented = {.double__inline = double_,
                                                 .count__events = &count_events,
                                                 .sum__events = &sum_events,
                                                 .talk__events = &talk_events};

/* A server, a channel to it, and an arena for answers. */
typedef struct world {
    mesh_server *server;
    mesh_channel *channel;
    mesh_arena *arena;
    mesh_call_options options;
    atomic_int calls;
    mesh_error err;
} world;

static world *world_create(const echo__v1__echo__handlers *handlers)
{
    world *w = calloc(1, sizeof *w);
    char target[64];
    assert_non_null(w);
    w->arena = mesh_arena_create(4096, 0);
    assert_non_null(w->arena);
    w->options = (mesh_call_options){.arena = w->arena, .timeout_ms = WAIT_S * 1000};
    assert_int_equal(
        mesh_server_create(&(mesh_server_options){.listen = "127.0.0.1:0"}, &w->server, &w->err),
        MESH_OK);
    assert_int_equal(mesh_server_add(w->server, echo__v1__echo__api(handlers, &w->calls), &w->err),
                     MESH_OK);
    assert_int_equal(mesh_server_start(w->server, &w->err), MESH_OK);
    snprintf(target, sizeof target, "127.0.0.1:%d", mesh_server_port(w->server));
    assert_int_equal(mesh_channel_create(target, NULL, &w->channel, &w->err), MESH_OK);
    return w;
}

static void world_destroy(world *w)
{
    mesh_channel_destroy(w->channel);
    mesh_server_destroy(w->server);
    mesh_arena_destroy(w->arena);
    free(w);
}

static void call_double(world *w)
{
    number request = number_of(21), *response;
    assert_int_equal(echo__v1__echo__double(w->channel, &request, &response, &w->options, &w->err),
                     MESH_OK);
    assert_true(echo__v1__number__has_value(response));
    assert_int_equal(response->value, 42);
    assert_int_equal(echo__v1__echo__double(w->channel, &request, NULL, &w->options, &w->err),
                     MESH_OK);
    assert_int_equal(echo__v1__echo__double(w->channel, &init, &response, &w->options, &w->err),
                     MESH_INVALID_ARGUMENT);
    mesh_error_violation violation;
    assert_true(mesh_error_violation_at(&w->err, 0, &violation));
    assert_int_equal(violation.field_size, 5);
}

static void call_count(world *w)
{
    number request = number_of(5);
    const number *next;
    mesh_stream *stream;
    mesh_code code;
    int32_t seen = 0;
    assert_int_equal(echo__v1__echo__count(w->channel, &request, &stream, &w->options, &w->err),
                     MESH_OK);
    while ((code = echo__v1__echo__count__next(stream, &next)) == MESH_OK)
        assert_int_equal(next->value, ++seen);
    assert_int_equal(code, MESH_EOF);
    assert_int_equal(mesh_stream_finish(stream, &w->err), MESH_OK);
    assert_int_equal(seen, 5);
}

static void call_sum(world *w)
{
    mesh_stream *stream;
    number *total = NULL;
    assert_int_equal(echo__v1__echo__sum(w->channel, &stream, &w->options, &w->err), MESH_OK);
    for (int32_t i = 1; i <= 4; i++) {
        number next = number_of(i);
        assert_int_equal(echo__v1__echo__sum__send(stream, &next), MESH_OK);
    }
    assert_int_equal(echo__v1__echo__sum__finish(stream, &total, &w->err), MESH_OK);
    assert_int_equal(total->value, 10);
}

static void call_talk(world *w)
{
    mesh_stream *stream;
    const number *answer = NULL;
    assert_int_equal(echo__v1__echo__talk(w->channel, &stream, &w->options, &w->err), MESH_OK);
    for (int32_t i = 1; i <= 4; i++) {
        number next = number_of(i);
        assert_int_equal(echo__v1__echo__talk__send(stream, &next), MESH_OK);
        assert_int_equal(echo__v1__echo__talk__next(stream, &answer), MESH_OK);
        assert_int_equal(answer->value, 2 * i);
    }
    assert_int_equal(mesh_stream_close_send(stream), MESH_OK);
    assert_int_equal(echo__v1__echo__talk__next(stream, &answer), MESH_EOF);
    assert_int_equal(mesh_stream_finish(stream, &w->err), MESH_OK);
}

static void every_kind_works(const echo__v1__echo__handlers *handlers)
{
    world *w = world_create(handlers);
    call_double(w);
    call_count(w);
    call_sum(w);
    call_talk(w);
    assert_int_equal(atomic_load(&w->calls), 6);
    world_destroy(w);
}

static void every_kind_works_with_workers(void **state)
{
    (void)state;
    every_kind_works(&workers);
}

static void every_kind_works_inline_and_with_events(void **state)
{
    (void)state;
    every_kind_works(&evented);
}

static void an_empty_slot_answers_unimplemented(void **state)
{
    static const echo__v1__echo__handlers none = {.double_ = NULL};
    (void)state;
    world *w = world_create(&none);
    number request = number_of(1), *response;
    assert_int_equal(echo__v1__echo__double(w->channel, &request, &response, &w->options, &w->err),
                     MESH_UNIMPLEMENTED);
    world_destroy(w);
}

typedef struct waiter {
    sem_t done;
    mesh_code code;
    int32_t value;
    bool has_error;
} waiter;

static void on_double(void *context, mesh_code code, const number *response, const mesh_error *err)
{
    waiter *wait = context;
    wait->code = code;
    wait->value = response != NULL ? response->value : -1;
    wait->has_error = err != NULL;
    sem_post(&wait->done);
}

static void wait_for(waiter *wait)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    assert_int_equal(sem_timedwait(&wait->done, &until), 0);
}

static void asynchronous_answers_arrive_typed(void **state)
{
    const mesh_call_options options = {.timeout_ms = WAIT_S * 1000};
    waiter wait = {.value = 0};
    number request = number_of(4);
    (void)state;
    world *w = world_create(&workers);
    assert_int_equal(sem_init(&wait.done, 0, 0), 0);
    assert_int_equal(
        echo__v1__echo__double__async(w->channel, &request, &options, on_double, &wait), MESH_OK);
    wait_for(&wait);
    assert_int_equal(wait.code, MESH_OK);
    assert_int_equal(wait.value, 8);
    assert_false(wait.has_error);

    assert_int_equal(echo__v1__echo__double__async(w->channel, &init, &options, on_double, &wait),
                     MESH_OK);
    wait_for(&wait);
    assert_int_equal(wait.code, MESH_INVALID_ARGUMENT);
    assert_int_equal(wait.value, -1);
    assert_true(wait.has_error);
    world_destroy(w);
    sem_destroy(&wait.done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_works_with_workers),
        cmocka_unit_test(every_kind_works_inline_and_with_events),
        cmocka_unit_test(an_empty_slot_answers_unimplemented),
        cmocka_unit_test(asynchronous_answers_arrive_typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
