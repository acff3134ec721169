/*
 * Any bytes as JSON and as an encoded message of a type that has every kind of field: whatever
 * they hold, the answer is a result or an error with a message, and a result can be read back.
 */
#include <string.h>

#include "fixture.h"
#include "tests/fuzz/fuzz.h"

enum {
    FIRST_BYTES = 64 /* so that blocks are added */
};

static mesh_dyn_pool *pool;
static const mesh_dyn_message *types[5];

static void set_up(void)
{
    static const char *const names[] = {"dyn.test.Order", "dyn.test.Tree", "google.protobuf.Any",
                                        "google.protobuf.Struct", "google.protobuf.Value"};
    pool = fixture_pool();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        types[i] = mesh_dyn_find_message(pool, names[i]);
}

static void want(mesh_code code, const mesh_error *err)
{
    FUZZ_CHECK(code == MESH_OK || err->message[0] != '\0');
}

static void from_json(const mesh_dyn_message *type, const char *json, size_t size,
                      mesh_arena *arena)
{
    const uint8_t *wire;
    size_t wire_size;
    mesh_error err;
    mesh_error_clear(&err);
    want(mesh_dyn_json_to_wire(pool, type, json, size, NULL, arena, &wire, &wire_size, &err), &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (pool == NULL)
        set_up();
    if (size == 0)
        return 0;
    /* The first byte chooses the type, the direction and the form. */
    uint8_t choice = data[0];
    const mesh_dyn_message *type = types[choice % 5];
    mesh_arena *arena = mesh_arena_create(FIRST_BYTES, 0);
    if (arena == NULL)
        return 0;
    if (choice & 0x80) {
        from_json(type, (const char *)data + 1, size - 1, arena);
    } else {
        const mesh_dyn_json_options options = {.emit_defaults = choice & 0x40,
                                               .proto_names = choice & 0x20,
                                               .indent = choice & 0x10 ? 2 : 0};
        const char *json;
        size_t json_size;
        mesh_error err;
        mesh_error_clear(&err);
        mesh_code code = mesh_dyn_wire_to_json(pool, type, data + 1, size - 1, &options, arena,
                                               &json, &json_size, &err);
        want(code, &err);
        if (code == MESH_OK) {
            FUZZ_CHECK(strlen(json) == json_size);
            from_json(type, json, json_size, arena);
        }
    }
    mesh_arena_destroy(arena);
    return 0;
}
