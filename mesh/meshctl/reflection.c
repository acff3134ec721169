#include "mesh/meshctl/reflection.h"

#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/wire.h"

/* Field numbers of grpc.reflection.v1 and v1alpha, which are the same. */
enum {
    REQUEST_FILE_BY_FILENAME = 3,
    REQUEST_FILE_CONTAINING_SYMBOL = 4,
    REQUEST_LIST_SERVICES = 7,
    RESPONSE_FILES = 4,
    RESPONSE_SERVICES = 6,
    RESPONSE_ERROR = 7,
    FILES_FILE = 1,
    SERVICES_SERVICE = 1,
    SERVICE_NAME = 1,
    ERROR_CODE = 1,
    ERROR_MESSAGE = 2,

    MAX_QUESTION_BYTES = 4096,
    MAX_SERVICES = 1024,
    MAX_FILES = 10000,
    TIMEOUT_MS = 10000
};

struct ctl_reflection {
    ctl *run;                   /* borrowed */
    ctl_connection *connection; /* borrowed */
    mesh_stream *stream;        /* NULL before the first question */
    bool old;                   /* v1alpha */
    bool answered;              /* this version works here */
};

mesh_code ctl_reflection_open(ctl *run, ctl_connection *connection, ctl_reflection **reflection,
                              ctl_failure *failure)
{
    ctl_reflection *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    made->run = run;
    made->connection = connection;
    *reflection = made;
    return MESH_OK;
}

void ctl_reflection_rest(ctl_reflection *reflection)
{
    if (reflection->stream == NULL)
        return;
    /* Asked to end, not cancelled, so that it is no failure in the server's books. */
    (void)mesh_stream_close_send(reflection->stream);
    (void)mesh_stream_finish(reflection->stream, NULL); /* all answers are here already */
    reflection->stream = NULL;
}

void ctl_reflection_close(ctl_reflection *reflection)
{
    if (reflection == NULL)
        return;
    ctl_reflection_rest(reflection);
    mesh_free(reflection);
}

static mesh_code open_stream(ctl_reflection *r, ctl_failure *failure)
{
    if (r->stream != NULL)
        return MESH_OK;
    return ctl_connection_call(r->connection,
                               r->old ? "grpc.reflection.v1alpha.ServerReflection"
                                      : "grpc.reflection.v1.ServerReflection",
                               "ServerReflectionInfo", TIMEOUT_MS, false, &r->stream, failure);
}

/* Sends a question and waits for its answer, which is valid until the next one. */
static mesh_code ask(ctl_reflection *r, uint32_t field, const char *text, mesh_wire_reader *answer,
                     ctl_failure *failure)
{
    uint8_t question[MAX_QUESTION_BYTES];
    mesh_wire_writer out = {.at = question, .end = question + sizeof question};
    mesh_wire_put_bytes(&out, field, text, strlen(text));
    if (out.full)
        return ctl_fail(failure, MESH_INVALID_ARGUMENT, NULL, "the name is too long");
    for (;;) {
        bool fresh = r->stream == NULL;
        mesh_code code = open_stream(r, failure);
        if (code != MESH_OK)
            return code;
        const uint8_t *data;
        size_t size;
        if (mesh_stream_send_bytes(r->stream, question, (size_t)(out.at - question)) == MESH_OK &&
            ctl_connection_next(r->connection, r->stream, &data, &size) == MESH_OK) {
            r->answered = true;
            *answer = (mesh_wire_reader){data, data + size};
            return MESH_OK;
        }
        mesh_stream *stream = r->stream;
        r->stream = NULL;
        code = ctl_connection_finish(r->connection, stream, failure);
        if (!fresh)
            continue; /* it had ended since the last question */
        if (code == MESH_OK)
            return ctl_fail(failure, MESH_INTERNAL, NULL, "server reflection ended early");
        if (code != MESH_UNIMPLEMENTED || r->answered)
            return code;
        if (r->old) {
            failure->hint = "the server has no reflection: give its types with --protoset FILE";
            return code;
        }
        r->old = true;
    }
}

/* The answer's field of that number; an error in its place is returned as one. */
static mesh_code find_answer(mesh_wire_reader answer, uint32_t wanted, mesh_wire_reader *found,
                             ctl_failure *failure)
{
    mesh_wire_field field;
    while (mesh_wire_next(&answer, &field)) {
        if (field.type != MESH_WIRE_BYTES)
            continue;
        mesh_wire_reader inner = {field.data, field.data + field.size};
        if (field.number == wanted) {
            *found = inner;
            return MESH_OK;
        }
        if (field.number != RESPONSE_ERROR)
            continue;
        uint64_t code = MESH_UNKNOWN;
        mesh_wire_field part, message = {.size = 0};
        while (mesh_wire_next(&inner, &part)) {
            if (part.number == ERROR_CODE && part.type == MESH_WIRE_VARINT)
                code = part.value;
            else if (part.number == ERROR_MESSAGE && part.type == MESH_WIRE_BYTES)
                message = part;
        }
        if (code < MESH_CANCELLED || code > MESH_UNAUTHENTICATED)
            code = MESH_UNKNOWN;
        mesh_code as = (mesh_code)code;
        ctl_fail(failure, as, NULL, "server reflection: %.*s", (int)message.size,
                 message.size == 0 ? "" : (const char *)message.data);
        failure->remote = true;
        return as;
    }
    return ctl_fail(failure, MESH_INTERNAL, NULL, "server reflection gave no usable answer");
}

mesh_code ctl_reflection_services(ctl_reflection *r, const char ***names, size_t *count,
                                  ctl_failure *failure)
{
    mesh_wire_reader answer, list;
    mesh_code code = ask(r, REQUEST_LIST_SERVICES, "*", &answer, failure);
    if (code == MESH_OK)
        code = find_answer(answer, RESPONSE_SERVICES, &list, failure);
    if (code != MESH_OK)
        return code;
    const char **found = mesh_arena_calloc(r->run->arena, MAX_SERVICES, sizeof *found);
    if (found == NULL)
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    size_t used = 0;
    mesh_wire_field service, part;
    while (used < MAX_SERVICES && mesh_wire_next(&list, &service)) {
        if (service.number != SERVICES_SERVICE || service.type != MESH_WIRE_BYTES)
            continue;
        mesh_wire_reader inner = {service.data, service.data + service.size};
        while (mesh_wire_next(&inner, &part))
            if (part.number == SERVICE_NAME && part.type == MESH_WIRE_BYTES)
                found[used++] = mesh_arena_strndup(r->run->arena, (const char *)part.data,
                                                   part.size);
    }
    *names = found;
    *count = used;
    return MESH_OK;
}

/* Asks once and adds every file of the answer. */
static mesh_code load(ctl_reflection *r, uint32_t field, const char *text, mesh_dyn_pool *pool,
                      ctl_failure *failure)
{
    mesh_wire_reader answer, files;
    mesh_code code = ask(r, field, text, &answer, failure);
    if (code == MESH_OK)
        code = find_answer(answer, RESPONSE_FILES, &files, failure);
    mesh_wire_field file;
    while (code == MESH_OK && mesh_wire_next(&files, &file)) {
        if (file.number != FILES_FILE || file.type != MESH_WIRE_BYTES)
            continue;
        code = mesh_dyn_pool_add(pool, file.data, file.size, &failure->err);
        if (code != MESH_OK) {
            mesh_error_prefix(&failure->err, "server reflection");
            failure->remote = false;
            failure->hint = NULL;
        }
    }
    return code;
}

mesh_code ctl_reflection_load(ctl_reflection *r, const char *symbol, mesh_dyn_pool *pool,
                              ctl_failure *failure)
{
    mesh_code code = load(r, REQUEST_FILE_CONTAINING_SYMBOL, symbol, pool, failure);
    /* Servers may leave imports out. */
    for (unsigned i = 0; code == MESH_OK && mesh_dyn_pool_missing(pool) != NULL; i++) {
        const char *before = mesh_arena_strdup(r->run->arena, mesh_dyn_pool_missing(pool));
        code = load(r, REQUEST_FILE_BY_FILENAME, before, pool, failure);
        if (code == MESH_OK && mesh_dyn_pool_missing(pool) != NULL &&
            (i == MAX_FILES || strcmp(before, mesh_dyn_pool_missing(pool)) == 0))
            return ctl_fail(failure, MESH_INTERNAL, "give the types with --protoset FILE",
                            "server reflection does not hand out %s", before);
    }
    return code;
}
