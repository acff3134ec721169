/* What the core says becomes lines of our log, or a cause for whoever asks for it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <grpc/support/log.h>

#include "mesh/base/log.h"
#include "mesh/rpc/core/core.h"

static int fds[2];
static char line[2000];

static int start(void **state)
{
    (void)state;
    core_init();
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    mesh_log_output(fds[1]);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    mesh_log_output(-1);
    close(fds[0]);
    close(fds[1]);
    core_shutdown();
    return 0;
}

/* What was written to the log since the last time; "": nothing. */
static const char *logged(void)
{
    ssize_t size = read(fds[0], line, sizeof line - 1);

    line[size > 0 ? size : 0] = '\0';
    return line;
}

static void a_complaint_is_one_line_of_json(void **state)
{
    (void)state;
    gpr_log(GPR_ERROR, "it is \"%s\"", "broken");
    assert_int_equal(strncmp(logged(), "{\"time\":", 8), 0);
    assert_non_null(strstr(line, "\"level\":\"warn\",\"message\":\"gRPC core\""));
    assert_non_null(strstr(line, "\"text\":\"it is \\\"broken\\\"\""));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void a_long_one_is_cut(void **state)
{
    (void)state;
    gpr_log(GPR_ERROR, "%01000d", 0);
    assert_in_range(strlen(logged()), 240, 500);
}

static void whoever_keeps_the_cause_gets_the_innermost_and_the_log_nothing(void **state)
{
    static const char *const cases[][2] = {
        {"UNKNOWN:No address {line:1, children:[UNKNOWN:Unable {fd:8, "
         "children:[UNKNOWN:Address already in use {errno:98}]}]}",
         "Address already in use"},
        {"UNKNOWN:Name or service not known {grpc_status:2}", "Name or service not known"},
        {"something else", "something else"},
        {"UNKNOWN:", ""},
        {"UNKNOWN:a cause without room", "a cause wi"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char cause[64];

        core_keep_cause(cause, i + 1 < sizeof cases / sizeof cases[0] ? sizeof cause : 11);
        gpr_log(GPR_ERROR, "%s", cases[i][0]);
        core_keep_cause(NULL, 0);
        assert_string_equal(cause, cases[i][1]);
        assert_string_equal(logged(), "");
    }
    gpr_log(GPR_ERROR, "afterwards");
    assert_non_null(strstr(logged(), "afterwards"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_complaint_is_one_line_of_json, start, stop),
        cmocka_unit_test_setup_teardown(a_long_one_is_cut, start, stop),
        cmocka_unit_test_setup_teardown(
            whoever_keeps_the_cause_gets_the_innermost_and_the_log_nothing, start, stop),
    };

    return cmocka_run_group_tests_name("the core's log", tests, NULL, NULL);
}
