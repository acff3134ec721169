/* Every allocation of a whole scenario fails in turn: an error each time, no leak and no crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "tests/fixtures/memory.h"

static const char order[] = "{\"id\":\"o\",\"lines\":[{\"quantity\":2}],\"detail\":{\"@type\":"
                            "\"type.googleapis.com/dyn.test.Money\",\"currency\":\"EUR\"}}";

static mesh_code convert(mesh_dyn_pool *pool, mesh_arena *arena, mesh_error *err)
{
    const mesh_dyn_message *type = mesh_dyn_find_message(pool, "dyn.test.Order");
    const mesh_dyn_json_options options = {.indent = 2};
    const uint8_t *wire;
    const char *text;
    size_t size;
    mesh_code code = mesh_dyn_json_to_wire(pool, type, order, strlen(order), NULL, arena, &wire,
                                           &size, err);
    if (code == MESH_OK)
        code = mesh_dyn_wire_to_json(pool, type, wire, size, &options, arena, &text, &size, err);
    if (code == MESH_OK)
        code = mesh_dyn_describe(pool, "dyn.test.OrderService", arena, &text, err);
    if (code == MESH_OK)
        code = mesh_dyn_template(pool, type, false, arena, &text, err);
    return code;
}

typedef struct descriptor_set {
    uint8_t *bytes;
    size_t size;
} descriptor_set;

static mesh_code scenario(void *context)
{
    const descriptor_set *set = context;
    mesh_error err;
    mesh_dyn_pool *pool = NULL;
    /* A small first block, so that later ones are asked for. */
    mesh_arena *arena = mesh_arena_create(64, 0);
    mesh_code code = arena == NULL ? MESH_RESOURCE_EXHAUSTED : mesh_dyn_pool_create(&pool, &err);
    if (code == MESH_OK)
        code = mesh_dyn_pool_add_set(pool, set->bytes, set->size, &err);
    if (code == MESH_OK)
        code = convert(pool, arena, &err);
    mesh_dyn_pool_destroy(pool);
    mesh_arena_destroy(arena);
    return code;
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    descriptor_set set;
    set.bytes = fixture_read("types.binpb", &set.size);
    assert_true(memory_fail_in_turn(scenario, &set) > 10);
    free(set.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
