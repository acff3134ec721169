#include "tests/mesh/rpc/service.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/rpc/handlers.h"

void testing_wait(sem_t *semaphore)
{
    struct timespec limit;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &limit), 0);
    limit.tv_sec += WAIT_LIMIT_S;
    while (sem_timedwait(semaphore, &limit) != 0)
        if (errno != EINTR)
            fail_msg("waited %d s in vain", WAIT_LIMIT_S);
}

static void on_answer(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                      const mesh_error *err)
{
    testing_asked *one = context;

    (void)response;
    one->code = code;
    if (err != NULL)
        one->err = *err;
    sem_post(&one->done);
}

void testing_ask(mesh_channel *channel, const Testing__V1__EchoRequest *request,
                 const mesh_call_options *options, testing_asked *one)
{
    sem_init(&one->done, 0, 0);
    assert_int_equal(testing__v1__testing__echo__async(channel, request, options, on_answer, one),
                     MESH_OK);
}

mesh_code testing_answer_of(testing_asked *one)
{
    testing_wait(&one->done);
    sem_destroy(&one->done);
    return one->code;
}

void testing_wait_for_active(const testing_service *service, size_t wanted)
{
    int64_t until_ns = mesh_clock_deadline_ns(WAIT_LIMIT_S * 1000);

    while (mesh_server_active(service->server) != wanted) {
        if (mesh_clock_monotonic_ns() > until_ns)
            fail_msg("%zu calls are active instead of %zu", mesh_server_active(service->server),
                     wanted);
        wait_a_moment();
    }
}

static void on_cancel(void *context)
{
    sem_post(context);
}

typedef struct late_answer {
    mesh_call *call;
    Testing__V1__EchoResponse *response;
} late_answer;

static void *answer_late(void *argument)
{
    late_answer *late = argument;

    late->response->text = mesh_arena_strdup(mesh_call_arena(late->call), "deferred");
    mesh_call_finish(late->call, MESH_OK, NULL);
    free(late);
    return NULL;
}

static mesh_code defer(mesh_call *call, Testing__V1__EchoResponse *response)
{
    late_answer *late = malloc(sizeof *late);
    pthread_t thread;

    assert_non_null(late);
    *late = (late_answer){.call = call, .response = response};
    mesh_call_defer(call);
    assert_int_equal(pthread_create(&thread, NULL, answer_late, late), 0);
    pthread_detach(thread);
    return MESH_OK;
}

static void hang_until_cancelled(testing_service *service, mesh_call *call)
{
    /* lives as long as the call, which does not end while on_cancel runs */
    sem_t *wake = mesh_arena_calloc(mesh_call_arena(call), 1, sizeof *wake);

    assert_non_null(wake);
    sem_init(wake, 0, 0);
    mesh_call_on_cancel(call, on_cancel, wake);
    sem_post(&service->hanging);
    testing_wait(wake);
    sem_post(&service->cancelled);
}

static mesh_code echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    testing_service *service = self;
    int64_t deadline = mesh_call_deadline_ns(call);
    mesh_code code;
    char trace_id[MESH_TRACE_ID_TEXT_BYTES];

    if (request->defer)
        return defer(call, response);
    if (request->hang)
        hang_until_cancelled(service, call);
    if (request->code == 0 && request->forward > 0) {
        Testing__V1__EchoRequest ask = *request;
        Testing__V1__EchoResponse *answer;

        assert_true(atomic_load(&service->complete));
        ask.forward--;
        ask.hang = ask.forward == 0 && request->data.len > 0;
        code = testing__v1__testing__echo(service->peer != NULL ? service->peer : service->channel,
                                          &ask, &answer, &(mesh_call_options){.parent = call}, err);
        if (code == MESH_OK)
            *response = *answer;
        return code;
    }
    code = testing_answer(call, request, response, err);
    if (code != MESH_OK)
        return code;
    if (deadline != MESH_NO_DEADLINE)
        response->left_ms = (deadline - mesh_clock_monotonic_ns()) / 1000000;
    mesh_trace_id_format(mesh_call_trace(call), trace_id);
    response->trace_id = mesh_arena_strdup(mesh_call_arena(call), trace_id);
    return MESH_OK;
}

/* --- blocking streams ------------------------------------------------------------------------- */

static mesh_code sum(void *self, mesh_call *call, mesh_stream *stream,
                     Testing__V1__Number *response, mesh_error *err)
{
    const Testing__V1__Number *number;
    mesh_code code;

    while ((code = testing__v1__testing__sum__receive(stream, &number, err)) == MESH_OK) {
        if (number->value < 0) {
            hang_until_cancelled(self, call);
            return MESH_OK; /* as if it had not noticed */
        }
        response->value += number->value;
    }
    return code == MESH_EOF ? MESH_OK : code;
}

static mesh_code count(void *self, mesh_call *call, const Testing__V1__CountRequest *request,
                       mesh_stream *stream, mesh_error *err)
{
    testing_service *service = self;
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;

    number.padding.len = (size_t)request->padding;
    number.padding.data = mesh_arena_calloc(mesh_call_arena(call), 1, number.padding.len + 1);
    if (number.padding.data == NULL)
        return MESH_RESOURCE_EXHAUSTED;
    for (int64_t i = 1; request->value < 0 || i <= request->value; i++) {
        mesh_code code;

        number.value = i;
        code = testing__v1__testing__count__reply(stream, &number);
        if (code == MESH_RESOURCE_EXHAUSTED)
            return code;
        if (code != MESH_OK) {
            service->close_code = mesh_call_cancelled(call) ? MESH_CANCELLED : MESH_UNKNOWN;
            sem_post(&service->cancelled);
            return mesh_error_set(err, MESH_CANCELLED, "nobody listens");
        }
    }
    return MESH_OK;
}

static mesh_code twice(void *self, mesh_call *call, mesh_stream *stream, mesh_error *err)
{
    const Testing__V1__Number *number;
    Testing__V1__Number doubled = TESTING__V1__NUMBER__INIT;
    mesh_code code;

    (void)self;
    (void)call;
    while ((code = testing__v1__testing__double__receive(stream, &number, err)) == MESH_OK) {
        if (number->value < 0)
            return mesh_error_field(err, "value", "must not be negative");
        doubled.value = number->value * 2;
        code = testing__v1__testing__double__reply(stream, &doubled);
        if (code != MESH_OK)
            return code;
    }
    return code == MESH_EOF ? MESH_OK : code;
}

static const testing__v1__testing__handlers blocking = {
    .echo = echo,
    .impatient = echo,
    .sum = sum,
    .count = count,
    .double_ = twice,
};

/* --- evented streams -------------------------------------------------------------------------- */

typedef struct state {
    int64_t value;
    int64_t until;
    Testing__V1__Number number;
} state;

static state *make_state(mesh_stream *stream)
{
    state *made = mesh_arena_calloc(mesh_call_arena(mesh_stream_call(stream)), 1, sizeof *made);

    if (made == NULL)
        return NULL;
    testing__v1__number__init(&made->number);
    mesh_stream_set_data(stream, made);
    return made;
}

static void on_close(void *self, mesh_stream *stream, mesh_code code)
{
    testing_service *service = self;

    (void)stream;
    service->close_code = code;
    sem_post(&service->closed);
}

static mesh_code sum_open(void *self, mesh_stream *stream, mesh_error *err)
{
    testing_service *service = self;

    if (make_state(stream) == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory");
    sem_post(&service->opened);
    return MESH_OK;
}

static mesh_code sum_message(void *self, mesh_stream *stream, const Testing__V1__Number *number,
                             mesh_error *err)
{
    state *sums = mesh_stream_data(stream);

    (void)self;
    (void)err;
    sums->number.value += number->value;
    return MESH_OK;
}

static void sum_end(void *self, mesh_stream *stream)
{
    state *sums = mesh_stream_data(stream);

    (void)self;
    (void)testing__v1__testing__sum__reply(stream, &sums->number);
    mesh_stream_end(stream, MESH_OK, NULL);
}

static const testing__v1__testing__sum__events sum_events = {
    .on_open = sum_open,
    .on_message = sum_message,
    .on_end = sum_end,
    .on_close = on_close,
};

static void count_on(void *self, mesh_stream *stream)
{
    state *counter = mesh_stream_data(stream);

    (void)self;
    while (counter->until < 0 || counter->value < counter->until) {
        counter->number.value = counter->value + 1;
        if (testing__v1__testing__count__try_reply(stream, &counter->number) != MESH_OK)
            return;
        counter->value++;
    }
    mesh_stream_end(stream, MESH_OK, NULL);
}

static mesh_code count_open(void *self, mesh_stream *stream,
                            const Testing__V1__CountRequest *request, mesh_error *err)
{
    testing_service *service = self;
    state *counter = make_state(stream);

    if (counter == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory");
    counter->until = request->value;
    counter->number.padding.data = mesh_arena_calloc(mesh_call_arena(mesh_stream_call(stream)), 1,
                                                     (size_t)request->padding + 1);
    if (counter->number.padding.data == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory");
    counter->number.padding.len = (size_t)request->padding;
    sem_post(&service->opened);
    count_on(self, stream);
    return MESH_OK;
}

static const testing__v1__testing__count__events count_events = {
    .on_open = count_open,
    .on_writable = count_on,
    .on_close = on_close,
};

static const testing__v1__testing__double__events double_events = {
    .on_message = testing_double_message,
    .on_end = testing_double_end,
    .on_close = on_close,
};

static const testing__v1__testing__handlers evented = {
    .echo__inline = echo,
    .impatient__inline = echo,
    .sum__events = &sum_events,
    .count__events = &count_events,
    .double__events = &double_events,
};

/* --- the service ------------------------------------------------------------------------------ */

void testing_service_serve(testing_service *service, mesh_api api,
                           const mesh_server_options *options,
                           const mesh_channel_options *channel_options)
{
    mesh_server_options own = options != NULL ? *options : (mesh_server_options){.listen = NULL};
    mesh_error err;

    mesh_error_clear(&err);
    *service = (testing_service){.server = NULL};
    if (own.listen == NULL)
        own.listen = "127.0.0.1:0";
    sem_init(&service->hanging, 0, 0);
    sem_init(&service->cancelled, 0, 0);
    sem_init(&service->opened, 0, 0);
    sem_init(&service->closed, 0, 0);
    service->arena = mesh_arena_create(4096, 64 << 20);
    assert_non_null(service->arena);
    if (mesh_server_create(&own, &service->server, &err) != MESH_OK ||
        mesh_server_add(service->server, api, &err) != MESH_OK ||
        mesh_server_start(service->server, &err) != MESH_OK)
        fail_msg("cannot start the service: %s", err.message);
    if (mesh_server_port(service->server) != 0)
        snprintf(service->address, sizeof service->address, "127.0.0.1:%d",
                 mesh_server_port(service->server));
    else
        snprintf(service->address, sizeof service->address, "%s", own.listen);
    if (mesh_channel_create(service->address, channel_options, &service->channel, &err) != MESH_OK)
        fail_msg("cannot create a channel: %s", err.message);
    atomic_store(&service->complete, true);
}

mesh_api testing_api(testing_service *service, testing_style style)
{
    return testing__v1__testing__api(style == TESTING_WORKER ? &blocking : &evented, service);
}

void testing_service_start(testing_service *service, testing_style style,
                           const mesh_server_options *options,
                           const mesh_channel_options *channel_options)
{
    testing_service_serve(service, testing_api(service, style), options, channel_options);
}

mesh_code testing_echo(testing_service *service, const char *text, mesh_error *err)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_arena *arena = mesh_arena_create(4096, 0);
    mesh_code code;

    assert_non_null(arena);
    request.text = (char *)(uintptr_t)text;
    code = testing__v1__testing__echo(service->channel, &request, &response,
                                      &(mesh_call_options){.arena = arena}, err);
    if (code == MESH_OK)
        assert_string_equal(response->text, text);
    mesh_arena_destroy(arena);
    return code;
}

void testing_service_stop(testing_service *service)
{
    mesh_channel_destroy(service->channel);
    mesh_server_destroy(service->server);
    mesh_arena_destroy(service->arena);
    sem_destroy(&service->hanging);
    sem_destroy(&service->cancelled);
    sem_destroy(&service->opened);
    sem_destroy(&service->closed);
}
