#include "mesh/plugin/delegate.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mesh/plugin/memory.h"
#include "mesh/plugin/names.h"
#include "mesh/plugin/rewrite.h"
#include "mesh/plugin/wire.h"

extern char **environ;

/* A file without a name that holds `data`, open at its start; -1 when there is none to be had. */
static int hold(const uint8_t *data, size_t size)
{
    int fd = memfd_create("protoc-gen-mesh", MFD_CLOEXEC);
    while (fd >= 0 && size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            close(fd);
            return -1;
        }
        data += written;
        size -= (size_t)written;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

/* Runs the program from `in` to `out` and waits. 0, or what went wrong. */
static int run(const char *program, int in, int out, int *status)
{
    posix_spawn_file_actions_t actions;
    char *const arguments[] = {(char *)program, NULL};
    pid_t child;
    int failure = posix_spawn_file_actions_init(&actions);
    if (failure != 0)
        return failure;
    failure = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (failure == 0)
        failure = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (failure == 0)
        failure = posix_spawnp(&child, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0)
        return failure;
    while (waitpid(child, status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

static uint8_t *read_all(mesh_arena *arena, int fd, size_t *size)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return NULL;
    uint8_t *data = memory_take(arena, (size_t)info.st_size + 1, 1);
    for (*size = 0; *size < (size_t)info.st_size;) {
        ssize_t got = pread(fd, data + *size, (size_t)info.st_size - *size, (off_t)*size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return NULL;
        *size += (size_t)got;
    }
    return data;
}

static code_response *read_response(mesh_arena *arena, const char *program, int fd, int status,
                                    text *why)
{
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        text_addf(why, "%s failed with %s %d", program, WIFEXITED(status) ? "status" : "signal",
                  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        return NULL;
    }
    const ProtobufCMessageDescriptor *type =
        &google__protobuf__compiler__code_generator_response__descriptor;
    size_t size;
    const uint8_t *data = read_all(arena, fd, &size);
    code_response *response = NULL;
    if (data != NULL)
        response = (code_response *)wire_unpack(arena, type, data, size);
    if (response == NULL)
        text_addf(why, "%s answered something that is no CodeGeneratorResponse", program);
    else if (response->error != NULL && response->error[0] != '\0')
        text_addf(why, "%s: %s", program, response->error);
    else
        return response;
    return NULL;
}

code_response *delegate_run(mesh_arena *arena, const char *program, const uint8_t *data,
                            size_t size, text *why)
{
    code_response *response = NULL;
    int in = -1, out = -1, status = 0;
    code_request *request = request_read(arena, data, size, why);
    if (request == NULL)
        goto done;
    rewrite_request(arena, request);
    size_t rewritten_size = protobuf_c_message_get_packed_size((const ProtobufCMessage *)request);
    uint8_t *rewritten = memory_take(arena, rewritten_size + 1, 1);
    protobuf_c_message_pack((const ProtobufCMessage *)request, rewritten);
    in = hold(rewritten, rewritten_size);
    out = hold(NULL, 0);
    if (in < 0 || out < 0) {
        text_addf(why, "no memory for the input of %s: %s", program, strerror(errno));
        goto done;
    }
    int failure = run(program, in, out, &status);
    if (failure != 0) {
        text_addf(why,
                  "%s cannot be started: %s; it comes with protobuf-c (Debian: "
                  "protobuf-c-compiler), and --mesh_opt=protoc_gen_c=PATH says where it is",
                  program, strerror(failure));
        goto done;
    }
    response = read_response(arena, program, out, status, why);
done:
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return response;
}
