/* Handlers of all kinds, inline or evented, in little memory: what fuzz targets call. */
#ifndef TESTS_MESH_RPC_FUZZ_HANDLERS_H
#define TESTS_MESH_RPC_FUZZ_HANDLERS_H

#include "mesh/rpc/server.h"

/* A server of them that has started; `transport` as in its options. Aborts when that fails. */
mesh_server *fuzz_handlers_serve(const char *listen, const char *transport);

#endif
