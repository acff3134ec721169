#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static mesh_dyn_pool *pool;
static mesh_arena *arena;

static int setup(void **state)
{
    (void)state;
    pool = fixture_pool();
    arena = mesh_arena_create(4096, 0);
    return arena == NULL;
}

static int teardown(void **state)
{
    (void)state;
    mesh_dyn_pool_destroy(pool);
    mesh_arena_destroy(arena);
    return 0;
}

static bool check_symbol(void *context, const char *name)
{
    size_t *checked = context;
    const mesh_dyn_message *type = mesh_dyn_find_message(pool, name);
    if (type == NULL)
        return true;
    for (int proto_names = 0; proto_names <= 1; proto_names++) {
        const char *json = NULL;
        const uint8_t *wire;
        size_t size;
        mesh_error err;
        if (mesh_dyn_template(pool, type, proto_names, arena, &json, &err) != MESH_OK ||
            mesh_dyn_json_to_wire(pool, type, json, strlen(json), NULL, arena, &wire, &size,
                                  &err) != MESH_OK)
            fail_msg("%s: %s: %s", name, err.message, json == NULL ? "" : json);
    }
    ++*checked;
    return true;
}

static void every_template_is_a_valid_message(void **state)
{
    (void)state;
    size_t checked = 0;
    mesh_dyn_each_symbol(pool, check_symbol, &checked);
    assert_true(checked > 15);
}

static void a_template_shows_every_field_once(void **state)
{
    (void)state;
    static const struct {
        const char *type, *json;
    } cases[] = {
        {"dyn.test.Order.Line", "{\n  \"productId\": \"\",\n  \"quantity\": 0,\n  \"price\": {\n"
                                "    \"currency\": \"\",\n    \"minorUnits\": \"0\"\n  }\n}"},
        {"dyn.test.Tree",
         "{\n  \"name\": \"\",\n  \"children\": [],\n  \"left\": {},\n  \"named\": {}\n}"},
        {"dyn.test.Happened", "{\n  \"id\": \"\",\n  \"itsVersion\": \"1\",\n  \"other\": {\n"
                              "    \"id\": \"\",\n    \"itsVersion\": \"0\"\n  }\n}"},
        {"google.protobuf.Empty", "{}"},
        {"google.protobuf.Timestamp", "\"2026-01-31T12:00:00Z\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *json;
        assert_int_equal(mesh_dyn_template(pool, mesh_dyn_find_message(pool, cases[i].type), false,
                                           arena, &json, NULL),
                         MESH_OK);
        assert_string_equal(json, cases[i].json);
    }
    const char *json;
    assert_int_equal(mesh_dyn_template(pool, mesh_dyn_find_message(pool, "dyn.test.Order"), true,
                                       arena, &json, NULL),
                     MESH_OK);
    assert_non_null(strstr(json, "\"by_number\": {"));
    assert_non_null(strstr(json, "\"status\": \"STATUS_PAID\""));
    assert_non_null(strstr(json, "\"card\""));
    assert_null(strstr(json, "\"cash\"")); /* the other one of the oneof */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_template_is_a_valid_message),
        cmocka_unit_test(a_template_shows_every_field_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
