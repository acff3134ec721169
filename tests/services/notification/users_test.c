/* The copies of users, with a real database: from events, and from what the user service says. */
#include "services/notification/users.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "services/notification/notification.h"
#include "services/notification/store.h"
#include "tests/fixtures/postgres.h"
#include "tests/services/notification/database.h"

#define ADA "0190a000-0000-7000-8000-00000000000a"
#define BOB "0190a000-0000-7000-8000-00000000000b"
#define EVE "0190a000-0000-7000-8000-00000000000e"

/* All of a copy but the time, as one text. */
#define WHOLE                                                                         \
    "SELECT concat_ws(' ', version, deleted, username, first_name, last_name, kind, " \
    "roles, banned) FROM user_copy WHERE id = '"

/* Whom the consumers are of; nobody watches. */
static notification_service service;

static int open_service(void **state)
{
    if (database_setup(state) != 0)
        return -1;
    service.db = db;
    return notification_feed_create(db, 60000, &service.feed, &err) != MESH_OK;
}

static int close_service(void **state)
{
    notification_feed_end(service.feed);
    notification_feed_destroy(service.feed);
    return database_teardown(state);
}

static int begin_test(void **state)
{
    (void)state;
    mesh_error_clear(&err);
    postgres_value(db, "TRUNCATE user_copy, notification");
    return 0;
}

/* --- users, as the user service says them ----------------------------------------------------- */

enum {
    STAGES = 5 /* of a life: created, updated, banned, unbanned, deleted */
};

static User__V1__User *person(const char *id, int64_t version)
{
    static User__V1__User users[8];
    static User__V1__Profile profiles[8];
    static char usernames[8][32];
    static User__V1__Role roles[] = {USER__V1__ROLE__REGULAR, USER__V1__ROLE__CONSUMER,
                                     USER__V1__ROLE__PRO};
    static size_t next;
    size_t n = next++ % 8;
    snprintf(usernames[n], sizeof usernames[n], "name%s", strrchr(id, '0'));
    user__v1__profile__init(&profiles[n]);
    profiles[n].first_name = (char *)"Ada";
    profiles[n].last_name = (char *)(version == 1 ? "Byron" : "Lovelace \"\\ Ünïcode");
    user__v1__user__init(&users[n]);
    users[n].id = (char *)id;
    users[n].version = version;
    users[n].username = usernames[n];
    users[n].kind = USER__V1__USER__KIND__CONSUMER;
    users[n].roles = roles;
    users[n].n_roles = version == 1 ? 2 : 3;
    users[n].banned = version == 3;
    users[n].profile = &profiles[n];
    return &users[n];
}

/* What copies of these versions look like: bits 1, 2 and 3 are the roles. */
static const char *const wholes[STAGES + 1] = {
    "",
    "1 f name0a Ada Byron 1 6 f",
    "2 f name0a Ada Lovelace \"\\ Ünïcode 1 14 f",
    "3 f name0a Ada Lovelace \"\\ Ünïcode 1 14 t",
    "4 f name0a Ada Lovelace \"\\ Ünïcode 1 14 f",
    "5 t    0 0 f",
};

static const char *copy_of(const char *id)
{
    char sql[256];
    snprintf(sql, sizeof sql, WHOLE "%s'", id);
    return postgres_value(db, sql);
}

static mesh_code consume(mesh_tx *tx, int stage)
{
    switch (stage) {
    case 1: {
        User__V1__UserCreated event = USER__V1__USER_CREATED__INIT;
        event.user_id = (char *)ADA;
        event.user = person(ADA, stage);
        return notification_user_created(&service, tx, NULL, &event, &err);
    }
    case 2: {
        User__V1__UserUpdated event = USER__V1__USER_UPDATED__INIT;
        event.user_id = (char *)ADA;
        event.user = person(ADA, stage);
        return notification_user_updated(&service, tx, NULL, &event, &err);
    }
    case 3: {
        User__V1__UserBanned event = USER__V1__USER_BANNED__INIT;
        event.user_id = (char *)ADA;
        event.user = person(ADA, stage);
        return notification_user_banned(&service, tx, NULL, &event, &err);
    }
    case 4: {
        User__V1__UserUnbanned event = USER__V1__USER_UNBANNED__INIT;
        event.user_id = (char *)ADA;
        event.user = person(ADA, stage);
        return notification_user_unbanned(&service, tx, NULL, &event, &err);
    }
    default: {
        User__V1__UserDeleted event = USER__V1__USER_DELETED__INIT;
        event.user_id = (char *)ADA;
        event.version = stage;
        return notification_user_deleted(&service, tx, NULL, &event, &err);
    }
    }
}

static mesh_tx *begin(void)
{
    mesh_tx *tx;
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, &err), MESH_OK);
    return tx;
}

static void hear(int stage)
{
    mesh_tx *tx = begin();
    assert_int_equal(consume(tx, stage), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
}

/* Records a notification; "" is sent by nobody. False: there was nothing to record. */
static bool record(const char *user, const char *sender)
{
    const notification_draft draft = {.kind = NOTIFICATION__V1__NOTIFICATION__KIND__MESSAGE,
                                      .user_id = user,
                                      .text = "text",
                                      .resource = "",
                                      .sender_id = sender,
                                      .request_id = ""};
    Notification__V1__Notification *made;
    mesh_tx *tx = begin();
    assert_int_equal(notification_store_add(tx, mesh_tx_arena(tx), &draft, &made, &err), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
    return made != NULL;
}

static const char *notifications_of(const char *id)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM notification WHERE user_id = '%s'", id);
    return postgres_value(db, sql);
}

/* --- events ----------------------------------------------------------------------------------- */

/* All orders of what is left in `stages`, behind what was heard so far. */
static void hear_in_all_orders(const int *heard, int count, unsigned left, int highest)
{
    if (left == 0) {
        postgres_value(db, "TRUNCATE user_copy");
        for (int i = 0; i < count; i++) {
            hear(heard[i]);
            if (i % 2 == 0)
                hear(heard[i / 2]); /* one comes again */
        }
        assert_string_equal(copy_of(ADA), wholes[highest]);
        return;
    }
    for (int stage = 1; stage <= STAGES; stage++)
        if (left & (1u << stage)) {
            int more[STAGES];
            memcpy(more, heard, (size_t)count * sizeof *heard);
            more[count] = stage;
            hear_in_all_orders(more, count + 1, left & ~(1u << stage), highest);
        }
}

/* S0.3, S0.7 */
static void a_copy_follows_events_in_any_order_and_twice(void **state)
{
    (void)state;
    hear_in_all_orders((int[STAGES]){0}, 0, 0x1e, 4);
}

/* S0.7 */
static void a_deleted_user_is_not_revived_by_what_comes_late(void **state)
{
    (void)state;
    hear_in_all_orders((int[STAGES]){0}, 0, 0x3e, 5);
    hear_in_all_orders((int[STAGES]){0}, 0, 0x22, 5); /* some were missed */
}

/* Which row version there is: another one was written. */
static const char *row_version(char text[64])
{
    snprintf(text, 64, "%s", postgres_value(db, "SELECT (xmin, ctid) FROM user_copy"));
    return text;
}

/* S0.7 */
static void the_same_event_again_does_not_even_write(void **state)
{
    (void)state;
    char before[64];
    char after[64];
    hear(2);
    row_version(before);
    hear(2);
    hear(1);
    assert_string_equal(row_version(after), before);
    hear(5);
    row_version(before);
    hear(5);
    hear(4);
    assert_string_equal(row_version(after), before);
}

static void an_event_without_its_user_is_refused(void **state)
{
    (void)state;
    mesh_tx *tx = begin();
    User__V1__UserCreated created = USER__V1__USER_CREATED__INIT;
    User__V1__UserDeleted deleted = USER__V1__USER_DELETED__INIT;
    created.user_id = (char *)ADA;
    assert_int_equal(notification_user_created(&service, tx, NULL, &created, &err),
                     MESH_INVALID_ARGUMENT);
    created.user = person(BOB, 1);
    assert_int_equal(notification_user_created(&service, tx, NULL, &created, &err),
                     MESH_INVALID_ARGUMENT);
    created.user = person(ADA, 0);
    assert_int_equal(notification_user_created(&service, tx, NULL, &created, &err),
                     MESH_INVALID_ARGUMENT);
    created.user_id = created.user->id = (char *)"";
    created.user->version = 1;
    assert_int_equal(notification_user_created(&service, tx, NULL, &created, &err),
                     MESH_INVALID_ARGUMENT);
    assert_int_equal(notification_user_deleted(&service, tx, NULL, &deleted, &err),
                     MESH_INVALID_ARGUMENT);
    mesh_tx_rollback(tx);
}

static void a_user_without_a_profile_has_no_names(void **state)
{
    (void)state;
    User__V1__User *user = person(ADA, 1);
    mesh_tx *tx = begin();
    user->profile = NULL;
    assert_int_equal(notification_users_put(tx, user, &err), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
    assert_string_equal(copy_of(ADA), "1 f name0a   1 6 f");
}

/* Roles of a later contract are more than a copy can have. */
static void a_role_that_has_no_bit_is_left_out(void **state)
{
    (void)state;
    User__V1__Role roles[] = {(User__V1__Role)-1, USER__V1__ROLE__STAFF, (User__V1__Role)63,
                              (User__V1__Role)62, USER__V1__ROLE__ROLE_UNSPECIFIED};
    User__V1__User *user = person(ADA, 1);
    mesh_tx *tx = begin();
    user->roles = roles;
    user->n_roles = 5;
    assert_int_equal(notification_users_put(tx, user, &err), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
    char both[32];
    snprintf(both, sizeof both, "%lld", (long long)((INT64_C(1) << 62) | (1 << 6)));
    assert_string_equal(postgres_value(db, "SELECT roles FROM user_copy"), both);
}

/* --- notifications of users ------------------------------------------------------------------- */

static void notifications_go_with_their_user(void **state)
{
    (void)state;
    hear(1);
    assert_true(record(ADA, ""));
    assert_true(record(ADA, EVE));
    assert_true(record(BOB, ""));
    hear(5);
    assert_string_equal(notifications_of(ADA), "0");
    assert_string_equal(notifications_of(BOB), "1");
}

static void nothing_is_recorded_for_a_deleted_user(void **state)
{
    (void)state;
    hear(5);
    assert_false(record(ADA, ""));
    assert_false(record(ADA, EVE));
    assert_string_equal(notifications_of(ADA), "0");
}

/* An order may be heard of before its user is, but nobody sends to a stranger. */
static void a_stranger_is_told_of_orders_only(void **state)
{
    (void)state;
    assert_true(record(ADA, ""));
    assert_false(record(ADA, EVE));
    assert_true(record("", ""));
    assert_string_equal(notifications_of(ADA), "1");
}

/* Whoever deletes waits for one who records, and finds what that recorded. */
static void a_notification_cannot_slip_past_a_deletion(void **state)
{
    (void)state;
    const notification_draft draft = {.kind = NOTIFICATION__V1__NOTIFICATION__KIND__MESSAGE,
                                      .user_id = ADA,
                                      .text = "text",
                                      .resource = "",
                                      .sender_id = "",
                                      .request_id = ""};
    Notification__V1__Notification *made;
    const mesh_tx_options soon = {.deadline_ns = mesh_clock_deadline_ns(200)};
    hear(1);
    mesh_tx *recording = begin();
    assert_int_equal(
        notification_store_add(recording, mesh_tx_arena(recording), &draft, &made, &err), MESH_OK);
    mesh_tx *deleting;
    assert_int_equal(mesh_tx_begin(db, &soon, &deleting, &err), MESH_OK);
    assert_int_equal(consume(deleting, 5), MESH_DEADLINE_EXCEEDED);
    mesh_tx_rollback(deleting);
    assert_int_equal(mesh_tx_commit(recording, &err), MESH_OK);
    hear(5);
    assert_string_equal(notifications_of(ADA), "0");
}

/* --- repairs ---------------------------------------------------------------------------------- */

static int64_t database_time(void)
{
    mesh_rows *rows;
    assert_int_equal(
        mesh_db_query(db, 0, "SELECT clock_timestamp()", MESH_SQL_NO_PARAMS, &rows, &err), MESH_OK);
    int64_t now_ns = mesh_rows_time(rows, 0, 0);
    mesh_rows_end(rows);
    return now_ns;
}

static reconciler_counts repair(User__V1__User *const *users, size_t count, reconciler_span span)
{
    reconciler_counts counts;
    mesh_tx *tx = begin();
    assert_int_equal(notification_users_repair(tx, users, count, &span, &counts, &err), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
    return counts;
}

static void expect_counts(reconciler_counts counts, int64_t missing, int64_t stale, int64_t gone)
{
    assert_true(counts.missing == missing);
    assert_true(counts.stale == stale);
    assert_true(counts.gone == gone);
    assert_true(counts.doubted == 0);
}

static void expect_doubted(reconciler_counts counts, int64_t doubted)
{
    assert_true(counts.doubted == doubted);
    counts.doubted = 0;
    expect_counts(counts, 0, 0, 0);
}

/* As if the doubts had begun earlier. */
static void doubt_for(const char *interval)
{
    char sql[128];
    snprintf(sql, sizeof sql, "UPDATE user_copy SET doubt_time = doubt_time - interval '%s'",
             interval);
    postgres_value(db, sql);
}

static reconciler_span whole(void)
{
    return (reconciler_span){.after = "", .asked_ns = database_time()};
}

static void put(const char *id, int64_t version)
{
    mesh_tx *tx = begin();
    assert_int_equal(notification_users_put(tx, person(id, version), &err), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
}

/* S0.8 */
static void whatever_a_copy_has_wrong_is_repaired(void **state)
{
    (void)state;
    static const char *const damages[] = {
        "UPDATE user_copy SET version = 1 WHERE id = '" ADA "'",
        "UPDATE user_copy SET version = 9 WHERE id = '" ADA "'",
        "UPDATE user_copy SET deleted = true WHERE id = '" ADA "'",
        "UPDATE user_copy SET username = 'x' WHERE id = '" ADA "'",
        "UPDATE user_copy SET first_name = 'x' WHERE id = '" ADA "'",
        "UPDATE user_copy SET last_name = 'x' WHERE id = '" ADA "'",
        "UPDATE user_copy SET kind = 4 WHERE id = '" ADA "'",
        "UPDATE user_copy SET roles = 128 WHERE id = '" ADA "'",
        "UPDATE user_copy SET banned = true WHERE id = '" ADA "'",
    };
    put(ADA, 2);
    put(BOB, 1);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        postgres_value(db, damages[i]);
        assert_string_not_equal(copy_of(ADA), wholes[2]);
        User__V1__User *users[] = {person(ADA, 2), person(BOB, 1)};
        const reconciler_span span = {.after = "", .asked_ns = database_time()};
        expect_counts(repair(users, 2, span), 0, 1, 0);
        assert_string_equal(copy_of(ADA), wholes[2]);
        expect_counts(repair(users, 2, span), 0, 0, 0);
    }
    postgres_value(db, "DELETE FROM user_copy");
    User__V1__User *users[] = {person(ADA, 2), person(BOB, 1)};
    expect_counts(repair(users, 2, (reconciler_span){.after = "", .asked_ns = database_time()}), 2,
                  0, 0);
    assert_string_equal(copy_of(ADA), wholes[2]);
}

/* S0.8: the copy went on while the page was on its way. */
static void what_came_after_the_page_was_asked_for_stays(void **state)
{
    (void)state;
    const reconciler_span span = {.after = "", .asked_ns = database_time()};
    put(ADA, 3);
    put(BOB, 1);
    User__V1__User *users[] = {person(ADA, 2)};
    expect_counts(repair(users, 1, span), 0, 0, 0);
    assert_string_equal(copy_of(ADA), wholes[3]);
    hear(5);
    expect_counts(repair(users, 1, span), 0, 0, 0);
    assert_string_equal(copy_of(ADA), wholes[5]);
    assert_string_equal(postgres_value(db, "SELECT deleted FROM user_copy WHERE id = '" BOB "'"),
                        "f");
    /* A higher version counts whenever it comes. */
    User__V1__User *later[] = {person(BOB, 2)};
    expect_counts(repair(later, 1, span), 0, 1, 0);
}

/* S0.8 */
static void who_is_gone_is_marked_within_the_span_alone(void **state)
{
    (void)state;
    put(ADA, 2);
    put(BOB, 1);
    put(EVE, 1);
    assert_true(record(BOB, ""));
    const reconciler_span span = {.after = ADA, .last = BOB, .asked_ns = database_time()};
    expect_doubted(repair(NULL, 0, span), 1);
    doubt_for("11 minutes");
    expect_counts(repair(NULL, 0, span), 0, 0, 1);
    assert_string_equal(copy_of(BOB), "1 t    0 0 f");
    assert_string_equal(copy_of(ADA), wholes[2]);
    assert_string_equal(postgres_value(db, "SELECT deleted FROM user_copy WHERE id = '" EVE "'"),
                        "f");
    /* Marks are not marked again, and can be taken back with what was the user's. */
    User__V1__User *one[] = {person(ADA, 2)};
    expect_doubted(repair(one, 1, whole()), 1);
    doubt_for("11 minutes");
    expect_counts(repair(one, 1, whole()), 0, 0, 1);
    User__V1__User *three[] = {person(ADA, 2), person(BOB, 1), person(EVE, 1)};
    expect_counts(repair(three, 3, whole()), 0, 2, 0);
    assert_string_equal(notifications_of(BOB), "1");
}

/* S0.8: what would not be recorded because of a list that was wrong would be lost. */
static void who_is_missing_once_is_told_as_before(void **state)
{
    (void)state;
    put(ADA, 2);
    put(BOB, 1);
    const char *before = "1 f name0b Ada Byron 1 6 f";
    User__V1__User *one[] = {person(ADA, 2)}, *both[] = {person(ADA, 2), person(BOB, 1)};
    expect_doubted(repair(one, 1, whole()), 1);
    assert_string_equal(copy_of(BOB), before);
    assert_true(record(BOB, ""));
    assert_true(record(BOB, EVE));
    /* Neither the same list again nor one that others got at about that time confirms it. */
    expect_counts(repair(one, 1, whole()), 0, 0, 0);
    doubt_for("9 minutes");
    expect_counts(repair(one, 1, whole()), 0, 0, 0);
    assert_string_equal(copy_of(BOB), before);

    /* A list that has the user ends the doubt, and so does an event. */
    expect_counts(repair(both, 2, whole()), 0, 1, 0);
    expect_counts(repair(both, 2, whole()), 0, 0, 0);
    expect_doubted(repair(one, 1, whole()), 1);
    doubt_for("11 minutes");
    put(BOB, 2);
    expect_doubted(repair(one, 1, whole()), 1);
    assert_true(record(BOB, ""));
    assert_string_equal(notifications_of(BOB), "3");
}

/* S0.8 */
static void a_list_of_nobody_is_not_believed(void **state)
{
    (void)state;
    const reconciler_span span = whole();
    reconciler_counts counts;
    expect_counts(repair(NULL, 0, span), 0, 0, 0); /* there are no copies */
    hear(5);
    expect_counts(repair(NULL, 0, whole()), 0, 0, 0);
    put(BOB, 1);
    const reconciler_span later = whole();
    mesh_tx *tx = begin();
    assert_int_equal(notification_users_repair(tx, NULL, 0, &later, &counts, &err),
                     MESH_FAILED_PRECONDITION);
    mesh_tx_rollback(tx);
    /* Behind others it is an end like any. */
    expect_doubted(repair(NULL, 0, (reconciler_span){.after = ADA, .asked_ns = database_time()}),
                   1);
}

static void old_marks_go_with_what_is_left_behind_them(void **state)
{
    (void)state;
    hear(5);
    put(BOB, 1);
    postgres_value(db, "INSERT INTO notification (id, kind, text, resource, user_id)"
                       " SELECT gen_random_uuid(), 1, '', '', id FROM user_copy");
    postgres_value(db, "UPDATE user_copy SET change_time = now() - interval '30 days'");
    assert_int_equal(notification_users_prune(db, &err), MESH_OK);
    assert_string_equal(notifications_of(ADA), "1");
    assert_string_equal(copy_of(ADA), wholes[5]);

    /* More than one statement takes. */
    postgres_value(db, "INSERT INTO user_copy SELECT 'u' || n, 1, true, '', '', '', 0, 0, false,"
                       " now() - interval '60 days' FROM generate_series(1, 2500) n");
    postgres_value(db, "UPDATE user_copy SET change_time = now() - interval '32 days'");
    assert_int_equal(notification_users_prune(db, &err), MESH_OK);
    assert_string_equal(notifications_of(ADA), "0");
    assert_string_equal(notifications_of(BOB), "1");
    assert_string_equal(postgres_value(db, "SELECT string_agg(id, ' ') FROM user_copy"), BOB);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin_test)
    const struct CMUnitTest tests[] = {
        TEST(a_copy_follows_events_in_any_order_and_twice),
        TEST(a_deleted_user_is_not_revived_by_what_comes_late),
        TEST(the_same_event_again_does_not_even_write),
        TEST(an_event_without_its_user_is_refused),
        TEST(a_user_without_a_profile_has_no_names),
        TEST(a_role_that_has_no_bit_is_left_out),
        TEST(notifications_go_with_their_user),
        TEST(nothing_is_recorded_for_a_deleted_user),
        TEST(a_stranger_is_told_of_orders_only),
        TEST(a_notification_cannot_slip_past_a_deletion),
        TEST(whatever_a_copy_has_wrong_is_repaired),
        TEST(what_came_after_the_page_was_asked_for_stays),
        TEST(who_is_gone_is_marked_within_the_span_alone),
        TEST(who_is_missing_once_is_told_as_before),
        TEST(a_list_of_nobody_is_not_believed),
        TEST(old_marks_go_with_what_is_left_behind_them),
    };
    return cmocka_run_group_tests(tests, open_service, close_service);
}
