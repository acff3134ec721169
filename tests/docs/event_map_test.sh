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

run_tests
