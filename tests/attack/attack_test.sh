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
cp -L -- "$PWD/tests/attack/target" "$PWD/tests/attack/attacker" "$TREE/"

# Ours, and nothing known.
reset() {
    cp -fL -- "$SCRIPTS/attack" "$TREE/scripts/attack"
    cp -f -- "$TREE/target" "$TREE/attacker" "$PROGRAMS/"
    : >"$KNOWN"
}

# attacker_says BROKEN...: an attacker that attacks nothing, and says one after the other.
attacker_says() {
    printf '%s\n' "$@" >"$WORK/says"
    stand_in "$PROGRAMS/attacker" <<END
#!/usr/bin/env bash
[ "\$1" != --list ] || exec "$TREE/attacker" --list
broken=\$(head -n 1 "$WORK/says")
sed -i 1d "$WORK/says"
echo HEADING
echo "\$2 1 0.1 13 14 14 0.1 10 0 5 3 \$broken"
[ "\$broken" = - ]
END
}

attack() { "$TREE/scripts/attack" "$@"; }

test_what_holds_passes() {
    reset
    expect 0 attack --only bad_strings
    [ "$(last)" = '1 passed, 0 failed' ] || fail "$out"
    grep -qE '^bad_strings +12000 .* holds$' <<<"$out" || fail "$out"
}

test_tls_and_unix_sockets_are_attacked_too() {
    reset
    expect 0 attack --only garbage --only bad_strings --over tls --over unix
    [ "$(last)" = '4 passed, 0 failed' ] || fail "$out"
    grep -qE '^garbage/tls +1000 .* holds$' <<<"$out" || fail "$out"
    grep -qE '^garbage/unix +1000 .* holds$' <<<"$out" || fail "$out"
    grep -qE '^bad_strings/tls +12000 .* holds$' <<<"$out" || fail "$out"
}

# What is known must break: so these two do.
test_what_is_known_to_break_passes_with_its_cause() {
    reset
    grep -E '^(hpack_bomb|fd_exhaustion) ' "$LIST" >"$KNOWN"
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
    sed -i 's/^END_LIMIT_S=.*/END_LIMIT_S=1/' "$TREE/scripts/attack"
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
    echo 'bad_strings memory,calls because' >"$KNOWN"
    expect 1 attack --only bad_strings
    [[ $err == *'it broke crash,memory, and only memory,calls is known'* ]] || fail "$err"
}

test_what_is_known_to_break_and_holds_fails() {
    reset
    attacker_says - - -
    echo 'bad_strings memory because' >"$KNOWN"
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
    "$TREE/scripts/attack" --only bad_strings >"$WORK/log" 2>&1 &
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
    echo 'held_messages memory because' >"$KNOWN"
    expect 0 attack --only bad_strings --only held_messages --json
    [[ $out == '{"server":"core","results":[{"attack":"bad_strings","units":1,"seconds":0.1,'* ]] ||
        fail "$out"
    [[ $out == *'"back_ms":3,"broken":"","verdict":"holds"},'*'"broken":"memory","verdict":"known"}],"passed":2,"failed":0}' ]] ||
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
}

run_tests
