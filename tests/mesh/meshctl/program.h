/* Runs programs and looks at what they do. Every wait has a limit of PROGRAM_LIMIT_MS. */
#ifndef TESTS_MESH_MESHCTL_PROGRAM_H
#define TESTS_MESH_MESHCTL_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
    PROGRAM_LIMIT_MS = 30000,
    PROGRAM_OUTPUT_BYTES = 64 * 1024
};

typedef struct program {
    pid_t pid;
    int input; /* its stdin, -1 when closed */
    int output;
    int errors;
    char out[PROGRAM_OUTPUT_BYTES]; /* all that it wrote so far, NUL-terminated */
    size_t out_size;
    char err[PROGRAM_OUTPUT_BYTES];
    size_t err_size;
    int status; /* after program_wait: exit code, or 256 + the signal that ended it */
} program;

/* argv ends with NULL. Fails the test when the program cannot be started. */
void program_start(program *p, const char *const *argv);
void program_write(program *p, const char *text);
void program_close_input(program *p);

/* Waits until the output holds the text; fails the test at the limit or at the program's end. */
void program_expect(program *p, const char *text);

/* Waits for the end. */
void program_wait(program *p);

/* Start, write, close, wait. */
void program_run(program *p, const char *const *argv, const char *input);

#endif
