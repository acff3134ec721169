#!/usr/bin/env bash
# scripts/setup, with stand-ins for the package manager.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"

# dpkg-query knows every package but those in $WORK/absent; apt-get installs them, if it can.
stand_in "$WORK/bin/dpkg-query" <<'END'
#!/usr/bin/env bash
shift 3
for name; do
    if grep -qx "$name" "$WORK/absent"; then echo "un  $name"; else echo "ii  $name"; fi
done
END
stand_in "$WORK/bin/apt-get" <<'END'
#!/usr/bin/env bash
echo "$*" >>"$WORK/calls"
case " $* " in
*' install '*) cat "$WORK/trouble" 2>/dev/null && exit 100; : >"$WORK/absent" ;;
esac
END
printf '#!/bin/sh\ncat "%s/user"\n' "$WORK" | stand_in "$WORK/bin/id"
export WORK PATH=$WORK/bin:$PATH

machine() {
    printf '%s\n' "${@:2}" >"$WORK/absent"
    echo "$1" >"$WORK/user"
    rm -f "$WORK/calls" "$WORK/trouble"
}

test_nothing_is_done_when_all_is_there() {
    machine 1000
    expect 0 "$SCRIPTS/setup" --dev
    [ -z "$out$err" ] && [ ! -e "$WORK/calls" ] || fail "said: $out$err"
}

test_what_is_missing_is_installed() {
    machine 0 runit libpq-dev
    expect 0 "$SCRIPTS/setup"
    grep -q 'install -y --no-install-recommends libpq-dev runit$' "$WORK/calls" || fail "$(<"$WORK/calls")"
}

test_what_only_developers_need_is_left_out() {
    machine 0 gdb
    expect 0 "$SCRIPTS/setup"
    [ ! -e "$WORK/calls" ] || fail "$(<"$WORK/calls")"
    expect 0 "$SCRIPTS/setup" --dev
    grep -q 'install.* gdb$' "$WORK/calls" || fail "$(<"$WORK/calls")"
}

test_what_only_the_benchmark_needs_is_left_out() {
    machine 0 libgrpc++-dev
    expect 0 "$SCRIPTS/setup" --dev
    [ ! -e "$WORK/calls" ] || fail "$(<"$WORK/calls")"
    expect 0 "$SCRIPTS/setup" --bench
    grep -q 'install.* libgrpc++-dev$' "$WORK/calls" || fail "$(<"$WORK/calls")"
}

test_somebody_else_than_root_is_told_what_to_do() {
    machine 1000 runit
    expect 1 "$SCRIPTS/setup"
    [[ $err == *'as root, or: apt-get install --no-install-recommends runit'* ]] || fail "said: $err"
}

test_a_failed_installation_shows_why() {
    machine 0 runit
    echo 'Could not resolve deb.debian.org' >"$WORK/trouble"
    expect 1 "$SCRIPTS/setup"
    [[ $err == *'Could not resolve'*'is there a network?'* ]] || fail "said: $err"
}

# A stand-in that notes what it is to install.
add_go() {
    stand_in "$WORK/bin/go" <<'END'
#!/usr/bin/env bash
case $1 in
install)
    echo "$2" >>"$WORK/calls"
    name=${2##*/}
    printf '\tmod\tit\t%s\th1:x\n' "${2#*@}" >"$GOBIN/${name%@*}"
    ;;
version) cat "$3" ;;
esac
END
}

# In a copy, since that is where the tools go.
test_tools_have_fixed_versions_and_are_built_once() {
    machine 0
    cp -RL -- "$SCRIPTS" "$WORK/scripts"
    add_go
    expect 0 "$WORK/scripts/setup" --tools
    grep -qE '/grpcurl@v[0-9.]+$' "$WORK/calls" || fail "$(<"$WORK/calls")"
    grep -qE '/ghz@v[0-9.]+$' "$WORK/calls" || fail "$(<"$WORK/calls")"
    [ "$(wc -l <"$WORK/calls")" -eq 2 ] || fail "$(<"$WORK/calls")"
    expect 0 "$WORK/scripts/setup" --tools
    [ "$(wc -l <"$WORK/calls")" -eq 2 ] || fail "built again: $(<"$WORK/calls")"

    # one that is older than the list says
    printf '\tmod\tit\tv0.0.1\th1:x\n' >"$WORK/.mesh/tools/bin/ghz"
    expect 0 "$WORK/scripts/setup" --tools
    [[ $(tail -n 1 "$WORK/calls") == */ghz@v* ]] || fail "$(<"$WORK/calls")"
}

test_peers_have_fixed_versions_and_come_once() {
    local peers=$WORK/peers/.mesh/tools
    machine 0
    mkdir "$WORK/peers"
    cp -RL -- "$SCRIPTS" "$WORK/peers/scripts"
    add_go
    stand_in "$WORK/bin/java" <<<'#!/bin/sh'
    stand_in "$WORK/bin/mvn" <<'END'
#!/usr/bin/env bash
echo "$*" >>"$WORK/calls"
[ ! -e "$WORK/trouble" ] || exit 1
for word; do
    case $word in
    -Dgrpc.version=*) version=${word#*=} ;;
    -DoutputDirectory=*) folder=${word#*=} ;;
    esac
done
mkdir "$folder" && touch "$folder/grpc-interop-testing-$version.jar"
END
    touch "$WORK/trouble"
    expect 1 "$WORK/peers/scripts/setup" --peers
    [[ $err == *'Maven could not fetch gRPC Java'* ]] || fail "said: $err"
    [ ! -e "$peers/grpc-java" ] || fail "there is half a peer"
    rm "$WORK/trouble"
    expect 0 "$WORK/peers/scripts/setup" --peers
    for name in client server; do
        grep -q "^google.golang.org/grpc/interop/$name@v[0-9.]*\$" "$WORK/calls" ||
            fail "$(<"$WORK/calls")"
        [ -e "$peers/grpc-go/$name" ] || fail "there is no $name of grpc-go"
    done
    [ -e "$peers/conformance/connectconformance" ] || fail "there is no connectconformance"
    compgen -G "$peers/grpc-java/grpc-interop-testing-[0-9]*.jar" >/dev/null || fail "no gRPC Java"
    rm "$WORK/calls"
    expect 0 "$WORK/peers/scripts/setup" --peers
    [ ! -e "$WORK/calls" ] || fail "came again: $(<"$WORK/calls")"
}

test_wrong_use_is_refused() {
    machine 0
    expect 2 "$SCRIPTS/setup" --everything
}

run_tests
