/* Any bytes as a compressed message, in slices: never more comes out than the limit. */
#include "mesh/base/alloc.h"
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
    uint8_t *out = NULL;
    size_t out_size = 0;
    size_t step = 1 + fuzz_byte(&input);
    mesh_code code;

    while (count < MAX_SLICES - 1 && input.size > step) {
        slices[count++] = (mesh_slice){input.data, step};
        input = (fuzz_input){input.data + step, input.size - step};
    }
    slices[count++] = (mesh_slice){input.data, input.size};
    code = mesh_inflate(slices, count, LIMIT, &out, &out_size);
    FUZZ_CHECK(code == MESH_OK || code == MESH_INTERNAL || code == MESH_RESOURCE_EXHAUSTED);
    if (code == MESH_OK) {
        FUZZ_CHECK(out_size <= LIMIT);
        mesh_free(out);
    }
    return 0;
}
