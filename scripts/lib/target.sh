# The server of tests/attack, which scripts attack or play a suite against. Sourced after common.sh by
# scripts whose folder for all that they write is $work, and whose EXIT trap calls kill_target.
# shellcheck shell=bash disable=SC2154

DESCRIPTORS=1024
# A last resort, for all that the process maps.
ADDRESS_SPACE_KIB=$((8 * 1024 * 1024))
START_LIMIT_S=20
END_LIMIT_S=10

# make_certificate: one of localhost that is its own authority, made when TLS is first wanted.
make_certificate() {
    [ ! -e "$work/certificate.pem" ] || return 0
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
        -subj /CN=localhost -addext 'subjectAltName=DNS:localhost' \
        -keyout "$work/key.pem" -out "$work/certificate.pem" 2>"$work/openssl.log" ||
        die "openssl: $(tail -n 1 "$work/openssl.log")"
}

target_pid=
# start_target TRANSPORT OVER: its port is in $work/port then, its log in $work/target.log. Fails when
# it does not start.
start_target() {
    local listen=127.0.0.1:0 arguments=()
    [ "$2" != unix ] || listen=unix:$work/socket
    [ "$2" != tls ] || arguments=(--certificate "$work/certificate.pem" --key "$work/key.pem")
    : >"$work/port"
    (
        ulimit -n "$DESCRIPTORS" -v "$ADDRESS_SPACE_KIB"
        exec "$MESH_ROOT/bazel-bin/tests/attack/target" --transport "$1" --listen "$listen" \
            ${arguments[@]+"${arguments[@]}"}
    ) >"$work/port" 2>"$work/target.log" &
    target_pid=$!
    wait_until "$START_LIMIT_S" target_starts && [ -s "$work/port" ]
}

target_starts() { [ -s "$work/port" ] || ended "$target_pid"; }

# stop_target: fails when it does not end by itself, with status 0.
stop_target() {
    local pid=$target_pid code=0
    kill "$pid" 2>/dev/null || true
    wait_until "$END_LIMIT_S" ended "$pid" || kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || code=$?
    target_pid=
    [ "$code" -eq 0 ]
}

kill_target() { [ -z "$target_pid" ] || kill -KILL "$target_pid" 2>/dev/null || true; }
