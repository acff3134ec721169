/*
 * What all fuzz targets have in common. A target is one function with libFuzzer's name
 * (https://llvm.org/docs/LibFuzzer.html), made by mesh_fuzz_test (bazel/mesh_fuzz.bzl).
 * scripts/fuzz runs it on inputs that libFuzzer makes up, Bazel's tests on those that are checked
 * in.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Returns 0; aborts when a promise does not hold. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is. */
#define FUZZ_CHECK(promise)                                                              \
    do {                                                                                 \
        if (!(promise)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #promise); \
            abort();                                                                     \
        }                                                                                \
    } while (0)

/* What is left of an input that holds several things. */
typedef struct fuzz_input {
    const uint8_t *data;
    size_t size;
} fuzz_input;

/* The next byte; 0 at the end. */
uint8_t fuzz_byte(fuzz_input *input);

/* Bytes up to the next one of that value, which is passed, or to the end. */
fuzz_input fuzz_until(fuzz_input *input, uint8_t stop);

/* Bytes whose number is given by the two before them (big-endian), or as many as there are. */
fuzz_input fuzz_block(fuzz_input *input);

/* A copy with a NUL behind it, to be freed: what reads past its end is found. */
char *fuzz_text(fuzz_input piece);

#endif
