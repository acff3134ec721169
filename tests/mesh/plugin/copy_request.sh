#!/bin/sh
# A plugin of protoc's that keeps the request in the file $MESH_REQUEST and answers that it knows
# proto3 `optional` (supported_features = 1).
set -eu
cat >"$MESH_REQUEST"
printf '\020\001'
