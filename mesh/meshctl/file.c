#include "mesh/meshctl/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mesh/base/clock.h"
#include "mesh/dyn/text.h"

enum {
    LOCK_POLL_MS = 20
};

int ctl_file_read(const char *path, mesh_arena *arena, const char **data, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    mesh_text text = MESH_TEXT_INIT(arena, CTL_FILE_MOST_BYTES);
    int problem = 0;
    for (;;) {
        char block[16 * 1024];
        ssize_t got = read(fd, block, sizeof block);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            problem = errno;
        if (got <= 0)
            break;
        mesh_text_add(&text, block, (size_t)got);
    }
    close(fd);
    if (problem == 0 && text.failed)
        problem = EFBIG;
    if (problem == 0) {
        *data = mesh_text_string(&text);
        *size = text.size;
    }
    return problem;
}

int ctl_file_make_folders(const char *path)
{
    char folder[PATH_MAX];
    if ((size_t)snprintf(folder, sizeof folder, "%s", path) >= sizeof folder)
        return ENAMETOOLONG;
    for (char *slash = folder; (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        *slash = '\0';
        if (mkdir(folder, S_IRWXU) != 0 && errno != EEXIST)
            return errno;
    }
    return 0;
}

/* PATH and what follows it. */
static int join(char text[PATH_MAX], const char *path, const char *end)
{
    return (size_t)snprintf(text, PATH_MAX, "%s%s", path, end) < PATH_MAX ? 0 : ENAMETOOLONG;
}

static int write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, data, size);
        if (put < 0 && errno != EINTR)
            return errno;
        if (put > 0) {
            data += put;
            size -= (size_t)put;
        }
    }
    return fsync(fd) == 0 ? 0 : errno;
}

int ctl_file_replace(const char *path, const void *data, size_t size)
{
    char fresh[PATH_MAX];
    int problem = join(fresh, path, ".new");
    if (problem != 0)
        return problem;
    unlink(fresh); /* of a run that was killed */
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return errno;
    problem = write_all(fd, data, size);
    if (close(fd) != 0 && problem == 0)
        problem = errno;
    if (problem == 0 && rename(fresh, path) != 0)
        problem = errno;
    if (problem != 0)
        unlink(fresh);
    return problem;
}

int ctl_file_lock(const char *path, int64_t end_ns, int *lock)
{
    char name[PATH_MAX];
    int problem = join(name, path, ".lock");
    if (problem != 0)
        return problem;
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return errno;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        problem = errno != EWOULDBLOCK && errno != EINTR ? errno
                  : mesh_clock_monotonic_ns() >= end_ns  ? ETIMEDOUT
                                                         : 0;
        if (problem != 0) {
            close(fd);
            return problem;
        }
        poll(NULL, 0, LOCK_POLL_MS);
    }
    *lock = fd;
    return 0;
}

void ctl_file_unlock(int lock)
{
    close(lock);
}
