/* Names of a contract and names of C. */
#include "tests/mesh/base/test.h"

#include "mesh/plugin/names.h"

static mesh_arena *arena;

static void full_names_become_what_protoc_gen_c_makes_of_them(void **state)
{
    static const struct {
        const char *name, *type, *lower, *upper;
    } cases[] = {
        {"order.v1.OrderLine", "Order__V1__OrderLine", "order__v1__order_line",
         "ORDER__V1__ORDER_LINE"},
        {"a.HTTPRequest2", "A__HTTPRequest2", "a__httprequest2", "A__HTTPREQUEST2"},
        {"snake_case.get_it", "SnakeCase__GetIt", "snake_case__get_it", "SNAKE_CASE__GET_IT"},
        {"A_B", "AB", "a__b", "A__B"},
        {"a._x", "A__X", "a___x", "A___X"},
        {"x", "X", "x", "X"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_string_equal(names_type(arena, cases[i].name), cases[i].type);
        assert_string_equal(names_lower(arena, cases[i].name), cases[i].lower);
        assert_string_equal(names_upper(arena, cases[i].name), cases[i].upper);
    }
}

static void keywords_get_an_underscore(void **state)
{
    static const struct {
        const char *name, *member, *slot;
    } cases[] = {
        {"id", "id", "id"},
        {"Delete", "delete_", "delete_"},
        {"class", "class_", "class_"},
        {"restrict", "restrict_", "restrict_"},
        {"CO_AWAIT", "co_await_", "co__await"},
        {"GetIt", "getit", "get_it"},
        {"Static_assert", "static_assert_", "static_assert_"},
        {"size_t", "size_t_", "size_t_"},
        {"deleted", "deleted", "deleted"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_string_equal(names_member(arena, cases[i].name), cases[i].member);
        assert_string_equal(names_slot(arena, cases[i].name), cases[i].slot);
    }
}

static void paths_become_identifiers(void **state)
{
    (void)state;
    assert_string_equal(names_file(arena, "order/v1/order.proto"), "order__v1__order_proto");
    assert_string_equal(names_file(arena, "a-b/c d.proto"), "a_b__c_d_proto");
    assert_string_equal(names_file(arena, "9.proto"), "_9_proto");
    assert_string_equal(names_stem(arena, "order/v1/order.proto"), "order/v1/order");
    assert_string_equal(names_stem(arena, "x.protodevel"), "x");
    assert_string_equal(names_stem(arena, "x.txt"), "x.txt");
}

static void what_is_no_name_is_refused(void **state)
{
    static const char *const wrong[] = {"",    ".",   "a.",  ".a",  "a..b",    "9a",
                                        "a.9", "a b", "a-b", "a\"", "\xc3\xa4"};
    (void)state;
    assert_true(names_is_full("a._b9.C"));
    assert_true(names_is_identifier("_b9"));
    assert_false(names_is_identifier("a.b"));
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_false(names_is_full(wrong[i]));
        assert_false(names_is_identifier(wrong[i]));
    }
}

static int set_up(void **state)
{
    (void)state;
    arena = mesh_arena_create(4096, 0);
    return arena == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    mesh_arena_destroy(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_names_become_what_protoc_gen_c_makes_of_them),
        cmocka_unit_test(keywords_get_an_underscore),
        cmocka_unit_test(paths_become_identifiers),
        cmocka_unit_test(what_is_no_name_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
