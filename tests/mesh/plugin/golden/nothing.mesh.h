/* Written by protoc-gen-mesh 0.1.0 from nothing.proto: do not edit. */
#ifndef MESH_GEN_nothing_proto_H
#define MESH_GEN_nothing_proto_H

#include "nothing.pb-c.h"

#include "mesh/rpc/method.h"

#if MESH_VERSION_NUMBER < 1000
#error "written by protoc-gen-mesh 0.1.0, which needs a runtime of at least that version"
#endif

MESH_BEGIN_DECLS

/* The descriptor of nothing.proto, for server reflection. */
extern const mesh_file nothing_proto__file;

MESH_END_DECLS

#endif
