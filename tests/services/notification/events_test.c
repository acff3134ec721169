/*
 * What people hear about what happens in other services: their events, also of those to come, as
 * they come from the bus.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "notification/v1/notification.mesh.h"
#include "order/v1/events.mesh.h"
#include "payment/v1/events.mesh.h"
#include "tests/fixtures/nats.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/services/shop/people.h"
#include "tests/services/shop/shop.h"
#include "ticket/v1/events.mesh.h"

static instance self;
static person ada;
static mesh_db *db;    /* the service's */
static mesh_db *press; /* of who publishes */
static mesh_events *events;
static mesh_arena *arena;
static mesh_error err;

static int open_all(void **state)
{
    char url[POSTGRES_URL_BYTES];
    if (shop_setup(state) != 0)
        return -1;
    instance_start(&self, "notification", NULL, NULL);
    db = shop_open("notification");
    person_join(&ada, "ada");
    WAIT_FOR(strcmp(postgres_value(db, "SELECT count(*) FROM user_copy"), "1") == 0);
    postgres_create_database("press", url);
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = url}, &press, &err), MESH_OK);
    assert_int_equal(mesh_migrate(press, "mesh_events", mesh_events_migrations(), &err), MESH_OK);
    assert_int_equal(mesh_events_create(
                         &(mesh_events_options){.url = nats_url(), .service = "press", .db = press},
                         &events, &err),
                     MESH_OK);
    return mesh_events_start(events, &err) != MESH_OK;
}

static int close_all(void **state)
{
    mesh_events_drain(events, 10000);
    mesh_events_destroy(events);
    mesh_db_destroy(press);
    mesh_db_destroy(db);
    instance_stop(&self);
    return shop_teardown(state);
}

static int begin_test(void **state)
{
    (void)state;
    postgres_value(db, "TRUNCATE notification");
    shop_call_as(&ada);
    arena = mesh_arena_create(4096, 0);
    return arena == NULL;
}

static int end_test(void **state)
{
    (void)state;
    mesh_arena_destroy(arena);
    return 0;
}

/* Adds an event in a transaction of its own; `add` is a generated function. */
#define EMIT(add, event)                                                   \
    do {                                                                   \
        mesh_tx *tx_;                                                      \
        assert_int_equal(mesh_tx_begin(press, NULL, &tx_, &err), MESH_OK); \
        assert_int_equal(add(tx_, (event), &err), MESH_OK);                \
        assert_int_equal(mesh_tx_commit(tx_, &err), MESH_OK);              \
    } while (0)

/* The n notifications that ada has in the end, the oldest first. */
static Notification__V1__Notification **heard(size_t n)
{
    Notification__V1__ListNotificationsRequest request =
        NOTIFICATION__V1__LIST_NOTIFICATIONS_REQUEST__INIT;
    Notification__V1__ListNotificationsResponse *page = NULL;
    const mesh_call_options options = {.arena = arena};
    WAIT_FOR(notification__v1__notification_service__list_notifications(
                 self.channel, &request, &page, &options, &err) == MESH_OK &&
             page->n_notifications == n);
    for (size_t i = 0; i < n / 2; i++) {
        Notification__V1__Notification *one = page->notifications[i];
        page->notifications[i] = page->notifications[n - 1 - i];
        page->notifications[n - 1 - i] = one;
    }
    return page->notifications;
}

static void expect(const Notification__V1__Notification *one,
                   Notification__V1__Notification__Kind kind, const char *resource,
                   const char *text)
{
    assert_int_equal(one->kind, kind);
    assert_string_equal(one->resource, resource);
    assert_string_equal(one->text, text);
    assert_string_equal(one->user_id, ada.id);
}

#define KIND(name) NOTIFICATION__V1__NOTIFICATION__KIND__##name

/* S0.16, S4.8 */
static void who_placed_an_order_hears_what_becomes_of_it(void **state)
{
    (void)state;
    Order__V1__OrderCreated created = ORDER__V1__ORDER_CREATED__INIT;
    Order__V1__OrderCompleted completed = ORDER__V1__ORDER_COMPLETED__INIT;
    created.order_id = completed.order_id = "o1";
    created.user_id = completed.user_id = ada.id;
    created.ticket_id = completed.ticket_id = "t1";
    created.version = 1;
    completed.version = 2;
    EMIT(order__v1__order_created__add, &created);
    heard(1);
    EMIT(order__v1__order_completed__add, &completed);
    Notification__V1__Notification **all = heard(2);
    expect(all[0], KIND(ORDER_CREATED), "orders/o1", "Order o1 was placed: a ticket");
    expect(all[1], KIND(ORDER_COMPLETED), "orders/o1", "Order o1 is paid");
}

/* S0.16, S4.8 */
static void who_did_not_pay_hears_why_the_order_is_gone(void **state)
{
    (void)state;
    Order__V1__OrderExpired expired = ORDER__V1__ORDER_EXPIRED__INIT;
    Order__V1__OrderCancelled cancelled = ORDER__V1__ORDER_CANCELLED__INIT;
    Order__V1__OrderCancelled unpaid = ORDER__V1__ORDER_CANCELLED__INIT;
    expired.version = cancelled.version = unpaid.version = 1;
    expired.user_id = cancelled.user_id = unpaid.user_id = ada.id;
    expired.order_id = "o2";
    cancelled.order_id = "o3";
    cancelled.cause = ORDER__V1__ORDER_CANCELLED__CAUSE__BUYER;
    unpaid.order_id = "o4";
    unpaid.cause = ORDER__V1__ORDER_CANCELLED__CAUSE__PAYMENT_FAILED;
    EMIT(order__v1__order_expired__add, &expired);
    heard(1);
    EMIT(order__v1__order_cancelled__add, &cancelled);
    heard(2);
    EMIT(order__v1__order_cancelled__add, &unpaid);
    Notification__V1__Notification **all = heard(3);
    expect(all[0], KIND(ORDER_EXPIRED), "orders/o2", "Order o2 was not paid in time");
    expect(all[1], KIND(ORDER_CANCELLED), "orders/o3", "Order o3 was cancelled");
    expect(all[2], KIND(ORDER_CANCELLED), "orders/o4",
           "Order o4 was cancelled: the payment failed");
}

/* S0.16, S4.8: of one that is paid the order tells. */
static void who_pays_hears_of_a_charge_that_failed(void **state)
{
    (void)state;
    const Payment__V1__Charge__State states[] = {PAYMENT__V1__CHARGE__STATE__COMPLETED,
                                                 PAYMENT__V1__CHARGE__STATE__FAILED};
    char *const ids[] = {"c1", "c2"};
    for (size_t i = 0; i < 2; i++) {
        Payment__V1__ChargeCreated event = PAYMENT__V1__CHARGE_CREATED__INIT;
        Payment__V1__Charge charge = PAYMENT__V1__CHARGE__INIT;
        event.charge_id = charge.id = ids[i];
        event.version = charge.version = 1;
        event.charge = &charge;
        charge.order_id = "o5";
        charge.user_id = ada.id;
        charge.state = states[i];
        EMIT(payment__v1__charge_created__add, &event);
    }
    expect(heard(1)[0], KIND(PAYMENT_FAILED), "orders/o5", "The payment of order o5 failed");
}

/* S0.16, S4.8: when it is for sale and when it is sold, and not when it is kept for somebody. */
static void who_sells_a_ticket_hears_of_the_sale(void **state)
{
    (void)state;
    Ticket__V1__TicketCreated created = TICKET__V1__TICKET_CREATED__INIT;
    Ticket__V1__TicketUpdated updated = TICKET__V1__TICKET_UPDATED__INIT;
    Ticket__V1__Ticket ticket = TICKET__V1__TICKET__INIT;
    ticket.id = created.ticket_id = updated.ticket_id = "t2";
    ticket.user_id = ada.id;
    ticket.title = "Odyssey";
    created.ticket = updated.ticket = &ticket;
    created.version = 1;
    EMIT(ticket__v1__ticket_created__add, &created);
    heard(1);
    updated.version = 2;
    ticket.state = TICKET__V1__TICKET__STATE__LOCKED;
    EMIT(ticket__v1__ticket_updated__add, &updated);
    updated.version = 3;
    ticket.state = TICKET__V1__TICKET__STATE__SOLD;
    EMIT(ticket__v1__ticket_updated__add, &updated);
    Notification__V1__Notification **all = heard(2);
    expect(all[0], KIND(TICKET_FOR_SALE), "tickets/t2", "Your ticket \"Odyssey\" is for sale");
    expect(all[1], KIND(TICKET_SOLD), "tickets/t2", "Your ticket \"Odyssey\" was sold");
}

/* S0.16 */
static void who_was_banned_hears_that_it_is_over(void **state)
{
    (void)state;
    person_ban(&ada);
    person_unban(&ada);
    expect(heard(1)[0], KIND(ACCOUNT_OPENED), "", "Your account is open again");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)
    const struct CMUnitTest tests[] = {
        TEST(who_placed_an_order_hears_what_becomes_of_it),
        TEST(who_did_not_pay_hears_why_the_order_is_gone),
        TEST(who_pays_hears_of_a_charge_that_failed),
        TEST(who_sells_a_ticket_hears_of_the_sale),
        TEST(who_was_banned_hears_that_it_is_over),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
