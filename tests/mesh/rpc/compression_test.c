/*
 * gzip both ways. Whether a message was compressed on its way shows in which limit it runs into: a
 * compressed one passes the transport's and is refused when inflated, with a message of its own.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zlib.h>

#include <cmocka.h>

#include "tests/mesh/rpc/handlers.h"
#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

#define TOO_LARGE_INFLATED "a compressed message is too large when inflated"

enum {
    LIMIT_BYTES = 64 << 10,
    LARGE = 1 << 20
};

static testing_service service;
static atomic_bool request_was_compressed;
static atomic_uint_fast64_t numbers_compressed; /* bit n: number n was, on its way to the server */

/* The threads that inflated, and that ran a handler, last. */
static atomic_uintptr_t inflated_by, handled_by;

int __real_inflate(z_streamp stream, int flush);
int __wrap_inflate(z_streamp stream, int flush);

int __wrap_inflate(z_streamp stream, int flush)
{
    atomic_store(&inflated_by, (uintptr_t)pthread_self());
    return __real_inflate(stream, flush);
}

/* --- handlers that compress ------------------------------------------------------------------- */

static mesh_code echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    atomic_store(&request_was_compressed, mesh_call_was_compressed(call));
    atomic_store(&handled_by, (uintptr_t)pthread_self());
    mesh_call_compress(call);
    return testing_handle_echo(self, call, request, response, err);
}

/* Every third answer is compressed. */
static Testing__V1__Number answer_to(mesh_stream *stream, const Testing__V1__Number *number)
{
    Testing__V1__Number doubled = *number;

    atomic_store(&handled_by, (uintptr_t)pthread_self());
    if (mesh_stream_was_compressed(stream))
        atomic_fetch_or(&numbers_compressed, UINT64_C(1) << (number->value % 64));
    mesh_stream_compress(stream, number->value % 3 == 0);
    doubled.value *= 2;
    return doubled;
}

static mesh_code twice(void *self, mesh_call *call, mesh_stream *stream, mesh_error *err)
{
    const Testing__V1__Number *number;
    mesh_code code;

    (void)self;
    mesh_call_compress(call);
    while ((code = testing__v1__testing__double__receive(stream, &number, err)) == MESH_OK) {
        Testing__V1__Number doubled = answer_to(stream, number);

        code = testing__v1__testing__double__reply(stream, &doubled);
        if (code != MESH_OK)
            return code;
    }
    return code == MESH_EOF ? MESH_OK : code;
}

static mesh_code double_open(void *self, mesh_stream *stream, mesh_error *err)
{
    (void)self;
    (void)err;
    mesh_call_compress(mesh_stream_call(stream));
    return MESH_OK;
}

static mesh_code double_message(void *self, mesh_stream *stream, const Testing__V1__Number *number,
                                mesh_error *err)
{
    Testing__V1__Number doubled = answer_to(stream, number);

    (void)self;
    (void)err;
    return testing__v1__testing__double__try_reply(stream, &doubled);
}

static void double_end(void *self, mesh_stream *stream)
{
    (void)self;
    mesh_stream_end(stream, MESH_OK, NULL);
}

static const testing__v1__testing__double__events double_events = {
    .on_open = double_open, .on_message = double_message, .on_end = double_end};
static const testing__v1__testing__handlers blocking = {.echo = echo, .double_ = twice};
static const testing__v1__testing__handlers evented = {.echo__inline = echo,
                                                       .double__events = &double_events};

static int start(void **state)
{
    const testing__v1__testing__handlers *handlers = testing_style_of(state) == TESTING_WORKER
                                                         ? &blocking
                                                         : &evented;

    testing_service_serve(
        &service, testing__v1__testing__api(handlers, NULL),
        &(mesh_server_options){.max_receive_bytes = LIMIT_BYTES, .stream_budget_bytes = 16 << 20},
        &(mesh_channel_options){.max_receive_bytes = LIMIT_BYTES});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    return 0;
}

/* --- unary ------------------------------------------------------------------------------------ */

static bool answer_was_compressed;

static mesh_code ask(size_t text_size, int32_t answer_size, bool compress, mesh_error *err)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    char *text = calloc(1, text_size + 1);
    mesh_code code;

    assert_non_null(text);
    memset(text, 'y', text_size);
    request.text = text;
    request.answer_size = answer_size;
    mesh_error_clear(err);
    code = testing__v1__testing__echo(
        service.channel, &request, &response,
        &(mesh_call_options){
            .arena = service.arena, .compress = compress, .was_compressed = &answer_was_compressed},
        err);
    if (code == MESH_OK)
        assert_int_equal(strlen(response->text), answer_size > 0 ? (size_t)answer_size : text_size);
    free(text);
    return code;
}

static void what_is_compressed_arrives(void **state)
{
    static const size_t sizes[] = {0, 1, 100, 10000, LIMIT_BYTES - 100};
    mesh_error err;

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int compress = 0; compress < 2; compress++)
            assert_int_equal(ask(sizes[i], 0, compress, &err), MESH_OK);
}

static void the_clients_compression_is_on_the_wire(void **state)
{
    mesh_error err;

    (void)state;
    assert_int_equal(ask(LARGE, 1, true, &err), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.message, TOO_LARGE_INFLATED);
    assert_string_equal(err.reason, ""); /* as when it is too large on the wire */
    assert_int_equal(ask(LARGE, 1, false, &err), MESH_RESOURCE_EXHAUSTED);
    assert_string_not_equal(err.message, TOO_LARGE_INFLATED);
}

static void the_servers_compression_is_on_the_wire(void **state)
{
    mesh_error err;

    (void)state;
    assert_int_equal(ask(1, LARGE, false, &err), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.message, TOO_LARGE_INFLATED);
    testing_service_stop(&service);
    testing_service_start(&service, TESTING_WORKER, NULL,
                          &(mesh_channel_options){.max_receive_bytes = LIMIT_BYTES});
    assert_int_equal(ask(1, LARGE, false, &err), MESH_RESOURCE_EXHAUSTED);
    assert_string_not_equal(err.message, TOO_LARGE_INFLATED);
}

static void both_sides_are_told_what_was_compressed(void **state)
{
    mesh_error err;

    (void)state;
    for (int compress = 0; compress < 2; compress++) {
        assert_int_equal(ask(10000, 0, compress, &err), MESH_OK);
        assert_int_equal(atomic_load(&request_was_compressed), compress);
        assert_true(answer_was_compressed);
    }
    testing_service_stop(&service);
    testing_service_start(&service, TESTING_WORKER, NULL, NULL);
    assert_int_equal(ask(10000, 0, true, &err), MESH_OK);
    assert_false(answer_was_compressed);
}

/* --- streams ---------------------------------------------------------------------------------- */

static void streams_are_compressed_both_ways(void **state)
{
    static uint8_t padding[LARGE];
    const mesh_call_options options = {.compress = true, .timeout_ms = 20000};
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    const Testing__V1__Number *doubled = NULL;
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    number.padding = (ProtobufCBinaryData){.len = LIMIT_BYTES / 2, .data = padding};
    assert_int_equal(testing__v1__testing__double(service.channel, &stream, &options, &err),
                     MESH_OK);
    for (int i = 0; i < 50; i++) {
        number.value = i;
        assert_int_equal(testing__v1__testing__double__send(stream, &number), MESH_OK);
        assert_int_equal(testing__v1__testing__double__next(stream, &doubled), MESH_OK);
        assert_int_equal(doubled->value, 2 * i);
        assert_int_equal(doubled->padding.len, LIMIT_BYTES / 2);
    }
    /* larger than the server takes, once inflated */
    number.padding.len = LARGE;
    assert_int_equal(testing__v1__testing__double__send(stream, &number), MESH_OK);
    assert_int_equal(testing__v1__testing__double__next(stream, &doubled), MESH_EOF);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.message, TOO_LARGE_INFLATED);
}

/* Sends a run of numbers, every second one to be compressed, before it reads what comes back. */
static void exchange_numbers(bool compress)
{
    static uint8_t padding[2000];
    const mesh_call_options options = {.compress = compress, .timeout_ms = 20000};
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    const Testing__V1__Number *doubled = NULL;
    mesh_stream *stream;
    mesh_error err;

    atomic_store(&numbers_compressed, 0);
    number.padding = (ProtobufCBinaryData){.len = sizeof padding, .data = padding};
    assert_int_equal(testing__v1__testing__double(service.channel, &stream, &options, &err),
                     MESH_OK);
    for (int i = 0; i < 20; i++) {
        number.value = i;
        mesh_stream_compress(stream, i % 2 == 0);
        assert_int_equal(testing__v1__testing__double__send(stream, &number), MESH_OK);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(testing__v1__testing__double__next(stream, &doubled), MESH_OK);
        assert_int_equal(doubled->value, 2 * i);
        assert_int_equal(mesh_stream_was_compressed(stream), i % 3 == 0);
    }
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_OK);
}

static void each_message_of_a_stream_is_compressed_or_not(void **state)
{
    (void)state;
    exchange_numbers(true);
    assert_int_equal(atomic_load(&numbers_compressed), 0x55555);
}

static void a_stream_that_was_not_opened_so_compresses_nothing(void **state)
{
    (void)state;
    exchange_numbers(false);
    assert_int_equal(atomic_load(&numbers_compressed), 0);
}

static void a_streams_answer_too_large_when_inflated_ends_it(void **state)
{
    static uint8_t padding[LARGE];
    mesh_channel *channel;
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    const Testing__V1__Number *doubled = NULL;
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    assert_int_equal(mesh_channel_create(service.address,
                                         &(mesh_channel_options){.max_receive_bytes = 1000},
                                         &channel, &err),
                     MESH_OK);
    number.padding = (ProtobufCBinaryData){.len = LIMIT_BYTES / 2, .data = padding};
    assert_int_equal(testing__v1__testing__double(channel, &stream, NULL, &err), MESH_OK);
    assert_int_equal(testing__v1__testing__double__send(stream, &number), MESH_OK);
    assert_int_equal(testing__v1__testing__double__next(stream, &doubled), MESH_RESOURCE_EXHAUSTED);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.message, TOO_LARGE_INFLATED);
    mesh_channel_destroy(channel);
}

/* --- by hand ---------------------------------------------------------------------------------- */

static struct {
    sem_t closed;
    atomic_int code;
} last;

static void on_close(void *self, mesh_call *call, mesh_code code)
{
    (void)self;
    (void)call;
    atomic_store(&last.code, code);
    sem_post(&last.closed);
}

/* Starts a service, with a limit or the default, whose calls leave in `last` how they ended. */
static void start_recorded(raw_client *client, size_t max_receive_bytes)
{
    static const mesh_interceptor recorder = {.name = "recorder", .on_close = on_close};

    sem_init(&last.closed, 0, 0);
    testing_service_serve(&service, testing__v1__testing__api(&evented, NULL),
                          &(mesh_server_options){.max_receive_bytes = max_receive_bytes,
                                                 .interceptors = &recorder,
                                                 .interceptor_count = 1},
                          NULL);
    raw_connect(client, mesh_server_port(service.server));
}

static void stop_recorded(raw_client *client)
{
    raw_close(client);
    testing_service_stop(&service);
    sem_destroy(&last.closed);
}

static void expect_answer(raw_client *client, const void *message, size_t size, mesh_code code)
{
    static const char *const paths[] = {"/testing.v1.Testing/Echo", "/testing.v1.Testing/Double"};

    for (size_t i = 0; i < 2; i++) {
        uint32_t stream = raw_request(client, paths[i], "grpc-encoding", "gzip", false);

        raw_message(client, stream, true, message, size, true);
        assert_true(raw_wait(client, stream));
        testing_wait(&last.closed);
        assert_int_equal(atomic_load(&last.code), code);
    }
}

/* The answer's message, as it is on the wire; its size. */
static size_t read_answer(raw_client *client, uint32_t stream, uint8_t *bytes, size_t capacity)
{
    static raw_frame next;
    size_t size = 0;

    do {
        assert_true(raw_receive(client, &next));
        if (next.head.type != H2_DATA || next.head.size == 0)
            continue;
        assert_in_range(next.head.size, 1, capacity - size);
        memcpy(bytes + size, next.payload, next.head.size);
        size += next.head.size;
    } while (next.head.stream != stream || next.head.type != H2_HEADERS ||
             (next.head.flags & H2_END_STREAM) == 0);
    return size;
}

/* RFC 1950, which gRPC calls so. */
static void a_client_that_takes_deflate_alone_is_answered_in_it(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;
    uint8_t asked[16], answer[1000], inflated[5000];
    uLongf size = sizeof inflated;
    raw_client client;
    uint32_t stream;
    size_t got;

    (void)state;
    start_recorded(&client, 0);
    request.answer_size = 4000;
    stream = raw_request(&client, "/testing.v1.Testing/Echo", "grpc-accept-encoding",
                         "identity,deflate", false);
    raw_message(&client, stream, false, asked, testing__v1__echo_request__pack(&request, asked),
                true);
    got = read_answer(&client, stream, answer, sizeof answer);
    assert_in_range(got, H2_MESSAGE_HEAD_BYTES + 1, sizeof answer);
    assert_int_equal(answer[0], 1);
    assert_int_equal(
        uncompress(inflated, &size, answer + H2_MESSAGE_HEAD_BYTES, got - H2_MESSAGE_HEAD_BYTES),
        Z_OK);
    response = testing__v1__echo_response__unpack(NULL, size, inflated);
    assert_non_null(response);
    assert_int_equal(strspn(response->text, "x"), 4000);
    testing__v1__echo_response__free_unpacked(response, NULL);
    stop_recorded(&client);
}

static size_t gzip_zeros(uint8_t *out, size_t capacity, size_t count)
{
    z_stream stream = {.next_out = out, .avail_out = (uInt)capacity};
    uint8_t *zeros = calloc(1, count);
    size_t size;

    assert_non_null(zeros);
    stream.next_in = zeros;
    stream.avail_in = (uInt)count;
    assert_int_equal(
        deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY),
        Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size = stream.total_out;
    (void)deflateEnd(&stream);
    free(zeros);
    return size;
}

static long peak_kib(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* 15 KiB that inflate to 15 MiB, again and again: refused, and memory stays where it was. */
static void a_bomb_is_refused_and_costs_no_memory(void **state)
{
    static uint8_t bomb[16000];
    size_t size = gzip_zeros(bomb, sizeof bomb, 15 << 20);
    raw_client client;
    long before;

    (void)state;
    start_recorded(&client, LIMIT_BYTES);
    expect_answer(&client, bomb, size, MESH_RESOURCE_EXHAUSTED);
    before = peak_kib();
    for (int i = 0; i < 20; i++)
        expect_answer(&client, bomb, size, MESH_RESOURCE_EXHAUSTED);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_in_range(peak_kib() - before, 0, 4096);
#else
    (void)before;
#endif
    stop_recorded(&client);
}

/*
 * Inflating takes long: it must not hold up the calls of others, as what a thread of the transport
 * does would. The raw client inflates nothing.
 */
static void a_message_is_inflated_by_the_thread_of_its_handler(void **state)
{
    static const char *const paths[] = {"/testing.v1.Testing/Echo", "/testing.v1.Testing/Double"};
    uint8_t gzip[1000];
    size_t size = gzip_zeros(gzip, sizeof gzip, 0);
    raw_client client;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    for (size_t i = 0; i < 2; i++) {
        uint32_t stream = raw_request(&client, paths[i], "grpc-encoding", "gzip", false);

        atomic_store(&inflated_by, 0);
        raw_message(&client, stream, true, gzip, size, true);
        assert_true(raw_wait(&client, stream));
        assert_int_not_equal(atomic_load(&inflated_by), 0);
        assert_int_equal(atomic_load(&inflated_by), atomic_load(&handled_by));
    }
    raw_close(&client);
}

static void broken_gzip_is_an_internal_error(void **state)
{
    static const uint8_t none[] = {0};
    uint8_t gzip[1000];
    size_t size = gzip_zeros(gzip, sizeof gzip, 0);
    raw_client client;

    (void)state;
    start_recorded(&client, 0);
    expect_answer(&client, gzip, size, MESH_OK); /* an empty message is one */
    expect_answer(&client, gzip, size - 1, MESH_INTERNAL);
    expect_answer(&client, "no gzip", 7, MESH_INTERNAL);
    expect_answer(&client, none, 1, MESH_INTERNAL);
    gzip[size - 5] ^= 1; /* the checksum */
    expect_answer(&client, gzip, size, MESH_INTERNAL);
    assert_int_equal(testing_echo(&service, "still there", NULL), MESH_OK);
    stop_recorded(&client);
}

/*
 * gRPC: INTERNAL when a message's flag says so, and no grpc-encoding goes with it, or identity;
 * UNIMPLEMENTED with one that is not known, whatever the flag says. The C core takes that for none.
 */
static void a_message_compressed_nobody_knows_how_is_an_error(void **state)
{
    static const char *const paths[] = {"/testing.v1.Testing/Echo", "/testing.v1.Testing/Double"};
    static const char *const encodings[] = {NULL, "identity", "unheard-of"};
    const char *transport = getenv("MESH_SERVER");
    bool is_core = transport == NULL || strcmp(transport, "core") == 0;
    raw_client client;

    (void)state;
    start_recorded(&client, 0);
    for (size_t i = 0; i < 6; i++)
        for (int flagged = 0; flagged < 2; flagged++) {
            const char *encoding = encodings[i / 2];
            uint32_t stream = raw_request(
                &client, paths[i % 2], encoding != NULL ? "grpc-encoding" : NULL, encoding, false);

            raw_message(&client, stream, flagged, "", 0, true);
            assert_true(raw_wait(&client, stream));
            testing_wait(&last.closed);
            assert_int_equal(atomic_load(&last.code), i >= 4 && !is_core ? MESH_UNIMPLEMENTED
                                                      : flagged          ? MESH_INTERNAL
                                                                         : MESH_OK);
        }
    stop_recorded(&client);
}

/* The end may come in a frame of its own, as grpc-go sends it for streams of requests. */
static void an_empty_frame_after_a_compressed_message_is_no_part_of_it(void **state)
{
    static const char *const paths[] = {"/testing.v1.Testing/Echo", "/testing.v1.Testing/Double"};
    uint8_t gzip[1000];
    size_t size = gzip_zeros(gzip, sizeof gzip, 0);
    raw_client client;

    (void)state;
    start_recorded(&client, 0);
    for (size_t i = 0; i < 2; i++) {
        uint32_t stream = raw_request(&client, paths[i], "grpc-encoding", "gzip", false);

        raw_message(&client, stream, true, gzip, size, false);
        raw_data(&client, stream, NULL, 0, true);
        assert_true(raw_wait(&client, stream));
        testing_wait(&last.closed);
        assert_int_equal(atomic_load(&last.code), MESH_OK);
    }
    stop_recorded(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(what_is_compressed_arrives),
        BOTH(the_clients_compression_is_on_the_wire),
        BOTH(the_servers_compression_is_on_the_wire),
        BOTH(both_sides_are_told_what_was_compressed),
        BOTH(streams_are_compressed_both_ways),
        BOTH(each_message_of_a_stream_is_compressed_or_not),
        BOTH(a_stream_that_was_not_opened_so_compresses_nothing),
        BOTH(a_streams_answer_too_large_when_inflated_ends_it),
        BOTH(a_message_is_inflated_by_the_thread_of_its_handler),
        cmocka_unit_test(a_client_that_takes_deflate_alone_is_answered_in_it),
        cmocka_unit_test(a_bomb_is_refused_and_costs_no_memory),
        cmocka_unit_test(broken_gzip_is_an_internal_error),
        cmocka_unit_test(a_message_compressed_nobody_knows_how_is_an_error),
        cmocka_unit_test(an_empty_frame_after_a_compressed_message_is_no_part_of_it),
    };

    return cmocka_run_group_tests_name("compression", tests, NULL, NULL);
}
