#!/usr/bin/env bash
# scripts/install: a program outside of the tree (the hello example) builds with pkg-config alone.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"
# shellcheck source=scripts/lib/common.sh
. "$SCRIPTS/lib/common.sh"

PREFIX="$WORK/the prefix" OUTSIDE=$WORK/outside
link=$(mktemp -d)
service=
cleanup() {
    [ -z "$service" ] || kill "$service" 2>/dev/null || true
    rm -rf -- "$WORK" "$TREES" "$link"
}
trap cleanup EXIT

install_and_copy() {
    expect 0 "$SCRIPTS/install" --from "$PWD" --prefix "$PREFIX"
    rm -rf "$OUTSIDE"
    mkdir -p "$OUTSIDE/hello/v1"
    cp -L examples/hello/hello.c examples/hello/client.c tests/install/outside/Makefile "$OUTSIDE"
    cp -L examples/hello/hello/v1/hello.proto "$OUTSIDE/hello/v1"
    # pkg-config and make cannot have spaces in their paths.
    ln -sfn "$PREFIX" "$link/prefix"
    export PKG_CONFIG_PATH=$link/prefix/lib/pkgconfig
}

says_hello() { [ "$("$OUTSIDE/hello-client" "$1" outside 2>/dev/null)" = 'Hello, outside' ]; }

test_a_program_outside_of_the_tree_builds_and_runs() {
    install_and_copy
    expect 0 make -C "$OUTSIDE"
    local address
    address=127.0.0.1:$(random_port)
    MESH_LISTEN=$address "$OUTSIDE/hello-service" >"$WORK/service.log" 2>&1 &
    service=$!
    wait_until 20 says_hello "$address" || fail "no answer; the service said: $(<"$WORK/service.log")"
    kill -TERM "$service"
    wait "$service" || fail "the service ended with $?"
}

test_a_program_links_statically_too() {
    install_and_copy
    rm "$PREFIX"/lib/libmeshc.so*
    expect 0 make -C "$OUTSIDE" LDLIBS="$(pkg-config --static --libs meshc)" hello-client
    expect 1 "$OUTSIDE/hello-client" 127.0.0.1:1
    [[ $err == UNAVAILABLE* ]] || fail "said: $err"
}

test_the_plugin_runs_by_hand() {
    install_and_copy
    mkdir "$WORK/out"
    expect 0 protoc --plugin=protoc-gen-mesh="$PREFIX/bin/protoc-gen-mesh" --mesh_out="$WORK/out" \
        -I"$PREFIX/share/meshc/proto" order/v1/order.proto
    local file
    for file in order.pb-c.h order.pb-c.c order.mesh.h order.mesh.c; do
        [ -s "$WORK/out/order/v1/$file" ] || fail "no $file"
        [[ $file == *.h ]] ||
            expect 0 gcc -std=c11 -Wall -Werror -I"$WORK/out" -I"$PREFIX/include/meshc" -c \
                -o "$WORK/out/$file.o" "$WORK/out/order/v1/$file"
    done
}

test_a_second_installation_removes_what_is_gone() {
    install_and_copy
    touch "$PREFIX/include/meshc/old.h" "$PREFIX/include/mine.h"
    install_and_copy
    [ ! -e "$PREFIX/include/meshc/old.h" ] || fail "an old header stayed"
    [ -e "$PREFIX/include/mine.h" ] || fail "a stranger's header went"
}

run_tests
