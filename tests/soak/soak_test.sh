#!/usr/bin/env bash
# scripts/soak: a short run is flat, and a leak is found. Bazel is a stand-in, no program is.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"

tree
PROGRAMS=$TREE/bazel-bin/tests/soak
CALLS=100000
mkdir -p "$PROGRAMS"
cp -L -- "$PWD/tests/soak/client" "$PWD/tests/soak/server" "$PROGRAMS/"

test_calls_and_streams_leave_nothing_behind() {
    expect 0 "$TREE/scripts/soak" --calls "$CALLS" --streams 500
    [ "$(last)" = '7 passed, 0 failed' ] || fail "$out"
    [[ $err == *'100 %: server '*' KiB, '*' fds, '*' threads; client '*'; 0 failed'* ]] ||
        fail "$err"
}

test_a_leak_of_100_bytes_a_call_is_found() {
    expect 1 "$TREE/scripts/soak" --calls "$CALLS" --streams 10 --leak 100
    [ "$(last)" = '6 passed, 1 failed' ] || fail "$out"
    grep -qE '^server, memory in KiB .* FAIL$' <<<"$out" || fail "$out"
}

test_a_server_that_does_not_answer_fails() {
    cp -f -- "$PROGRAMS/server" "$TREE/server"
    printf '#!/bin/sh\necho 1\nexec sleep 60\n' | stand_in "$PROGRAMS/server"
    expect 1 "$TREE/scripts/soak" --calls 100 --streams 10
    grep -qE '^calls that failed .* FAIL$' <<<"$out" || fail "$out"
    cp -f -- "$TREE/server" "$PROGRAMS/server"
}

run_tests
