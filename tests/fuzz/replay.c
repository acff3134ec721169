/* Runs a target on the files that are given: what was found once is not forgotten. */
#include "tests/fuzz/fuzz.h"

static int replay(const char *path)
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

    if (argc < 2) {
        fprintf(stderr, "no inputs\n");
        return 1;
    }
    for (int i = 1; i < argc; i++)
        failed += replay(argv[i]);
    return failed == 0 ? 0 : 1;
}
