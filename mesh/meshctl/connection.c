#include "mesh/meshctl/connection.h"

#include <inttypes.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/meshctl/sign_in.h"

struct ctl_connection {
    ctl *run; /* borrowed */
    ctl_target target;
    mesh_channel *channel;
    const char *method; /* "SERVICE/METHOD", called last with bytes; NULL: none was */
    bool answered;      /* a message has come: what listens there speaks as we do */
};

enum {
    MAX_ANSWER_BYTES = 64 * 1024 * 1024,
    STUB_TIMEOUT_MS = 10000
};

mesh_code ctl_connection_open(ctl *run, const ctl_target *target, ctl_connection **connection,
                              ctl_failure *failure)
{
    ctl_connection *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    made->run = run;
    made->target = *target;
    const ctl_args *args = &run->args;
    const mesh_tls_options tls = {.size = sizeof tls,
                                  .certificate_file = args->certificate_file,
                                  .key_file = args->key_file,
                                  .ca_file = args->ca_file,
                                  .server_name = args->server_name};
    const mesh_channel_options options = {.size = sizeof options,
                                          .tls = args->tls ? &tls : NULL,
                                          .max_receive_bytes = MAX_ANSWER_BYTES};
    mesh_code code = mesh_channel_create(target->address, &options, &made->channel, &failure->err);
    failure->remote = false;
    failure->hint = NULL;
    if (code != MESH_OK) {
        ctl_connection_close(made);
        return code;
    }
    *connection = made;
    return MESH_OK;
}

void ctl_connection_close(ctl_connection *connection)
{
    if (connection == NULL)
        return;
    mesh_channel_destroy(connection->channel);
    mesh_free(connection);
}

const ctl_target *ctl_connection_target(const ctl_connection *connection)
{
    return &connection->target;
}

mesh_channel *ctl_connection_channel(const ctl_connection *connection)
{
    return connection->channel;
}

mesh_call_options ctl_connection_options(const ctl_connection *connection)
{
    const ctl *run = connection->run;
    return (mesh_call_options){.size = sizeof(mesh_call_options),
                               .arena = run->arena,
                               .timeout_ms = ctl_time_left(run, STUB_TIMEOUT_MS),
                               .metadata = run->headers,
                               .metadata_count = run->header_count};
}

#define WANTS_CERTIFICATE "does the server want a certificate? --cert and --key show one"
#define SPEAKS_TLS "does the server speak TLS? then --tls, with --ca FILE for its own CA"

/* What the gRPC core says when both sides speak, but not alike. */
static const struct {
    const char *said;
    bool tls; /* we speak it */
    const char *hint;
} misunderstandings[] = {
    {"wrong version number", true, "the server speaks no TLS: leave --tls and the like out"},
    {"certificate verify failed", true, "--ca FILE says whose certificates to trust"},
    {"is not in peer certificate", true, "--servername NAME says which name to expect there"},
    {"Socket closed", true, WANTS_CERTIFICATE},
    {"Endpoint read failed", true, WANTS_CERTIFICATE},
    {"Socket closed", false, SPEAKS_TLS},
    {"Endpoint read failed", false, SPEAKS_TLS},
    {"Failed parsing HTTP/2", false, "what listens there speaks no gRPC without TLS; try --tls"},
};

static const char *misunderstanding(const ctl_connection *connection, const mesh_error *err)
{
    for (size_t i = 0; i < sizeof misunderstandings / sizeof misunderstandings[0]; i++)
        if (misunderstandings[i].tls == connection->run->args.tls &&
            strstr(err->message, misunderstandings[i].said) != NULL)
            return misunderstandings[i].hint;
    return NULL;
}

/* Do we say that, not the server: so the gRPC core begins when it never had a connection. */
static bool never_connected(const mesh_error *err)
{
    static const char *const said[] = {"failed to connect to all addresses",
                                       "connections to all backends failing",
                                       "DNS resolution failed"};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        if (strncmp(err->message, said[i], strlen(said[i])) == 0)
            return true;
    return false;
}

/* Of a call that a guard of the mesh refused. `authz` itself is such a call, too. */
static const char *refusal(const ctl_connection *connection)
{
    const ctl *run = connection->run;
    if (connection->method == NULL || run->args.command == CTL_AUTHZ)
        return NULL;
    const char *user = ctl_sign_in_user(run);
    return mesh_arena_printf(
        run->arena, "who may read users can ask why: meshctl authz explain %s %s %s",
        user == NULL ? "USER" : user, connection->target.given, connection->method);
}

/* Of a service that cannot say yet who may call. */
static const char *patience(const ctl_connection *connection)
{
    const ctl_target *target = &connection->target;
    return mesh_arena_printf(
        connection->run->arena,
        "it has just started, or cannot ask others: try again in some seconds; when it lasts, "
        "%s%s says what it waits for",
        target->named ? "scripts/logs " : "its log", target->named ? target->given : "");
}

static const char *lateness(const ctl *run)
{
    if (mesh_clock_left_ms(run->end_ns) == 0)
        return mesh_arena_printf(run->arena,
                                 "the %" PRId64 " ms of --max-time are over: give it more, or "
                                 "leave it out",
                                 run->args.max_time_ms);
    return run->args.command == CTL_CALL ? "--deadline and --max-time set how long a call may take"
                                         : "it is busy, or stuck: meshctl status shows whether it "
                                           "serves; then try again";
}

/* What to do about a failed call. */
static const char *hint(const ctl_connection *connection, mesh_code code, const mesh_error *err)
{
    const char *known;
    switch (code) {
    case MESH_UNAVAILABLE:
        if (strcmp(err->domain, "mesh.v1") == 0)
            return patience(connection);
        if (connection->answered)
            return NULL; /* it is there, and says what ails it, or whom it calls */
        known = misunderstanding(connection, err);
        if (known != NULL || !never_connected(err))
            return known;
        return connection->target.named
                   ? "is the mesh up? meshctl status shows it, scripts/up starts it"
                   : "does a server listen there? scripts/up starts the mesh, meshctl status "
                     "shows its addresses";
    case MESH_UNAUTHENTICATED:
        return connection->run->sign_in_hint;
    case MESH_PERMISSION_DENIED:
        return strcmp(err->domain, "mesh.v1") == 0 ? refusal(connection) : NULL;
    case MESH_DEADLINE_EXCEEDED:
        return lateness(connection->run);
    default:
        return NULL;
    }
}

void ctl_connection_failed(const ctl_connection *connection, mesh_code code, ctl_failure *failure)
{
    failure->remote = true;
    failure->hint = hint(connection, code, &failure->err);
}

mesh_code ctl_connection_call(ctl_connection *connection, const char *service, const char *method,
                              int64_t timeout_ms, bool compress, mesh_stream **stream,
                              ctl_failure *failure)
{
    /* The descriptions live as long as the run: a stream refers to them until it is finished. */
    mesh_arena *arena = connection->run->arena;
    mesh_method *described = mesh_arena_calloc(arena, 1, sizeof *described);
    mesh_api_descriptor *api = mesh_arena_calloc(arena, 1, sizeof *api);
    if (described == NULL || api == NULL)
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    *api = (mesh_api_descriptor){.name = mesh_arena_strdup(arena, service),
                                 .methods = described,
                                 .method_count = 1,
                                 .version = MESH_VERSION_NUMBER};
    /* On the wire all kinds are alike: messages, the end of them, messages, a status. */
    *described = (mesh_method){.path = mesh_arena_printf(arena, "/%s/%s", service, method),
                               .name = mesh_arena_strdup(arena, method),
                               .api = api,
                               .kind = MESH_BIDI_STREAMING};
    connection->method = described->path + 1;
    const mesh_call_options options = {.size = sizeof options,
                                       .timeout_ms = ctl_time_left(connection->run, timeout_ms),
                                       .metadata = connection->run->headers,
                                       .metadata_count = connection->run->header_count,
                                       .compress = compress};
    mesh_code code = mesh_stream_open(connection->channel, described, NULL, &options, stream,
                                      &failure->err);
    ctl_connection_failed(connection, code, failure);
    return code;
}

mesh_code ctl_connection_next(ctl_connection *connection, mesh_stream *stream, const uint8_t **data,
                              size_t *size)
{
    mesh_code code = mesh_stream_next_bytes(stream, data, size, NULL);
    if (code == MESH_OK)
        connection->answered = true;
    return code;
}

mesh_code ctl_connection_finish(ctl_connection *connection, mesh_stream *stream,
                                ctl_failure *failure)
{
    mesh_code code = mesh_stream_finish(stream, &failure->err);
    ctl_connection_failed(connection, code, failure);
    return code;
}

mesh_code ctl_connection_unary(ctl_connection *connection, const char *service, const char *method,
                               const void *request, size_t request_size, int64_t timeout_ms,
                               const uint8_t **answer, size_t *answer_size, ctl_failure *failure)
{
    mesh_stream *stream;
    mesh_code code = ctl_connection_call(connection, service, method, timeout_ms, false, &stream,
                                         failure);
    if (code != MESH_OK)
        return code;
    const uint8_t *data;
    size_t size;
    void *copy = NULL;
    size_t copy_size = 0;
    /* What goes wrong on the way is told by the status. */
    if (mesh_stream_send_bytes(stream, request, request_size) == MESH_OK &&
        mesh_stream_close_send(stream) == MESH_OK &&
        ctl_connection_next(connection, stream, &data, &size) == MESH_OK) {
        copy = mesh_arena_memdup(connection->run->arena, data, size);
        copy_size = size;
    }
    code = ctl_connection_finish(connection, stream, failure);
    if (code == MESH_OK && copy == NULL)
        code = ctl_fail(failure, MESH_INTERNAL, NULL, "the server answered OK without a message");
    if (code == MESH_OK) {
        *answer = copy;
        *answer_size = copy_size;
    }
    return code;
}
