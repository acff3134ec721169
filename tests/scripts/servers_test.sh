#!/usr/bin/env bash
# scripts/lib/postgres and scripts/lib/nats.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"
# shellcheck source=scripts/lib/common.sh
. "$SCRIPTS/lib/common.sh"

cleanup() {
    local dir
    for dir in "$WORK"/*/; do
        "$SCRIPTS/lib/postgres" stop "$dir/postgres" || true
        "$SCRIPTS/lib/nats" stop "$dir/nats" || true
    done
    rm -rf -- "$WORK" "$TREES"
}
trap cleanup EXIT

pid_of() { head -n 1 "$1/postgres/data/postmaster.pid" 2>/dev/null || cat "$1/nats/pid"; }
is_running() { "$SCRIPTS/lib/$1" status "$2" >/dev/null; }

# each SERVER: what both promise
life() {
    local server=$1 folder=$WORK/life-$1 url port
    expect 3 "$SCRIPTS/lib/$server" status "$folder/$server"
    [ "$out" = stopped ] || fail "status says '$out'"
    expect 0 "$SCRIPTS/lib/$server" start --fast "$folder/$server"
    url=$out
    expect 0 "$SCRIPTS/lib/$server" start --fast "$folder/$server"
    [ "$out" = "$url" ] || fail "a second start moved it from $url to $out"
    expect 0 "$SCRIPTS/lib/$server" status "$folder/$server"
    [ "$out" = "running $url" ] || fail "status says '$out'"

    # killed: the next start repairs it, in the same place
    kill -KILL "$(pid_of "$folder")"
    wait_until 10 stopped "$server" "$folder/$server" || fail "kill -9 did not end it"
    expect 0 "$SCRIPTS/lib/$server" start --fast "$folder/$server"
    [ "$out" = "$url" ] || fail "moved from $url to $out after a kill"
    expect 0 "$SCRIPTS/lib/$server" restart "$folder/$server"
    [ "$out" = "$url" ] || fail "moved from $url to $out by a restart"

    # a second one beside it; not on the port of the first
    port=$(<"$folder/$server/port")
    expect 1 "$SCRIPTS/lib/$server" start --fast --port "$port" "$folder-2/$server"
    [[ $err == *"port $port is taken"* ]] || fail "said: $err"
    expect 0 "$SCRIPTS/lib/$server" start --fast "$folder-2/$server"
    [ "$out" != "$url" ] || fail "two servers at $url"

    expect 0 "$SCRIPTS/lib/$server" stop "$folder/$server"
    stopped "$server" "$folder/$server" || fail "runs after its stop"
    is_running "$server" "$folder-2/$server" || fail "the other one was stopped, too"
    expect 0 "$SCRIPTS/lib/$server" stop "$folder/$server"

    # a free port again when somebody took the one from last time
    cp "$folder-2/$server/port" "$folder/$server/port"
    expect 0 "$SCRIPTS/lib/$server" start --fast "$folder/$server"
    expect 0 "$SCRIPTS/lib/$server" stop "$folder/$server"
    expect 0 "$SCRIPTS/lib/$server" stop "$folder-2/$server"
}
stopped() { ! is_running "$@"; }

test_postgres_starts_stops_and_survives_a_kill() { life postgres; }
test_nats_starts_stops_and_survives_a_kill() { life nats; }

test_postgres_keeps_data_over_a_restart_and_asks_for_a_password() {
    local folder=$WORK/data url
    expect 0 "$SCRIPTS/lib/postgres" start --fast "$folder/postgres"
    url=$out
    expect 0 psql "$url" -qc 'create table t as select 7 as x'
    expect 0 "$SCRIPTS/lib/postgres" restart "$folder/postgres"
    expect 0 psql "$url" -Atc 'select x from t'
    [ "$out" = 7 ] || fail "read '$out'"
    expect 2 psql -w "${url%%\?*}?passfile=/dev/null" -c 'select 1'
    [ "$(stat -c %a "$folder/postgres/pgpass")" = 600 ] || fail "pgpass can be read by others"
}

# Whoever has an old password is let in until then, so that nobody may think it is over before.
test_new_users_of_nats_are_taken_or_it_is_said_that_they_are_not() {
    local folder=$WORK/users/nats secrets=$WORK/users/secret
    mkdir -p "$secrets"
    expect 0 "$SCRIPTS/lib/nats" users "$folder" "$secrets" product
    expect 0 "$SCRIPTS/lib/nats" start --fast "$folder"
    rm -- "$secrets/product.nats"
    expect 0 "$SCRIPTS/lib/nats" users "$folder" "$secrets" product
    expect 0 "$SCRIPTS/lib/nats" reload "$folder"
    rm -- "$secrets/product.nats"
    expect 0 "$SCRIPTS/lib/nats" users "$folder" "$secrets" product
    sed -i 's/^authorization/nonsense { x: [/' "$folder/users.conf"
    expect 1 "$SCRIPTS/lib/nats" reload "$folder"
    [[ $err == *'old passwords are still good'* ]] || fail "it says '$err'"
    expect 0 "$SCRIPTS/lib/nats" stop "$folder"
}

test_a_pid_of_a_stranger_is_not_killed() {
    local folder=$WORK/stranger stranger
    mkdir -p "$folder/nats" "$folder/postgres/data"
    sleep 100 &
    stranger=$!
    printf '%s\n' "$stranger" | tee "$folder/nats/pid" >"$folder/postgres/data/postmaster.pid"
    expect 0 "$SCRIPTS/lib/nats" stop "$folder/nats"
    expect 0 "$SCRIPTS/lib/postgres" stop "$folder/postgres"
    kill -0 "$stranger" || fail "the stranger is gone"
    kill "$stranger"
}

test_a_failure_says_why() {
    local folder=$WORK/broken
    expect 0 "$SCRIPTS/lib/postgres" start --fast "$folder/postgres"
    expect 0 "$SCRIPTS/lib/postgres" stop "$folder/postgres"
    echo 'nonsense = 1' >>"$folder/postgres/data/postgresql.conf"
    expect 1 "$SCRIPTS/lib/postgres" start --fast "$folder/postgres"
    [[ $err == *'unrecognized configuration parameter "nonsense"'* ]] || fail "said: $err"
}

test_wrong_use_is_refused() {
    expect 2 "$SCRIPTS/lib/nats"
    expect 2 "$SCRIPTS/lib/nats" start
    expect 2 "$SCRIPTS/lib/nats" jump "$WORK/x"
    expect 2 "$SCRIPTS/lib/nats" start --port 0 "$WORK/x"
    expect 2 "$SCRIPTS/lib/nats" start --port 70000 "$WORK/x"
    expect 0 "$SCRIPTS/lib/nats" --help
    [[ $out == *'nats start'* ]] || fail "help is '$out'"
}

run_tests
