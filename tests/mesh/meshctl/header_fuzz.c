/* Any text as -H: a mistake is said, and what was read is shown so that it reads the same. */
#include <string.h>

#include "mesh/meshctl/header.h"
#include "tests/fuzz/fuzz.h"

static void check_printed(const mesh_metadata *entry, mesh_arena *arena)
{
    ctl_failure failure = {.hint = NULL};
    mesh_metadata again;
    char *line = NULL;
    size_t size;
    FILE *out = open_memstream(&line, &size);

    FUZZ_CHECK(out != NULL);
    ctl_header_print(out, entry);
    fclose(out);
    FUZZ_CHECK(size > 0 && line[size - 1] == '\n');
    line[size - 1] = '\0';
    FUZZ_CHECK(ctl_header_parse(line, arena, &again, &failure) == MESH_OK);
    FUZZ_CHECK(strcmp(again.key, entry->key) == 0);
    FUZZ_CHECK(again.size == entry->size && memcmp(again.value, entry->value, again.size) == 0);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mesh_arena *arena = mesh_arena_create(4096, 0);
    char *text = fuzz_text((fuzz_input){data, size});
    ctl_failure failure = {.hint = NULL};
    mesh_metadata entry;

    FUZZ_CHECK(arena != NULL);
    mesh_error_clear(&failure.err);
    if (ctl_header_parse(text, arena, &entry, &failure) == MESH_OK)
        check_printed(&entry, arena);
    else
        FUZZ_CHECK(failure.err.code == MESH_INVALID_ARGUMENT && failure.err.message[0] != '\0');
    free(text);
    mesh_arena_destroy(arena);
    return 0;
}
