/* Any text as message, keys and values of a log line: one line of JSON is written. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mesh/base/log.h"
#include "mesh/base/utf8.h"
#include "mesh/dyn/json_text.h"
#include "tests/fuzz/fuzz.h"

enum {
    LINE_BYTES = 8192, /* as log.h promises */
    FIELDS = 4
};

static int output = -1;

static void check_line(void)
{
    static char line[LINE_BYTES + 1];
    ssize_t size = pread(output, line, sizeof line, 0);
    mesh_json_scan scan;

    FUZZ_CHECK(size > 2 && size <= LINE_BYTES && line[size - 1] == '\n');
    FUZZ_CHECK(mesh_utf8_is_text((const uint8_t *)line, (size_t)size));
    FUZZ_CHECK(mesh_json_scan_value(line, (size_t)size, 2, &scan) == MESH_JSON_VALUE);
    FUZZ_CHECK(line[scan.begin] == '{' && scan.depth == 1);
    FUZZ_CHECK(scan.end == (size_t)size - 1);
    FUZZ_CHECK(memchr(line, '\n', (size_t)size) == line + size - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    char *keys[FIELDS], *values[FIELDS], *message;
    mesh_log_field fields[FIELDS];

    if (output < 0) {
        output = memfd_create("log", MFD_CLOEXEC);
        FUZZ_CHECK(output >= 0);
        mesh_log_output(output);
    }
    FUZZ_CHECK(ftruncate(output, 0) == 0 && lseek(output, 0, SEEK_SET) == 0);
    message = fuzz_text(fuzz_until(&input, '\0'));
    for (size_t i = 0; i < FIELDS; i++) {
        keys[i] = fuzz_text(fuzz_until(&input, '\0'));
        values[i] = fuzz_text(fuzz_until(&input, '\0'));
        fields[i] = MESH_LOG_S(keys[i], values[i]);
    }
    fields[FIELDS - 1] = MESH_LOG_D(keys[FIELDS - 1], strtod(values[FIELDS - 1], NULL));
    mesh_log_write(MESH_LOG_WARN, message, fields, FIELDS);
    check_line();
    for (size_t i = 0; i < FIELDS; i++) {
        free(keys[i]);
        free(values[i]);
    }
    free(message);
    return 0;
}
