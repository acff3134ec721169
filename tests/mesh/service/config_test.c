/* Command line and settings, before anything is connected to. */
#include "tests/mesh/service/demo_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/service.h"

/* S2.18 */
static void help_lists_every_setting(void **state)
{
    static const char *const names[] = {
        "MESH_LISTEN",
        "MESH_METRICS_LISTEN",
        "MESH_DATABASE_URL",
        "MESH_DB_POOL",
        "MESH_EVENT_ATTEMPTS",
        "MESH_NATS_URL",
        "MESH_OTHER_DEMO_TARGET",
        "MESH_TLS_CERT",
        "MESH_TLS_KEY",
        "MESH_TLS_CA",
        "MESH_TLS_REQUIRE_CLIENT_CERT",
        "MESH_WORKERS",
        "MESH_WORKER_QUEUE",
        "MESH_MAX_CALLS",
        "MESH_MAX_RECEIVE_BYTES",
        "MESH_MEMORY_BUDGET",
        "MESH_CONNECTION_SHARE",
        "MESH_SEND_TIMEOUT",
        "MESH_STARTUP_TIMEOUT",
        "MESH_DRAIN_DELAY",
        "MESH_DRAIN_TIMEOUT",
        "MESH_LOG_LEVEL",
        "MESH_CONFIG",
        "DEMO_GREETING",
        "what to say on start",
        "127.0.0.1:50051",
    };
    const char *const arguments[] = {DEMO, "--help", NULL};
    char output[16384];
    (void)state;
    assert_int_equal(program_run(arguments, demo_defaults, output, sizeof output), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strstr(output, names[i]) == NULL)
            fail_msg("%s is missing in:\n%s", names[i], output);
}

/* S2.18, S4.16: what is missing or wrong is named, all of it, and nothing starts. */
static void all_mistakes_are_named_at_once(void **state)
{
    static const struct {
        const char *settings[6];
        const char *named[6];
    } cases[] = {
        {{NULL}, {"MESH_DATABASE_URL", "MESH_NATS_URL", "MESH_OTHER_DEMO_TARGET"}},
        {{"MESH_LISTEN=nowhere", "MESH_WORKERS=0", "MESH_DRAIN_TIMEOUT=5 parsecs",
          "MESH_NATS_URL=nats://127.0.0.1:4222", "MESH_MISSPELT=1"},
         {"MESH_LISTEN", "MESH_WORKERS", "MESH_DRAIN_TIMEOUT", "MESH_DATABASE_URL",
          "MESH_MISSPELT"}},
        {{"MESH_DATABASE_URL=postgresql://x/y", "MESH_NATS_URL=nats://127.0.0.1:1",
          "MESH_OTHER_DEMO_TARGET=127.0.0.1:1", "MESH_TLS_KEY=/key",
          "MESH_TLS_REQUIRE_CLIENT_CERT=true"},
         {"MESH_TLS_CERT", "MESH_TLS_REQUIRE_CLIENT_CERT", "MESH_TLS_CA"}},
        {{"MESH_DATABASE_URL=postgresql://x/y", "MESH_NATS_URL=nats://127.0.0.1:1",
          "MESH_OTHER_DEMO_TARGET=127.0.0.1:1", "MESH_METRICS_LISTEN=unix:/x"},
         {"MESH_METRICS_LISTEN", "unix:/x", "give HOST:PORT or [V6]:PORT"}},
        {{"MESH_CONFIG=/no/such/file"}, {"/no/such/file"}},
    };
    const char *const arguments[] = {DEMO, NULL};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char output[16384];
        assert_int_equal(program_run(arguments, cases[i].settings, output, sizeof output), 2);
        for (size_t j = 0; cases[i].named[j] != NULL; j++)
            if (strstr(output, cases[i].named[j]) == NULL)
                fail_msg("%s is missing in:\n%s", cases[i].named[j], output);
        assert_null(strstr(output, "listening"));
    }
}

/* S4.16: settings of the runtime's and of the service's that do not fit together. */
static void mistakes_that_the_service_finds_are_named_with_the_others(void **state)
{
    static const char *const given[] = {"MESH_DATABASE_URL=postgresql://x/y",
                                        "MESH_NATS_URL=nats://127.0.0.1:1",
                                        "MESH_OTHER_DEMO_TARGET=127.0.0.1:1",
                                        "MESH_TLS_KEY=/key",
                                        "MESH_WORKERS=4",
                                        "DEMO_GREETING=hello",
                                        NULL};
    const char *const ways[][3] = {{DEMO, "--check", NULL}, {DEMO, NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        char output[16384];
        assert_int_equal(program_run(ways[i], given, output, sizeof output), 2);
        assert_non_null(strstr(output, "a worker for each letter, and MESH_WORKERS is 4"));
        assert_non_null(strstr(output, "MESH_TLS_CERT"));
        assert_null(strstr(output, "on_start"));
    }
}

static void wrong_options_are_refused(void **state)
{
    static const char *const cases[] = {"--nonsense", "operand", "--config"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const arguments[] = {DEMO, cases[i], NULL};
        char output[16384];
        assert_int_equal(program_run(arguments, demo_defaults, output, sizeof output), 2);
        assert_non_null(strstr(output, "Usage: demo"));
    }
}

enum {
    PATH_BYTES = 1024,
    SETTING_BYTES = PATH_BYTES + 64
};

/* Writes a file of the test's; `path` has room for PATH_BYTES. */
static void write_file(const char *name, const char *text, char *path)
{
    const char *folder = getenv("TEST_TMPDIR");
    snprintf(path, PATH_BYTES, "%s/%s", folder != NULL ? folder : "/tmp", name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* S4.16 */
static void secrets_are_read_from_files_and_never_shown(void **state)
{
    char secret[PATH_BYTES], setting[SETTING_BYTES], output[16384];
    (void)state;
    write_file("database-url", "postgresql://demo:opensesame@127.0.0.1/demo\n", secret);
    snprintf(setting, sizeof setting, "MESH_DATABASE_URL_FILE=%s", secret);
    const char *const given[] = {setting, "MESH_NATS_URL=nats://demo:opensesame@127.0.0.1:1",
                                 "MESH_OTHER_DEMO_TARGET=127.0.0.1:1", "DEMO_GREETING=good day",
                                 NULL};
    const char *const show[] = {DEMO, "--show-config", NULL};
    assert_int_equal(program_run(show, given, output, sizeof output), 0);
    assert_non_null(strstr(output, "MESH_DATABASE_URL=(set)"));
    assert_non_null(strstr(output, "DEMO_GREETING=good day"));
    assert_null(strstr(output, "opensesame"));

    const char *const check[] = {DEMO, "--check", NULL};
    assert_int_equal(program_run(check, given, output, sizeof output), 0);
    assert_null(strstr(output, "opensesame"));
}

static void file_of_the_command_line_comes_before_the_environments(void **state)
{
    char path[PATH_BYTES], setting[SETTING_BYTES], output[16384];
    (void)state;
    write_file("demo.conf",
               "# of the demo\nDEMO_GREETING = from the file\nMESH_DATABASE_URL=postgresql://h/d\n"
               "MESH_NATS_URL=nats://127.0.0.1:1\nMESH_OTHER_DEMO_TARGET=127.0.0.1:1\n",
               path);
    snprintf(setting, sizeof setting, "MESH_CONFIG=%s", path);
    const char *const good[] = {setting, NULL};
    const char *const wrong[] = {"MESH_CONFIG=/no/such/file", NULL};
    const char *const plain[] = {DEMO, "--show-config", NULL};
    const char *const named[] = {DEMO, "--show-config", "--config", path, NULL};
    assert_int_equal(program_run(plain, good, output, sizeof output), 0);
    assert_non_null(strstr(output, "DEMO_GREETING=from the file"));
    assert_int_equal(program_run(named, wrong, output, sizeof output), 0);
    assert_non_null(strstr(output, "DEMO_GREETING=from the file"));
}

static void version_names_service_and_runtime(void **state)
{
    const char *const arguments[] = {DEMO, "--version", NULL};
    char output[1024];
    (void)state;
    assert_int_equal(program_run(arguments, demo_defaults, output, sizeof output), 0);
    assert_string_equal(output, "demo, meshc " MESH_VERSION "\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_lists_every_setting),
        cmocka_unit_test(all_mistakes_are_named_at_once),
        cmocka_unit_test(mistakes_that_the_service_finds_are_named_with_the_others),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(secrets_are_read_from_files_and_never_shown),
        cmocka_unit_test(file_of_the_command_line_comes_before_the_environments),
        cmocka_unit_test(version_names_service_and_runtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
