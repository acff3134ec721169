/* The reasons that the runtime gives are values of the contract's enum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mesh/rpc/reason.h"
#include "mesh/v1/reason.mesh.h"

static void every_reason_is_in_the_contract_and_the_reverse(void **state)
{
    static const char *const reasons[] = {
        MESH_RPC_TOO_MANY_CALLS,    MESH_RPC_QUEUE_FULL,  MESH_RPC_CALL_MEMORY_EXCEEDED,
        MESH_RPC_MESSAGE_MALFORMED, MESH_RPC_MEMORY_FULL,
    };
    const ProtobufCEnumDescriptor *contract = &mesh__v1__error_reason__descriptor;

    (void)state;
    assert_string_equal(contract->package_name, MESH_RPC_DOMAIN);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        assert_non_null(protobuf_c_enum_descriptor_get_value_by_name(contract, reasons[i]));
    /* and the one for nothing */
    assert_int_equal(contract->n_values, sizeof reasons / sizeof reasons[0] + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_is_in_the_contract_and_the_reverse),
    };

    return cmocka_run_group_tests_name("reasons", tests, NULL, NULL);
}
