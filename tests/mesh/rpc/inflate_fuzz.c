/* Any bytes as a compressed message, in slices: never more comes out than the limit. */
#include "mesh/rpc/inflate.h"
#include "tests/fuzz/fuzz.h"

enum {
    LIMIT = 100000,
    MAX_SLICES = 8
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    mesh_slice slices[MAX_SLICES];
    size_t count = 0;
    mesh_arena *arena = mesh_arena_create(0, 0);
    const uint8_t *out = NULL;
    size_t out_size = 0;
    size_t step = 1 + fuzz_byte(&input);
    mesh_code code;

    while (count < MAX_SLICES - 1 && input.size > step) {
        slices[count++] = (mesh_slice){input.data, step};
        input = (fuzz_input){input.data + step, input.size - step};
    }
    slices[count++] = (mesh_slice){input.data, input.size};
    FUZZ_CHECK(arena != NULL);
    code = mesh_inflate(slices, count, LIMIT, arena, &out, &out_size);
    FUZZ_CHECK(code == MESH_OK || code == MESH_INTERNAL || code == MESH_OUT_OF_RANGE);
    if (code == MESH_OK)
        FUZZ_CHECK(out_size <= LIMIT);
    mesh_arena_destroy(arena);
    return 0;
}
