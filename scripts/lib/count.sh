# Runs Bazel's tests and scripts that count, and adds their cases up. Sourced after common.sh.
# shellcheck shell=bash disable=SC2034

cases_passed=0 cases_failed=0 cases_skipped=0 failures=() reasons=()

add_failure() {
    cases_failed=$((cases_failed + ${2:-1}))
    failures+=("$1")
}

add_skip() {
    cases_skipped=$((cases_skipped + 1))
    reasons+=("$1")
}

# sum REGEX FILE: of the numbers that the expression's first group matches, line by line.
sum() { sed -nE "s/.*$1.*/\\1/p" "$2" | awk '{ total += $1 } END { print total + 0 }'; }

# count_log LABEL STATUS LOG: cmocka's summary lines, which tests/scripts/lib.sh prints as well. A
# program without them is one case. One that broke off before its summary: the cases that it
# finished, and a failed one. A script says why it skips.
count_log() {
    local label=$1 status=$2 log=$3 passed=0 failed=0
    if [ -f "$log" ] && grep -q '\[==========\].*[0-9] test(s)' "$log"; then
        passed=$(sum '\[  PASSED  \] ([0-9]+) test\(s\)' "$log")
        failed=$(sum '\[  FAILED  \] ([0-9]+) test\(s\)' "$log")
        cases_skipped=$((cases_skipped + $(sum '\[  SKIPPED \] ([0-9]+) test\(s\)' "$log")))
        mapfile -t -O "${#reasons[@]}" reasons < <(sed -n "s|^  left out: |$label: |p" "$log")
        if ! grep -q '\[  PASSED  \] [0-9]* test(s)' "$log"; then
            passed=$(grep -c '\[       OK \]' "$log" || true)
        fi
    elif [ "$status" = PASSED ]; then
        passed=1
    fi
    if [ "$status" != PASSED ] && [ "$failed" -eq 0 ]; then
        failed=1
    fi
    cases_passed=$((cases_passed + passed))
    [ "$failed" -eq 0 ] || add_failure "$label ($status)" "$failed"
}

# bazel_tests OPTION... -- PATTERN...: builds and runs the tests, and adds their cases up. A target
# that does not build, crashes or takes too long is a failed case. Never fails itself. Leaves out
# targets that have the tag $left_out_tag.
left_out_tag=
bazel_tests() {
    local options=() events labels label status code=0 known=0 log tags=manual
    if [ -n "$left_out_tag" ]; then
        options+=(--test_tag_filters="-$left_out_tag")
        tags+="|$left_out_tag"
    fi
    # not --test_env, which would change it for tests that have a transport of their own, too
    [ -z "${MESH_SERVER-}" ] || options+=("--run_under=//bazel:server $MESH_SERVER")
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    events=$(mktemp)
    if ! labels=$(cd "$MESH_ROOT" && bazel query --keep_going --noshow_progress \
        "tests(set($*)) except attr(tags, '[\[ ]($tags)[\],]', tests(set($*)))" 2>"$events"); then
        show_log_end "$events"
        add_failure "bazel query: a BUILD file is broken"
    fi
    (cd "$MESH_ROOT" && bazel test --keep_going ${BAZEL_QUIET[@]+"${BAZEL_QUIET[@]}"} --build_event_json_file="$events" \
        ${options[@]+"${options[@]}"} -- "$@") >&2 || code=$?
    local -A status_of=() log_of=()
    while read -r label status log; do
        status_of[$label]=$status
        log_of[$label]=$log
    done < <(sed -nE '/^\{"id":\{"testSummary"/{
        s/^\{"id":\{"testSummary":\{"label":"([^"]+)".*"overallStatus":"([A-Z_]+)".*/\1 \2 &/
        s/ \{.*"uri":"file:\/\/([^"]*\/test\.log)".*/ \1/
        s/ \{.*/ -/
        p
    }' "$events")
    for label in $labels; do
        known=$((known + 1))
        count_log "$label" "${status_of[$label]:-NOT BUILT}" "$(unescape_uri "${log_of[$label]:--}")"
    done
    # 3: a test failed; 4: there are none; anything else that is not 0: the build itself.
    if [ "$code" -ne 0 ] && [ "$code" -ne 3 ] && [ "$code" -ne 4 ] && [ "${#failures[@]}" -eq 0 ]; then
        add_failure "bazel test ended with $code: something does not build"
    fi
    [ "$known" -gt 0 ] || add_failure "no tests were found"
    rm -f -- "$events"
}

unescape_uri() { printf '%b' "${1//%/\\x}"; }

# add_counts LINE NAME: of a script that ends with `N passed, N failed`, or also `, N skipped`; FALSE
# when it is none.
add_counts() {
    [[ $1 =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]] || return 1
    cases_passed=$((cases_passed + BASH_REMATCH[1]))
    cases_skipped=$((cases_skipped + ${BASH_REMATCH[4]:-0}))
    [ "${BASH_REMATCH[2]}" -eq 0 ] || add_failure "$2" "${BASH_REMATCH[2]}"
}

# play NAME ARGUMENT...: one of the scripts that end with counts, which are added up. Its status is a
# failure of its own where the counts have none: what was skipped may be one.
play() {
    local said code=0 before=$cases_failed
    said=$("$MESH_ROOT/scripts/$1" "${@:2}") || code=$?
    say "scripts/$*: $said"
    add_counts "${said##*$'\n'}" "scripts/$* (see above)" || add_failure "scripts/$* broke off"
    [ "$code" -eq 0 ] || [ "$cases_failed" -gt "$before" ] ||
        add_failure "scripts/$* ended with $code"
}

# The last lines of a run; succeeds only if nothing failed.
print_counts() {
    if [ "${#failures[@]}" -gt 0 ]; then
        printf '\nfailed:\n'
        printf '  %s\n' "${failures[@]}"
    fi
    if [ "${#reasons[@]}" -gt 0 ]; then
        printf '\nskipped:\n'
        printf '  %s\n' "${reasons[@]}"
    fi
    [ "$cases_skipped" -eq 0 ] || printf '%d skipped\n' "$cases_skipped"
    printf '%d passed, %d failed\n' "$cases_passed" "$cases_failed"
    [ "$cases_failed" -eq 0 ]
}
