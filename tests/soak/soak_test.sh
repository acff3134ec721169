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

# silent_server [STATUS [SEEN]]: answers nothing, and ends so.
silent_server() {
    stand_in "$PROGRAMS/server" <<<"#!/usr/bin/env bash
trap 'echo ${2-260 100}; exit ${1-0}' TERM
echo 1
while :; do sleep 0.1; done"
}

# soak of what they say.
soak() { "$TREE/scripts/soak" --calls 200 --streams 20 "$@"; }

# client_says LINE...: programs that call nothing, and what they hold.
client_says() {
    silent_server
    printf '%s\n' "$@" >"$WORK/says"
    printf '#!/bin/sh\ncat "%s"\n' "$WORK/says" | stand_in "$PROGRAMS/client"
}

# Each kind's memory of both and its number, seven more bounds, the server's end, and what it saw.
test_calls_and_streams_leave_nothing_behind() {
    local server
    reset
    for server in core h2; do
        expect 0 "$TREE/scripts/soak" --server "$server" --calls "$CALLS" --streams 200
        [ "$(last)" = '40 passed, 0 failed' ] || fail "$server: $out"
        [[ $err == *'warm_up, connections (40)'*'warm_up (0): server '* ]] || fail "$server: $err"
        [[ $err == *'connections (80): server '*' KiB, '*' fds, '*' threads; client '*'; 0 failed'* ]] ||
            fail "$server: $err"
    done
}

test_a_leak_of_200_bytes_a_call_is_found() {
    reset
    expect 1 "$TREE/scripts/soak" --calls "$CALLS" --streams 10 --leak 200
    [ "$(last)" = '38 passed, 2 failed' ] || fail "$out"
    grep -qE '^calls, server KiB .* FAIL$' <<<"$out" || fail "$out"
    grep -qE '^server, KiB in all .* FAIL$' <<<"$out" || fail "$out"
}

# And not in another one; connections have streams of every kind.
test_a_leak_in_one_kind_of_stream_is_found() {
    reset
    expect 1 "$TREE/scripts/soak" --calls 100 --streams 200 --leak-stream 100000
    grep -qE '^requests, server KiB .* FAIL$' <<<"$out" || fail "$out"
    ! grep ' FAIL$' <<<"$out" | grep -vE '^((requests|connections), server|server, KiB in all)' || fail "$out"
}

test_what_carries_the_servers_calls_can_be_chosen() {
    reset
    stand_in "$PROGRAMS/server" <<<"#!/bin/sh
echo \"\$MESH_SERVER\" >>'$WORK/carried'; exit 1"
    sed -i 's/^START_LIMIT_S=.*/START_LIMIT_S=1/' "$TREE/scripts/soak"
    expect 1 "$TREE/scripts/soak"
    expect 1 "$TREE/scripts/soak" --server core
    MESH_SERVER=core expect 1 "$TREE/scripts/soak"
    MESH_SERVER=core expect 1 "$TREE/scripts/soak" --server h2
    cp -fL -- "$SCRIPTS/soak" "$TREE/scripts/soak"
    [ "$(xargs <"$WORK/carried")" = 'h2 core core h2' ] || fail "$(<"$WORK/carried")"
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
    expect 1 soak
    [ "$(last)" = '12 passed, 1 failed' ] || fail "$out"
    grep -qE '^server, exit status .* 3 .* FAIL$' <<<"$out" || fail "$out"
}

# As the client says, and as the server does.
test_a_run_that_does_less_than_it_says_fails() {
    local held
    held=$(says 1000 2000)
    client_says "warm_up 0 0 $held" "calls 80 0 $held" "read 8 0 $held" "calls 79 0 $held" \
        "read 8 0 $held"
    expect 1 soak
    [[ $out == *'  calls, of each round at least: 79, and at least 80 were to be'* ]] ||
        fail "$out"
    client_says "warm_up 0 0 $held" "calls 80 0 $held" "read 8 0 $held" "calls 80 0 $held" \
        "read 7 0 $held"
    expect 1 soak
    [[ $out == *'  read, of each round at least: 7, and at least 8 were to be'* ]] || fail "$out"
    client_says "warm_up 0 0 $held" "calls 80 0 $held" "calls 80 0 $held"
    silent_server 0 '259 100'
    expect 1 soak
    [[ $out == *'  calls that the server saw: 259, and at least 260 were to be'* ]] || fail "$out"
    silent_server 0 '260 99'
    expect 1 soak
    [[ $out == *'  streams that the server saw: 99, and at least 100 were to be'* ]] || fail "$out"
}

test_wrong_use_is_refused() {
    expect 2 "$TREE/scripts/soak" --calls 99
    expect 2 "$TREE/scripts/soak" --streams 9
    expect 2 "$TREE/scripts/soak" --server h3
    [[ $err == *"--server, or MESH_SERVER: must be h2 or core, and is 'h3'"* ]] || fail "$err"
}

# says SERVER_KIB CLIENT_KIB: a mark without what comes before them.
says() { printf '%d 9 10 %d 8 11' "$@"; }

test_growth_up_to_the_limits_passes() {
    local threads=$((2 * $(nproc)))
    client_says 'warm_up 0 0 1000 9 10 2000 8 11' \
        "calls 80 0 $(says 5096 6096)" "read 8 0 $(says 5096 6096)" \
        "calls 80 0 $(says 9192 10192)" \
        "read 8 0 9192 9 $((10 + threads)) 10192 8 $((11 + threads))"
    expect 0 soak
    [ "$(last)" = '16 passed, 0 failed' ] || fail "$out"
}

# What is as large as it gets grows no more.
test_growth_in_one_round_passes() {
    client_says "warm_up 0 0 $(says 1000 2000)" "read 8 0 $(says 9192 10192)" \
        "read 8 0 $(says 9192 10192)"
    expect 0 soak
    [ "$(last)" = '13 passed, 0 failed' ] || fail "$out"
}

# No kind by much, and all together.
test_growth_that_is_spread_over_all_kinds_fails() {
    client_says "warm_up 0 0 $(says 1000 2000)" "calls 80 0 $(says 3048 2000)" \
        "read 8 0 $(says 5096 2000)" "calls 80 0 $(says 7144 2000)" "read 8 0 $(says 9193 2000)"
    expect 1 soak
    [ "$(last)" = '15 passed, 1 failed' ] || fail "$out"
    grep -qE '^server, KiB in all +1000 +9193 +8193 +8192  FAIL$' <<<"$out" || fail "$out"
}

# breaks WHAT BEFORE AFTER: the one bound that is not kept between what $before and $after say, after
# the warm-up and each time of a kind; others say $others.
breaks() {
    local kind=${1%%,*}
    [[ $1 == *KiB ]] || kind='read'
    client_says "warm_up 0 $before" "$kind 80 $after" "others 80 ${others-$after}" \
        "$kind 80 $after" "others 80 ${others-$after}"
    expect 1 soak
    [ "$(last)" = '15 passed, 1 failed' ] || fail "$out"
    grep -qE "^$1 +$2 +$3 .* FAIL\$" <<<"$out" || fail "$out"
    [[ $out == *"  $1: $2 before, $3 after: grew by $(($3 - $2)), and the limit is "* ]] ||
        fail "$out"
}

test_growth_beyond_a_limit_fails_and_is_named() {
    local threads=$((11 + 2 * $(nproc))) before after
    before="0 $(says 1000 2000)"
    after="0 $(says 5097 2000)" others=$before breaks 'calls, server KiB' 1000 5097
    after="0 $(says 1000 6097)" others=$before breaks 'read, client KiB' 2000 6097
    after="0 $(says 9193 2000)" breaks 'server, KiB in all' 1000 9193
    after="0 $(says 1000 10193)" breaks 'client, KiB in all' 2000 10193
    after="1 $(says 1000 2000)" breaks 'calls that failed' 0 1
    after='0 1000 10 10 2000 8 11' breaks 'server, fds' 9 10
    after="0 1000 9 $threads 2000 8 11" breaks 'server, threads' 10 "$threads"
    after='0 1000 9 10 2000 9 11' breaks 'client, fds' 8 9
    after="0 1000 9 10 2000 8 $((threads + 1))" breaks 'client, threads' 11 "$((threads + 1))"
}

test_a_client_that_does_not_come_to_the_end_fails() {
    client_says 'warm_up 0 0 1 1 1 1 1 1' 'read 8 0 1 1 1 1 1 1'
    expect 1 soak
    [ "$(last)" = '3 passed, 1 failed' ] || fail "$out"
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
