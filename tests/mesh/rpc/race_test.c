/*
 * A planted race is found: handlers on two workers count without a lock. This keeps what quietens
 * ThreadSanitizer about the core (core.h, .bazelrc) from quietening it about us.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/mesh/rpc/handlers.h"
#include "tests/mesh/rpc/service.h"

enum {
    CALLS = 2
};

static volatile int unguarded;
static atomic_int running;

static mesh_code echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    /* both are here before one goes on, and nothing that orders their threads comes in between */
    atomic_fetch_add_explicit(&running, 1, memory_order_relaxed);
    while (atomic_load_explicit(&running, memory_order_relaxed) < CALLS)
        (void)sched_yield();
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

static int race(void)
{
    static const testing__v1__testing__handlers handlers = {.echo = echo};
    static sem_t done;
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    testing_service service;

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

static void a_planted_race_is_found(void **state)
{
    char command[5000], report[65536] = "";
    size_t size;
    int status;
    FILE *pipe;

    (void)state;
#ifndef __SANITIZE_THREAD__
    assert_null(getenv("TSAN_OPTIONS")); /* of .bazelrc: somebody should look */
    skip();
#endif
    snprintf(command, sizeof command, "exec '%s' race 2>&1", program);
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_planted_race_is_found),
    };

    if (argc > 1)
        return race();
    snprintf(program, sizeof program, "%s", argv[0]);
    return cmocka_run_group_tests_name("races", tests, NULL, NULL);
}
