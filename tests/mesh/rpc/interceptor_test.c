/* Interceptors of a server and of a channel: in order, for every kind of call, each closed once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mesh/rpc/kinds.h"

enum {
    WATCHERS = 3
};

/* What one interceptor of several does and has seen. */
typedef struct watcher {
    int number;
    _Atomic(mesh_code) refusal; /* MESH_OK: lets calls pass */
    int slot;
} watcher;

static watcher watchers[WATCHERS];
static testing_service service;
static mesh_call_options options;

/* "+0+1+2-2:OK-1:OK-0:OK": who was told, in order. */
static struct {
    pthread_mutex_t mu;
    char text[256];
} seen = {.mu = PTHREAD_MUTEX_INITIALIZER};
static sem_t all_closed; /* posted by the first watcher, which is closed last */

static void note(const char *format, ...)
{
    va_list args;
    size_t size;

    pthread_mutex_lock(&seen.mu);
    size = strlen(seen.text);
    va_start(args, format);
    vsnprintf(seen.text + size, sizeof seen.text - size, format, args);
    va_end(args);
    pthread_mutex_unlock(&seen.mu);
}

static mesh_code on_open(void *self, mesh_call *call, mesh_error *err)
{
    watcher *one = self;

    note("+%d", one->number);
    for (int i = 0; i < WATCHERS; i++) /* what those before left is there, what comes is not */
        assert_ptr_equal(mesh_call_slot_get(call, watchers[i].slot),
                         i < one->number ? &watchers[i] : NULL);
    mesh_call_slot_set(call, one->slot, one);
    assert_non_null(mesh_call_method(call));
    if (one->refusal == MESH_OK)
        return MESH_OK;
    return mesh_error_reason(err, one->refusal, "testing.v1", "NOT_YOU", "watcher %d says no",
                             one->number);
}

static void on_close(void *self, mesh_call *call, mesh_code code)
{
    watcher *one = self;

    assert_ptr_equal(mesh_call_slot_get(call, one->slot), one);
    note("-%d:%s", one->number, mesh_code_name(code));
    if (one->number == 0)
        sem_post(&all_closed);
}

static int start(void **state)
{
    mesh_interceptor chain[WATCHERS];
    static bool slots_made;

    for (int i = 0; i < WATCHERS; i++) {
        if (!slots_made)
            assert_int_equal(mesh_call_slot_create(&watchers[i].slot, NULL), MESH_OK);
        watchers[i].number = i;
        watchers[i].refusal = MESH_OK;
        chain[i] = (mesh_interceptor){
            .name = "watcher", .on_open = on_open, .on_close = on_close, .self = &watchers[i]};
    }
    slots_made = true;
    sem_init(&all_closed, 0, 0);
    seen.text[0] = '\0';
    testing_service_start(
        &service, testing_style_of(state),
        &(mesh_server_options){.interceptors = chain, .interceptor_count = WATCHERS}, NULL);
    options = (mesh_call_options){.arena = service.arena, .timeout_ms = 20000};
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    sem_destroy(&all_closed);
    return 0;
}

/* --- a server's ------------------------------------------------------------------------------ */

static void expect(const char *name, const char *wanted)
{
    testing_wait(&all_closed);
    pthread_mutex_lock(&seen.mu);
    if (strcmp(seen.text, wanted) != 0)
        fail_msg("%s: \"%s\" instead of \"%s\"", name, seen.text, wanted);
    seen.text[0] = '\0';
    pthread_mutex_unlock(&seen.mu);
}

static void each_call_passes_all_in_order_and_back(void **state)
{
    char wanted[256];

    (void)state;
    for (size_t i = 0; i < TESTING_KINDS; i++) {
        const char *code = mesh_code_name(testing_kinds[i].code);
        mesh_error err;

        assert_int_equal(testing_kinds[i].call(&service, &err), testing_kinds[i].code);
        snprintf(wanted, sizeof wanted, "+0+1+2-2:%s-1:%s-0:%s", code, code, code);
        expect(testing_kinds[i].name, wanted);
    }
}

static void a_refusal_ends_each_kind_of_call_there(void **state)
{
    (void)state;
    watchers[1].refusal = MESH_PERMISSION_DENIED;
    for (size_t i = 0; i < TESTING_KINDS; i++) {
        mesh_error err;

        assert_int_equal(testing_kinds[i].call(&service, &err), MESH_PERMISSION_DENIED);
        assert_string_equal(err.message, "watcher 1 says no");
        assert_string_equal(err.reason, "NOT_YOU");
        expect(testing_kinds[i].name, "+0+1-1:PERMISSION_DENIED-0:PERMISSION_DENIED");
    }
}

static void a_cancelled_call_is_closed_once(void **state)
{
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    const Testing__V1__Number *number;
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    request.value = -1;
    assert_int_equal(
        testing__v1__testing__count(service.channel, &request, &stream, &options, &err), MESH_OK);
    assert_int_equal(testing__v1__testing__count__next(stream, &number), MESH_OK);
    mesh_stream_cancel(stream);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_CANCELLED);
    expect("cancelled", "+0+1+2-2:CANCELLED-1:CANCELLED-0:CANCELLED");
}

static void a_cancelled_stream_of_requests_is_closed_as_cancelled(void **state)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    Testing__V1__Number *sum;
    mesh_stream *stream;

    (void)state;
    number.value = -1; /* the handler answers after the cancel */
    assert_int_equal(testing__v1__testing__sum(service.channel, &stream, &options, NULL), MESH_OK);
    assert_int_equal(testing__v1__testing__sum__send(stream, &number), MESH_OK);
    testing_wait(&service.hanging);
    mesh_stream_cancel(stream);
    assert_int_equal(testing__v1__testing__sum__finish(stream, &sum, NULL), MESH_CANCELLED);
    expect("cancelled", "+0+1+2-2:CANCELLED-1:CANCELLED-0:CANCELLED");
}

static void an_unknown_method_passes_nobody(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    (void)state;
    assert_int_equal(
        testing__v1__guarded__secret(service.channel, &request, &response, &options, NULL),
        MESH_UNIMPLEMENTED);
    assert_int_equal(testing_echo(&service, "known", NULL), MESH_OK);
    expect("known", "+0+1+2-2:OK-1:OK-0:OK");
}

/* --- a channel's ------------------------------------------------------------------------------ */

static mesh_code on_start(void *self, mesh_outgoing *outgoing, mesh_error *err)
{
    watcher *one = self;

    note("+%d", one->number);
    assert_non_null(mesh_outgoing_method(outgoing));
    assert_null(mesh_outgoing_parent(outgoing));
    assert_true(mesh_outgoing_started_ns(outgoing) > 0);
    if (one->refusal != MESH_OK)
        return mesh_error_set(err, one->refusal, "watcher %d stays at home", one->number);
    return mesh_outgoing_add(outgoing, "x-watcher", &one->number, 0, err);
}

static void on_end(void *self, const mesh_outgoing *outgoing, mesh_code code)
{
    watcher *one = self;

    (void)outgoing;
    note("-%d:%s", one->number, mesh_code_name(code));
    if (one->number == 0)
        sem_post(&all_closed);
}

static int start_client(void **state)
{
    mesh_client_interceptor chain[WATCHERS];

    (void)state;
    for (int i = 0; i < WATCHERS; i++) {
        watchers[i] = (watcher){.number = i};
        chain[i] = (mesh_client_interceptor){
            .name = "watcher", .on_start = on_start, .on_end = on_end, .self = &watchers[i]};
    }
    sem_init(&all_closed, 0, 0);
    seen.text[0] = '\0';
    testing_service_start(
        &service, TESTING_WORKER, NULL,
        &(mesh_channel_options){.interceptors = chain, .interceptor_count = WATCHERS});
    options = (mesh_call_options){.arena = service.arena, .timeout_ms = 20000};
    return 0;
}

static void a_channels_are_told_in_order_and_back(void **state)
{
    each_call_passes_all_in_order_and_back(state);
}

static void a_channels_refusal_keeps_the_call_at_home(void **state)
{
    (void)state;
    watchers[1].refusal = MESH_FAILED_PRECONDITION;
    for (size_t i = 0; i < TESTING_KINDS; i++) {
        mesh_error err;

        assert_int_equal(testing_kinds[i].call(&service, &err), MESH_FAILED_PRECONDITION);
        assert_string_equal(err.message, "watcher 1 stays at home");
        expect(testing_kinds[i].name, "+0+1-0:FAILED_PRECONDITION");
    }
    assert_int_equal(mesh_server_active(service.server), 0);
}

static void done(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                 const mesh_error *err)
{
    (void)code;
    (void)response;
    (void)err;
    sem_post(context);
}

static void an_asynchronous_call_is_ended_before_its_callback(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    static sem_t answered; /* sem_post may look at it after the wait */

    (void)state;
    sem_init(&answered, 0, 0);
    assert_int_equal(
        testing__v1__testing__echo__async(service.channel, &request, &options, done, &answered),
        MESH_OK);
    testing_wait(&answered);
    expect("asynchronous", "+0+1+2-2:OK-1:OK-0:OK");
    watchers[2].refusal = MESH_ABORTED;
    assert_int_equal(
        testing__v1__testing__echo__async(service.channel, &request, &options, done, &answered),
        MESH_ABORTED);
    expect("refused", "+0+1+2-1:ABORTED-0:ABORTED");
    assert_int_not_equal(sem_trywait(&answered), 0);
    sem_destroy(&answered);
}

/* The last test: nobody gets a slot after it. */
static void a_slot_too_many_is_an_error(void **state)
{
    mesh_error err = {0};
    int slot = -1;
    int left = MESH_CALL_SLOTS - WATCHERS;

    (void)state;
    while (left-- > 0)
        assert_int_equal(mesh_call_slot_create(&slot, &err), MESH_OK);
    assert_int_equal(slot, MESH_CALL_SLOTS - 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mesh_call_slot_create(&slot, &err), MESH_RESOURCE_EXHAUSTED);
        assert_int_equal(slot, MESH_CALL_SLOTS - 1);
        assert_non_null(strstr(err.message, "all 4 slots"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(each_call_passes_all_in_order_and_back),
        BOTH(a_refusal_ends_each_kind_of_call_there),
        BOTH(a_cancelled_call_is_closed_once),
        WORKER(a_cancelled_stream_of_requests_is_closed_as_cancelled),
        BOTH(an_unknown_method_passes_nobody),
        cmocka_unit_test_setup_teardown(a_channels_are_told_in_order_and_back, start_client, stop),
        cmocka_unit_test_setup_teardown(a_channels_refusal_keeps_the_call_at_home, start_client,
                                        stop),
        cmocka_unit_test_setup_teardown(an_asynchronous_call_is_ended_before_its_callback,
                                        start_client, stop),
        cmocka_unit_test(a_slot_too_many_is_an_error),
    };

    return cmocka_run_group_tests_name("interceptors", tests, NULL, NULL);
}
