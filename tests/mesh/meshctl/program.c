#include "tests/mesh/meshctl/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mesh/base/clock.h"
#include "tests/mesh/base/test.h"

void program_start(program *p, const char *const *argv)
{
    int in[2], out[2], err[2];
    memset(p, 0, sizeof *p);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0) {
        if (dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1 && dup2(err[1], 2) == 2)
            execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    p->input = in[1];
    p->output = out[0];
    p->errors = err[0];
}

void program_write(program *p, const char *text)
{
    size_t size = strlen(text);
    while (size > 0) {
        ssize_t put = write(p->input, text, size);
        if (put < 0 && errno == EPIPE)
            return; /* it ended; what it said tells why */
        assert_true(put > 0);
        text += put;
        size -= (size_t)put;
    }
}

void program_close_input(program *p)
{
    if (p->input >= 0)
        close(p->input);
    p->input = -1;
}

/* Reads what is there; false when both outputs ended. */
static bool collect(program *p, int64_t deadline)
{
    int64_t left_ms = (deadline - mesh_clock_monotonic_ns()) / 1000000;
    if (left_ms <= 0) {
        kill(p->pid, SIGKILL);
        fail_msg("waited in vain for %s\nout: %s\nerr: %s", "a program", p->out, p->err);
    }
    struct pollfd wait[] = {{.fd = p->output, .events = POLLIN},
                            {.fd = p->errors, .events = POLLIN}};
    if (poll(wait, 2, (int)left_ms) <= 0)
        return true;
    const struct {
        int *fd;
        char *text;
        size_t *size;
    } streams[] = {{&p->output, p->out, &p->out_size}, {&p->errors, p->err, &p->err_size}};
    for (int i = 0; i < 2; i++) {
        if (wait[i].revents == 0)
            continue;
        size_t used = *streams[i].size;
        assert_true(used < PROGRAM_OUTPUT_BYTES - 1);
        ssize_t got = read(*streams[i].fd, streams[i].text + used, PROGRAM_OUTPUT_BYTES - 1 - used);
        if (got > 0) {
            *streams[i].size += (size_t)got;
            streams[i].text[*streams[i].size] = '\0';
        } else {
            close(*streams[i].fd);
            *streams[i].fd = -1;
        }
    }
    return p->output >= 0 || p->errors >= 0;
}

static int64_t limit(void)
{
    return mesh_clock_deadline_ns(PROGRAM_LIMIT_MS);
}

void program_expect(program *p, const char *text)
{
    int64_t deadline = limit();
    while (strstr(p->out, text) == NULL)
        if (!collect(p, deadline))
            fail_msg("it ended without \"%s\"\nout: %s\nerr: %s", text, p->out, p->err);
}

void program_wait(program *p)
{
    int64_t deadline = limit();
    while (collect(p, deadline))
        continue;
    int status;
    while (waitpid(p->pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    p->status = WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
    program_close_input(p);
}

void program_run(program *p, const char *const *argv, const char *input)
{
    signal(SIGPIPE, SIG_IGN);
    program_start(p, argv);
    if (input != NULL)
        program_write(p, input);
    program_close_input(p);
    program_wait(p);
}
