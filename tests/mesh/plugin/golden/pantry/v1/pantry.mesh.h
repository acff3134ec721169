/* Written by protoc-gen-mesh 0.1.0 from pantry/v1/pantry.proto: do not edit. */
#ifndef MESH_GEN_pantry__v1__pantry_proto_H
#define MESH_GEN_pantry__v1__pantry_proto_H

#include "pantry/v1/pantry.pb-c.h"

#include "pantry/v1/unit.mesh.h"
#include "mesh/rpc/method.h"

#if MESH_VERSION_NUMBER < 1000
#error "written by protoc-gen-mesh 0.1.0, which needs a runtime of at least that version"
#endif

MESH_BEGIN_DECLS

/* The descriptor of pantry/v1/pantry.proto, for server reflection. */
extern const mesh_file pantry__v1__pantry_proto__file;

MESH_END_DECLS

#endif
