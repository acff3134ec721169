/* A server's life but for its calls: what may be added, what it listens on, how it ends. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "tests/mesh/rpc/handlers.h"
#include "tests/mesh/rpc/service.h"

static mesh_server *create(const mesh_server_options *options)
{
    mesh_server_options own = options != NULL ? *options : (mesh_server_options){.listen = NULL};
    mesh_server *server = NULL;
    mesh_error err;

    if (own.listen == NULL)
        own.listen = "127.0.0.1:0";
    if (mesh_server_create(&own, &server, &err) != MESH_OK)
        fail_msg("cannot create a server: %s", err.message);
    return server;
}

static const testing__v1__testing__handlers testing = {.echo = testing_handle_echo};
static const testing__v1__testing__handlers doubled = {.echo = testing_handle_echo,
                                                       .echo__inline = testing_handle_echo};
static const testing__v1__guarded__handlers guarded = {.secret = testing_handle_echo};
static const testing__v1__open__handlers undeclared = {.undeclared = testing_handle_echo};

/* --- what is refused -------------------------------------------------------------------------- */

static void an_option_out_of_range_is_refused_by_its_name(void **state)
{
    static const struct {
        mesh_server_options options;
        const char *name;
    } cases[] = {
        {{.listen = NULL}, "listen"},
        {{.listen = ""}, "listen"},
        {{.listen = "nonsense"}, "listen"},
        {{.listen = ":1"}, "listen"},
        {{.listen = "127.0.0.1:"}, "listen"},
        {{.listen = "127.0.0.1:http"}, "listen"},
        {{.listen = "127.0.0.1:99999"}, "listen"},
        {{.listen = "127.0.0.1:1x"}, "listen"},
        {{.listen = "unix:"}, "listen"},
        {{.listen = "127.0.0.1:0", .max_receive_bytes = SIZE_MAX}, "max_receive_bytes"},
        {{.listen = "127.0.0.1:0", .keepalive_ms = -1}, "keepalive_ms"},
        {{.listen = "127.0.0.1:0", .keepalive_ms = INT64_MAX}, "keepalive_ms"},
        {{.listen = "127.0.0.1:0", .keepalive_timeout_ms = -1}, "keepalive_timeout_ms"},
        {{.listen = "127.0.0.1:0", .max_connection_idle_ms = -1}, "max_connection_idle_ms"},
        {{.listen = "127.0.0.1:0", .max_connection_idle_ms = INT64_MAX}, "max_connection_idle_ms"},
        {{.listen = "127.0.0.1:0", .max_connection_age_ms = -1}, "max_connection_age_ms"},
        {{.listen = "127.0.0.1:0", .worker_count = SIZE_MAX}, "worker_count"},
        {{.listen = "127.0.0.1:0", .worker_queue = SIZE_MAX}, "worker_queue"},
        {{.size = sizeof(mesh_server_options),
          .listen = "127.0.0.1:0",
          .memory_budget_bytes = SIZE_MAX},
         "memory_budget_bytes"},
        {{.size = sizeof(mesh_server_options),
          .listen = "127.0.0.1:0",
          .connection_share_percent = 101},
         "connection_share_percent"},
        {{.size = sizeof(mesh_server_options), .listen = "127.0.0.1:0", .send_timeout_ms = -1},
         "send_timeout_ms"},
        {{.listen = "127.0.0.1:0", .poller_count = SIZE_MAX}, "poller_count"},
        {{.size = sizeof(mesh_server_options),
          .listen = "127.0.0.1:0",
          .max_connections = SIZE_MAX},
         "max_connections"},
        {{.size = sizeof(mesh_server_options),
          .listen = "127.0.0.1:0",
          .max_address_connections = SIZE_MAX},
         "max_address_connections"},
        {{.size = sizeof(mesh_server_options), .listen = "127.0.0.1:0", .max_handshakes = SIZE_MAX},
         "max_handshakes"},
        {{.size = sizeof(mesh_server_options), .listen = "127.0.0.1:0", .handshake_timeout_ms = -1},
         "handshake_timeout_ms"},
        {{.size = sizeof(mesh_server_options),
          .listen = "127.0.0.1:0",
          .max_connection_streams = SIZE_MAX},
         "max_connection_streams"},
        {{.size = sizeof(mesh_server_options),
          .listen = "127.0.0.1:0",
          .buffer_budget_bytes = SIZE_MAX},
         "buffer_budget_bytes"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_server *server = NULL;
        mesh_error err;

        assert_int_equal(mesh_server_create(&cases[i].options, &server, &err),
                         MESH_INVALID_ARGUMENT);
        assert_null(server);
        if (strncmp(err.message, cases[i].name, strlen(cases[i].name)) != 0)
            fail_msg("\"%s\" does not name %s", err.message, cases[i].name);
    }
}

/* Limits of which each is in range, and which together refuse for ever what one of them allows. */
static void a_message_that_never_fits_is_refused_with_the_options(void **state)
{
    static const struct {
        size_t max_receive_bytes; /* 0: the default, 4 MiB */
        size_t memory_budget_bytes;
        size_t connection_share_percent;
        bool fits;
    } cases[] = {
        {1000, 1999, 0, true},        {1001, 1999, 0, false},   {1001, 1999, 100, true},
        {1000, 1000, 100, true},      {1001, 1000, 100, false}, {0, 8 << 20, 0, true},
        {0, (8 << 20) - 2, 0, false}, {200 << 20, 0, 0, false}, {128 << 20, 0, 0, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_server *server = NULL;
        mesh_error err;
        mesh_code code = mesh_server_create(
            MESH_OPTIONS(mesh_server_options, .listen = "127.0.0.1:0",
                         .max_receive_bytes = cases[i].max_receive_bytes,
                         .memory_budget_bytes = cases[i].memory_budget_bytes,
                         .connection_share_percent = cases[i].connection_share_percent),
            &server, &err);

        assert_int_equal(code, cases[i].fits ? MESH_OK : MESH_INVALID_ARGUMENT);
        mesh_server_destroy(server);
        if (cases[i].fits)
            continue;
        assert_non_null(strstr(err.message, "max_receive_bytes"));
        assert_non_null(strstr(err.message, "memory_budget_bytes"));
        assert_non_null(strstr(err.message, "connection_share_percent"));
    }
    {
        mesh_server *server = NULL;
        mesh_error err;

        assert_int_equal(
            mesh_server_create(MESH_OPTIONS(mesh_server_options, .listen = "127.0.0.1:0",
                                            .max_receive_bytes = 1001, .buffer_budget_bytes = 1999),
                               &server, &err),
            MESH_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "buffer_budget_bytes"));
    }
}

static void expect_no_transport(const char *option, const char *what)
{
    mesh_server *server = NULL;
    mesh_error err;

    assert_int_equal(mesh_server_create(MESH_OPTIONS(mesh_server_options, .listen = "127.0.0.1:0",
                                                     .transport = option),
                                        &server, &err),
                     MESH_INVALID_ARGUMENT);
    assert_null(server);
    assert_non_null(strstr(err.message, what));
    assert_non_null(strstr(err.message, "must be h2 or core, and is h3"));
}

static void the_transport_is_the_options_or_the_environments(void **state)
{
    char *before = getenv("MESH_SERVER") != NULL ? strdup(getenv("MESH_SERVER")) : NULL;
    mesh_server *server = NULL;

    (void)state;
    expect_no_transport("h3", "transport: ");
    assert_int_equal(setenv("MESH_SERVER", "h3", 1), 0);
    expect_no_transport(NULL, "MESH_SERVER: ");
    /* the option comes first */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            mesh_server_create(MESH_OPTIONS(mesh_server_options, .listen = "127.0.0.1:0",
                                            .transport = i == 0 ? "h2" : "core"),
                               &server, NULL),
            MESH_OK);
        mesh_server_destroy(server);
    }
    if (before != NULL)
        (void)setenv("MESH_SERVER", before, 1);
    else
        (void)unsetenv("MESH_SERVER");
    free(before);
}

static void a_channels_bad_option_is_refused_by_its_name(void **state)
{
    const struct {
        mesh_channel_options options;
        const char *name;
    } cases[] = {
        {{.max_receive_bytes = SIZE_MAX}, "max_receive_bytes: "},
        {{.keepalive_ms = 9999}, "keepalive_ms: "},
        {{.keepalive_ms = INT64_MAX}, "keepalive_ms: "},
        {{.keepalive_timeout_ms = -1}, "keepalive_timeout_ms: "},
        {{.keepalive_timeout_ms = INT64_MAX}, "keepalive_timeout_ms: "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_channel *channel = NULL;
        mesh_error err;

        assert_int_equal(mesh_channel_create("127.0.0.1:1", &cases[i].options, &channel, &err),
                         MESH_INVALID_ARGUMENT);
        assert_null(channel);
        if (strncmp(err.message, cases[i].name, strlen(cases[i].name)) != 0)
            fail_msg("\"%s\" does not name %s", err.message, cases[i].name);
    }
}

static void what_nobody_decides_is_refused_by_its_name(void **state)
{
    const struct {
        mesh_api api;
        const char *message;
    } cases[] = {
        {testing__v1__open__api(&undeclared, NULL),
         "no policy is declared for Undeclared of testing.v1.Open: give each the option"},
        {testing__v1__guarded__api(&guarded, NULL), "/testing.v1.Guarded/Secret is not public"},
        {testing__v1__testing__api(&doubled, NULL), "/testing.v1.Testing/Echo has more than one"},
    };
    mesh_server *server = create(NULL);
    size_t count;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_error err;

        assert_int_equal(mesh_server_add(server, cases[i].api, &err), MESH_FAILED_PRECONDITION);
        if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("\"%s\" does not say \"%s\"", err.message, cases[i].message);
    }
    (void)mesh_server_apis(server, &count);
    assert_int_equal(count, 0);
    mesh_server_destroy(server);
}

static mesh_handler_style no_handler(const void *handlers)
{
    (void)handlers;
    return MESH_HANDLER_NONE;
}

static void all_methods_without_a_policy_are_named_as_far_as_there_is_room(void **state)
{
    static const mesh_policy public = {.kind = MESH_POLICY_PUBLIC};
    static const mesh_method methods[] = {
        {.name = "First", .style = no_handler},
        {.name = "Allowed", .policy = public, .style = no_handler},
        {.name = "Second", .style = no_handler},
        {.name = "AMethodWithALongNameThatLeavesLittleRoomForAllOfTheOthersWhichComeBehindItInThe"
                 "TableOfTheService",
         .style = no_handler},
        {.name = "Fourth", .style = no_handler},
        {.name = "TheFifthOfThem", .style = no_handler},
        {.name = "6", .style = no_handler},
    };
    mesh_server *server = create(NULL);
    mesh_api_descriptor descriptor = {
        .name = "a.service.with.a.name.that.is.as.long.as.names.of.packages.get.v1.LongService",
        .methods = methods,
        .method_count = 3,
    };
    mesh_error err;

    (void)state;
    assert_int_equal(mesh_server_add(server, mesh_api_make(&descriptor, NULL, NULL), &err),
                     MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "declared for First, Second of a.service"));
    descriptor.method_count = sizeof methods / sizeof methods[0];
    assert_int_equal(mesh_server_add(server, mesh_api_make(&descriptor, NULL, NULL), &err),
                     MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "TheService, Fourth and 2 more of "));
    assert_non_null(strstr(err.message, descriptor.name));
    mesh_server_destroy(server);
}

static void a_service_of_a_later_version_is_refused_by_its_name(void **state)
{
    mesh_server *server = create(NULL);
    mesh_api_descriptor descriptor = *testing__v1__testing__api(&testing, NULL).descriptor;
    mesh_error err;

    (void)state;
    descriptor.version = 12003000 + 45;
    assert_int_equal(mesh_server_add(server, mesh_api_make(&descriptor, &testing, NULL), &err),
                     MESH_FAILED_PRECONDITION);
    assert_string_equal(err.message,
                        "testing.v1.Testing was generated for version 12.3.45, and this library "
                        "is " MESH_VERSION ": run with a newer one, or generate it again");
    descriptor.version = MESH_VERSION_NUMBER + 1;
    assert_int_equal(mesh_server_add(server, mesh_api_make(&descriptor, &testing, NULL), &err),
                     MESH_FAILED_PRECONDITION);
    descriptor.version = 1; /* the oldest */
    assert_int_equal(mesh_server_add(server, mesh_api_make(&descriptor, &testing, NULL), &err),
                     MESH_OK);
    mesh_server_destroy(server);
}

static void a_service_is_added_once(void **state)
{
    mesh_server *server = create(NULL);
    mesh_error err;

    (void)state;
    assert_int_equal(mesh_server_add(server, testing__v1__testing__api(&testing, NULL), &err),
                     MESH_OK);
    assert_int_equal(mesh_server_add(server, testing__v1__testing__api(&testing, NULL), &err),
                     MESH_ALREADY_EXISTS);
    assert_string_equal(err.message, "testing.v1.Testing was added already");
    mesh_server_destroy(server);
}

static void an_address_that_is_taken_is_unavailable_by_its_name(void **state)
{
    testing_service service;
    mesh_server *server;
    mesh_error err;
    char expected[200];

    (void)state;
    testing_service_start(&service, TESTING_WORKER, NULL, NULL);
    server = create(&(mesh_server_options){.listen = service.address});
    assert_int_equal(mesh_server_start(server, &err), MESH_UNAVAILABLE);
    snprintf(expected, sizeof expected, "cannot listen on %s: Address already in use",
             service.address);
    assert_string_equal(err.message, expected);
    assert_int_equal(mesh_server_port(server), 0);
    assert_int_equal(mesh_server_start(server, &err), MESH_FAILED_PRECONDITION);
    mesh_server_destroy(server);
    assert_int_equal(testing_echo(&service, "still there", NULL), MESH_OK);
    testing_service_stop(&service);
}

static void an_address_that_is_none_is_unavailable_by_its_name(void **state)
{
    static const struct {
        const char *address;
        const char *cause; /* NULL: as the resolver says it */
    } cases[] = {{"no.such.host.invalid:0", NULL},
                 {"192.0.2.1:0", "Cannot assign requested address"},
                 {"unix:/nonexistent/folder/socket", "No such file or directory"}};
    char said[100];
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    mesh_log_output(fds[1]);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_server *server = create(&(mesh_server_options){.listen = cases[i].address});
        mesh_error err;

        assert_int_equal(mesh_server_start(server, &err), MESH_UNAVAILABLE);
        assert_non_null(strstr(err.message, cases[i].address));
        if (cases[i].cause != NULL)
            assert_non_null(strstr(err.message, cases[i].cause));
        mesh_server_destroy(server);
    }
    mesh_log_output(-1);
    assert_int_equal(read(fds[0], said, sizeof said), -1); /* the error says it all */
    close(fds[0]);
    close(fds[1]);
}

/* --- what works ------------------------------------------------------------------------------- */

static void port_0_takes_a_free_one(void **state)
{
    testing_service one, two;

    (void)state;
    testing_service_start(&one, TESTING_WORKER, NULL, NULL);
    testing_service_start(&two, TESTING_INLINE, NULL, NULL);
    assert_int_not_equal(mesh_server_port(one.server), mesh_server_port(two.server));
    assert_int_equal(testing_echo(&one, "one", NULL), MESH_OK);
    assert_int_equal(testing_echo(&two, "two", NULL), MESH_OK);
    testing_service_stop(&one);
    testing_service_stop(&two);
}

static void unix_sockets_serve(void **state)
{
    testing_service service;
    char listen[100];

    (void)state;
    /* not in $TEST_TMPDIR: a socket's path has at most 107 bytes */
    snprintf(listen, sizeof listen, "unix:/tmp/mesh-server-test-%d", (int)getpid());
    testing_service_start(&service, TESTING_WORKER, &(mesh_server_options){.listen = listen}, NULL);
    assert_int_equal(mesh_server_port(service.server), 0);
    assert_int_equal(testing_echo(&service, "no network", NULL), MESH_OK);
    testing_service_stop(&service);
    assert_int_not_equal(access(listen + 5, F_OK), 0);
}

static mesh_code allow(void *self, mesh_call *call, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    return MESH_OK;
}

static void several_services_are_served_by_one_server(void **state)
{
    const mesh_interceptor policy = {.name = "policy", .on_open = allow, .authorizes = true};
    mesh_server *server = create(
        &(mesh_server_options){.interceptors = &policy, .interceptor_count = 1});
    mesh_arena *arena = mesh_arena_create(4096, 0);
    const mesh_call_options options = {.arena = arena};
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    const mesh_api *apis;
    mesh_channel *channel;
    char address[32];
    size_t count;

    (void)state;
    assert_int_equal(mesh_server_add(server, testing__v1__testing__api(&testing, NULL), NULL),
                     MESH_OK);
    assert_int_equal(mesh_server_add(server, testing__v1__guarded__api(&guarded, NULL), NULL),
                     MESH_OK);
    apis = mesh_server_apis(server, &count);
    assert_int_equal(count, 2);
    assert_string_equal(apis[0].descriptor->name, "testing.v1.Testing");
    assert_string_equal(apis[1].descriptor->name, "testing.v1.Guarded");
    assert_int_equal(mesh_server_port(server), 0);
    assert_int_equal(mesh_server_start(server, NULL), MESH_OK);
    assert_int_equal(mesh_server_start(server, NULL), MESH_FAILED_PRECONDITION);

    snprintf(address, sizeof address, "127.0.0.1:%d", mesh_server_port(server));
    assert_int_equal(mesh_channel_create(address, NULL, &channel, NULL), MESH_OK);
    request.text = "both";
    assert_int_equal(testing__v1__testing__echo(channel, &request, &response, &options, NULL),
                     MESH_OK);
    assert_string_equal(response->text, "both");
    assert_int_equal(testing__v1__guarded__secret(channel, &request, &response, &options, NULL),
                     MESH_OK);
    assert_string_equal(response->text, "both");
    mesh_channel_destroy(channel);
    mesh_server_destroy(server);
    mesh_arena_destroy(arena);
}

static void a_server_without_services_answers_unimplemented(void **state)
{
    mesh_server *server = create(NULL);
    testing_service service = {.server = server, .arena = mesh_arena_create(4096, 0)};

    (void)state;
    assert_int_equal(mesh_server_start(server, NULL), MESH_OK);
    snprintf(service.address, sizeof service.address, "127.0.0.1:%d", mesh_server_port(server));
    assert_int_equal(mesh_channel_create(service.address, NULL, &service.channel, NULL), MESH_OK);
    assert_int_equal(testing_echo(&service, "anyone?", NULL), MESH_UNIMPLEMENTED);
    mesh_channel_destroy(service.channel);
    mesh_server_destroy(server);
    mesh_arena_destroy(service.arena);
}

static void a_server_that_never_started_is_destroyed(void **state)
{
    mesh_server *server = create(NULL);

    (void)state;
    mesh_server_destroy(NULL);
    mesh_server_destroy(server);
    server = create(NULL);
    assert_int_equal(mesh_server_add(server, testing__v1__testing__api(&testing, NULL), NULL),
                     MESH_OK);
    assert_true(mesh_server_drain(server, 1000)); /* nothing runs */
    mesh_server_destroy(server);
}

/* Makes one call to the port that it reads, says so, and keeps the idle connection until the pipe
 * ends. */
static _Noreturn void be_an_idle_client(int from, int to)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_arena *arena = mesh_arena_create(1024, 0);
    mesh_channel *channel = NULL;
    char target[32];
    char said = '!';
    int port = 0;

    if (read(from, &port, sizeof port) == sizeof port &&
        snprintf(target, sizeof target, "127.0.0.1:%d", port) > 0 &&
        mesh_channel_create(target, NULL, &channel, NULL) == MESH_OK &&
        testing__v1__testing__echo(channel, &request, &response,
                                   &(mesh_call_options){.arena = arena}, NULL) == MESH_OK &&
        write(to, &said, 1) == 1)
        (void)!read(from, &said, 1);
    _exit(0);
}

/* The core's channels look after an idle connection only every 5 s. First, since it forks. */
static void an_idle_client_does_not_hold_up_the_end(void **state)
{
    mesh_server *server;
    int64_t began_ns;
    int to_client[2];
    int to_server[2];
    pid_t client;
    char said = 0;
    int port;

    (void)state;
    assert_int_equal(pipe(to_client), 0);
    assert_int_equal(pipe(to_server), 0);
    client = fork();
    assert_true(client >= 0);
    if (client == 0) {
        close(to_client[1]);
        be_an_idle_client(to_client[0], to_server[1]);
    }
    close(to_server[1]);
    server = create(NULL);
    assert_int_equal(mesh_server_add(server, testing__v1__testing__api(&testing, NULL), NULL),
                     MESH_OK);
    assert_int_equal(mesh_server_start(server, NULL), MESH_OK);
    port = mesh_server_port(server);
    assert_int_equal(write(to_client[1], &port, sizeof port), sizeof port);
    assert_int_equal(read(to_server[0], &said, 1), 1);
    began_ns = mesh_clock_monotonic_ns();
    mesh_server_destroy(server);
    assert_true(mesh_clock_monotonic_ns() - began_ns < INT64_C(20000000000)); /* the client stays */
    close(to_client[1]);
    assert_int_equal(waitpid(client, NULL, 0), client);
    close(to_client[0]);
    close(to_server[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_client_does_not_hold_up_the_end),
        cmocka_unit_test(an_option_out_of_range_is_refused_by_its_name),
        cmocka_unit_test(a_message_that_never_fits_is_refused_with_the_options),
        cmocka_unit_test(the_transport_is_the_options_or_the_environments),
        cmocka_unit_test(a_channels_bad_option_is_refused_by_its_name),
        cmocka_unit_test(what_nobody_decides_is_refused_by_its_name),
        cmocka_unit_test(all_methods_without_a_policy_are_named_as_far_as_there_is_room),
        cmocka_unit_test(a_service_of_a_later_version_is_refused_by_its_name),
        cmocka_unit_test(a_service_is_added_once),
        cmocka_unit_test(an_address_that_is_taken_is_unavailable_by_its_name),
        cmocka_unit_test(an_address_that_is_none_is_unavailable_by_its_name),
        cmocka_unit_test(port_0_takes_a_free_one),
        cmocka_unit_test(unix_sockets_serve),
        cmocka_unit_test(several_services_are_served_by_one_server),
        cmocka_unit_test(a_server_without_services_answers_unimplemented),
        cmocka_unit_test(a_server_that_never_started_is_destroyed),
    };

    return cmocka_run_group_tests_name("servers", tests, NULL, NULL);
}
