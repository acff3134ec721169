#!/bin/sh
# libmeshc.so.0 exports what gen/libmeshc.symbols lists.
set -eu
if ! diff -u gen/libmeshc.symbols gen/exported_symbols.txt; then
    echo "If this is meant, refresh the list with:" >&2
    echo "  bazel build //gen:exported_symbols &&" \
        "cp -f bazel-bin/gen/exported_symbols.txt gen/libmeshc.symbols" >&2
    exit 1
fi
