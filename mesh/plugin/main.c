/*
 * protoc-gen-mesh: protoc sends a CodeGeneratorRequest on stdin and takes the response from stdout
 * (google/protobuf/compiler/plugin.proto). Mistakes of a contract are an answer and exit status 0;
 * a request that protoc would not send is a message on stderr and exit status 1.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mesh/plugin/generate.h"

static const char help[] =
    "protoc-gen-mesh " MESH_VERSION ": typed gRPC stubs for plain C\n"
    "\n"
    "It is run by protoc, and reads from it:\n"
    "  protoc --plugin=protoc-gen-mesh=PATH --mesh_out=[OPTIONS:]DIR -I... x.proto\n"
    "writes x.pb-c.h, x.pb-c.c, x.mesh.h and x.mesh.c into DIR.\n"
    "\n"
    "Options (also --mesh_opt=OPTION):\n"
    "  protoc_gen_c=PATH  the plugin that writes x.pb-c.*; default: protoc-gen-c in PATH\n"
    "\n"
    "By hand:\n"
    "  --version          the version\n"
    "  --help             this text\n";

static bool read_input(text *input)
{
    char block[65536];
    for (;;) {
        size_t got = fread(block, 1, sizeof block, stdin);
        text_add_bytes(input, block, got);
        if (got < sizeof block)
            return ferror(stdin) == 0;
    }
}

static int serve(void)
{
    text input = {0}, output = {0}, why = {0};
    int status = 1;
    if (!read_input(&input))
        text_addf(&why, "the request cannot be read: %s", strerror(errno));
    else if (generate((const uint8_t *)input.data, input.size, &output, &why))
        status = 0;
    if (status == 0 && output.size > 0 &&
        (fwrite(output.data, 1, output.size, stdout) != output.size || fflush(stdout) != 0)) {
        text_addf(&why, "the answer cannot be written: %s", strerror(errno));
        status = 1;
    }
    if (status != 0)
        fprintf(stderr, "protoc-gen-mesh: %s\n", why.data);
    text_free(&input);
    text_free(&output);
    text_free(&why);
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 1 && isatty(STDIN_FILENO)) {
        fputs(help, stderr);
        return 2;
    }
    if (argc == 1)
        return serve();
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("protoc-gen-mesh " MESH_VERSION);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    fprintf(stderr, "protoc-gen-mesh: unknown argument \"%s\"\n\n%s", argv[1], help);
    return 2;
}
