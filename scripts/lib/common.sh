# What the scripts share. Sourced, never run; says nothing and changes nothing by itself.
# shellcheck shell=bash disable=SC2034

# Where it is set, cd prints a folder that it found there.
unset CDPATH

# The checkout (or, in a test, the runfiles folder) that the running script belongs to.
MESH_ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
readonly MESH_ROOT

say() { printf '%s\n' "$*" >&2; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Wrong use of a script: its own exit code, so that callers can tell.
usage_error() {
    printf '%s: %s\nTry: %s --help\n' "${0##*/}" "$*" "$0" >&2
    exit 2
}

# The text after the first line of the calling script: its leading comment is its manual.
show_help() {
    sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"
}

# Options for Bazel: its progress is for a terminal; in a log it would be thousands of lines.
BAZEL_QUIET=()
[ -t 2 ] || BAZEL_QUIET=(--noshow_progress)

# Before what starts Bazel: it says of such a checkout only that its labels are wrong.
refuse_spaces() {
    [[ $(cd -- "$MESH_ROOT" && pwd -P) != *[[:space:]]* ]] ||
        die "the checkout's path has a space, which Bazel refuses: move the checkout"
}

# choose_transport [NAME]: what carries the calls of the servers that a script starts: the argument of
# its --server; else what they would take by themselves (mesh/rpc/server.h). MESH_SERVER tells them.
choose_transport() {
    transport=${1-${MESH_SERVER:-h2}}
    case $transport in
    h2 | core) export MESH_SERVER=$transport ;;
    *) usage_error "--server, or MESH_SERVER: must be h2 or core, and is '$transport'" ;;
    esac
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# program NAME [DIR...]: where a program is. Bazel's tests and cron have no sbin in their PATH.
program() {
    local name=$1 dir
    shift
    for dir in "$@"; do
        if [ -x "$dir/$name" ]; then
            printf '%s\n' "$dir/$name"
            return
        fi
    done
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v -- "$name"
}

# wait_until SECONDS COMMAND...: polls until the command succeeds; fails when the time is over.
wait_until() {
    local limit=$((SECONDS + $1))
    shift
    until "$@"; do
        if [ "$SECONDS" -ge "$limit" ]; then
            return 1
        fi
        sleep 0.05
    done
}

# run_child COMMAND...: the command and its status, in the background, so that a signal ends the
# script at once; its EXIT trap calls end_child.
child_pid=
run_child() {
    local code=0
    "$@" </dev/null &
    child_pid=$!
    wait "$child_pid" || code=$?
    child_pid=
    return "$code"
}

# logged FILE COMMAND...: becomes the command, with all that it says in the file. For run_child: with
# a redirection of its own a trap that runs meanwhile would say its part there, too.
logged() {
    local file=$1
    shift
    exec "$@" >"$file" 2>&1
}

end_child() { [ -z "$child_pid" ] || kill "$child_pid" 2>/dev/null || true; }

# ended PID: a zombie has, too.
ended() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

# used_ports: the local ports of all sockets of this machine, four hexadecimal digits a line. From
# /proc, so that it needs no right; 06 is TIME_WAIT, which does not keep a listener away.
used_ports() {
    awk '$4 != "06" { count = split($2, part, ":"); print part[count] }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null || true
}

# port_free PORT [USED]: nobody has it; USED is what used_ports said, if one asks for many.
port_free() {
    local hex
    printf -v hex '%04X' "$1"
    [[ $'\n'"${2-$(used_ports)}"$'\n' != *$'\n'"$hex"$'\n'* ]]
}

# listening_sockets PORT: the inodes of the sockets that listen there.
listening_sockets() {
    local hex
    printf -v hex '%04X' "$1"
    awk -v port=":$hex\$" '$2 ~ port && $4 == "0A" { print $10 }' /proc/net/tcp /proc/net/tcp6 \
        2>/dev/null || true
}

# holder SOCKET PATTERN: "/proc/PID/fd/N" of a process that has this socket, among those whose pid
# matches the shell pattern. Nothing where we may not look.
holder() {
    # shellcheck disable=SC2086
    find /proc/$2/fd -maxdepth 1 -lname "socket:\[$1\]" -print -quit 2>/dev/null || true
}

# random_port: a free port below the range that the kernel hands out to clients (from 32768).
random_port() {
    local port tries used
    used=$(used_ports)
    for ((tries = 0; tries < 200; tries++)); do
        port=$((10000 + (RANDOM * 32768 + RANDOM) % 22000))
        if port_free "$port" "$used"; then
            printf '%s\n' "$port"
            return
        fi
    done
    die "found no free port between 10000 and 32000"
}

is_port() { [[ $1 =~ ^[1-9][0-9]{0,4}$ ]] && [ "$1" -le 65535 ]; }

# process_has PID WORD: the process lives and WORD is one of its arguments. This is how a pid from
# a file is known to be ours and not a stranger's that got the same number. A zombie has none.
process_has() {
    local word
    [[ $1 =~ ^[0-9]+$ ]] || return 1
    while IFS= read -r -d '' word; do
        if [ "$word" = "$2" ]; then
            return
        fi
    done 2>/dev/null <"/proc/$1/cmdline" || true
    return 1
}

# secret: 32 random characters that need no quoting anywhere.
secret() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# write_secret FILE TEXT: mode 0600 from the first byte on, replaced in one step.
write_secret() {
    (
        umask 077
        printf '%s\n' "$2" >"$1.new"
    )
    mv -f -- "$1.new" "$1"
}

# url_encode TEXT: for a part of a URL; a path may hold any byte.
url_encode() {
    local LC_ALL=C text=$1 out='' char i
    for ((i = 0; i < ${#text}; i++)); do
        char=${text:i:1}
        case $char in
        [A-Za-z0-9._~/-]) out+=$char ;;
        *) printf -v char '%%%02X' "'$char" && out+=$char ;;
        esac
    done
    printf '%s\n' "$out"
}

# show_log_end FILE [LINES [FROM]]: the end of a log, indented, for a failure report; without its
# first FROM bytes, unless it is shorter now and so another one.
show_log_end() {
    local from=${3:-0} size
    size=$(stat -c %s -- "$1" 2>/dev/null || echo 0)
    [ "$from" -le "$size" ] || from=0
    if [ "$size" -gt "$from" ]; then
        say "  the end of $1:"
        tail -c "+$((from + 1))" -- "$1" | tail -n "${2:-15}" | sed 's/^/    /' >&2
    else
        say "  nothing was logged to $1"
    fi
}
