/* Written by protoc-gen-mesh 0.1.0 from legacy-2.proto: do not edit. */
#ifndef MESH_GEN_legacy_2_proto_H
#define MESH_GEN_legacy_2_proto_H

#include "legacy-2.pb-c.h"

#include "google/protobuf/descriptor.mesh.h"
#include "mesh/rpc/method.h"

#if MESH_VERSION_NUMBER < 1000
#error "written by protoc-gen-mesh 0.1.0, which needs a runtime of at least that version"
#endif

MESH_BEGIN_DECLS

/* The descriptor of legacy-2.proto, for server reflection. */
extern const mesh_file legacy_2_proto__file;

MESH_END_DECLS

#endif
