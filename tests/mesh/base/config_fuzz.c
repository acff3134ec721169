/*
 * Any text as configuration: the lines up to the first empty one as environment, the rest as file.
 * All settings are read or none, and a mistake is said without any secret.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mesh/base/config.h"
#include "tests/fuzz/fuzz.h"

enum {
    MAX_ENV = 16
};

static const char *text, *address, *choice;
static int64_t number, duration_ms, bytes;
static bool flag;

static const mesh_setting settings[] = {
    {.name = "MESH_TEXT", .type = MESH_SETTING_STRING, .target = &text, .fallback = "none"},
    {.name = "MESH_ADDRESS",
     .type = MESH_SETTING_ADDRESS,
     .target = &address,
     .fallback = "127.0.0.1:0"},
    {.name = "MESH_CHOICE",
     .type = MESH_SETTING_CHOICE,
     .target = &choice,
     .fallback = "one",
     .choices = "one|two|three"},
    {.name = "MESH_NUMBER",
     .type = MESH_SETTING_INTEGER,
     .target = &number,
     .fallback = "16",
     .min = -5,
     .max = 1000},
    {.name = "MESH_DURATION",
     .type = MESH_SETTING_DURATION,
     .target = &duration_ms,
     .fallback = "10s",
     .min = 1},
    {.name = "MESH_BYTES",
     .type = MESH_SETTING_BYTES,
     .target = &bytes,
     .fallback = "4MiB",
     .min = 1024,
     .max = INT64_C(1) << 40},
    {.name = "MESH_FLAG", .type = MESH_SETTING_BOOL, .target = &flag, .fallback = "false"},
};

enum {
    COUNT = sizeof settings / sizeof settings[0]
};

/* A file that holds the input. */
static const char *hold(fuzz_input piece)
{
    static char path[32];
    static int file = -1;

    if (file < 0) {
        file = memfd_create("config", MFD_CLOEXEC);
        FUZZ_CHECK(file >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    FUZZ_CHECK(ftruncate(file, 0) == 0);
    FUZZ_CHECK(pwrite(file, piece.data, piece.size, 0) == (ssize_t)piece.size);
    return path;
}

static void check_values(void)
{
    FILE *out = fopen("/dev/null", "w");

    FUZZ_CHECK(text != NULL && address != NULL && choice != NULL);
    FUZZ_CHECK(number >= -5 && number <= 1000);
    FUZZ_CHECK(duration_ms >= 1);
    FUZZ_CHECK(bytes >= 1024 && bytes <= INT64_C(1) << 40);
    FUZZ_CHECK(strcmp(choice, "one") == 0 || strcmp(choice, "two") == 0 ||
               strcmp(choice, "three") == 0);
    FUZZ_CHECK(out != NULL);
    mesh_config_show(out, settings, COUNT);
    fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    mesh_arena *arena = mesh_arena_create(4096, 0);
    char *env[MAX_ENV + 1];
    size_t count = 0;
    char report[512] = "";
    mesh_error err;
    mesh_code code;

    FUZZ_CHECK(arena != NULL);
    while (count < MAX_ENV && input.size > 0) {
        fuzz_input line = fuzz_until(&input, '\n');

        if (line.size == 0)
            break;
        env[count++] = fuzz_text(line);
    }
    env[count] = NULL;
    text = address = choice = NULL;
    mesh_error_clear(&err);
    code = mesh_config_load(settings, COUNT, hold(input), (const char *const *)env, arena, report,
                            sizeof report, &err);
    if (code == MESH_OK) {
        check_values();
    } else {
        FUZZ_CHECK(text == NULL && address == NULL && choice == NULL);
        FUZZ_CHECK(code == MESH_INVALID_ARGUMENT || code == MESH_FAILED_PRECONDITION);
        FUZZ_CHECK(err.message[0] != '\0' && memchr(report, '\0', sizeof report) != NULL);
    }
    for (size_t i = 0; i < count; i++)
        free(env[i]);
    mesh_arena_destroy(arena);
    return 0;
}
