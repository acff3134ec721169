/* Cases of streams, and those that look at a unary call and at a stream. */
#include <string.h>

#include "tests/interop/client.h"

enum {
    ROUNDS = 4,
    CLIENT_STREAMING_SUM = 74922
};

static const int request_sizes[ROUNDS] = {27182, 8, 1828, 45904};
static const int response_sizes[ROUNDS] = {31415, 9, 2653, 58979};

static mesh_stream *open_full_duplex(const interop_client *client, const mesh_call_options *options)
{
    mesh_stream *stream;
    mesh_error err;

    check_code(
        "FullDuplexCall",
        grpc__testing__test_service__full_duplex_call(client->channel, &stream, options, &err),
        &err, MESH_OK);
    return stream;
}

/* Sends a request that asks for one answer. */
static void ask(const interop_client *client, mesh_stream *stream, int size, int response_size)
{
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    Grpc__Testing__ResponseParameters parameters = GRPC__TESTING__RESPONSE_PARAMETERS__INIT;
    Grpc__Testing__ResponseParameters *list[] = {&parameters};

    parameters.size = response_size;
    request.payload = make_payload(client->arena, size);
    request.response_parameters = list;
    request.n_response_parameters = 1;
    CHECK(grpc__testing__test_service__full_duplex_call__send(stream, &request) == MESH_OK,
          "a request could not be sent");
}

static void expect_answer(mesh_stream *stream, int size)
{
    const Grpc__Testing__StreamingOutputCallResponse *response;

    CHECK(grpc__testing__test_service__full_duplex_call__next(stream, &response) == MESH_OK,
          "an answer is missing");
    check_payload(response->payload, size);
}

static void expect_end(mesh_stream *stream, mesh_code wanted)
{
    const Grpc__Testing__StreamingOutputCallResponse *response;
    mesh_error err;

    CHECK(grpc__testing__test_service__full_duplex_call__next(stream, &response) == MESH_EOF,
          "there is an answer more than wanted");
    check_code("FullDuplexCall", mesh_stream_finish(stream, &err), &err, wanted);
}

static void client_streaming(const interop_client *client)
{
    Grpc__Testing__StreamingInputCallRequest request =
        GRPC__TESTING__STREAMING_INPUT_CALL_REQUEST__INIT;
    Grpc__Testing__StreamingInputCallResponse *response = NULL;
    mesh_stream *stream;
    mesh_error err;

    check_code("StreamingInputCall",
               grpc__testing__test_service__streaming_input_call(
                   client->channel, &stream, &(mesh_call_options){.arena = client->arena}, &err),
               &err, MESH_OK);
    for (int i = 0; i < ROUNDS; i++) {
        request.payload = make_payload(client->arena, request_sizes[i]);
        CHECK(grpc__testing__test_service__streaming_input_call__send(stream, &request) == MESH_OK,
              "request %d could not be sent", i);
    }
    check_code("StreamingInputCall",
               grpc__testing__test_service__streaming_input_call__finish(stream, &response, &err),
               &err, MESH_OK);
    CHECK(response->aggregated_payload_size == CLIENT_STREAMING_SUM, "the sum was %d",
          response->aggregated_payload_size);
}

static void server_streaming(const interop_client *client)
{
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    Grpc__Testing__ResponseParameters parameters[ROUNDS];
    Grpc__Testing__ResponseParameters *list[ROUNDS];
    mesh_stream *stream;
    mesh_error err;

    for (int i = 0; i < ROUNDS; i++) {
        grpc__testing__response_parameters__init(&parameters[i]);
        parameters[i].size = response_sizes[i];
        list[i] = &parameters[i];
    }
    request.response_parameters = list;
    request.n_response_parameters = ROUNDS;
    check_code("StreamingOutputCall",
               grpc__testing__test_service__streaming_output_call(client->channel, &request,
                                                                  &stream, NULL, &err),
               &err, MESH_OK);
    for (int i = 0; i < ROUNDS; i++)
        expect_answer(stream, response_sizes[i]);
    expect_end(stream, MESH_OK);
}

static void ping_pong(const interop_client *client)
{
    mesh_stream *stream = open_full_duplex(client, NULL);

    for (int i = 0; i < ROUNDS; i++) {
        ask(client, stream, request_sizes[i], response_sizes[i]);
        expect_answer(stream, response_sizes[i]);
    }
    (void)mesh_stream_close_send(stream);
    expect_end(stream, MESH_OK);
}

static void empty_stream(const interop_client *client)
{
    mesh_stream *stream = open_full_duplex(client, NULL);

    (void)mesh_stream_close_send(stream);
    expect_end(stream, MESH_OK);
}

static void cancel_after_begin(const interop_client *client)
{
    mesh_stream *stream;
    mesh_error err;

    check_code(
        "StreamingInputCall",
        grpc__testing__test_service__streaming_input_call(client->channel, &stream, NULL, &err),
        &err, MESH_OK);
    mesh_stream_cancel(stream);
    check_code("StreamingInputCall", mesh_stream_finish(stream, &err), &err, MESH_CANCELLED);
}

static void cancel_after_first_response(const interop_client *client)
{
    mesh_stream *stream = open_full_duplex(client, NULL);

    ask(client, stream, request_sizes[0], response_sizes[0]);
    expect_answer(stream, response_sizes[0]);
    mesh_stream_cancel(stream);
    expect_end(stream, MESH_CANCELLED);
}

static void timeout_on_sleeping_server(const interop_client *client)
{
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    mesh_stream *stream;

    empty_stream(client); /* there is a server, which is connected to */
    stream = open_full_duplex(client, &(mesh_call_options){.timeout_ms = 1});
    request.payload = make_payload(client->arena, request_sizes[0]);
    /* may fail already, since the time is over soon */
    (void)grpc__testing__test_service__full_duplex_call__send(stream, &request);
    expect_end(stream, MESH_DEADLINE_EXCEEDED);
}

/* --- a unary call and a stream ---------------------------------------------------------------- */

static void status_code_and_message(const interop_client *client)
{
    Grpc__Testing__EchoStatus status = GRPC__TESTING__ECHO_STATUS__INIT;
    Grpc__Testing__SimpleRequest request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
    Grpc__Testing__StreamingOutputCallRequest stream_request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    Grpc__Testing__SimpleResponse *response;
    mesh_stream *stream;
    mesh_error err;

    status.code = MESH_UNKNOWN;
    status.message = "test status message";
    request.response_status = &status;
    check_code("UnaryCall",
               grpc__testing__test_service__unary_call(client->channel, &request, &response,
                                                       &(mesh_call_options){.arena = client->arena},
                                                       &err),
               &err, MESH_UNKNOWN);
    CHECK(strcmp(err.message, status.message) == 0, "UnaryCall said: %s", err.message);

    stream = open_full_duplex(client, NULL);
    stream_request.response_status = &status;
    CHECK(grpc__testing__test_service__full_duplex_call__send(stream, &stream_request) == MESH_OK,
          "a request could not be sent");
    check_code("FullDuplexCall", mesh_stream_finish(stream, &err), &err, MESH_UNKNOWN);
    CHECK(strcmp(err.message, status.message) == 0, "FullDuplexCall said: %s", err.message);
}

static const char initial_key[] = "x-grpc-test-echo-initial";
static const char initial_value[] = "test_initial_metadata_value";
static const char trailing_key[] = "x-grpc-test-echo-trailing-bin";
static const char trailing_value[] = "\x0a\x0b\x0a\x0b\x0a\x0b";

static void check_metadata(const char *call, const mesh_metadata *entries, size_t count,
                           const char *key, const char *value)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i].key, key) != 0)
            continue;
        found++;
        CHECK(entries[i].size == strlen(value) &&
                  memcmp(entries[i].value, value, entries[i].size) == 0,
              "%s: %s has another value", call, key);
    }
    CHECK(found == 1, "%s: %s came %zu times", call, key, found);
}

static void custom_metadata(const interop_client *client)
{
    const mesh_metadata sent[] = {
        {.key = initial_key, .value = initial_value, .size = sizeof initial_value - 1},
        {.key = trailing_key, .value = trailing_value, .size = sizeof trailing_value - 1},
    };
    const Grpc__Testing__SimpleRequest request = simple_request(client->arena, 1, 1);
    Grpc__Testing__SimpleResponse *response;
    mesh_metadata headers[16];
    mesh_metadata trailers[16];
    const mesh_metadata *received;
    size_t header_count = 0;
    size_t trailer_count = 0;
    mesh_call_options options = {.arena = client->arena,
                                 .metadata = sent,
                                 .metadata_count = sizeof sent / sizeof sent[0],
                                 .headers = headers,
                                 .headers_capacity = sizeof headers / sizeof headers[0],
                                 .header_count = &header_count,
                                 .trailers = trailers,
                                 .trailers_capacity = sizeof trailers / sizeof trailers[0],
                                 .trailer_count = &trailer_count};
    mesh_stream *stream;
    mesh_error err;

    check_code("UnaryCall",
               grpc__testing__test_service__unary_call(client->channel, &request, &response,
                                                       &options, &err),
               &err, MESH_OK);
    check_payload(response->payload, 1);
    check_metadata("UnaryCall", headers, header_count, initial_key, initial_value);
    check_metadata("UnaryCall", trailers, trailer_count, trailing_key, trailing_value);

    stream = open_full_duplex(client, &options);
    ask(client, stream, 1, 1);
    received = mesh_stream_headers(stream, &header_count);
    check_metadata("FullDuplexCall", received, header_count, initial_key, initial_value);
    expect_answer(stream, 1);
    (void)mesh_stream_close_send(stream);
    received = mesh_stream_trailers(stream, &trailer_count);
    check_metadata("FullDuplexCall", received, trailer_count, trailing_key, trailing_value);
    check_code("FullDuplexCall", mesh_stream_finish(stream, &err), &err, MESH_OK);
}

const interop_case stream_cases[] = {
    {"client_streaming", client_streaming, "a stream of requests"},
    {"server_streaming", server_streaming, "a stream of answers"},
    {"ping_pong", ping_pong, "requests and answers in turn"},
    {"empty_stream", empty_stream, "a stream without a message either way"},
    {"cancel_after_begin", cancel_after_begin, "cancelled before the first request"},
    {"cancel_after_first_response", cancel_after_first_response, "cancelled after an answer"},
    {"timeout_on_sleeping_server", timeout_on_sleeping_server, "a deadline that passes"},
    {"status_code_and_message", status_code_and_message, "an error with its message"},
    {"custom_metadata", custom_metadata, "metadata both ways"},
    {NULL, NULL, NULL},
};
