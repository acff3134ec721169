#include "mesh/meshctl/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "mesh/dyn/text.h"

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
