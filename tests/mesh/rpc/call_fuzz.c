/* Any metadata and messages as calls of a server: handlers of all kinds, in little memory. */
#include "tests/mesh/rpc/fuzz_handlers.h"
#include "tests/mesh/rpc/fuzz_server.h"

mesh_server *fuzz_server_start(void)
{
    return fuzz_handlers_serve("127.0.0.1:0", FUZZ_TRANSPORT);
}
