/* Guards the hand-declared prototypes of upb_abi.h against another version of the library. */
#ifndef MESH_DYN_ABI_CHECK_H
#define MESH_DYN_ABI_CHECK_H

#include "mesh/base/error.h"

/* FAILED_PRECONDITION when the libupb of this process is not the one upb_abi.h was written for. Any
 * thread. */
mesh_code mesh_dyn_abi_check(mesh_error *err);

/* The same for a library of the process whose soname begins with `prefix` ("libupb.so."), which has
 * to be `wanted`. */
mesh_code mesh_dyn_abi_check_soname(const char *prefix, const char *wanted, mesh_error *err);

#endif
