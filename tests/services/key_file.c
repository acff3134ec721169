#include "tests/services/key_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/auth/keys.h"

key_text key_file_key(void)
{
    key_text key;
    assert_int_equal(mesh_key_generate(key.text, NULL), MESH_OK);
    return key;
}

void key_file_path(const char *name, char path[KEY_FILE_PATH_BYTES])
{
    const char *folder = getenv("TEST_TMPDIR");
    assert_non_null(folder);
    assert_true(snprintf(path, KEY_FILE_PATH_BYTES, "%s/%s", folder, name) < KEY_FILE_PATH_BYTES);
}

void key_file_write_text(const char *path, const char *text)
{
    char next[KEY_FILE_PATH_BYTES + 8];
    snprintf(next, sizeof next, "%s.next", path);
    FILE *file = fopen(next, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(next, path), 0);
}

void key_file_write(const char *path, const key_text *keys, size_t count)
{
    char text[(MESH_KEYS_MAX + 1) * MESH_KEY_TEXT_BYTES];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s",
                                 i == 0 ? "{\"keys\":[\n" : ",\n", keys[i].text);
        assert_true(used + 8 < sizeof text);
    }
    snprintf(text + used, sizeof text - used, "\n]}\n");
    key_file_write_text(path, text);
}
