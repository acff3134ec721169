#include "hello/v1/hello.mesh.h"
#include "mesh/service.h"

static mesh_code say_hello(void *self, mesh_call *call, const Hello__V1__SayHelloRequest *req,
                           Hello__V1__SayHelloResponse *resp, mesh_error *err)
{
    if (req->name[0] == '\0')
        return mesh_error_field(err, "name", "must not be empty"); /* INVALID_ARGUMENT + details */
    resp->greeting = mesh_arena_printf(mesh_call_arena(call), "Hello, %s", req->name);
    return MESH_OK;
}

static const hello__v1__greeter__handlers greeter = { .say_hello = say_hello };

int main(int argc, char **argv)
{
    return mesh_service_main(argc, argv, &(mesh_service){
        .name = "hello",
        .apis = { hello__v1__greeter__api(&greeter, NULL) },
    });
}
