#!/bin/sh
# server.sh TRANSPORT PROGRAM...: runs a test whose servers are on this transport, unless the test
# has one of its own (MESH_SERVER).
MESH_SERVER=${MESH_SERVER:-$1}
export MESH_SERVER
shift
exec "$@"
