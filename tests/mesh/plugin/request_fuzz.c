/*
 * Any bytes as a CodeGeneratorRequest: the answer is one that protoc can read, or there is a
 * message. protoc-gen-c is not run (linked with --wrap): it answers nothing.
 */
#include <spawn.h>
#include <sys/wait.h>

#include "google/protobuf/compiler/plugin.pb-c.h"
#include "mesh/plugin/generate.h"
#include "tests/fuzz/fuzz.h"

typedef Google__Protobuf__Compiler__CodeGeneratorResponse response;

int __wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attributes, char *const argv[],
                        char *const envp[]);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);

int __wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    (void)file;
    (void)actions;
    (void)attributes;
    (void)argv;
    (void)envp;
    *pid = 1;
    return 0;
}

pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
    (void)options;
    *status = 0;
    return pid;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    text output = {0}, why = {0};

    if (generate(data, size, &output, &why)) {
        response *answer = google__protobuf__compiler__code_generator_response__unpack(
            NULL, output.size, (const uint8_t *)output.data);

        FUZZ_CHECK(answer != NULL);
        FUZZ_CHECK(answer->error == NULL || answer->n_file == 0);
        google__protobuf__compiler__code_generator_response__free_unpacked(answer, NULL);
    } else {
        FUZZ_CHECK(output.size == 0 && why.size > 0);
    }
    text_free(&output);
    text_free(&why);
    return 0;
}
