#ifndef TESTS_MESH_RPC_WIRE_CHECK_FUZZ_H
#define TESTS_MESH_RPC_WIRE_CHECK_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/*
 * Checks bytes as a wirecheck.Everything and unpacks what passes in an arena with a limit; aborts
 * when a promise of mesh_wire_check does not hold. The name is libFuzzer's.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the inputs so far: how many passed the check. */
size_t wire_check_fuzz_passed(void);

#endif
