/*
 * Planted races are found: handlers on two workers count without a lock, or the one frees what the
 * other has just read. This keeps what quietens ThreadSanitizer about the core (core.h, .bazelrc)
 * from quietening it about us.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "mesh/base/alloc.h"
#include "tests/mesh/rpc/handlers.h"
#include "tests/mesh/rpc/service.h"

enum {
    CALLS = 2
};

static volatile int unguarded;
static volatile int *shared; /* NULL: they count */
static atomic_int running;
static atomic_int users = CALLS; /* of `shared` */

/* The race is that the count orders nothing. */
static void use_and_free(void)
{
    if (*shared == 0 && atomic_fetch_sub_explicit(&users, 1, memory_order_relaxed) == 1)
        mesh_free((void *)shared);
}

static mesh_code echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    /* both are here before one goes on, and nothing that orders their threads comes in between */
    atomic_fetch_add_explicit(&running, 1, memory_order_relaxed);
    while (atomic_load_explicit(&running, memory_order_relaxed) < CALLS)
        (void)sched_yield();
    if (shared != NULL)
        use_and_free();
    else
        unguarded = unguarded + 1; /* the race */
    return testing_handle_echo(self, call, request, response, err);
}

static void on_done(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                    const mesh_error *err)
{
    (void)code;
    (void)response;
    (void)err;
    sem_post(context);
}

static int race(const char *what)
{
    static const testing__v1__testing__handlers handlers = {.echo = echo};
    static sem_t done;
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    testing_service service;

    if (strcmp(what, "free") == 0)
        shared = mesh_calloc(1, sizeof *shared);
    sem_init(&done, 0, 0);
    testing_service_serve(&service, testing__v1__testing__api(&handlers, NULL), NULL, NULL);
    for (int i = 0; i < CALLS; i++)
        (void)testing__v1__testing__echo__async(service.channel, &request, NULL, on_done, &done);
    for (int i = 0; i < CALLS; i++)
        testing_wait(&done);
    testing_service_stop(&service);
    return 0;
}

static char program[4096];

static void is_found(const char *what)
{
    char command[5000], report[65536] = "";
    size_t size;
    int status;
    FILE *pipe;

#ifndef __SANITIZE_THREAD__
    assert_null(getenv("TSAN_OPTIONS")); /* of .bazelrc: somebody should look */
    skip();
#endif
    snprintf(command, sizeof command, "exec '%s' %s 2>&1", program, what);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    size = fread(report, 1, sizeof report - 1, pipe);
    report[size] = '\0';
    status = pclose(pipe);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), 0);
    assert_non_null(strstr(report, "ThreadSanitizer: data race"));
    assert_non_null(strstr(report, "race_test.c"));
}

static void a_planted_race_is_found(void **state)
{
    (void)state;
    is_found("count");
}

static void a_planted_race_with_who_frees_is_found(void **state)
{
    (void)state;
    is_found("free");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_planted_race_is_found),
        cmocka_unit_test(a_planted_race_with_who_frees_is_found),
    };

    if (argc > 1)
        return race(argv[1]);
    snprintf(program, sizeof program, "%s", argv[0]);
    return cmocka_run_group_tests_name("races", tests, NULL, NULL);
}
