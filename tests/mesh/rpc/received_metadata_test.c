/* The metadata that a channel takes, of a server made of frames by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

static sem_t answered;

static void keep_code(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                      const mesh_error *err)
{
    (void)response;
    (void)err;
    *(mesh_code *)context = code;
    sem_post(&answered);
}

/* 36 bytes each, and no promise of the server's: it is none of ours. */
static void a_client_takes_16_kib_of_metadata_and_says_when_it_was_more(void **state)
{
    static const struct {
        size_t headers;
        mesh_code code;
    } cases[] = {{400, MESH_NOT_FOUND}, {500, MESH_RESOURCE_EXHAUSTED}};

    (void)state;
    sem_init(&answered, 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
        mesh_code code = MESH_OK;
        mesh_channel *channel;
        raw_client peer;
        char target[32];
        uint32_t stream;
        int port, listener = raw_listen(&port);

        snprintf(target, sizeof target, "127.0.0.1:%d", port);
        assert_int_equal(mesh_channel_create(target, NULL, &channel, NULL), MESH_OK);
        assert_int_equal(
            testing__v1__testing__echo__async(channel, &request, NULL, keep_code, &code), MESH_OK);
        stream = raw_accept(&peer, listener);
        raw_answer_with_headers(&peer, stream, "5", cases[i].headers);
        testing_wait(&answered);
        assert_int_equal(code, cases[i].code);
        mesh_channel_destroy(channel);
        raw_close(&peer);
        close(listener);
    }
    sem_destroy(&answered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_takes_16_kib_of_metadata_and_says_when_it_was_more),
    };

    return cmocka_run_group_tests_name("received metadata", tests, NULL, NULL);
}
