/*
 * A server whose calls come from a fuzzer's input: a transport without a network, below the seam of
 * mesh/rpc/transport.h. Link with -Wl,--wrap=mesh_transport_core, and servers find it. Everything
 * runs on the calling thread, so handlers must be inline or evented; what needs a worker runs
 * there, too, between two events.
 */
#ifndef TESTS_MESH_RPC_FUZZ_SERVER_H
#define TESTS_MESH_RPC_FUZZ_SERVER_H

#include "mesh/rpc/server.h"
#include "tests/fuzz/fuzz.h"

/* What the servers' option `transport` has to be. */
#define FUZZ_TRANSPORT "fuzz"

/* The target has this one: makes a server and starts it. It is for all inputs. */
mesh_server *fuzz_server_start(void);

/*
 * An input is one call of that server, from its first event to its last, which must be answered
 * exactly once:
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
    FUZZ_CALL_SLOW = 32,     /* what is written goes out last */
    FUZZ_CALL_ABORTED = 64,  /* the server ends it after its messages */
    FUZZ_CALL_REFUSED = 128  /* the server ends it as soon as it has come */
};

#endif
