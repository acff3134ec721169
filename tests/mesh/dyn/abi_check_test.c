#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/dyn/abi_check.h"

static void the_pinned_library_is_accepted(void **state)
{
    (void)state;
    mesh_error err;
    assert_int_equal(mesh_dyn_abi_check(&err), MESH_OK);
}

static void another_version_is_refused_with_both_names(void **state)
{
    (void)state;
    mesh_error err;
    assert_int_equal(mesh_dyn_abi_check_soname("libupb.so.", "libupb.so.30", &err),
                     MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "libupb.so.29"));
    assert_non_null(strstr(err.message, "libupb.so.30"));
}

static void a_library_that_is_not_loaded_is_refused(void **state)
{
    (void)state;
    mesh_error err;
    assert_int_equal(mesh_dyn_abi_check_soname("libnone.so.", "libnone.so.1", &err),
                     MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "not loaded"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pinned_library_is_accepted),
        cmocka_unit_test(another_version_is_refused_with_both_names),
        cmocka_unit_test(a_library_that_is_not_loaded_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
