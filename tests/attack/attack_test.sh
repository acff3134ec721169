#!/usr/bin/env bash
# scripts/attack: that it sees what breaks. Programs are ours, or stand-ins around them.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"

tree
PROGRAMS=$TREE/bazel-bin/tests/attack
KNOWN=$TREE/tests/attack/core.known
LIST=$PWD/tests/attack/core.known
mkdir -p "$PROGRAMS" "${KNOWN%/*}"
cp -L -- "$PWD/tests/attack/target" "$PWD/tests/attack/attacker" \
    "$PWD/tests/attack/bystander" "$TREE/"

# Ours, and nothing known.
reset() {
    cp -fL -- "$SCRIPTS/attack" "$TREE/scripts/attack"
    cp -fL -- "$SCRIPTS/lib/target.sh" "$TREE/scripts/lib/target.sh"
    cp -f -- "$TREE/target" "$TREE/attacker" "$TREE/bystander" "$PROGRAMS/"
    # What is measured on a busy machine is no test's.
    echo 'share 0 because' >"$KNOWN"
}

# attacker_says BROKEN...: an attacker that attacks nothing, and says one after the other. The other
# client makes $rate calls a second, and 1,000 beside one that burns 70 % of a core.
rate=900
attacker_says() {
    printf '%s\n' "$@" >"$WORK/says"
    : >"$WORK/paused"
    stand_in "$PROGRAMS/attacker" <<END
#!/usr/bin/env bash
[ "\$1" != --list ] || exec "$TREE/attacker" --list
[[ "\$*" != *' --burn 70 '* ]] || exec echo 1000
[[ "\$*" =~ ' --pause_ms '([0-9]+)' --attack '([a-z_]+) ]] || exit 2
echo "\${BASH_REMATCH[1]}" >>"$WORK/paused"
broken=\$(head -n 1 "$WORK/says")
sed -i 1d "$WORK/says"
echo HEADING
echo "\${BASH_REMATCH[2]} 1 0.1 13 14 14 0.1 10 0 5 3 $rate 70 \$broken"
[ "\$broken" = - ]
END
}

# Of the core something is known to break.
attack() { "$TREE/scripts/attack" --server core "$@"; }

test_what_holds_passes() {
    reset
    expect 0 attack --only bad_strings
    [ "$(last)" = '1 passed, 0 failed' ] || fail "$out"
    grep -qE '^bad_strings +[0-9]+000 .* holds$' <<<"$out" || fail "$out"
}

# 70 % of the core are burnt for comparison.
test_a_client_that_keeps_too_small_a_share_is_broken() {
    reset
    echo 'share 81 because' >"$KNOWN"
    rate=810 attacker_says -
    expect 0 attack --only bad_strings
    grep -qE '^bad_strings .* 81  holds$' <<<"$out" || fail "$out"
    rate=809 attacker_says - - -
    expect 1 attack --only bad_strings
    grep -qE '^bad_strings .* 80  failed \(share\)$' <<<"$out" || fail "$out"
    [ ! -s "$WORK/says" ] || fail 'it was not tried three times'
    echo 'bad_strings share because' >>"$KNOWN"
    rate=809 attacker_says -
    expect 0 attack --only bad_strings
    grep -qE '^bad_strings .* 80  known \(share\)$' <<<"$out" || fail "$out"
}

test_eighty_percent_are_the_share_where_the_list_says_nothing() {
    reset
    : >"$KNOWN"
    rate=800 attacker_says -
    expect 0 attack --only bad_strings
    rate=799 attacker_says - - -
    expect 1 attack --only bad_strings
    echo 'share most because' >"$KNOWN"
    expect 1 attack --only bad_strings
    [[ $err == *'core.known: share: no percentage: most'* ]] || fail "$err"
}

# Nor is the machine kept busy for it.
test_a_short_run_measures_no_share() {
    reset
    : >"$KNOWN"
    rate=1 attacker_says -
    expect 0 attack --only bad_strings --short --over tcp
    grep -qE '^bad_strings .* -  holds$' <<<"$out" || fail "$out"
    [ "$(<"$WORK/paused")" = 10 ] || fail "$(<"$WORK/paused")"
    echo 'bad_strings share because' >"$KNOWN"
    attacker_says -
    expect 0 attack --only bad_strings --short --over tcp
}

test_the_share_is_measured_beside_what_burns_as_much() {
    local share
    reset
    expect 0 attack --only slow_sender
    share=$(sed -nE 's/^slow_sender .* ([0-9]+)  holds$/\1/p' <<<"$out")
    [ "${share:-0}" -gt 0 ] || fail "$out"
}

test_a_stream_that_is_not_answered_is_broken() {
    reset
    stand_in "$PROGRAMS/bystander" <<'END'
#!/bin/sh
echo 1 0 1 1 1
while read -r _; do echo 1 0 1 0 1; done
END
    expect 1 attack --only bad_strings --short --over tcp
    [[ $err == *'bad_strings failed: it broke streams'* ]] || fail "$err"
}

test_the_other_client_sees_whether_its_stream_is_answered() {
    local target port served missed slowest answered
    "$TREE/target" >"$WORK/port" &
    target=$!
    until [ -s "$WORK/port" ]; do
        kill -0 "$target" || fail 'the target has ended'
        sleep 0.05
    done
    port=$(<"$WORK/port")
    coproc "$TREE/bystander" --target "127.0.0.1:$port" --path /attack.v1.Target/Echo \
        --chat /attack.v1.Target/Chat
    read -r _ <&"${COPROC[0]}"
    echo >&"${COPROC[1]}"
    read -r served missed slowest answered _ <&"${COPROC[0]}"
    [ "$served" -gt 0 ] && [ "$missed $answered" = '0 1' ] || fail "$served $missed $answered"
    kill -STOP "$target"
    echo >&"${COPROC[1]}"
    read -r served missed slowest answered _ <&"${COPROC[0]}"
    kill -CONT "$target"
    kill "$target"
    [ "$answered" = 0 ] || fail "it was answered, after $slowest ms"
}

test_tls_and_unix_sockets_are_attacked_too() {
    reset
    expect 0 attack --only garbage --only bad_strings --over tls --over unix
    [ "$(last)" = '4 passed, 0 failed' ] || fail "$out"
    grep -qE '^garbage/tls +[0-9]+000 .* holds$' <<<"$out" || fail "$out"
    grep -qE '^garbage/unix +[0-9]+000 .* holds$' <<<"$out" || fail "$out"
    grep -qE '^bad_strings/tls +[0-9]+000 .* holds$' <<<"$out" || fail "$out"
}

# What is known must break: so these two do.
test_what_is_known_to_break_passes_with_its_cause() {
    reset
    grep -E '^(hpack_bomb|fd_exhaustion) ' "$LIST" >>"$KNOWN"
    expect 0 attack --only hpack_bomb --only fd_exhaustion
    [ "$(last)" = '2 passed, 0 failed' ] || fail "$out"
    grep -qE '^hpack_bomb .* known \(memory.*\)$' <<<"$out" || fail "$out"
    grep -qE '^fd_exhaustion .* known \(recovery\)$' <<<"$out" || fail "$out"
    [[ $out == *'fd_exhaustion (recovery): the core stops listening'* ]] || fail "$out"
}

test_too_much_memory_fails() {
    reset
    sed -i 's/^MEMORY_MIB=.*/MEMORY_MIB=1/' "$TREE/scripts/attack"
    expect 1 attack --only nested_groups
    [ "$(last)" = '0 passed, 1 failed' ] || fail "$out"
    [[ $err == *'nested_groups failed: it broke memory'* ]] || fail "$err"
}

test_an_attack_is_broken_off_before_the_machine_suffers() {
    reset
    sed -i 's/^STOP_MIB=.*/STOP_MIB=1/' "$TREE/scripts/attack"
    expect 0 attack --only bad_strings
    ! grep -qE '^bad_strings +12000 ' <<<"$out" || fail "$out"
}

test_an_attack_that_does_nothing_has_failed() {
    reset
    sed -i 's/^SECONDS_MAX=.*/SECONDS_MAX=0/' "$TREE/scripts/attack"
    expect 1 attack --only open_streams
    [ "$(last)" = '0 passed, 1 failed' ] || fail "$out"
    grep -qE '^open_streams +0 .* failed \(idle\)$' <<<"$out" || fail "$out"
    [[ $err == *'open_streams failed: it broke idle'* ]] || fail "$err"
}

test_a_server_that_dies_has_failed() {
    reset
    stand_in "$PROGRAMS/attacker" <<END
#!/usr/bin/env bash
[ "\$1" != --list ] || exec "$TREE/attacker" --list
"$TREE/attacker" "\$@" &
[[ "\$*" =~ --pid\ ([0-9]+) ]]
sleep 1
kill -KILL "\${BASH_REMATCH[1]}"
wait \$!
END
    expect 1 attack --only slow_sender
    [[ $err == *'slow_sender failed: it broke crash'* ]] || fail "$err"
}

test_a_server_that_does_not_start_has_failed() {
    reset
    stand_in "$PROGRAMS/target" <<'END'
#!/bin/sh
echo 'no such thing' >&2 && exit 1
END
    expect 1 attack --only bad_strings
    [[ $err == *'bad_strings failed: it broke untried'*'no such thing'* ]] || fail "$err"
}

test_a_server_that_does_not_end_has_failed() {
    reset
    attacker_says -
    stand_in "$PROGRAMS/target" <<END
#!/usr/bin/env bash
trap '' TERM
echo 1
sleep 30
END
    sed -i 's/^END_LIMIT_S=.*/END_LIMIT_S=1/' "$TREE/scripts/lib/target.sh"
    expect 1 attack --only bad_strings
    [[ $err == *'bad_strings failed: it broke end'* ]] || fail "$err"
}

test_what_breaks_and_is_not_known_fails() {
    reset
    attacker_says memory
    expect 1 attack --only bad_strings
    [[ $err == *'bad_strings failed: it broke memory'* ]] || fail "$err"
}

test_what_breaks_otherwise_than_known_fails() {
    reset
    attacker_says crash,memory
    echo 'bad_strings memory,calls because' >>"$KNOWN"
    expect 1 attack --only bad_strings
    [[ $err == *'it broke crash,memory, and only memory,calls is known'* ]] || fail "$err"
}

test_what_is_known_to_break_and_holds_fails() {
    reset
    attacker_says - - -
    echo 'bad_strings memory because' >>"$KNOWN"
    expect 1 attack --only bad_strings
    [ "$(last)" = '0 passed, 1 failed' ] || fail "$out"
    [[ $err == *'bad_strings failed: it holds now: take it off core.known'* ]] || fail "$err"
}

# A busy machine is no mistake of the server's; a crash now and then is.
test_what_was_too_slow_is_tried_again() {
    reset
    attacker_says calls,recovery calls -
    expect 0 attack --only bad_strings
    [ "$(last)" = '1 passed, 0 failed' ] || fail "$out"
    attacker_says calls recovery calls
    expect 1 attack --only bad_strings
    attacker_says crash -
    expect 1 attack --only bad_strings
}

test_the_list_must_name_attacks_and_causes() {
    reset
    echo 'bad_strings memory' >"$KNOWN"
    expect 1 attack --only bad_strings
    [[ $err == *'bad_strings has no cause'* ]] || fail "$err"
    echo 'bad_thing memory because' >"$KNOWN"
    expect 1 attack --only bad_strings
    [[ $err == *"there is no attack 'bad_thing'"* ]] || fail "$err"
}

test_attacker_and_target_end_with_the_script() {
    local code=0 script pid
    reset
    stand_in "$PROGRAMS/attacker" <<END
#!/usr/bin/env bash
[ "\$1" != --list ] || exec "$TREE/attacker" --list
[[ "\$*" =~ --pid\ ([0-9]+) ]]
echo "\$\$ \${BASH_REMATCH[1]}" >"$WORK/pids.new"
mv "$WORK/pids.new" "$WORK/pids"
exec sleep 600
END
    "$TREE/scripts/attack" --server core --only bad_strings >"$WORK/log" 2>&1 &
    script=$!
    until [ -e "$WORK/pids" ]; do
        kill -0 "$script" || fail "$(<"$WORK/log")"
        sleep 0.05
    done
    kill "$script"
    wait "$script" || code=$?
    [ "$code" -eq 143 ] || fail "it ended with $code"
    for pid in $(<"$WORK/pids"); do
        timeout 10 tail -s 0.1 -f --pid="$pid" /dev/null || fail "$pid is still there"
    done
}

test_a_certificate_is_made_for_tls_alone() {
    reset
    stand_in "$TREE/bin/openssl" <<'END'
#!/bin/sh
echo 'no openssl' >&2
exit 1
END
    attacker_says -
    expect 0 attack --only bad_strings
    expect 1 attack --only bad_strings --over tls
    rm -- "$TREE/bin/openssl"
    [[ $err == *'openssl: no openssl'* ]] || fail "$err"
}

test_json_has_a_line_for_each() {
    reset
    attacker_says - memory
    echo 'held_messages memory because' >>"$KNOWN"
    expect 0 attack --only bad_strings --only held_messages --json
    [[ $out == '{"server":"core","results":[{"attack":"bad_strings","units":1,"seconds":0.1,'* ]] ||
        fail "$out"
    [[ $out == *'"back_ms":3,"others_share_percent":90,"broken":"","verdict":"holds"},'*'"broken":"memory","verdict":"known"}],"passed":2,"failed":0}' ]] ||
        fail "$out"
}

test_wrong_use_is_refused() {
    reset
    expect 2 attack --only no_such
    [[ $err == *"there is no attack 'no_such'"* ]] || fail "$err"
    expect 2 attack --server no_such
    expect 2 attack --server ../attack/core
    expect 2 attack --short --only ping_flood
    [[ $err == *'--short: none of its attacks'* ]] || fail "$err"
    expect 2 attack --only
    expect 2 attack --over air
}

test_the_programs_explain_themselves() {
    expect 0 "$TREE/attacker" --help
    [[ $out == *--target* ]] || fail "$out"
    expect 0 "$TREE/target" --help
    [[ $out == *--transport* ]] || fail "$out"
    expect 2 "$TREE/target" --transport no_such
    expect 2 "$TREE/attacker" --attack no_such --target 127.0.0.1:1
    expect 2 "$TREE/attacker" --attack garbage --target nowhere
    expect 2 "$TREE/attacker" --attack slow_reader --target 127.0.0.1:1
    [[ $err == *'--stream: slow_reader needs'* ]] || fail "$err"
    expect 2 "$TREE/attacker" --attack garbage --target 127.0.0.1:1
    [[ $err == *'127.0.0.1:1 does not answer'* ]] || fail "$err"
    cp -L -- "$TREE/attacker" "$WORK/attacker"
    expect 2 "$WORK/attacker" --attack garbage --target 127.0.0.1:1
    [[ $err == *"$WORK/bystander cannot be started: No such file"* && $err != *answer* ]] ||
        fail "$err"
}

run_tests
