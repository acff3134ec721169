/*
 * What scripts/attack attacks: a server with the limits that are its defaults. Only its threads for
 * the transport are as many on every machine, so that figures compare.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attack/v1/target.mesh.h"
#include "mesh/health/health.h"
#include "mesh/rpc/server.h"
#include "tests/interop/flags.h"

enum {
    POURED = 10000,
    TEXT_BYTES = 1000,
    DRAIN_TIMEOUT_MS = 1000,
    POLLERS = 2
};

static struct {
    const char *transport;
    const char *listen;
    const char *certificate;
    const char *key;
} options = {.transport = "core", .listen = "127.0.0.1:0"};

static const flag flags[] = {
    {.name = "transport", .text = &options.transport, .help = "core, the default, or h2"},
    {.name = "listen",
     .text = &options.listen,
     .help = "HOST:PORT or unix:PATH; default: a free port of 127.0.0.1"},
    {.name = "certificate", .text = &options.certificate, .help = "PEM file; turns TLS on"},
    {.name = "key", .text = &options.key, .help = "PEM file, of the certificate"},
};

static const char about[] =
    "Serves attack.v1.Target until SIGTERM or SIGINT. Prints its\nport, 0 of a Unix socket.";

static char text[TEXT_BYTES];

static mesh_code echo(void *self, mesh_call *call, const Attack__V1__Node *request,
                      Attack__V1__Node *response, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    response->text = request->text;
    return MESH_OK;
}

/* Sends what there is room for. `mesh_stream_data` counts. */
static void pour_on(void *self, mesh_stream *stream)
{
    size_t *poured = mesh_stream_data(stream);
    Attack__V1__Node node = ATTACK__V1__NODE__INIT;

    (void)self;
    node.text = text;
    for (; *poured < POURED; (*poured)++)
        if (attack__v1__target__pour__try_reply(stream, &node) != MESH_OK)
            return;
    mesh_stream_end(stream, MESH_OK, NULL);
}

static mesh_code pour_open(void *self, mesh_stream *stream, const Attack__V1__Node *request,
                           mesh_error *err)
{
    size_t *poured = mesh_arena_calloc(mesh_call_arena(mesh_stream_call(stream)), 1,
                                       sizeof *poured);

    (void)request;
    if (poured == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory");
    mesh_stream_set_data(stream, poured);
    pour_on(self, stream);
    return MESH_OK;
}

static mesh_code pour_blocking(void *self, mesh_call *call, const Attack__V1__Node *request,
                               mesh_stream *stream, mesh_error *err)
{
    Attack__V1__Node node = ATTACK__V1__NODE__INIT;
    mesh_code code = MESH_OK;

    (void)self;
    (void)call;
    (void)request;
    (void)err;
    node.text = text;
    for (size_t i = 0; i < POURED && code == MESH_OK; i++)
        code = attack__v1__target__pour_blocking__reply(stream, &node);
    return code;
}

static mesh_code chat(void *self, mesh_stream *stream, const Attack__V1__Node *said,
                      mesh_error *err)
{
    Attack__V1__Node node = ATTACK__V1__NODE__INIT;
    mesh_code code;

    (void)self;
    node.text = said->text;
    code = attack__v1__target__chat__try_reply(stream, &node);
    return code == MESH_OK ? code : mesh_error_set(err, code, "nobody reads");
}

static void end_chat(void *self, mesh_stream *stream)
{
    (void)self;
    mesh_stream_end(stream, MESH_OK, NULL);
}

static const attack__v1__target__chat__events chat_events = {.on_message = chat,
                                                             .on_end = end_chat};
static const attack__v1__target__pour__events pour_events = {.on_open = pour_open,
                                                             .on_writable = pour_on};
static const attack__v1__target__handlers handlers = {
    .echo = echo,
    .chat__events = &chat_events,
    .pour__events = &pour_events,
    .pour_blocking = pour_blocking,
};

static mesh_code start(mesh_server **server, mesh_health *health, mesh_error *err)
{
    const mesh_tls_options tls = {.certificate_file = options.certificate, .key_file = options.key};
    mesh_code code = mesh_server_create(
        MESH_OPTIONS(mesh_server_options, .listen = options.listen,
                     .tls = options.certificate != NULL ? &tls : NULL, .poller_count = POLLERS,
                     .transport = options.transport),
        server, err);

    if (code == MESH_OK)
        code = mesh_server_add(*server, attack__v1__target__api(&handlers, NULL), err);
    if (code == MESH_OK)
        code = mesh_server_add(*server, mesh_health_api(health), err);
    if (code == MESH_OK)
        code = mesh_server_start(*server, err);
    mesh_health_set_all(health, MESH_HEALTH_SERVING);
    return code;
}

int main(int argc, char **argv)
{
    mesh_server *server = NULL;
    mesh_health *health = NULL;
    mesh_error err;
    sigset_t ends;
    int signal, status = EXIT_FAILURE;

    flags_read(argc, argv, flags, sizeof flags / sizeof flags[0], about);
    if (strcmp(options.transport, "core") != 0 && strcmp(options.transport, "h2") != 0) {
        fprintf(stderr, "target: --transport: there is no '%s'\n", options.transport);
        return 2;
    }
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    memset(text, 't', sizeof text - 1);
    if (mesh_health_create(&health, &err) == MESH_OK && start(&server, health, &err) == MESH_OK) {
        printf("%d\n", mesh_server_port(server));
        fflush(stdout);
        (void)sigwait(&ends, &signal);
        (void)mesh_server_drain(server, DRAIN_TIMEOUT_MS);
        status = EXIT_SUCCESS;
    } else {
        fprintf(stderr, "target: %s\n", err.message);
    }
    mesh_server_destroy(server);
    mesh_health_destroy(health);
    return status;
}
