# The mesh of a data folder: what scripts/up and its companions share. Sourced after common.sh.
#
# The data folder (MESH_DATA, else .mesh in the checkout):
#   services        NAME ADDRESS METRICS_ADDRESS, a line per instance (meshctl reads it)
#   base            the first port of our block; base.untried: none has served there yet
#   bin/            the programs that run (copies: a build does not pull them away)
#   run/UNIT/       what runit supervises; a unit is postgres, nats or an instance of a service
#   env/UNIT/       its environment, a file per variable (mode 0600)
#   config/NAME.conf   settings of the user's for a service; never written by us
#   listen/NAME     the address that MESH_LISTEN gave a service
#   secret/         passwords, URLs with passwords, and keys (mode 0600)
#   service-keys.json  the public keys of the services
#   log/UNIT/current   its log; older parts beside it
#   postgres/ nats/ the servers' data
# The first instance of a service is the unit NAME, the second NAME-2, and so on.
# shellcheck shell=bash disable=SC2034

MESH_HOST=127.0.0.1
MESH_MAX_INSTANCES=4
BLOCK_FIRST=20000 BLOCK_LAST=31800 BLOCK_SIZE=200
# Below, ports are for root alone, which PostgreSQL never is.
BASE_MIN=1024 BASE_MAX=$((65535 - BLOCK_SIZE))
STOP_UNIT_LIMIT_S=45
SUPERVISOR_LIMIT_S=20

base=
declare -a service_names=()
declare -A service_target=() service_count=() service_needs=() service_index=()

# Sets data to the absolute data folder, whether it exists or not.
find_data() {
    data=${MESH_DATA:-$MESH_ROOT/.mesh}
    case $data in
    /*) ;;
    *) data=$PWD/$data ;;
    esac
    if [ -d "$data" ]; then
        data=$(cd -- "$data" && pwd -P)
    fi
    services_conf=${MESH_SERVICES_CONF:-$MESH_ROOT/services/mesh.conf}
}

bad_conf() { die "$services_conf, line $line_number: $*"; }

read_services() {
    local line_number=0 name target count needs need
    while read -r name target count needs; do
        line_number=$((line_number + 1))
        case $name in
        '' | '#'*) continue ;;
        esac
        [[ $name =~ ^[a-z][a-z0-9-]*$ && ! $name =~ -[0-9]+$ ]] ||
            bad_conf "'$name' is not a service name (a-z, 0-9, -; no number at its end)"
        [[ $name != @(postgres|nats|signing-key|admin) ]] || bad_conf "'$name' is taken"
        [ -z "${service_target[$name]-}" ] || bad_conf "'$name' is there twice"
        [ -n "$target" ] || bad_conf "'$name' has no target"
        [[ $count =~ ^[1-9]$ ]] && [ "$count" -le "$MESH_MAX_INSTANCES" ] ||
            bad_conf "'$name' needs a number of instances from 1 to $MESH_MAX_INSTANCES"
        service_index[$name]=${#service_names[@]}
        service_names+=("$name")
        service_target[$name]=$target
        service_count[$name]=$count
        service_needs[$name]=$needs
    done <"$services_conf"
    for name in "${service_names[@]}"; do
        for need in ${service_needs[$name]}; do
            [[ $need == @(postgres|nats|signing-key) ]] || [ -n "${service_target[$need]-}" ] ||
                die "$services_conf: '$name' needs '$need', which is not there"
        done
    done
    [ $((10 + 2 * MESH_MAX_INSTANCES * ${#service_names[@]})) -le "$BLOCK_SIZE" ] ||
        die "$services_conf: too many services for a block of $BLOCK_SIZE ports"
}

needs() { [[ " ${service_needs[$1]} " == *" $2 "* ]]; }

# unit NAME INSTANCE, unit_service UNIT, unit_instance UNIT: see the head of this file.
unit() { if [ "$2" -eq 1 ]; then echo "$1"; else echo "$1-$2"; fi; }
unit_service() { if [[ $1 =~ ^(.*)-[0-9]+$ ]]; then echo "${BASH_REMATCH[1]}"; else echo "$1"; fi; }
unit_instance() { if [[ $1 =~ -([0-9]+)$ ]]; then echo "${BASH_REMATCH[1]}"; else echo 1; fi; }

# port_of BASE UNIT: the unit's port; a service's metrics have the next one.
port_of() {
    case $2 in
    postgres) echo "$1" ;;
    nats) echo $(($1 + 1)) ;;
    *)
        local name instance
        name=$(unit_service "$2") instance=$(unit_instance "$2")
        echo $(($1 + 10 + 2 * (MESH_MAX_INSTANCES * ${service_index[$name]} + instance - 1)))
        ;;
    esac
}

# address UNIT: where it listens.
address() {
    if [ -s "$data/listen/$1" ]; then
        cat "$data/listen/$1"
    else
        echo "$MESH_HOST:$(port_of "$base" "$1")"
    fi
}

metrics_address() { echo "$MESH_HOST:$(($(port_of "$base" "$1") + 1))"; }

# The address at which a client reaches what listens at the given one.
reachable() {
    case $1 in
    0.0.0.0:*) echo "127.0.0.1:${1##*:}" ;;
    '[::]':*) echo "[::1]:${1##*:}" ;;
    *) echo "$1" ;;
    esac
}

# The units that exist in the data folder, servers first, then in the order of the list.
existing_units() {
    local name instance
    for name in postgres nats; do
        [ ! -d "$data/run/$name" ] || echo "$name"
    done
    for name in "${service_names[@]}"; do
        for ((instance = 1; instance <= MESH_MAX_INSTANCES; instance++)); do
            [ ! -d "$data/run/$(unit "$name" "$instance")" ] || unit "$name" "$instance"
        done
    done
}

# service_units NAME: the units of a service (or postgres, nats) that exist.
service_units() {
    local unit
    for unit in $(existing_units); do
        [ "$(unit_service "$unit")" != "$1" ] || echo "$unit"
    done
}

# The supervisor of this data folder, by its pid file and its command line.
supervisor_pid() {
    supervisor=
    if [ -s "$data/supervisor.pid" ]; then
        read -r supervisor <"$data/supervisor.pid" || true
    fi
    process_has "$supervisor" "$data/run"
}

# Is a unit supervised (by runsv), even where runsvdir itself was killed?
is_supervised() { "$sv" status "$data/run/$1" >/dev/null 2>&1; }

# Is it down, and does its supervisor mean to leave it so?
is_stopped() {
    local status
    status=$("$sv" status "$data/run/$1") || return 1
    status=${status%%;*}
    [[ $status == down:* && $status != *', want up'* ]]
}

# runsv obeys when it gets to it (after a quick end it rests for a second), and sv leaves out an order
# that the last status shows as obeyed: so each order must be seen in the status before the next one.

is_raised() { ! is_stopped "$1"; }
raise_unit() {
    "$sv" up "$data/run/$1" >/dev/null && wait_until "$SUPERVISOR_LIMIT_S" is_raised "$1" ||
        die "the supervisor of $1 does not start it: scripts/down, then scripts/up"
}

stop_unit() {
    "$sv" -w "$STOP_UNIT_LIMIT_S" force-stop "$data/run/$1" >/dev/null || say "$1 had to be killed"
    wait_until "$SUPERVISOR_LIMIT_S" is_stopped "$1" || die "the supervisor of $1 does not stop it"
}

# Does scripts/debug hold it? The process that the file names must still be one for this unit.
is_debugged() {
    [ -s "$data/run/$1/debugged" ] && process_has "$(<"$data/run/$1/debugged")" "$1"
}

# Does anything of this data folder run, or would run again?
mesh_runs() {
    local unit
    if supervisor_pid; then
        return
    fi
    for unit in $(existing_units); do
        if is_supervised "$unit"; then
            return
        fi
    done
    return 1
}

# For the scripts that look at a mesh which scripts/up has made. Sets data, base and the rest.
open_mesh() {
    find_data
    find_runit
    read_services
    [ -s "$data/base" ] || die "there is no mesh in $data yet: scripts/up makes it"
    base=$(<"$data/base")
}

# named_units NAME...: the units of these names; without a name all of them.
named_units() {
    local name found
    if [ "$#" -eq 0 ]; then
        existing_units
    fi
    for name; do
        found=$(service_units "$name")
        if [ -z "$found" ] && [ -d "$data/run/$name" ]; then
            found=$name
        fi
        [ -n "$found" ] || die "there is no '$name' in $data (there are: $(existing_units | xargs))"
        printf '%s\n' "$found"
    done
}

# The process of a debugged unit, when it runs: scripts/debug has started gdb, which has started it.
debugged_pid() {
    local debug gdb child
    debug=$(<"$data/run/$1/debugged")
    # shellcheck disable=SC2013
    for gdb in $(cat "/proc/$debug/task/$debug/children" 2>/dev/null); do
        for child in $(cat "/proc/$gdb/task/$gdb/children" 2>/dev/null); do
            if process_has "$child" "$data/bin/$(unit_service "$1")"; then
                echo "$child"
                return
            fi
        done
    done
    return 1
}

# unit_pid UNIT: its process, when it runs.
unit_pid() {
    local pid
    if is_debugged "$1"; then
        debugged_pid "$1"
        return
    fi
    pid=$(cat "$data/run/$1/supervise/pid" 2>/dev/null) && [ -n "$pid" ] && is_supervised "$1" &&
        echo "$pid"
}

find_runit() {
    sv=$(program sv) && runsvdir=$(program runsvdir) && chpst=$(program chpst) &&
        svlogd=$(program svlogd) || die "runit is not installed; scripts/setup installs it"
}

# meshctl: the one that scripts/up put beside the services, else the one that was built last.
find_meshctl() {
    local candidate
    for candidate in "${MESHCTL-}" "$data/bin/meshctl" "$MESH_ROOT/bazel-bin/mesh/meshctl/meshctl"; do
        if [ -n "$candidate" ] && [ -x "$candidate" ]; then
            meshctl=$candidate
            return
        fi
    done
    die "meshctl is not built; scripts/up builds it"
}

# states UNIT...: a line UNIT STATE for each: SERVING, NOT-READY (the process is there but does not
# serve) or DOWN. meshctl asks all services that $data/services names.
states() {
    local unit answers=''
    if [ -s "$data/services" ]; then
        answers=$(MESH_DATA=$data "$meshctl" status --json 2>/dev/null || true)
    fi
    for unit; do
        if ! unit_pid "$unit" >/dev/null; then
            echo "$unit DOWN"
        elif serves "$unit" "$answers"; then
            echo "$unit SERVING"
        else
            echo "$unit NOT-READY"
        fi
    done
}

# serves UNIT ANSWERS: the second is what `meshctl status --json` printed.
serves() {
    case $1 in
    postgres | nats) "$MESH_ROOT/scripts/lib/$1" status "$data/$1" >/dev/null 2>&1 ;;
    *)
        local at object
        at=$(reachable "$(address "$1")")
        object=${2#*"\"address\":\"$at\""}
        [ "$object" != "$2" ] && [[ ${object%%\}*} == *'"state":"SERVING"'* ]] &&
            listens "$1" "${at##*:}"
        ;;
    esac
}

# listens UNIT PORT: it is the unit's own process that listens there, not a stranger who was faster.
listens() {
    local pid socket
    pid=$(unit_pid "$1") || return 1
    for socket in $(listening_sockets "$2"); do
        if [ -n "$(holder "$socket" "$pid")" ]; then
            return
        elif [ -d "/proc/$pid/fd" ] && [ ! -r "/proc/$pid/fd" ]; then
            # We may not look: then what answers is taken for ours.
            return
        fi
    done
    return 1
}

# One change of a data folder at a time. Descriptor 9 stays with this shell.
lock_data() {
    exec 9>"$data/lock"
    if ! flock -n 9; then
        say "waiting for another command that works on $data"
        flock -w 900 9 || die "it does not end; giving up"
    fi
}

# Where a failed unit stands and what it said last, since scripts/up started it.
report_unit() {
    local ended='' count how
    if read -r count how 2>/dev/null <"$data/run/$1/ended"; then
        ended="; it ended $count time(s), last with $how"
    fi
    say "  $1 at $(address "$1"): $(states "$1" | sed 's/.* //')$ended"
    show_log_end "$data/log/$1/current" 15 "$(cat "$data/run/$1/log_from" 2>/dev/null)"
}
