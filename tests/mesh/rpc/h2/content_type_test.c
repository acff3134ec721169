/* What a request says that it is made of: messages are protobuf here, and nothing else is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

static atomic_int opened;

static mesh_code on_open(void *self, mesh_call *call, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    atomic_fetch_add(&opened, 1);
    return MESH_OK;
}

static void only_protobuf_is_taken_for_a_call(void **state)
{
    static const struct {
        const char *type;
        bool taken;
    } cases[] = {
        {"application/grpc", true},
        {"application/grpc;charset=utf-8", true},
        {"application/grpc+proto", true},
        {"application/grpc+proto;charset=utf-8", true},
        {"application/grpc+json", false},
        {"application/grpc+protobuf", false},
        {"application/grpc+", false},
        {"application/grpc-web", false},
        {"application/grpcs", false},
        {"application/json", false},
        {"", false},
    };
    const mesh_interceptor recorder = {.name = "recorder", .on_open = on_open};
    testing_service service;

    (void)state;
    testing_service_start(&service, TESTING_INLINE,
                          MESH_OPTIONS(mesh_server_options, .transport = "h2",
                                       .interceptors = &recorder, .interceptor_count = 1),
                          NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int before = atomic_load(&opened);
        raw_client client;
        uint32_t stream;

        raw_connect(&client, mesh_server_port(service.server));
        /* behind the usual one: the last one counts */
        stream = raw_request(&client, "/testing.v1.Testing/Echo", "content-type", cases[i].type,
                             false);
        raw_message(&client, stream, false, "", 0, true);
        assert_true(raw_wait(&client, stream));
        if ((atomic_load(&opened) > before) != cases[i].taken)
            fail_msg("'%s' was %s", cases[i].type, cases[i].taken ? "refused" : "taken");
        raw_close(&client);
    }
    testing_service_stop(&service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_protobuf_is_taken_for_a_call)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
