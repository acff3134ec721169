#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static mesh_dyn_pool *pool;
static mesh_arena *arena;

static int setup(void **state)
{
    (void)state;
    pool = fixture_pool();
    arena = mesh_arena_create(64 * 1024, 0);
    return arena == NULL;
}

static int teardown(void **state)
{
    (void)state;
    mesh_dyn_pool_destroy(pool);
    mesh_arena_destroy(arena);
    return 0;
}

static mesh_code there_and_back(const char *json, const mesh_dyn_json_options *options,
                                const char **again, mesh_error *err)
{
    const mesh_dyn_message *order = mesh_dyn_find_message(pool, "dyn.test.Order");
    const uint8_t *wire;
    size_t wire_size, size;
    mesh_code code = mesh_dyn_json_to_wire(pool, order, json, strlen(json), options, arena, &wire,
                                           &wire_size, err);
    if (code == MESH_OK)
        code = mesh_dyn_wire_to_json(pool, order, wire, wire_size, options, arena, again, &size,
                                     err);
    if (code == MESH_OK)
        assert_int_equal(strlen(*again), size);
    return code;
}

static void json_survives_the_wire(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* NULL: the same */
    } cases[] = {
        {"", "{}"},
        {" \n", "{}"},
        {"{}", NULL},
        {"{\"id\":\"o-1\",\"lines\":[{\"productId\":\"p\",\"quantity\":2,\"price\":{\"currency\":"
         "\"EUR\",\"minorUnits\":\"9999\"}},{\"quantity\":-1}]}",
         NULL},
        {"{\"lines\":[{\"product_id\":\"p\"}]}", "{\"lines\":[{\"productId\":\"p\"}]}"},
        {"{\"status\":\"STATUS_PAID\"}", NULL},
        {"{\"status\":2}", "{\"status\":\"STATUS_SENT\"}"},
        {"{\"status\":77}", NULL},
        {"{\"counts\":{\"a\":1}}", "{\"counts\":{\"a\":\"1\"}}"},
        {"{\"byNumber\":{\"7\":{\"quantity\":7}}}", NULL},
        {"{\"created\":\"2026-11-21T08:15:30.120Z\"}", NULL},
        {"{\"created\":\"2026-11-21T10:15:30+02:00\"}", "{\"created\":\"2026-11-21T08:15:30Z\"}"},
        {"{\"wait\":\"-1.500s\"}", NULL},
        {"{\"mask\":\"id,lines.productId\"}", NULL},
        {"{\"extra\":{\"a\":[1,\"x\",true,null,{\"b\":{}}]}}", NULL},
        {"{\"value\":null}", NULL},
        {"{\"list\":[1,[2]]}", NULL},
        {"{\"nick\":\"\",\"wrapped\":\"5\"}", NULL},
        {"{\"note\":\"\"}", NULL},
        {"{\"card\":\"\"}", NULL},
        {"{\"binaryBlob\":\"AP8=\"}", NULL},
        {"{\"weight\":\"Infinity\",\"ratio\":0.1}", NULL},
        {"{\"weight\":1e300,\"big\":\"18446744073709551615\",\"gift\":true}",
         "{\"weight\":1e+300,\"big\":\"18446744073709551615\",\"gift\":true}"},
        {"{\"id\":null,\"numbers\":[1,-2,3]}", "{\"numbers\":[1,-2,3]}"},
        {"{\"id\":\"\\u00e4\\ud83d\\ude00\\n\\u0001\"}",
         "{\"id\":\"\xc3\xa4\xf0\x9f\x98\x80\\n\\u0001\"}"},
        {"{\"detail\":{\"@type\":\"type.googleapis.com/dyn.test.Money\",\"currency\":\"EUR\"}}",
         NULL},
        {"{\"detail\":{\"currency\":\"EUR\",\"@type\":\"type.googleapis.com/dyn.test.Money\"}}",
         "{\"detail\":{\"@type\":\"type.googleapis.com/dyn.test.Money\",\"currency\":\"EUR\"}}"},
        {"{\"detail\":{\"@type\":\"type.googleapis.com/google.protobuf.Duration\","
         "\"value\":\"2s\"}}",
         NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *again = NULL;
        mesh_error err;
        const char *want = cases[i].out == NULL ? cases[i].in : cases[i].out;
        if (there_and_back(cases[i].in, NULL, &again, &err) != MESH_OK)
            fail_msg("%s: %s", cases[i].in, err.message);
        assert_string_equal(again, want);
    }
}

static void options_choose_the_form(void **state)
{
    (void)state;
    const char *in = "{\"lines\":[{\"productId\":\"p\"}],\"status\":1,\"unknown\":[{}]}";
    const char *out = NULL;
    mesh_error err;
    assert_int_equal(
        there_and_back(in, &(mesh_dyn_json_options){.ignore_unknown = true}, &out, &err), MESH_OK);
    assert_string_equal(out, "{\"lines\":[{\"productId\":\"p\"}],\"status\":\"STATUS_PAID\"}");
    assert_int_equal(there_and_back(in,
                                    &(mesh_dyn_json_options){.ignore_unknown = true,
                                                             .proto_names = true,
                                                             .enum_numbers = true},
                                    &out, &err),
                     MESH_OK);
    assert_string_equal(out, "{\"lines\":[{\"product_id\":\"p\"}],\"status\":1}");
    assert_int_equal(there_and_back(in,
                                    &(mesh_dyn_json_options){.ignore_unknown = true, .indent = 2},
                                    &out, &err),
                     MESH_OK);
    assert_string_equal(out, "{\n  \"lines\": [\n    {\n      \"productId\": \"p\"\n    }\n  ],\n"
                             "  \"status\": \"STATUS_PAID\"\n}");
    assert_int_equal(
        there_and_back("{}", &(mesh_dyn_json_options){.emit_defaults = true}, &out, &err), MESH_OK);
    assert_non_null(strstr(out, "\"id\":\"\""));
    assert_non_null(strstr(out, "\"lines\":[]"));
    assert_non_null(strstr(out, "\"status\":\"STATUS_UNSPECIFIED\""));
    assert_null(strstr(out, "note")); /* has presence */
}

static void a_mistake_is_placed_and_its_field_named(void **state)
{
    (void)state;
    static const struct {
        const char *json, *message, *field;
    } cases[] = {
        {"{\"id\":5}", "1:7: id: ", "id"},
        {"{\"id\":\"x\",\n \"lines\":[{},\n  {\"quantity\":\"many\"}]}",
         "3:15: lines[1].quantity: ", "lines[1].quantity"},
        {"{\"lines\":[{\"pruduct\":1}]}",
         "1:12: lines[0].pruduct: No such field: pruduct; there are productId, quantity, price",
         "lines[0].pruduct"},
        {"{\"byNumber\":{\"7\":{\"x\":1}}}",
         "byNumber.7.x: No such field: x; there are productId, quantity, price", "byNumber.7.x"},
        {"{\"nothing\":1}", "nothing: No such field: nothing; there are id, lines, status, ",
         "nothing"},
        {"{\"status\":\"NOPE\"}", "1:11: status: ", "status"},
        {"{\"created\":\"yesterday\"}", "1:12: created: Malformed timestamp", "created"},
        {"{\"counts\":{\"a\":\"b\"}}", "1:16: counts.a: ", "counts.a"},
        {"{\"id\":\"a\" \"b\":1}", "1:11: id: expected ',' or '}'", "id"},
        {"{\"card\":\"x\",\"cash\":{}}", "cash: More than one field for this oneof", "cash"},
        {"{\"id\":\"x\"} {}", "1:12: ", NULL},
        {"{\"id\":\"x", "1:9: id: the string does not end", "id"},
        {"[]", "1:1: ", NULL},
        {"{\"numbers\":[1,99999999999]}", "1:15: numbers[1]: ", "numbers[1]"},
        {"{\"binaryBlob\":\"***\"}", "1:15: binaryBlob: ", "binaryBlob"},
        {"{\"detail\":{\"@type\":\"type.googleapis.com/no.Such\"}}", "detail.@type: ", NULL},
        {"{\"detail\":{\"a\":1}}", "detail", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *again;
        mesh_error err;
        mesh_error_violation violation;
        assert_int_equal(there_and_back(cases[i].json, NULL, &again, &err), MESH_INVALID_ARGUMENT);
        if (strstr(err.message, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].json, err.message);
        if (cases[i].field == NULL)
            continue;
        assert_true(mesh_error_violation_at(&err, 0, &violation));
        assert_int_equal(violation.field_size, strlen(cases[i].field));
        assert_memory_equal(violation.field, cases[i].field, violation.field_size);
    }
}

/* `count` levels of one kind around "x". */
static char *nested(const char *open, const char *close, unsigned count)
{
    char *text = malloc(count * (strlen(open) + strlen(close)) + 4);
    assert_non_null(text);
    char *at = text;
    for (unsigned i = 0; i < count; i++)
        at = stpcpy(at, open);
    at = stpcpy(at, "{}");
    for (unsigned i = 0; i < count; i++)
        at = stpcpy(at, close);
    return text;
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    const mesh_dyn_message *tree = mesh_dyn_find_message(pool, "dyn.test.Tree");
    const uint8_t *wire;
    size_t size;
    mesh_error err;
    static const struct {
        const char *open, *close;
        unsigned count;
        mesh_code code;
    } cases[] = {
        {"{\"left\":", "}", 60, MESH_OK},
        {"{\"left\":", "}", 64, MESH_INVALID_ARGUMENT},
        {"{\"left\":", "}", 100000, MESH_INVALID_ARGUMENT},
        {"{\"children\":[", "]}", 30, MESH_OK},
        {"{\"children\":[", "]}", 33, MESH_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *json = nested(cases[i].open, cases[i].close, cases[i].count);
        assert_int_equal(
            mesh_dyn_json_to_wire(pool, tree, json, strlen(json), NULL, arena, &wire, &size, &err),
            cases[i].code);
        free(json);
    }

    /* Structs double their levels on the wire: too deep there is an error as well, not a crash. */
    const mesh_dyn_message *structure = mesh_dyn_find_message(pool, "google.protobuf.Struct");
    char *json = nested("{\"a\":", "}", 62);
    assert_int_equal(
        mesh_dyn_json_to_wire(pool, structure, json, strlen(json), NULL, arena, &wire, &size, &err),
        MESH_INVALID_ARGUMENT);
    free(json);
    json = nested(
        "{\"@type\":\"type.googleapis.com/google.protobuf.Struct\",\"value\":{\"a\":", "}}", 16);
    const mesh_dyn_message *any = mesh_dyn_find_message(pool, "google.protobuf.Any");
    assert_int_equal(
        mesh_dyn_json_to_wire(pool, any, json, strlen(json), NULL, arena, &wire, &size, &err),
        MESH_INVALID_ARGUMENT);
    free(json);
}

/* Any in Any in Any ..., as a hostile peer would send it; each level is wrapped from behind. */
static void an_any_in_an_any_is_bounded(void **state)
{
    (void)state;
    static const char url[] = "type.googleapis.com/google.protobuf.Any";
    enum {
        LEVELS = 3000,
        HEAD = 2 + sizeof url - 1 + 4,
        BYTES = LEVELS * HEAD
    };
    uint8_t *buffer = malloc(BYTES);
    assert_non_null(buffer);
    uint8_t *at = buffer + BYTES;
    for (unsigned i = 0; i < LEVELS; i++) {
        size_t size = (size_t)(buffer + BYTES - at);
        *--at = (uint8_t)(size >> 14);
        *--at = (uint8_t)(size >> 7 | 0x80);
        *--at = (uint8_t)(size | 0x80);
        *--at = 0x12;
        at -= sizeof url - 1;
        memcpy(at, url, sizeof url - 1);
        *--at = sizeof url - 1;
        *--at = 0x0a;
    }
    const char *json;
    size_t size;
    mesh_error err;
    assert_int_equal(mesh_dyn_wire_to_json(pool, mesh_dyn_find_message(pool, "google.protobuf.Any"),
                                           at, (size_t)(buffer + BYTES - at), NULL, arena, &json,
                                           &size, &err),
                     MESH_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "nested too deep"));
    free(buffer);
}

static void what_json_cannot_express_is_an_error_with_its_field(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        size_t size;
        const char *message;
    } cases[] = {
        {"\x32\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13, "created"}, /* -1 is fine */
        {"\x32\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 12, "created: a timestamp"},
        {"\x3a\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 12, "wait: a duration"},
        {"\x42\x03\x0a\x01"
         "A",
         5, "mask: a field mask"},
        {"\x52\x00", 2, "value: a google.protobuf.Value"},
        {"\x5a\x00", 2, "detail: an Any without a type"},
        {"\x62\x05\x0a\x03"
         "x/y",
         7, "details[0]: an Any of the type y"},
        {"\x0a\x01\xff", 3, "not UTF-8"},
        {"\x0a\x7f", 2, "2 bytes are not an encoded message of type dyn.test.Order"},
    };
    const mesh_dyn_message *order = mesh_dyn_find_message(pool, "dyn.test.Order");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *json;
        size_t size;
        mesh_error err;
        mesh_code code = mesh_dyn_wire_to_json(pool, order, cases[i].wire, cases[i].size, NULL,
                                               arena, &json, &size, &err);
        if (i == 0) {
            assert_int_equal(code, MESH_OK);
            continue;
        }
        assert_int_equal(code, MESH_INVALID_ARGUMENT);
        if (strstr(err.message, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].message, err.message);
    }
    assert_string_equal(mesh_dyn_missing_type(pool, order, cases[6].wire, cases[6].size, arena),
                        "y");
    assert_null(mesh_dyn_missing_type(pool, order, cases[0].wire, cases[0].size, arena));
}

/* The length that upb computes for such an entry is wrong where its input ends (decode.c). */
static void a_map_entry_with_an_unknown_field_at_the_end_is_no_trap(void **state)
{
    (void)state;
    const mesh_dyn_message *order = mesh_dyn_find_message(pool, "dyn.test.Order");
    const char *json;
    size_t size;
    mesh_error err;
    for (uint8_t filler = 0; filler < 40; filler++) {
        uint8_t wire[64] = {0x0a, 1, 'x', 0x22, (uint8_t)(filler + 7), 0x1a, filler};
        memcpy(wire + 7 + filler, "\x0a\x01k\x10\x01", 5);
        assert_int_equal(mesh_dyn_wire_to_json(pool, order, wire, (size_t)filler + 12, NULL, arena,
                                               &json, &size, &err),
                         MESH_OK);
        assert_non_null(strstr(json, "\"id\":\"x\""));
    }
}

/* Bytes are put behind a message; a field that is cut must not take them for its own. */
static void a_cut_field_is_malformed(void **state)
{
    (void)state;
    const mesh_dyn_message *order = mesh_dyn_find_message(pool, "dyn.test.Order");
    static const char wire[] = "\x0a\x05hello\x22\x05\x0a\x01k\x10\x01\x88\x88\x01\x07";
    for (size_t size = 0; size < sizeof wire; size++) {
        const char *json;
        size_t json_size;
        bool whole = size == 0 || size == 7 || size == 14 || size == 18;
        assert_int_equal(
            mesh_dyn_wire_to_json(pool, order, wire, size, NULL, arena, &json, &json_size, NULL),
            whole ? MESH_OK : MESH_INVALID_ARGUMENT);
    }
}

static void output_is_bounded(void **state)
{
    (void)state;
    const mesh_dyn_message *order = mesh_dyn_find_message(pool, "dyn.test.Order");
    const char *json;
    size_t size;
    mesh_error err;
    for (unsigned indent = 0; indent <= 2; indent += 2) {
        mesh_dyn_json_options options = {.max_out_bytes = 14, .indent = indent};
        assert_int_equal(mesh_dyn_wire_to_json(pool, order, "\x0a\x01x\xa0\x01\x01", 6, &options,
                                               arena, &json, &size, &err),
                         MESH_RESOURCE_EXHAUSTED);
    }
    mesh_dyn_json_options options = {.max_out_bytes = 10};
    assert_int_equal(
        mesh_dyn_wire_to_json(pool, order, "\x0a\x01x", 3, &options, arena, &json, &size, &err),
        MESH_OK);
    assert_string_equal(json, "{\"id\":\"x\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_survives_the_wire),
        cmocka_unit_test(options_choose_the_form),
        cmocka_unit_test(a_mistake_is_placed_and_its_field_named),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(an_any_in_an_any_is_bounded),
        cmocka_unit_test(what_json_cannot_express_is_an_error_with_its_field),
        cmocka_unit_test(a_map_entry_with_an_unknown_field_at_the_end_is_no_trap),
        cmocka_unit_test(a_cut_field_is_malformed),
        cmocka_unit_test(output_is_bounded),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
