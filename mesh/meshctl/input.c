#include "mesh/meshctl/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mesh/base/alloc.h"
#include "mesh/dyn/dyn.h"
#include "mesh/dyn/json_text.h"

enum {
    FIRST_BYTES = 64 * 1024
};

struct ctl_input {
    const char *const *words;
    size_t count;
    size_t next;      /* word to open next */
    const char *name; /* of the source in errors: "FILE", "standard input", "message" */
    const char *text; /* JSON of a word; NULL: the buffer, filled from fd */
    int fd;           /* -1: none open */
    char *buffer;
    size_t capacity;
    size_t filled;
    size_t used;    /* bytes handed out */
    unsigned lines; /* lines in front of the buffer's begin */
    bool ended;     /* nothing more comes from fd */
    int stop;       /* eventfd: readable once stopped */
};

mesh_code ctl_input_open(const char *const *words, size_t count, bool read_stdin, ctl_input **input,
                         ctl_failure *failure)
{
    static const char *const only_stdin[] = {"-"};
    ctl_input *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    made->words = words;
    made->count = count;
    if (count == 0 && read_stdin) {
        made->words = only_stdin;
        made->count = 1;
    }
    made->fd = -1;
    made->stop = eventfd(0, EFD_CLOEXEC);
    if (made->stop < 0) {
        mesh_free(made);
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "eventfd: %s", strerror(errno));
    }
    *input = made;
    return MESH_OK;
}

static void close_source(ctl_input *in)
{
    if (in->fd > STDIN_FILENO)
        close(in->fd);
    in->fd = -1;
    in->text = NULL;
    in->name = NULL;
    in->filled = in->used = 0;
    in->lines = 0;
    in->ended = false;
}

void ctl_input_close(ctl_input *input)
{
    if (input == NULL)
        return;
    close_source(input);
    close(input->stop);
    mesh_free(input->buffer);
    mesh_free(input);
}

void ctl_input_stop(ctl_input *input)
{
    uint64_t one = 1;
    ssize_t written = write(input->stop, &one, sizeof one);
    (void)written; /* fails only when it is readable already */
}

static mesh_code open_source(ctl_input *in, ctl_failure *failure)
{
    const char *word = in->words[in->next++];
    if (strcmp(word, "-") == 0) {
        in->fd = STDIN_FILENO;
        in->name = "standard input";
    } else if (word[0] == '@') {
        in->name = word + 1;
        in->fd = open(word + 1, O_RDONLY | O_CLOEXEC);
        if (in->fd < 0)
            return ctl_fail(failure, MESH_NOT_FOUND, NULL, "%s: %s", word + 1, strerror(errno));
    } else {
        in->name = "message";
        in->text = word;
        in->filled = strlen(word);
        in->ended = true;
    }
    return MESH_OK;
}

static mesh_code grow(ctl_input *in, ctl_failure *failure)
{
    if (in->filled < in->capacity)
        return MESH_OK;
    size_t capacity = in->capacity == 0 ? FIRST_BYTES : in->capacity * 2;
    if (capacity > CTL_MAX_VALUE_BYTES)
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "%s: a value of more than %d bytes",
                        in->name, CTL_MAX_VALUE_BYTES);
    char *buffer = mesh_realloc(in->buffer, capacity);
    if (buffer == NULL)
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    in->buffer = buffer;
    in->capacity = capacity;
    return MESH_OK;
}

/* Drops what was handed out. */
static void shift(ctl_input *in)
{
    for (size_t i = 0; i < in->used; i++)
        in->lines += in->buffer[i] == '\n';
    memmove(in->buffer, in->buffer + in->used, in->filled - in->used);
    in->filled -= in->used;
    in->used = 0;
}

/* Waits for more bytes; MESH_EOF when stopped. */
static mesh_code fill(ctl_input *in, ctl_failure *failure)
{
    if (in->used > 0)
        shift(in);
    mesh_code code = grow(in, failure);
    if (code != MESH_OK)
        return code;
    for (;;) {
        struct pollfd wait[] = {{.fd = in->fd, .events = POLLIN},
                                {.fd = in->stop, .events = POLLIN}};
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            return ctl_fail(failure, MESH_INTERNAL, NULL, "poll: %s", strerror(errno));
        if (wait[1].revents != 0)
            return MESH_EOF;
        if (wait[0].revents == 0)
            continue;
        ssize_t got = read(in->fd, in->buffer + in->filled, in->capacity - in->filled);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            return ctl_fail(failure, MESH_FAILED_PRECONDITION, NULL, "%s: %s", in->name,
                            strerror(errno));
        in->filled += (size_t)got;
        in->ended = got == 0;
        return MESH_OK;
    }
}

static mesh_code not_json(const ctl_input *in, const char *begin, size_t size,
                          const mesh_json_scan *scan, ctl_failure *failure)
{
    unsigned line, column;
    mesh_json_locate(begin, size, scan->position, &line, &column);
    return ctl_fail(failure, MESH_INVALID_ARGUMENT, NULL, "%s:%u:%u: %s", in->name,
                    line + in->lines, column, scan->why);
}

/* A number or word that touches the end may go on with the next bytes. */
static bool may_go_on(const char *begin, const mesh_json_scan *scan, size_t size)
{
    char last = begin[scan->end - 1];
    return scan->end == size && last != '}' && last != ']' && last != '"';
}

mesh_code ctl_input_next(ctl_input *in, const char **json, size_t *size, ctl_failure *failure)
{
    for (;;) {
        mesh_code code;
        if (in->name == NULL) {
            if (in->next == in->count)
                return MESH_EOF;
            code = open_source(in, failure);
            if (code != MESH_OK)
                return code;
        }
        const char *all = in->text != NULL ? in->text : in->buffer;
        const char *begin = all == NULL ? "" : all + in->used;
        size_t left = in->filled - in->used;
        mesh_json_scan scan;
        mesh_json_result result = mesh_json_scan_value(begin, left, MESH_DYN_MAX_JSON_DEPTH, &scan);
        if (result == MESH_JSON_VALUE && (in->ended || !may_go_on(begin, &scan, left))) {
            *json = begin + scan.begin;
            *size = scan.end - scan.begin;
            in->used += scan.end;
            return MESH_OK;
        }
        if (result == MESH_JSON_BAD || (result == MESH_JSON_PARTIAL && in->ended)) {
            scan.position += in->used;
            return not_json(in, all, in->filled, &scan, failure);
        }
        if (in->ended) {
            close_source(in);
            continue;
        }
        code = fill(in, failure);
        if (code != MESH_OK)
            return code;
    }
}
