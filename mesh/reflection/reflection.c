#include "mesh/reflection/reflection.h"

#include <string.h>

#include "google/rpc/error_details.mesh.h"
#include "grpc/reflection/v1/reflection.mesh.h"
#include "grpc/reflection/v1alpha/reflection.mesh.h"
#include "mesh/base/alloc.h"
#include "mesh/reflection/index.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

struct mesh_reflection {
    mesh_index *index; /* immutable once the server runs */

    /*
     * v1alpha. Its messages are those of v1 but for the package's name, which is not on the wire,
     * so the service is v1's with the other's names: the tables below.
     */
    mesh_api_descriptor alpha;
    mesh_method alpha_method;
};

/* A request that waits for room to answer it. */
struct pending {
    struct pending *next;
    size_t size;
    uint8_t bytes[];
};

/* One open stream; its data. The stream's events alone touch it, so it needs no lock. */
struct session {
    struct pending *first, **last;
    size_t pending_bytes;
    bool ended; /* the client asks no more */
};

/* Which member of its oneof a request or an answer has. */
#define REQUEST_CASE(member) \
    GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##member
#define RESPONSE_CASE(member) \
    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##member

/* Finds what is asked, and makes the answer of pointers into the index. */
static void look_up(const mesh_index *index, const reflection_request *request,
                    reflection_response *response,
                    Grpc__Reflection__V1__ExtensionNumberResponse *numbers,
                    Grpc__Reflection__V1__ErrorResponse *error)
{
    const mesh_index_file *file = NULL;
    const char *missing = "no such file";

    switch (request->message_request_case) {
    case REQUEST_CASE(LIST_SERVICES):
        response->message_response_case = RESPONSE_CASE(LIST_SERVICES_RESPONSE);
        response->list_services_response =
            (Grpc__Reflection__V1__ListServiceResponse *)&index->services;
        return;
    case REQUEST_CASE(ALL_EXTENSION_NUMBERS_OF_TYPE): {
        const int32_t *found;
        size_t count;
        if (mesh_index_extensions(index, request->all_extension_numbers_of_type, &found, &count)) {
            numbers->base_type_name = request->all_extension_numbers_of_type;
            numbers->extension_number = (int32_t *)found;
            numbers->n_extension_number = count;
            response->message_response_case = RESPONSE_CASE(ALL_EXTENSION_NUMBERS_RESPONSE);
            response->all_extension_numbers_response = numbers;
            return;
        }
        missing = "no such message";
        break;
    }
    case REQUEST_CASE(FILE_BY_FILENAME):
        file = mesh_index_by_name(index, request->file_by_filename);
        break;
    case REQUEST_CASE(FILE_CONTAINING_SYMBOL):
        file = mesh_index_by_symbol(index, request->file_containing_symbol);
        missing = "no such symbol";
        break;
    case REQUEST_CASE(FILE_CONTAINING_EXTENSION):
        file = mesh_index_by_extension(index, request->file_containing_extension->containing_type,
                                       request->file_containing_extension->extension_number);
        missing = "no such extension";
        break;
    default:
        missing = NULL;
    }

    if (file != NULL) {
        response->message_response_case = RESPONSE_CASE(FILE_DESCRIPTOR_RESPONSE);
        response->file_descriptor_response =
            (Grpc__Reflection__V1__FileDescriptorResponse *)&file->answer;
        return;
    }
    error->error_code = missing != NULL ? MESH_NOT_FOUND : MESH_INVALID_ARGUMENT;
    error->error_message = (char *)(missing != NULL ? missing : "nothing is asked");
    response->message_response_case = RESPONSE_CASE(ERROR_RESPONSE);
    response->error_response = error;
}

/* Errors of the generated try_reply. */
static mesh_code answer(const mesh_index *index, mesh_stream *stream,
                        const reflection_request *request)
{
    Grpc__Reflection__V1__ExtensionNumberResponse numbers =
        GRPC__REFLECTION__V1__EXTENSION_NUMBER_RESPONSE__INIT;
    Grpc__Reflection__V1__ErrorResponse error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
    reflection_response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.valid_host = request->host;
    response.original_request = (reflection_request *)request;
    look_up(index, request, &response, &numbers, &error);
    return grpc__reflection__v1__server_reflection__server_reflection_info__try_reply(stream,
                                                                                      &response);
}

static mesh_code put_off(struct session *session, const reflection_request *request,
                         mesh_error *err)
{
    size_t size = grpc__reflection__v1__server_reflection_request__get_packed_size(request);
    size_t bytes = sizeof(struct pending) + size;
    if (bytes > MESH_REFLECTION_PENDING_BYTES - session->pending_bytes)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED,
                              "the answers to earlier requests must be read first");
    struct pending *pending = mesh_malloc(bytes);
    if (pending == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    pending->next = NULL;
    pending->size = size;
    grpc__reflection__v1__server_reflection_request__pack(request, pending->bytes);
    *session->last = pending;
    session->last = &pending->next;
    session->pending_bytes += bytes;
    return MESH_OK;
}

static void drop_first(struct session *session)
{
    struct pending *pending = session->first;
    session->first = pending->next;
    if (session->first == NULL)
        session->last = &session->first;
    session->pending_bytes -= sizeof *pending + pending->size;
    mesh_free(pending);
}

static mesh_code on_open(void *self, mesh_stream *stream, mesh_error *err)
{
    struct session *session = mesh_calloc(1, sizeof *session);
    (void)self;
    if (session == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    session->last = &session->first;
    mesh_stream_set_data(stream, session);
    return MESH_OK;
}

static mesh_code on_message(void *self, mesh_stream *stream, const reflection_request *request,
                            mesh_error *err)
{
    const mesh_reflection *reflection = self;
    struct session *session = mesh_stream_data(stream);
    if (session->first == NULL &&
        answer(reflection->index, stream, request) != MESH_RESOURCE_EXHAUSTED)
        return MESH_OK; /* or the call is over: on_close follows */
    return put_off(session, request, err);
}

static void on_writable(void *self, mesh_stream *stream)
{
    const mesh_reflection *reflection = self;
    struct session *session = mesh_stream_data(stream);

    while (session->first != NULL) {
        reflection_request *request = grpc__reflection__v1__server_reflection_request__unpack(
            NULL, session->first->size, session->first->bytes);
        if (request == NULL) {
            mesh_error err = {0};
            mesh_code code = mesh_error_set(&err, MESH_RESOURCE_EXHAUSTED, "out of memory");
            mesh_stream_end(stream, code, &err);
            return;
        }
        mesh_code code = answer(reflection->index, stream, request);
        grpc__reflection__v1__server_reflection_request__free_unpacked(request, NULL);
        if (code == MESH_RESOURCE_EXHAUSTED)
            return;
        drop_first(session);
    }
    if (session->ended)
        mesh_stream_end(stream, MESH_OK, NULL);
}

static void on_end(void *self, mesh_stream *stream)
{
    struct session *session = mesh_stream_data(stream);
    (void)self;
    session->ended = true;
    if (session->first == NULL)
        mesh_stream_end(stream, MESH_OK, NULL);
}

static void on_close(void *self, mesh_stream *stream, mesh_code code)
{
    struct session *session = mesh_stream_data(stream);
    (void)self;
    (void)code;
    while (session != NULL && session->first != NULL)
        drop_first(session);
    mesh_free(session);
}

static const grpc__reflection__v1__server_reflection__server_reflection_info__events events = {
    .on_open = on_open,
    .on_message = on_message,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_close = on_close,
};

static const grpc__reflection__v1__server_reflection__handlers handlers = {
    .server_reflection_info__events = &events,
};

/* The v1alpha service: names and policy of its own contract, everything else of v1. */
static void make_alpha(mesh_reflection *reflection, const mesh_api_descriptor *v1)
{
    static const grpc__reflection__v1alpha__server_reflection__handlers none = {0};
    const mesh_api_descriptor *contract =
        grpc__reflection__v1alpha__server_reflection__api(&none, NULL).descriptor;

    reflection->alpha = *contract;
    reflection->alpha.methods = &reflection->alpha_method;
    reflection->alpha_method = v1->methods[0];
    reflection->alpha_method.path = contract->methods[0].path;
    reflection->alpha_method.policy = contract->methods[0].policy;
    reflection->alpha_method.api = &reflection->alpha;
}

mesh_api mesh_reflection_api(mesh_reflection *reflection)
{
    return grpc__reflection__v1__server_reflection__api(&handlers, reflection);
}

mesh_api mesh_reflection_api_v1alpha(mesh_reflection *reflection)
{
    return (mesh_api){.descriptor = &reflection->alpha, .handlers = &handlers, .self = reflection};
}

mesh_code mesh_reflection_create(const mesh_server *server, mesh_reflection **reflection,
                                 mesh_error *err)
{
    static const mesh_file *const details[] = {&google__rpc__error_details_proto__file, NULL};
    size_t count;
    const mesh_api *others = mesh_server_apis(server, &count);
    mesh_api *apis = mesh_calloc(count + 2, sizeof *apis);
    mesh_reflection *made = mesh_calloc(1, sizeof *made);
    mesh_code code;
    if (apis == NULL || made == NULL) {
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
        goto done;
    }

    for (size_t i = 0; i < count; i++)
        apis[i] = others[i];
    apis[count] = mesh_reflection_api(made);
    make_alpha(made, apis[count].descriptor);
    apis[count + 1] = mesh_reflection_api_v1alpha(made);
    code = mesh_index_create(apis, count + 2, details, &made->index, err);
    if (code != MESH_OK)
        goto done;
    *reflection = made;
    made = NULL;

done:
    mesh_free(apis);
    mesh_free(made);
    return code;
}

void mesh_reflection_destroy(mesh_reflection *reflection)
{
    if (reflection == NULL)
        return;
    mesh_index_destroy(reflection->index);
    mesh_free(reflection);
}
