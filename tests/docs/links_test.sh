#!/usr/bin/env bash
# What the documents name is there: relative links with their headings, paths and labels of this
# tree. Looks at the tree itself, so that a file which moves is noticed.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. tests/scripts/lib.sh

TREE=$(readlink -f docs/operate.md)
TREE=${TREE%/docs/operate.md}
cd -- "$TREE"
mapfile -t DOCUMENTS < <(find . -name '*.md' ! -path './.*' ! -path './bazel-*' -printf '%P\n' | sort)
FOLDERS='bazel|docs|examples|gen|mesh|proto|scripts|services|tests|third_party'

# each REGEX: "DOCUMENT:WORD" a line for every match.
each() { grep -oHE -- "$1" "${DOCUMENTS[@]}" || true; }

# What a document tells its reader to make: "Create `PATH`:", and what lies beside it.
# shellcheck disable=SC2016
mapfile -t MADE < <(sed -nE 's/^Create `(.*)\/[^/]+`:$/\1/p' "${DOCUMENTS[@]}" | sort -u)
is_made() {
    local folder
    for folder in "${MADE[@]}"; do
        [[ $1/ != "$folder"/* ]] || return 0
    done
    return 1
}

# Headings as they are linked to: lower case, blanks as hyphens, without punctuation.
anchors() {
    sed -nE 's/^#+ (.*)$/\1/p' -- "$1" | tr '[:upper:] ' '[:lower:]-' | tr -cd 'a-z0-9_\n-'
}

test_relative_links_lead_somewhere() {
    local document target file anchor wrong=''
    while IFS=: read -r document target; do
        target=${target#](} target=${target%)}
        [[ $target != *://* ]] || continue
        file=${target%%#*} anchor=''
        [[ $target != *#* ]] || anchor=${target#*#}
        if [ -z "$file" ]; then file=$document; else file=$(dirname -- "$document")/$file; fi
        if [ ! -e "$file" ] || { [ -n "$anchor" ] && ! anchors "$file" | grep -qxF -- "$anchor"; }; then
            wrong+=$'\n'"  $document: $target"
        fi
    done < <(each '\]\([^)]+\)')
    [ -z "$wrong" ] || fail "dead links:$wrong"
}

# Words that begin with one of our folders. They may be seen from the document or from proto/, where
# imports begin; `*` stands for at least one file.
test_paths_of_the_tree_exist() {
    local document word wrong=''
    while IFS=: read -r document word; do
        word=${word#[^a-z]}
        compgen -G "$word" >/dev/null || compgen -G "$(dirname -- "$document")/$word" >/dev/null ||
            compgen -G "proto/$word" >/dev/null || is_made "$word" || wrong+=$'\n'"  $document: $word"
    done < <(each "(^|[\` (\"'])($FOLDERS)/[A-Za-z0-9_./*-]*[A-Za-z0-9_*/]")
    [ -z "$wrong" ] || fail "no such files:$wrong"
}

test_labels_have_a_package() {
    local document word wrong=''
    while IFS=: read -r document word; do
        word=${word#*//}
        [ -e "$word/BUILD" ] || is_made "$word" || { [[ $word == */... ]] && [ -d "${word%/...}" ]; } ||
            wrong+=$'\n'"  $document: //$word"
    done < <(each "(^|[\` ])//($FOLDERS)[A-Za-z0-9_/-]*(/[.]{3})?")
    [ -z "$wrong" ] || fail "no such packages:$wrong"
}

test_every_module_and_service_has_a_readme() {
    local folder
    for folder in mesh/*/ services/*/; do
        [ -s "$folder/README.md" ] || fail "$folder has no README.md"
    done
}

run_tests
