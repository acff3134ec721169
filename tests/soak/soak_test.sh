#!/usr/bin/env bash
# scripts/soak: a short run is flat, leaks are found, every bound is one. Bazel is a stand-in.
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
    stand_in "$PROGRAMS/server" <<<"#!/usr/bin/env bash
trap 'exit ${1-0}' TERM
echo 1
while :; do sleep 0.1; done"
}

# client_says LINE...: programs that call nothing, and what they hold.
client_says() {
    silent_server
    printf '%s\n' "$@" >"$WORK/says"
    printf '#!/bin/sh\ncat "%s"\n' "$WORK/says" | stand_in "$PROGRAMS/client"
}

# Each kind's memory of both, five more bounds, and the server's end.
test_calls_and_streams_leave_nothing_behind() {
    reset
    expect 0 "$TREE/scripts/soak" --calls "$CALLS" --streams 200
    [ "$(last)" = '26 passed, 0 failed' ] || fail "$out"
    [[ $err == *'connections (80): server '*' KiB, '*' fds, '*' threads; client '*'; 0 failed'* ]] ||
        fail "$err"
}

test_a_leak_of_200_bytes_a_call_is_found() {
    reset
    expect 1 "$TREE/scripts/soak" --calls "$CALLS" --streams 10 --leak 200
    [ "$(last)" = '25 passed, 1 failed' ] || fail "$out"
    grep -qE '^calls, server KiB .* FAIL$' <<<"$out" || fail "$out"
}

# And not in another one; connections have streams of every kind.
test_a_leak_in_one_kind_of_stream_is_found() {
    reset
    expect 1 "$TREE/scripts/soak" --calls 100 --streams 200 --leak-stream 100000
    grep -qE '^requests, server KiB .* FAIL$' <<<"$out" || fail "$out"
    ! grep ' FAIL$' <<<"$out" | grep -vE '^(requests|connections), server' || fail "$out"
}

test_a_server_that_does_not_answer_fails() {
    reset
    silent_server
    expect 1 "$TREE/scripts/soak" --calls 100 --streams 10
    grep -qE '^calls that failed .* FAIL$' <<<"$out" || fail "$out"
}

test_a_server_that_does_not_end_well_fails() {
    client_says 'warm_up 0 0 1 1 1 1 1 1' 'read 8 0 1 1 1 1 1 1' \
        'read 8 0 1 1 1 1 1 1'
    silent_server 3
    expect 1 "$TREE/scripts/soak"
    [ "$(last)" = '7 passed, 1 failed' ] || fail "$out"
    grep -qE '^server, exit status .* 3 .* FAIL$' <<<"$out" || fail "$out"
}

# says SERVER_KIB CLIENT_KIB: a mark without what comes before them.
says() { printf '%d 9 10 %d 8 11' "$@"; }

test_growth_up_to_the_limits_passes() {
    local threads=$((2 * $(nproc)))
    client_says 'warm_up 0 0 1000 9 10 2000 8 11' \
        "calls 80 0 $(says 5096 6096)" "read 8 0 $(says 9192 10192)" \
        "calls 80 0 $(says 13288 14288)" \
        "read 8 0 17384 9 $((10 + threads)) 18384 8 $((11 + threads))"
    expect 0 "$TREE/scripts/soak"
    [ "$(last)" = '10 passed, 0 failed' ] || fail "$out"
}

# What is as large as it gets grows no more.
test_growth_in_one_round_passes() {
    client_says "warm_up 0 0 $(says 1000 2000)" "read 8 0 $(says 19000 19000)" \
        "read 8 0 $(says 19000 19000)"
    expect 0 "$TREE/scripts/soak"
    [ "$(last)" = '8 passed, 0 failed' ] || fail "$out"
}

# breaks WHAT BEFORE AFTER: the one bound that is not kept between what $before, $after and $again
# say, after the warm-up and each round.
breaks() {
    local kind=${1%%,*}
    [[ $1 == *KiB ]] || kind='read'
    client_says "warm_up 0 $before" "$kind 8 $after" "$kind 8 ${again-$after}"
    expect 1 "$TREE/scripts/soak"
    [ "$(last)" = '7 passed, 1 failed' ] || fail "$out"
    grep -qE "^$1 +$2 +$3 .* FAIL\$" <<<"$out" || fail "$out"
    [[ $out == *"  $1: $2 before, $3 after: grew by $(($3 - $2)), and the limit is "* ]] ||
        fail "$out"
}

test_growth_beyond_a_limit_fails_and_is_named() {
    local threads=$((11 + 2 * $(nproc))) before after
    before="0 $(says 1000 2000)"
    after="0 $(says 5097 2000)" again="0 $(says 19000 2000)" breaks 'calls, server KiB' 1000 5097
    after="0 $(says 1000 6097)" again="0 $(says 1000 19000)" breaks 'read, client KiB' 2000 6097
    after="1 $(says 1000 2000)" breaks 'calls that failed' 0 1
    after='0 1000 10 10 2000 8 11' breaks 'server, fds' 9 10
    after="0 1000 9 $threads 2000 8 11" breaks 'server, threads' 10 "$threads"
    after='0 1000 9 10 2000 9 11' breaks 'client, fds' 8 9
    after="0 1000 9 10 2000 8 $((threads + 1))" breaks 'client, threads' 11 "$((threads + 1))"
}

test_a_client_that_does_not_come_to_the_end_fails() {
    client_says 'warm_up 0 0 1 1 1 1 1 1' 'read 8 0 1 1 1 1 1 1'
    expect 1 "$TREE/scripts/soak"
    [ "$(last)" = '1 passed, 1 failed' ] || fail "$out"
    [[ $out == *'the client ended before the run did'* ]] || fail "$out"
}

# gone PID...
gone() {
    local pid
    for pid in "$@"; do ! kill -0 "$pid" 2>/dev/null || return 1; done
}

test_a_signal_ends_both_programs() {
    local script
    # shellcheck source=scripts/lib/common.sh
    . "$SCRIPTS/lib/common.sh"
    stand_in "$PROGRAMS/server" <<<"#!/bin/sh
echo \$\$ >$TREE/server.pid; echo 1; exec sleep 60"
    stand_in "$PROGRAMS/client" <<<"#!/bin/sh
echo \$\$ >$TREE/client.pid; exec sleep 60"
    "$TREE/scripts/soak" >/dev/null 2>&1 &
    script=$!
    wait_until 20 test -s "$TREE/client.pid" || fail 'the client did not start'
    kill "$script"
    wait_until 20 gone "$(<"$TREE/server.pid")" "$(<"$TREE/client.pid")" ||
        fail 'a program is left'
}

run_tests
