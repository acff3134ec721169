#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attack/bystander.h"

enum {
    ARGUMENTS_MAX = 12,
    EXIT_NOT_STARTED = 127
};

/* The path of the program that lies beside this one. */
static bool find_program(char *path, size_t size)
{
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);

    if (length < 0)
        return false;
    own[length] = '\0';
    return (size_t)snprintf(path, size, "%s/bystander", dirname(own)) < size;
}

/* Becomes the bystander, which does not outlive the attacker. */
static void become(const char *program, const attempt *attempt, int pause_ms, const int pipes[4])
{
    const char *arguments[ARGUMENTS_MAX] = {program, "--target", attempt->target, "--path",
                                            attempt->path};
    size_t count = 5;
    char pause[16];

    (void)snprintf(pause, sizeof pause, "%d", pause_ms);
    arguments[count++] = "--pause_ms";
    arguments[count++] = pause;
    if (attempt->chat != NULL) {
        arguments[count++] = "--chat";
        arguments[count++] = attempt->chat;
    }
    if (attempt->ca != NULL) {
        arguments[count++] = "--ca";
        arguments[count++] = attempt->ca;
    }
    arguments[count] = NULL;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && dup2(pipes[0], STDIN_FILENO) >= 0 &&
        dup2(pipes[3], STDOUT_FILENO) >= 0) {
        for (int i = 0; i < 4; i++)
            (void)close(pipes[i]);
        (void)execv(program, (char *const *)(uintptr_t)arguments);
    }
    fprintf(stderr, "attacker: %s cannot be started: %s\n", program, strerror(errno));
    _exit(EXIT_NOT_STARTED);
}

bool bystander_start(bystander *bystander, const attempt *attempt, int pause_ms)
{
    bystander_figures figures;
    char program[PATH_MAX];
    int pipes[4]; /* what it reads from and we write to, and the other way round */

    if (!find_program(program, sizeof program) || pipe(&pipes[0]) != 0 || pipe(&pipes[2]) != 0) {
        fprintf(stderr, "attacker: the bystander cannot be started: %s\n", strerror(errno));
        return false;
    }
    bystander->pid = fork();
    if (bystander->pid == 0)
        become(program, attempt, pause_ms, pipes);
    (void)close(pipes[0]);
    (void)close(pipes[3]);
    bystander->to = fdopen(pipes[1], "we");
    bystander->from = fdopen(pipes[2], "re");
    if (bystander->pid < 0 || bystander->to == NULL || bystander->from == NULL)
        abort();
    if (fscanf(bystander->from, "%lu %lu %ld %*d %lu", &figures.served, &figures.failed,
               &figures.slowest_ms, &figures.rate) == 4)
        return true;
    if (bystander_stop(bystander) != EXIT_NOT_STARTED)
        fprintf(stderr, "attacker: %s does not answer %s\n", attempt->target, attempt->path);
    return false;
}

bool bystander_ask(bystander *bystander, bystander_figures *figures)
{
    int answered;

    if (fputc('\n', bystander->to) == EOF || fflush(bystander->to) != 0 ||
        fscanf(bystander->from, "%lu %lu %ld %d %lu", &figures->served, &figures->failed,
               &figures->slowest_ms, &answered, &figures->rate) != 5)
        return false;
    figures->answered = answered != 0;
    return true;
}

int bystander_stop(bystander *bystander)
{
    int status = 0;

    (void)fclose(bystander->to);
    (void)fclose(bystander->from);
    while (waitpid(bystander->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WEXITSTATUS(status);
}
