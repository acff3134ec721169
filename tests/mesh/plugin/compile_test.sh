#!/bin/sh
# What the plugin writes compiles without a warning: sources and headers as C11, headers as C++17,
# and what a user makes of them (initialisers) in both. Only installed headers are in reach.
set -eu
work=$TEST_TMPDIR/compile
mkdir -p "$work"
tar -xf gen/headers.tar -C "$work"
cd tests/mesh/plugin/contracts
failed=0 passed=0

compile() { # NAME COMMAND...
    name=$1
    shift
    if "$@" -Wall -Wextra -Werror -I. -I"$work/include/meshc" -c -o "$work/out.o"; then
        passed=$((passed + 1))
    else
        echo "FAILED: $name: $*" >&2
        failed=$((failed + 1))
    fi
}

compilers='gcc:g++'
[ -x "$(command -v clang)" ] && compilers="$compilers clang:clang++"
for pair in $compilers; do
    for source in $(find . -name '*.c'); do
        compile "$source" "${pair%:*}" -std=c11 "$source"
    done
    # clang minds a deprecated field in its message's own initialiser; gcc does not.
    quiet=
    [ "$pair" = gcc:g++ ] || quiet=-Wno-deprecated-declarations
    for header in $(find . -name '*.h'); do
        {
            echo "#include \"$header\""
            # Every message's initialiser, as a user writes it.
            sed -n 's/^#define \([A-Z0-9_a-z]*\)__INIT .*/\1/p' "$header" | while read -r upper; do
                type=$(sed -n "s/^ { PROTOBUF_C_MESSAGE_INIT (&\(.*\)__descriptor) .*/\1/p" "$header" |
                    while read -r lower; do
                        [ "$(echo "$lower" | tr a-z A-Z)" = "$upper" ] || continue
                        sed -n "/^void   ${lower}__init\$/{n;s/^ *(\([A-Za-z0-9_]*\) .*/\1/p;}" "$header"
                    done)
                echo "$type *use_$upper(void); $type *use_$upper(void)"
                echo "{ static $type one = ${upper}__INIT; return &one; }"
            done
        } >"$work/use.c"
        cp "$work/use.c" "$work/use.cc"
        compile "$header as C" "${pair%:*}" -std=c11 $quiet "$work/use.c"
        compile "$header as C++" "${pair#*:}" -std=c++17 $quiet "$work/use.cc"
    done
done
echo "[==========] $((passed + failed)) test(s) run."
echo "[  PASSED  ] $passed test(s)."
if [ "$failed" -gt 0 ]; then
    echo "[  FAILED  ] $failed test(s)."
    exit 1
fi
[ "$passed" -gt 50 ]
