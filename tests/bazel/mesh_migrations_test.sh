#!/bin/sh
# What mesh_migrations.sh accepts, and what it says about the rest.
set -eu

tool=$PWD/bazel/mesh_migrations.sh
work=${TEST_TMPDIR:?}/migrations
passed=0

# refused WORDS FILE...: it fails and says so.
refused() {
    words=$1
    shift
    rm -rf "$work" && mkdir -p "$work"
    for file in "$@"; do
        echo 'SELECT 1;' >"$work/$file"
    done
    if (cd "$work" && sh "$tool" table . "$@") 2>"$work/said"; then
        echo "FAILED: accepted: $*" >&2
        exit 1
    fi
    if ! grep -qF -- "$words" "$work/said"; then
        echo "FAILED: expected \"$words\" for $*, but it said:" >&2
        cat "$work/said" >&2
        exit 1
    fi
    passed=$((passed + 1))
}

refused '0003_c.sql: 0002 was expected' 0001_a.sql 0003_c.sql
refused '0002_b.sql: 0001 was expected' 0002_b.sql
refused 'two migrations with the number 0001' 0001_a.sql 0001_b.sql 0002_c.sql
refused '1_a.sql: a migration is called NNNN_what.sql' 1_a.sql
refused 'create.sql: a migration is called' 0001_a.sql create.sql
refused '0001_.sql: a migration is called' 0001_.sql
refused 'there are no migrations'

rm -rf "$work" && mkdir -p "$work"
printf 'SELECT 1;\0' >"$work/0001_a.sql"
if (cd "$work" && sh "$tool" table . 0001_a.sql) 2>"$work/said"; then
    echo "FAILED: accepted a NUL byte" >&2
    exit 1
fi
grep -qF '0001_a.sql: it has a NUL byte' "$work/said"

# The order is that of the numbers, not of the command line.
rm -rf "$work" && mkdir -p "$work/later"
echo 'SELECT 1;' >"$work/0001_z.sql"
echo 'SELECT 2;' >"$work/later/0002_a.sql"
(cd "$work" && sh "$tool" table . later/0002_a.sql 0001_z.sql)
[ "$(grep -o '[12], .name = "000[12]_[az].sql"' "$work/table.c" | tr '\n' ' ')" = \
    '1, .name = "0001_z.sql" 2, .name = "0002_a.sql" ' ]
echo "$((passed + 2)) cases passed"
