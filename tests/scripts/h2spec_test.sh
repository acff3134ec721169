#!/usr/bin/env bash
# scripts/h2spec with a suite, a server and a Bazel that are none: what it makes of how they end.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"

# server STATUS: one that ends so when it is told to.
server() {
    stand_in "$TREE/bazel-bin/tests/attack/target" <<END
#!/usr/bin/env bash
echo "\$*" >>'$TREE/servers'
trap 'exit $1' TERM
echo 1
while :; do sleep 0.1; done
END
}

# says STATUS LINE...: the suite, which ends so, and a server that ends well.
says() {
    printf '%s\n' "${@:2}" >"$TREE/says"
    stand_in "$TREE/.mesh/tools/h2spec/h2spec" <<END
#!/bin/sh
cat '$TREE/says'
exit $1
END
    server 0
}

ALL='145 tests, 145 passed, 0 skipped, 0 failed'

h2spec() { "$TREE/scripts/h2spec" --over tcp "$@"; }

test_all_cases_are_played_in_plaintext_and_over_tls() {
    tree
    says 0 "$ALL"
    expect 0 "$TREE/scripts/h2spec"
    [ "$(last)" = '290 passed, 0 failed, 0 skipped' ] || fail "$out"
    grep -c -- --certificate "$TREE/servers" | grep -qx 1 || fail "$(<"$TREE/servers")"
}

test_what_failed_is_counted_and_shown() {
    tree
    says 1 before Failures: 'a frame' '145 tests, 143 passed, 1 skipped, 1 failed'
    expect 1 h2spec
    [ "$(last)" = '143 passed, 1 failed, 1 skipped' ] || fail "$out"
    [[ $err == *'a frame'* && $err != *before* ]] || fail "$err"
}

test_what_is_skipped_is_no_success() {
    tree
    says 0 '145 tests, 144 passed, 1 skipped, 0 failed'
    expect 1 h2spec
    [ "$(last)" = '144 passed, 0 failed, 1 skipped' ] || fail "$out"
}

test_fewer_cases_than_the_suite_has_are_a_failure() {
    tree
    says 0 '144 tests, 144 passed, 0 skipped, 0 failed'
    expect 1 h2spec
    [ "$(last)" = '144 passed, 1 failed, 0 skipped' ] || fail "$out"
    [[ $err == *'tcp: 144 cases were played, and there are at least 145'* ]] || fail "$err"
}

test_a_suite_that_ends_badly_has_failed() {
    tree
    says 3 "$ALL"
    expect 1 h2spec
    [ "$(last)" = '145 passed, 1 failed, 0 skipped' ] || fail "$out"
    [[ $err == *'tcp: no case failed, and h2spec ended with status 3'* ]] || fail "$err"
    says 2 'no connection'
    expect 1 h2spec
    [ "$(last)" = '0 passed, 1 failed, 0 skipped' ] || fail "$out"
    [[ $err == *'no connection'*'tcp: broke off with status 2'* ]] || fail "$err"
}

test_a_suite_that_does_not_end_has_failed() {
    tree
    says 0 "$ALL"
    stand_in "$TREE/.mesh/tools/h2spec/h2spec" <<<'#!/bin/sh
exec sleep 600'
    sed -i 's/^SUITE_LIMIT_S=.*/SUITE_LIMIT_S=1/' "$TREE/scripts/h2spec"
    expect 1 h2spec
    [[ $err == *'tcp: broke off with status 124'* ]] || fail "$err"
}

test_a_server_that_ends_badly_has_failed() {
    tree
    says 0 "$ALL"
    server 66
    expect 1 h2spec
    [ "$(last)" = '145 passed, 1 failed, 0 skipped' ] || fail "$out"
    [[ $err == *'tcp: the server did not end as it should'* ]] || fail "$err"
}

test_a_server_that_does_not_end_has_failed() {
    tree
    says 0 "$ALL"
    stand_in "$TREE/bazel-bin/tests/attack/target" <<<"#!/usr/bin/env bash
trap '' TERM
echo 1
sleep 30"
    sed -i 's/^END_LIMIT_S=.*/END_LIMIT_S=1/' "$TREE/scripts/lib/target.sh"
    expect 1 h2spec
    [[ $err == *'tcp: the server did not end as it should'* ]] || fail "$err"
}

test_a_server_that_does_not_start_breaks_it_off() {
    tree
    says 0 "$ALL"
    stand_in "$TREE/bazel-bin/tests/attack/target" <<<'#!/bin/sh
echo "no such thing" >&2; exit 1'
    expect 1 h2spec
    [[ $err == *'the server does not start: no such thing'* ]] || fail "$err"
}

test_wrong_use_is_refused() {
    tree
    expect 2 h2spec --over air
    expect 1 h2spec
    [[ $err == *'scripts/setup --peers builds it'* ]] || fail "$err"
}

run_tests
