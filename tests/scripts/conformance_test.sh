#!/usr/bin/env bash
# scripts/conformance with a runner and a Bazel that are none: what it makes of what the runner says.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"

export MESH_SERVER=core # whose list has something
KNOWN=$PWD/tests/conformance/known
NAME='Basic/TLS:true/(grpc client impl)/unary/success'

# A tree with lists of its own.
set_up() {
    tree
    mkdir -p "$TREE/tests/conformance/known"
    printf '%s\n' 'failing 1 Odd/**/never # nobody can' 'flaky 1 Odder/** # the moon' \
        'timing 1 Slow/** # the clock' >"$TREE/tests/conformance/known/server-core"
    echo '# nothing' >"$TREE/tests/conformance/known/client"
    cp "$TREE/tests/conformance/known/client" "$TREE/tests/conformance/known/server-h2"
    stand_in "$TREE/.mesh/tools/conformance/connectconformance" <<END
#!/usr/bin/env bash
printf '%s\n' "\$@" >>'$TREE/calls'
echo "\$MESH_SERVER" >>'$TREE/carried'
for word; do [[ \$word != @* ]] || cat "\${word#@}" >>'$TREE/patterns'; done
if [[ " \$* " == *' --run Slow/'* ]]; then
    echo again >>'$TREE/again'
    exit "\$([ "\$(wc -l <'$TREE/again')" -lt "\$(cat '$TREE/passes_at')" ] && echo 1 || echo 0)"
fi
cat '$TREE/says'
exit "\$(cat '$TREE/code')"
END
}

# What each run says that has the failures of the line of what always fails.
ODD=('INFO: Odd/TLS:true/never failed (as expected):' $'\texpecting an error' '')

# says CODE LINE...
says() {
    echo "$1" >"$TREE/code"
    shift
    printf '%s\n' "$@" >"$TREE/says"
}

test_all_that_pass_are_counted() {
    set_up
    says 0 'Total cases: 570' '570 passed, 0 failed'
    expect 0 "$TREE/scripts/conformance" --case '**'
    [ "$(last)" = '1140 passed, 0 failed, 0 skipped' ] || fail "$out"
    [ "$(<"$TREE/patterns")" = 'Odd/**/never'$'\n''Odder/**'$'\n''Slow/**' ] ||
        fail "$(<"$TREE/patterns")"
    says 0 'Total cases: 646' '646 passed, 0 failed'
    expect 0 "$TREE/scripts/conformance" --side client --json
    [ "$out" = '{"server":"core","results":[],"passed":646,"failed":0,"skipped":0}' ] || fail "$out"
}

test_what_is_known_is_skipped_and_said_with_its_cause() {
    set_up
    says 0 "${ODD[@]}" 'Total cases: 570' '569 passed, 0 failed' \
        '(Another 1 failed as expected due to being known failures/flakes.)'
    expect 0 "$TREE/scripts/conformance" --side server
    [ "$(last)" = '569 passed, 0 failed, 1 skipped' ] || fail "$out"
    [[ $out == *'server: nobody can'*'excused: 1 that always fail, 0 flaky'* ]] || fail "$out"
}

# Also where its pattern has them all.
test_more_cases_than_a_line_says_have_failed() {
    local more
    set_up
    for more in Odd/TLS:false/never Odder/unary; do
        says 0 "${ODD[@]}" 'INFO: Odder/unary failed (as expected):' $'\tfull moon' '' \
            "INFO: $more failed (as expected):" $'\ttoo late' '' 'Total cases: 570' \
            '567 passed, 0 failed' \
            '(Another 3 failed as expected due to being known failures/flakes.)'
        expect 1 "$TREE/scripts/conformance" --side server
        [ "$(last)" = '567 passed, 1 failed, 2 skipped' ] || fail "$out"
        [[ $out == *'excused: 1 that always fail, 1 flaky'* ]] || fail "$out"
        [[ $err == *"$more failed: at most 1 of ${more%%/*}/"*' are excused'* ]] || fail "$err"
    done
}

test_fewer_cases_than_a_line_says_have_failed_unless_only_some_are_run() {
    set_up
    says 0 'Total cases: 570' '570 passed, 0 failed'
    expect 1 "$TREE/scripts/conformance" --side server
    [[ $err == *'Odd/**/never failed: 0 cases failed, and its line says 1'* ]] || fail "$err"
    expect 0 "$TREE/scripts/conformance" --side server --case 'Even/**'
}

# A busy machine is no mistake of ours; what never passes is.
test_what_depends_on_time_is_tried_again_by_itself() {
    set_up
    says 0 "${ODD[@]}" 'INFO: Slow/TLS:true/unary failed (as expected):' $'\ttoo late' '' \
        'Total cases: 570' '568 passed, 0 failed' \
        '(Another 2 failed as expected due to being known failures/flakes.)'
    echo 4 >"$TREE/passes_at"
    expect 0 "$TREE/scripts/conformance" --side server
    [ "$(last)" = '569 passed, 0 failed, 1 skipped' ] || fail "$out"
    [[ $err == *'server: Slow/TLS:true/unary was tried again: the clock'* ]] || fail "$err"
    rm -- "$TREE/again"
    echo 5 >"$TREE/passes_at"
    expect 1 "$TREE/scripts/conformance" --side server
    [ "$(last)" = '568 passed, 1 failed, 1 skipped' ] || fail "$out"
    [[ $err == *'Slow/TLS:true/unary failed: also by itself, 4 times'* ]] || fail "$err"
}

test_a_failure_that_no_line_excuses_has_failed() {
    set_up
    says 0 "${ODD[@]}" 'INFO: Even/TLS:true/unary failed (as expected):' $'\ttoo late' '' \
        'Total cases: 570' '568 passed, 0 failed' \
        '(Another 2 failed as expected due to being known failures/flakes.)'
    expect 1 "$TREE/scripts/conformance" --side server
    [ "$(last)" = '568 passed, 1 failed, 1 skipped' ] || fail "$out"
    [[ $err == *'Even/TLS:true/unary failed: no line of tests/conformance/known/server-core'* ]] ||
        fail "$err"
}

# Which list is read, and what the program under test is told.
test_each_server_has_a_list_of_its_own() {
    set_up
    says 0 "${ODD[@]}" 'Total cases: 570' '569 passed, 0 failed' \
        '(Another 1 failed as expected due to being known failures/flakes.)'
    expect 1 "$TREE/scripts/conformance" --side server --server h2 --json
    [[ $out == '{"server":"h2",'* ]] || fail "$out"
    [[ $err == *'Odd/TLS:true/never failed: no line of tests/conformance/known/server-h2'* ]] ||
        fail "$err"
    MESH_SERVER='' expect 1 "$TREE/scripts/conformance" --side server
    expect 0 "$TREE/scripts/conformance" --side server
    MESH_SERVER=h2 expect 0 "$TREE/scripts/conformance" --side server --server core
    [ "$(xargs <"$TREE/carried")" = 'h2 h2 core core' ] || fail "$(<"$TREE/carried")"
}

test_what_is_not_known_has_failed() {
    set_up
    says 1 "FAILED: $NAME:" $'\twanted "this"; got that' $'\tand more' '' 'Total cases: 570' \
        '569 passed, 1 failed'
    expect 1 "$TREE/scripts/conformance" --side server --json
    [[ $err == *"$NAME failed: wanted"* ]] || fail "$err"
    [[ $out == *"\"case\":\"$NAME\",\"verdict\":\"failed\",\"reason\":\"wanted \\\"this\\\"; got that\""* ]] ||
        fail "$out"
}

test_what_passes_and_is_known_to_fail_has_failed() {
    set_up
    says 1 'FAILED: Odd/TLS:true/never was expected to fail but did not' '' 'Total cases: 570' \
        '569 passed, 1 failed'
    expect 1 "$TREE/scripts/conformance" --side server
    [[ $err == *'Odd/TLS:true/never failed: it passes: remove its line from tests/conformance/known/server-core'* ]] || fail "$err"
    [ "$(last)" = '569 passed, 1 failed, 0 skipped' ] || fail "$out"
}

test_what_breaks_off_has_failed() {
    set_up
    says 1 'the pattern matches nothing'
    expect 1 "$TREE/scripts/conformance" --side server
    [ "$(last)" = '0 passed, 1 failed, 0 skipped' ] || fail "$out"
    [[ $err == *'the pattern matches nothing'* ]] || fail "$err"
    says 1 'Total cases: 646' \
        '576 passed, 0 failedAnother 70 could not be run due to client timing out.'
    expect 1 "$TREE/scripts/conformance" --side client
    [ "$(last)" = '576 passed, 70 failed, 0 skipped' ] || fail "$out"
    says 7 'Total cases: 646' '646 passed, 0 failed'
    expect 1 "$TREE/scripts/conformance" --side client
    [[ $err == *'ended with status 7'* ]] || fail "$err"
}

# Unless only some are asked for.
test_fewer_cases_than_the_suite_has_are_a_failure() {
    local side count
    set_up
    : >"$TREE/tests/conformance/known/server-core"
    for side in 'server 570' 'client 646'; do
        count=$((${side#* } - 1))
        says 0 "Total cases: $count" "$count passed, 0 failed"
        expect 1 "$TREE/scripts/conformance" --side "${side% *}"
        [ "$(last)" = "$count passed, 1 failed, 0 skipped" ] || fail "$out"
        [[ $err == *"$count cases were played, and there are at least ${side#* }"* ]] || fail "$err"
        expect 0 "$TREE/scripts/conformance" --side "${side% *}" --case '**'
    done
}

test_a_line_without_a_cause_or_a_number_is_refused() {
    set_up
    says 0 'Total cases: 1' '1 passed, 0 failed'
    echo 'failing 2 Even/**' >>"$TREE/tests/conformance/known/server-core"
    expect 1 "$TREE/scripts/conformance" --side server
    [[ $err == *'server-core:4: '*': failing 2 Even/**'* ]] || fail "$err"
    sed -i '4s/.*/failing Even\/** # because/' "$TREE/tests/conformance/known/server-core"
    expect 1 "$TREE/scripts/conformance" --side server
    [[ $err == *'server-core:4: '*': failing Even/** # because'* ]] || fail "$err"
}

test_without_the_runner_it_says_where_it_comes_from() {
    set_up
    rm "$TREE/.mesh/tools/conformance/connectconformance"
    expect 1 "$TREE/scripts/conformance"
    [[ $err == *'scripts/setup --peers'* ]] || fail "$err"
}

# cases KIND SIDE: how many the lines of a list excuse.
cases() { awk -v kind="$1" '$1 == kind { cases += $2 } END { print cases + 0 }' "$KNOWN/$2"; }

# More cases need a reason that is not here yet: see tests/conformance/README.md.
test_the_lists_have_not_grown() {
    local row kind side most count
    for row in 'failing server-core 8' 'flaky server-core 2' 'timing server-core 0' \
        'failing server-h2 0' 'flaky server-h2 0' 'timing server-h2 0' \
        'failing client 4' 'flaky client 0' 'timing client 17'; do
        read -r kind side most <<<"$row"
        count=$(cases "$kind" "$side")
        [ "$count" -le "$most" ] || fail "$side: $count cases are $kind"
    done
}

test_wrong_use_is_refused() {
    set_up
    expect 2 "$TREE/scripts/conformance" --side up
    expect 2 "$TREE/scripts/conformance" --server h3
    expect 2 "$TREE/scripts/conformance" --case
}

run_tests
