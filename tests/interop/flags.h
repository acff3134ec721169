/*
 * The command line of the interoperability programs, which is the same in all languages:
 * `--name=value` or `--name value`; a flag that is a bool is `--name` or `--name=true` or `=false`.
 */
#ifndef TESTS_INTEROP_FLAGS_H
#define TESTS_INTEROP_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct flag {
    const char *name;
    const char *help; /* what it means, and its default */
    /* one of the three; holds the default before, borrows from argv after */
    const char **text;
    int *number; /* from 0 on */
    bool *boolean;
} flag;

/* Reads argv into the flags. --help prints `about` and the flags and ends the process with status
 * 0; a mistake says what is wrong and ends it with 2. */
void flags_read(int argc, char **argv, const flag *flags, size_t count, const char *about);

#endif
