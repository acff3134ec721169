/*
 * Running out of memory ends signing in, what is done with a session, looking at events, and
 * signing out with a message and a status that is not 0. Whatever makes calls is in another
 * process, since a fork of this one is where meshctl runs.
 */
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fixtures/memory.h"
#include "tests/fixtures/postgres.h"
#include "tests/mesh/base/test.h"
#include "tests/services/shop/people.h"

int meshctl_main(int argc, char **argv);

enum {
    PATH_BYTES = 1024,
    WORDS = 6
};

static pid_t shop;   /* the process that has the user service */
static int end_shop; /* closing it ends that */
static char root_id[64];
static char folder[PATH_BYTES], state[PATH_BYTES], saved[PATH_BYTES], input[PATH_BYTES];

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void run_shell(const char *format, const char *a, const char *b)
{
    char command[3 * PATH_BYTES];
    snprintf(command, sizeof command, format, a, b);
    assert_int_equal(system(command), 0);
}

/* With the session as it was, whatever another run has done to it. */
static int with_session(int argc, char **argv)
{
    run_shell("rm -rf '%s' && cp -a '%s' \"$XDG_STATE_HOME\"", state, saved);
    return meshctl_main(argc, argv);
}

/* Without what it prints, which is not the same every time. */
static int unseen(int argc, char **argv)
{
    return freopen("/dev/null", "w", stdout) != NULL ? meshctl_main(argc, argv) : -1;
}

static void expect_told(int (*program)(int argc, char **argv), const char *const words[WORDS])
{
    int argc = 0;
    while (argc < WORDS && words[argc] != NULL)
        argc++;
    size_t failures = memory_fail_program_in_turn(program, argc, (char **)words, input);
    printf("%s: %zu allocations failed\n", words[1], failures);
    assert_true(failures > 0);
}

static void each_command_says_it_and_fails(void **unused)
{
    (void)unused;
    expect_told(unseen, (const char *const[WORDS]){"meshctl", "sign-in", "--staff", "root"});
    run_shell("cp -a '%s' '%s'", state, saved);
    expect_told(with_session, (const char *const[WORDS]){"meshctl", "call", "user", "GetKeySet"});
    expect_told(with_session, (const char *const[WORDS]){"meshctl", "whoami", "--json"});
    expect_told(with_session, (const char *const[WORDS]){"meshctl", "authz", "explain", root_id,
                                                         "user", "BanUser"});
    expect_told(with_session, (const char *const[WORDS]){"meshctl", "outbox", "--json"});
    expect_told(with_session, (const char *const[WORDS]){"meshctl", "outbox", "user"});
    expect_told(with_session, (const char *const[WORDS]){"meshctl", "events", "tail", "--count=1",
                                                         "--from=beginning", "--json"});
    expect_told(with_session, (const char *const[WORDS]){"meshctl", "sign-out"});
}

/* The user service, with an admin in it; in the process of its own. */
static void serve_users(int address, int until)
{
    void *unused = NULL;
    char byte;
    if (shop_setup(&unused) != 0)
        exit(EXIT_FAILURE);
    people_make_admin("root", "root@example.com");
    mesh_db *db = shop_open("user");
    dprintf(address, "%s user %s\n", postgres_value(db, "SELECT id FROM users"),
            mesh_channel_target(shop_users()));
    mesh_db_destroy(db);
    close(address);
    (void)!read(until, &byte, 1);
    exit(shop_teardown(&unused));
}

static int open_all(void **unused)
{
    char line[PATH_BYTES] = "", services[PATH_BYTES];
    int address[2], until[2];
    (void)unused;
    assert_int_equal(pipe(address), 0);
    assert_int_equal(pipe(until), 0);
    fflush(NULL);
    shop = fork();
    assert_true(shop >= 0);
    if (shop == 0) {
        close(address[0]);
        close(until[1]);
        serve_users(address[1], until[0]);
    }
    close(address[1]);
    close(until[0]);
    end_shop = until[1];
    assert_true(read(address[0], line, sizeof line - 1) > 0);
    assert_int_equal(sscanf(line, "%63s %[^\n]", root_id, services), 2);
    close(address[0]);

    snprintf(folder, sizeof folder, "%s/mesh", getenv("TEST_TMPDIR"));
    snprintf(state, sizeof state, "%s/state", getenv("TEST_TMPDIR"));
    snprintf(saved, sizeof saved, "%s/saved", getenv("TEST_TMPDIR"));
    snprintf(input, sizeof input, "%s/input", getenv("TEST_TMPDIR"));
    assert_int_equal(mkdir(folder, 0700), 0);
    setenv("MESH_DATA", folder, 1);
    setenv("XDG_STATE_HOME", state, 1);
    write_file(input, PEOPLE_PASSWORD "\n");
    strcat(folder, "/services");
    write_file(folder, services);
    return 0;
}

static int close_all(void **unused)
{
    int status;
    (void)unused;
    close(end_shop);
    assert_int_equal(waitpid(shop, &status, 0), shop);
    return status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_says_it_and_fails),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
