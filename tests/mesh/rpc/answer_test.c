/* What no decent server answers: a status each, and the client neither waits nor falls. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

enum {
    LOAD_CALLS = 4
};

/* An answer by hand. */
typedef struct answer {
    const char *what;
    int messages;
    bool ends;
    const char *key; /* of the trailing metadata; NULL: none */
    const char *value;
    mesh_code code;  /* what it means where one message is expected */
    bool compressed; /* the messages' flag says so, and no header says how */
} answer;

static const answer answers[] = {
    {"one message", 1, true, "grpc-status", "0", MESH_OK, false},
    {"no message", 0, true, "grpc-status", "0", MESH_UNIMPLEMENTED, false},
    {"two messages", 2, true, "grpc-status", "0", MESH_UNIMPLEMENTED, false},
    {"messages without an end", 3, false, NULL, NULL, MESH_UNIMPLEMENTED, false},
    {"an error after one message", 1, true, "grpc-status", "5", MESH_NOT_FOUND, false},
    {"no status", 0, true, "grpc-message", "none", MESH_UNKNOWN, false},
    {"no status after one message", 1, true, "grpc-message", "none", MESH_UNKNOWN, false},
    {"a status that is none", 1, true, "grpc-status", "bad", MESH_UNKNOWN, false},
    {"a message compressed nobody knows how", 1, true, "grpc-status", "0", MESH_INTERNAL, true},
};

/* One call on one connection, answered so. */
typedef struct server {
    const answer *answer;
    int listener;
    char target[32];
    pthread_t thread;
    raw_client peer;
    sem_t called;
    sem_t may_answer;
    mesh_channel *channel;
    mesh_arena *arena;
} server;

static void *serve(void *argument)
{
    server *server = argument;
    uint32_t stream = raw_accept(&server->peer, server->listener);

    sem_post(&server->called);
    testing_wait(&server->may_answer);
    raw_answer(&server->peer, stream);
    for (int i = 0; i < server->answer->messages; i++)
        raw_message(&server->peer, stream, server->answer->compressed, "", 0, false);
    if (server->answer->ends)
        raw_end(&server->peer, stream, server->answer->key, server->answer->value);
    return NULL;
}

static void start_waiting(server *server, const answer *answer)
{
    int port;

    *server = (struct server){.answer = answer, .listener = raw_listen(&port)};
    sem_init(&server->called, 0, 0);
    sem_init(&server->may_answer, 0, 0);
    snprintf(server->target, sizeof server->target, "127.0.0.1:%d", port);
    assert_int_equal(mesh_channel_create(server->target, NULL, &server->channel, NULL), MESH_OK);
    server->arena = mesh_arena_create(0, 0);
    assert_non_null(server->arena);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void start(server *server, const answer *answer)
{
    start_waiting(server, answer);
    sem_post(&server->may_answer);
}

static void stop(server *server)
{
    (void)pthread_join(server->thread, NULL);
    mesh_channel_destroy(server->channel);
    mesh_arena_destroy(server->arena);
    raw_close(&server->peer);
    close(server->listener);
    sem_destroy(&server->called);
    sem_destroy(&server->may_answer);
}

static void expect(const answer *answer, mesh_code code)
{
    if (code != answer->code)
        fail_msg("%s: %s instead of %s", answer->what, mesh_code_name(code),
                 mesh_code_name(answer->code));
}

static void a_blocking_unary_call_ends_with_the_right_code(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        Testing__V1__EchoResponse *response = NULL;
        server server;

        start(&server, &answers[i]);
        expect(&answers[i],
               testing__v1__testing__echo(server.channel, &request, &response,
                                          &(mesh_call_options){.arena = server.arena}, NULL));
        assert_int_equal(response != NULL, answers[i].code == MESH_OK);
        stop(&server);
    }
}

static struct {
    sem_t done;
    mesh_code code;
} last;

static void keep_code(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                      const mesh_error *err)
{
    (void)context;
    (void)err;
    assert_int_equal(response != NULL, code == MESH_OK);
    last.code = code;
    sem_post(&last.done);
}

static void an_asynchronous_unary_call_ends_with_the_right_code(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;

    (void)state;
    sem_init(&last.done, 0, 0);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        server server;

        start(&server, &answers[i]);
        assert_int_equal(
            testing__v1__testing__echo__async(server.channel, &request, NULL, keep_code, NULL),
            MESH_OK);
        testing_wait(&last.done);
        expect(&answers[i], last.code);
        stop(&server);
    }
    sem_destroy(&last.done);
}

/* Calls that end as soon as they begin, each followed by the next: the queue is never empty. */
typedef struct load {
    mesh_channel *channel;
    mesh_call_options options;
    atomic_bool over;
    sem_t ended;
} load;

static void go_on(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                  const mesh_error *err)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    load *load = context;

    (void)code;
    (void)response;
    (void)err;
    if (atomic_load(&load->over) ||
        testing__v1__testing__echo__async(load->channel, &request, &load->options, go_on, load) !=
            MESH_OK)
        sem_post(&load->ended);
}

/* Reads the connection meanwhile, which a thread with so much to do does not. */
static void *call_in_vain(void *argument)
{
    const load *load = argument;
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;
    mesh_arena *arena = mesh_arena_create(0, 0);

    while (!atomic_load(&load->over))
        (void)testing__v1__testing__echo(load->channel, &request, &response,
                                         &(mesh_call_options){.arena = arena, .timeout_ms = 100},
                                         NULL);
    mesh_arena_destroy(arena);
    return NULL;
}

static void a_second_answer_is_found_under_load(void **state)
{
    static const answer two = {"two messages",     2,    true, "grpc-status", "0",
                               MESH_UNIMPLEMENTED, false};
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    mesh_cancel *cancel = mesh_cancel_create();
    load load = {.options = {.cancel = cancel}};
    pthread_t thread;
    server server;

    (void)state;
    assert_non_null(cancel);
    mesh_cancel_calls(cancel);
    sem_init(&last.done, 0, 0);
    sem_init(&load.ended, 0, 0);
    start_waiting(&server, &two);
    load.channel = server.channel;
    assert_int_equal(
        testing__v1__testing__echo__async(server.channel, &request, NULL, keep_code, NULL),
        MESH_OK);
    testing_wait(&server.called);
    for (int i = 0; i < LOAD_CALLS; i++)
        go_on(&load, MESH_OK, NULL, NULL);
    assert_int_equal(pthread_create(&thread, NULL, call_in_vain, &load), 0);
    sem_post(&server.may_answer);
    testing_wait(&last.done);
    atomic_store(&load.over, true);
    for (int i = 0; i < LOAD_CALLS; i++)
        testing_wait(&load.ended);
    (void)pthread_join(thread, NULL);
    expect(&two, last.code);
    mesh_cancel_destroy(cancel);
    stop(&server);
    sem_destroy(&load.ended);
    sem_destroy(&last.done);
}

static void a_stream_of_requests_ends_with_the_right_code(void **state)
{
    (void)state;
    for (int with_trailers = 0; with_trailers < 2; with_trailers++)
        for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
            Testing__V1__Number *response = NULL;
            mesh_stream *stream;
            server server;
            size_t count;

            start(&server, &answers[i]);
            assert_int_equal(testing__v1__testing__sum(server.channel, &stream,
                                                       &(mesh_call_options){.arena = server.arena},
                                                       NULL),
                             MESH_OK);
            if (with_trailers)
                (void)mesh_stream_trailers(stream, &count); /* the answer is not lost by it */
            expect(&answers[i], testing__v1__testing__sum__finish(stream, &response, NULL));
            assert_int_equal(response != NULL, answers[i].code == MESH_OK);
            stop(&server);
        }
}

/* The stream's messages are as many as they are; only its status counts. */
static void a_stream_of_answers_ends_with_its_status(void **state)
{
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        const Testing__V1__Number *number;
        mesh_stream *stream;
        server server;
        int messages = 0;
        mesh_code code;

        if (!answers[i].ends)
            continue;
        start(&server, &answers[i]);
        assert_int_equal(testing__v1__testing__count(server.channel, &request, &stream, NULL, NULL),
                         MESH_OK);
        while (testing__v1__testing__count__next(stream, &number) == MESH_OK)
            messages++;
        code = mesh_stream_finish(stream, NULL);
        if (answers[i].code == MESH_UNIMPLEMENTED || answers[i].code == MESH_OK) {
            assert_int_equal(code, MESH_OK);
            assert_int_equal(messages, answers[i].messages);
        } else {
            expect(&answers[i], code);
        }
        stop(&server);
    }
}

/* --- the server's own side ------------------------------------------------------------------- */

static void end_at_once(void *self, mesh_stream *stream)
{
    (void)self;
    mesh_stream_end(stream, MESH_OK, NULL);
}

/* As gRPC Java's servers do. */
static void a_stream_of_requests_that_ends_without_its_answer_is_internal(void **state)
{
    static const testing__v1__testing__sum__events events = {.on_end = end_at_once};
    static const testing__v1__testing__handlers handlers = {.sum__events = &events};
    Testing__V1__Number *response = NULL;
    testing_service service;
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    testing_service_serve(&service, testing__v1__testing__api(&handlers, NULL), NULL, NULL);
    assert_int_equal(testing__v1__testing__sum(service.channel, &stream,
                                               &(mesh_call_options){.arena = service.arena}, NULL),
                     MESH_OK);
    assert_int_equal(testing__v1__testing__sum__finish(stream, &response, &err), MESH_INTERNAL);
    assert_string_equal(err.message, "/testing.v1.Testing/Sum ended without its response");
    assert_null(response);
    testing_service_stop(&service);
}

static void ended(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                  const mesh_error *err)
{
    (void)response;
    (void)err;
    assert_int_equal(code, MESH_UNAVAILABLE);
    sem_post(context);
}

/* So that what a server does to one does not end the calls of the others. */
static void each_channel_has_a_connection_of_its_own(void **state)
{
    static sem_t done; /* sem_post may look at it after the wait */
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    mesh_channel *channels[2];
    raw_client peers[2];
    char target[32];
    int port;
    int listener = raw_listen(&port);

    (void)state;
    sem_init(&done, 0, 0);
    snprintf(target, sizeof target, "127.0.0.1:%d", port);
    for (size_t i = 0; i < 2; i++) {
        struct pollfd connected = {.fd = listener, .events = POLLIN};

        assert_int_equal(mesh_channel_create(target, NULL, &channels[i], NULL), MESH_OK);
        assert_int_equal(
            testing__v1__testing__echo__async(channels[i], &request, NULL, ended, &done), MESH_OK);
        assert_int_equal(poll(&connected, 1, 10000), 1);
        assert_true(raw_accept(&peers[i], listener) > 0);
    }
    for (size_t i = 0; i < 2; i++)
        raw_close(&peers[i]);
    close(listener);
    for (size_t i = 0; i < 2; i++)
        testing_wait(&done);
    for (size_t i = 0; i < 2; i++)
        mesh_channel_destroy(channels[i]);
    sem_destroy(&done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_channel_has_a_connection_of_its_own),
        cmocka_unit_test(a_blocking_unary_call_ends_with_the_right_code),
        cmocka_unit_test(an_asynchronous_unary_call_ends_with_the_right_code),
        cmocka_unit_test(a_second_answer_is_found_under_load),
        cmocka_unit_test(a_stream_of_requests_ends_with_the_right_code),
        cmocka_unit_test(a_stream_of_answers_ends_with_its_status),
        cmocka_unit_test(a_stream_of_requests_that_ends_without_its_answer_is_internal),
    };

    return cmocka_run_group_tests_name("answers", tests, NULL, NULL);
}
