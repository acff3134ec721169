# How scripts/up turns the list of services into supervised units. Sourced after mesh.sh.
# shellcheck shell=bash disable=SC2154

# --- ports -------------------------------------------------------------------------------------

# port_owner PORT: "NAME (process PID)" of who listens there, as far as we may see it.
port_owner() {
    local socket fd
    for socket in $(listening_sockets "$1"); do
        fd=$(holder "$socket" '[0-9]*')
        if [ -n "$fd" ]; then
            fd=${fd#/proc/}
            printf '%s (process %s)\n' "$(cat "/proc/${fd%%/*}/comm")" "${fd%%/*}"
            return
        fi
    done
    echo "another program"
}

# All ports that the whole list may use with this base, so that a later start finds room, too.
block_ports() {
    local name instance
    port_of "$1" postgres
    port_of "$1" nats
    for name in "${service_names[@]}"; do
        for ((instance = 1; instance <= ${service_count[$name]}; instance++)); do
            local port
            port=$(port_of "$1" "$(unit "$name" "$instance")")
            printf '%s\n' "$port" $((port + 1))
        done
    done
}

# Sets taken to the first port of the block that is not free.
block_taken() {
    local port used
    used=$(used_ports)
    for port in $(block_ports "$1"); do
        if ! port_free "$port" "$used"; then
            taken=$port
            return 0
        fi
    done
    return 1
}

# Two checkouts that choose at the same moment must not choose the same block: the lock is held
# until what we started has its ports (then a block is seen to be taken). A convenience, no safety:
# where the file cannot be had we go on without it.
lock_choice() {
    local file=/tmp/meshc-ports.lock
    (set -C && umask 0 && : >"$file") 2>/dev/null || true
    if [ -f "$file" ] && [ ! -L "$file" ] && exec 8<"$file"; then
        flock -w 60 8 || true
    fi
}

unlock_choice() { exec 8<&-; }

# choose_base [again]: sets base; see scripts/up --help for where it comes from. Sets chosen to yes if
# it may be another one, too. `again`: this one turned out to be taken.
choose_base() {
    local taken='' known=''
    chosen=no
    if [ "${1-}" = again ]; then
        known=$base
    elif [ -s "$data/base" ] && [ ! -e "$data/base.untried" ]; then
        known=$(<"$data/base")
    fi
    if [ -n "${MESH_PORT_BASE-}" ]; then
        is_port "$MESH_PORT_BASE" && [ "$MESH_PORT_BASE" -ge "$BASE_MIN" ] &&
            [ "$MESH_PORT_BASE" -le "$BASE_MAX" ] ||
            die "MESH_PORT_BASE must be a number from $BASE_MIN to $BASE_MAX, not '$MESH_PORT_BASE'"
    fi
    if [ "${1-}" != again ] && [ -n "$known" ] && mesh_runs; then
        base=$known
        [ "${MESH_PORT_BASE:-$base}" = "$base" ] ||
            die "the mesh of $data runs with the port base $base: scripts/down first"
        return
    fi
    lock_choice
    if [ -n "${MESH_PORT_BASE-}" ]; then
        base=$MESH_PORT_BASE
        ! block_taken "$base" ||
            die "port $taken of MESH_PORT_BASE=$base is taken by $(port_owner "$taken"): stop it, \
choose another base, or leave MESH_PORT_BASE out to get a free one"
    elif [ "${1-}" != again ] && [ -n "$known" ] && ! block_taken "$known"; then
        base=$known
        chosen=yes
    else
        chosen=yes
        for ((base = BLOCK_FIRST; base <= BLOCK_LAST; base += BLOCK_SIZE)); do
            block_taken "$base" || break
        done
        [ "$base" -le "$BLOCK_LAST" ] || die "no free block of ports from $BLOCK_FIRST on"
        [ -z "$known" ] || say "the ports from $known are taken: using those from $base"
    fi
    [ "$base" = "$known" ] || : >"$data/base.untried"
    printf '%s\n' "$base" >"$data/base"
}

# Once PostgreSQL and NATS have their ports: until then a later start may choose another block.
remember_base() { rm -f -- "$data/base.untried"; }

# collision UNIT...: did a unit fail since somebody took its port after we had chosen? Sets taken. A
# lock cannot exclude it: others may not know of it, or have another /tmp.
collision() {
    local unit port
    [ "$chosen" = yes ] || return 1
    for unit; do
        [ -s "$data/run/$unit/ended" ] || continue
        # Once it is stopped, the port is free or a stranger's.
        stop_unit "$unit"
        port=$(port_of "$base" "$unit")
        if ! port_free "$port" || { [ "$port" -ge $((base + 10)) ] && ! port_free $((port + 1)); }; then
            return 0
        fi
        raise_unit "$unit"
    done
    return 1
}

# --- what a unit is ----------------------------------------------------------------------------

planned_units() {
    local instance
    for ((instance = 1; instance <= ${service_count[$1]}; instance++)); do
        unit "$1" "$instance"
    done
}

# write FILE MODE: stdin becomes the file, unless it is that already.
write() {
    local text old=
    text=$(cat)
    [ ! -f "$1" ] || old=$(<"$1")
    if [ ! -f "$1" ] || [ "$text" != "$old" ]; then
        (umask 077 && printf '%s\n' "$text" >"$1.new")
        chmod "$2" "$1.new"
        mv -f -- "$1.new" "$1"
    fi
}

# quote TEXT: as one word of a shell script.
quote() {
    local text=${1//\'/\'\\\'\'}
    printf "'%s'" "$text"
}

# write_unit UNIT COMMAND: everything that runit wants to know. `finish` counts how often it ended.
write_unit() {
    local unit=$1 dir=$data/run/$1
    if [ ! -d "$dir" ]; then
        # Whole before runit sees it, and not started before start_unit says so.
        dir=$data/run/.$unit
        rm -rf -- "$dir"
        mkdir -p "$dir"
        : >"$dir/down"
    fi
    mkdir -p "$dir/log" "$dir/control" "$data/log/$unit"
    write "$dir/run" 700 <<END
#!/bin/sh
exec 2>&1
exec $2
END
    write "$dir/finish" 700 <<'END'
#!/bin/sh
read -r count rest 2>/dev/null <ended || count=0
if [ "$1" = -1 ]; then how="signal $2"; else how="exit code $1"; fi
echo "$((count + 1)) $how" >.ended && mv -f .ended ended
END
    write "$dir/log/run" 700 <<END
#!/bin/sh
exec $(quote "$svlogd") -b 131072 -l 65536 $(quote "$data/log/$unit")
END
    write "$data/log/$unit/config" 600 <<'END'
s10000000
n10
END
    if [ "$unit" = postgres ]; then
        # Its "fast" shutdown: the usual SIGTERM would wait for every client to go.
        write "$dir/control/t" 700 <<'END'
#!/bin/sh
exec kill -INT "$(cat supervise/pid)"
END
    fi
    [ "$dir" = "$data/run/$unit" ] || mv -- "$dir" "$data/run/$unit"
}

# target_of NAME: where clients of a service dial, as gRPC's resolver wants it.
target_of() {
    local list='' unit
    if [ "${service_count[$1]}" -eq 1 ]; then
        reachable "$(address "$1")"
        return
    fi
    for unit in $(planned_units "$1"); do
        list+=,$(reachable "$(address "$unit")")
    done
    echo "ipv4:${list#,}"
}

# write_environment UNIT: one file per variable, for chpst -e.
write_environment() {
    local unit=$1 name need dir=$data/env/$1 variable
    name=$(unit_service "$unit")
    local -A value=(
        [MESH_LISTEN]=$(address "$unit")
        [MESH_METRICS_LISTEN]=$(metrics_address "$unit")
    )
    for need in ${service_needs[$name]}; do
        case $need in
        postgres) value[MESH_DATABASE_URL_FILE]=$data/secret/$name.url ;;
        nats) value[MESH_NATS_URL_FILE]=$data/secret/$name.nats-url ;;
        signing-key)
            variable=${name//-/_}
            value[${variable^^}_SIGNING_KEYS_FILE]=$data/secret/$name.keys
            ;;
        *)
            variable=${need//-/_}
            value[MESH_${variable^^}_TARGET]=$(target_of "$need")
            ;;
        esac
    done
    if has_service_key "$name"; then
        value[MESH_SERVICE_KEY_FILE]=$data/secret/$name.service-key
        value[MESH_SERVICE_KEYS_FILE]=$data/service-keys.json
    fi
    [ -z "${MESH_SERVER-}" ] || value[MESH_SERVER]=$MESH_SERVER
    if [ -f "$data/config/$name.conf" ]; then
        value[MESH_CONFIG]=$data/config/$name.conf
    fi
    mkdir -p "$dir"
    for variable in "$dir"/*; do
        [ -n "${value[${variable##*/}]-}" ] || rm -f -- "$variable"
    done
    for variable in "${!value[@]}"; do
        write "$dir/$variable" 600 <<<"${value[$variable]}"
    done
}

base64url() { base64 -w 0 | tr '+/' '-_' | tr -d '='; }

# new_key [ID]: an Ed25519 key as a private JSON Web Key: both halves are the ends of openssl's
# encodings.
new_key() {
    local pem
    pem=$(openssl genpkey -algorithm ed25519)
    printf '{"kty":"OKP","crv":"Ed25519",%s"x":"%s","d":"%s"}' "${1:+\"kid\":\"$1\",}" \
        "$(openssl pkey -pubout -outform DER <<<"$pem" | tail -c 32 | base64url)" \
        "$(openssl pkey -outform DER <<<"$pem" | tail -c 32 | base64url)"
}

# write_signing_keys FILE STEP KEY...: a JSON Web Key Set whose first key signs. The step says how far
# scripts/rotate-key has come: one (key), next (one is to come), used (the one before is still there).
write_signing_keys() {
    local file=$1 step=$2 key text=''
    shift 2
    for key; do
        text+=${text:+,$'\n'}$key
    done
    write_secret "$file" "{\"step\":\"$step\",\"keys\":["$'\n'"$text"$'\n'"]}"
}

# public_key NAME: of a service, as a JSON Web Key. Made anew from its x, so that nothing else gets out.
public_key() {
    local x
    x=$(sed -n 's/.*"x" *: *"\([A-Za-z0-9_-]\{43\}\)".*/\1/p' "$data/secret/$1.service-key")
    [ -n "$x" ] || die "$data/secret/$1.service-key is no private key: remove it to get a new one"
    printf '{"kty":"OKP","crv":"Ed25519","kid":"%s","x":"%s"}' "$1" "$x"
}

# Who asks the user service who may call whom also proves who it is, and knows who others are.
has_service_key() { needs "$1" user; }

write_service_keys() {
    local name key set=''
    for name in "${service_names[@]}"; do
        has_service_key "$name" || continue
        [ -s "$data/secret/$name.service-key" ] ||
            write_secret "$data/secret/$name.service-key" "$(new_key "$name")"
        key=$(public_key "$name")
        set+=,$key
    done
    write "$data/service-keys.json" 644 <<<"{\"keys\":[${set#,}]}"
}

# A user of PostgreSQL and its URL, one of NATS, and keys to sign with, for each service that needs
# them.
write_secrets() {
    local name file clients=()
    (umask 077 && mkdir -p "$data/secret")
    for name in "${service_names[@]}"; do
        if needs "$name" signing-key; then
            file=$data/secret/$name.keys
            [ -s "$file" ] || write_signing_keys "$file" one "$(new_key "$(secret)")"
        fi
        if needs "$name" postgres; then
            [ -s "$data/secret/$name.password" ] ||
                write_secret "$data/secret/$name.password" "$(secret)"
            write "$data/secret/$name.url" 600 \
                <<<"postgresql://$name:$(<"$data/secret/$name.password")@$(address postgres)/$name"
        fi
        ! needs "$name" nats || clients+=("$name")
    done
    "$MESH_ROOT/scripts/lib/nats" users "$data/nats" "$data/secret" ${clients[@]+"${clients[@]}"}
    for name in admin ${clients[@]+"${clients[@]}"}; do
        write "$data/secret/$name.nats-url" 600 \
            <<<"nats://$name:$(<"$data/secret/$name.nats")@$(address nats)"
    done
    write_service_keys
}

make_plan() {
    local name unit lib=$MESH_ROOT/scripts/lib
    (umask 077 && mkdir -p "$data"/{run,log,env,bin,config,listen})
    write_secrets
    # Also of those that are not started: one may run them by hand.
    for name in "${service_names[@]}"; do
        for unit in $(planned_units "$name"); do
            write_environment "$unit"
        done
    done
    for name in "${selected[@]}"; do
        case $name in
        postgres | nats)
            write_unit "$name" \
                "$(quote "$lib/$name") run --port $(port_of "$base" "$name") $(quote "$data/$name")"
            ;;
        *)
            for unit in $(planned_units "$name"); do
                write_unit "$unit" \
                    "$(quote "$chpst") -e $(quote "$data/env/$unit") $(quote "$data/bin/$name")"
            done
            ;;
        esac
    done
}

# program_of NAME: the file that its target builds.
program_of() {
    local label=${service_target[$1]} package name
    case $label in
    //*)
        package=${label#//} name=${label##*[:/]}
        echo "$MESH_ROOT/bazel-bin/${package%%:*}/$name"
        ;;
    /*) echo "$label" ;;
    *) echo "$MESH_ROOT/$label" ;;
    esac
}

# install_file MODE FROM TO: so that who reads TO finds the old file or the new one.
install_file() {
    local new
    if ! cmp -s -- "$2" "$3"; then
        new=${3%/*}/.${3##*/}.new
        cp -- "$2" "$new"
        chmod "$1" "$new"
        mv -f -- "$new" "$3"
    fi
}

install_program() {
    [ -x "$2" ] || die "$1: there is no program $2"
    install_file 755 "$2" "$data/bin/$1"
}

install_programs() {
    local name
    for name in "${selected[@]}"; do
        [ -z "${service_target[$name]-}" ] || install_program "$name" "$(program_of "$name")"
    done
    install_program meshctl "${MESHCTL:-$MESH_ROOT/bazel-bin/mesh/meshctl/meshctl}"
    # What meshctl reads events with.
    if [ -f "$MESH_ROOT/bazel-bin/gen/descriptors.protoset" ]; then
        install_file 644 "$MESH_ROOT/bazel-bin/gen/descriptors.protoset" "$data/descriptors.protoset"
    fi
}

# --- what runs ---------------------------------------------------------------------------------

# runsvdir with a clean environment: what the caller has set must not leak into services.
start_supervisor() {
    if supervisor_pid; then
        return
    fi
    (
        cd /
        exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            HOME="${HOME:-/}" LANG=C.UTF-8 ${TZ+"TZ=$TZ"} setsid "$runsvdir" "$data/run"
    ) </dev/null >>"$data/log/supervisor" 2>&1 8>&- 9>&- &
    printf '%s\n' "$!" >"$data/supervisor.pid"
    wait_until 10 supervisor_pid || die "the supervisor did not start: see $data/log/supervisor"
}

# A fingerprint of all that makes a unit what it is, but for the keys that it reads again by itself.
fingerprint() {
    local name file
    name=$(unit_service "$1")
    {
        cat "$data/run/$1/run"
        [ ! -d "$data/env/$1" ] || (cd "$data/env/$1" && grep -r '' . | sort)
        case $name in
        postgres | nats) cat "$MESH_ROOT/scripts/lib/$name" ;;
        esac
        for file in "$data/secret/$name".{url,nats-url,service-key} "$data/bin/$name" \
            "$data/config/$name.conf"; do
            [ ! -f "$file" ] || cat "$file"
        done
        [ ! -f "$data/env/$1/MESH_SERVICE_KEYS_FILE" ] || cat "$data/service-keys.json"
    } | sha256sum
}

# is_current UNIT FINGERPRINT: it runs, as what it should be.
is_current() {
    unit_pid "$1" >/dev/null && [ "$2" = "$(cat "$data/run/$1/fingerprint" 2>/dev/null)" ]
}

# admit_users UNIT...: tells a NATS that runs who may come now. It cuts off who came with a password
# that is not right any more: before, these services drain and end, so that no event is lost.
admit_users() {
    local unit
    if cmp -s -- "$data/nats/users.conf" "$data/nats/users.taken"; then
        return
    fi
    for unit; do
        if ! is_debugged "$unit" && is_supervised "$unit" && ! is_stopped "$unit" &&
            ! is_current "$unit" "$(fingerprint "$unit")"; then
            say "stopping $unit"
            stop_unit "$unit"
        fi
    done
    "$MESH_ROOT/scripts/lib/nats" reload "$data/nats"
}

# start_unit UNIT: starts it, or restarts it when it is not what runs.
start_unit() {
    local unit=$1 dir=$data/run/$1 print
    wait_until "$SUPERVISOR_LIMIT_S" is_supervised "$unit" || die "the supervisor does not take up $unit"
    print=$(fingerprint "$unit")
    rm -f -- "$dir/down" "$dir/ended"
    if is_current "$unit" "$print"; then
        return
    fi
    printf '%s\n' "$print" >"$dir/fingerprint"
    if ! is_stopped "$unit"; then
        say "restarting $unit"
        stop_unit "$unit"
    fi
    rm -f -- "$dir/ended"
    stat -c %s "$data/log/$unit/current" >"$dir/log_from" 2>/dev/null || true
    raise_unit "$unit"
}

# Instances and services that the list has no more. Not with --only: what runs, stays.
remove_surplus() {
    local dir unit name
    [ -z "$only" ] || return 0
    for dir in "$data/run"/*/; do
        unit=${dir%/}
        unit=${unit##*/}
        name=$(unit_service "$unit")
        if [ "$unit" = postgres ] || [ "$unit" = nats ] || { [ -n "${service_target[$name]-}" ] &&
            [ "$(unit_instance "$unit")" -le "${service_count[$name]}" ]; }; then
            continue
        fi
        say "stopping $unit, which is no longer listed"
        : >"$dir/down"
        stop_unit "$unit"
        rm -rf -- "$data/run/$unit" "$data/env/$unit"
    done
}

# Of the server's 200: four instances with a pool of 8, a look each, and what cancels; one service
# cannot take them all.
readonly ROLE_CONNECTIONS=45

# A role and a database for each service that has one, and no right to another's: nobody enters a
# database that is not his own. The passwords go in by stdin and stay out of the server's log.
make_databases() {
    local name url statements='REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;'
    [[ " ${selected[*]} " == *' postgres '* ]] || return 0
    for name in "${service_names[@]}"; do
        needs "$name" postgres || continue
        statements+="
SELECT 'CREATE ROLE \"$name\"'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$name') \\gexec
ALTER ROLE \"$name\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
 CONNECTION LIMIT $ROLE_CONNECTIONS PASSWORD '$(<"$data/secret/$name.password")';
SELECT 'CREATE DATABASE \"$name\" OWNER \"$name\"'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '$name') \\gexec
REVOKE ALL ON DATABASE \"$name\" FROM PUBLIC;"
    done
    url=$("$MESH_ROOT/scripts/lib/postgres" url "$data/postgres")
    PGOPTIONS='-c log_min_error_statement=panic -c log_statement=none' \
        psql -XqAt -v ON_ERROR_STOP=1 "$url" <<<"$statements" >/dev/null ||
        die "could not make the databases (see above)"
}

write_services_file() {
    local unit
    for unit in $(existing_units); do
        case $unit in
        postgres | nats) ;;
        *)
            printf '%s %s %s\n' "$(unit_service "$unit")" "$(reachable "$(address "$unit")")" \
                "$(metrics_address "$unit")"
            ;;
        esac
    done | write "$data/services" 644
}
