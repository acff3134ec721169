/* Configuration: sources, types, and all mistakes at once. S2.18, S4.16 */
#include "mesh/base/config.h"

#include "tests/fixtures/memory.h"
#include "tests/mesh/base/test.h"

static const char *listen_address, *password, *level, *label;
static int64_t workers, drain_ms, max_bytes;
static bool verbose;

static const mesh_setting settings[] = {
    {.name = "MESH_LISTEN",
     .type = MESH_SETTING_ADDRESS,
     .target = &listen_address,
     .fallback = "127.0.0.1:0",
     .help = "Where it listens."},
    {.name = "MESH_PASSWORD",
     .type = MESH_SETTING_SECRET,
     .target = &password,
     .fallback = "",
     .help = "The password."},
    {.name = "MESH_LEVEL",
     .type = MESH_SETTING_CHOICE,
     .target = &level,
     .fallback = "info",
     .choices = "debug|info|warn",
     .help = "Lowest level."},
    {.name = "MESH_LABEL",
     .type = MESH_SETTING_STRING,
     .target = &label,
     .fallback = "none",
     .help = "Any text."},
    {.name = "MESH_WORKERS",
     .type = MESH_SETTING_INTEGER,
     .target = &workers,
     .fallback = "16",
     .min = 1,
     .max = 1000,
     .help = "Threads."},
    {.name = "MESH_DRAIN",
     .type = MESH_SETTING_DURATION,
     .target = &drain_ms,
     .fallback = "10s",
     .min = 1,
     .max = 3600000,
     .help = "How long a drain may take."},
    {.name = "MESH_MAX",
     .type = MESH_SETTING_BYTES,
     .target = &max_bytes,
     .fallback = "4MiB",
     .min = 1024,
     .help = "Largest message."},
    {.name = "MESH_VERBOSE",
     .type = MESH_SETTING_BOOL,
     .target = &verbose,
     .fallback = "false",
     .help = "Says more."},
};

enum {
    SETTINGS = COUNT(settings)
};

static mesh_arena *arena;
static char report[4096];
static mesh_error err;

static int set_up(void **state)
{
    (void)state;
    listen_address = password = level = label = "untouched";
    workers = drain_ms = max_bytes = -1;
    verbose = true;
    arena = mesh_arena_create(1024, 0);
    return arena == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    mesh_arena_destroy(arena);
    return 0;
}

static mesh_code load(const char *file, const char *const *env)
{
    return mesh_config_load(settings, SETTINGS, file, env, arena, report, sizeof report, &err);
}

/* Writes a file into the test's own folder and returns its path. */
static const char *write_file(const char *name, const char *text, size_t size)
{
    const char *folder = getenv("TEST_TMPDIR");
    char *path = mesh_arena_printf(arena, "%s/%s", folder != NULL ? folder : "/tmp", name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

static const char *config_file(const char *text)
{
    return write_file("config", text, strlen(text));
}

static const char *const nothing[] = {NULL};

static void defaults_hold_when_nothing_is_given(void **state)
{
    (void)state;
    assert_int_equal(load(NULL, nothing), MESH_OK);
    assert_string_equal(listen_address, "127.0.0.1:0");
    assert_string_equal(password, "");
    assert_string_equal(level, "info");
    assert_int_equal(workers, 16);
    assert_int_equal(drain_ms, 10000);
    assert_int_equal(max_bytes, 4 << 20);
    assert_false(verbose);
    assert_string_equal(report, "");
}

static void environment_wins_over_file_over_default(void **state)
{
    const char *const env[] = {"HOME=/", "MESH_WORKERS=3", "MESH_CONFIG=x", NULL};
    const char *file = config_file("# a comment\n\n  MESH_WORKERS = 5\r\nMESH_DRAIN=2m\n"
                                   "MESH_LABEL= a = b # c \n");

    (void)state;
    assert_int_equal(load(file, env), MESH_OK);
    assert_int_equal(workers, 3);
    assert_int_equal(drain_ms, 120000);
    assert_string_equal(label, "a = b # c");
    assert_int_equal(max_bytes, 4 << 20);
}

typedef struct value_case {
    const char *given;   /* NAME=VALUE */
    const char *mistake; /* in the report; NULL: right */
    int64_t number;      /* for those of MESH_WORKERS, MESH_DRAIN and MESH_MAX that are right */
} value_case;

static const value_case value_cases[] = {
    {"MESH_WORKERS=1", NULL, 1},
    {"MESH_WORKERS=1000", NULL, 1000},
    {"MESH_WORKERS=007", NULL, 7},
    {"MESH_WORKERS=0", "0 is out of range: from 1 to 1000", 0},
    {"MESH_WORKERS=1001", "1001 is out of range", 0},
    {"MESH_WORKERS=-1", "-1 is out of range", 0},
    {"MESH_WORKERS=1 ", "\"1 \" is no number: give a whole number", 0},
    {"MESH_WORKERS=+1", "is no number", 0},
    {"MESH_WORKERS=0x10", "is no number", 0},
    {"MESH_WORKERS=99999999999999999999", "is no number", 0},
    {"MESH_WORKERS=", "must not be empty", 0},
    {"MESH_DRAIN=250ms", NULL, 250},
    {"MESH_DRAIN=5s", NULL, 5000},
    {"MESH_DRAIN=1h", NULL, 3600000},
    {"MESH_DRAIN=5", "\"5\" is no duration: give a number with ms, s, m or h", 0},
    {"MESH_DRAIN=1.5s", "is no duration", 0},
    {"MESH_DRAIN=-5s", "is no duration", 0},
    {"MESH_DRAIN=2h", "2h is out of range: from 1ms to 1h", 0},
    {"MESH_DRAIN=0", "0s is out of range", 0},
    {"MESH_DRAIN=9223372036854775807h", "is no duration", 0},
    {"MESH_MAX=1024", NULL, 1024},
    {"MESH_MAX=64KiB", NULL, 65536},
    {"MESH_MAX=3MiB", NULL, 3 << 20},
    {"MESH_MAX=2GiB", NULL, INT64_C(2) << 30},
    {"MESH_MAX=2GB", "is no bytes", 0},
    {"MESH_MAX=512", "512 is too small: at least 1KiB", 0},
    {"MESH_VERBOSE=true", NULL, 0},
    {"MESH_VERBOSE=1", "\"1\" is neither true nor false", 0},
    {"MESH_LEVEL=warn", NULL, 0},
    {"MESH_LEVEL=war", "\"war\" is none of debug|info|warn", 0},
    {"MESH_LEVEL=debug|info", "is none of", 0},
    {"MESH_LABEL=", NULL, 0},
    {"MESH_LABEL=\xff", "is not UTF-8", 0},
    {"MESH_LISTEN=localhost:50051", NULL, 0},
    {"MESH_LISTEN=[::1]:0", NULL, 0},
    {"MESH_LISTEN=unix:/run/x.sock", NULL, 0},
    {"MESH_LISTEN=unix:", "is no address: give HOST:PORT, [V6]:PORT, unix:PATH or fd://N", 0},
    {"MESH_LISTEN=fd://3", NULL, 0},
    {"MESH_LISTEN=50051", "is no address", 0},
    {"MESH_LISTEN=:50051", "is no address", 0},
    {"MESH_LISTEN=h:65536", "is no address", 0},
    {"MESH_LISTEN=h:", "is no address", 0},
    {"MESH_LISTEN=::1:50051", "is no address", 0},
    {"MESH_LISTEN=[::1]50051", "is no address", 0},
    {"MESH_LISTEN=[::zz]:1", "is no address", 0},
    {"MESH_LISTEN=a b:1", "is no address", 0},
    {"MESH_LISTEN=", "must not be empty", 0},
    {"MESH_LISTENS=x", "there is no such setting", 0},
    {"MESH_DATA=/x", NULL, 0},
    {"MESHLISTENS=x", NULL, 0},
};

static void every_type_says_what_is_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(value_cases); i++) {
        const value_case *one = &value_cases[i];
        const char *const env[] = {one->given, NULL};
        mesh_code code = load(NULL, env);

        if (one->mistake == NULL) {
            if (code != MESH_OK)
                fail_msg("%s: %s", one->given, report);
            if (strncmp(one->given, "MESH_WORKERS", 12) == 0)
                assert_int_equal(workers, one->number);
            if (strncmp(one->given, "MESH_DRAIN", 10) == 0)
                assert_int_equal(drain_ms, one->number);
            if (strncmp(one->given, "MESH_MAX", 8) == 0)
                assert_int_equal(max_bytes, one->number);
        } else if (code != MESH_INVALID_ARGUMENT || strstr(report, one->mistake) == NULL) {
            fail_msg("%s: %s", one->given, report);
        }
    }
}

static void all_mistakes_are_reported_at_once_and_nothing_is_written(void **state)
{
    const char *const env[] = {"MESH_WORKERS=0", "MESH_TYPO=1", NULL};
    const char *file = config_file(
        "MESH_DRAIN=soon\nOTHER=1\nMESH_LABEL=a\nMESH_LABEL=b\nhunter2\n");
    mesh_error_violation violation;
    char expected[1024];

    (void)state;
    assert_int_equal(load(file, env), MESH_INVALID_ARGUMENT);
    snprintf(expected, sizeof expected,
             "MESH_LABEL (%s:4): is given twice in the file: keep one\n"
             "line (%s:5): is no setting: write NAME=VALUE\n"
             "MESH_TYPO (environment): there is no such setting; --help lists them\n"
             "OTHER (%s:2): there is no such setting; --help lists them\n"
             "MESH_WORKERS (environment): 0 is out of range: from 1 to 1000\n"
             "MESH_DRAIN (%s:1): \"soon\" is no duration: give a number with ms, s, m or h, "
             "like 250ms",
             file, file, file, file);
    assert_string_equal(report, expected);
    assert_true(mesh_error_violation_at(&err, 5, &violation));
    assert_false(mesh_error_violation_at(&err, 6, &violation));
    assert_string_equal(label, "untouched");
    assert_int_equal(workers, -1);
}

static void a_report_is_cut_by_its_buffer_only(void **state)
{
    const char *const env[] = {"MESH_WORKERS=0", "MESH_DRAIN=0", NULL};
    char small[20];

    (void)state;
    assert_int_equal(
        mesh_config_load(settings, SETTINGS, NULL, env, arena, small, sizeof small, NULL),
        MESH_INVALID_ARGUMENT);
    assert_string_equal(small, "MESH_WORKERS (envir");
}

static void a_secret_comes_from_a_file_or_the_environment_and_is_never_shown(void **state)
{
    const char *path = write_file("secret", "s3cret\n", 7);
    const char *empty = write_file("empty", "\n", 1);
    const char *binary = write_file("binary", "a\0b", 3);
    struct {
        const char *name, *password, *mistake;
    } cases[] = {
        {mesh_arena_printf(arena, "MESH_PASSWORD_FILE=%s", path), "s3cret", NULL},
        {"MESH_PASSWORD=s3cret", "s3cret", NULL},
        {mesh_arena_printf(arena, "MESH_PASSWORD_FILE=%s", empty), NULL, "is empty"},
        {mesh_arena_printf(arena, "MESH_PASSWORD_FILE=%s", binary), NULL, "holds a NUL"},
        {"MESH_PASSWORD_FILE=/does/not/exist", NULL,
         "MESH_PASSWORD_FILE (environment): cannot read /does/not/exist: No such file"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *const env[] = {cases[i].name, NULL};

        if (cases[i].mistake == NULL) {
            char shown[2048] = "";
            FILE *out = fmemopen(shown, sizeof shown, "w");

            assert_int_equal(load(NULL, env), MESH_OK);
            assert_string_equal(password, cases[i].password);
            mesh_config_show(out, settings, SETTINGS);
            fclose(out);
            assert_null(strstr(shown, "s3cret"));
            assert_non_null(strstr(shown, "MESH_PASSWORD=(set)\n"));
        } else {
            assert_int_equal(load(NULL, env), MESH_INVALID_ARGUMENT);
            assert_non_null(strstr(report, cases[i].mistake));
        }
    }

    const char *const twice[] = {"MESH_PASSWORD=s3cret", "MESH_PASSWORD_FILE=/x", NULL};
    assert_int_equal(load(NULL, twice), MESH_INVALID_ARGUMENT);
    assert_non_null(strstr(report, "keep one of both"));
    assert_null(strstr(report, "s3cret"));
}

static void a_missing_required_setting_is_named_with_what_it_is_for(void **state)
{
    const char *key;
    const mesh_setting required = {
        .name = "MESH_KEY", .type = MESH_SETTING_SECRET, .target = &key, .help = "Signs tokens."};

    (void)state;
    assert_int_equal(
        mesh_config_load(&required, 1, NULL, nothing, arena, report, sizeof report, &err),
        MESH_INVALID_ARGUMENT);
    assert_string_equal(report,
                        "MESH_KEY: is required and not given, nor is MESH_KEY_FILE: Signs tokens.");
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    assert_int_equal(load("/does/not/exist", nothing), MESH_NOT_FOUND);
    assert_non_null(strstr(err.message, "/does/not/exist"));
    assert_int_equal(load("/", nothing), MESH_FAILED_PRECONDITION);
    assert_int_equal(load(write_file("nul", "A=\0", 3), nothing), MESH_INVALID_ARGUMENT);
}

static void help_and_show_list_every_setting(void **state)
{
    char text[4096] = "";
    FILE *out = fmemopen(text, sizeof text, "w");

    (void)state;
    assert_int_equal(load(NULL, nothing), MESH_OK);
    mesh_config_help(out, settings, SETTINGS);
    mesh_config_show(out, settings, SETTINGS);
    fclose(out);
    assert_non_null(strstr(text, "  MESH_DRAIN=<duration> from 1ms to 1h (default 10s)\n"
                                 "      How long a drain may take.\n"));
    assert_non_null(strstr(text, "  MESH_PASSWORD=<secret> or MESH_PASSWORD_FILE=<file that holds "
                                 "it> (optional)\n"));
    assert_non_null(strstr(text, "MESH_DRAIN=10s\nMESH_MAX=4MiB\nMESH_VERBOSE=false\n"));
    assert_non_null(strstr(text, "MESH_PASSWORD=(not set)\n"));
}

static mesh_code load_file(void *file)
{
    workers = -1;
    mesh_code code = load(file, nothing);
    assert_int_equal(workers, code == MESH_OK ? 5 : -1);
    return code;
}

static void running_out_of_memory_is_an_error_and_writes_nothing(void **state)
{
    (void)state;
    assert_true(memory_fail_in_turn(load_file, (char *)config_file("MESH_WORKERS=5\n")) > 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(defaults_hold_when_nothing_is_given),
        CASE(environment_wins_over_file_over_default),
        CASE(every_type_says_what_is_right),
        CASE(all_mistakes_are_reported_at_once_and_nothing_is_written),
        CASE(a_report_is_cut_by_its_buffer_only),
        CASE(a_secret_comes_from_a_file_or_the_environment_and_is_never_shown),
        CASE(a_missing_required_setting_is_named_with_what_it_is_for),
        CASE(a_file_that_cannot_be_read_is_named),
        CASE(help_and_show_list_every_setting),
        CASE(running_out_of_memory_is_an_error_and_writes_nothing),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
