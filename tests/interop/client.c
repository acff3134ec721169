/* The client of gRPC's interoperability tests: runs one case, and says nothing when it passes. */
#include "tests/interop/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/interop/flags.h"

enum {
    TARGET_BYTES = 256,
    ARENA_BYTES = 1 << 20
};

static struct {
    const char *server_host;
    int server_port;
    const char *server_uri;
    const char *server_host_override;
    const char *test_case;
    bool use_tls;
    const char *ca_file;
    soak_options soak;
} options = {
    .server_host = "127.0.0.1",
    .server_port = 10000,
    .test_case = "large_unary",
    .soak = {.iterations = 10,
             .max_latency_ms = 1000,
             .overall_timeout_s = 10,
             .request_size = 271828,
             .response_size = 314159,
             .threads = 1},
};

static const flag flags[] = {
    {.name = "server_host", .text = &options.server_host, .help = "default 127.0.0.1"},
    {.name = "server_port", .number = &options.server_port, .help = "default 10000"},
    {.name = "server_uri",
     .text = &options.server_uri,
     .help = "instead of both: any gRPC target, e.g. unix:PATH"},
    {.name = "server_host_override",
     .text = &options.server_host_override,
     .help = "the name that the server's certificate must have"},
    {.name = "test_case", .text = &options.test_case, .help = "see below; default large_unary"},
    {.name = "use_tls", .boolean = &options.use_tls, .help = "default false"},
    {.name = "ca_file",
     .text = &options.ca_file,
     .help = "whom to trust; default the system's roots"},
    {.name = "soak_iterations", .number = &options.soak.iterations, .help = "default 10"},
    {.name = "soak_max_failures", .number = &options.soak.max_failures, .help = "default 0"},
    {.name = "soak_per_iteration_max_acceptable_latency_ms",
     .number = &options.soak.max_latency_ms,
     .help = "default 1000"},
    {.name = "soak_min_time_ms_between_rpcs",
     .number = &options.soak.min_interval_ms,
     .help = "default 0"},
    {.name = "soak_overall_timeout_seconds",
     .number = &options.soak.overall_timeout_s,
     .help = "default 10"},
    {.name = "soak_request_size", .number = &options.soak.request_size, .help = "default 271828"},
    {.name = "soak_response_size", .number = &options.soak.response_size, .help = "default 314159"},
    {.name = "soak_num_threads", .number = &options.soak.threads, .help = "default 1"},
};

static const interop_case *const kinds[] = {
    unary_cases, stream_cases, compression_cases, soak_cases, load_report_cases,
};

enum {
    KINDS = sizeof kinds / sizeof kinds[0]
};

/* --- what the cases share --------------------------------------------------------------------- */

void fail(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", options.test_case);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

void check_code(const char *call, mesh_code code, const mesh_error *err, mesh_code wanted)
{
    CHECK(code == wanted, "%s ended with %s instead of %s: %s", call, mesh_code_name(code),
          mesh_code_name(wanted), code != MESH_OK ? err->message : "");
}

void check_payload(const Grpc__Testing__Payload *payload, int size)
{
    size_t got = payload != NULL ? payload->body.len : 0;

    CHECK(got == (size_t)size, "a payload of %zu bytes instead of %d", got, size);
    CHECK(payload == NULL || payload->type == GRPC__TESTING__PAYLOAD_TYPE__COMPRESSABLE,
          "a payload of type %d", (int)payload->type);
}

Grpc__Testing__Payload *make_payload(mesh_arena *arena, int size)
{
    Grpc__Testing__Payload *payload = mesh_arena_alloc(arena, sizeof *payload);
    uint8_t *zeros = mesh_arena_calloc(arena, 1, (size_t)size);

    CHECK(payload != NULL && zeros != NULL, "out of memory");
    grpc__testing__payload__init(payload);
    payload->body = (ProtobufCBinaryData){.data = zeros, .len = (size_t)size};
    return payload;
}

Grpc__Testing__SimpleRequest simple_request(mesh_arena *arena, int size, int response_size)
{
    Grpc__Testing__SimpleRequest request = GRPC__TESTING__SIMPLE_REQUEST__INIT;

    request.payload = make_payload(arena, size);
    request.response_size = response_size;
    return request;
}

/* --- the program ------------------------------------------------------------------------------ */

static const interop_case *find_case(const char *name)
{
    for (size_t i = 0; i < KINDS; i++)
        for (const interop_case *found = kinds[i]; found->name != NULL; found++)
            if (strcmp(found->name, name) == 0)
                return found;
    return NULL;
}

/* The cases are listed below the flags. */
static char *describe(void)
{
    char *about = NULL;
    size_t size;
    FILE *out = open_memstream(&about, &size);

    CHECK(out != NULL, "out of memory");
    fputs("Runs one case against a server of grpc.testing.TestService. Prints nothing and ends "
          "with\nstatus 0 when it passes. The cases:\n",
          out);
    for (size_t i = 0; i < KINDS; i++)
        for (const interop_case *listed = kinds[i]; listed->name != NULL; listed++)
            fprintf(out, "\n  %-36s %s", listed->name, listed->help);
    CHECK(fclose(out) == 0, "out of memory");
    return about;
}

int main(int argc, char **argv)
{
    char *about = describe();
    char address[TARGET_BYTES];
    mesh_tls_options tls = {.size = sizeof tls};
    mesh_channel_options channel_options = {.size = sizeof channel_options};
    interop_client client = {.channel_options = &channel_options};
    const interop_case *wanted;
    mesh_error err;

    flags_read(argc, argv, flags, sizeof flags / sizeof flags[0], about);
    free(about);
    wanted = find_case(options.test_case);
    CHECK(wanted != NULL, "there is no such case; --help lists them");
    snprintf(address, sizeof address, "%s:%d", options.server_host, options.server_port);
    tls.ca_file = options.ca_file;
    tls.server_name = options.server_host_override;
    channel_options.tls = options.use_tls ? &tls : NULL;
    client.target = options.server_uri != NULL ? options.server_uri : address;
    client.soak = options.soak;
    client.arena = mesh_arena_create(ARENA_BYTES, 0);
    CHECK(client.arena != NULL, "out of memory");
    CHECK(mesh_channel_create(client.target, &channel_options, &client.channel, &err) == MESH_OK,
          "%s", err.message);
    wanted->run(&client);
    mesh_channel_destroy(client.channel);
    mesh_arena_destroy(client.arena);
    return EXIT_SUCCESS;
}
