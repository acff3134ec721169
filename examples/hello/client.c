/* Calls the hello service: client [ADDRESS [NAME]] */
#include <stdio.h>

#include "hello/v1/hello.mesh.h"

int main(int argc, char **argv)
{
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:50051";
    if (argc > 3 || address[0] == '-') {
        fprintf(stderr, "usage: %s [ADDRESS [NAME]]\n", argv[0]);
        return 2;
    }
    mesh_arena *arena = mesh_arena_create(1024, 0); /* the answer lives in it */
    mesh_channel *channel = NULL;
    mesh_error err = {0};

    Hello__V1__SayHelloRequest ask = HELLO__V1__SAY_HELLO_REQUEST__INIT;
    ask.name = argc > 2 ? argv[2] : "world";
    Hello__V1__SayHelloResponse *answer;
    mesh_code code = mesh_channel_create(address, NULL, &channel, &err);
    if (code == MESH_OK)
        code = hello__v1__greeter__say_hello(channel, &ask, &answer,
                                             &(mesh_call_options){.arena = arena}, &err);
    if (code == MESH_OK)
        printf("%s\n", answer->greeting);
    else
        fprintf(stderr, "%s: %s\n", mesh_code_name(code), err.message);

    mesh_channel_destroy(channel);
    mesh_arena_destroy(arena);
    return code == MESH_OK ? 0 : 1;
}
