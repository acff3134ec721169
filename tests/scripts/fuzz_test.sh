#!/usr/bin/env bash
# scripts/fuzz: what it counts, prints and keeps. Bazel, clang and the targets are stand-ins.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"

tree
BIN=$TREE/out

stand_in "$TREE/bin/bazel" <<END
#!/bin/sh
case \$1 in
query) printf '%s\n' //tests/a:good_fuzz //tests/b:bad_fuzz ;;
info) echo "$BIN" ;;
esac
END
printf '#!/bin/sh\n' | stand_in "$TREE/bin/clang"

for target in a/good b/bad; do
    mkdir -p "$BIN/tests/${target}_fuzz.runfiles/meshc/tests/${target}_fuzz_corpus"
    touch "$BIN/tests/${target}_fuzz.runfiles/meshc/tests/${target}_fuzz_corpus/seed"
done
stand_in "$BIN/tests/a/good_fuzz" <<END
#!/bin/sh
[ -d tests/a/good_fuzz_corpus ] || exit 3
: >"\$TMPDIR/socket"
echo "\$*" | sed -nE 's/.*-max_total_time=([0-9]+) .*/\1/p' >>"$TREE/seconds"
printf '#9\tDONE   cov: 42 ft: 60 corp: 3/9b\n' >&2
printf 'stat::number_of_executed_units: 1000\nstat::new_units_added: 7\n' >&2
END
stand_in "$BIN/tests/b/bad_fuzz" <<'END'
#!/bin/sh
for option; do
    case $option in
    -artifact_prefix=*) prefix=${option#*=} ;;
    -max_total_time=*) echo "${option#*=}" >>../../../../seconds ;;
    esac
done
echo 'it is broken' >&2
[ -n "${prefix-}" ] || exit 77
echo input >"${prefix}crash-1"
echo "artifact_prefix='$prefix'; Test unit written to ${prefix}crash-1" >&2
exit 77
END

test_a_target_that_ends_well_has_passed() {
    expect 0 "$TREE/scripts/fuzz" --seconds 5 --only good_fuzz
    [ "$(last)" = '1 passed, 0 failed' ] || fail "$out"
    grep -qE '^good_fuzz +1000 +42 +7 +0$' <<<"$out" || fail "$out"
    expect 0 "$TREE/scripts/fuzz" --only good_fuzz --json
    [ "$out" = '{"results":[{"target":"good_fuzz","executions":1000,"coverage":42,"new_inputs":7,"crashes":0}],"passed":1,"failed":0,"skipped":0}' ] ||
        fail "$out"
}

test_what_a_target_leaves_in_its_folder_for_files_goes() {
    mkdir "$WORK/files"
    TMPDIR=$WORK/files expect 0 "$TREE/scripts/fuzz" --only good_fuzz
    [ -z "$(ls -A "$WORK/files")" ] || fail "left behind: $(ls -A "$WORK/files")"
}

test_a_crash_fails_and_says_how_to_see_it_again() {
    local kept=$TREE/.mesh/fuzz/bad_fuzz-crash-1
    expect 1 "$TREE/scripts/fuzz"
    [ "$(last)" = '1 passed, 1 failed' ] || fail "$out"
    grep -qE '^bad_fuzz +0 +0 +0 +1$' <<<"$out" || fail "$out"
    [[ $err == *'it is broken'* ]] || fail "$err"
    [ "$(<"$kept")" = input ] || fail "$kept was not kept"
    grep -qF "  bad_fuzz: scripts/fuzz --only bad_fuzz --input $kept" <<<"$out" || fail "$out"
    expect 1 "$TREE/scripts/fuzz" --json
    [[ $out == '{"results":[{'*'"crashes":0},{'*'"crashes":1}],"passed":1,"failed":1,"skipped":0}' ]] ||
        fail "$out"
    [[ $err == *"  bad_fuzz: scripts/fuzz --only bad_fuzz --input $kept"* ]] || fail "$err"
    mkdir "$WORK/tmp"
    TMPDIR=$WORK/tmp expect 77 "$TREE/scripts/fuzz" --only bad_fuzz --input "$kept"
    [[ $err == *'it is broken'* ]] || fail "$err"
    [ -z "$(ls -A "$WORK/tmp")" ] || fail "left behind: $(ls -A "$WORK/tmp")"
}

test_the_seconds_are_shared_among_the_targets() {
    local seconds
    for seconds in 5 6 1; do
        rm -f -- "$BIN/seconds" "$TREE/seconds"
        expect 1 "$TREE/scripts/fuzz" --seconds "$seconds"
        [ "$(<"$TREE/seconds") $(<"$BIN/seconds")" = \
            "$(((seconds + 1) / 2)) $((seconds > 1 ? seconds / 2 : 1))" ] ||
            fail "of $seconds: $(<"$TREE/seconds") and $(<"$BIN/seconds")"
    done
}

test_a_target_without_a_corpus_has_failed() {
    local seed=$BIN/tests/a/good_fuzz.runfiles/meshc/tests/a/good_fuzz_corpus/seed
    rm -- "$seed"
    expect 1 "$TREE/scripts/fuzz" --only good_fuzz
    touch "$seed"
    [ "$(last)" = '0 passed, 1 failed' ] || fail "$out"
    [[ $out == *'good_fuzz: it has no corpus, tests/a/good_fuzz_corpus'* ]] || fail "$out"
}

test_a_target_that_does_not_end_has_failed() {
    cp -- "$BIN/tests/b/bad_fuzz" "$WORK/bad_fuzz"
    stand_in "$BIN/tests/b/bad_fuzz" <<<$'#!/bin/sh\nexec sleep 600'
    sed -i 's/LATE_LIMIT_S=.*/LATE_LIMIT_S=1/' "$TREE/scripts/fuzz"
    expect 1 "$TREE/scripts/fuzz" --seconds 1
    cp -f -- "$SCRIPTS/fuzz" "$TREE/scripts/fuzz"
    cp -f -- "$WORK/bad_fuzz" "$BIN/tests/b/bad_fuzz"
    [[ $out == *'bad_fuzz: it goes on 1 s after its time'* ]] || fail "$out"
}

# As a terminal does it: the whole group gets the signal. The target may not care.
test_a_signal_ends_it_at_once_with_its_target_and_keeps_what_was_fuzzed() {
    local signal script log=$WORK/signal.log
    # shellcheck source=scripts/lib/common.sh
    . "$SCRIPTS/lib/common.sh"
    cp -- "$BIN/tests/b/bad_fuzz" "$WORK/bad_fuzz"
    stand_in "$BIN/tests/b/bad_fuzz" <<END
#!/bin/sh
trap '' INT
echo \$\$ >"$WORK/pid.new"
mv "$WORK/pid.new" "$WORK/pid"
exec sleep 600
END
    mkdir -p "$WORK/left"
    for signal in INT TERM; do
        rm -f -- "$WORK/pid"
        # Its own group; a shell's background job would ignore SIGINT.
        TMPDIR=$WORK/left setsid env --default-signal=INT "$TREE/scripts/fuzz" >"$log" 2>&1 &
        script=$!
        wait_until 60 test -s "$WORK/pid" || fail "$(<"$log")"
        kill -s "$signal" -- "-$script"
        wait_until 20 ended "$script" || fail "it goes on after SIG$signal"
        ! wait "$script" || fail 'it ended well'
        wait_until 20 ended "$(<"$WORK/pid")" || fail "its target goes on after SIG$signal"
        grep -qE '^good_fuzz +1000 +42 +7 +0$' "$log" || fail "$(<"$log")"
        [ "$(tail -n 1 "$log")" = 'interrupted: 1 passed, 0 failed' ] || fail "$(<"$log")"
        [ -z "$(ls -A "$WORK/left")" ] || fail "left behind: $(ls -A "$WORK/left")"
    done
    cp -f -- "$WORK/bad_fuzz" "$BIN/tests/b/bad_fuzz"
}

test_without_libfuzzer_all_are_skipped_and_it_is_said() {
    printf '#!/bin/sh\nexit 1\n' | stand_in "$TREE/bin/clang"
    expect 0 "$TREE/scripts/fuzz"
    [ "$(last)" = '0 passed, 0 failed, 2 skipped' ] || fail "$out"
    [[ $err == *'no clang with libFuzzer here (scripts/setup --dev): nothing is fuzzed'* ]] ||
        fail "$err"
}

test_what_cannot_be_is_refused() {
    expect 1 "$TREE/scripts/fuzz" --only no_fuzz
    [[ $err == *'no fuzz target no_fuzz; there are:'*good_fuzz*bad_fuzz* ]] || fail "$err"
    expect 2 "$TREE/scripts/fuzz" --seconds 0
    [[ $err == *'--seconds: must be a number above 0'* ]] || fail "$err"
    expect 2 "$TREE/scripts/fuzz" --input "$TREE/bin/clang"
    [[ $err == *'--input needs one --only'* ]] || fail "$err"
}

run_tests
