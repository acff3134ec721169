#include "tests/mesh/rpc/handlers.h"

#include <string.h>

enum {
    RETRY_AFTER_MS = 1500
};

mesh_code testing_answer(mesh_call *call, const Testing__V1__EchoRequest *request,
                         Testing__V1__EchoResponse *response, mesh_error *err)
{
    size_t size = (size_t)request->answer_size;

    if (request->code != 0) {
        (void)mesh_error_reason(err, (mesh_code)request->code, "testing.v1", "WANTED", "wanted");
        mesh_error_metadata(err, "text", request->text);
        mesh_error_retry_after(err, RETRY_AFTER_MS);
        return (mesh_code)request->code;
    }
    response->text = request->text;
    if (size > 0) {
        char *text = mesh_arena_alloc(mesh_call_arena(call), size + 1);

        if (text == NULL)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory");
        memset(text, 'x', size);
        text[size] = '\0';
        response->text = text;
    }
    return MESH_OK;
}

mesh_code testing_handle_echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                              Testing__V1__EchoResponse *response, mesh_error *err)
{
    (void)self;
    return testing_answer(call, request, response, err);
}

mesh_code testing_double_message(void *self, mesh_stream *stream, const Testing__V1__Number *number,
                                 mesh_error *err)
{
    Testing__V1__Number doubled = TESTING__V1__NUMBER__INIT;
    mesh_code code;

    (void)self;
    if (number->value < 0)
        return mesh_error_field(err, "value", "must not be negative");
    doubled.value = number->value * 2;
    code = testing__v1__testing__double__try_reply(stream, &doubled);
    return code == MESH_OK ? code : mesh_error_set(err, code, "nobody reads");
}

void testing_double_end(void *self, mesh_stream *stream)
{
    (void)self;
    mesh_stream_end(stream, MESH_OK, NULL);
}
