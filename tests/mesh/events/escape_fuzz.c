/* Any text as the value of a CloudEvents header, both ways. */
#include <string.h>

#include "mesh/events/escape.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mesh_arena *arena = mesh_arena_create(4096, 0);
    char *text = fuzz_text((fuzz_input){data, size});
    size_t escaped_size = mesh_event_escaped_size(text);
    char *escaped = malloc(escaped_size);
    const char *again;

    FUZZ_CHECK(arena != NULL && escaped != NULL);
    mesh_event_escape(text, escaped);
    FUZZ_CHECK(strlen(escaped) + 1 == escaped_size);
    for (const char *at = escaped; *at != '\0'; at++)
        FUZZ_CHECK(*at > ' ' && *at <= '~' && *at != '"');
    again = mesh_event_unescape(arena, escaped);
    FUZZ_CHECK(again != NULL && strcmp(again, text) == 0);
    (void)mesh_event_unescape(arena, text);
    FUZZ_CHECK(!mesh_arena_overflowed(arena));
    free(escaped);
    free(text);
    mesh_arena_destroy(arena);
    return 0;
}
