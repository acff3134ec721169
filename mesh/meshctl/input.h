/*
 * The messages that a call sends: JSON values one after another, from words of the command line, a
 * file or the standard input, where each is handed out as soon as it is complete. One thread reads;
 * any thread may stop it.
 */
#ifndef MESH_MESHCTL_INPUT_H
#define MESH_MESHCTL_INPUT_H

#include "mesh/meshctl/ctl.h"

enum {
    CTL_MAX_VALUE_BYTES = 64 * 1024 * 1024
};

typedef struct ctl_input ctl_input;

/*
 * `words`: each "@FILE", "-" (standard input, once) or JSON. No words: standard input when
 * `read_stdin`, else nothing. The words are borrowed.
 */
mesh_code ctl_input_open(const char *const *words, size_t count, bool read_stdin, ctl_input **input,
                         ctl_failure *failure);
void ctl_input_close(ctl_input *input);

/*
 * The next value: MESH_OK; the text is valid until the next call. MESH_EOF: no more, or stopped.
 * INVALID_ARGUMENT: not JSON, with its place; NOT_FOUND and others: a file cannot be read.
 */
mesh_code ctl_input_next(ctl_input *input, const char **json, size_t *size, ctl_failure *failure);

/* Lets a waiting ctl_input_next, and all later ones, return MESH_EOF. Any thread. */
void ctl_input_stop(ctl_input *input);

#endif
