/*
 * Keepalive: a peer that answers PINGs keeps its silent streams, one that does not is given up. The
 * other end is made of frames by hand, which stays connected and says nothing more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "mesh/rpc/transport.h"
#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

enum {
    KEEPALIVE_MS = 100,
    TIMEOUT_MS = 2000, /* for an answer, which a busy machine may take its time for */
    /* left alone, the core stops after two on a stream without data */
    ANSWERED = 3
};

/* --- of channels ------------------------------------------------------------------------------ */

typedef struct observed {
    mesh_code code;
    sem_t ended;
} observed;

static void on_headers(mesh_tcall *call)
{
    (void)call;
}

static void on_status(mesh_tcall *call, const mesh_status *status)
{
    observed *stream = call->upper;

    stream->code = status->code;
    call->ops->release(call);
    sem_post(&stream->ended);
}

/*
 * By the transport itself, which takes any interval; the layer above wants 10 s at least. The core
 * sends one PING a second at most.
 */
static void a_channel_gives_a_stream_up_whose_pings_are_answered_no_more(void **state)
{
    static const mesh_client_events events = {.on_headers = on_headers, .on_status = on_status};
    const mesh_transport *transport = &mesh_transport_core;
    const mesh_channel_options options = {.max_receive_bytes = 1 << 20,
                                          .keepalive_ms = KEEPALIVE_MS,
                                          .keepalive_timeout_ms = TIMEOUT_MS};
    const mesh_method method = {.path = "/testing.v1.Testing/Double", .kind = MESH_BIDI_STREAMING};
    const mesh_start start = {.method = &method, .deadline_ns = MESH_NO_DEADLINE};
    static observed stream; /* sem_post may look at it after the wait */
    mesh_tchannel *channel;
    mesh_tcall *call;
    raw_client peer;
    char target[32];
    int port, listener = raw_listen(&port);

    (void)state;
    sem_init(&stream.ended, 0, 0);
    snprintf(target, sizeof target, "127.0.0.1:%d", port);
    assert_int_equal(transport->channel_create(target, &options, &channel, NULL), MESH_OK);
    call = transport->call_create(channel, &start, &events, &stream);
    assert_non_null(call);
    transport->call_start(call, &start);
    assert_true(raw_accept(&peer, listener) > 0);
    assert_true(raw_answer_pings(&peer, ANSWERED));
    assert_int_not_equal(sem_trywait(&stream.ended), 0);
    testing_wait(&stream.ended);
    assert_int_equal(stream.code, MESH_UNAVAILABLE);
    transport->channel_destroy(channel);
    sem_destroy(&stream.ended);
    raw_close(&peer);
    close(listener);
}

/* --- of servers ------------------------------------------------------------------------------- */

static void a_server_gives_a_client_up_whose_pings_are_answered_no_more(void **state)
{
    testing_service service;
    raw_client client;

    (void)state;
    testing_service_start(
        &service, TESTING_INLINE,
        &(mesh_server_options){.keepalive_ms = KEEPALIVE_MS, .keepalive_timeout_ms = TIMEOUT_MS},
        NULL);
    raw_connect(&client, mesh_server_port(service.server));
    (void)raw_request(&client, "/testing.v1.Testing/Sum", NULL, NULL, false);
    testing_wait(&service.opened);
    assert_true(raw_answer_pings(&client, ANSWERED));
    assert_int_not_equal(sem_trywait(&service.closed), 0);
    testing_wait(&service.closed);
    assert_int_equal(service.close_code, MESH_CANCELLED);
    raw_close(&client);
    testing_service_stop(&service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_gives_a_stream_up_whose_pings_are_answered_no_more),
        cmocka_unit_test(a_server_gives_a_client_up_whose_pings_are_answered_no_more),
    };

    return cmocka_run_group_tests_name("keepalive", tests, NULL, NULL);
}
