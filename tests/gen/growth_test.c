/*
 * Every option struct of the library, as a program of another version hands it over. What the rule
 * is: mesh/base/api.h; how it is read: tests/mesh/base/options_test.c.
 */
#include <getopt.h>

#include "google/protobuf/empty.mesh.h"
#include "mesh/service.h"
#include "tests/mesh/base/test.h"

enum {
    LATER_BYTES = 16 /* what a later version adds */
};

#define NOWHERE "127.0.0.1:1"

static mesh_db *db;
static mesh_channel *channel;
static mesh_arena *arena;

static mesh_code make_server(const void *options, mesh_error *err)
{
    mesh_server *server = NULL;
    mesh_code code = mesh_server_create(options, &server, err);
    mesh_server_destroy(server);
    return code;
}

static mesh_code make_channel(const void *options, mesh_error *err)
{
    mesh_channel *made = NULL;
    mesh_code code = mesh_channel_create(NOWHERE, options, &made, err);
    mesh_channel_destroy(made);
    return code;
}

static mesh_code make_tls_server(const void *tls, mesh_error *err)
{
    return make_server(&(mesh_server_options){.listen = "127.0.0.1:0", .tls = tls}, err);
}

static mesh_code make_tls_channel(const void *tls, mesh_error *err)
{
    return make_channel(&(mesh_channel_options){.tls = tls}, err);
}

static const mesh_api_descriptor nothing = {.name = "nothing.v1.Nothing"};
static const mesh_method method = {.path = "/nothing.v1.Nothing/Do",
                                   .name = "Do",
                                   .api = &nothing,
                                   .request = &google__protobuf__empty__descriptor,
                                   .response = &google__protobuf__empty__descriptor};
static const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;

static mesh_code make_call(const void *options, mesh_error *err)
{
    ProtobufCMessage *response = NULL;
    return mesh_unary_call(channel, &method, &request.base, &response, options, err);
}

static mesh_code open_stream(const void *options, mesh_error *err)
{
    mesh_method streaming = method;
    mesh_stream *stream = NULL;
    streaming.kind = MESH_SERVER_STREAMING;
    mesh_code code = mesh_stream_open(channel, &streaming, &request.base, options, &stream, err);
    return code == MESH_OK ? mesh_stream_finish(stream, err) : code;
}

static mesh_code make_db(const void *options, mesh_error *err)
{
    mesh_db *made = NULL;
    mesh_code code = mesh_db_create(options, &made, err);
    mesh_db_destroy(made);
    return code;
}

static mesh_code begin(const void *options, mesh_error *err)
{
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(db, options, &tx, err);
    mesh_tx_rollback(tx);
    return code;
}

static mesh_code make_events(const void *options, mesh_error *err)
{
    mesh_events *events = NULL;
    mesh_code code = mesh_events_create(options, &events, err);
    mesh_events_destroy(events);
    return code;
}

static const mesh_server_options server_options = {.listen = "127.0.0.1:0"};
static const mesh_channel_options channel_options = {.max_receive_bytes = 4096};
static const mesh_tls_options tls_options = {.certificate_file = "/nonexistent"};
static mesh_call_options call_options;
static const mesh_db_options db_options = {.url = "postgresql://" NOWHERE "/nothing"};
static const mesh_tx_options tx_options = {.read_only = true};
static mesh_events_options events_options;

static const struct {
    const char *name;
    mesh_code (*use)(const void *options, mesh_error *err);
    const void *options;
    size_t size;
} cases[] = {
    {"mesh_server_options", make_server, &server_options, sizeof server_options},
    {"mesh_channel_options", make_channel, &channel_options, sizeof channel_options},
    {"mesh_tls_options", make_tls_server, &tls_options, sizeof tls_options},
    {"mesh_tls_options", make_tls_channel, &tls_options, sizeof tls_options},
    {"mesh_call_options", make_call, &call_options, sizeof call_options},
    {"mesh_call_options", open_stream, &call_options, sizeof call_options},
    {"mesh_db_options", make_db, &db_options, sizeof db_options},
    {"mesh_tx_options", begin, &tx_options, sizeof tx_options},
    {"mesh_events_options", make_events, &events_options, sizeof events_options},
};

/* In version 0.1.0; three have grown since. */
static size_t first_size(size_t index)
{
    if (cases[index].use == make_server)
        return offsetof(mesh_server_options, memory_budget_bytes);
    if (cases[index].use == make_events)
        return offsetof(mesh_events_options, handler_timeout_ms);
    if (cases[index].use == begin)
        return offsetof(mesh_tx_options, silence_timeout_ms);
    return cases[index].size;
}

/* Hands over what is known, then `filler`s, as a struct of `size`; the answer. */
static mesh_code use(size_t index, size_t size, int filler, mesh_error *err)
{
    _Alignas(max_align_t) uint8_t given[1024];
    assert_true(cases[index].size + LATER_BYTES <= sizeof given);
    memset(given, filler, sizeof given);
    memcpy(given, cases[index].options, cases[index].size);
    memcpy(given, &size, sizeof size);
    mesh_error_clear(err);
    return cases[index].use(given, err);
}

static bool is_refused(mesh_code code, const mesh_error *err, const char *name)
{
    return code == MESH_INVALID_ARGUMENT && strncmp(err->message, name, strlen(name)) == 0 &&
           strstr(err->message, "does not know") != NULL;
}

static void options_of_every_size_mean_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t size = cases[i].size;
        mesh_error plain, err;
        mesh_code expected = use(i, 0, 0xff, &plain);
        assert_false(is_refused(expected, &plain, cases[i].name));
        assert_int_equal(use(i, size, 0xff, &err), expected);
        assert_string_equal(err.message, plain.message);
        assert_int_equal(use(i, size + LATER_BYTES, 0, &err), expected);
        assert_string_equal(err.message, plain.message);
    }
}

/* It would cut a field in two, or leave out one that every caller knows. */
static void options_smaller_than_those_of_the_first_version_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t size = 1; size <= first_size(i) - sizeof(size_t); size++) {
            mesh_error err;
            assert_int_equal(use(i, size, 0, &err), MESH_INVALID_ARGUMENT);
            assert_non_null(strstr(err.message, "its size cannot be"));
        }
}

static void options_that_a_later_version_knows_are_refused_by_their_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_error err;
        mesh_code code = use(i, cases[i].size + LATER_BYTES, 1, &err);
        if (!is_refused(code, &err, cases[i].name))
            fail_msg("%s: %s \"%s\"", cases[i].name, mesh_code_name(code), err.message);
    }
}

/* An asynchronous call has no error but its code. */
static void asynchronous_calls_are_refused_alike(void **state)
{
    (void)state;
    struct {
        mesh_call_options known;
        uint8_t later[LATER_BYTES];
    } options = {.known.size = sizeof options, .later = {1}};
    assert_int_equal(mesh_unary_call_async(channel, &method, &request.base, &options.known,
                                           &(mesh_answer){.code = MESH_OK}, NULL),
                     MESH_INVALID_ARGUMENT);
}

static void a_service_of_every_size_is_taken_unless_it_says_more(void **state)
{
    (void)state;
    struct {
        mesh_service known;
        uint8_t later[LATER_BYTES];
    } service = {.known.name = "grown"};
    char *arguments[] = {"grown", "--version", NULL};
    const size_t sizes[] = {0, sizeof service.known, sizeof service};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        service.known.size = sizes[i];
        optind = 1;
        assert_int_equal(mesh_service_main(2, arguments, &service.known), 0);
    }
    service.later[0] = 1;
    optind = 1;
    assert_int_equal(mesh_service_main(2, arguments, &service.known), 1);
    service.known.size = offsetof(mesh_service, on_start);
    optind = 1;
    assert_int_equal(mesh_service_main(2, arguments, &service.known), 1);
}

/* Generated code of a later version than the library: no way to call leads around the check. */
static void calls_of_a_later_version_are_refused_by_their_service(void **state)
{
    (void)state;
    mesh_api_descriptor later = nothing;
    mesh_method unary = method, streaming = method;
    ProtobufCMessage *response = NULL;
    mesh_stream *stream = NULL;
    mesh_error err = {0};
    later.version = MESH_VERSION_NUMBER + 1;
    unary.api = streaming.api = &later;
    streaming.kind = MESH_SERVER_STREAMING;
    assert_int_equal(
        mesh_unary_call(channel, &unary, &request.base, &response, &call_options, &err),
        MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "nothing.v1.Nothing was generated for version 0.1.1"));
    assert_int_equal(mesh_unary_call_async(channel, &unary, &request.base, NULL,
                                           &(mesh_answer){.code = MESH_OK}, NULL),
                     MESH_FAILED_PRECONDITION);
    assert_int_equal(mesh_stream_open(channel, &streaming, &request.base, NULL, &stream, &err),
                     MESH_FAILED_PRECONDITION);
}

/* --- structs whose size stays ---------------------------------------------------------------- */

static const char later_field[] = "what a later version calls by a name";

static mesh_code set_interceptor(mesh_error *err)
{
    const mesh_interceptor one = {.name = "one", .reserved = {later_field}};
    return make_server(&(mesh_server_options){.listen = "127.0.0.1:0",
                                              .interceptors = &one,
                                              .interceptor_count = 1},
                       err);
}

static mesh_code set_client_interceptor(mesh_error *err)
{
    const mesh_client_interceptor one = {.name = "one", .reserved = {later_field}};
    return make_channel(&(mesh_channel_options){.interceptors = &one, .interceptor_count = 1}, err);
}

static mesh_code set_api(mesh_error *err)
{
    mesh_server *server = NULL;
    mesh_api api = mesh_api_make(&nothing, NULL, NULL);
    api.reserved[1] = later_field;
    assert_int_equal(mesh_server_create(&server_options, &server, NULL), MESH_OK);
    mesh_code code = mesh_server_add(server, api, err);
    mesh_server_destroy(server);
    return code;
}

static mesh_code set_consumer(mesh_error *err)
{
    static const mesh_event_descriptor event = {.subject = "nothing.v1.Done"};
    const mesh_consumer consumers[] = {{.event = &event, .reserved = {later_field}},
                                       {.event = NULL}};
    mesh_events_options options = events_options;
    options.consumers = consumers;
    return make_events(&options, err);
}

static mesh_code set_event(mesh_error *err)
{
    static const mesh_event_descriptor event = {.subject = "nothing.v1.Done",
                                                .reserved = {later_field}};
    const mesh_consumer consumers[] = {mesh_consumer_make(&event, NULL, NULL, NULL),
                                       {.event = NULL}};
    mesh_events_options options = events_options;
    options.consumers = consumers;
    return make_events(&options, err);
}

static mesh_code set_setting(mesh_error *err)
{
    const char *target = NULL;
    const mesh_setting setting = {
        .name = "ONE", .target = &target, .fallback = "", .reserved = {later_field}};
    return mesh_config_load(&setting, 1, NULL, NULL, arena, NULL, 0, err);
}

static mesh_code set_migration(mesh_error *err)
{
    const mesh_migration migrations[] = {
        {.number = 1, .name = "0001_one.sql", .sql = "", .reserved = {later_field}}, {0}};
    return mesh_migrate(db, "nothing", migrations, err);
}

static mesh_code set_metric(mesh_error *err)
{
    mesh_metrics *metrics = mesh_metrics_create();
    mesh_counter *counter = NULL;
    const mesh_metric metric = {.name = "one_total", .help = "One.", .reserved = {later_field}};
    mesh_code code = mesh_counter_create(metrics, &metric, &counter, err);
    mesh_metrics_destroy(metrics);
    return code;
}

static void a_field_that_a_later_version_knows_is_refused_by_whose_it_is(void **state)
{
    (void)state;
    static const struct {
        mesh_code (*set)(mesh_error *err);
        const char *name;
    } fields[] = {
        {set_interceptor, "interceptor one"},
        {set_client_interceptor, "interceptor one"},
        {set_api, "the api of nothing.v1.Nothing"},
        {set_consumer, "the consumer of nothing.v1.Done"},
        {set_event, "event nothing.v1.Done"},
        {set_setting, "setting ONE"},
        {set_migration, "0001_one.sql"},
        {set_metric, "metric one_total"},
    };
    for (size_t i = 0; i < COUNT(fields); i++) {
        mesh_error err = {0};
        mesh_code code = fields[i].set(&err);
        if (!is_refused(code, &err, fields[i].name))
            fail_msg("%s: %s \"%s\"", fields[i].name, mesh_code_name(code), err.message);
    }
}

static int setup(void **state)
{
    (void)state;
    arena = mesh_arena_create(1024, 0);
    if (arena == NULL || mesh_channel_create(NOWHERE, NULL, &channel, NULL) != MESH_OK ||
        mesh_db_create(&db_options, &db, NULL) != MESH_OK)
        return -1;
    call_options = (mesh_call_options){.arena = arena};
    events_options = (mesh_events_options){.url = "nats://" NOWHERE, .service = "grown", .db = db};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mesh_channel_destroy(channel);
    mesh_db_destroy(db);
    mesh_arena_destroy(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_of_every_size_mean_the_same),
        cmocka_unit_test(options_smaller_than_those_of_the_first_version_are_refused),
        cmocka_unit_test(options_that_a_later_version_knows_are_refused_by_their_name),
        cmocka_unit_test(asynchronous_calls_are_refused_alike),
        cmocka_unit_test(a_service_of_every_size_is_taken_unless_it_says_more),
        cmocka_unit_test(calls_of_a_later_version_are_refused_by_their_service),
        cmocka_unit_test(a_field_that_a_later_version_knows_is_refused_by_whose_it_is),
    };
    return cmocka_run_group_tests_name("growth", tests, setup, teardown);
}
