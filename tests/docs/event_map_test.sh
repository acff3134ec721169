#!/usr/bin/env bash
# The map of events in docs/events.md is that of the tree.
set -euo pipefail
# shellcheck source=tests/scripts/lib.sh
. tests/scripts/lib.sh

TREE=$(readlink -f docs/events.md)
TREE=${TREE%/docs/events.md}
cd -- "$TREE"

# S4.8
test_the_map_says_who_publishes_and_who_consumes_each_event() {
    local made
    made=$(scripts/lib/event-map)
    [[ $(<docs/events.md) == *"$made"* ]] ||
        fail 'docs/events.md is stale; refresh it with: scripts/lib/event-map --write'
}

# S4.8
test_every_event_of_the_ticket_marketplace_is_in_the_contract() {
    local name made
    made=$(scripts/lib/event-map)
    for name in UserCreated UserUpdated UserBanned TicketCreated TicketUpdated OrderCreated \
        OrderCancelled OrderExpired OrderCompleted ChargeCreated; do
        [[ $made == *".v1.$name\`"* ]] || fail "$name is not there"
    done
}

# shellcheck disable=SC2016
test_what_a_service_adds_or_consumes_is_found_in_its_sources() {
    local made
    made=$(scripts/lib/event-map)
    [[ $made == *'| `order.v1.OrderCreated` | order | notification, product |'* ]] ||
        fail "order.v1.OrderCreated is published by order alone, and consumed by two"
    [[ $made == *'| `user.v1.UserBanned` | user | notification, every service'* ]] ||
        fail "user.v1.UserBanned is heard by every service"
}

# S4.9: a tree with one event and services that take it in each way.
# shellcheck disable=SC2016
test_who_takes_several_at_once_or_one_alone_consumes() {
    local tree=$WORK/tree made
    mkdir -p -- "$tree"/{scripts/lib,proto,mesh} "$tree"/services/{alone,both,several}
    cp -- scripts/lib/{event-map,common.sh} "$tree/scripts/lib"
    printf '%s\n' 'package a.v1;' 'message BirdSeen {' '    subject: "a.v1.BirdSeen"' \
        '    version: "version"' '}' >"$tree/proto/a.proto"
    echo 'a__v1__bird_seen__consumer(f, NULL)' | tee "$tree/services/alone/main.c" \
        >"$tree/services/both/main.c"
    echo 'a__v1__bird_seen__batch_consumer(f, NULL)' | tee "$tree/services/several/main.c" \
        >>"$tree/services/both/main.c"
    made=$("$tree/scripts/lib/event-map")
    [[ $made == *'| `a.v1.BirdSeen` | (a service to come) | alone, both, several |'* ]] ||
        fail "$made"
}

run_tests
