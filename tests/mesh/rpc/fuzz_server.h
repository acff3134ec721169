/*
 * A server whose calls come from a fuzzer's input: a transport without a network, below the seam of
 * mesh/rpc/transport.h. Link with -Wl,--wrap=mesh_transport_core, and servers use it. Everything
 * runs on the calling thread, so handlers must be inline or evented.
 */
#ifndef TESTS_MESH_RPC_FUZZ_SERVER_H
#define TESTS_MESH_RPC_FUZZ_SERVER_H

#include "mesh/rpc/server.h"
#include "tests/fuzz/fuzz.h"

/*
 * Plays one call of the server's, of which there is one at a time, from its first event to its
 * last, and checks that it is answered exactly once. The input:
 *   the method, a byte (modulo methods + 1: the last one is unknown)
 *   what happens, a byte of FUZZ_CALL_*
 *   metadata, a line each, "key: value", up to an empty one
 *   messages, blocks
 */
enum {
    FUZZ_CALL_LATE = 1,      /* its deadline has passed */
    FUZZ_CALL_METADATA = 2,  /* too much metadata */
    FUZZ_CALL_CANCELLED = 4, /* it is given up after its messages */
    FUZZ_CALL_SLICES = 8,    /* messages come in two slices */
    FUZZ_CALL_GZIP = 16,     /* the last message is compressed */
    FUZZ_CALL_SLOW = 32      /* what is written goes out last */
};

void fuzz_server_call(mesh_server *server, fuzz_input input);

#endif
