#include "mesh/rpc/h2/h2_bind.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mesh/base/address.h"
#include "mesh/base/alloc.h"

static mesh_code cannot_listen(const char *listen, const char *cause, mesh_error *err)
{
    return mesh_error_set(err, MESH_UNAVAILABLE, "cannot listen on %s: %s", listen, cause);
}

/* A socket that listens; -1 with errno otherwise. */
static int listen_on(const struct sockaddr *address, socklen_t size)
{
    static const int yes = 1, no = 0;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error;

    if (fd < 0)
        return -1;
    if ((address->sa_family == AF_UNIX ||
         setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0) &&
        /* [::] takes both families, whatever the system's default */
        (address->sa_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) == 0) &&
        bind(fd, address, size) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

/* --- TCP -------------------------------------------------------------------------------------- */

static int port_of(int fd)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;

    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0)
        return 0;
    switch (bound.ss_family) {
    case AF_INET:
        return ntohs(((struct sockaddr_in *)&bound)->sin_port);
    case AF_INET6:
        return ntohs(((struct sockaddr_in6 *)&bound)->sin6_port);
    default:
        return 0;
    }
}

/* The others of a host get the port that the first one found free. */
static void set_port(struct sockaddr *address, int port)
{
    if (address->sa_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons((uint16_t)port);
    else if (address->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)port);
}

/*
 * One of the addresses is enough, since not every machine has IPv6; but one that is taken is a
 * mistake, not a matter of the machine.
 */
static mesh_code bind_host(const char *text, const mesh_address *address, h2_sockets *sockets,
                           mesh_error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    int error = getaddrinfo(address->host, address->port, &hints, &found);
    int failure = 0;

    if (error != 0)
        return cannot_listen(text, error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error),
                             err);
    for (struct addrinfo *at = found; at != NULL && sockets->count < H2_SOCKETS_MAX;
         at = at->ai_next) {
        int fd;

        if (sockets->count > 0)
            set_port(at->ai_addr, sockets->port);
        fd = listen_on(at->ai_addr, at->ai_addrlen);
        if (fd < 0) {
            failure = errno;
            if (failure == EADDRINUSE)
                break;
            continue;
        }
        sockets->fds[sockets->count++] = fd;
        sockets->port = port_of(fd);
    }
    freeaddrinfo(found);
    if (sockets->count > 0 && failure != EADDRINUSE)
        return MESH_OK;
    h2_unbind(sockets);
    return cannot_listen(text, strerror(failure), err);
}

/* --- Unix sockets ----------------------------------------------------------------------------- */

/* Removes a socket that nobody listens on any more: a server that ended without its clean-up. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat found;
    int fd;

    if (lstat(address->sun_path, &found) != 0 || !S_ISSOCK(found.st_mode))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        (void)unlink(address->sun_path);
    (void)close(fd);
}

static mesh_code bind_path(const char *text, const char *path, h2_sockets *sockets, mesh_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat found;

    assert(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    sockets->path = mesh_strdup(path);
    if (sockets->path == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    remove_stale(&address);
    sockets->fds[0] = listen_on((const struct sockaddr *)&address, sizeof address);
    if (sockets->fds[0] < 0) {
        int failure = errno;

        mesh_free(sockets->path);
        sockets->path = NULL;
        return cannot_listen(text, strerror(failure), err);
    }
    sockets->count = 1;
    if (lstat(path, &found) == 0) {
        sockets->device = found.st_dev;
        sockets->inode = found.st_ino;
    }
    return MESH_OK;
}

/* --- inherited ones --------------------------------------------------------------------------- */

static mesh_code take_over(const char *text, int fd, h2_sockets *sockets, mesh_error *err)
{
    int listens = 0, type = 0;
    socklen_t size = sizeof listens;
    int flags;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
        return cannot_listen(text, strerror(errno), err);
    if (listens == 0 || type != SOCK_STREAM)
        return cannot_listen(text, "the descriptor is no stream socket that listens", err);
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return cannot_listen(text, strerror(errno), err);
    *sockets = (h2_sockets){.fds = {fd}, .count = 1, .port = port_of(fd)};
    return MESH_OK;
}

/* --- all -------------------------------------------------------------------------------------- */

mesh_code h2_bind(const char *listen, h2_sockets *sockets, mesh_error *err)
{
    mesh_address address;

    *sockets = (h2_sockets){.count = 0};
    if (!mesh_address_parse(listen, &address))
        return cannot_listen(listen, "no HOST:PORT, [V6]:PORT, unix:PATH or fd://N", err);
    if (address.path != NULL)
        return bind_path(listen, address.path, sockets, err);
    if (address.fd >= 0)
        return take_over(listen, address.fd, sockets, err);
    return bind_host(listen, &address, sockets, err);
}

void h2_unbind(h2_sockets *sockets)
{
    struct stat found;

    for (size_t i = 0; i < sockets->count; i++)
        (void)close(sockets->fds[i]);
    sockets->count = 0;
    if (sockets->path != NULL && lstat(sockets->path, &found) == 0 &&
        found.st_dev == sockets->device && found.st_ino == sockets->inode)
        (void)unlink(sockets->path);
    mesh_free(sockets->path);
    sockets->path = NULL;
}
