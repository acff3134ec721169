/* Cases of compression: of what the client sends, and of what the server answers. */
#include "tests/interop/client.h"

enum {
    REQUEST_SIZE = 271828,
    RESPONSE_SIZE = 314159,
    STREAM_COMPRESSED_SIZE = 27182,
    STREAM_PLAIN_SIZE = 45904,
    ANSWER_COMPRESSED_SIZE = 31415,
    ANSWER_PLAIN_SIZE = 92653
};

static Grpc__Testing__BoolValue bool_value(bool value)
{
    Grpc__Testing__BoolValue made = GRPC__TESTING__BOOL_VALUE__INIT;

    made.value = value;
    return made;
}

/* --- what the client compresses --------------------------------------------------------------- */

static void send_unary(const interop_client *client, bool expect, bool compress, mesh_code wanted)
{
    Grpc__Testing__SimpleRequest request = simple_request(client->arena, REQUEST_SIZE,
                                                          RESPONSE_SIZE);
    Grpc__Testing__BoolValue expect_compressed = bool_value(expect);
    Grpc__Testing__SimpleResponse *response;
    mesh_error err;

    request.expect_compressed = &expect_compressed;
    check_code("UnaryCall",
               grpc__testing__test_service__unary_call(
                   client->channel, &request, &response,
                   &(mesh_call_options){.arena = client->arena, .compress = compress}, &err),
               &err, wanted);
    if (wanted == MESH_OK)
        check_payload(response->payload, RESPONSE_SIZE);
}

static void client_compressed_unary_noprobe(const interop_client *client)
{
    send_unary(client, true, true, MESH_OK);
    send_unary(client, false, false, MESH_OK);
}

static void client_compressed_unary(const interop_client *client)
{
    /* a server that looks refuses this */
    send_unary(client, true, false, MESH_INVALID_ARGUMENT);
    client_compressed_unary_noprobe(client);
}

static mesh_stream *open_input(const interop_client *client, bool compress)
{
    mesh_stream *stream;
    mesh_error err;

    check_code("StreamingInputCall",
               grpc__testing__test_service__streaming_input_call(
                   client->channel, &stream,
                   &(mesh_call_options){.arena = client->arena, .compress = compress}, &err),
               &err, MESH_OK);
    return stream;
}

static mesh_code send_input(const interop_client *client, mesh_stream *stream, bool expect,
                            int size)
{
    Grpc__Testing__StreamingInputCallRequest request =
        GRPC__TESTING__STREAMING_INPUT_CALL_REQUEST__INIT;
    Grpc__Testing__BoolValue expect_compressed = bool_value(expect);

    request.expect_compressed = &expect_compressed;
    request.payload = make_payload(client->arena, size);
    return grpc__testing__test_service__streaming_input_call__send(stream, &request);
}

static void client_compressed_streaming_noprobe(const interop_client *client)
{
    Grpc__Testing__StreamingInputCallResponse *response = NULL;
    mesh_stream *stream = open_input(client, true);
    mesh_error err;

    CHECK(send_input(client, stream, true, STREAM_COMPRESSED_SIZE) == MESH_OK,
          "the compressed request could not be sent");
    mesh_stream_compress(stream, false);
    CHECK(send_input(client, stream, false, STREAM_PLAIN_SIZE) == MESH_OK,
          "the plain request could not be sent");
    check_code("StreamingInputCall",
               grpc__testing__test_service__streaming_input_call__finish(stream, &response, &err),
               &err, MESH_OK);
    CHECK(response->aggregated_payload_size == STREAM_COMPRESSED_SIZE + STREAM_PLAIN_SIZE,
          "the sum was %d", response->aggregated_payload_size);
}

static void client_compressed_streaming(const interop_client *client)
{
    Grpc__Testing__StreamingInputCallResponse *response = NULL;
    mesh_stream *stream = open_input(client, false);
    mesh_error err;

    /* a server that looks refuses this */
    (void)send_input(client, stream, true, STREAM_COMPRESSED_SIZE);
    check_code("StreamingInputCall",
               grpc__testing__test_service__streaming_input_call__finish(stream, &response, &err),
               &err, MESH_INVALID_ARGUMENT);
    client_compressed_streaming_noprobe(client);
}

/* --- what the server compresses --------------------------------------------------------------- */

static void check_compressed(bool was_compressed, bool wanted)
{
    CHECK(was_compressed == wanted, "an answer was%s compressed", was_compressed ? "" : " not");
}

static void ask_unary(const interop_client *client, bool compressed)
{
    Grpc__Testing__SimpleRequest request = simple_request(client->arena, REQUEST_SIZE,
                                                          RESPONSE_SIZE);
    Grpc__Testing__BoolValue response_compressed = bool_value(compressed);
    Grpc__Testing__SimpleResponse *response;
    bool was_compressed = false;
    mesh_error err;

    request.response_compressed = &response_compressed;
    check_code("UnaryCall",
               grpc__testing__test_service__unary_call(
                   client->channel, &request, &response,
                   MESH_OPTIONS(mesh_call_options, .arena = client->arena,
                                .was_compressed = &was_compressed),
                   &err),
               &err, MESH_OK);
    check_payload(response->payload, RESPONSE_SIZE);
    check_compressed(was_compressed, compressed);
}

static void server_compressed_unary(const interop_client *client)
{
    ask_unary(client, true);
    ask_unary(client, false);
}

static void server_compressed_streaming(const interop_client *client)
{
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    Grpc__Testing__ResponseParameters parameters[2];
    Grpc__Testing__ResponseParameters *list[2];
    Grpc__Testing__BoolValue compressed[2];
    const Grpc__Testing__StreamingOutputCallResponse *response;
    mesh_stream *stream;
    mesh_error err;

    for (int i = 0; i < 2; i++) {
        compressed[i] = bool_value(i == 0);
        grpc__testing__response_parameters__init(&parameters[i]);
        parameters[i].compressed = &compressed[i];
        parameters[i].size = i == 0 ? ANSWER_COMPRESSED_SIZE : ANSWER_PLAIN_SIZE;
        list[i] = &parameters[i];
    }
    request.response_parameters = list;
    request.n_response_parameters = 2;
    check_code("StreamingOutputCall",
               grpc__testing__test_service__streaming_output_call(client->channel, &request,
                                                                  &stream, NULL, &err),
               &err, MESH_OK);
    for (int i = 0; i < 2; i++) {
        CHECK(grpc__testing__test_service__streaming_output_call__next(stream, &response) ==
                  MESH_OK,
              "answer %d is missing", i);
        check_payload(response->payload, parameters[i].size);
        check_compressed(mesh_stream_was_compressed(stream), compressed[i].value);
    }
    check_code("StreamingOutputCall", mesh_stream_finish(stream, &err), &err, MESH_OK);
}

const interop_case compression_cases[] = {
    {"client_compressed_unary", client_compressed_unary, "a compressed request"},
    {"client_compressed_unary_noprobe", client_compressed_unary_noprobe,
     "the same where the server does not look"},
    {"client_compressed_streaming", client_compressed_streaming, "a stream, one compressed"},
    {"client_compressed_streaming_noprobe", client_compressed_streaming_noprobe,
     "the same where the server does not look"},
    {"server_compressed_unary", server_compressed_unary, "a compressed answer"},
    {"server_compressed_streaming", server_compressed_streaming, "a stream, one compressed"},
    {NULL, NULL, NULL},
};
