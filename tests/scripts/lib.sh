# A very small test frame for the scripts. Sourced by tests/scripts/*_test.sh, which define functions
# `test_<promise>` and then call `run_tests`. Prints cmocka's lines, so that all tests count alike.
# shellcheck shell=bash disable=SC2034

SCRIPTS=$PWD/scripts
SKIPPED=77
WORK=$(mktemp -d "${TEST_TMPDIR:-/tmp}/scripts test.XXXXXX")
TREES=$(mktemp -d "${TEST_TMPDIR:-/tmp}/trees.XXXXXX")
# A test says what carries a server's calls, where it is not the core.
unset MESH_SERVER
# A test that has more to do at its end has a trap of its own, which does this, too.
trap 'rm -rf -- "$WORK" "$TREES"' EXIT

fail() {
    printf '  %s: %s\n' "${FUNCNAME[1]}" "$*" >&2
    exit 1
}

# skip WHY: what the test needs is not on this machine.
skip() {
    printf '  left out: %s\n' "$*" >&2
    exit "$SKIPPED"
}

# stand_in PATH: stdin is the program.
stand_in() {
    mkdir -p "${1%/*}"
    rm -f -- "$1"
    cat >"$1"
    chmod +x "$1"
}

# tree: $TREE is one of its own, with the scripts and a Bazel that builds nothing. Its path has no
# space, which scripts that start Bazel refuse.
tree() {
    TREE=$(mktemp -d "$TREES/XXXXXX")
    cp -RL -- "$SCRIPTS" "$TREE/scripts"
    chmod -R u+w -- "$TREE/scripts"
    stand_in "$TREE/bin/bazel" <<<'#!/bin/sh'
    PATH=$TREE/bin:$PATH
}

# expect CODE COMMAND...: runs it; its stdout and stderr are in $out and $err afterwards.
expect() {
    local want=$1 code=0
    shift
    "$@" >"$WORK/.out" 2>"$WORK/.err" </dev/null || code=$?
    out=$(<"$WORK/.out") err=$(<"$WORK/.err")
    if [ "$code" -ne "$want" ]; then
        printf '%s\n%s\n' "$out" "$err" >&2
        fail "$* ended with $code instead of $want"
    fi
}

# last: the last line of $out.
last() { tail -n 1 <<<"$out"; }

run_tests() {
    local name passed=0 skipped=() failed=() tests
    mapfile -t tests < <(compgen -A function test_)
    printf '[==========] Running %d test(s).\n' "${#tests[@]}"
    for name in "${tests[@]}"; do
        printf '[ RUN      ] %s\n' "${name#test_}"
        # Not in a condition: there `set -e` would not hold.
        set +e
        (
            set -e
            "$name"
        )
        local code=$?
        set -e
        if [ "$code" -eq 0 ]; then
            printf '[       OK ] %s\n' "${name#test_}"
            passed=$((passed + 1))
        elif [ "$code" -eq "$SKIPPED" ]; then
            printf '[  SKIPPED ] %s\n' "${name#test_}"
            skipped+=("${name#test_}")
        else
            printf '[  FAILED  ] %s\n' "${name#test_}"
            failed+=("${name#test_}")
        fi
    done
    printf '[==========] %d test(s) run.\n[  PASSED  ] %d test(s).\n' "${#tests[@]}" "$passed"
    if [ "${#skipped[@]}" -gt 0 ]; then
        printf '[  SKIPPED ] %d test(s), listed below:\n' "${#skipped[@]}"
        printf '[  SKIPPED ] %s\n' "${skipped[@]}"
    fi
    if [ "${#failed[@]}" -gt 0 ]; then
        printf '[  FAILED  ] %d test(s), listed below:\n' "${#failed[@]}"
        printf '[  FAILED  ] %s\n' "${failed[@]}"
        exit 1
    fi
}
