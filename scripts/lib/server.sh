# The life of a private server in a folder: what scripts/lib/postgres and scripts/lib/nats share.
# Sourced. The script defines, and then calls `server_main "$@"`:
#
#   server_prepare   finds the program and makes what is missing in $dir
#   server_command   sets the array `command` for $port
#   server_ready     succeeds when the server that `server_running` found answers
#   server_url       prints the URL
#   server_pid_file  the file with its pid; server_mark: an argument that only this server has
#   server_taken     what it logs when its port is taken
#   server_again     what it logs when the same attempt succeeds a moment later (may be empty)
#   server_signals   (graceful, at once)
#
# Variables for these: dir (absolute), port, fast (yes or no), pid.
# shellcheck shell=bash disable=SC2154,SC2317

readonly START_LIMIT_S=60 STOP_LIMIT_S=60

# Sets pid when the server of this folder runs.
server_running() {
    pid=
    if [ -s "$server_pid_file" ]; then
        read -r pid <"$server_pid_file" || true
    fi
    process_has "$pid" "$server_mark"
}

answers() { server_running && server_ready; }
answers_or_ended() { answers || ! kill -0 "$1" 2>/dev/null; }
gone() { ! process_has "$pid" "$server_mark"; }

# One start or stop at a time for each folder. Descriptor 9 is closed for the server.
lock() {
    exec 9>"$dir/lock"
    flock -w "$START_LIMIT_S" 9 || die "another start or stop of $dir does not end"
}

enter_folder() {
    [ -d "$dir" ] || return 1
    dir=$(cd -- "$dir" && pwd -P)
    server_paths
}

last_port() {
    port=$wanted_port
    if [ -z "$port" ] && [ -s "$dir/port" ]; then
        port=$(<"$dir/port")
    fi
}

keep_port() {
    port=${port:-$(random_port)}
    printf '%s\n' "$port" >"$dir/port"
}

prepare() {
    (umask 077 && mkdir -p -- "$dir")
    enter_folder
    lock
    if [ "$command_name" = restart ] && [ -e "$dir/fast" ]; then
        fast=yes
    fi
    rm -f -- "$dir/fast"
    if [ "$fast" = yes ]; then
        : >"$dir/fast"
    fi
    if server_running; then
        return
    fi
    server_prepare
}

run() {
    prepare
    if server_running; then
        die "the server of $dir runs already (process $pid)"
    fi
    last_port
    keep_port
    server_command
    cd /
    exec 9>&-
    exec "${command[@]}"
}

# One attempt. 0: it answers; 1: it failed; 2: the port was taken; 3: try again.
try_start() {
    keep_port
    server_command
    local log_size said child apart=(setsid)
    if [ "$fast" = yes ]; then
        apart=()
    fi
    log_size=$(stat -c %s "$dir/log" 2>/dev/null || echo 0)
    (cd / && exec ${apart[@]+"${apart[@]}"} "${command[@]}") </dev/null >>"$dir/log" 2>&1 9>&- &
    child=$!
    wait_until "$START_LIMIT_S" answers_or_ended "$child" || true
    if answers; then
        return 0
    fi
    if kill -0 "$child" 2>/dev/null; then
        say "$0: no answer within $START_LIMIT_S s"
        kill -s "${server_signals[1]}" "$child"
        return 1
    fi
    said=$(tail -c "+$((log_size + 1))" "$dir/log")
    if grep -q -- "$server_taken" <<<"$said"; then
        return 2
    elif [ -n "$server_again" ] && grep -q -- "$server_again" <<<"$said"; then
        return 3
    fi
    return 1
}

start() {
    prepare
    if server_running; then
        wait_until "$START_LIMIT_S" answers || die "the server of $dir runs but does not answer"
        port=$(<"$dir/port")
        if [ -n "$wanted_port" ] && [ "$wanted_port" != "$port" ]; then
            die "the server of $dir runs already, on port $port"
        fi
        server_url
        return
    fi
    local attempt code
    last_port
    for ((attempt = 1; attempt <= 20; attempt++)); do
        code=0
        try_start || code=$?
        if [ "$code" -eq 0 ]; then
            server_url
            return
        elif [ "$code" -eq 1 ]; then
            break
        elif [ "$code" -eq 3 ]; then
            sleep 0.5
        elif [ -n "$wanted_port" ]; then
            die "port $wanted_port is taken by another process"
        else
            port=
        fi
    done
    say "${0##*/}: could not start in $dir"
    show_log_end "$dir/log"
    exit 1
}

stop() {
    enter_folder || return 0
    lock
    if server_running; then
        kill -s "${server_signals[0]}" "$pid"
        if ! wait_until "$STOP_LIMIT_S" gone; then
            say "${0##*/}: still there after $STOP_LIMIT_S s; stopping at once"
            kill -s "${server_signals[1]}" "$pid" 2>/dev/null || true
            wait_until 10 gone || die "process $pid of $dir does not end"
        fi
    fi
    exec 9>&-
}

status() {
    if enter_folder && answers; then
        port=$(<"$dir/port")
        printf 'running %s\n' "$(server_url)"
        return
    fi
    echo stopped
    exit 3
}

url() {
    if ! enter_folder || [ ! -s "$dir/port" ]; then
        die "no server was made in $dir yet"
    fi
    port=$(<"$dir/port")
    server_url
}

server_main() {
    command_name=${1-} wanted_port='' fast=no dir='' pid='' port=''
    if [ "$#" -gt 0 ]; then
        shift
    fi
    while [ "$#" -gt 0 ]; do
        case $1 in
        --port)
            wanted_port=${2-}
            is_port "$wanted_port" || usage_error "--port needs a number from 1 to 65535"
            shift
            ;;
        --fast) fast=yes ;;
        -h | --help) command_name=--help ;;
        -*) usage_error "unknown option $1" ;;
        *)
            [ -z "$dir" ] || usage_error "one folder, please"
            dir=$1
            ;;
        esac
        shift
    done
    case $command_name in
    -h | --help) show_help ;;
    run | start | stop | status | url | restart)
        [ -n "$dir" ] || usage_error "which folder?"
        if [ "$command_name" = restart ]; then
            stop
            start
        else
            "$command_name"
        fi
        ;;
    *) usage_error "unknown command '$command_name'" ;;
    esac
}
