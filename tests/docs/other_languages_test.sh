#!/usr/bin/env bash
# docs/other-languages.md does what it says for Python: its commands run, and what they make calls a
# server of ours.
# shellcheck disable=SC2317
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. tests/scripts/lib.sh
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh

DOCUMENT=$PWD/docs/other-languages.md
SERVER=$PWD/examples/hello/hello_service
PROTO=$PWD/proto
HOME=$(getent passwd "$(id -u)" | cut -d: -f6) # the settings of pip
export HOME
server=

clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf -- "$WORK"
}
trap clean_up EXIT

# block LANGUAGE: the first block of it in the document.
block() { awk -v fence="\`\`\`$1" '/^```/ { if (inside) exit; inside = $0 == fence; next } inside' "$DOCUMENT"; }

test_python_calls_with_the_stubs_that_the_document_makes() {
    local port
    python3 -c 'import venv, ensurepip' 2>/dev/null || skip "no Python with venv here"
    cp -RL -- "$PROTO" "$WORK/proto"
    cd -- "$WORK"
    block sh >make.sh
    block python >look_up.py
    [ -s make.sh ] && [ -s look_up.py ] || fail "the document has no such blocks"
    if ! bash -euo pipefail make.sh >said 2>&1; then
        [ -x venv/bin/python ] && venv/bin/python -c 'import grpc_tools' 2>/dev/null ||
            skip "grpcio cannot be installed here: $(tail -n 1 said)"
        fail "$(<said)"
    fi
    mv look_up.py stubs/

    port=$(random_port)
    MESH_LISTEN=127.0.0.1:$port MESH_METRICS_LISTEN=127.0.0.1:$((port + 1)) "$SERVER" >server.log 2>&1 &
    server=$!
    serves() { grep -q '"message":"serving"' server.log; }
    wait_until 20 serves || fail "the server does not serve: $(<server.log)"
    # Health is there, products are not.
    expect 1 venv/bin/python stubs/look_up.py "127.0.0.1:$port"
    kill "$server"
    [ "$out" = SERVING ] || fail "said: $out"
    [[ $err == *'StatusCode.UNIMPLEMENTED'*'/product.v1.ProductService/GetProduct'* ]] ||
        fail "said: $err"
}

run_tests
