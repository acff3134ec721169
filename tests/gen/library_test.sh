#!/bin/sh
# What an installation is made of: soname, descriptors with imports, both libraries alike.
set -eu
passed=0

ok() {
    passed=$((passed + 1))
}

fail() {
    echo "FAILED: $1" >&2
    exit 1
}

readelf -d gen/libmeshc.so.0 | grep -q 'SONAME.*\[libmeshc.so.0\]' || fail "the soname"
ok

if readelf -d gen/libmeshc.so.0 | grep 'NEEDED.*libstdc++'; then
    fail "a C library needs libstdc++"
fi
ok

# A program may link either: what the one exports the other defines.
nm -D --defined-only --format=posix gen/libmeshc.so.0 | cut -d' ' -f1 | grep '^mesh_' |
    LC_ALL=C sort -u >"$TEST_TMPDIR/shared"
nm -A --defined-only --format=posix gen/libmeshc.a | awk '{print $2}' |
    LC_ALL=C sort -u >"$TEST_TMPDIR/static"
missing=$(LC_ALL=C comm -23 "$TEST_TMPDIR/shared" "$TEST_TMPDIR/static")
[ -z "$missing" ] || fail "libmeshc.a lacks $missing"
grep -q '^mesh_service_main$' "$TEST_TMPDIR/shared" || fail "mesh_service_main is not exported"
ok

grep -q '^prefix=@PREFIX@$' gen/meshc.pc || fail "meshc.pc has no @PREFIX@"
grep -q '^Libs.private:.*-lgrpc .*-lpq' gen/meshc.pc || fail "meshc.pc names no libraries"
ok

protoc --decode_raw <gen/descriptors.protoset >"$TEST_TMPDIR/descriptors"
for file in google/protobuf/timestamp.proto $(cd proto && find . -name '*.proto' | sed 's,^./,,'); do
    grep -q "^  1: \"$file\"\$" "$TEST_TMPDIR/descriptors" ||
        fail "$file is in no target of gen/BUILD's PACKAGES"
done
ok
echo "[==========] $passed test(s) run."
echo "[  PASSED  ] $passed test(s)."
