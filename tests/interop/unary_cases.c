/* Cases of unary calls. */
#include <string.h>

#include "tests/interop/client.h"

enum {
    REQUEST_SIZE = 271828,
    RESPONSE_SIZE = 314159,
    PICK_FIRST_CALLS = 100
};

static void empty_unary(const interop_client *client)
{
    const Grpc__Testing__Empty request = GRPC__TESTING__EMPTY__INIT;
    Grpc__Testing__Empty *response;
    mesh_error err;

    check_code("EmptyCall",
               grpc__testing__test_service__empty_call(client->channel, &request, &response,
                                                       &(mesh_call_options){.arena = client->arena},
                                                       &err),
               &err, MESH_OK);
}

static void large_unary(const interop_client *client)
{
    const Grpc__Testing__SimpleRequest request = simple_request(client->arena, REQUEST_SIZE,
                                                                RESPONSE_SIZE);
    Grpc__Testing__SimpleResponse *response;
    mesh_error err;

    check_code("UnaryCall",
               grpc__testing__test_service__unary_call(client->channel, &request, &response,
                                                       &(mesh_call_options){.arena = client->arena},
                                                       &err),
               &err, MESH_OK);
    check_payload(response->payload, RESPONSE_SIZE);
}

static void special_status_message(const interop_client *client)
{
    static const char message[] =
        "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n";
    Grpc__Testing__SimpleRequest request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
    Grpc__Testing__EchoStatus status = GRPC__TESTING__ECHO_STATUS__INIT;
    Grpc__Testing__SimpleResponse *response;
    mesh_error err;

    status.code = MESH_UNKNOWN;
    status.message = (char *)(uintptr_t)message;
    request.response_status = &status;
    check_code("UnaryCall",
               grpc__testing__test_service__unary_call(client->channel, &request, &response,
                                                       &(mesh_call_options){.arena = client->arena},
                                                       &err),
               &err, MESH_UNKNOWN);
    CHECK(strcmp(err.message, message) == 0, "the message was \"%s\"", err.message);
}

static void unimplemented_method(const interop_client *client)
{
    const Grpc__Testing__Empty request = GRPC__TESTING__EMPTY__INIT;
    Grpc__Testing__Empty *response;
    mesh_error err;

    check_code("TestService/UnimplementedCall",
               grpc__testing__test_service__unimplemented_call(
                   client->channel, &request, &response,
                   &(mesh_call_options){.arena = client->arena}, &err),
               &err, MESH_UNIMPLEMENTED);
}

static void unimplemented_service(const interop_client *client)
{
    const Grpc__Testing__Empty request = GRPC__TESTING__EMPTY__INIT;
    Grpc__Testing__Empty *response;
    mesh_error err;

    check_code("UnimplementedService/UnimplementedCall",
               grpc__testing__unimplemented_service__unimplemented_call(
                   client->channel, &request, &response,
                   &(mesh_call_options){.arena = client->arena}, &err),
               &err, MESH_UNIMPLEMENTED);
}

static void pick_first_unary(const interop_client *client)
{
    Grpc__Testing__SimpleRequest request = simple_request(client->arena, 1, 1);
    Grpc__Testing__SimpleResponse *response;
    const char *first = NULL;
    mesh_error err;

    request.fill_server_id = true;
    for (int i = 0; i < PICK_FIRST_CALLS; i++) {
        check_code("UnaryCall",
                   grpc__testing__test_service__unary_call(
                       client->channel, &request, &response,
                       &(mesh_call_options){.arena = client->arena}, &err),
                   &err, MESH_OK);
        CHECK(response->server_id[0] != '\0', "the server does not say its id");
        if (first == NULL)
            first = response->server_id;
        CHECK(strcmp(response->server_id, first) == 0, "call %d went to %s, the first to %s", i,
              response->server_id, first);
    }
}

const interop_case unary_cases[] = {
    {"empty_unary", empty_unary, "an empty request and an empty answer"},
    {"large_unary", large_unary, "large payloads both ways"},
    {"special_status_message", special_status_message, "white space and Unicode in a message"},
    {"unimplemented_method", unimplemented_method, "a method that servers do not implement"},
    {"unimplemented_service", unimplemented_service, "a service that servers do not have"},
    {"pick_first_unary", pick_first_unary, "all calls go to one server"},
    {NULL, NULL, NULL},
};
