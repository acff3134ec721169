#include "mesh/rpc/h2/h2_listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mesh/base/alloc.h"
#include "mesh/rpc/h2/h2_bind.h"

enum {
    ACCEPTS_A_TURN = 64, /* of one socket, before the next one has its turn */
    LAST_ACCEPTS = 4096, /* of those who wait when it stops: Linux keeps as many of a socket */
    PAUSE_MS = 10        /* while there are no descriptors, not even the reserve */
};

struct h2_listener {
    h2_listener_options options; /* immutable; `listen` is not used after create */
    h2_sockets sockets;          /* the thread's while it runs */
    int wake;                    /* eventfd: stop */
    int reserve;                 /* a descriptor kept for refusing without others; -1: lost */
    pthread_t thread;
    bool running;
};

/* --- one connection --------------------------------------------------------------------------- */

static void let_in(h2_listener *listener, int fd, const struct sockaddr *peer, socklen_t size)
{
    static const int yes = 1;
    h2_limits *limits = listener->options.limits;
    h2_tls *tls = listener->options.tls;
    h2_accepted accepted = {.io.fd = fd};

    if (!h2_limits_enter(limits, peer, size, &accepted.ticket)) {
        (void)close(fd);
        return;
    }
    if (peer->sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (tls != NULL) {
        h2_tls_refresh(tls);
        accepted.io.tls = h2_tls_session_create(tls, fd);
        if (accepted.io.tls == NULL) {
            h2_limits_leave(limits, &accepted.ticket);
            (void)close(fd);
            return;
        }
    }
    listener->options.on_accept(listener->options.context, &accepted);
}

/* Without descriptors: the reserve makes room to accept a client and to turn it away. */
static bool turn_away(h2_listener *listener, int socket)
{
    int fd;

    if (listener->reserve < 0)
        return false;
    (void)close(listener->reserve);
    fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        (void)close(fd);
        h2_limits_refused(listener->options.limits, H2_LIMIT_DESCRIPTORS, NULL);
    }
    listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

typedef enum accept_result {
    ACCEPTED,
    NOBODY_WAITS,
    NO_DESCRIPTORS
} accept_result;

static accept_result accept_one(h2_listener *listener, int socket)
{
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof peer;
    int fd = accept4(socket, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        let_in(listener, fd, (const struct sockaddr *)&peer, size);
        return ACCEPTED;
    }
    switch (errno) {
    case EAGAIN:
        return NOBODY_WAITS;
    case EMFILE:
    case ENFILE:
        return turn_away(listener, socket) ? ACCEPTED : NO_DESCRIPTORS;
    case ENOBUFS:
    case ENOMEM:
        return NO_DESCRIPTORS;
    default:
        return ACCEPTED; /* accept(2): what has befallen that client is no matter of the others */
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

/* A turn of each socket of at most so many; false: there were no descriptors. */
static bool accept_some(h2_listener *listener, const struct pollfd *ready, int most)
{
    for (size_t i = 0; i < listener->sockets.count; i++) {
        accept_result result = ready == NULL || ready[i].revents != 0 ? ACCEPTED : NOBODY_WAITS;

        for (int n = 0; n < most && result == ACCEPTED; n++)
            result = accept_one(listener, listener->sockets.fds[i]);
        if (result == NO_DESCRIPTORS)
            return false;
    }
    return true;
}

static void *accept_all(void *argument)
{
    h2_listener *listener = argument;
    size_t count = listener->sockets.count;
    struct pollfd fds[H2_SOCKETS_MAX + 1] = {{.fd = listener->wake, .events = POLLIN}};
    bool paused = false;

    (void)pthread_setname_np(pthread_self(), "mesh-accept");
    for (size_t i = 0; i < count; i++)
        fds[i + 1] = (struct pollfd){.fd = listener->sockets.fds[i], .events = POLLIN};
    while (fds[0].revents == 0) {
        if (poll(fds, paused ? 1 : count + 1, paused ? PAUSE_MS : -1) < 0)
            continue; /* EINTR, or no memory for a moment */
        if (listener->reserve < 0)
            listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
        paused = !accept_some(listener, paused ? NULL : &fds[1], ACCEPTS_A_TURN);
    }
    /* whoever is connected already gets a GOAWAY rather than a reset */
    (void)accept_some(listener, NULL, LAST_ACCEPTS);
    return NULL;
}

/* --- its life --------------------------------------------------------------------------------- */

mesh_code h2_listener_create(const h2_listener_options *options, h2_listener **out, mesh_error *err)
{
    h2_listener *listener = mesh_calloc(1, sizeof *listener);
    mesh_code code;

    if (listener == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    listener->options = *options;
    listener->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (listener->wake < 0 || listener->reserve < 0)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no file descriptors: %s",
                              strerror(errno));
    else
        code = h2_bind(options->listen, &listener->sockets, err);
    if (code == MESH_OK)
        *out = listener;
    else
        h2_listener_destroy(listener);
    return code;
}

int h2_listener_port(const h2_listener *listener)
{
    return listener->sockets.port;
}

mesh_code h2_listener_start(h2_listener *listener, mesh_error *err)
{
    int error = pthread_create(&listener->thread, NULL, accept_all, listener);

    if (error != 0)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                              strerror(error));
    listener->running = true;
    return MESH_OK;
}

void h2_listener_stop(h2_listener *listener)
{
    if (listener->running) {
        (void)eventfd_write(listener->wake, 1);
        (void)pthread_join(listener->thread, NULL);
        listener->running = false;
    }
    h2_unbind(&listener->sockets);
}

void h2_listener_destroy(h2_listener *listener)
{
    if (listener == NULL)
        return;
    h2_listener_stop(listener);
    if (listener->wake >= 0)
        (void)close(listener->wake);
    if (listener->reserve >= 0)
        (void)close(listener->reserve);
    mesh_free(listener);
}
