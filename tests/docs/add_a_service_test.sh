#!/bin/bash
# docs/add-a-service.md does what it says, and then docs/events.md: their code blocks are put into a
# copy of this tree, their commands are run there, and the service answers, tells and hears.
set -euo pipefail

# shellcheck source=tests/scripts/lib.sh
. tests/scripts/lib.sh

DOCUMENT=$(readlink -f docs/add-a-service.md)
TREE=${DOCUMENT%/docs/add-a-service.md}
PLACE=$(mktemp -d "${TEST_TMPDIR:-/tmp}/add_a_service.XXXXXX") # Bazel wants a path without spaces
COPY=$PLACE/tree

clean_up() {
    if [ -d "$COPY" ]; then
        (cd "$COPY" && scripts/down --wipe && bazel shutdown) >"$WORK/down.log" 2>&1 || true
    fi
    chmod -R u+w -- "$PLACE"
    rm -rf -- "$PLACE" "$WORK" "$TREES"
}
trap clean_up EXIT

# A Bazel of the copy's own, with all that it writes below the test's folder; the user's ~/.bazelrc
# counts, so that a shared cache is used where there is one.
copy_tree() {
    mkdir "$COPY"
    tar -C "$TREE" --exclude='./bazel-*' --exclude=./.git --exclude=./.mesh -cf - . |
        tar -C "$COPY" -xf -
    printf 'startup --output_user_root=%s --max_idle_secs=60\n' "$PLACE/bazel" >>"$COPY/.bazelrc"
    HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
    export HOME
}

# cut_blocks DOCUMENT: writes its blocks as numbered files into $WORK/steps: N.create and N.add begin
# with the path that the text names, N.run has commands, N.patch a patch. Every block must be one of
# these.
cut_blocks() {
    rm -rf -- "$WORK/steps"
    mkdir "$WORK/steps"
    awk -v steps="$WORK/steps" '
        !inside && /^(Create|Add to) `[^`]+`:$/ { split($0, part, "`"); path = part[2]; action = $1 }
        /^```/ {
            if (inside) { close(file); inside = 0; path = ""; next }
            kind = substr($0, 4); inside = 1; count++
            if (kind == "sh") verb = "run"
            else if (kind == "diff") verb = "patch"
            else if (path == "") {
                print "line " NR ": a block that no step uses" > "/dev/stderr"
                exit 1
            } else verb = action == "Create" ? "create" : "add"
            file = sprintf("%s/%02d.%s", steps, count, verb)
            if (verb == "create" || verb == "add") print path > file
            else printf "" > file
            next
        }
        inside { print > file }
    ' "$1"
}

follow_steps() {
    local step path
    cd "$COPY"
    for step in "$WORK"/steps/*; do
        path=$(head -n 1 "$step")
        case $step in
        *.create)
            [ ! -e "$path" ] || fail "$path is there already"
            mkdir -p -- "$(dirname "$path")"
            tail -n +2 "$step" >"$path"
            ;;
        *.add)
            [ -f "$path" ] || fail "there is no $path to add to"
            { echo && tail -n +2 "$step"; } >>"$path"
            ;;
        *.patch)
            git apply <"$step" 2>"$WORK/err" || {
                cat "$WORK/err" >&2
                fail "does not fit: $(<"$step")"
            }
            ;;
        *.run)
            bash -euo pipefail "$step" >>"$WORK/said" 2>"$WORK/err" </dev/null || {
                cat "$WORK/err" >&2
                fail "failed: $(<"$step")"
            }
            ;;
        esac
    done
}

says() {
    grep -qF -- "$1" "$WORK/said" || {
        cat "$WORK/said" >&2
        fail "nothing said: $1"
    }
}

test_a_reader_gets_a_running_service_with_an_event_and_a_consumer() {
    copy_tree
    cut_blocks "$DOCUMENT"
    follow_steps
    says 'create_note'          # the stubs
    says 'MESH_DATABASE_URL'    # its settings
    says 'SERVING'              # the table of scripts/up
    says 'note.v1.NoteService'  # reflection
    says 'water the plants'     # the answer
    : >"$WORK/said"
    cut_blocks "$TREE/docs/events.md"
    follow_steps
    says '"words":5' # the handler
    # shellcheck disable=SC2016
    grep -qF '| `note.v1.NoteCreated` | note | note |' docs/events.md || fail "it is not on the map"
    grep -q '^note__v1__' gen/libmeshc.symbols || fail "the library does not export the contract"
    bazel test //tests/gen:symbols_test >"$WORK/err" 2>&1 || fail "stale: $(<"$WORK/err")"
}

run_tests
