#!/bin/sh
# Writes golden/ anew from what the plugin writes now.
# shellcheck disable=SC2044,SC2086 # names of generated files have no blanks
set -eu
golden=$BUILD_WORKSPACE_DIRECTORY/tests/mesh/plugin/golden
cd tests/mesh/plugin/contracts
rm -rf "$golden"
for file in $(find . -name '*.mesh.[ch]' -o -name 'types.pb-c.h' -o -name 'names.pb-c.[ch]'); do
    install -D -m 644 "$file" "$golden/$file"
done
find "$golden" -type f | wc -l | sed "s,\$, files in $golden,"
