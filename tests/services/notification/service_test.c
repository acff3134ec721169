/*
 * The notification service as its callers know it: two instances of it beside the real user
 * service, with users that sign up and in there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/events/events.h"
#include "notification/v1/notification.mesh.h"
#include "tests/fixtures/nats.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/services/shop/pair.h"
#include "tests/services/violations.h"
#include "user/v1/events.mesh.h"

#define CALL(name) notification__v1__notification_service__##name
#define ROLE(name) USER__V1__ROLE__##name
#define NO_ID "0190a000-0000-7000-8000-000000000001"

static mesh_db *users_db;
static person ada, bob, sender; /* two consumers, and staff at LEVEL2 */

static const char *const often[] = {"NOTIFICATION_RECONCILE_INTERVAL=100ms", NULL};

static int open_all(void **state)
{
    if (shop_setup(state) != 0)
        return -1;
    pair_start("notification", NULL, NULL);
    users_db = shop_open("user");
    person_join(&ada, "ada");
    person_join(&bob, "bob");
    person_join_staff(&sender, "sender", ROLE(LEVEL2));
    WAIT_FOR(atoi(postgres_value(db, "SELECT count(*) FROM user_copy")) >= 4);
    return 0;
}

static int close_all(void **state)
{
    mesh_db_destroy(users_db);
    pair_stop();
    return shop_teardown(state);
}

static int begin_test(void **state)
{
    int failed = pair_begin(state);
    postgres_value(db, "TRUNCATE notification");
    shop_call_as(&ada);
    return failed;
}

/* --- calls ------------------------------------------------------------------------------------ */

static mesh_code send_to(const person *by, const char *user_id, const char *text,
                         const char *request_id, Notification__V1__Notification **sent)
{
    Notification__V1__SendNotificationRequest request =
        NOTIFICATION__V1__SEND_NOTIFICATION_REQUEST__INIT;
    const person *before = shop_call_as(by);
    request.user_id = (char *)user_id;
    request.text = (char *)text;
    request.request_id = (char *)request_id;
    mesh_error_clear(&err);
    mesh_code code = CALL(send_notification)(here.channel, &request, sent,
                                             &(mesh_call_options){.arena = arena}, &err);
    shop_call_as(before);
    return code;
}

/* Sends what must go through, and returns its id. */
static char *sent_to(const person *to, const char *text)
{
    Notification__V1__Notification *sent = NULL;
    if (send_to(&sender, to->id, text, "", &sent) != MESH_OK)
        fail_msg("%s: %s", err.reason, err.message);
    return sent->id;
}

static mesh_code get_as(const person *by, const char *id, Notification__V1__Notification **got)
{
    Notification__V1__GetNotificationRequest request =
        NOTIFICATION__V1__GET_NOTIFICATION_REQUEST__INIT;
    const person *before = shop_call_as(by);
    request.id = (char *)id;
    mesh_error_clear(&err);
    mesh_code code = CALL(get_notification)(there.channel, &request, got,
                                            &(mesh_call_options){.arena = arena}, &err);
    shop_call_as(before);
    return code;
}

static mesh_code mark_as(const person *by, const char *id, Notification__V1__Notification **marked)
{
    Notification__V1__MarkNotificationReadRequest request =
        NOTIFICATION__V1__MARK_NOTIFICATION_READ_REQUEST__INIT;
    const person *before = shop_call_as(by);
    request.id = (char *)id;
    mesh_error_clear(&err);
    mesh_code code = CALL(mark_notification_read)(here.channel, &request, marked,
                                                  &(mesh_call_options){.arena = arena}, &err);
    shop_call_as(before);
    return code;
}

static mesh_code list_as(const person *by, bool unread_only,
                         Notification__V1__ListNotificationsResponse **page)
{
    Notification__V1__ListNotificationsRequest request =
        NOTIFICATION__V1__LIST_NOTIFICATIONS_REQUEST__INIT;
    const person *before = shop_call_as(by);
    request.unread_only = unread_only;
    mesh_error_clear(&err);
    mesh_code code = CALL(list_notifications)(here.channel, &request, page,
                                              &(mesh_call_options){.arena = arena}, &err);
    shop_call_as(before);
    return code;
}

static mesh_code list_of(const person *by, const char *user_id, int32_t page_size,
                         const char *page_token,
                         Notification__V1__ListUserNotificationsResponse **page)
{
    Notification__V1__ListUserNotificationsRequest request =
        NOTIFICATION__V1__LIST_USER_NOTIFICATIONS_REQUEST__INIT;
    const person *before = shop_call_as(by);
    request.user_id = (char *)user_id;
    request.page_size = page_size;
    request.page_token = (char *)page_token;
    mesh_error_clear(&err);
    mesh_code code = CALL(list_user_notifications)(there.channel, &request, page,
                                                   &(mesh_call_options){.arena = arena}, &err);
    shop_call_as(before);
    return code;
}

static mesh_stream *watch_as(const person *by)
{
    Notification__V1__WatchNotificationsRequest request =
        NOTIFICATION__V1__WATCH_NOTIFICATIONS_REQUEST__INIT;
    const person *before = shop_call_as(by);
    mesh_stream *stream;
    assert_int_equal(
        CALL(watch_notifications)(there.channel, &request, &stream,
                                  &(mesh_call_options){.arena = arena, .timeout_ms = 60000}, &err),
        MESH_OK);
    shop_call_as(before);
    return stream;
}

static const Notification__V1__Notification *next(mesh_stream *stream)
{
    const Notification__V1__WatchNotificationsResponse *message = NULL;
    if (CALL(watch_notifications__next)(stream, &message) != MESH_OK) {
        mesh_stream_finish(stream, &err);
        fail_msg("the stream ended: %s %s", mesh_code_name(err.code), err.message);
    }
    return message->notification;
}

static void give_up(mesh_stream *stream)
{
    mesh_stream_cancel(stream);
    assert_int_equal(mesh_stream_finish(stream, NULL), MESH_CANCELLED);
}

static void expect_denied(mesh_code code, mesh_code expected, const char *reason)
{
    assert_int_equal(code, expected);
    assert_string_equal(err.reason, reason);
}

/* --- own ones and others' --------------------------------------------------------------------- */

/* S0.1, S0.16 */
static void staff_sends_and_the_user_sees_and_reads_it(void **state)
{
    (void)state;
    mesh_stream *stream = watch_as(&ada);
    Notification__V1__Notification *sent;
    Notification__V1__Notification *got;
    Notification__V1__ListNotificationsResponse *page;
    assert_null(next(stream));
    assert_int_equal(send_to(&sender, ada.id, "Welcome, Ünïcode", "", &sent), MESH_OK);
    assert_int_equal(sent->kind, NOTIFICATION__V1__NOTIFICATION__KIND__MESSAGE);
    assert_string_equal(sent->text, "Welcome, Ünïcode");
    assert_string_equal(sent->resource, "");
    assert_string_equal(sent->user_id, ada.id);
    assert_non_null(sent->create_time);
    assert_null(sent->read_time);

    const Notification__V1__Notification *heard = next(stream);
    assert_string_equal(heard->id, sent->id);
    assert_string_equal(heard->text, sent->text);
    assert_string_equal(heard->user_id, ada.id);
    give_up(stream);

    assert_int_equal(list_as(&ada, true, &page), MESH_OK);
    assert_int_equal(page->n_notifications, 1);
    assert_string_equal(page->notifications[0]->id, sent->id);
    assert_int_equal(mark_as(&ada, sent->id, &got), MESH_OK);
    assert_non_null(got->read_time);
    assert_int_equal(list_as(&ada, true, &page), MESH_OK);
    assert_int_equal(page->n_notifications, 0);
    assert_int_equal(get_as(&ada, sent->id, &got), MESH_OK);
    assert_non_null(got->read_time);
}

/* S0.1: another user's is as one that does not exist, in the same words. */
static void nobody_sees_or_marks_what_is_somebody_elses(void **state)
{
    (void)state;
    Notification__V1__Notification *got;
    Notification__V1__ListNotificationsResponse *page;
    char missing[256];
    char *const id = sent_to(&ada, "for ada");
    expect_denied(get_as(&bob, NO_ID, &got), MESH_NOT_FOUND, "NOTIFICATION_NOT_FOUND");
    snprintf(missing, sizeof missing, "%s", err.message);
    memcpy(strstr(missing, NO_ID), id, strlen(id));

    expect_denied(get_as(&bob, id, &got), MESH_NOT_FOUND, "NOTIFICATION_NOT_FOUND");
    assert_string_equal(err.message, missing);
    expect_denied(mark_as(&bob, id, &got), MESH_NOT_FOUND, "NOTIFICATION_NOT_FOUND");
    assert_string_equal(err.message, missing);
    /* Not even who sent it, or staff of any level, by these methods. */
    expect_denied(get_as(&sender, id, &got), MESH_NOT_FOUND, "NOTIFICATION_NOT_FOUND");
    assert_int_equal(list_as(&bob, false, &page), MESH_OK);
    assert_int_equal(page->n_notifications, 0);
    assert_int_equal(get_as(&ada, id, &got), MESH_OK);
    assert_null(got->read_time);
}

static void nobodys_notifications_are_seen_by_nobody(void **state)
{
    (void)state;
    Notification__V1__Notification *got;
    Notification__V1__ListNotificationsResponse *page;
    postgres_value(db, "INSERT INTO notification (id, kind, text, resource)"
                       " VALUES ('" NO_ID "', 1, 'old', 'orders/1')");
    expect_denied(get_as(&ada, NO_ID, &got), MESH_NOT_FOUND, "NOTIFICATION_NOT_FOUND");
    assert_int_equal(list_as(&ada, false, &page), MESH_OK);
    assert_int_equal(page->n_notifications, 0);
}

/* S0.1: level 2 and admins see and send; level 1 and consumers neither; nobody does nothing. */
static void who_may_send_and_see_others(void **state)
{
    (void)state;
    person level1;
    person admin;
    person_join_staff(&level1, "level1", ROLE(LEVEL1));
    person_join_staff(&admin, "admin", ROLE(ADMIN));
    const struct {
        const person *who;
        mesh_code code;
        const char *reason;
    } cases[] = {
        {&sender, MESH_OK, ""},
        {&admin, MESH_OK, ""},
        {&level1, MESH_PERMISSION_DENIED, "PERMISSION_MISSING"},
        {&ada, MESH_PERMISSION_DENIED, "PERMISSION_MISSING"},
        {NULL, MESH_UNAUTHENTICATED, "TOKEN_MISSING"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Notification__V1__Notification *sent;
        Notification__V1__ListUserNotificationsResponse *page;
        expect_denied(send_to(cases[i].who, ada.id, "text", "", &sent), cases[i].code,
                      cases[i].reason);
        expect_denied(list_of(cases[i].who, ada.id, 0, "", &page), cases[i].code, cases[i].reason);
    }
    Notification__V1__Notification *got;
    Notification__V1__ListNotificationsResponse *page;
    expect_denied(get_as(NULL, NO_ID, &got), MESH_UNAUTHENTICATED, "TOKEN_MISSING");
    expect_denied(mark_as(NULL, NO_ID, &got), MESH_UNAUTHENTICATED, "TOKEN_MISSING");
    expect_denied(list_as(NULL, false, &page), MESH_UNAUTHENTICATED, "TOKEN_MISSING");
    mesh_stream *stream = watch_as(NULL);
    const Notification__V1__WatchNotificationsResponse *message;
    assert_int_equal(CALL(watch_notifications__next)(stream, &message), MESH_EOF);
    expect_denied(mesh_stream_finish(stream, &err), MESH_UNAUTHENTICATED, "TOKEN_MISSING");
}

/* --- sending ---------------------------------------------------------------------------------- */

static void a_stranger_is_sent_nothing(void **state)
{
    (void)state;
    Notification__V1__Notification *sent;
    Notification__V1__ListUserNotificationsResponse *page;
    const char *const strangers[] = {NO_ID, "x", "'; DROP TABLE notification; --", "{\"\\"};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        char id[64];
        expect_denied(send_to(&sender, strangers[i], "text", "", &sent), MESH_NOT_FOUND,
                      "USER_NOT_FOUND");
        assert_string_equal(err.domain, "notification.v1");
        assert_true(mesh_error_metadata_get(&err, "user_id", id, sizeof id));
        assert_string_equal(id, strangers[i]);
        expect_denied(list_of(&sender, strangers[i], 0, "", &page), MESH_NOT_FOUND,
                      "USER_NOT_FOUND");
    }
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM notification"), "0");
    assert_int_equal(send_to(&sender, "", "", "x", &sent), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "user_id, text, request_id");
}

static void the_same_request_again_makes_no_second_one(void **state)
{
    (void)state;
    Notification__V1__Notification *first;
    Notification__V1__Notification *again;
    person other;
    assert_int_equal(send_to(&sender, ada.id, "text", NO_ID, &first), MESH_OK);
    assert_int_equal(send_to(&sender, ada.id, "text", NO_ID, &again), MESH_OK);
    assert_string_equal(again->id, first->id);
    assert_int_equal(again->create_time->nanos, first->create_time->nanos);
    expect_denied(send_to(&sender, ada.id, "text 2", NO_ID, &again), MESH_ALREADY_EXISTS,
                  "REQUEST_ID_REUSED");
    expect_denied(send_to(&sender, bob.id, "text", NO_ID, &again), MESH_ALREADY_EXISTS,
                  "REQUEST_ID_REUSED");
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM notification"), "1");
    /* Another sender's ids are that one's. */
    person_join_staff(&other, "other", ROLE(LEVEL2));
    assert_int_equal(send_to(&other, ada.id, "text", NO_ID, &again), MESH_OK);
    assert_string_not_equal(again->id, first->id);
    /* Without an id it is another one. */
    assert_int_equal(send_to(&sender, ada.id, "text", "", &again), MESH_OK);
    assert_int_equal(send_to(&sender, ada.id, "text", "", &again), MESH_OK);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM notification"), "4");
}

static void *race(void *context)
{
    pair_racer *me = context;
    Notification__V1__SendNotificationRequest request =
        NOTIFICATION__V1__SEND_NOTIFICATION_REQUEST__INIT;
    Notification__V1__Notification *sent;
    request.user_id = ada.id;
    request.text = (char *)"text";
    request.request_id = (char *)me->request_id;
    me->code = CALL(send_notification)(me->channel, &request, &sent,
                                       &(mesh_call_options){.arena = me->arena}, NULL);
    if (me->code == MESH_OK)
        snprintf(me->id, sizeof me->id, "%s", sent->id);
    return NULL;
}

static void one_request_sent_many_times_at_once_makes_one(void **state)
{
    (void)state;
    shop_call_as(&sender);
    for (int round = 0; round < 10; round++) {
        postgres_value(db, "TRUNCATE notification");
        pair_race(race);
        assert_string_equal(postgres_value(db, "SELECT count(*) FROM notification"), "1");
    }
}

/* --- who users are ---------------------------------------------------------------------------- */

static void staff_reads_a_users_list_page_by_page(void **state)
{
    (void)state;
    Notification__V1__ListUserNotificationsResponse *page;
    char ids[5][64];
    for (size_t i = 0; i < 5; i++)
        snprintf(ids[i], sizeof ids[i], "%s", sent_to(&ada, "text"));
    sent_to(&bob, "text");
    assert_int_equal(list_of(&sender, ada.id, 3, "", &page), MESH_OK);
    assert_int_equal(page->n_notifications, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(page->notifications[i]->id, ids[4 - i]);
    char *const token = page->next_page_token;
    assert_string_equal(page->recipient->user_id, ada.id);
    assert_string_equal(page->recipient->username, "ada");
    assert_string_equal(page->recipient->first_name, "Ada");
    assert_string_equal(page->recipient->last_name, "Lovelace");
    assert_int_equal(page->recipient->kind, USER__V1__USER__KIND__CONSUMER);
    assert_int_equal(page->recipient->n_roles, 2);
    assert_int_equal(page->recipient->roles[0], ROLE(REGULAR));
    assert_int_equal(page->recipient->roles[1], ROLE(CONSUMER));
    assert_int_equal(list_of(&sender, ada.id, 3, token, &page), MESH_OK);
    assert_int_equal(page->n_notifications, 2);
    assert_string_equal(page->notifications[1]->id, ids[0]);
    assert_string_equal(page->next_page_token, "");
    assert_int_equal(list_of(&sender, bob.id, 3, token, &page), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "page_token");
}

static bool is_banned(const person *one)
{
    Notification__V1__ListUserNotificationsResponse *page;
    return list_of(&sender, one->id, 0, "", &page) == MESH_OK && page->recipient->banned;
}

/* S0.3: what happens to users comes by events. S0.1: who is banned sees nothing, and later all. */
static void a_copy_follows_a_ban(void **state)
{
    (void)state;
    person eve;
    Notification__V1__Notification *got;
    Notification__V1__ListUserNotificationsResponse *page;
    person_join(&eve, "eve");
    WAIT_FOR(list_of(&sender, eve.id, 0, "", &page) == MESH_OK);
    person_ban(&eve);
    WAIT_FOR(is_banned(&eve));
    char *const id = sent_to(&eve, "while banned");
    WAIT_FOR(get_as(&eve, id, &got) == MESH_PERMISSION_DENIED);
    assert_string_equal(err.reason, "USER_REFUSED");
    person_unban(&eve);
    WAIT_FOR(!is_banned(&eve));
    WAIT_FOR(get_as(&eve, id, &got) == MESH_OK);
}

/* S0.5: a ban ends what the user watches, and nobody else's. */
static void a_ban_ends_what_the_user_watches(void **state)
{
    (void)state;
    person troll;
    const Notification__V1__WatchNotificationsResponse *message;
    Notification__V1__ListUserNotificationsResponse *page;
    person_join(&troll, "troll");
    WAIT_FOR(list_of(&sender, troll.id, 0, "", &page) == MESH_OK);
    mesh_stream *trolls = watch_as(&troll);
    mesh_stream *adas = watch_as(&ada);
    assert_null(next(trolls));
    assert_null(next(adas));
    person_ban(&troll);
    assert_int_equal(CALL(watch_notifications__next)(trolls, &message), MESH_EOF);
    expect_denied(mesh_stream_finish(trolls, &err), MESH_PERMISSION_DENIED, "USER_REFUSED");
    sent_to(&troll, "nobody watches");
    sent_to(&ada, "somebody does");
    assert_string_equal(next(adas)->text, "somebody does");
    give_up(adas);
}

static const char *row_of(const person *one, const char *columns)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT concat_ws(' ', %s) FROM user_copy WHERE id = '%s'", columns,
             one->id);
    return postgres_value(db, sql);
}

/* S0.3 */
static void without_the_user_service_the_copies_serve(void **state)
{
    (void)state;
    Notification__V1__ListUserNotificationsResponse *page;
    Notification__V1__Notification *sent;
    sent_to(&ada, "before"); /* both permissions are known from now on */
    assert_int_equal(list_of(&sender, ada.id, 0, "", &page), MESH_OK);
    shop_stop_users();
    mesh_stream *stream = watch_as(&ada);
    assert_null(next(stream));
    assert_int_equal(send_to(&sender, ada.id, "meanwhile", "", &sent), MESH_OK);
    assert_string_equal(next(stream)->text, "meanwhile");
    give_up(stream);
    assert_int_equal(list_of(&sender, ada.id, 0, "", &page), MESH_OK);
    assert_int_equal(page->n_notifications, 2);
    assert_string_equal(page->recipient->username, "ada");
    expect_denied(send_to(&sender, NO_ID, "text", "", &sent), MESH_NOT_FOUND, "USER_NOT_FOUND");
    shop_restart_users();
}

/* S0.8: rows deleted, versions lowered and ghosts added by hand. */
static void a_damaged_copy_is_repaired_by_the_real_user_service(void **state)
{
    (void)state;
    char before[128];
    static const char WHOLE[] = "version, deleted, username, kind, roles, banned";
    snprintf(before, sizeof before, "%s", row_of(&sender, WHOLE));
    instance_stop(&there);
    char sql[256];
    snprintf(sql, sizeof sql, "DELETE FROM user_copy WHERE id = '%s'", ada.id);
    postgres_value(db, sql);
    snprintf(sql, sizeof sql, "UPDATE user_copy SET version = 1, roles = 6 WHERE id = '%s'",
             sender.id);
    postgres_value(db, sql);
    postgres_value(db, "INSERT INTO user_copy SELECT '" NO_ID "', 1, false, 'ghost', '', '', 1, 6,"
                       " false");
    Notification__V1__Notification *sent;
    assert_int_equal(send_to(&sender, NO_ID, "a ghost takes it", "", &sent), MESH_OK);
    instance_start(&there, "notification", NULL, often);
    WAIT_FOR(strcmp(row_of(&ada, "deleted"), "f") == 0);
    WAIT_FOR(strcmp(row_of(&sender, WHOLE), before) == 0);
    static const char DOUBT[] =
        "UPDATE user_copy SET doubt_time = doubt_time - interval '1 hour' WHERE id = '" NO_ID "'"
        " AND doubt_time IS NOT NULL RETURNING id";
    WAIT_FOR(postgres_value(db, DOUBT)[0] != '\0'); /* and an hour later */
    WAIT_FOR(send_to(&sender, NO_ID, "no more", "", &sent) == MESH_NOT_FOUND);
    assert_int_equal(send_to(&sender, ada.id, "text", "", &sent), MESH_OK);
    const char *line = program_wait_log(there.program, "a copy was compared");
    assert_string_equal(program_field(line, "copy"), "users");
    instance_stop(&there);
    instance_start(&there, "notification", NULL, NULL);
}

/* An event of the user service's, as if it came from another database: with an id of its own. */
static void emit(const char *id, int64_t version, const char *username)
{
    mesh_events *events;
    mesh_tx *tx;
    User__V1__UserUpdated event = USER__V1__USER_UPDATED__INIT;
    User__V1__User user = USER__V1__USER__INIT;
    event.user_id = user.id = (char *)id;
    event.version = user.version = version;
    event.user = &user;
    user.username = (char *)username;
    assert_int_equal(
        mesh_events_create(
            &(mesh_events_options){.url = nats_url(), .service = "user", .db = users_db}, &events,
            &err),
        MESH_OK);
    assert_int_equal(mesh_events_start(events, &err), MESH_OK);
    assert_int_equal(mesh_tx_begin(users_db, NULL, &tx, &err), MESH_OK);
    assert_int_equal(user__v1__user_updated__add(tx, &event, &err), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
    assert_true(mesh_events_drain(events, 10000));
    mesh_events_destroy(events);
}

/* Events that were handled. */
static int taken(void)
{
    return atoi(postgres_value(db, "SELECT count(*) FROM mesh_inbox"));
}

/* S0.7: the same users are loaded a second time, and all their events come again. */
static void events_that_are_emitted_again_change_nothing(void **state)
{
    (void)state;
    char before[128];
    int version = atoi(row_of(&ada, "version"));
    int count = taken();
    for (int v = version; v > 0; v--)
        emit(ada.id, v, "somebody else");
    /* Of one user the events are handled in order, so they were heard when a later one counts. */
    emit(ada.id, version + 1, "another");
    WAIT_FOR(strcmp(row_of(&ada, "username"), "another") == 0);
    assert_int_equal(taken(), count + 1);
    snprintf(before, sizeof before, "%d", version);
    instance_stop(&there);
    instance_start(&there, "notification", NULL, often); /* puts it right */
    WAIT_FOR(strcmp(row_of(&ada, "version"), before) == 0);
    instance_stop(&there);
    instance_start(&there, "notification", NULL, NULL);
}

/* S0.8: its changes are made in one place, and arrive here. */
static void a_deleted_users_notifications_are_gone(void **state)
{
    (void)state;
    person gone;
    person admin;
    char sql[160];
    Notification__V1__ListUserNotificationsResponse *page;
    User__V1__DeleteUserRequest request = USER__V1__DELETE_USER_REQUEST__INIT;
    Google__Protobuf__Empty *empty;
    person_join(&gone, "gone");
    person_join_staff(&admin, "admin2", ROLE(ADMIN));
    WAIT_FOR(list_of(&sender, gone.id, 0, "", &page) == MESH_OK);
    sent_to(&gone, "text");
    request.user_id = gone.id;
    const mesh_metadata authorization = {
        .key = "authorization", .value = admin.authorization, .size = strlen(admin.authorization)};
    assert_int_equal(
        user__v1__user_service__delete_user(
            shop_users(), &request, &empty,
            &(mesh_call_options){.arena = arena, .metadata = &authorization, .metadata_count = 1},
            &err),
        MESH_OK);
    WAIT_FOR(list_of(&sender, gone.id, 0, "", &page) == MESH_NOT_FOUND);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM notification WHERE user_id = '%s'", gone.id);
    assert_string_equal(postgres_value(db, sql), "0");
    assert_string_equal(row_of(&gone, "deleted, username, roles"), "t  0");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, pair_end)
    const struct CMUnitTest tests[] = {
        TEST(staff_sends_and_the_user_sees_and_reads_it),
        TEST(nobody_sees_or_marks_what_is_somebody_elses),
        TEST(nobodys_notifications_are_seen_by_nobody),
        TEST(who_may_send_and_see_others),
        TEST(a_stranger_is_sent_nothing),
        TEST(the_same_request_again_makes_no_second_one),
        TEST(one_request_sent_many_times_at_once_makes_one),
        TEST(staff_reads_a_users_list_page_by_page),
        TEST(a_copy_follows_a_ban),
        TEST(a_ban_ends_what_the_user_watches),
        TEST(without_the_user_service_the_copies_serve),
        TEST(a_damaged_copy_is_repaired_by_the_real_user_service),
        TEST(events_that_are_emitted_again_change_nothing),
        TEST(a_deleted_users_notifications_are_gone),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
