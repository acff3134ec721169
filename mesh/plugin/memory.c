#include "mesh/plugin/memory.h"

#include <stdio.h>
#include <stdlib.h>

void *memory_take(mesh_arena *arena, size_t count, size_t size)
{
    void *memory = mesh_arena_calloc(arena, count, size);
    if (memory == NULL)
        memory_exhausted();
    return memory;
}

void memory_exhausted(void)
{
    fputs("protoc-gen-mesh: out of memory\n", stderr);
    exit(1);
}
