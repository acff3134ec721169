#!/bin/sh
# The plugin writes what golden/ says, and nothing else.
set -eu
cd tests/mesh/plugin
failed=0 passed=0

say() {
    echo "$1" >&2
    failed=$((failed + 1))
}

for file in $(cd contracts && find . -name '*.mesh.[ch]' -o -name 'types.pb-c.h' -o -name 'names.pb-c.[ch]'); do
    if [ ! -f "golden/$file" ]; then
        say "golden/$file is missing"
    elif ! diff -u "golden/$file" "contracts/$file"; then
        say "golden/$file differs"
    else
        passed=$((passed + 1))
    fi
done
for file in $(cd golden && find . -type f -o -type l); do
    [ -f "contracts/$file" ] || say "golden/$file is no longer written"
done
echo "[==========] $((passed + failed)) test(s) run."
echo "[  PASSED  ] $passed test(s)."
if [ "$failed" -gt 0 ]; then
    echo "[  FAILED  ] $failed test(s)."
    echo "If this is meant, refresh them with: bazel run //tests/mesh/plugin:refresh" >&2
    exit 1
fi
[ "$passed" -gt 0 ]
