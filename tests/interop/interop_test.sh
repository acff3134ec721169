#!/usr/bin/env bash
# scripts/interop: that it plays, and that it sees what fails. Peers are stand-ins, by themselves or
# around the programs of ours.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"
# shellcheck source=scripts/lib/common.sh
. "$SCRIPTS/lib/common.sh"

tree
PROGRAMS=$TREE/bazel-bin/tests/interop
mkdir -p "$PROGRAMS"
cp -L -- "$PWD/tests/interop/client" "$PWD/tests/interop/server" "$TREE/"

# Ours against itself, without any peer.
reset() {
    rm -rf -- "$TREE/.mesh"
    cp -fL -- "$SCRIPTS/interop" "$TREE/scripts/interop"
    cp -f -- "$TREE/client" "$TREE/server" "$PROGRAMS/"
}

test_ours_plays_with_itself_with_and_without_tls() {
    local server
    reset
    for server in core h2; do
        expect 0 "$TREE/scripts/interop" --server "$server" --case empty_unary \
            --case client_compressed_unary
        [ "$(last)" = '8 passed, 0 failed, 3 skipped' ] || fail "$server: $out"
        grep -qE '^empty_unary +ok/ok +ok/ok$' <<<"$out" || fail "$server: $out"
    done
}

test_what_carries_the_servers_calls_can_be_chosen() {
    reset
    stand_in "$PROGRAMS/server" <<END
#!/bin/sh
echo "\$MESH_SERVER" >>"$WORK/carried"
exec "$TREE/server" "\$@"
END
    for words in '' '--server core'; do
        # shellcheck disable=SC2086
        expect 0 "$TREE/scripts/interop" $words --peer meshc --case empty_unary --tls off --json
    done
    [[ $out == '{"server":"core","results":[{'* ]] || fail "$out"
    MESH_SERVER=core expect 0 "$TREE/scripts/interop" --peer meshc --case empty_unary --tls off
    # each over TCP and over a unix socket
    [ "$(xargs <"$WORK/carried")" = 'h2 h2 core core core core' ] || fail "$(<"$WORK/carried")"
}

# Against itself it has both.
test_one_side_can_be_played_alone() {
    local side
    reset
    for side in server client; do
        printf '#!/bin/sh\nexec "%s" "$@"\n' "$TREE/$side" |
            stand_in "$TREE/.mesh/tools/grpc-go/$side"
    done
    expect 0 "$TREE/scripts/interop" --side server --peer meshc --peer go --case empty_unary --tls off
    [[ $(head -n 1 <<<"$out") =~ self\ +unix\ +go\ client$ ]] || fail "$out"
    expect 0 "$TREE/scripts/interop" --side client --peer meshc --peer go --case empty_unary --tls off
    [[ $(head -n 1 <<<"$out") =~ self\ +unix\ +go\ server$ ]] || fail "$out"
}

test_a_peer_that_is_not_there_is_skipped_and_said() {
    local peer
    reset
    expect 0 "$TREE/scripts/interop" --case empty_unary --tls off
    [ "$(last)" = '2 passed, 0 failed, 3 skipped' ] || fail "$out"
    for peer in go java okhttp; do
        grep -qxF "  $peer: all cases: the peer is not built (scripts/setup --peers)" <<<"$out" ||
            fail "$out"
    done
}

test_what_a_client_says_counts() {
    reset
    stand_in "$PROGRAMS/client" <<'END'
#!/bin/sh
case "$*" in *empty_unary*) echo 'it is wrong' && exit 3 ;; esac
END
    expect 1 "$TREE/scripts/interop" --case empty_unary --case large_unary --tls off
    [ "$(last)" = '2 passed, 2 failed, 3 skipped' ] || fail "$out"
    grep -qE '^empty_unary +FAIL +FAIL$' <<<"$out" || fail "$out"
    [[ $err == *'self, TLS off, empty_unary failed: status 3'*'it is wrong'* ]] || fail "$err"
}

test_a_client_that_hangs_has_failed() {
    reset
    stand_in "$PROGRAMS/client" <<'END'
#!/bin/sh
sleep 1000
END
    sed -i 's/^CASE_LIMIT_S=.*/CASE_LIMIT_S=1/' "$TREE/scripts/interop"
    expect 1 "$TREE/scripts/interop" --case empty_unary --tls on
    [[ $err == *'empty_unary failed: not within 1 s'* ]] || fail "$err"
}

# As a terminal does it: the whole group gets the signal. A client may not care.
test_a_signal_ends_it_at_once_with_its_programs_and_keeps_what_was_played() {
    local signal script log=$WORK/interop.log
    for signal in INT TERM; do
        reset
        stand_in "$PROGRAMS/client" <<END
#!/usr/bin/env bash
[[ "\$*" != *empty_unary* ]] || exit 0
trap '' INT
echo "\$\$" >"$WORK/client.pid"
sleep 1000 &
trap 'kill "\$!"; exit 1' TERM
wait
END
        rm -f -- "$WORK/client.pid"
        mkdir -p "$WORK/tmp"
        # Its own group; a shell's background job would ignore SIGINT.
        TMPDIR=$WORK/tmp setsid env --default-signal=INT \
            "$TREE/scripts/interop" --case empty_unary --case large_unary --tls off >"$log" 2>&1 &
        script=$!
        wait_until 60 test -s "$WORK/client.pid" || fail "$(<"$log")"
        kill -s "$signal" -- "-$script"
        wait_until 20 ended "$script" || fail "it goes on after SIG$signal"
        ! wait "$script" || fail "it ended well"
        grep -qE '^empty_unary +ok$' "$log" || fail "$(<"$log")"
        grep -qE '^large_unary$' "$log" || fail "$(<"$log")"
        [ "$(tail -n 1 "$log")" = 'interrupted: 1 passed, 0 failed, 3 skipped' ] ||
            fail "$(<"$log")"
        wait_until 20 ended "$(<"$WORK/client.pid")" || fail "its client goes on after SIG$signal"
        [ -z "$(ls -A "$WORK/tmp")" ] || fail "left behind: $(ls -A "$WORK/tmp")"
    done
}

test_a_server_that_dies_has_failed() {
    reset
    stand_in "$PROGRAMS/server" <<'END'
#!/bin/sh
echo 'no such thing' && exit 1
END
    expect 1 "$TREE/scripts/interop" --case empty_unary --case large_unary --tls off
    [ "$(last)" = '0 passed, 4 failed, 3 skipped' ] || fail "$out"
    [[ $err == *'no such thing'*'the server does not listen'* ]] || fail "$err"
}

test_a_server_that_ends_badly_has_failed() {
    reset
    stand_in "$PROGRAMS/server" <<END
#!/usr/bin/env bash
"$TREE/server" "\$@" &
trap 'kill "\$!" && wait "\$!"; exit 7' TERM
wait
END
    expect 1 "$TREE/scripts/interop" --peer meshc --case empty_unary --tls off
    [[ $err == *'server_ends_well failed: the server did not end as it should'* ]] || fail "$err"
    [ "$(last)" = '2 passed, 2 failed, 0 skipped' ] || fail "$out"
    grep -qE '^empty_unary +ok +ok$' <<<"$out" || fail "$out"
    grep -qE '^server_ends_well +FAIL +FAIL$' <<<"$out" || fail "$out"
}

test_a_case_that_a_peer_lacks_is_skipped_and_said() {
    reset
    stand_in "$TREE/.mesh/tools/grpc-go/server" <<END
#!/bin/sh
exec "$TREE/server" "\$@"
END
    stand_in "$TREE/.mesh/tools/grpc-go/client" <<END
#!/bin/sh
exec "$TREE/client" "\$@"
END
    expect 0 "$TREE/scripts/interop" --peer go --case large_unary --case pick_first_unary --tls off
    [ "$(last)" = '3 passed, 0 failed, 1 skipped' ] || fail "$out"
    grep -qE '^pick_first_unary +- +ok$' <<<"$out" || fail "$out"
    [[ $out == *'go server: pick_first_unary: '* ]] || fail "$out"
}

test_a_case_that_is_tried_again_is_said() {
    reset
    stand_in "$TREE/.mesh/tools/grpc-go/server" <<'END'
#!/bin/sh
END
    stand_in "$TREE/.mesh/tools/grpc-go/client" <<END
#!/bin/sh
[ -e "$TREE/tried" ] || { : >"$TREE/tried" && cat "$TREE/says" && exit 1; }
END
    echo '&{0xc00}.CloseAndRecv() got error code 0, want 1' >"$TREE/says"
    expect 1 "$TREE/scripts/interop" --peer go --case cancel_after_begin --tls off
    [[ $out == *$'\ntried again:\n  go client: cancel_after_begin, TLS off: try 1 of 3 '* ]] || fail "$out"
    [ "$(last)" = '1 passed, 1 failed, 0 skipped' ] || fail "$out"
    rm -- "$TREE/tried"
    echo '&{0xc00}.CloseAndRecv() got error code 14, want 1' >"$TREE/says"
    expect 1 "$TREE/scripts/interop" --peer go --case cancel_after_begin --tls off
    [ "$(last)" = '0 passed, 2 failed, 0 skipped' ] || fail "$out"
}

test_a_peer_that_is_asked_for_must_be_there() {
    reset
    expect 1 "$TREE/scripts/interop" --peer go
    [[ $err == *'the peer go is not built: scripts/setup --peers does it'* ]] || fail "$err"
}

test_json_has_a_line_for_each() {
    reset
    expect 0 "$TREE/scripts/interop" --peer meshc --case empty_unary --case orca_per_rpc --tls off \
        --json
    [[ $out == '{"server":"h2","results":[{"case":"empty_unary","peer":"meshc","peer_is":"both",'* ]] ||
        fail "$out"
    [[ $out == *'"verdict":"skipped","reason":"the gRPC C core'* ]] || fail "$out"
    [[ $out == *'],"passed":2,"failed":0,"skipped":2}' ]] || fail "$out"
}

test_wrong_use_is_refused() {
    expect 2 "$TREE/scripts/interop" --case no_such
    [[ $err == *"there is no case 'no_such'"* ]] || fail "$err"
    expect 2 "$TREE/scripts/interop" --peer rust
    expect 2 "$TREE/scripts/interop" --peer meshc --case client_compressed_unary_noprobe
    [[ $err == *'none of these cases is played with these peers'* ]] || fail "$err"
    expect 2 "$TREE/scripts/interop" --tls
    expect 2 "$TREE/scripts/interop" --side up
    expect 2 "$TREE/scripts/interop" --server
    [[ $err == *"--server, or MESH_SERVER: must be h2 or core, and is ''"* ]] || fail "$err"
}

test_the_programs_explain_themselves() {
    expect 0 "$TREE/client" --help
    [[ $out == *ping_pong*--server_host* ]] || fail "$out"
    expect 0 "$TREE/server" --help
    [[ $out == *--port* ]] || fail "$out"
    expect 2 "$TREE/server" --nonsense
    expect 2 "$TREE/client" --server_port=many
    expect 1 "$TREE/client" --test_case=no_such
    [[ $err == *'there is no such case'* ]] || fail "$err"
}

run_tests
