#include "tests/mesh/rpc/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mesh/rpc/handlers.h"

static mesh_code wait_at_gate(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                              Testing__V1__EchoResponse *response, mesh_error *err)
{
    gate *here = self;

    here->order[atomic_fetch_add(&here->handled, 1) % (int)sizeof here->order] = request->text[0];
    sem_post(&here->entered);
    testing_wait(&here->leave);
    return testing_answer(call, request, response, err);
}

static mesh_code stream_nothing(void *self, mesh_call *call, mesh_stream *stream, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)stream;
    (void)err;
    return MESH_OK;
}

void gate_open(gate *here, const mesh_server_options *options)
{
    static const testing__v1__testing__handlers handlers = {.echo = wait_at_gate,
                                                            .double_ = stream_nothing};
    mesh_server_options own = *options;

    if (own.poller_count == 0)
        own.poller_count = 1;
    sem_init(&here->entered, 0, 0);
    sem_init(&here->leave, 0, 0);
    memset(here->order, 0, sizeof here->order);
    atomic_init(&here->handled, 0);
    testing_service_serve(&here->service, testing__v1__testing__api(&handlers, here), &own, NULL);
}

void gate_close(gate *here)
{
    testing_service_stop(&here->service);
    sem_destroy(&here->entered);
    sem_destroy(&here->leave);
}

void gate_wait_for_queued(gate *here, size_t wanted)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    testing_wait_for_active(&here->service, wanted);
    /* nobody handles it: the thread that has put the others into the queue answers it */
    assert_int_equal(
        testing__v1__testing__missing(here->service.channel, &request, &response,
                                      &(mesh_call_options){.arena = here->service.arena}, NULL),
        MESH_UNIMPLEMENTED);
    testing_wait_for_active(&here->service, wanted);
}

static void ask(mesh_channel *channel, char *text, testing_asked *one, int64_t timeout_ms)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;

    request.text = text;
    testing_ask(channel, &request, &(mesh_call_options){.timeout_ms = timeout_ms}, one);
}

void gate_ask(gate *here, testing_asked *one, int64_t timeout_ms)
{
    ask(here->service.channel, "asked", one, timeout_ms);
}

void gate_ask_text(mesh_channel *channel, char *text, testing_asked *one)
{
    ask(channel, text, one, 0);
}

void gate_expect_busy(testing_asked *one)
{
    int64_t delay_ms = 0;

    assert_int_equal(testing_answer_of(one), MESH_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(one->err.message, "the service is busy"));
    assert_true(mesh_error_retry_delay(&one->err, &delay_ms));
    assert_true(delay_ms > 0);
}
