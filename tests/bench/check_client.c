/*
 * Compares answers with what was sent, while others load the server: every method of the contract,
 * every call with content of its own. Prints what is wrong and returns 1.
 *
 *   check_client PORT unary|all [CA]
 *
 * BENCH_AUTHORIZATION, in the environment, is sent with each call as the metadata `authorization`.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/v1/echo.mesh.h"
#include "mesh/rpc/call.h"
#include "tests/bench/client.h"

enum {
    ROUNDS = 50,
    STREAM_MESSAGES = 100,
    TIMEOUT_MS = 30000,
    ARENA_BYTES = 1 << 20,
};

static const size_t sizes[] = {0, 10, 1024, 65536};

static mesh_channel *channel;
static uint8_t expected[65536];

static bool right(bool answer, const char *method, const mesh_error *err)
{
    if (!answer)
        fprintf(stderr, "%s: %s\n", method,
                err->message[0] != '\0' ? err->message : "wrong answer");
    return answer;
}

/* A payload that no other call sends. */
static Bench__V1__Payload make_payload(size_t size, unsigned seed)
{
    Bench__V1__Payload payload = BENCH__V1__PAYLOAD__INIT;

    for (size_t i = 0; i < size; i++)
        expected[i] = (uint8_t)((i + 1) * 31 + seed * 7);
    payload.body.data = expected;
    payload.body.len = size;
    return payload;
}

static bool same(const Bench__V1__Payload *a, const Bench__V1__Payload *b)
{
    return a->body.len == b->body.len &&
           (a->body.len == 0 || memcmp(a->body.data, b->body.data, a->body.len) == 0);
}

static bool same_order(const Bench__V1__Order *a, const Bench__V1__Order *b)
{
    uint8_t bytes[2][512];
    size_t size = protobuf_c_message_get_packed_size(&a->base);

    return size <= sizeof bytes[0] && size == protobuf_c_message_get_packed_size(&b->base) &&
           protobuf_c_message_pack(&a->base, bytes[0]) == size &&
           protobuf_c_message_pack(&b->base, bytes[1]) == size &&
           memcmp(bytes[0], bytes[1], size) == 0;
}

static bool check_unary(unsigned round, const mesh_call_options *options)
{
    Bench__V1__Empty empty = BENCH__V1__EMPTY__INIT, *pong;
    Bench__V1__Order order = *bench_order(), *ordered;
    Bench__V1__Payload *copied;
    mesh_error err = {0};
    char id[32];

    (void)snprintf(id, sizeof id, "order-%u", round);
    order.id = id;
    if (!right(bench__v1__echo__ping(channel, &empty, &pong, options, &err) == MESH_OK, "Ping",
               &err) ||
        !right(bench__v1__echo__call(channel, &order, &ordered, options, &err) == MESH_OK &&
                   same_order(ordered, &order),
               "Call", &err))
        return false;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Bench__V1__Payload payload = make_payload(sizes[i], round);

        if (!right(bench__v1__echo__copy(channel, &payload, &copied, options, &err) == MESH_OK &&
                       same(copied, &payload),
                   "Copy", &err))
            return false;
    }
    return true;
}

static bool check_chat(unsigned round, const mesh_call_options *options)
{
    const Bench__V1__Payload *answer;
    mesh_error err = {0};
    mesh_stream *stream;
    bool good = true;

    if (!right(bench__v1__echo__chat(channel, &stream, options, &err) == MESH_OK, "Chat", &err))
        return false;
    for (unsigned i = 0; good && i < STREAM_MESSAGES; i++) {
        Bench__V1__Payload payload = make_payload(i % 200, round + i);

        good = bench__v1__echo__chat__send(stream, &payload) == MESH_OK &&
               bench__v1__echo__chat__next(stream, &answer) == MESH_OK && same(answer, &payload);
    }
    good = mesh_stream_close_send(stream) == MESH_OK && good &&
           bench__v1__echo__chat__next(stream, &answer) == MESH_EOF;
    return right(mesh_stream_finish(stream, &err) == MESH_OK && good, "Chat", &err);
}

static bool check_upload(unsigned round, const mesh_call_options *options)
{
    Bench__V1__Amount *amount;
    mesh_error err = {0};
    mesh_stream *stream;
    uint32_t bytes = 0;

    if (!right(bench__v1__echo__upload(channel, &stream, options, &err) == MESH_OK, "Upload", &err))
        return false;
    for (unsigned i = 0; i < STREAM_MESSAGES; i++) {
        Bench__V1__Payload payload = make_payload(round + i, round);

        bytes += round + i;
        if (bench__v1__echo__upload__send(stream, &payload) != MESH_OK)
            break; /* finish says why */
    }
    return right(bench__v1__echo__upload__finish(stream, &amount, &err) == MESH_OK &&
                     amount->messages == STREAM_MESSAGES && amount->bytes == bytes,
                 "Upload", &err);
}

static bool check_download(unsigned round, const mesh_call_options *options)
{
    Bench__V1__Amount amount = BENCH__V1__AMOUNT__INIT;
    const Bench__V1__Payload *payload;
    mesh_error err = {0};
    mesh_stream *stream;
    unsigned count = 0;
    bool good = true;

    amount.messages = STREAM_MESSAGES;
    amount.bytes = STREAM_MESSAGES * (round + 1);
    if (!right(bench__v1__echo__download(channel, &amount, &stream, options, &err) == MESH_OK,
               "Download", &err))
        return false;
    while (bench__v1__echo__download__next(stream, &payload) == MESH_OK) {
        good = good && payload->body.len == round + 1;
        count++;
    }
    return right(mesh_stream_finish(stream, &err) == MESH_OK && good && count == STREAM_MESSAGES,
                 "Download", &err);
}

int main(int argc, char **argv)
{
    mesh_tls_options tls = {0};
    mesh_channel_options channel_options = {0};
    const char *token = getenv("BENCH_AUTHORIZATION");
    const mesh_metadata authorization = {"authorization", token, token != NULL ? strlen(token) : 0};
    bool streams, good = true;
    mesh_error err;
    char target[32];

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: check_client PORT unary|all [CA]\n");
        return 2;
    }
    streams = strcmp(argv[2], "all") == 0;
    if (argc == 4) {
        tls.ca_file = argv[3];
        channel_options.tls = &tls;
    }
    (void)snprintf(target, sizeof target, "127.0.0.1:%s", argv[1]);
    if (mesh_channel_create(target, &channel_options, &channel, &err) != MESH_OK) {
        fprintf(stderr, "check_client: %s\n", err.message);
        return 1;
    }
    for (unsigned round = 0; good && round < ROUNDS; round++) {
        mesh_arena *arena = mesh_arena_create(0, ARENA_BYTES);
        mesh_call_options options = {.arena = arena,
                                     .timeout_ms = TIMEOUT_MS,
                                     .metadata = &authorization,
                                     .metadata_count = token != NULL};

        good = arena != NULL && check_unary(round, &options) &&
               (!streams || (check_chat(round, &options) && check_upload(round, &options) &&
                             check_download(round, &options)));
        mesh_arena_destroy(arena);
    }
    mesh_channel_destroy(channel);
    return good ? 0 : 1;
}
