#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mesh/db/sqlstate.h"

static void every_class_has_its_code(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        mesh_code code;
    } cases[] = {
        {"23505", MESH_ALREADY_EXISTS},
        {"23503", MESH_FAILED_PRECONDITION},
        {"23514", MESH_FAILED_PRECONDITION},
        {"23502", MESH_FAILED_PRECONDITION},
        {"40002", MESH_FAILED_PRECONDITION},
        {"40001", MESH_ABORTED},
        {"40P01", MESH_ABORTED},
        {"40003", MESH_UNAVAILABLE},
        {"55P03", MESH_ABORTED},
        {"55006", MESH_INTERNAL},
        {"57014", MESH_DEADLINE_EXCEEDED},
        {"57P01", MESH_UNAVAILABLE},
        {"57P03", MESH_UNAVAILABLE},
        {"08006", MESH_UNAVAILABLE},
        {"53300", MESH_UNAVAILABLE},
        {"53100", MESH_RESOURCE_EXHAUSTED},
        {"22P02", MESH_INVALID_ARGUMENT},
        {"22001", MESH_INVALID_ARGUMENT},
        {"42P01", MESH_INTERNAL},
        {"0A000", MESH_INTERNAL},
        {"XX000", MESH_INTERNAL},
        {"", MESH_INTERNAL},
        {NULL, MESH_INTERNAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        print_message("%s\n", cases[i].sqlstate != NULL ? cases[i].sqlstate : "none");
        assert_int_equal(mesh_db_sqlstate_code(cases[i].sqlstate), cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_class_has_its_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
