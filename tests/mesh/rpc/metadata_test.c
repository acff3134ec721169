/* Metadata both ways, for unary calls and streams, and what may be in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mesh/rpc/service.h"

/* --- handlers that answer with what they got -------------------------------------------------- */

/* As much trailing metadata in one entry. */
static mesh_code answer_large(mesh_call *call, int64_t size)
{
    char *value = mesh_arena_alloc(mesh_call_arena(call), (size_t)size);

    if (value == NULL)
        return MESH_RESOURCE_EXHAUSTED;
    memset(value, 'a', (size_t)size);
    return mesh_call_add_trailer(call, "x-large", value, (size_t)size, NULL);
}

/* Leading metadata are the caller's own "x-*", trailing the same with "t" in front. */
static void answer_metadata(mesh_call *call)
{
    size_t count;
    const mesh_metadata *all = mesh_call_metadata_all(call, &count);
    mesh_arena *arena = mesh_call_arena(call);

    for (size_t i = 0; i < count; i++) {
        if (strncmp(all[i].key, "x-", 2) != 0)
            continue;
        assert_int_equal(mesh_call_add_header(call, all[i].key, all[i].value, all[i].size, NULL),
                         MESH_OK);
        assert_int_equal(mesh_call_add_trailer(call, mesh_arena_printf(arena, "t%s", all[i].key),
                                               all[i].value, all[i].size, NULL),
                         MESH_OK);
    }
}

static mesh_code echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    (void)self;
    answer_metadata(call);
    if (request->answer_size > 0)
        return answer_large(call, request->answer_size);
    response->text = request->text;
    if (request->code != 0)
        return mesh_error_reason(err, (mesh_code)request->code, "testing.v1", "WANTED", "wanted");
    return MESH_OK;
}

static mesh_code count(void *self, mesh_call *call, const Testing__V1__CountRequest *request,
                       mesh_stream *stream, mesh_error *err)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;

    (void)self;
    answer_metadata(call);
    if (request->padding > 0)
        return answer_large(call, request->padding);
    for (int64_t i = 0; i < request->value; i++) {
        if (testing__v1__testing__count__reply(stream, &number) != MESH_OK)
            return MESH_CANCELLED;
        assert_int_equal(mesh_call_add_header(call, "x-late", "1", 1, err),
                         MESH_FAILED_PRECONDITION);
    }
    return MESH_OK;
}

static mesh_code count_open(void *self, mesh_stream *stream,
                            const Testing__V1__CountRequest *request, mesh_error *err)
{
    mesh_code code = count(self, mesh_stream_call(stream), request, stream, err);

    mesh_stream_end(stream, code, NULL);
    return MESH_OK;
}

static const testing__v1__testing__count__events count_events = {.on_open = count_open};
static const testing__v1__testing__handlers blocking = {.echo = echo, .count = count};
static const testing__v1__testing__handlers evented = {.echo__inline = echo,
                                                       .count__events = &count_events};

static testing_service service;

static int start(void **state)
{
    const testing__v1__testing__handlers *handlers = testing_style_of(state) == TESTING_WORKER
                                                         ? &blocking
                                                         : &evented;

    testing_service_serve(&service, testing__v1__testing__api(handlers, NULL), NULL, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    return 0;
}

/* --- what travels ----------------------------------------------------------------------------- */

static const uint8_t binary[] = {0, 1, 0xff, '\n', 0, 0x80};
static const mesh_metadata sent[] = {
    {"x-text", "hello world", 11},           {"x-empty", "", 0},           {"x-again", "first", 5},
    {"x-data-bin", binary, sizeof binary},   {"x-again", "second", 6},     {"x-empty-bin", NULL, 0},
    {"x-punctuation", "a=b, c; \"d\"~", 12}, {"x-key_with.all-3", "1", 1}, {"x-again", "third", 5},
};
enum {
    SENT = sizeof sent / sizeof sent[0]
};

/* The index-th entry of a key, as mesh_call_metadata counts. */
static const mesh_metadata *find(const mesh_metadata *all, size_t count, const char *key,
                                 size_t index)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].key, key) == 0 && index-- == 0)
            return &all[i];
    return NULL;
}

static void expect_all(const mesh_metadata *all, size_t count, const char *prefix)
{
    for (size_t i = 0; i < SENT; i++) {
        const mesh_metadata *got;
        size_t index = 0;
        char key[64];

        for (size_t j = 0; j < i; j++)
            index += strcmp(sent[j].key, sent[i].key) == 0;
        snprintf(key, sizeof key, "%s%s", prefix, sent[i].key);
        got = find(all, count, key, index);
        if (got == NULL)
            fail_msg("%s (%zu) is missing", key, index);
        assert_int_equal(got->size, sent[i].size);
        if (got->size > 0)
            assert_memory_equal(got->value, sent[i].value, sent[i].size);
    }
}

static void expect_nothing_of_grpcs_own(const mesh_metadata *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_not_equal(strncmp(all[i].key, "grpc-", 5), 0);
        assert_string_not_equal(all[i].key, "te");
        assert_string_not_equal(all[i].key, "content-type");
        assert_int_not_equal(all[i].key[0], ':');
    }
}

static void a_unary_call_brings_it_both_ways(void **state)
{
    static const int32_t codes[] = {MESH_OK, MESH_NOT_FOUND};
    mesh_metadata headers[32], trailers[32];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t header_count = 77, trailer_count = 77;
        mesh_call_options options = {
            .arena = service.arena,
            .metadata = sent,
            .metadata_count = SENT,
            .headers = headers,
            .headers_capacity = 32,
            .header_count = &header_count,
            .trailers = trailers,
            .trailers_capacity = 32,
            .trailer_count = &trailer_count,
        };
        Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
        Testing__V1__EchoResponse *response;
        mesh_error err;

        request.code = codes[i];
        assert_int_equal(
            testing__v1__testing__echo(service.channel, &request, &response, &options, &err),
            codes[i]);
        if (codes[i] == MESH_OK) {
            expect_all(headers, header_count, "");
            expect_nothing_of_grpcs_own(headers, header_count);
            expect_all(trailers, trailer_count, "t");
        } else {
            /* an answer without a message has its leading metadata merged into the trailing */
            assert_string_equal(err.reason, "WANTED");
            expect_all(trailers, trailer_count, "t");
        }
        expect_nothing_of_grpcs_own(trailers, trailer_count);
    }
}

static void what_has_no_room_is_left_out(void **state)
{
    size_t header_count = 0, trailer_count = 0;
    mesh_metadata headers[2], trailers[1];
    const mesh_call_options options = {
        .arena = service.arena,
        .metadata = sent,
        .metadata_count = SENT,
        .headers = headers,
        .headers_capacity = 2,
        .header_count = &header_count,
        .trailers = trailers,
        .trailers_capacity = 1,
        .trailer_count = &trailer_count,
    };
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    (void)state;
    assert_int_equal(
        testing__v1__testing__echo(service.channel, &request, &response, &options, NULL), MESH_OK);
    assert_int_equal(header_count, 2);
    assert_int_equal(trailer_count, 1);
}

static void the_counts_are_0_when_nothing_came(void **state)
{
    size_t header_count = 77, trailer_count = 77;
    mesh_metadata none[1];
    const mesh_metadata bad = {"Upper", "", 0};
    const mesh_call_options options = {
        .arena = service.arena,
        .metadata = &bad,
        .metadata_count = 1,
        .headers = none,
        .headers_capacity = 1,
        .header_count = &header_count,
        .trailers = none,
        .trailers_capacity = 1,
        .trailer_count = &trailer_count,
    };
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    (void)state;
    assert_int_equal(
        testing__v1__testing__echo(service.channel, &request, &response, &options, NULL),
        MESH_INVALID_ARGUMENT);
    assert_int_equal(header_count, 0);
    assert_int_equal(trailer_count, 0);
}

static void a_stream_brings_it_both_ways(void **state)
{
    static const int64_t messages[] = {0, 1, 5};
    const mesh_call_options options = {
        .metadata = sent, .metadata_count = SENT, .timeout_ms = 20000};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
        const mesh_metadata *all;
        mesh_stream *stream;
        mesh_error err;
        size_t size;

        request.value = messages[i];
        assert_int_equal(
            testing__v1__testing__count(service.channel, &request, &stream, &options, &err),
            MESH_OK);
        all = mesh_stream_headers(stream, &size);
        expect_all(all, size, "");
        expect_nothing_of_grpcs_own(all, size);
        assert_memory_equal(mesh_stream_header(stream, "x-again", 1)->value, "second", 6);
        assert_null(mesh_stream_header(stream, "x-again", 3));
        assert_null(mesh_stream_header(stream, "x-none", 0));
        all = mesh_stream_trailers(stream, &size);
        expect_all(all, size, "t");
        expect_nothing_of_grpcs_own(all, size);
        assert_int_equal(mesh_stream_finish(stream, &err), MESH_OK);
    }
}

/* --- what is refused -------------------------------------------------------------------------- */

static const struct {
    mesh_metadata entry;
    mesh_code code;
} entries[] = {
    {{"x-good", "good", 4}, MESH_OK},
    {{"x-good-bin", "\x00\xff", 2}, MESH_OK},
    {{"", "empty", 5}, MESH_INVALID_ARGUMENT},
    {{"X-Upper", "1", 1}, MESH_INVALID_ARGUMENT},
    {{"x space", "1", 1}, MESH_INVALID_ARGUMENT},
    {{"x\xc3\xa4", "1", 1}, MESH_INVALID_ARGUMENT},
    {{"x:colon", "1", 1}, MESH_INVALID_ARGUMENT},
    {{":path", "/elsewhere", 10}, MESH_INVALID_ARGUMENT},
    {{"grpc-timeout", "1S", 2}, MESH_INVALID_ARGUMENT},
    {{"grpc-status", "0", 1}, MESH_INVALID_ARGUMENT},
    {{"grpc-anything-bin", "1", 1}, MESH_INVALID_ARGUMENT},
    {{"te", "trailers", 8}, MESH_INVALID_ARGUMENT},
    {{"content-type", "text/plain", 10}, MESH_INVALID_ARGUMENT},
    {{"user-agent", "me", 2}, MESH_INVALID_ARGUMENT},
    {{"connection", "close", 5}, MESH_INVALID_ARGUMENT},
    {{"transfer-encoding", "chunked", 7}, MESH_INVALID_ARGUMENT},
    {{"host", "elsewhere", 9}, MESH_INVALID_ARGUMENT},
    {{"content-length", "3", 1}, MESH_INVALID_ARGUMENT},
    {{"x-line", "a\r\nb", 4}, MESH_INVALID_ARGUMENT},
    {{"x-nul", "a\0b", 3}, MESH_INVALID_ARGUMENT},
    {{"x-utf8", "\xc3\xa4", 2}, MESH_INVALID_ARGUMENT},
    {{"x-delete", "\x7f", 1}, MESH_INVALID_ARGUMENT},
};

static void a_client_may_not_send_what_is_invalid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        const mesh_call_options options = {
            .arena = service.arena, .metadata = &entries[i].entry, .metadata_count = 1};
        Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
        Testing__V1__EchoResponse *response;
        mesh_stream *stream;
        mesh_error err;
        mesh_code code;

        code = testing__v1__testing__echo(service.channel, &request, &response, &options, &err);
        if (code != entries[i].code)
            fail_msg("%s: %s", entries[i].entry.key, mesh_code_name(code));
        if (code != MESH_OK)
            assert_non_null(strstr(err.message, entries[i].entry.key));
        code = testing__v1__testing__double(service.channel, &stream, &options, &err);
        assert_int_equal(code, entries[i].code);
        if (code == MESH_OK)
            (void)mesh_stream_finish(stream, NULL);
    }
}

static mesh_code add_all(void *self, mesh_call *call, mesh_error *err)
{
    (void)err;
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        const mesh_metadata *entry = &entries[i].entry;
        mesh_code code = mesh_call_add_header(call, entry->key, entry->value, entry->size, NULL);

        if (code != entries[i].code ||
            mesh_call_add_trailer(call, entry->key, entry->value, entry->size, NULL) != code)
            return mesh_error_set(err, MESH_INTERNAL, "%s: %s", entry->key, mesh_code_name(code));
    }
    atomic_fetch_add((atomic_int *)self, 1);
    return MESH_OK;
}

static void a_server_may_not_send_what_is_invalid(void **state)
{
    atomic_int passed = 0;
    const mesh_interceptor adder = {.name = "adder", .on_open = add_all, .self = &passed};
    mesh_error err;

    (void)state;
    testing_service_serve(&service, testing__v1__testing__api(&blocking, NULL),
                          &(mesh_server_options){.interceptors = &adder, .interceptor_count = 1},
                          NULL);
    mesh_error_clear(&err);
    (void)testing_echo(&service, "try", &err);
    assert_string_equal(err.message, "");
    assert_int_equal(atomic_load(&passed), 1);
    testing_service_stop(&service);
}

static mesh_code add_many(void *self, mesh_call *call, mesh_error *err)
{
    mesh_code code = MESH_OK;
    int added;

    for (added = 0; code == MESH_OK; added++)
        code = mesh_call_add_header(call, "x-many", "1", 1, NULL);
    if (code != MESH_RESOURCE_EXHAUSTED || added != 65)
        return mesh_error_set(err, MESH_INTERNAL, "%d added, then %s", added, mesh_code_name(code));
    for (code = MESH_OK, added = 0; code == MESH_OK; added++)
        code = mesh_call_add_trailer(call, "x-many", "1", 1, NULL);
    if (code != MESH_RESOURCE_EXHAUSTED || added != 65)
        return mesh_error_set(err, MESH_INTERNAL, "%d added, then %s", added, mesh_code_name(code));
    atomic_fetch_add((atomic_int *)self, 1);
    return MESH_OK;
}

static void a_server_adds_64_entries_at_most(void **state)
{
    atomic_int passed = 0;
    const mesh_interceptor adder = {.name = "adder", .on_open = add_many, .self = &passed};
    mesh_metadata headers[100], trailers[100];
    size_t header_count = 0, trailer_count = 0;
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    (void)state;
    testing_service_serve(&service, testing__v1__testing__api(&blocking, NULL),
                          &(mesh_server_options){.interceptors = &adder, .interceptor_count = 1},
                          NULL);
    /* together with status details, compression and trace: all that a call can have */
    request.code = MESH_ABORTED;
    assert_int_equal(testing__v1__testing__echo(service.channel, &request, &response,
                                                &(mesh_call_options){
                                                    .arena = service.arena,
                                                    .compress = true,
                                                    .headers = headers,
                                                    .headers_capacity = 100,
                                                    .header_count = &header_count,
                                                    .trailers = trailers,
                                                    .trailers_capacity = 100,
                                                    .trailer_count = &trailer_count,
                                                },
                                                NULL),
                     MESH_ABORTED);
    assert_int_equal(atomic_load(&passed), 1);
    assert_in_range(header_count + trailer_count, 64, 128);
    testing_service_stop(&service);
}

static void a_client_sends_64_entries_at_most(void **state)
{
    mesh_metadata many[65];
    mesh_call_options options = {.arena = service.arena, .compress = true, .metadata = many};
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    (void)state;
    for (size_t i = 0; i < 65; i++)
        many[i] = (mesh_metadata){"y-many", "1", 1};
    options.metadata_count = 63; /* and the trace */
    assert_int_equal(
        testing__v1__testing__echo(service.channel, &request, &response, &options, NULL), MESH_OK);
    options.metadata_count = 65;
    assert_int_equal(
        testing__v1__testing__echo(service.channel, &request, &response, &options, NULL),
        MESH_RESOURCE_EXHAUSTED);
}

/* --- how much --------------------------------------------------------------------------------- */

enum {
    MOST = (12 << 10) - 32 - 7 /* of an entry "x-large" alone */
};

static mesh_code ask_for_trailers(int64_t size, mesh_metadata *trailer, size_t *count)
{
    const mesh_call_options options = {.arena = service.arena,
                                       .timeout_ms = 20000,
                                       .trailers = trailer,
                                       .trailers_capacity = 1,
                                       .trailer_count = count};
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    request.answer_size = (int32_t)size;
    return testing__v1__testing__echo(service.channel, &request, &response, &options, NULL);
}

static void a_unary_call_brings_12_kib_and_refuses_more(void **state)
{
    mesh_metadata trailer;
    size_t count = 0;

    (void)state;
    assert_int_equal(ask_for_trailers(MOST, &trailer, &count), MESH_OK);
    assert_int_equal(count, 1);
    assert_int_equal(trailer.size, MOST);
    assert_int_equal(ask_for_trailers(MOST + 1, &trailer, &count), MESH_RESOURCE_EXHAUSTED);
    assert_int_equal(testing_echo(&service, "still there", NULL), MESH_OK);
}

static mesh_code stream_trailers(int64_t size, size_t *received)
{
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    const mesh_call_options options = {.timeout_ms = 20000};
    const mesh_metadata *trailers;
    mesh_stream *stream;
    size_t count;

    request.padding = (int32_t)size;
    assert_int_equal(
        testing__v1__testing__count(service.channel, &request, &stream, &options, NULL), MESH_OK);
    trailers = mesh_stream_trailers(stream, &count);
    *received = count == 1 ? trailers[0].size : 0;
    return mesh_stream_finish(stream, NULL);
}

static void a_stream_brings_12_kib_and_refuses_more(void **state)
{
    size_t size;

    (void)state;
    assert_int_equal(stream_trailers(MOST, &size), MESH_OK);
    assert_int_equal(size, MOST);
    assert_int_equal(stream_trailers(MOST + 1, &size), MESH_RESOURCE_EXHAUSTED);
    assert_int_equal(testing_echo(&service, "still there", NULL), MESH_OK);
}

/* As much as there may be, with the largest error: peers take 16 KiB of all together. */
static mesh_code add_most(void *self, mesh_call *call, mesh_error *err)
{
    static const char large[MOST];
    char *value = mesh_arena_memdup(mesh_call_arena(call), large, sizeof large);
    char text[400];

    (void)self;
    memset(value, 'a', sizeof large);
    memset(text, '\n', sizeof text); /* three bytes each */
    text[sizeof text - 1] = '\0';
    assert_int_equal(mesh_call_add_header(call, "x-large", value, MOST / 2, NULL), MESH_OK);
    assert_int_equal(mesh_call_add_trailer(call, "x-large", value, MOST, NULL),
                     MESH_RESOURCE_EXHAUSTED);
    assert_int_equal(mesh_call_add_trailer(call, "x-large", value, MOST / 2 - 38, NULL), MESH_OK);
    (void)mesh_error_reason(err, MESH_ABORTED, "testing.v1", "WANTED", "%s", text);
    for (int i = 0; i < 30; i++)
        mesh_error_metadata(err, "padding", text);
    return MESH_ABORTED;
}

static void the_largest_error_has_room_beside_it(void **state)
{
    const mesh_interceptor adder = {.name = "adder", .on_open = add_most};
    mesh_error err;

    (void)state;
    testing_service_serve(&service, testing__v1__testing__api(&blocking, NULL),
                          &(mesh_server_options){.interceptors = &adder, .interceptor_count = 1},
                          NULL);
    assert_int_equal(testing_echo(&service, "try", &err), MESH_ABORTED);
    assert_string_equal(err.reason, "WANTED");
    testing_service_stop(&service);
}

static void a_client_sends_12_kib_at_most(void **state)
{
    static char large[MOST + 1];
    mesh_metadata entry = {.key = "y-large", .value = large}; /* which does not come back */
    const mesh_call_options options = {
        .arena = service.arena, .metadata = &entry, .metadata_count = 1};
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;
    enum {
        TRACE = 32 + 11 + 55 /* is sent, too */
    };

    (void)state;
    memset(large, 'a', sizeof large);
    entry.size = MOST - TRACE;
    assert_int_equal(
        testing__v1__testing__echo(service.channel, &request, &response, &options, NULL), MESH_OK);
    entry.size = MOST - TRACE + 1;
    assert_int_equal(
        testing__v1__testing__echo(service.channel, &request, &response, &options, NULL),
        MESH_RESOURCE_EXHAUSTED);
    assert_int_equal(testing_echo(&service, "still there", NULL), MESH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_unary_call_brings_it_both_ways),
        BOTH(a_stream_brings_it_both_ways),
        WORKER(what_has_no_room_is_left_out),
        WORKER(the_counts_are_0_when_nothing_came),
        WORKER(a_client_may_not_send_what_is_invalid),
        cmocka_unit_test(a_server_may_not_send_what_is_invalid),
        cmocka_unit_test(a_server_adds_64_entries_at_most),
        WORKER(a_client_sends_64_entries_at_most),
        BOTH(a_unary_call_brings_12_kib_and_refuses_more),
        BOTH(a_stream_brings_12_kib_and_refuses_more),
        cmocka_unit_test(the_largest_error_has_room_beside_it),
        WORKER(a_client_sends_12_kib_at_most),
    };

    return cmocka_run_group_tests_name("metadata", tests, NULL, NULL);
}
