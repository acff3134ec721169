/* Any text as a page token: one that is taken is the one that its key has. */
#include <string.h>

#include "mesh/resource/page.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    mesh_arena *arena = mesh_arena_create(4096, 0);
    char *scope = fuzz_text(fuzz_until(&input, '\n'));
    char *token = fuzz_text(input);
    char key[MESH_PAGE_KEY_BYTES];

    FUZZ_CHECK(arena != NULL);
    if (mesh_page_token_key(token, scope, key)) {
        FUZZ_CHECK(memchr(key, '\0', sizeof key) != NULL);
        FUZZ_CHECK(strcmp(mesh_page_token(arena, scope, key), token) == 0);
    } else if (token[0] != '\0' && strlen(token) < MESH_PAGE_KEY_BYTES) {
        /* then as a key: its token is taken */
        const char *made = mesh_page_token(arena, scope, token);

        FUZZ_CHECK(mesh_page_token_key(made, scope, key) && strcmp(key, token) == 0);
    }
    free(token);
    free(scope);
    mesh_arena_destroy(arena);
    return 0;
}
