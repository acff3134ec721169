#include "tests/mesh/rpc/wire_check_fuzz.h"

#include "mesh/base/arena.h"
#include "mesh/rpc/unpack.h"
#include "mesh/rpc/wire_check.h"
#include "tests/mesh/rpc/wire_check_test.pb-c.h"

enum {
    FIRST_BYTES = 64, /* so that blocks are added */
    ARENA_BYTES = 1024 * 1024
};

static size_t passed;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mesh_arena *arena = mesh_arena_create(FIRST_BYTES, ARENA_BYTES);
    ProtobufCAllocator allocator = mesh_arena_allocator(arena);
    ProtobufCMessage *message;
    mesh_wire_needs needs;
    mesh_error err;
    mesh_code code;

    if (arena == NULL)
        return 0;
    mesh_error_clear(&err);
    code = mesh_wire_check(&wirecheck__everything__descriptor, data, size, &needs, &err);
    FUZZ_CHECK(code == MESH_OK || (code == MESH_INVALID_ARGUMENT && err.message[0] != '\0'));
    if (code == MESH_OK) {
        passed++;
        message = protobuf_c_message_unpack(&wirecheck__everything__descriptor, &allocator, size,
                                            data);
        FUZZ_CHECK((message == NULL) == mesh_arena_overflowed(arena));
        FUZZ_CHECK(message == NULL || mesh_arena_used(arena) >= needs.memory);
        FUZZ_CHECK(message == NULL || protobuf_c_message_check(message));
    }
    mesh_arena_reset(arena);
    if (code == MESH_OK) {
        code = mesh_unpack(&wirecheck__everything__descriptor, data, size, arena, &message, &err);
        FUZZ_CHECK(code == MESH_OK || code == MESH_RESOURCE_EXHAUSTED);
        FUZZ_CHECK(code != MESH_OK || protobuf_c_message_check(message));
    }
    mesh_arena_destroy(arena);
    return 0;
}

size_t wire_check_fuzz_passed(void)
{
    return passed;
}
