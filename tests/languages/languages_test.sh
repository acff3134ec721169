#!/usr/bin/env bash
# docs/other-languages.md does what it says: its commands make stubs, its programs run, and with the
# same stubs the shop's journey is walked through a real mesh in each language. grpc-go watches the
# health of a service there.
# shellcheck disable=SC2317
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. tests/scripts/lib.sh
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh

# What pip, go and npm say when they do not reach their registry.
UNREACHABLE='Failed to establish a new connection|dial tcp|disabled by GOPROXY'
UNREACHABLE+='|E(NOTFOUND|AI_AGAIN|CONNREFUSED|TIMEDOUT)'
DRAIN_DELAY=20s # in which health.go looks at what says NOT_SERVING and still answers
COME_BACK_LIMIT_S=60

HERE=$PWD/tests/languages
DOCUMENT=$PWD/docs/other-languages.md
PROTO=$PWD/proto
HOME=$(getent passwd "$(id -u)" | cut -d: -f6) # the registries' settings and caches
PATH=$PATH:/usr/local/go/bin
unset MESH_PORT_BASE MESH_LISTEN
export HOME PATH MESH_DATA=$WORK/mesh MESH_SERVICES_CONF=$WORK/mesh.conf XDG_STATE_HOME=$WORK/state
export MESHCTL=$PWD/mesh/meshctl/meshctl

clean_up() {
    "$SCRIPTS/down" >"$WORK/down.log" 2>&1 || cat "$WORK/down.log" >&2
    rm -rf -- "$WORK" "$TREES"
}

start_mesh() {
    # The programs as they are laid out here, instead of Bazel's labels.
    sed -E 's|//([^ :]+):([^ ]+)|\1/\2|' services/mesh.conf >"$MESH_SERVICES_CONF"
    mkdir -p "$MESH_DATA/config"
    echo "MESH_DRAIN_DELAY=$DRAIN_DELAY" >"$MESH_DATA/config/product.conf"
    "$SCRIPTS/up" >"$WORK/up.log" 2>&1 || fail "$(<"$WORK/up.log")"
}

# An admin, a merchant, and something to look up.
make_people() {
    local password id
    password=$(secret)
    export SHOP_LOGIN=merchant SHOP_PASSWORD=$password
    env -i PATH="$PATH" "$(program chpst)" -e "$MESH_DATA/env/user" "$MESH_DATA/bin/user" create-admin \
        root root@example.com <<<"$password" >"$WORK/admin.log" 2>&1 || fail "$(<"$WORK/admin.log")"
    "$MESHCTL" sign-in --staff root <<<"$password" >"$WORK/admin.log" 2>&1 || fail "$(<"$WORK/admin.log")"
    id=$("$MESHCTL" call user SignUpRegular - --json \
        <<<"{\"username\":\"merchant\",\"email\":\"merchant@example.com\",\"password\":\"$password\"}" |
        sed -nE 's/^ *"?\{?"id": *"([^"]+)".*/\1/p')
    expect 0 "$MESHCTL" call user ChangeGroups "{\"user_id\":\"$id\",\"groups\":[\"merchants\"]}"
    expect 0 "$MESHCTL" call product CreateProduct '{"product":{"id":"odyssey","title":"Odyssey"}}'
}

# Also when another test has just taken the database away.
all_serve() { "$SCRIPTS/status" --all >/dev/null; }
address() { awk -v name="$1" '$1 == name { print $2 }' "$MESH_DATA/services"; }
is_at_least() { printf '%s\n' "$1" "$2" | sort -VC; }

# block SECTION LANGUAGE: the first block of it in the section of the document.
block() {
    awk -v section="## $1" -v fence="\`\`\`$2" '
        /^## / { here = $0 == section }
        /^```/ { if (inside) exit; inside = here && $0 == fence; next }
        inside' "$DOCUMENT"
}

# make_stubs SECTION: in a folder of its own, which becomes the current one, what the document says.
make_stubs() {
    local why
    wait_until "$COME_BACK_LIMIT_S" all_serve || fail "$("$SCRIPTS/status" --all)"
    mkdir -p "$WORK/$1"
    cd -- "$WORK/$1"
    [ ! -e made ] || return 0
    cp -RL -- "$PROTO" proto
    block "$1" sh >make.sh
    [ -s make.sh ] || fail "the document has no commands for $1"
    if ! bash -euo pipefail make.sh >said 2>&1 </dev/null; then
        ! why=$(grep -m 1 -E "$UNREACHABLE" said) || skip "no packages for $1: $why"
        fail "$(<said)"
    fi
    touch made
}

# walk COMMAND...: the whole journey.
walk() { expect 0 "$@" "$(address product)" "$(address order)" "$(address notification)" "$(address user)"; }

needs_go() {
    command -v go >/dev/null || skip "no Go here"
    is_at_least go1.24 "$(go env GOVERSION)" || skip "Go is older than 1.24 here"
}

# S1.4
test_go_clients_walk_the_journey() {
    needs_go
    make_stubs Go
    block Go go >look_up.go
    expect 0 go run look_up.go "$(address product)"
    [[ $out == *'id:"odyssey"'*'<nil>' ]] || fail "said: $out"
    cp -- "$HERE/journey.go" .
    walk go run journey.go
}

test_go_clients_check_and_watch_health() {
    needs_go
    make_stubs Go
    cp -- "$HERE/health.go" .
    expect 0 go run health.go "$(address product)" "$(program sv)" "$MESH_DATA/run"
}

# S1.4
test_node_clients_walk_the_journey() {
    command -v npm >/dev/null || skip "no Node.js with npm here"
    is_at_least v18 "$(node --version)" || skip "Node.js is older than 18 here"
    make_stubs Node
    block Node js >look_up.js
    expect 0 node look_up.js "$(address product)"
    [[ $out == *"id: 'odyssey'"* ]] || fail "said: $out"
    cp -- "$HERE/journey.js" .
    walk node journey.js
}

# S1.4
test_python_clients_walk_the_journey() {
    python3 -c 'import venv, ensurepip' 2>/dev/null || skip "no Python with venv here"
    make_stubs Python
    block Python python >stubs/look_up.py
    expect 0 venv/bin/python stubs/look_up.py "$(address product)"
    [[ $out == SERVING*'id: "odyssey"'* ]] || fail "said: $out"
    cp -- "$HERE/journey.py" stubs
    walk venv/bin/python stubs/journey.py
}

trap clean_up EXIT
start_mesh
make_people
run_tests
