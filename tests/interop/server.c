/* The server of gRPC's interoperability tests. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mesh/rpc/server.h"
#include "tests/interop/flags.h"
#include "tests/interop/load_report.h"
#include "tests/interop/test_service.h"

enum {
    ADDRESS_BYTES = 256,
    DRAIN_TIMEOUT_MS = 2000
};

static struct {
    int port;
    const char *address;
    bool use_tls;
    const char *certificate_file;
    const char *key_file;
} options;

static const flag flags[] = {
    {.name = "port",
     .number = &options.port,
     .help = "on 127.0.0.1; 0, the default, takes a free one"},
    {.name = "address", .text = &options.address, .help = "instead: HOST:PORT or unix:PATH"},
    {.name = "use_tls", .boolean = &options.use_tls, .help = "needs the next two; default false"},
    {.name = "tls_cert_file", .text = &options.certificate_file, .help = "PEM, leaf first"},
    {.name = "tls_key_file", .text = &options.key_file, .help = "PEM"},
};

static const char about[] =
    "Serves grpc.testing.TestService until SIGTERM or SIGINT. Prints a line when it listens.";

static mesh_code start(mesh_server **server, const char *server_id, char address[ADDRESS_BYTES],
                       mesh_error *err)
{
    const mesh_tls_options tls = {.certificate_file = options.certificate_file,
                                  .key_file = options.key_file};
    mesh_code code;

    snprintf(address, ADDRESS_BYTES, "127.0.0.1:%d", options.port);
    code = mesh_server_create(
        &(mesh_server_options){.listen = options.address != NULL ? options.address : address,
                               .tls = options.use_tls ? &tls : NULL},
        server, err);
    if (code == MESH_OK)
        code = mesh_server_add(*server, test_service_api(server_id), err);
    if (code == MESH_OK)
        code = mesh_server_add(*server, load_report_api(), err);
    if (code == MESH_OK)
        code = mesh_server_start(*server, err);
    return code;
}

int main(int argc, char **argv)
{
    mesh_server *server = NULL;
    char address[ADDRESS_BYTES];
    char server_id[32];
    mesh_error err;
    sigset_t ends;
    int signal;

    flags_read(argc, argv, flags, sizeof flags / sizeof flags[0], about);
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    snprintf(server_id, sizeof server_id, "meshc-%ld", (long)getpid());
    if (start(&server, server_id, address, &err) != MESH_OK) {
        fprintf(stderr, "interop server: %s\n", err.message);
        mesh_server_destroy(server);
        return EXIT_FAILURE;
    }
    if (options.address != NULL)
        printf("listening on %s\n", options.address);
    else
        printf("listening on 127.0.0.1:%d\n", mesh_server_port(server));
    fflush(stdout);
    (void)sigwait(&ends, &signal);
    (void)mesh_server_drain(server, DRAIN_TIMEOUT_MS);
    mesh_server_destroy(server);
    return EXIT_SUCCESS;
}
