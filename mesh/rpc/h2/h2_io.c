#include "mesh/rpc/h2/h2_io.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mesh/rpc/h2/h2_tls.h"

h2_io_result h2_io_handshake(h2_io *io)
{
    return io->tls != NULL ? h2_tls_session_handshake(io->tls) : H2_IO_DONE;
}

void h2_io_read_ahead(h2_io *io, bool ahead)
{
    if (io->tls != NULL)
        h2_tls_session_read_ahead(io->tls, ahead);
}

h2_io_result h2_io_read(h2_io *io, void *data, size_t size, size_t *got)
{
    ssize_t result;

    assert(size > 0);
    if (io->tls != NULL)
        return h2_tls_session_read(io->tls, data, size, got);
    do
        result = recv(io->fd, data, size, 0);
    while (result < 0 && errno == EINTR);
    if (result > 0) {
        *got = (size_t)result;
        return H2_IO_DONE;
    }
    if (result == 0)
        return H2_IO_CLOSED;
    return errno == EAGAIN || errno == EWOULDBLOCK ? H2_IO_WANT_READ : H2_IO_FAILED;
}

h2_io_result h2_io_write(h2_io *io, const struct iovec *parts, int part_count, size_t *put)
{
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                                   .msg_iovlen = (size_t)part_count};
    ssize_t result;

    if (io->tls != NULL)
        return h2_tls_session_write(io->tls, parts, part_count, put);
    do
        result = sendmsg(io->fd, &message, MSG_NOSIGNAL);
    while (result < 0 && errno == EINTR);
    if (result >= 0) {
        *put = (size_t)result;
        return H2_IO_DONE;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? H2_IO_WANT_WRITE : H2_IO_FAILED;
}

bool h2_io_pending(const h2_io *io)
{
    return io->tls != NULL && h2_tls_session_pending(io->tls);
}

bool h2_io_end(h2_io *io)
{
    if (io->tls != NULL)
        h2_tls_session_end(io->tls);
    return shutdown(io->fd, SHUT_WR) == 0;
}

void h2_io_close(h2_io *io)
{
    if (io->tls != NULL)
        h2_tls_session_destroy(io->tls);
    (void)close(io->fd);
    *io = (h2_io){.fd = -1};
}
