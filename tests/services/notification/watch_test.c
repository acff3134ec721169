/* The live stream, with two instances of the service on one real database. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/auth/token.h"
#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/db/migrate.h"
#include "services/notification/notification.h"
#include "services/notification/notification_migrations.h"
#include "services/notification/store.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/auth/gate.h"
#include "tests/services/serve.h"
#include "tests/services/violations.h"

#define WATCH(what) notification__v1__notification_service__watch_notifications##what

typedef const Notification__V1__WatchNotificationsResponse response;

enum {
    INSTANCES = 2,
    INTERVAL_MS = 20,
    LIMIT_MS = 30000 /* of a stream: a test that waits in vain fails */
};

static char url[POSTGRES_URL_BYTES];
static mesh_db *db; /* the test's own connections */
static gate door;
static mesh_key *key;
static notification_service services[INSTANCES];
static serve serves[INSTANCES];
static mesh_arena *arena;
static mesh_error err;

#define ADA "0190a000-0000-7000-8000-00000000000a"
#define BOB "0190a000-0000-7000-8000-00000000000b"

/* Believes the tokens that `key` signs. */
static void open_door(void)
{
    char text[MESH_KEY_TEXT_BYTES];
    char jwks[MESH_KEY_TEXT_BYTES + 32];
    assert_int_equal(mesh_key_generate(text, &err), MESH_OK);
    assert_int_equal(mesh_key_load(text, strlen(text), &key, &err), MESH_OK);
    snprintf(jwks, sizeof jwks, "{\"keys\":[%s]}", mesh_key_public(key));
    gate_create(&door, NULL, NULL);
    gate_believe(&door, jwks);
    mesh_guard_open(door.guard);
}

static mesh_metadata authorization_of(const char *user)
{
    const int64_t now_s = mesh_clock_wall_ns() / 1000000000;
    const mesh_claims claims = {.issuer = "user",
                                .audience = "mesh",
                                .subject = user,
                                .token_id = "1",
                                .issued_s = now_s,
                                .expires_s = now_s + 900};
    const char *token;
    assert_int_equal(mesh_token_sign(key, &claims, arena, &token, &err), MESH_OK);
    const char *value = mesh_arena_printf(arena, "Bearer %s", token);
    return (mesh_metadata){.key = "authorization", .value = value, .size = strlen(value)};
}

/* Streams that were not finished yet: a test that fails must not leave any, which would be waited
 * for. */
enum {
    STREAMS = 1024
};
static mesh_stream *streams[STREAMS];

static void keep(mesh_stream *stream)
{
    size_t i = 0;
    while (i < STREAMS && streams[i] != NULL)
        i++;
    assert_true(i < STREAMS);
    streams[i] = stream;
}

static mesh_code finish(mesh_stream *stream, mesh_error *error)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (streams[i] == stream)
            streams[i] = NULL;
    return mesh_stream_finish(stream, error);
}

static void finish_all(void)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (streams[i] != NULL) {
            mesh_stream_cancel(streams[i]);
            finish(streams[i], NULL);
        }
}

static mesh_db *open_pool(void)
{
    mesh_db *pool;
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = url}, &pool, &err), MESH_OK);
    return pool;
}

static int open_all(void **state)
{
    if (postgres_setup(state) != 0)
        return -1;
    postgres_create_database("watch_test", url);
    db = open_pool();
    assert_int_equal(mesh_migrate(db, "notification", notification_migrations, &err), MESH_OK);
    open_door();
    return 0;
}

static int close_all(void **state)
{
    gate_destroy(&door);
    mesh_key_destroy(key);
    mesh_db_destroy(db);
    return postgres_teardown(state);
}

static int begin_test(void **state)
{
    (void)state;
    mesh_error_clear(&err);
    postgres_value(db, "TRUNCATE notification");
    arena = mesh_arena_create(4096, 0);
    for (size_t i = 0; i < INSTANCES; i++) {
        services[i].db = open_pool();
        assert_int_equal(
            notification_feed_create(services[i].db, INTERVAL_MS, &services[i].feed, &err),
            MESH_OK);
        const mesh_interceptor guard = gate_interceptor(&door);
        serve_start_with(
            &serves[i],
            notification__v1__notification_service__api(&notification_handlers, &services[i]),
            &guard);
    }
    return arena == NULL;
}

static int end_test(void **state)
{
    (void)state;
    finish_all();
    for (size_t i = 0; i < INSTANCES; i++) {
        notification_feed_end(services[i].feed);
        serve_stop(&serves[i]);
        notification_feed_destroy(services[i].feed);
        mesh_db_destroy(services[i].db);
    }
    mesh_arena_destroy(arena);
    return 0;
}

/* Records in a transaction of its own; the feed, if there is one, hears of it at once. */
static mesh_code record_for(const char *user, mesh_db *at, notification_feed *feed,
                            const char *text)
{
    const notification_draft draft = {.kind = NOTIFICATION__V1__NOTIFICATION__KIND__ORDER_CREATED,
                                      .user_id = user,
                                      .text = text,
                                      .resource = "orders/1",
                                      .sender_id = "",
                                      .request_id = ""};
    Notification__V1__Notification *made;
    mesh_tx *tx;
    mesh_code code = mesh_tx_begin(at, NULL, &tx, NULL);
    if (code != MESH_OK)
        return code;
    code = notification_store_add(tx, mesh_tx_arena(tx), &draft, &made, NULL);
    if (code != MESH_OK) {
        mesh_tx_rollback(tx);
        return code;
    }
    code = mesh_tx_commit(tx, NULL);
    if (code == MESH_OK && feed != NULL)
        notification_feed_wake(feed);
    return code;
}

static mesh_code record(mesh_db *at, notification_feed *feed, const char *text)
{
    return record_for(ADA, at, feed, text);
}

static mesh_stream *watch_as(const char *user, size_t instance, const char *token)
{
    Notification__V1__WatchNotificationsRequest request =
        NOTIFICATION__V1__WATCH_NOTIFICATIONS_REQUEST__INIT;
    const mesh_metadata authorization = authorization_of(user);
    mesh_stream *stream;
    request.resume_token = (char *)token;
    assert_int_equal(WATCH()(serves[instance].channel, &request, &stream,
                             &(mesh_call_options){.arena = arena,
                                                  .timeout_ms = LIMIT_MS,
                                                  .metadata = &authorization,
                                                  .metadata_count = 1},
                             &err),
                     MESH_OK);
    keep(stream);
    return stream;
}

static mesh_stream *watch(size_t instance, const char *token)
{
    return watch_as(ADA, instance, token);
}

static response *next(mesh_stream *stream)
{
    response *message = NULL;
    if (WATCH(__next)(stream, &message) != MESH_OK) {
        finish(stream, &err);
        fail_msg("the stream ended: %s %s", mesh_code_name(err.code), err.message);
    }
    return message;
}

/* The first message: the watch is in place. */
static void expect_in_place(mesh_stream *stream)
{
    response *message = next(stream);
    assert_null(message->notification);
    assert_string_not_equal(message->resume_token, "");
}

static void expect(mesh_stream *stream, const char *text)
{
    response *message = next(stream);
    assert_non_null(message->notification);
    assert_string_equal(message->notification->text, text);
}

static void give_up(mesh_stream *stream)
{
    mesh_stream_cancel(stream);
    assert_int_equal(finish(stream, NULL), MESH_CANCELLED);
}

/* S0.16 */
static void a_notification_reaches_all_who_watch_on_every_instance(void **state)
{
    (void)state;
    assert_int_equal(record(db, NULL, "before anybody watched"), MESH_OK);
    mesh_stream *all[] = {watch(0, ""), watch(0, ""), watch(1, "")};
    for (size_t i = 0; i < 3; i++)
        expect_in_place(all[i]);

    assert_int_equal(record(db, services[0].feed, "woken"), MESH_OK);
    assert_int_equal(record(db, NULL, "found by looking"), MESH_OK);
    for (size_t i = 0; i < 3; i++) {
        response *message = next(all[i]);
        assert_string_equal(message->notification->text, "woken");
        assert_int_equal(message->notification->kind,
                         NOTIFICATION__V1__NOTIFICATION__KIND__ORDER_CREATED);
        assert_string_equal(message->notification->resource, "orders/1");
        assert_non_null(message->notification->create_time);
        assert_null(message->notification->read_time);
        expect(all[i], "found by looking");
        give_up(all[i]);
    }
}

/* The backlog of a time without watchers is no news. */
static void what_was_recorded_before_is_not_sent(void **state)
{
    (void)state;
    postgres_value(db, "INSERT INTO notification (id, kind, text, resource, user_id)"
                       " SELECT gen_random_uuid(), 1, 'old', 'orders/1', '" ADA "'"
                       " FROM generate_series(1, 1200)");
    mesh_stream *stream = watch(0, "");
    expect_in_place(stream);
    assert_int_equal(record(db, services[0].feed, "new"), MESH_OK);
    expect(stream, "new");
    give_up(stream);
}

static void a_token_continues_where_a_stream_ended_on_any_instance(void **state)
{
    (void)state;
    char token[128];
    mesh_stream *stream = watch(0, "");
    expect_in_place(stream);
    assert_int_equal(record(db, services[0].feed, "1"), MESH_OK);
    assert_int_equal(record(db, services[0].feed, "2"), MESH_OK);
    response *message = next(stream);
    assert_string_equal(message->notification->text, "1");
    snprintf(token, sizeof token, "%s", message->resume_token);
    give_up(stream);
    assert_int_equal(record(db, NULL, "3"), MESH_OK);

    stream = watch(1, token);
    message = next(stream);
    assert_null(message->notification);
    assert_string_equal(message->resume_token, token);
    expect(stream, "2");
    expect(stream, "3");
    assert_int_equal(record(db, NULL, "4"), MESH_OK);
    expect(stream, "4");
    give_up(stream);
}

/* A token that was given before there was anything, by which everything is news. */
static void a_token_from_before_the_first_one_brings_all(void **state)
{
    (void)state;
    char token[128];
    mesh_stream *stream = watch(0, "");
    response *message = next(stream);
    assert_null(message->notification);
    snprintf(token, sizeof token, "%s", message->resume_token);
    give_up(stream);
    assert_int_equal(record(db, NULL, "1"), MESH_OK);
    assert_int_equal(record_for(BOB, db, NULL, "not ada's"), MESH_OK);
    assert_int_equal(record(db, NULL, "2"), MESH_OK);

    stream = watch(1, token);
    message = next(stream);
    assert_null(message->notification);
    assert_string_equal(message->resume_token, token);
    expect(stream, "1");
    expect(stream, "2");
    give_up(stream);
}

/* The first message's token counts: what comes before the next one is not lost. */
static void a_token_from_a_quiet_time_misses_nothing(void **state)
{
    (void)state;
    char token[128];
    assert_int_equal(record(db, NULL, "old"), MESH_OK);
    assert_int_equal(record(db, NULL, "not so old"), MESH_OK);
    mesh_stream *stream = watch(0, "");
    snprintf(token, sizeof token, "%s", next(stream)->resume_token);
    for (int i = 0; i < 10; i++)
        assert_int_equal(record_for(BOB, db, services[0].feed, "bob's"), MESH_OK);
    give_up(stream);
    assert_int_equal(record(db, NULL, "new"), MESH_OK);

    stream = watch(1, token);
    expect_in_place(stream);
    expect(stream, "new");
    give_up(stream);
}

/* A token from a database that is no more, or of somebody else: there is nothing to continue. */
static void a_token_that_names_nothing_of_the_users_begins_now(void **state)
{
    (void)state;
    assert_int_equal(record_for(BOB, db, NULL, "bob's"), MESH_OK);
    assert_int_equal(record(db, NULL, "old"), MESH_OK);
    const char *const bobs = postgres_value(db, "SELECT id FROM notification WHERE user_id = '" BOB
                                                "'");
    const char *const tokens[] = {
        notification_feed_token(arena, bobs),
        notification_feed_token(arena, "0190a000-0000-7000-8000-000000000001"),
    };
    for (size_t i = 0; i < 2; i++) {
        mesh_stream *stream = watch(0, tokens[i]);
        expect_in_place(stream);
        assert_int_equal(record(db, NULL, "new"), MESH_OK);
        expect(stream, "new");
        give_up(stream);
    }
}

/* S0.16: nobody hears of what is somebody else's, live, from a token, or when it is behind. */
static void everybody_hears_of_the_own_ones_alone(void **state)
{
    (void)state;
    char token[128];
    mesh_stream *ada[] = {watch(0, ""), watch(0, ""), watch(1, "")};
    mesh_stream *bob = watch_as(BOB, 0, "");
    for (size_t i = 0; i < 3; i++)
        expect_in_place(ada[i]);
    expect_in_place(bob);
    for (int i = 0; i < 5; i++) {
        char text[32];
        assert_int_equal(record_for("", db, services[0].feed, "nobody's"), MESH_OK);
        snprintf(text, sizeof text, "ada's %d", i);
        assert_int_equal(record_for(ADA, db, services[0].feed, text), MESH_OK);
        snprintf(text, sizeof text, "bob's %d", i);
        assert_int_equal(record_for(BOB, db, services[1].feed, text), MESH_OK);
    }
    for (size_t i = 0; i < 3; i++)
        for (int n = 0; n < 5; n++) {
            char text[32];
            snprintf(text, sizeof text, "ada's %d", n);
            response *message = next(ada[i]);
            assert_string_equal(message->notification->text, text);
            assert_string_equal(message->notification->user_id, ADA);
            if (n == 2)
                snprintf(token, sizeof token, "%s", message->resume_token);
        }
    for (int n = 0; n < 5; n++) {
        char text[32];
        snprintf(text, sizeof text, "bob's %d", n);
        expect(bob, text);
    }
    mesh_stream *late = watch(1, token);
    expect_in_place(late);
    expect(late, "ada's 3");
    expect(late, "ada's 4");
    assert_int_equal(record_for(BOB, db, NULL, "bob's last"), MESH_OK);
    assert_int_equal(record_for(ADA, db, NULL, "ada's last"), MESH_OK);
    expect(late, "ada's last");
    expect(bob, "bob's last");
    give_up(late);
    give_up(bob);
    for (size_t i = 0; i < 3; i++)
        give_up(ada[i]);
}

/* A token tells a user nothing of how much is going on among others. */
static void a_token_says_nothing_of_others(void **state)
{
    (void)state;
    char first[128];
    char id[64];
    assert_int_equal(record(db, NULL, "ada's"), MESH_OK);
    snprintf(id, sizeof id, "%s", postgres_value(db, "SELECT id FROM notification"));
    mesh_stream *stream = watch(0, "");
    snprintf(first, sizeof first, "%s", next(stream)->resume_token);
    give_up(stream);
    assert_string_equal(first, notification_feed_token(arena, id));
    for (int i = 0; i < 3; i++)
        assert_int_equal(record_for(BOB, db, services[0].feed, "bob's"), MESH_OK);
    stream = watch(0, "");
    assert_string_equal(next(stream)->resume_token, first);
    give_up(stream);
}

static uint64_t queries_of(size_t instance)
{
    mesh_db_stats stats;
    mesh_db_get_stats(services[instance].db, &stats);
    return stats.queries;
}

/* What is new is read once, however many watch. */
static void who_watches_in_vain_costs_no_reads(void **state)
{
    (void)state;
    enum {
        QUIET = 300,
        NEWS = 20
    };
    static mesh_stream *quiet[QUIET];
    mesh_stream *stream = watch(0, "");
    expect_in_place(stream);
    for (size_t i = 0; i < QUIET; i++) {
        quiet[i] = watch_as(BOB, 0, "");
        expect_in_place(quiet[i]);
    }
    uint64_t before = queries_of(0);
    for (int i = 0; i < NEWS; i++) {
        assert_int_equal(record(db, services[0].feed, "ada's"), MESH_OK);
        expect(stream, "ada's");
    }
    /* Two a round, and rounds come also by themselves. */
    assert_true(queries_of(0) - before < NEWS * QUIET / 4);
    assert_int_equal(record_for(BOB, db, services[0].feed, "bob's"), MESH_OK);
    for (size_t i = 0; i < QUIET; i++) {
        expect(quiet[i], "bob's");
        give_up(quiet[i]);
    }
    give_up(stream);
}

/* More begin at once than one statement asks for. */
static void a_crowd_that_comes_at_once_is_served(void **state)
{
    (void)state;
    enum {
        CROWD = NOTIFICATION_BATCH + 100
    };
    static mesh_stream *crowd[CROWD];
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = watch_as(i % 2 == 0 ? ADA : BOB, i % INSTANCES, "");
        if (i % 50 == 0)
            mesh_arena_reset(arena);
    }
    for (size_t i = 0; i < CROWD; i++)
        expect_in_place(crowd[i]);
    assert_int_equal(record_for(ADA, db, services[0].feed, "ada's"), MESH_OK);
    assert_int_equal(record_for(BOB, db, services[1].feed, "bob's"), MESH_OK);
    for (size_t i = 0; i < CROWD; i++) {
        expect(crowd[i], i % 2 == 0 ? "ada's" : "bob's");
        give_up(crowd[i]);
    }
}

static void a_foreign_token_is_refused(void **state)
{
    (void)state;
    static const char *const tokens[] = {"x", "!", "ATkCioJ4YA0PcDc"};
    for (size_t i = 0; i < 3; i++) {
        mesh_stream *stream = watch(0, tokens[i]);
        response *message;
        assert_int_equal(WATCH(__next)(stream, &message), MESH_EOF);
        assert_int_equal(finish(stream, &err), MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(&err), "resume_token");
    }
}

/* What is placed by one becomes visible before another places something behind it. */
static void positions_are_given_by_one_at_a_time(void **state)
{
    (void)state;
    const mesh_db_options impatient = {.url = url, .statement_timeout_ms = 200};
    mesh_db *other;
    mesh_tx *tx;
    size_t placed = 7;
    assert_int_equal(mesh_db_create(&impatient, &other, &err), MESH_OK);
    assert_int_equal(record(db, NULL, "1"), MESH_OK);
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, &err), MESH_OK);
    assert_int_equal(mesh_tx_query(tx, "SELECT pg_advisory_xact_lock(5641022098415)",
                                   MESH_SQL_NO_PARAMS, NULL, NULL, &err),
                     MESH_OK);
    assert_int_equal(notification_store_place(other, &placed, NULL), MESH_DEADLINE_EXCEEDED);
    mesh_tx_rollback(tx);
    assert_int_equal(notification_store_place(other, &placed, NULL), MESH_OK);
    assert_int_equal(placed, 1);
    mesh_db_destroy(other);
}

enum {
    WRITERS = 4,
    WRITES = 250
};

/* Transactions of many writers overlap, so they commit in another order than they began. */
static void *write_many(void *context)
{
    uintptr_t writer = (uintptr_t)context;
    uintptr_t failed = 0;
    for (size_t i = 0; i < WRITES; i++) {
        char text[32];
        snprintf(text, sizeof text, "%zu", writer * WRITES + i);
        notification_feed *feed = writer < INSTANCES ? services[writer].feed : NULL;
        if (record(db, feed, text) != MESH_OK)
            failed++;
    }
    return (void *)failed;
}

static void nobody_misses_anything_and_all_see_one_order(void **state)
{
    (void)state;
    enum {
        ALL = WRITERS * WRITES
    };
    static unsigned seen[ALL];
    static int order[2][ALL];
    mesh_stream *both[] = {watch(0, ""), watch(1, "")};
    expect_in_place(both[0]);
    expect_in_place(both[1]);
    pthread_t threads[WRITERS];
    for (uintptr_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, (void *)i), 0);
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < 2; i++)
        for (size_t n = 0; n < ALL; n++) {
            order[i][n] = atoi(next(both[i])->notification->text);
            seen[order[i][n]]++;
        }
    for (size_t i = 0; i < WRITERS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_int_equal((uintptr_t)failed, 0);
    }
    for (size_t n = 0; n < ALL; n++)
        assert_int_equal(seen[n], 2);
    assert_memory_equal(order[0], order[1], sizeof order[0]);
    give_up(both[0]);
    give_up(both[1]);
}

static void a_slow_watcher_delays_nobody_and_misses_nothing(void **state)
{
    (void)state;
    enum {
        MANY = 6000
    };
    static char order[MANY][16];
    mesh_stream *slow = watch(0, "");
    mesh_stream *quick = watch(0, "");
    expect_in_place(slow);
    expect_in_place(quick);
    /* Far more than the buffers on the way hold. */
    postgres_value(db, "INSERT INTO notification (id, kind, text, resource, user_id)"
                       " SELECT gen_random_uuid(), 1, repeat('x', 1000), 'orders/' || n, '" ADA "'"
                       " FROM generate_series(1, 6000) n");
    notification_feed_wake(services[0].feed);
    for (size_t i = 0; i < MANY; i++)
        snprintf(order[i], sizeof order[i], "%s", next(quick)->notification->resource);
    assert_int_equal(record(db, NULL, "last"), MESH_OK);
    expect(quick, "last");
    for (size_t i = 0; i < MANY; i++)
        assert_string_equal(next(slow)->notification->resource, order[i]);
    expect(slow, "last");
    give_up(quick);
    give_up(slow);
}

static void watchers_come_and_go(void **state)
{
    (void)state;
    mesh_stream *staying = watch(0, "");
    expect_in_place(staying);
    for (size_t i = 0; i < 50; i++) {
        char text[32];
        mesh_stream *passing = watch(0, "");
        if (i % 2 == 0)
            expect_in_place(passing);
        snprintf(text, sizeof text, "%zu", i);
        assert_int_equal(record(db, services[0].feed, text), MESH_OK);
        give_up(passing);
        expect(staying, text);
    }
    give_up(staying);
}

/* S0.9 */
static void streams_outlive_a_restart_of_the_database(void **state)
{
    (void)state;
    mesh_stream *stream = watch(0, "");
    expect_in_place(stream);
    postgres_restart();
    WAIT_FOR(record(db, NULL, "after") == MESH_OK);
    expect(stream, "after");
    give_up(stream);
}

static void a_service_that_stops_sends_its_watchers_away(void **state)
{
    (void)state;
    response *message;
    mesh_stream *stream = watch(0, "");
    expect_in_place(stream);
    notification_feed_end(services[0].feed);
    assert_int_equal(WATCH(__next)(stream, &message), MESH_EOF);
    assert_int_equal(finish(stream, &err), MESH_UNAVAILABLE);

    stream = watch(0, "");
    assert_int_equal(WATCH(__next)(stream, &message), MESH_EOF);
    assert_int_equal(finish(stream, &err), MESH_UNAVAILABLE);
}

static void a_feed_that_memory_fails_is_not_made(void **state)
{
    (void)state;
    notification_feed *feed = NULL;
    size_t failures = 0;
    while (feed == NULL) {
        mesh_alloc_fail_at(failures + 1);
        mesh_code code = notification_feed_create(db, INTERVAL_MS, &feed, &err);
        mesh_alloc_fail_at(0);
        /* Once there is a feed, its thread may be whom the failure hit. */
        assert_int_equal(code, feed == NULL ? MESH_RESOURCE_EXHAUSTED : MESH_OK);
        failures += feed == NULL;
    }
    assert_true(failures >= 3); /* the feed and its arenas */
    notification_feed_destroy(feed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)
    const struct CMUnitTest tests[] = {
        TEST(a_notification_reaches_all_who_watch_on_every_instance),
        TEST(what_was_recorded_before_is_not_sent),
        TEST(a_token_continues_where_a_stream_ended_on_any_instance),
        TEST(a_token_from_before_the_first_one_brings_all),
        TEST(a_token_from_a_quiet_time_misses_nothing),
        TEST(a_token_that_names_nothing_of_the_users_begins_now),
        TEST(everybody_hears_of_the_own_ones_alone),
        TEST(a_token_says_nothing_of_others),
        TEST(who_watches_in_vain_costs_no_reads),
        TEST(a_crowd_that_comes_at_once_is_served),
        TEST(a_foreign_token_is_refused),
        TEST(positions_are_given_by_one_at_a_time),
        TEST(nobody_misses_anything_and_all_see_one_order),
        TEST(a_slow_watcher_delays_nobody_and_misses_nothing),
        TEST(watchers_come_and_go),
        TEST(streams_outlive_a_restart_of_the_database),
        cmocka_unit_test(a_feed_that_memory_fails_is_not_made), /* other threads allocate, too */
        TEST(a_service_that_stops_sends_its_watchers_away),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
