#!/bin/sh
# Every installed header compiles by itself, as C11 and as C++17, with nothing else installed.
set -eu
work=$TEST_TMPDIR/headers
mkdir -p "$work"
tar -xf gen/headers.tar -C "$work"
cd "$work/include/meshc"
passed=0 failed=0
for header in $(find . -name '*.h' | LC_ALL=C sort); do
    echo "#include \"$header\"" >"$work/one.c"
    cp "$work/one.c" "$work/one.cc"
    if gcc -std=c11 -Wall -Wextra -Werror -I. -fsyntax-only "$work/one.c" &&
        g++ -std=c++17 -Wall -Wextra -Werror -I. -fsyntax-only "$work/one.cc"; then
        passed=$((passed + 1))
    else
        echo "FAILED: $header" >&2
        failed=$((failed + 1))
    fi
done
echo "[==========] $((passed + failed)) test(s) run."
echo "[  PASSED  ] $passed test(s)."
if [ "$failed" -gt 0 ]; then
    echo "[  FAILED  ] $failed test(s)."
    exit 1
fi
[ "$passed" -gt 40 ]
