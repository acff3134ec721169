#include "mesh/meshctl/style.h"

#include <pty.h>
#include <unistd.h>

#include "tests/mesh/base/test.h"

static void colours_are_for_terminals_that_want_them(void **state)
{
    (void)state;
    int master, slave, pipes[2];
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    assert_int_equal(pipe(pipes), 0);
    FILE *terminal = fdopen(slave, "w");
    FILE *file = fdopen(pipes[1], "w");
    assert_true(terminal != NULL && file != NULL);

    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    assert_true(ctl_style_wanted(terminal));
    assert_false(ctl_style_wanted(file));
    setenv("NO_COLOR", "1", 1);
    assert_false(ctl_style_wanted(terminal));
    setenv("NO_COLOR", "", 1);
    assert_true(ctl_style_wanted(terminal));
    setenv("TERM", "dumb", 1);
    assert_false(ctl_style_wanted(terminal));
    unsetenv("TERM");
    assert_false(ctl_style_wanted(terminal));

    assert_string_equal(ctl_style(false, CTL_RED), "");
    assert_string_equal(ctl_style(true, CTL_RED), "\033[31m");
    fclose(terminal);
    fclose(file);
    close(master);
    close(pipes[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colours_are_for_terminals_that_want_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
