/*
 * Runs a target on the files that are given: what was found once is not forgotten. With --memory
 * first, each file once more for every allocation that this makes, which fails then.
 */
#include <string.h>

#include "mesh/base/alloc.h"
#include "tests/fuzz/fuzz.h"

/* How many failed; ends the program when a failure leaves something that is not freed. */
static size_t fail_in_turn(const uint8_t *data, size_t size)
{
    for (size_t n = 1;; n++) {
        bool failed;
        long live;

        mesh_alloc_fail_at(n);
        (void)LLVMFuzzerTestOneInput(data, size);
        failed = mesh_alloc_failed();
        live = mesh_alloc_live();
        mesh_alloc_fail_at(0);
        if (live != 0) {
            fprintf(stderr, "allocation %zu to fail: %ld were not freed\n", n, live);
            exit(1);
        }
        if (!failed)
            return n - 1;
    }
}

static int replay(const char *path, bool memory)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long size = -1;
    int failed = 1;

    printf("%s\n", path);
    fflush(stdout);
    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
        goto done;
    rewind(file);
    /* exactly as large, so that a sanitizer sees what reads past it */
    data = malloc(size > 0 ? (size_t)size : 1);
    if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size)
        goto done;
    failed = LLVMFuzzerTestOneInput(data, (size_t)size) != 0;
    if (memory)
        printf("  %zu allocations failed in turn\n", fail_in_turn(data, (size_t)size));

done:
    if (failed != 0)
        fprintf(stderr, "%s: cannot be read, or was refused\n", path);
    free(data);
    if (file != NULL)
        fclose(file);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    bool memory = argc > 1 && strcmp(argv[1], "--memory") == 0;

    if (argc < 2 + memory) {
        fprintf(stderr, "no inputs\n");
        return 1;
    }
    for (int i = 1 + memory; i < argc; i++)
        failed += replay(argv[i], memory);
    return failed == 0 ? 0 : 1;
}
