#!/usr/bin/env bash
# scripts/soak: a short run is flat, a leak is found, and every bound is one. Bazel is a stand-in.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"

tree
PROGRAMS=$TREE/bazel-bin/tests/soak
CALLS=100000
mkdir -p "$PROGRAMS"
cp -L -- "$PWD/tests/soak/client" "$PWD/tests/soak/server" "$TREE/"

# Ours.
reset() { cp -f -- "$TREE/client" "$TREE/server" "$PROGRAMS/"; }

silent_server() {
    stand_in "$PROGRAMS/server" <<<$'#!/bin/sh\necho 1\nexec sleep 60'
}

# client_says LINE...: programs that call nothing, and what they hold.
client_says() {
    silent_server
    printf '%s\n' "$@" >"$WORK/says"
    printf '#!/bin/sh\ncat "%s"\n' "$WORK/says" | stand_in "$PROGRAMS/client"
}

test_calls_and_streams_leave_nothing_behind() {
    reset
    expect 0 "$TREE/scripts/soak" --calls "$CALLS" --streams 500
    [ "$(last)" = '7 passed, 0 failed' ] || fail "$out"
    [[ $err == *'100 %: server '*' KiB, '*' fds, '*' threads; client '*'; 0 failed'* ]] ||
        fail "$err"
}

test_a_leak_of_100_bytes_a_call_is_found() {
    reset
    expect 1 "$TREE/scripts/soak" --calls "$CALLS" --streams 10 --leak 100
    [ "$(last)" = '6 passed, 1 failed' ] || fail "$out"
    grep -qE '^server, memory in KiB .* FAIL$' <<<"$out" || fail "$out"
}

test_a_server_that_does_not_answer_fails() {
    reset
    silent_server
    expect 1 "$TREE/scripts/soak" --calls 100 --streams 10
    grep -qE '^calls that failed .* FAIL$' <<<"$out" || fail "$out"
}

test_growth_up_to_the_limits_passes() {
    local threads=$((10 + 2 * $(nproc)))
    client_says '10 0 1 1 1 1 1 1' '20 0 1000 9 10 2000 8 10' \
        "100 0 5096 9 $threads 6096 8 $threads"
    expect 0 "$TREE/scripts/soak"
    [ "$(last)" = '7 passed, 0 failed' ] || fail "$out"
}

# breaks WHAT BEFORE AFTER: the one bound that is not kept between what $before and $after say.
breaks() {
    client_says "20 $before" "100 $after"
    expect 1 "$TREE/scripts/soak"
    [ "$(last)" = '6 passed, 1 failed' ] || fail "$out"
    grep -qE "^$1 +$2 +$3 .* FAIL\$" <<<"$out" || fail "$out"
    [[ $out == *"  $1: $2 at 20 %, $3 at 100 %: grew by $(($3 - $2)), and the limit is "* ]] ||
        fail "$out"
}

test_growth_beyond_a_limit_fails_and_is_named() {
    local threads=$((11 + 2 * $(nproc))) before='0 1000 9 10 2000 8 11' after
    after='1 1000 9 10 2000 8 11' breaks 'calls that failed' 0 1
    after='0 5097 9 10 2000 8 11' breaks 'server, memory in KiB' 1000 5097
    after='0 1000 10 10 2000 8 11' breaks 'server, fds' 9 10
    after="0 1000 9 $threads 2000 8 11" breaks 'server, threads' 10 "$threads"
    after='0 1000 9 10 6097 8 11' breaks 'client, memory in KiB' 2000 6097
    after='0 1000 9 10 2000 9 11' breaks 'client, fds' 8 9
    after="0 1000 9 10 2000 8 $((threads + 1))" breaks 'client, threads' 11 "$((threads + 1))"
}

test_a_client_that_does_not_come_to_the_end_fails() {
    client_says '20 0 1 1 1 1 1 1'
    expect 1 "$TREE/scripts/soak"
    [ "$(last)" = '0 passed, 1 failed' ] || fail "$out"
    [[ $out == *'the client ended before the run did'* ]] || fail "$out"
}

run_tests
