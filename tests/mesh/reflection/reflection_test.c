/* Reflection over real calls: a server on a free port and the generated client, both versions. */
#include "mesh/reflection/reflection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "grpc/reflection/v1/reflection.mesh.h"
#include "grpc/reflection/v1alpha/reflection.mesh.h"
#include "mesh/health/health.h"
#include "mesh/rpc/channel.h"
#include "tests/fixtures/memory.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest request_type;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_type;

#define ASK(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##kind
#define ANSWER(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##kind

enum {
    CALL_LIMIT_MS = 30000
};

typedef struct fixture {
    mesh_health *health;
    mesh_reflection *reflection;
    mesh_server *server;
    mesh_channel *channel;
    mesh_method methods[2]; /* v1, and the same messages by the path of v1alpha */
} fixture;

static int set_up(void **state)
{
    static const grpc__reflection__v1__server_reflection__handlers none;
    static const grpc__reflection__v1alpha__server_reflection__handlers alpha_none;
    static fixture made;
    mesh_error err = {0};
    char target[64];
    assert_int_equal(mesh_health_create(&made.health, &err), MESH_OK);
    assert_int_equal(
        mesh_server_create(&(mesh_server_options){.listen = "127.0.0.1:0"}, &made.server, &err),
        MESH_OK);
    assert_int_equal(mesh_server_add(made.server, mesh_health_api(made.health), &err), MESH_OK);
    assert_int_equal(mesh_reflection_create(made.server, &made.reflection, &err), MESH_OK);
    assert_int_equal(mesh_server_add(made.server, mesh_reflection_api(made.reflection), &err),
                     MESH_OK);
    assert_int_equal(
        mesh_server_add(made.server, mesh_reflection_api_v1alpha(made.reflection), &err), MESH_OK);
    assert_int_equal(mesh_server_start(made.server, &err), MESH_OK);
    snprintf(target, sizeof target, "127.0.0.1:%d", mesh_server_port(made.server));
    assert_int_equal(mesh_channel_create(target, NULL, &made.channel, &err), MESH_OK);

    made.methods[0] =
        grpc__reflection__v1__server_reflection__api(&none, NULL).descriptor->methods[0];
    made.methods[1] = made.methods[0];
    made.methods[1].path = grpc__reflection__v1alpha__server_reflection__api(&alpha_none, NULL)
                               .descriptor->methods[0]
                               .path;
    *state = &made;
    return 0;
}

static int tear_down(void **state)
{
    fixture *made = *state;
    mesh_channel_destroy(made->channel);
    mesh_server_destroy(made->server);
    mesh_reflection_destroy(made->reflection);
    mesh_health_destroy(made->health);
    return 0;
}

static mesh_stream *open_stream(fixture *f, int version)
{
    mesh_stream *stream = NULL;
    mesh_error err = {0};
    assert_int_equal(mesh_stream_open(f->channel, &f->methods[version], NULL,
                                      &(mesh_call_options){.timeout_ms = CALL_LIMIT_MS}, &stream,
                                      &err),
                     MESH_OK);
    return stream;
}

/* Asks one question on a stream; the answer is valid until the next one. */
static const response_type *ask(mesh_stream *stream, const request_type *request)
{
    const response_type *response = NULL;
    assert_int_equal(
        grpc__reflection__v1__server_reflection__server_reflection_info__send(stream, request),
        MESH_OK);
    assert_int_equal(
        grpc__reflection__v1__server_reflection__server_reflection_info__next(stream, &response),
        MESH_OK);
    return response;
}

static void finish(mesh_stream *stream)
{
    const response_type *response = NULL;
    mesh_error err = {0};
    assert_int_equal(mesh_stream_close_send(stream), MESH_OK);
    assert_int_equal(
        grpc__reflection__v1__server_reflection__server_reflection_info__next(stream, &response),
        MESH_EOF);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_OK);
}

static void set_symbol(request_type *request, const char *symbol)
{
    request->message_request_case = ASK(FILE_CONTAINING_SYMBOL);
    request->file_containing_symbol = (char *)symbol;
}

/* The names of the files in an answer, in order, each followed by a space. */
static const char *files(const response_type *response)
{
    static char names[2048];
    names[0] = '\0';
    assert_int_equal(response->message_response_case, ANSWER(FILE_DESCRIPTOR_RESPONSE));
    const Grpc__Reflection__V1__FileDescriptorResponse *found = response->file_descriptor_response;
    for (size_t i = 0; i < found->n_file_descriptor_proto; i++) {
        Google__Protobuf__FileDescriptorProto *file =
            google__protobuf__file_descriptor_proto__unpack(
                NULL, found->file_descriptor_proto[i].len, found->file_descriptor_proto[i].data);
        assert_non_null(file);
        strcat(strcat(names, file->name), " ");
        google__protobuf__file_descriptor_proto__free_unpacked(file, NULL);
    }
    return names;
}

static void services_are_listed_sorted(void **state)
{
    fixture *f = *state;
    static const char *const expected[] = {
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    };
    for (int version = 0; version < 2; version++) {
        mesh_stream *stream = open_stream(f, version);
        request_type request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
        request.host = "a.host";
        request.message_request_case = ASK(LIST_SERVICES);
        request.list_services = "";
        const response_type *response = ask(stream, &request);
        assert_string_equal(response->valid_host, "a.host");
        assert_string_equal(response->original_request->host, "a.host");
        assert_int_equal(response->message_response_case, ANSWER(LIST_SERVICES_RESPONSE));
        assert_int_equal(response->list_services_response->n_service, 3);
        for (size_t i = 0; i < 3; i++)
            assert_string_equal(response->list_services_response->service[i]->name, expected[i]);
        finish(stream);
    }
}

static void symbols_are_found_with_all_imports(void **state)
{
    fixture *f = *state;
#define OPTIONS \
    "mesh/v1/options.proto google/protobuf/descriptor.proto google/protobuf/duration.proto "
#define HEALTH "grpc/health/v1/health.proto " OPTIONS
#define DESCRIPTOR "google/protobuf/descriptor.proto "
    static const struct {
        const char *symbol, *files; /* NULL: NOT_FOUND */
    } cases[] = {
        {"grpc.health.v1.Health", HEALTH},
        {"grpc.health.v1.Health.Check", HEALTH},
        {"grpc.health.v1.HealthCheckRequest", HEALTH},
        {"grpc.health.v1.HealthCheckRequest.service", HEALTH},
        {"grpc.health.v1.HealthCheckResponse.ServingStatus", HEALTH},
        {"grpc.health.v1.HealthCheckResponse.SERVING", HEALTH},
        {"grpc.reflection.v1alpha.ServerReflectionRequest.message_request",
         "grpc/reflection/v1alpha/reflection.proto " OPTIONS},
        {"mesh.v1.method", OPTIONS},
        {"mesh.v1.MethodOptions.deadline", OPTIONS},
        {"google.protobuf.FieldDescriptorProto.Type", DESCRIPTOR},
        {"google.protobuf.FieldDescriptorProto.TYPE_STRING", DESCRIPTOR},
        {"google.protobuf.Duration", "google/protobuf/duration.proto "},
        {"google.rpc.BadRequest", "google/rpc/error_details.proto google/protobuf/duration.proto "},
        {"", NULL},
        {"grpc.health.v1", NULL},
        {"grpc.health.v1.health", NULL},
        {".grpc.health.v1.Health", NULL},
        {"grpc.health.v1.Health.", NULL},
        {"order.v1.OrderService", NULL},
        {"zzz", NULL},
    };
    for (int version = 0; version < 2; version++) {
        mesh_stream *stream = open_stream(f, version);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            request_type request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
            set_symbol(&request, cases[i].symbol);
            const response_type *response = ask(stream, &request);
            assert_string_equal(response->original_request->file_containing_symbol,
                                cases[i].symbol);
            if (cases[i].files != NULL) {
                assert_string_equal(files(response), cases[i].files);
            } else {
                assert_int_equal(response->message_response_case, ANSWER(ERROR_RESPONSE));
                assert_int_equal(response->error_response->error_code, MESH_NOT_FOUND);
                assert_string_equal(response->error_response->error_message, "no such symbol");
            }
        }
        finish(stream);
    }
}

static void files_are_found_by_name(void **state)
{
    fixture *f = *state;
    mesh_stream *stream = open_stream(f, 0);
    request_type request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    request.message_request_case = ASK(FILE_BY_FILENAME);
    request.file_by_filename = "mesh/v1/options.proto";
    assert_string_equal(files(ask(stream, &request)), OPTIONS);
    request.file_by_filename = "google/protobuf/descriptor.proto";
    assert_string_equal(files(ask(stream, &request)), DESCRIPTOR);
    request.file_by_filename = "no/such.proto";
    const response_type *response = ask(stream, &request);
    assert_int_equal(response->message_response_case, ANSWER(ERROR_RESPONSE));
    assert_int_equal(response->error_response->error_code, MESH_NOT_FOUND);
    finish(stream);
}

static void extensions_are_found(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *type;
        int number;
        bool found;
    } cases[] = {
        {"google.protobuf.MethodOptions", 50100, true},
        {"google.protobuf.MessageOptions", 50101, true},
        {"google.protobuf.EnumOptions", 50102, true},
        {"google.protobuf.EnumOptions", 50104, true},
        {"google.protobuf.MethodOptions", 50101, false},
        {"google.protobuf.MethodOptions", -1, false},
        {"grpc.health.v1.Health", 1, false},
        {"", 0, false},
    };
    mesh_stream *stream = open_stream(f, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        request_type request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
        Grpc__Reflection__V1__ExtensionRequest extension =
            GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
        extension.containing_type = (char *)cases[i].type;
        extension.extension_number = cases[i].number;
        request.message_request_case = ASK(FILE_CONTAINING_EXTENSION);
        request.file_containing_extension = &extension;
        const response_type *response = ask(stream, &request);
        if (cases[i].found)
            assert_string_equal(files(response), OPTIONS);
        else
            assert_int_equal(response->error_response->error_code, MESH_NOT_FOUND);
    }
    finish(stream);
}

static void extension_numbers_are_listed(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *type;
        int count; /* -1: no such message */
        int first;
    } cases[] = {
        {"google.protobuf.MethodOptions", 1, 50100},
        {"google.protobuf.EnumOptions", 3, 50102},
        {"grpc.health.v1.HealthCheckRequest", 0, 0},
        {"grpc.health.v1.Health", -1, 0},
        {"grpc.health.v1.HealthCheckRequest.service", -1, 0},
        {"no.such.Message", -1, 0},
    };
    mesh_stream *stream = open_stream(f, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        request_type request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
        request.message_request_case = ASK(ALL_EXTENSION_NUMBERS_OF_TYPE);
        request.all_extension_numbers_of_type = (char *)cases[i].type;
        const response_type *response = ask(stream, &request);
        if (cases[i].count < 0) {
            assert_int_equal(response->message_response_case, ANSWER(ERROR_RESPONSE));
            assert_int_equal(response->error_response->error_code, MESH_NOT_FOUND);
            continue;
        }
        assert_int_equal(response->message_response_case, ANSWER(ALL_EXTENSION_NUMBERS_RESPONSE));
        const Grpc__Reflection__V1__ExtensionNumberResponse *numbers =
            response->all_extension_numbers_response;
        assert_string_equal(numbers->base_type_name, cases[i].type);
        assert_int_equal(numbers->n_extension_number, cases[i].count);
        if (cases[i].count > 0)
            assert_int_equal(numbers->extension_number[0], cases[i].first);
    }
    finish(stream);
}

static void asking_nothing_is_an_invalid_argument(void **state)
{
    fixture *f = *state;
    mesh_stream *stream = open_stream(f, 0);
    request_type request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    const response_type *response = ask(stream, &request);
    assert_int_equal(response->message_response_case, ANSWER(ERROR_RESPONSE));
    assert_int_equal(response->error_response->error_code, MESH_INVALID_ARGUMENT);
    finish(stream);
}

/* The answers, some 20 KB each, do not all fit into what may wait to be sent. */
static void answers_come_in_the_order_of_the_questions(void **state)
{
    enum {
        QUESTIONS = 200
    };
    fixture *f = *state;
    mesh_stream *stream = open_stream(f, 0);
    request_type request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    char host[32];
    set_symbol(&request, "grpc.health.v1.Health");
    request.host = host;
    for (int i = 0; i < QUESTIONS; i++) {
        snprintf(host, sizeof host, "%d", i);
        assert_int_equal(
            grpc__reflection__v1__server_reflection__server_reflection_info__send(stream, &request),
            MESH_OK);
    }
    assert_int_equal(mesh_stream_close_send(stream), MESH_OK);
    for (int i = 0; i < QUESTIONS; i++) {
        const response_type *response = NULL;
        assert_int_equal(grpc__reflection__v1__server_reflection__server_reflection_info__next(
                             stream, &response),
                         MESH_OK);
        assert_int_equal(atoi(response->valid_host), i);
        assert_string_equal(files(response), HEALTH);
    }
    mesh_error err = {0};
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_OK);
}

/* It has its error, although it reads nothing before it has sent all: more than any window. */
static void client_that_does_not_read_is_stopped(void **state)
{
    enum {
        QUESTIONS = 30000
    };
    fixture *f = *state;
    mesh_stream *stream = open_stream(f, 0);
    request_type request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    char host[1000] = {0};
    set_symbol(&request, "grpc.health.v1.Health");
    request.host = memset(host, 'h', sizeof host - 1);
    mesh_code code = MESH_OK;
    for (int i = 0; i < QUESTIONS && code == MESH_OK; i++)
        code = grpc__reflection__v1__server_reflection__server_reflection_info__send(stream,
                                                                                     &request);
    mesh_error err = {0};
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_RESOURCE_EXHAUSTED);
}

#define OLD_FILE_CONTAINING_SYMBOL \
    GRPC__REFLECTION__V1ALPHA__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL

static void old_clients_have_their_own_names(void **state)
{
    fixture *f = *state;
    mesh_stream *stream = NULL;
    mesh_error err = {0};
    Grpc__Reflection__V1alpha__ServerReflectionRequest request =
        GRPC__REFLECTION__V1ALPHA__SERVER_REFLECTION_REQUEST__INIT;
    const Grpc__Reflection__V1alpha__ServerReflectionResponse *response = NULL;
    request.message_request_case = OLD_FILE_CONTAINING_SYMBOL;
    request.file_containing_symbol = "grpc.health.v1.Health";
    assert_int_equal(
        grpc__reflection__v1alpha__server_reflection__server_reflection_info(
            f->channel, &stream, &(mesh_call_options){.timeout_ms = CALL_LIMIT_MS}, &err),
        MESH_OK);
    assert_int_equal(grpc__reflection__v1alpha__server_reflection__server_reflection_info__send(
                         stream, &request),
                     MESH_OK);
    assert_int_equal(grpc__reflection__v1alpha__server_reflection__server_reflection_info__next(
                         stream, &response),
                     MESH_OK);
    assert_int_equal(response->file_descriptor_response->n_file_descriptor_proto, 4);
    finish(stream);
}

static mesh_code make_reflection(void *server)
{
    mesh_reflection *reflection = NULL;
    mesh_error err = {0};
    mesh_code code = mesh_reflection_create(server, &reflection, &err);
    mesh_reflection_destroy(reflection);
    return code;
}

static void out_of_memory_is_an_error(void **state)
{
    mesh_server *server = NULL; /* not started, so that no other thread allocates */
    mesh_error err = {0};
    (void)state;
    assert_int_equal(
        mesh_server_create(&(mesh_server_options){.listen = "127.0.0.1:0"}, &server, &err),
        MESH_OK);
    assert_true(memory_fail_in_turn(make_reflection, server) > 0);
    mesh_server_destroy(server);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(services_are_listed_sorted),
        SERVED(symbols_are_found_with_all_imports),
        SERVED(files_are_found_by_name),
        SERVED(extensions_are_found),
        SERVED(extension_numbers_are_listed),
        SERVED(asking_nothing_is_an_invalid_argument),
        SERVED(answers_come_in_the_order_of_the_questions),
        SERVED(client_that_does_not_read_is_stopped),
        SERVED(old_clients_have_their_own_names),
        cmocka_unit_test(out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
