#!/usr/bin/env bash
# scripts/lib/count.sh: how scripts/test counts. Bazel is a stand-in that reports what we want.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"
# shellcheck source=scripts/lib/common.sh
. "$SCRIPTS/lib/common.sh"
# shellcheck source=scripts/lib/count.sh
. "$SCRIPTS/lib/count.sh"

# bazel query prints the labels; bazel test writes the events and ends with the wanted code.
stand_in "$WORK/bin/bazel" <<END
#!/bin/sh
case \$1 in
query) cat "$WORK/labels" ; exit "\$(cat "$WORK/query.code")" ;;
test)
    for word; do
        case \$word in --build_event_json_file=*) cp "$WORK/events" "\${word#*=}" ;; esac
    done
    exit "\$(cat "$WORK/test.code")" ;;
esac
END
PATH=$WORK/bin:$PATH

reset() {
    : >"$WORK/labels"
    : >"$WORK/events"
    echo 0 >"$WORK/query.code"
    echo "$1" >"$WORK/test.code"
}

# target NAME STATUS: stdin is its log.
target() {
    echo "//t:$1" >>"$WORK/labels"
    [ "$2" != none ] || return 0
    mkdir -p "$WORK/$1"
    cat >"$WORK/$1/test.log"
    printf '{"id":{"testSummary":{"label":"//t:%s","configuration":{"id":"c"}}},"testSummary":{"totalRunCount":1,"overallStatus":"%s","passed":[{"uri":"file://%s/test.log"}]}}\n' \
        "$1" "$2" "${WORK// /%20}/$1" >>"$WORK/events"
}

counts() {
    bazel_tests -- //...
    print_counts >"$WORK/last" || true
    [ "$(tail -n 1 "$WORK/last")" = "$1" ] || fail "$(cat "$WORK/last") instead of $1"
}

test_cases_are_counted_not_targets() {
    reset 3
    target two PASSED <<<'[==========] Running 2 test(s).
[ RUN      ] one
[       OK ] one
[  PASSED  ] 2 test(s).'
    target mixed FAILED <<<'[==========] tests: Running 4 test(s).
  left out: no Go here
[  PASSED  ] 2 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  FAILED  ] tests: 1 test(s), listed below:
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] that'
    target shell PASSED <<<'no cmocka here'
    counts '5 passed, 1 failed'
    grep -q '^1 skipped$' "$WORK/last" || fail "no word of the skipped one"
    grep -q '^  //t:mixed: no Go here$' "$WORK/last" || fail "no word of why: $(<"$WORK/last")"
}

test_a_crash_a_time_out_and_a_failure_to_build_are_failed_cases() {
    reset 1
    target crash FAILED <<<'[==========] Running 3 test(s).
[       OK ] one
[       OK ] two
[ RUN      ] three'
    target slow TIMEOUT <<<''
    target all_passed_but_leaks FAILED <<<'[==========] Running 2 test(s).
[  PASSED  ] 2 test(s).
ERROR: LeakSanitizer: detected memory leaks'
    target unbuilt none
    counts '4 passed, 4 failed'
    grep -q '//t:unbuilt (NOT BUILT)' "$WORK/last" || fail "$(cat "$WORK/last")"
}

test_a_library_that_does_not_build_is_a_failure() {
    reset 1
    target one PASSED <<<'[==========] Running 1 test(s).
[  PASSED  ] 1 test(s).'
    counts '1 passed, 1 failed'
}

test_a_broken_build_file_is_a_failure() {
    reset 0
    echo 1 >"$WORK/query.code"
    target one PASSED <<<'fine'
    counts '1 passed, 1 failed'
}

test_no_tests_at_all_is_a_failure() {
    reset 4
    counts '0 passed, 1 failed'
}

test_the_last_line_of_a_script_is_added() {
    add_counts '12 passed, 3 failed' smoke
    ! add_counts 'Segmentation fault' smoke || fail "took anything for a count"
    [ "$cases_passed $cases_failed" = '12 3' ] || fail "$cases_passed $cases_failed"
    add_counts '1 passed, 0 failed, 5 skipped' interop
    [ "$cases_passed $cases_failed $cases_skipped" = '13 3 5' ] ||
        fail "$cases_passed $cases_failed $cases_skipped"
}

# plays CODE LINE WANT: a script that says this last and ends so makes these counts.
plays() {
    printf '#!/bin/sh\necho "%s"\nexit %d\n' "$2" "$1" | stand_in "$TREE/scripts/other"
    printf '. "%s/lib/%s"\n' "$TREE/scripts" common.sh "$TREE/scripts" count.sh >"$WORK/plays"
    printf 'play other --short\nprint_counts\n' >>"$WORK/plays"
    expect "$([[ $3 == *' 0 failed' ]] && echo 0 || echo 1)" bash "$WORK/plays"
    [ "$(last)" = "$3" ] || fail "$out"
}

test_a_script_that_ends_badly_has_failed_whatever_it_counts() {
    tree
    plays 0 '2 passed, 0 failed, 1 skipped' '2 passed, 0 failed'
    plays 1 '2 passed, 0 failed, 1 skipped' '2 passed, 1 failed'
    [[ $out == *'  scripts/other --short ended with 1'* ]] || fail "$out"
    plays 1 '2 passed, 3 failed' '2 passed, 3 failed'
    plays 139 'Segmentation fault' '0 passed, 1 failed'
    [[ $out == *'  scripts/other --short broke off'* ]] || fail "$out"
}

run_tests
