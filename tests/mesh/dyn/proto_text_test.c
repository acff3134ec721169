#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static void definitions_are_shown_as_proto_text(void **state)
{
    (void)state;
    static const struct {
        const char *symbol, *text;
    } cases[] = {
        {"dyn.test.Money", "message Money {\n"
                           "  string currency = 1;\n"
                           "  int64 minor_units = 2;\n"
                           "}\n"},
        {"dyn.test.Status", "enum Status {\n"
                            "  STATUS_UNSPECIFIED = 0;\n"
                            "  STATUS_PAID = 1;\n"
                            "  STATUS_SENT = 2 [deprecated = true];\n"
                            "}\n"},
        {"dyn.test.OrderService",
         "service OrderService {\n"
         "  rpc GetOrder(dyn.test.Order) returns (dyn.test.Order) {\n"
         "    option idempotency_level = NO_SIDE_EFFECTS;\n"
         "    option (dyn.test.policy) = { public: true deadline { seconds: 2 } };\n"
         "  }\n"
         "  rpc Watch(google.protobuf.Empty) returns (stream dyn.test.Order);\n"
         "  rpc Import(stream dyn.test.Order) returns (google.protobuf.Empty);\n"
         "  rpc Chat(stream dyn.test.Order) returns (stream dyn.test.Order) {\n"
         "    option deprecated = true;\n"
         "    option (dyn.test.policy) = { roles: \"staff\" roles: \"admin\" };\n"
         "  }\n"
         "}\n"},
        {"dyn.test.OrderService.Watch",
         "rpc Watch(google.protobuf.Empty) returns (stream dyn.test.Order);\n"},
        {"dyn.test.Order.blob",
         "bytes blob = 17 [json_name = \"binaryBlob\", (dyn.test.hint) = \"small\"];\n"},
        {"dyn.test.policy", "extend google.protobuf.MethodOptions {\n"
                            "  dyn.test.Policy policy = 50200;\n"
                            "}\n"},
    };
    mesh_dyn_pool *pool = fixture_pool();
    mesh_arena *arena = mesh_arena_create(4096, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text;
        mesh_error err;
        if (mesh_dyn_describe(pool, cases[i].symbol, arena, &text, &err) != MESH_OK)
            fail_msg("%s: %s", cases[i].symbol, err.message);
        assert_string_equal(text, cases[i].text);
    }
    mesh_arena_destroy(arena);
    mesh_dyn_pool_destroy(pool);
}

static void all_kinds_of_fields_are_shown(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "  message Line {\n",
        "  repeated dyn.test.Order.Line lines = 2;\n",
        "  map<string, int64> counts = 4;\n",
        "  map<int32, dyn.test.Order.Line> by_number = 5;\n",
        "  google.protobuf.Timestamp created = 6;\n",
        "  optional string note = 14;\n",
        "  oneof payment {\n    string card = 15;\n    dyn.test.Money cash = 16;\n  }\n  bytes",
    };
    mesh_dyn_pool *pool = fixture_pool();
    mesh_arena *arena = mesh_arena_create(4096, 0);
    const char *text;
    mesh_error err;
    assert_int_equal(mesh_dyn_describe(pool, "dyn.test.Order", arena, &text, &err), MESH_OK);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("not there: %s in\n%s", lines[i], text);
    assert_null(strstr(text, "Entry"));
    mesh_arena_destroy(arena);
    mesh_dyn_pool_destroy(pool);
}

static void unknown_symbols_are_not_found(void **state)
{
    (void)state;
    static const char *const symbols[] = {
        "", "x", "dyn.test", "dyn.test.Order.nothing", "dyn.test.OrderService.Nothing", "."};
    mesh_dyn_pool *pool = fixture_pool();
    mesh_arena *arena = mesh_arena_create(4096, 0);
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        const char *text;
        mesh_error err;
        assert_int_equal(mesh_dyn_describe(pool, symbols[i], arena, &text, &err), MESH_NOT_FOUND);
    }
    mesh_arena_destroy(arena);
    mesh_dyn_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(definitions_are_shown_as_proto_text),
        cmocka_unit_test(all_kinds_of_fields_are_shown),
        cmocka_unit_test(unknown_symbols_are_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
