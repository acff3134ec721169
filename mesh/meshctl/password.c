#include "mesh/meshctl/password.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

/* Reads up to the end of the line, or of the input. The number of bytes, all of the room when the
 * line does not fit; -1 with errno. */
static ssize_t read_line(char *text, size_t room)
{
    size_t used = 0;
    while (used < room && memchr(text, '\n', used) == NULL) {
        ssize_t got = read(STDIN_FILENO, text + used, room - used);
        if (got < 0 && errno != EINTR)
            return -1;
        if (got == 0)
            break;
        if (got > 0)
            used += (size_t)got;
    }
    return (ssize_t)used;
}

static mesh_code take_line(char *text, ssize_t size, ctl_failure *failure)
{
    char *end = size > 0 ? memchr(text, '\n', (size_t)size) : NULL;
    if (size < 0)
        return ctl_fail(failure, MESH_INVALID_ARGUMENT, NULL, "the password cannot be read: %s",
                        strerror(errno));
    if (end == NULL && size == CTL_PASSWORD_BYTES)
        return ctl_fail(failure, MESH_INVALID_ARGUMENT, NULL, "the password is too long");
    if (end == NULL)
        end = text + size;
    *end = '\0';
    if (text[0] == '\0' || strlen(text) != (size_t)(end - text))
        return ctl_fail(failure, MESH_INVALID_ARGUMENT,
                        "it is the first line of standard input, or typed at a terminal",
                        text[0] == '\0' ? "there is no password" : "the password has a NUL");
    return MESH_OK;
}

/* Waits for a line, with all signals that end or stop the program held back; false: one came. */
static bool wait_for_line(int signals)
{
    struct pollfd wait[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = signals, .events = POLLIN}};
    while (poll(wait, 2, -1) < 0 && errno == EINTR)
        continue;
    return wait[1].revents == 0;
}

/* Asks once. False: a signal came before the answer, and hits when this has returned. */
static bool ask(ctl *run, const char *login, int signals, char *text, ssize_t *size)
{
    struct termios before, silent;
    fprintf(run->err, "Password of %s: ", login);
    fflush(run->err);
    if (tcgetattr(STDIN_FILENO, &before) != 0) {
        *size = -1;
        return true;
    }
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    silent.c_lflag |= ICANON | ISIG;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    bool answered = wait_for_line(signals);
    if (answered)
        *size = read_line(text, CTL_PASSWORD_BYTES);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', run->err);
    return answered;
}

static mesh_code ask_at_terminal(ctl *run, const char *login, char *text, ssize_t *size,
                                 ctl_failure *failure)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    sigset_t held_back, before;
    sigemptyset(&held_back);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&held_back, numbers[i]);
    int signals = signalfd(-1, &held_back, SFD_CLOEXEC);
    if (signals < 0)
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "signalfd: %s", strerror(errno));
    for (bool answered = false; !answered;) {
        pthread_sigmask(SIG_BLOCK, &held_back, &before);
        answered = ask(run, login, signals, text, size);
        pthread_sigmask(SIG_SETMASK, &before, NULL); /* a signal ends it, or stops it until fg */
    }
    close(signals);
    return MESH_OK;
}

mesh_code ctl_password_read(ctl *run, const char *login, char password[CTL_PASSWORD_BYTES],
                            ctl_failure *failure)
{
    ssize_t size = 0;
    mesh_code code = MESH_OK;
    if (isatty(STDIN_FILENO))
        code = ask_at_terminal(run, login, password, &size, failure);
    else
        size = read_line(password, CTL_PASSWORD_BYTES);
    return code == MESH_OK ? take_line(password, size, failure) : code;
}
