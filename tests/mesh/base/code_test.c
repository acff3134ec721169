#include "mesh/base/code.h"

#include "tests/mesh/base/test.h"

static void every_code_has_its_grpc_name(void **state)
{
    static const char *const names[] = {"OK",
                                        "CANCELLED",
                                        "UNKNOWN",
                                        "INVALID_ARGUMENT",
                                        "DEADLINE_EXCEEDED",
                                        "NOT_FOUND",
                                        "ALREADY_EXISTS",
                                        "PERMISSION_DENIED",
                                        "RESOURCE_EXHAUSTED",
                                        "FAILED_PRECONDITION",
                                        "ABORTED",
                                        "OUT_OF_RANGE",
                                        "UNIMPLEMENTED",
                                        "INTERNAL",
                                        "UNAVAILABLE",
                                        "DATA_LOSS",
                                        "UNAUTHENTICATED"};
    mesh_code code;

    (void)state;
    assert_int_equal(COUNT(names), 17);
    for (int i = 0; i < 17; i++) {
        assert_string_equal(mesh_code_name((mesh_code)i), names[i]);
        assert_true(mesh_code_parse(names[i], &code));
        assert_int_equal(code, i);
    }
}

static void what_is_no_code_is_unknown(void **state)
{
    mesh_code code = MESH_ABORTED;

    (void)state;
    assert_string_equal(mesh_code_name((mesh_code)17), "UNKNOWN");
    assert_string_equal(mesh_code_name((mesh_code)-2), "UNKNOWN");
    assert_false(mesh_code_parse("ok", &code));
    assert_false(mesh_code_parse("", &code));
    assert_int_equal(code, MESH_ABORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_grpc_name),
        cmocka_unit_test(what_is_no_code_is_unknown),
    };

    return cmocka_run_group_tests_name("code", tests, NULL, NULL);
}
