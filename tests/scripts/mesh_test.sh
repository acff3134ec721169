#!/usr/bin/env bash
# scripts/up and its companions: what they do with ports, processes and files. The services are
# stand-ins (a listening program); that real services work together is what scripts/smoke shows.
# shellcheck disable=SC2317
set -euo pipefail
shopt -s extglob
# shellcheck source=tests/scripts/lib.sh
. "$PWD/tests/scripts/lib.sh"
# shellcheck source=scripts/lib/common.sh
. "$SCRIPTS/lib/common.sh"

unset MESH_DATA MESH_PORT_BASE MESH_LISTEN MESHCTL
export MESH_SERVICES_CONF=$WORK/mesh.conf MESHCTL=$WORK/meshctl

cat >"$WORK/stand-in" <<'END'
#!/bin/sh
echo "product=$MESH_PRODUCT_TARGET nats=$MESH_NATS_URL_FILE config=$MESH_CONFIG leak=$LEAK"
echo "server=$MESH_SERVER key=$MESH_SERVICE_KEY_FILE keys=$MESH_SERVICE_KEYS_FILE"
[ -z "$USER_SIGNING_KEYS_FILE" ] || echo "signs=$USER_SIGNING_KEYS_FILE"
echo "url=$(cat "$MESH_DATABASE_URL_FILE")" >"$MESH_DATABASE_URL_FILE.seen"
PATH=$PATH:/usr/sbin
exec nats-server -a "${MESH_LISTEN%:*}" -p "${MESH_LISTEN##*:}"
END
cp "$WORK/stand-in" "$WORK/stand-in-2"
printf '#!/bin/sh\necho "no such setting"\nexit 2\n' >"$WORK/broken"
cat >"$MESHCTL" <<'END'
#!/usr/bin/env bash
if [[ $* == 'call 127.0.0.1:'*' UserService.GetKeySet {}' ]]; then
    # What the user service would read; `lagging` is of an instance that does not.
    from=$MESH_DATA/secret/user.keys
    [ ! -f "$MESH_DATA/lagging" ] || from=$MESH_DATA/lagging
    printf '{"jwks":"{\\"keys\\":[%s]}"}\n' "$(grep -o '"kid":"[^"]*"' "$from" | sed 's/"/\\"/g; s/.*/{&}/' | paste -sd,)"
    exit
fi
[ "$*" = 'status --json' ] || exit 2
while read -r name address _; do
    state=DOWN
    if (exec 3<>"/dev/tcp/${address%:*}/${address##*:}") 2>/dev/null; then state=SERVING; fi
    objects+=,{\"name\":\"$name\",\"address\":\"$address\",\"state\":\"$state\",\"why\":\"\"}
done <"$MESH_DATA/services"
printf '[%s]\n' "${objects#,}"
END
chmod +x "$WORK/stand-in" "$WORK/stand-in-2" "$WORK/broken" "$MESHCTL"

# conf LINE...: the list of services; the path has spaces, which the list cannot hold.
link=$(mktemp -d)
ln -s "$WORK" "$link/w"
conf() { printf '%s\n' "${@//@/$link/w}" >"$MESH_SERVICES_CONF"; }
two_services() { conf 'product @/stand-in 1 postgres nats' 'order @/stand-in-2 1 postgres nats product'; }

cleanup() {
    local dir
    for dir in "$WORK"/data*/; do
        MESH_DATA=$dir wait_until 20 "$SCRIPTS/down" >/dev/null 2>&1 || true
    done
    rm -rf -- "$WORK" "$TREES" "$link"
}
trap cleanup EXIT

use() { export MESH_DATA="$WORK/data $1"; }
pid_of() { cat "$MESH_DATA/run/$1/supervise/pid"; }
is_serving() { [ "$("$SCRIPTS/status" --all | grep -c "^$1 .* SERVING$")" -gt 0 ]; }
all_serve() { "$SCRIPTS/status" --all >/dev/null; }
port() { "$SCRIPTS/status" --all | sed -n "s/^$1 .*:\([0-9]*\) .*/\1/p"; }

# S1.8
test_up_starts_everything_and_down_stops_it() {
    use life
    two_services
    expect 1 "$SCRIPTS/status"
    [[ $err == *'scripts/up makes it'* ]] || fail "said: $err"
    LEAK=yes expect 0 "$SCRIPTS/up"
    [[ $out == *product*SERVING*order*SERVING* ]] || fail "table: $out"

    expect 0 "$SCRIPTS/status"
    [ "${out//:[0-9]*([0-9]) /:PORT }" = 'product 127.0.0.1:PORT SERVING
order 127.0.0.1:PORT SERVING' ] || fail "status: $out"
    expect 0 "$SCRIPTS/status" --all
    [ "$(wc -l <<<"$out")" -eq 4 ] || fail "status --all: $out"
    [ "$(sed 's/:[0-9]*/:PORT/g' "$MESH_DATA/services")" = 'product 127.0.0.1:PORT 127.0.0.1:PORT
order 127.0.0.1:PORT 127.0.0.1:PORT' ] || fail "services: $(<"$MESH_DATA/services")"

    # the environment: addresses of others, nothing of ours
    expect 0 "$SCRIPTS/logs" order
    [[ $out == *"product=127.0.0.1:$(port product) nats=$MESH_DATA/secret/order.nats-url config= leak="$'\n'* ]] ||
        fail "log: $out"
    [ "$(<"$MESH_DATA/secret/order.nats-url")" = \
        "nats://order:$(<"$MESH_DATA/secret/order.nats")@127.0.0.1:$(port nats)" ] || fail "NATS at another URL"

    # each database belongs to its service alone; secrets are for us alone
    local url
    url=$(<"$MESH_DATA/secret/order.url")
    [ "$(<"$MESH_DATA/secret/order.url.seen")" = "url=$url" ] || fail "another URL was seen"
    expect 0 psql -XAtc 'select current_user' "$url"
    [ "$out" = order ] || fail "user $out"
    local elsewhere
    for elsewhere in product postgres template1 template0; do
        expect 2 psql -XAtc 'select 1' "${url%/*}/$elsewhere"
        [[ $err == *'permission denied for database'* || $err == *'not currently accepting connections'* ]] ||
            fail "of $elsewhere it says: $err"
    done
    for elsewhere in 'create database more' 'create role more' 'alter role product password null' \
        'alter role "order" createdb' 'drop database product' 'select passwd from pg_shadow' \
        "select pg_read_file('postgresql.conf')" "copy (select 1) to program 'true'"; do
        expect 1 psql -XAtc "$elsewhere" "$url"
        [[ $err == *'permission denied'* || $err == *'must be '* ]] || fail "$elsewhere: $err"
    done
    [ -z "$(find "$MESH_DATA/secret" "$MESH_DATA/env" -type f -perm /077 ! -name '*.seen')" ] ||
        fail "others may read secrets"
    local password=${url#*:*:}
    password=${password%@*}
    ! grep -rqF --exclude-dir=supervise -e "$password" -e "$(<"$MESH_DATA/secret/order.nats")" \
        "$MESH_DATA/log" "$MESH_DATA/run" "$MESH_DATA/env" || fail "a password is in a log"

    expect 0 psql -XqAtc 'create table kept as select 7 as x' "$url"
    expect 0 "$SCRIPTS/down"
    expect 1 "$SCRIPTS/status" --all
    [ "$(grep -c ' DOWN$' <<<"$out")" -eq 4 ] || fail "status: $out"
    expect 0 "$SCRIPTS/down"

    # the data is still there; the ports, too, unless another mesh took them meanwhile
    expect 0 "$SCRIPTS/up"
    expect 0 psql -XqAtc 'select x from kept' "$(<"$MESH_DATA/secret/order.url")"
    [ "$out" = 7 ] || fail "read '$out'"
    expect 0 "$SCRIPTS/down" --wipe
    [ ! -e "$MESH_DATA/postgres" ] || fail "the data was not wiped"
    expect 0 "$SCRIPTS/down"
    [[ $err == "down: there is no mesh in $MESH_DATA" ]] || fail "said: $err"
}

test_what_is_killed_comes_back_in_its_place() {
    use kill
    two_services
    expect 0 "$SCRIPTS/up"
    local unit before
    for unit in product nats postgres; do
        before=$(pid_of "$unit")
        kill -KILL "$before"
        came_back() { is_serving "$unit" && [ "$(pid_of "$unit")" != "$before" ]; }
        wait_until 30 came_back || fail "$unit did not come back"
    done

    # the supervisor itself: all goes on, and the next up repairs it
    before=$(pid_of order)
    kill -KILL "$(<"$MESH_DATA/supervisor.pid")"
    expect 0 "$SCRIPTS/up"
    [ "$(pid_of order)" = "$before" ] || fail "order was restarted for nothing"
    kill -KILL "$(<"$MESH_DATA/supervisor.pid")"
    expect 0 "$SCRIPTS/down"
    ! kill -0 "$before" 2>/dev/null || fail "order still runs"
}

# nats_open URL, nats_asks LINE...: a client of NATS by hand; what it is told, up to the answer to a PING.
nats_open() {
    local user=''
    [[ $1 != *@* ]] || user=${1#nats://} user=${user%@*}
    exec {client}<>"/dev/tcp/127.0.0.1/${1##*:}"
    nats_asks "CONNECT {\"verbose\":false,\"user\":\"${user%%:*}\",\"pass\":\"${user#*:}\"}"
}
nats_asks() {
    local line=''
    said=''
    printf '%s\r\n' "$@" PING >&"$client"
    while [ "$line" != PONG ] && IFS= read -r -t 10 line <&"$client"; do
        line=${line%$'\r'}
        [[ $line == @(INFO*|PING) ]] || said+=$line
    done
}
nats_close() { exec {client}>&-; }

# S4.16: own subjects only; the C tests of mesh/events have all of what is refused.
test_nats_lets_in_the_services_alone_and_each_for_its_own() {
    use users
    two_services
    expect 0 "$SCRIPTS/up"
    local url nats product order before
    url=nats://127.0.0.1:$(port nats)
    nats_open "$url"
    [ "$said" = "-ERR 'Authorization Violation'" ] || fail "without a name: $said"
    nats_close
    nats_open "${url/\/\////product:wrong@}"
    [ "$said" = "-ERR 'Authorization Violation'" ] || fail "with a wrong password: $said"
    nats_close
    nats_open "$(<"$MESH_DATA/secret/admin.nats-url")"
    nats_asks 'SUB > 1' 'PUB events.order.any 0' ''
    [[ $said == 'MSG events.order.any '*PONG ]] || fail "the administrator: $said"
    nats_close
    nats_open "$(<"$MESH_DATA/secret/product.nats-url")"
    nats_asks 'SUB _INBOX_product.any 1' 'PUB events.product.any 0' ''
    [ "$said" = PONG ] || fail "what is product's own: $said"
    nats_asks 'PUB events.order.any 0' ''
    [ "$said" = "-ERR 'Permissions Violation for Publish to \"events.order.any\"'PONG" ] || fail "product: $said"

    # another service comes: nobody else notices
    nats=$(pid_of nats) product=$(pid_of product) order=$(pid_of order)
    conf 'product @/stand-in 1 postgres nats' 'order @/stand-in-2 1 postgres nats product' 'late @/stand-in 1 nats'
    expect 0 "$SCRIPTS/up"
    [ "$(pid_of nats) $(pid_of product) $(pid_of order)" = "$nats $product $order" ] ||
        fail "restarted for another service: $err"
    nats_asks 'PUB events.product.any 0' ''
    [ "$said" = PONG ] || fail "product was cut off: $said"
    local mine=$client
    nats_open "$(<"$MESH_DATA/secret/late.nats-url")"
    [ "$said" = PONG ] || fail "the new one: $said"
    nats_close

    # a new password: its service alone is restarted, and the old one is worth nothing
    before=$(<"$MESH_DATA/secret/order.nats-url")
    rm "$MESH_DATA/secret/order.nats"
    expect 0 "$SCRIPTS/up"
    [[ $err == *'stopping order'* && $err != *product* ]] || fail "said: $err"
    [ "$(pid_of nats) $(pid_of product)" = "$nats $product" ] || fail "others were restarted: $err"
    [ "$(pid_of order)" != "$order" ] || fail "order was not restarted"
    nats_open "$before"
    [ "$said" = "-ERR 'Authorization Violation'" ] || fail "with the old password: $said"
    nats_close
    nats_open "$(<"$MESH_DATA/secret/order.nats-url")"
    [ "$said" = PONG ] || fail "with the new password: $said"
    nats_close
    client=$mine
    nats_asks
    [ "$said" = PONG ] || fail "product was cut off: $said"
    nats_close
    expect 0 "$SCRIPTS/down"
}

ids_of_keys() { grep -o '"kid":"[a-z]*"' "$MESH_DATA/service-keys.json" | cut -d '"' -f 4 | xargs; }

# S4.16
test_services_have_keys_to_prove_who_they_are() {
    use keys
    conf 'product @/stand-in 1 user' 'other @/stand-in 1' 'user @/stand-in-2 1 user'
    expect 0 "$SCRIPTS/up"
    local product user private
    product=$(pid_of product) user=$(pid_of user)
    [ "$(ids_of_keys)" = 'product user' ] || fail "keys of: $(ids_of_keys)"
    grep -q "key=$MESH_DATA/secret/user.service-key keys=$MESH_DATA/service-keys.json" \
        "$MESH_DATA/log/user/current" || fail "user does not know its keys"
    grep -q 'key= keys=$' "$MESH_DATA/log/other/current" || fail "other was given keys"
    private=$(<"$MESH_DATA/secret/product.service-key")
    [[ $private =~ ^\{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"product\",\"x\":\"[^\"]{43}\",\"d\":\"[^\"]{43}\"\}$ ]] ||
        fail "it is no key"
    private=${private##*:}
    ! grep -rqF --exclude-dir=supervise -e "${private:1:43}" "$MESH_DATA/log" "$MESH_DATA/run" "$MESH_DATA/env" \
        "$MESH_DATA/service-keys.json" || fail "a private key got out"
    expect 0 "$SCRIPTS/up"
    [ "$(pid_of product) $(pid_of user)" = "$product $user" ] || fail "restarted for nothing"

    # another service, and another key: all who know them are told
    conf 'product @/stand-in 1 user' 'other @/stand-in 1 user' 'user @/stand-in-2 1 user'
    expect 0 "$SCRIPTS/up"
    [ "$(ids_of_keys)" = 'product other user' ] || fail "keys of: $(ids_of_keys)"
    [ "$(pid_of product)" != "$product" ] && [ "$(pid_of user)" != "$user" ] || fail "they were not told: $err"
    product=$(pid_of product) user=$(pid_of user)
    rm "$MESH_DATA/secret/other.service-key"
    expect 0 "$SCRIPTS/up"
    [ "$(pid_of product)" != "$product" ] && [ "$(pid_of user)" != "$user" ] || fail "they were not told: $err"
    echo '{"d":"secret"}' >"$MESH_DATA/secret/other.service-key"
    expect 1 "$SCRIPTS/up"
    [[ $err == *'other.service-key is no private key: remove it to get a new one'* ]] || fail "said: $err"
    ! grep -q secret <<<"${err//\/secret\//}$(<"$MESH_DATA/service-keys.json")" || fail "it got out: $err"
    expect 0 "$SCRIPTS/down"
}

signs() { grep '^signs=' "$MESH_DATA/log/user/current" | tail -n 1; }
keys() { sed -n 's/^{.*"kid":"\([0-9a-f]\{32\}\)",.*"d":"[^"]\{43\}"},\{0,1\}$/\1/p' "$MESH_DATA/secret/user.keys" | xargs; }
aged() { touch -d "$1 ago" "$MESH_DATA/secret/user.keys.taken"; }
rotate() { expect "$1" "$SCRIPTS/rotate-key" "${@:2}"; }

# S0.4, S4.16: in three steps, none of which comes too early, and nothing restarts.
test_a_signing_key_is_replaced_by_one_that_was_known_before() {
    use signing
    conf 'product @/stand-in 1 user' 'user @/stand-in-2 2 user signing-key'
    expect 0 "$SCRIPTS/up"
    local file=$MESH_DATA/secret/user.keys old next before
    before=$(pid_of product),$(pid_of user),$(pid_of user-2)
    [ "$(signs)" = "signs=$file" ] || fail "it knows $(signs)"
    [ "$(stat -c %a "$file")" = 600 ] || fail "others may read it"
    old=$(keys)
    [[ $old =~ ^[0-9a-f]{32}$ ]] || fail "keys: $old"
    rotate 1 use
    [[ $err == *'there is no next key: scripts/rotate-key next' ]] || fail "said: $err"
    rotate 1 drop
    [[ $err == *'there is no key of before: scripts/rotate-key next' ]] || fail "said: $err"

    rotate 0 next
    next=$(keys)
    [[ $next =~ ^$old\ [0-9a-f]{32}$ ]] || fail "keys: $next"
    [ "$(stat -c %a "$file")" = 600 ] || fail "others may read it"
    next=${next#* }
    rotate 1 next
    [[ $err == *'there is a next key already: scripts/rotate-key use' ]] || fail "said: $err"
    rotate 1 use
    [[ $err == *'wait for 1 more minute(s), or give --now' ]] || fail "said: $err"
    aged '7 minutes'
    rotate 0 show
    [[ $out == "next $old $next "* ]] || fail "showed: $out"
    rotate 0 use
    [ "$(keys)" = "$next $old" ] || fail "keys: $(keys)"
    rotate 1 use
    rotate 1 next
    [[ $err == *'the key before is still there: scripts/rotate-key drop' ]] || fail "said: $err"
    aged '50 minutes'
    rotate 1 drop
    [[ $err == *'wait for 10 more minute(s), or give --now' ]] || fail "said: $err"
    rotate 0 drop --now
    [ "$(keys)" = "$next" ] || fail "keys: $(keys)"

    expect 0 "$SCRIPTS/up"
    [ "$(pid_of product),$(pid_of user),$(pid_of user-2)" = "$before" ] || fail "something was restarted"
    [ "$(keys)" = "$next" ] || fail "keys: $(keys)"
    ! grep -rqF --exclude-dir=supervise -e "$(grep -o '"d":"[^"]*' "$file")" "$MESH_DATA/log" "$MESH_DATA/run" \
        "$MESH_DATA/env" || fail "a private key got out"
    expect 0 "$SCRIPTS/down"
}

test_a_step_fails_where_an_instance_does_not_follow() {
    use lagging
    tree
    conf 'user @/stand-in-2 1 user signing-key'
    expect 0 "$SCRIPTS/up"
    cp "$MESH_DATA/secret/user.keys" "$MESH_DATA/lagging"
    sed -i 's/TAKEN_LIMIT_S=30/TAKEN_LIMIT_S=1/' "$TREE/scripts/rotate-key"
    expect 1 "$TREE/scripts/rotate-key" next
    [[ $err == *'user has not taken over '* ]] || fail "said: $err"
    expect 1 "$TREE/scripts/rotate-key" use --now
    rotate 0 show
    [[ $out == "next "*' -' ]] || fail "showed: $out"

    # the time counts from when all have it
    touch -d '7 minutes ago' "$MESH_DATA/secret/user.keys"
    rm "$MESH_DATA/lagging"
    rotate 1 use
    [[ $err == *'wait for 1 more minute(s), or give --now' ]] || fail "said: $err"
    cp "$MESH_DATA/secret/user.keys" "$MESH_DATA/as-next"
    rotate 0 use --now

    # one that still signs with the key before
    local both
    both=$(keys)
    aged '2 hours'
    touch -d '2 hours ago' "$MESH_DATA/secret/user.keys"
    cp "$MESH_DATA/as-next" "$MESH_DATA/lagging"
    expect 1 "$TREE/scripts/rotate-key" drop
    [[ $err == *'user has not taken over '* ]] || fail "said: $err"
    [ "$(keys)" = "$both" ] || fail "dropped: $(keys)"
    rm "$MESH_DATA/lagging"
    expect 0 "$SCRIPTS/down"
    rotate 0 drop
    echo '{"keys":[]}' >"$MESH_DATA/secret/user.keys"
    rotate 1 next
    [[ $err == *'was not written by scripts/up'* ]] || fail "said: $err"
}

carried() {
    local line
    line=$(grep '^server=' "$MESH_DATA/log/order/current" | tail -n 1)
    echo "${line%% *}"
}

test_a_second_up_restarts_only_what_changed() {
    use again
    two_services
    expect 0 "$SCRIPTS/up"
    local product order
    product=$(pid_of product) order=$(pid_of order)
    expect 0 "$SCRIPTS/up"
    [ "$(pid_of product) $(pid_of order)" = "$product $order" ] || fail "restarted for nothing"
    echo '# another version' >>"$WORK/stand-in-2"
    expect 0 "$SCRIPTS/up"
    [ "$(pid_of product)" = "$product" ] || fail "product was restarted"
    [ "$(pid_of order)" != "$order" ] || fail "order was not restarted"

    # a setting of the user's
    order=$(pid_of order)
    echo 'MESH_LOG_LEVEL=debug' >"$MESH_DATA/config/order.conf"
    expect 0 "$SCRIPTS/up"
    [ "$(pid_of order)" != "$order" ] || fail "order was not restarted for its settings"
    grep -q "config=$MESH_DATA/config/order.conf" "$MESH_DATA/log/order/current" || fail "no MESH_CONFIG"

    # what carries the calls, this time
    expect 2 "$SCRIPTS/up" --server h3
    expect 0 "$SCRIPTS/up" --server h2
    [ "$(carried)" = server=h2 ] || fail "order was told: $(carried)"
    expect 0 "$SCRIPTS/up"
    [ "$(carried)" = server= ] || fail "order was told: $(carried)"
    MESH_SERVER=core expect 0 "$SCRIPTS/up"
    [ "$(carried)" = server=core ] || fail "order was told: $(carried)"

    # more and fewer instances; a service that is no longer listed
    expect 0 "$SCRIPTS/up" --instances product=2
    [ "$("$SCRIPTS/status" | grep -c '^product ')" -eq 2 ] || fail "$("$SCRIPTS/status")"
    grep -q 'product=ipv4:127.0.0.1:[0-9]*,127.0.0.1:[0-9]* ' "$MESH_DATA/log/order/current" ||
        fail "order does not know both"
    conf 'product @/stand-in 1 postgres nats'
    expect 0 "$SCRIPTS/up"
    [[ $("$SCRIPTS/status") =~ ^product\ [^$'\n']*$ ]] || fail "$("$SCRIPTS/status")"
    expect 0 "$SCRIPTS/down"
}

test_two_data_folders_run_side_by_side() {
    two_services
    use left
    expect 0 "$SCRIPTS/up"
    local left
    left=$("$SCRIPTS/status")
    # Where neither a mesh that looks for a free block nor a client's socket would be.
    local base=$((32000 + 20 * (RANDOM % 35)))
    use right
    MESH_PORT_BASE=$base expect 0 "$SCRIPTS/up"
    [ "$("$SCRIPTS/status" | cut -d' ' -f2)" != "$(cut -d' ' -f2 <<<"$left")" ] || fail "same ports"

    # down, and somebody takes its block meanwhile: it moves
    expect 0 "$SCRIPTS/down"
    use third
    MESH_PORT_BASE=$base expect 0 "$SCRIPTS/up" --only nats
    use right
    expect 0 "$SCRIPTS/up" --only product
    [ "$(<"$MESH_DATA/base")" != "$base" ] || fail "it did not move"
    expect 0 "$SCRIPTS/down"
    use left
    [ "$("$SCRIPTS/status")" = "$left" ] || fail "the other mesh was touched"
    expect 0 "$SCRIPTS/down"
}

# The block was free when it was chosen, and is not when it is used.
test_a_port_that_is_taken_meanwhile_makes_it_move() {
    cat >"$WORK/unlucky" <<END
#!/usr/bin/env bash
. "$SCRIPTS/lib/common.sh"
PATH=\$PATH:/usr/sbin
taken() { [ -n "\$(listening_sockets "\${MESH_LISTEN##*:}")" ]; }
if [ ! -e "$WORK/thief" ]; then
    setsid nats-server -a 127.0.0.1 -p "\${MESH_LISTEN##*:}" >/dev/null 2>&1 &
    echo "\$!" >"$WORK/thief"
    wait_until 60 taken || exit
fi
exec nats-server -a 127.0.0.1 -p "\${MESH_LISTEN##*:}"
END
    chmod +x "$WORK/unlucky"
    conf 'product @/stand-in 1 postgres nats' 'order @/unlucky 1 postgres product'
    use unlucky
    local code=0
    "$SCRIPTS/up" >"$WORK/up.log" 2>&1 || code=$?
    kill "$(<"$WORK/thief")" || fail "the port was not taken"
    [ "$code" -eq 0 ] || fail "$(<"$WORK/up.log")"
    grep -q 'are taken: using those from' "$WORK/up.log" || fail "it did not move: $(<"$WORK/up.log")"
    all_serve || fail "$("$SCRIPTS/status" --all)"
    expect 0 psql -XqAtc 'select 1' "$(<"$MESH_DATA/secret/order.url")"
    expect 0 "$SCRIPTS/down"
}

test_an_explicit_base_that_is_taken_is_an_error() {
    two_services
    use first
    expect 0 "$SCRIPTS/up" --only nats
    local base
    base=$(<"$MESH_DATA/base")
    MESH_PORT_BASE=$((base + 1000)) expect 1 "$SCRIPTS/up" --only nats
    [[ $err == *"runs with the port base $base: scripts/down first"* ]] || fail "said: $err"
    use taken
    MESH_PORT_BASE=$base expect 1 "$SCRIPTS/up"
    [[ $err == *"port $((base + 1)) of MESH_PORT_BASE=$base is taken by nats-server (process "* ]] ||
        fail "said: $err"
    MESH_PORT_BASE=high expect 1 "$SCRIPTS/up"
    MESH_PORT_BASE=1023 expect 1 "$SCRIPTS/up"
    [[ $err == *'must be a number from 1024 to '*"not '1023'"* ]] || fail "said: $err"
    use first
    expect 0 "$SCRIPTS/down"
}

# NATS cannot write its configuration, where a folder is.
test_a_base_that_never_served_is_not_remembered() {
    two_services
    use unserved
    local base=$((32000 + 20 * (RANDOM % 35)))
    mkdir -p "$MESH_DATA/nats/nats.conf"
    MESH_PORT_BASE=$base expect 1 "$SCRIPTS/up" --only nats
    [[ $err == *'not started: nats'* ]] || fail "said: $err"
    expect 1 "$SCRIPTS/status" --all
    rmdir "$MESH_DATA/nats/nats.conf"
    expect 0 "$SCRIPTS/up" --only nats
    [ "$(<"$MESH_DATA/base")" != "$base" ] || fail "it stayed at $base"
    base=$(<"$MESH_DATA/base")
    expect 0 "$SCRIPTS/down"
    expect 0 "$SCRIPTS/up" --only nats
    [ "$(<"$MESH_DATA/base")" = "$base" ] || fail "it moved from $base"
    expect 0 "$SCRIPTS/down"
}

# S1.8
test_only_starts_a_part() {
    two_services
    use only
    local free
    free=$(random_port)
    MESH_LISTEN=127.0.0.1:$free expect 0 "$SCRIPTS/up" --only postgres,nats,product
    [ "$("$SCRIPTS/status")" = "product 127.0.0.1:$free SERVING" ] || fail "$("$SCRIPTS/status")"
    MESH_LISTEN=127.0.0.1:$free expect 1 "$SCRIPTS/up"
    expect 0 "$SCRIPTS/up" --only order
    [[ $("$SCRIPTS/status") == *"$free SERVING"*order*SERVING ]] || fail "$("$SCRIPTS/status")"
    [[ $err != *needs* ]] || fail "said: $err"
    expect 2 "$SCRIPTS/up" --only nobody
    [[ $err == *"there is no 'nobody' (there are: postgres nats product order)"* ]] || fail "said: $err"
    expect 2 "$SCRIPTS/up" --instances product=0
    [[ $err == *"1 to 4 of 'product', not 0"* ]] || fail "said: $err"
    expect 0 "$SCRIPTS/down"
}

test_only_says_when_what_is_asked_is_not_there_or_not_up_to_date() {
    use only-needs
    conf 'user @/stand-in 1 user' 'product @/stand-in 1 user'
    expect 0 "$SCRIPTS/up" --only product
    [[ $err == *'product needs user, which does not run: scripts/up --only user'* ]] || fail "said: $err"
    expect 0 "$SCRIPTS/up" --only user
    [[ $err != *needs* ]] || fail "said: $err"
    conf 'user @/stand-in 1 user' 'product @/stand-in 1 user' 'order @/stand-in 1 user'
    expect 0 "$SCRIPTS/up" --only order
    [[ $err == *'order needs user, which runs as it was before: scripts/up --only user'* ]] ||
        fail "said: $err"
    expect 0 "$SCRIPTS/up" --only user
    expect 0 "$SCRIPTS/up" --only order
    [[ $err != *needs* ]] || fail "said: $err"
    expect 0 "$SCRIPTS/down"
}

test_debug_runs_a_service_in_its_place_and_gives_it_back() {
    two_services
    use debug
    expect 0 "$SCRIPTS/up" --only product
    local before
    before=$(pid_of product)
    mkdir -p "$WORK/bin"
    cat >"$WORK/bin/gdb" <<END
#!/bin/sh
echo "\$@"
env -u MESH_LISTEN "$SCRIPTS/up" --only product 2>&1
"$SCRIPTS/status"
"$SCRIPTS/down" --wipe 2>&1
env
END
    chmod +x "$WORK/bin/gdb"
    PATH=$WORK/bin:$PATH expect 0 "$SCRIPTS/debug" product -ex run
    [[ $out == *"-ex run --args $MESH_DATA/bin/product"* ]] || fail "gdb was called with: $out"
    [[ $out == *'-iex unset environment MESH_DATA'* ]] || fail "our settings reach it: $out"
    [[ $out == *'leaving product to scripts/debug'* ]] || fail "up took it away: $out"
    [[ $out == *"product 127.0.0.1:$(port product) DOWN"* ]] || fail "it ran beside: $out"
    [[ $out == *"MESH_LISTEN=127.0.0.1:$(port product)"* ]] || fail "another environment: $out"
    [[ $out =~ down:\ scripts/debug\ \(process\ [0-9]+\)\ holds\ product:\ quit\ it\ first ]] ||
        fail "down did not refuse: $out"
    [ -s "$MESH_DATA/secret/product.url" ] || fail "the data was wiped under the debugger"
    given_back() { is_serving product && [ "$(pid_of product)" != "$before" ]; }
    wait_until 20 given_back || fail "it was not given back"
    expect 1 "$SCRIPTS/debug" nobody
    expect 0 "$SCRIPTS/down"
}

# With a real service and a real terminal: Ctrl-C is what the terminal makes of the byte 3.
test_control_c_breaks_in_under_the_debugger() {
    command -v gdb >/dev/null || skip "no gdb here: scripts/setup --dev"
    conf "hello $(readlink -f examples/hello/hello_service) 1"
    use break-in
    expect 0 "$SCRIPTS/up"
    local seen=$WORK/seen terminal keys
    mkfifo "$WORK/keys"
    SHELL=/bin/bash TERM=dumb script -qfec "$(printf '%q ' "$SCRIPTS/debug" hello -ex run)" "$seen" \
        <"$WORK/keys" >/dev/null 2>&1 &
    terminal=$!
    trap 'kill "$terminal" 2>/dev/null || true' EXIT
    exec {keys}>"$WORK/keys"
    says() { [ -e "$seen" ] && [ "$(grep -c -- "$1" "$seen")" -ge "${2-1}" ]; }
    wait_until 60 says '"message":"listening"' || fail "it does not run: $(<"$seen")"
    wait_until 30 all_serve || fail "it serves, but its state is $("$SCRIPTS/status")"
    printf '\003' >&"$keys"
    wait_until 30 says 'received signal SIGINT' || fail "Ctrl-C: $(<"$seen")"
    printf 'continue\n' >&"$keys"
    wait_until 30 says 'Continuing' || fail "continue: $(<"$seen")"
    printf '\003' >&"$keys"
    wait_until 30 says 'received signal SIGINT' 2 || fail "Ctrl-C again: $(<"$seen")"
    ! says draining || fail "it drained: $(<"$seen")"
    printf 'signal SIGTERM\n' >&"$keys"
    wait_until 30 says 'exited normally' || fail "SIGTERM: $(<"$seen")"
    [[ $("$SCRIPTS/status") == *' DOWN' ]] || fail "it ended, but its state is $("$SCRIPTS/status")"
    printf 'quit\n' >&"$keys"
    exec {keys}>&-
    wait "$terminal" || fail "gdb ended with $?: $(<"$seen")"
    trap - EXIT
    wait_until 20 all_serve || fail "it was not given back"
    expect 0 "$SCRIPTS/down"
}

test_a_failure_names_the_part_and_shows_its_log() {
    conf 'product @/stand-in 1 postgres nats' 'order @/broken 1 postgres'
    use failure
    expect 1 "$SCRIPTS/up"
    [[ $err == *'not started: order'*'last with exit code 2'*'no such setting'* ]] || fail "said: $err"
    is_serving product || fail "product was stopped"
    tries() { cut -d' ' -f1 "$MESH_DATA/run/order/ended"; }
    local before
    before=$(tries)
    is_tried_again() { [ "$(tries)" -gt "$before" ]; }
    wait_until 20 is_tried_again || fail "order is not tried again: $(sv status "$MESH_DATA/run/order")"
    expect 1 "$SCRIPTS/up"
    printf '#!/bin/sh\necho "no such peer"\nexit 2\n' >"$WORK/broken"
    expect 1 "$SCRIPTS/up"
    [[ $err == *'the end of '*'no such peer'* && $err != *'no such setting'* ]] || fail "said: $err"
    cat >"$WORK/broken" <<'END'
#!/bin/sh
echo "MESH_NATS_URL: is required and not given, nor is MESH_NATS_URL_FILE: the broker"
echo "MESH_PRODUCT_TARGET: is required and not given: where the service product is"
exit 2
END
    expect 1 "$SCRIPTS/up"
    [[ $err == *"its line of $MESH_SERVICES_CONF needs nats, product"* ]] || fail "said: $err"
    expect 0 "$SCRIPTS/down"
    conf 'product @/nowhere 1 postgres'
    expect 1 "$SCRIPTS/up"
    [[ $err == *'there is no program'* ]] || fail "said: $err"
    conf 'product @/stand-in 1 orders'
    expect 1 "$SCRIPTS/up"
    [[ $err == *"needs 'orders', which is not there"* ]] || fail "said: $err"
    conf 'product @/stand-in many postgres'
    expect 1 "$SCRIPTS/up"
    [[ $err == *"line 1: 'product' needs a number of instances"* ]] || fail "said: $err"
}

run_tests
