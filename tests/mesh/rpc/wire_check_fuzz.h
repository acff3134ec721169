/*
 * Any bytes as a wirecheck.Everything: what passes the check is unpacked in an arena with a limit.
 */
#ifndef TESTS_MESH_RPC_WIRE_CHECK_FUZZ_H
#define TESTS_MESH_RPC_WIRE_CHECK_FUZZ_H

#include "tests/fuzz/fuzz.h"

/* Of the inputs so far: how many passed the check. */
size_t wire_check_fuzz_passed(void);

#endif
