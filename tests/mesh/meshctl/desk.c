#include "tests/mesh/meshctl/desk.h"

#include <sys/stat.h>

#include "tests/mesh/base/test.h"
#include "tests/services/shop/people.h"

char desk_folder[DESK_PATH_BYTES];
char desk_output[DESK_OUTPUT_BYTES];

void desk_list_services(const char *services)
{
    char path[DESK_PATH_BYTES + 16];
    snprintf(path, sizeof path, "%s/services", desk_folder);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(services, out);
    fclose(out);
}

void desk_make_mesh(const char *services)
{
    static unsigned count;
    char state[DESK_PATH_BYTES];
    snprintf(state, sizeof state, "%s/state", getenv("TEST_TMPDIR"));
    setenv("XDG_STATE_HOME", state, 1);
    snprintf(desk_folder, sizeof desk_folder, "%s/mesh%u", getenv("TEST_TMPDIR"), count++);
    assert_int_equal(mkdir(desk_folder, 0700), 0);
    desk_list_services(services);
}

const char *const *desk_settings(void)
{
    static char data[DESK_PATH_BYTES + 16];
    static const char *list[] = {data, NULL};
    snprintf(data, sizeof data, "MESH_DATA=%s", desk_folder);
    return list;
}

int desk_run(const char *input, const char *words)
{
    char script[8 * 1024];
    int size = input == NULL
                   ? snprintf(script, sizeof script, "exec " MESHCTL " %s </dev/null", words)
                   : snprintf(script, sizeof script, "printf '%s' | " MESHCTL " %s", input, words);
    assert_true((size_t)size < sizeof script);
    return program_run((const char *[]){"/bin/sh", "-c", script, NULL}, desk_settings(),
                       desk_output, sizeof desk_output);
}

void desk_expect(const char *input, int status, const char *part, const char *format, ...)
{
    char words[8 * 1024];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(words, sizeof words, format, args);
    va_end(args);
    assert_true((size_t)size < sizeof words);
    int ended = desk_run(input, words);
    if (ended != status || (part != NULL && strstr(desk_output, part) == NULL))
        fail_msg("%s: %d, not %d with \"%s\":\n%s", words, ended, status, part == NULL ? "" : part,
                 desk_output);
}

void desk_sign_in(const char *login)
{
    desk_expect(PEOPLE_PASSWORD "\\n", 0, "session until", "sign-in %s", login);
}
