#include "mesh/base/hash.h"

#include "tests/mesh/base/test.h"

/* Values of the authors' own test suite (draft-eastlake-fnv, appendix C). */
static void hashes_are_those_of_fnv_1a(void **state)
{
    (void)state;
    assert_int_equal(mesh_hash_text(MESH_HASH_EMPTY, ""), UINT64_C(0xcbf29ce484222325));
    assert_int_equal(mesh_hash_text(MESH_HASH_EMPTY, "a"), UINT64_C(0xaf63dc4c8601ec8c));
    assert_int_equal(mesh_hash_text(MESH_HASH_EMPTY, "foobar"), UINT64_C(0x85944171f73967e8));
}

static void parts_hash_as_their_whole(void **state)
{
    uint64_t foo = mesh_hash_text(MESH_HASH_EMPTY, "foo");

    (void)state;
    assert_int_equal(mesh_hash_text(foo, "bar"), mesh_hash_text(MESH_HASH_EMPTY, "foobar"));
    assert_int_equal(mesh_hash_bytes(foo, "", 1), mesh_hash_bytes(MESH_HASH_EMPTY, "foo", 4));
    assert_int_equal(mesh_hash_bytes(foo, "bar", 0), foo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_those_of_fnv_1a),
        cmocka_unit_test(parts_hash_as_their_whole),
    };

    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
