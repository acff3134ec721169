#include "mesh/obs/rpc.h"

#include <pthread.h>
#include <time.h>

#include "mesh/base/clock.h"
#include "tests/fixtures/memory.h"
#include "tests/mesh/base/test.h"
#include "tests/mesh/rpc/service.h"

enum {
    WAIT_MS = 30000
};

static mesh_metrics *metrics;
static mesh_rpc_metrics *calls;
static testing_service service;
static mesh_interceptor server_interceptor;
static mesh_client_interceptor client_interceptor;
static mesh_error err;
static char text[8 * 1024 * 1024];

static int start(void **state)
{
    metrics = mesh_metrics_create();
    if (metrics == NULL || mesh_rpc_metrics_create(metrics, &calls, &err) != MESH_OK)
        return -1;
    server_interceptor = mesh_rpc_metrics_server(calls);
    client_interceptor = mesh_rpc_metrics_client(calls);
    testing_service_start(
        &service, testing_style_of(state),
        &(mesh_server_options){.interceptors = &server_interceptor, .interceptor_count = 1},
        &(mesh_channel_options){.interceptors = &client_interceptor, .interceptor_count = 1});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    mesh_rpc_metrics_destroy(calls);
    mesh_metrics_destroy(metrics);
    return 0;
}

static void scrape(void)
{
    mesh_arena *arena = mesh_arena_create(0, 0);
    const char *written;
    size_t size;

    assert_non_null(arena);
    assert_int_equal(mesh_metrics_text(metrics, arena, &written, &size, &err), MESH_OK);
    assert_true(size < sizeof text);
    memcpy(text, written, size);
    text[size] = '\0';
    mesh_arena_destroy(arena);
}

/* Waits until the text has a line: a server's figures may come a moment after its answer has. */
static void wait_for_line(const char *line)
{
    int64_t until = mesh_clock_deadline_ns(WAIT_MS);

    for (scrape(); strstr(text, line) == NULL; scrape()) {
        if (mesh_clock_monotonic_ns() > until)
            fail_msg("waited for %sin\n%.10000s", line, text);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* The same for a method of the service, with its type in front: "unary:Echo". */
static void wait_for(const char *name, const char *method, const char *more, const char *value)
{
    const char *colon = strchr(method, ':');
    char line[512];

    snprintf(
        line, sizeof line,
        "\n%s{grpc_type=\"%.*s\",grpc_service=\"testing.v1.Testing\",grpc_method=\"%s\"%s} %s\n",
        name, (int)(colon - method), method, colon + 1, more, value);
    wait_for_line(line);
}

static mesh_code echo(int code, bool hang, int64_t timeout_ms)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    request.code = code;
    request.hang = hang;
    return testing__v1__testing__echo(
        service.channel, &request, &response,
        &(mesh_call_options){.arena = service.arena, .timeout_ms = timeout_ms}, &err);
}

static void unary_calls_are_counted_by_their_code_on_both_sides(void **state)
{
    static const char *const codes[] = {
        "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
        "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
        "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
        "DataLoss", "Unauthenticated"};
    char more[64], value[16];

    (void)state;
    for (int code = 0; code < (int)COUNT(codes); code++) {
        for (int i = 0; i <= code; i++)
            assert_int_equal(echo(code, false, 0), code);
    }
    for (int code = 0; code < (int)COUNT(codes); code++) {
        snprintf(more, sizeof more, ",grpc_code=\"%s\"", codes[code]);
        snprintf(value, sizeof value, "%d", code + 1);
        wait_for("grpc_server_handled_total", "unary:Echo", more, value);
        wait_for("grpc_client_handled_total", "unary:Echo", more, value);
    }
    wait_for("grpc_server_started_total", "unary:Echo", "", "153");
    wait_for("grpc_client_started_total", "unary:Echo", "", "153");
    wait_for("grpc_server_handling_seconds_count", "unary:Echo", "", "153");
    wait_for("grpc_client_handling_seconds_bucket", "unary:Echo", ",le=\"+Inf\"", "153");
    wait_for("grpc_server_active_calls", "unary:Echo", "", "0");
}

static void every_kind_of_stream_is_counted(void **state)
{
    mesh_call_options options = {.arena = service.arena};
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    const Testing__V1__Number *number;
    Testing__V1__Number *total;
    mesh_stream *stream;

    (void)state;
    request.value = 3;
    assert_int_equal(
        testing__v1__testing__count(service.channel, &request, &stream, &options, &err), MESH_OK);
    while (testing__v1__testing__count__next(stream, &number) == MESH_OK)
        ;
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_OK);

    assert_int_equal(testing__v1__testing__sum(service.channel, &stream, &options, &err), MESH_OK);
    assert_int_equal(mesh_stream_close_send(stream), MESH_OK);
    assert_int_equal(testing__v1__testing__sum__finish(stream, &total, &err), MESH_OK);

    assert_int_equal(testing__v1__testing__double(service.channel, &stream, &options, &err),
                     MESH_OK);
    mesh_stream_cancel(stream);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_CANCELLED);

    for (int server = 0; server < 2; server++) {
        const char *name = server ? "grpc_server_handled_total" : "grpc_client_handled_total";

        wait_for(name, "server_stream:Count", ",grpc_code=\"OK\"", "1");
        wait_for(name, "client_stream:Sum", ",grpc_code=\"OK\"", "1");
    }
    wait_for("grpc_client_handled_total", "bidi_stream:Double", ",grpc_code=\"Canceled\"", "1");
}

static void *hang(void *code)
{
    *(mesh_code *)code = echo(0, true, 3000); /* ends with its deadline */
    return NULL;
}

static void a_running_call_is_active_until_it_ends(void **state)
{
    pthread_t thread;
    mesh_code code = MESH_OK;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, hang, &code), 0);
    testing_wait(&service.hanging);
    wait_for("grpc_server_active_calls", "unary:Echo", "", "1");
    wait_for("grpc_client_active_calls", "unary:Echo", "", "1");
    pthread_join(thread, NULL);
    assert_int_equal(code, MESH_DEADLINE_EXCEEDED);
    wait_for("grpc_server_active_calls", "unary:Echo", "", "0");
    wait_for("grpc_client_active_calls", "unary:Echo", "", "0");
}

static void declared_methods_appear_with_zeros(void **state)
{
    size_t count;
    const mesh_api *apis = mesh_server_apis(service.server, &count);

    (void)state;
    scrape();
    assert_string_equal(text, "");
    assert_int_equal(count, 1);
    for (int i = 0; i < 2; i++) /* a second time changes nothing */
        assert_int_equal(mesh_rpc_metrics_declare(calls, apis[0].descriptor, &err), MESH_OK);
    wait_for("grpc_server_started_total", "unary:Missing", "", "0");
    wait_for("grpc_server_handled_total", "bidi_stream:Double", ",grpc_code=\"Internal\"", "0");
    wait_for("grpc_server_handling_seconds_bucket", "server_stream:Count", ",le=\"0.0001\"", "0");
    assert_null(strstr(text, "grpc_client"));
}

static void more_methods_than_there_is_room_for_are_counted_together(void **state)
{
    static const mesh_api_descriptor api = {.name = "many.v1.Many"};
    static mesh_method methods[1000];
    static char paths[COUNT(methods)][32];
    mesh_api_descriptor many = api;

    (void)state;
    for (size_t i = 0; i < COUNT(methods); i++) {
        snprintf(paths[i], sizeof paths[i], "/many.v1.Many/M%zu", i);
        methods[i] = (mesh_method){.path = paths[i], .api = &api};
    }
    many.methods = methods;
    many.method_count = COUNT(methods);
    assert_int_equal(mesh_rpc_metrics_declare(calls, &many, &err), MESH_OK);
    assert_int_equal(echo(0, false, 0), MESH_OK);
    wait_for("grpc_client_handled_total", "unary:Echo", ",grpc_code=\"OK\"", "1");
    wait_for_line("\ngrpc_server_handled_total{grpc_type=\"unknown\",grpc_service=\"unknown\","
                  "grpc_method=\"unknown\",grpc_code=\"OK\"} 1\n");
}

/* Without a server, whose threads allocate as well. */
static mesh_code declare(void *context)
{
    const mesh_api *api = context;
    mesh_metrics *registry = mesh_metrics_create();
    mesh_rpc_metrics *made = NULL;
    mesh_code code = MESH_RESOURCE_EXHAUSTED;

    if (registry != NULL)
        code = mesh_rpc_metrics_create(registry, &made, &err);
    if (code == MESH_OK)
        code = mesh_rpc_metrics_declare(made, api->descriptor, &err);
    mesh_rpc_metrics_destroy(made);
    mesh_metrics_destroy(registry);
    return code;
}

static void a_method_that_memory_ran_out_for_is_an_error(void **state)
{
    static const testing__v1__testing__handlers none = {0};
    mesh_api api = testing__v1__testing__api(&none, NULL);

    (void)state;
    assert_true(memory_fail_in_turn(declare, &api) >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(unary_calls_are_counted_by_their_code_on_both_sides),
        BOTH(every_kind_of_stream_is_counted),
        WORKER(a_running_call_is_active_until_it_ends),
        WORKER(declared_methods_appear_with_zeros),
        cmocka_unit_test(a_method_that_memory_ran_out_for_is_an_error),
        WORKER(more_methods_than_there_is_room_for_are_counted_together),
    };

    return cmocka_run_group_tests_name("metrics_rpc", tests, NULL, NULL);
}
