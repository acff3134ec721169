/* The health service over real calls: a server on a free port and the generated client. */
#include "mesh/health/health.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "grpc/health/v1/health.mesh.h"
#include "mesh/rpc/channel.h"
#include "mesh/rpc/server.h"
#include "tests/fixtures/memory.h"

#define NAME "order.v1.OrderService"

enum {
    UNKNOWN = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__UNKNOWN,
    SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
    NOT_SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,
    SERVICE_UNKNOWN = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN,

    CALL_LIMIT_MS = 30000,
};

typedef struct fixture {
    mesh_health *health;
    mesh_server *server;
    mesh_channel *channel;
    mesh_arena *arena;
} fixture;

static int set_up(void **state)
{
    static fixture made;
    mesh_error err = {0};
    char target[64];
    assert_int_equal(mesh_health_create(&made.health, &err), MESH_OK);
    assert_int_equal(
        mesh_server_create(&(mesh_server_options){.listen = "127.0.0.1:0"}, &made.server, &err),
        MESH_OK);
    assert_int_equal(mesh_server_add(made.server, mesh_health_api(made.health), &err), MESH_OK);
    assert_int_equal(mesh_server_start(made.server, &err), MESH_OK);
    snprintf(target, sizeof target, "127.0.0.1:%d", mesh_server_port(made.server));
    assert_int_equal(mesh_channel_create(target, NULL, &made.channel, &err), MESH_OK);
    made.arena = mesh_arena_create(4096, 0);
    assert_non_null(made.arena);
    *state = &made;
    return 0;
}

static int tear_down(void **state)
{
    fixture *made = *state;
    mesh_health_end(made->health);
    mesh_channel_destroy(made->channel);
    mesh_server_destroy(made->server);
    mesh_health_destroy(made->health);
    mesh_arena_destroy(made->arena);
    return 0;
}

static void set(fixture *f, const char *name, mesh_health_status status)
{
    mesh_error err = {0};
    assert_int_equal(mesh_health_set(f->health, name, status, &err), MESH_OK);
}

/* The status that Check answers, or minus the code. */
static int check(fixture *f, const char *name)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    Grpc__Health__V1__HealthCheckResponse *response;
    request.service = (char *)name;
    mesh_error err = {0};
    mesh_code code = grpc__health__v1__health__check(
        f->channel, &request, &response,
        &(mesh_call_options){.arena = f->arena, .timeout_ms = CALL_LIMIT_MS}, &err);
    return code == MESH_OK ? (int)response->status : -(int)code;
}

static mesh_stream *watch(fixture *f, const char *name)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    mesh_stream *stream = NULL;
    mesh_error err = {0};
    request.service = (char *)name;
    assert_int_equal(
        grpc__health__v1__health__watch(f->channel, &request, &stream,
                                        &(mesh_call_options){.timeout_ms = CALL_LIMIT_MS}, &err),
        MESH_OK);
    return stream;
}

/* The next status of a watch, or -1 at its end. */
static int next(mesh_stream *stream)
{
    const Grpc__Health__V1__HealthCheckResponse *message = NULL;
    mesh_code code = grpc__health__v1__health__watch__next(stream, &message);
    return code == MESH_OK ? (int)message->status : -1;
}

static mesh_code give_up(mesh_stream *stream)
{
    mesh_error err = {0};
    mesh_stream_cancel(stream);
    return mesh_stream_finish(stream, &err);
}

static void check_answers_what_was_set(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *set_name;
        mesh_health_status status;
        const char *asked;
        int expected;
    } cases[] = {
        {"", MESH_HEALTH_NOT_SERVING, "", NOT_SERVING},
        {"", MESH_HEALTH_SERVING, "", SERVING},
        {NAME, MESH_HEALTH_NOT_SERVING, NAME, NOT_SERVING},
        {NAME, MESH_HEALTH_SERVING, NAME, SERVING},
        {NAME, MESH_HEALTH_UNKNOWN, NAME, UNKNOWN},
        {NAME, MESH_HEALTH_SERVING, "order.v1.Orderservice", -MESH_NOT_FOUND},
        {NAME, MESH_HEALTH_NOT_SERVING, "", SERVING},
    };
    assert_int_equal(check(f, ""), NOT_SERVING); /* at first */
    assert_int_equal(check(f, NAME), -MESH_NOT_FOUND);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        set(f, cases[i].set_name, cases[i].status);
        assert_int_equal(check(f, cases[i].asked), cases[i].expected);
    }
    mesh_health_set_all(f->health, MESH_HEALTH_SERVING);
    assert_int_equal(check(f, ""), SERVING);
    assert_int_equal(check(f, NAME), SERVING);
}

static void list_answers_every_name(void **state)
{
    fixture *f = *state;
    Grpc__Health__V1__HealthListRequest request = GRPC__HEALTH__V1__HEALTH_LIST_REQUEST__INIT;
    Grpc__Health__V1__HealthListResponse *response;
    const mesh_call_options options = {.arena = f->arena, .timeout_ms = CALL_LIMIT_MS};
    mesh_error err = {0};
    set(f, NAME, MESH_HEALTH_SERVING);
    assert_int_equal(
        grpc__health__v1__health__list(f->channel, &request, &response, &options, &err), MESH_OK);
    assert_int_equal(response->n_statuses, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(response->statuses[i]->value->status,
                         response->statuses[i]->key[0] == '\0' ? NOT_SERVING : SERVING);
    assert_string_not_equal(response->statuses[0]->key, response->statuses[1]->key);

    for (int i = 0; i < MESH_HEALTH_LIST_MAX; i++) {
        char name[32];
        snprintf(name, sizeof name, "service.%d", i);
        set(f, name, MESH_HEALTH_SERVING);
    }
    assert_int_equal(
        grpc__health__v1__health__list(f->channel, &request, &response, &options, &err),
        MESH_RESOURCE_EXHAUSTED);
}

static void watch_gets_the_state_at_once_and_every_change(void **state)
{
    fixture *f = *state;
    set(f, NAME, MESH_HEALTH_NOT_SERVING);
    mesh_stream *one = watch(f, NAME);
    mesh_stream *all = watch(f, "");
    assert_int_equal(next(one), NOT_SERVING);
    assert_int_equal(next(all), NOT_SERVING);
    set(f, NAME, MESH_HEALTH_SERVING);
    assert_int_equal(next(one), SERVING);
    set(f, NAME, MESH_HEALTH_SERVING); /* no change: not sent again */
    set(f, NAME, MESH_HEALTH_NOT_SERVING);
    assert_int_equal(next(one), NOT_SERVING);
    mesh_health_set_all(f->health, MESH_HEALTH_SERVING);
    assert_int_equal(next(one), SERVING);
    assert_int_equal(next(all), SERVING);
    assert_int_equal(give_up(one), MESH_CANCELLED);
    set(f, NAME, MESH_HEALTH_UNKNOWN); /* nobody listens: no harm */
    assert_int_equal(give_up(all), MESH_CANCELLED);
}

static void watch_of_an_unknown_name_follows_once_it_is_set(void **state)
{
    fixture *f = *state;
    mesh_stream *stream = watch(f, NAME);
    assert_int_equal(next(stream), SERVICE_UNKNOWN);
    set(f, "another.v1.Service", MESH_HEALTH_SERVING);
    set(f, NAME, MESH_HEALTH_SERVING);
    assert_int_equal(next(stream), SERVING);
    assert_int_equal(give_up(stream), MESH_CANCELLED);
}

static void slow_watcher_gets_the_last_change_whatever_it_misses(void **state)
{
    enum {
        CHANGES = 100000
    };
    fixture *f = *state;
    set(f, NAME, MESH_HEALTH_NOT_SERVING);
    mesh_stream *stream = watch(f, NAME);
    assert_int_equal(next(stream), NOT_SERVING);
    for (int i = 0; i < CHANGES; i++)
        set(f, NAME, i % 2 == 0 ? MESH_HEALTH_SERVING : MESH_HEALTH_NOT_SERVING);
    set(f, NAME, MESH_HEALTH_UNKNOWN);

    /* How many it misses depends on how much the connection holds; what it gets is always news. */
    int before = NOT_SERVING, status;
    while ((status = next(stream)) != UNKNOWN) {
        assert_int_not_equal(status, -1);
        assert_int_not_equal(status, before);
        before = status;
    }
    assert_int_equal(give_up(stream), MESH_CANCELLED);
}

static void too_long_name_is_refused(void **state)
{
    fixture *f = *state;
    char name[MESH_HEALTH_NAME_BYTES + 1];
    mesh_error err = {0};
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(mesh_health_set(f->health, name, MESH_HEALTH_SERVING, &err),
                     MESH_INVALID_ARGUMENT);
    assert_int_equal(check(f, name), -MESH_NOT_FOUND);
    mesh_stream *stream = watch(f, name);
    assert_int_equal(next(stream), -1);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_INVALID_ARGUMENT);

    name[sizeof name - 2] = '\0'; /* the longest */
    set(f, name, MESH_HEALTH_SERVING);
    assert_int_equal(check(f, name), SERVING);
}

static void shutdown_is_for_good(void **state)
{
    fixture *f = *state;
    set(f, "", MESH_HEALTH_SERVING);
    set(f, NAME, MESH_HEALTH_SERVING);
    mesh_stream *stream = watch(f, NAME);
    assert_int_equal(next(stream), SERVING);
    mesh_health_shutdown(f->health);
    assert_int_equal(next(stream), NOT_SERVING);
    set(f, NAME, MESH_HEALTH_SERVING);
    mesh_health_set_all(f->health, MESH_HEALTH_SERVING);
    assert_int_equal(check(f, NAME), NOT_SERVING);
    assert_int_equal(check(f, ""), NOT_SERVING);
    assert_int_equal(give_up(stream), MESH_CANCELLED);
}

static void open_watch_does_not_hold_up_a_drain(void **state)
{
    fixture *f = *state;
    mesh_error err = {0};
    set(f, NAME, MESH_HEALTH_SERVING);
    mesh_stream *stream = watch(f, NAME);
    assert_int_equal(next(stream), SERVING);
    mesh_health_end(f->health);
    assert_int_equal(next(stream), NOT_SERVING);
    assert_int_equal(next(stream), -1);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_UNAVAILABLE);

    stream = watch(f, NAME); /* too late */
    assert_int_equal(next(stream), -1);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_UNAVAILABLE);
    assert_true(mesh_server_drain(f->server, CALL_LIMIT_MS));
}

static void *flap(void *context)
{
    fixture *f = context;
    for (int i = 0; i < 2000; i++) {
        mesh_health_set_all(f->health, i % 2 == 0 ? MESH_HEALTH_SERVING : MESH_HEALTH_NOT_SERVING);
        set(f, NAME, MESH_HEALTH_UNKNOWN);
    }
    return NULL;
}

static void changes_and_watchers_may_meet_in_any_order(void **state)
{
    fixture *f = *state;
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, flap, f), 0);
    for (int i = 0; i < 50; i++) {
        mesh_stream *stream = watch(f, i % 2 == 0 ? NAME : "");
        assert_int_not_equal(next(stream), -1);
        assert_int_equal(give_up(stream), MESH_CANCELLED);
    }
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(check(f, NAME), UNKNOWN);
}

static mesh_code make_and_set(void *context)
{
    mesh_health *health = NULL;
    mesh_error err = {0};
    (void)context;
    mesh_code code = mesh_health_create(&health, &err);
    if (code == MESH_OK)
        code = mesh_health_set(health, NAME, MESH_HEALTH_SERVING, &err);
    mesh_health_destroy(health);
    return code;
}

static void out_of_memory_is_an_error(void **state)
{
    (void)state;
    assert_true(memory_fail_in_turn(make_and_set, NULL) > 0);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(check_answers_what_was_set),
        SERVED(list_answers_every_name),
        SERVED(watch_gets_the_state_at_once_and_every_change),
        SERVED(watch_of_an_unknown_name_follows_once_it_is_set),
        SERVED(slow_watcher_gets_the_last_change_whatever_it_misses),
        SERVED(too_long_name_is_refused),
        SERVED(shutdown_is_for_good),
        SERVED(open_watch_does_not_hold_up_a_drain),
        SERVED(changes_and_watchers_may_meet_in_any_order),
        cmocka_unit_test(out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
