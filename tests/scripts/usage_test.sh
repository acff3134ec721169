#!/usr/bin/env bash
# What all scripts have in common: --help, refusals, any current directory, and their table.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"

MANUAL=$PWD/README.md
cd -- "$SCRIPTS"
mapfile -t NAMES < <(find . -maxdepth 1 ! -type d ! -name BUILD -printf '%P\n' | sort)
cd /
[ "${#NAMES[@]}" -gt 5 ] || { echo "the scripts were not found" >&2 && exit 1; }

# A sentence, a blank line, how it is called, and then what it knows.
test_help_has_one_shape() {
    local name
    for name in "${NAMES[@]}"; do
        expect 0 "$SCRIPTS/$name" --help
        [ -z "$err" ] || fail "$name --help said: $err"
        [[ $out =~ ^[A-Z].*\.$'\n'.*$'\n\n'"  scripts/$name"( |$'\n') ||
            $out =~ ^[A-Z].*\.$'\n\n'"  scripts/$name"( |$'\n') ]] || fail "$name --help: $out"
        [ "$(awk 'length > 100' <<<"$out")" = '' ] || fail "$name --help has lines above 100 columns"
        local long=$out
        expect 0 "$SCRIPTS/$name" -h
        [ "$out" = "$long" ] || fail "$name -h differs: $out"
    done
}

test_what_is_unknown_is_named_and_refused() {
    local name words
    for name in "${NAMES[@]}"; do
        expect 2 "$SCRIPTS/$name" --nonsense
        [[ $err == "$name: "*"unknown argument '--nonsense'"*"$name --help"* ]] ||
            fail "$name --nonsense said: $err"
    done
    expect 2 "$SCRIPTS/bench" rpc --rounds
    [[ $err == *'--rounds needs a whole number'* ]] || fail "bench said: $err"
    expect 2 "$SCRIPTS/bench" rpc --rounds 1.5
    [[ $err == "bench: --rounds needs a whole number above 0"$'\n'*"bench --help" ]] ||
        fail "bench said: $err"
    for words in '--only order' '--seconds 1'; do
        # shellcheck disable=SC2086
        expect 2 "$SCRIPTS/bench" rpc --short $words
        [[ $err == *"--short chooses itself: not with ${words% *}"* ]] || fail "bench said: $err"
    done
    expect 2 "$SCRIPTS/sanitize" tsan --nonsense
    [[ $err == *"unknown argument '--nonsense'"* ]] || fail "sanitize said: $err"
}

# Also where cd looks elsewhere and prints what it found.
test_any_folder_may_be_the_current_one() {
    local name data=$WORK/nothing
    mkdir -p "$WORK/tree/services"
    echo 'product /bin/true 1' >"$WORK/tree/services/mesh.conf"
    cp -RL -- "$SCRIPTS" "$WORK/tree/scripts"
    cd -- "$WORK/tree"
    export CDPATH=$WORK:.
    for name in logs status smoke 'debug product'; do
        # shellcheck disable=SC2086
        MESH_DATA=$data expect 1 scripts/$name
        [[ $err == *"there is no mesh in $data yet: scripts/up makes it"* ]] || fail "$name: $err"
    done
    MESH_DATA=$data expect 0 scripts/down
    MESH_DATA=nothing expect 0 scripts/down
    [[ $err == *"there is no mesh in $WORK/tree/nothing"* ]] || fail "down: $err"
}

# Bazel itself says of such a path only that labels are wrong.
test_what_starts_bazel_refuses_a_path_with_a_space() {
    local name
    mkdir -p "$WORK/a b"
    cp -RL -- "$SCRIPTS" "$WORK/a b/scripts"
    chmod -R u+w -- "$WORK/a b"
    for name in $(cd -- "$SCRIPTS" && grep -lE '^[^#]*(bazel build|bazel_tests )' "${NAMES[@]}"); do
        case $name in
        sanitize) set -- tsan ;;
        bench) set -- rpc ;;
        chaos) set -- events ;;
        install) set -- --prefix "$WORK/prefix" ;;
        *) set -- ;;
        esac
        expect 1 "$WORK/a b/scripts/$name" "$@"
        [[ $err == *"the checkout's path has a space, which Bazel refuses"* ]] || fail "$name: $err"
    done
}

test_every_script_is_in_the_table() {
    local name listed
    listed=$(sed -nE 's/^\| `scripts\/([a-z0-9-]+).*/\1/p' "$MANUAL")
    for name in "${NAMES[@]}"; do
        [[ $'\n'$listed$'\n' == *$'\n'"$name"$'\n'* ]] || fail "README.md lacks scripts/$name"
    done
    [ "$(wc -l <<<"$listed")" -eq "${#NAMES[@]}" ] || fail "README.md lists $(xargs <<<"$listed")"
}

run_tests
