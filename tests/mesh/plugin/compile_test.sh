#!/bin/sh
# What the plugin writes compiles without a warning: sources as C11, each header by itself as C11 and
# C++17, and every message's initialiser as a user writes it. Only installed headers are in reach.
# shellcheck disable=SC2044,SC2086 # names of generated files have no blanks
set -eu
work=$TEST_TMPDIR/compile
mkdir -p "$work"
tar -xf gen/headers.tar -C "$work"
cd tests/mesh/plugin/contracts
failed=0 passed=0

compile() { # COMPILER OPTION... FILE
    if "$@" -Wall -Wextra -Wpedantic -Wshadow -Werror -I. -I"$work/include/meshc"; then
        passed=$((passed + 1))
    else
        echo "FAILED: $*" >&2
        failed=$((failed + 1))
    fi
}

# A function for each message, made of the declarations of `<lower>__init`.
use_messages() {
    awk '/^void   .*__init$/ {
        lower = substr($2, 1, length($2) - 6)
        getline
        type = substr($1, 2)
        printf "%s *use_%s(void);\n%s *use_%s(void)\n", type, lower, type, lower
        printf "{ static %s one = %s__INIT; return &one; }\n", type, toupper(lower)
    }' "$1"
}

# The names of permissions and roles: constants, as a table has them.
cat >"$work/access.c" <<'END'
#include "kitchen/v1/access.mesh.h"
extern const char *const names[];
const char *const names[] = {
    KITCHEN__V1__PERMISSION__DISH_COOK__NAME,
    KITCHEN__V1__STAFF__ROLE__COOK__NAME,
};
const char *use(void);
const char *use(void) { return kitchen__v1__permission__name(KITCHEN__V1__PERMISSION__DISH_COOK); }
END
cp "$work/access.c" "$work/access.cc"

compilers='gcc:g++'
[ -x "$(command -v clang)" ] && compilers="$compilers clang:clang++"
for pair in $compilers; do
    c=${pair%:*} cxx=${pair#*:} kind=-fsyntax-only deprecated=
    if [ "$c" = gcc ]; then
        kind="-O2 -c -o $work/out.o" # with the warnings that its optimiser finds
    else
        deprecated=-Wno-deprecated-declarations # it minds them in __INIT of their own message
    fi
    compile "$c" -std=c11 -fsyntax-only "$work/access.c"
    compile "$cxx" -std=c++17 -fsyntax-only "$work/access.cc"
    for source in $(find . -name '*.c'); do
        compile "$c" -std=c11 $kind "$source"
    done
    for header in $(find . -name '*.h'); do
        {
            echo "#include \"$header\""
            use_messages "$header"
        } >"$work/use.c"
        cp "$work/use.c" "$work/use.cc"
        compile "$c" -std=c11 -fsyntax-only $deprecated "$work/use.c"
        compile "$cxx" -std=c++17 -fsyntax-only $deprecated "$work/use.cc"
    done
done
# refused WORDS INCLUDES: use.c does not compile, and the compiler says so.
refused() {
    if ! gcc -std=c11 -Wall -Werror -I. -I"$2" -fsyntax-only "$work/use.c" 2>"$work/said" &&
        grep -q "$1" "$work/said"; then
        passed=$((passed + 1))
    else
        echo "FAILED: use.c was taken, or not for \"$1\"" >&2
        failed=$((failed + 1))
    fi
}

# Whoever calls a deprecated method is told; the stub itself compiled above.
for call in ask ask__async listen; do
    {
        echo '#include "kitchen/v1/kitchen.mesh.h"'
        echo "void *use(void); void *use(void) { return (void *)kitchen__v1__kitchen__$call; }"
    } >"$work/use.c"
    refused "kitchen__v1__kitchen__$call.* is deprecated" "$work/include/meshc"
done

# A runtime older than the plugin is refused, with the reason.
cp -R "$work/include/meshc" "$work/older"
sed -i 's/^\(#define MESH_VERSION_NUMBER\) .*/\1 999/' "$work/older/mesh/base/api.h"
echo '#include "kitchen/v1/kitchen.mesh.h"' >"$work/use.c"
refused 'error: #error "written by protoc-gen-mesh .*, which needs a runtime' "$work/older"
echo "[==========] $((passed + failed)) test(s) run."
echo "[  PASSED  ] $passed test(s)."
if [ "$failed" -gt 0 ]; then
    echo "[  FAILED  ] $failed test(s)."
    exit 1
fi
[ "$passed" -gt 50 ]
