/* Another version of the core is refused before its private symbols are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/rpc/server.h"

const char *__real_grpc_version_string(void);
const char *__wrap_grpc_version_string(void);

static const char *pretended;

const char *__wrap_grpc_version_string(void)
{
    return pretended != NULL ? pretended : __real_grpc_version_string();
}

static void another_core_is_refused(void **state)
{
    const mesh_server_options *options = MESH_OPTIONS(mesh_server_options, .listen = "127.0.0.1:0",
                                                      .transport = "core");
    mesh_server *server = NULL;
    mesh_error err = {0};

    (void)state;
    pretended = "45.0.0";
    assert_int_equal(mesh_server_create(options, &server, &err), MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "made for gRPC core 29.0.0, but 45.0.0 is loaded"));
    assert_null(server);
    pretended = NULL;
    assert_int_equal(mesh_server_create(options, &server, &err), MESH_OK);
    mesh_server_destroy(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(another_core_is_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
