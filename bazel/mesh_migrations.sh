#!/bin/sh
# Turns migrations/NNNN_what.sql into C, for mesh_migrations.bzl:
#
#   mesh_migrations.sh NAME DIRECTORY FILE...   writes DIRECTORY/NAME.c and DIRECTORY/NAME.h
#
# The header declares `extern const mesh_migration NAME[];`. Numbers begin at 0001 and have no gap.
set -eu
export LC_ALL=C

name=$1
out=$2
shift 2

die() {
    echo "mesh_migrations(name = \"$name\"): $*" >&2
    exit 1
}

[ "$#" -gt 0 ] || die "there are no migrations"

# By file name, whatever the folders.
sorted=$(for file in "$@"; do
    printf '%s\t%s\n' "${file##*/}" "$file"
done | sort)

number=0
# One a line; Bazel's labels have no newlines in them.
IFS='
'
for line in $sorted; do
    base=${line%%"$(printf '\t')"*}
    number=$((number + 1))
    expected=$(printf '%04d' "$number")
    case $base in
    "$expected"_?*.sql) ;;
    [0-9][0-9][0-9][0-9]_?*.sql)
        if [ "$number" -gt 1 ] && [ "${base%%_*}" = "$(printf '%04d' $((number - 1)))" ]; then
            die "$base: there are two migrations with the number ${base%%_*}"
        fi
        die "$base: $expected was expected; numbers begin at 0001 and have no gap"
        ;;
    *) die "$base: a migration is called NNNN_what.sql, for example 0001_create_product.sql" ;;
    esac
done

guard=$(printf '%s_H' "$name" | tr '[:lower:]' '[:upper:]')
cat >"$out/$name.h" <<END
/* Written by mesh_migrations; do not edit. */
#ifndef $guard
#define $guard

#include "mesh/db/migrate.h"

extern const mesh_migration ${name}[];

#endif
END

{
    printf '/* Written by mesh_migrations; do not edit. */\n#include "%s.h"\n\n' "$name"
    printf 'const mesh_migration %s[] = {\n' "$name"
    number=0
    for line in $sorted; do
        base=${line%%"$(printf '\t')"*}
        file=${line#*"$(printf '\t')"}
        number=$((number + 1))
        if [ "$(tr -d '\000' <"$file" | wc -c)" -ne "$(wc -c <"$file")" ]; then
            die "$base: it has a NUL byte"
        fi
        # A question mark is escaped because of C's trigraphs.
        printf '    {.number = %d, .name = "%s", .sql =\n' "$number" "$base"
        sed -e 's/[\\"?]/\\&/g; s/\r/\\r/g; s/^/     "/; s/$/\\n"/' "$file"
        # An empty file has no line, and the last line of another perhaps no end.
        printf '\n     ""\n'
        printf '    },\n'
    done
    printf '    {0},\n};\n'
} >"$out/$name.c"
