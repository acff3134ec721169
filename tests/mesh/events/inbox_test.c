#include <stdio.h>
#include <string.h>

#include "mesh/base/uuid.h"
#include "mesh/events/attempt.h"
#include "mesh/events/inbox.h"
#include "tests/mesh/events/bus.h"

static mesh_db *db;

static int setup(void **state)
{
    char url[POSTGRES_URL_BYTES];
    if (postgres_setup(state) != 0)
        return -1;
    bus_database("inbox_test", url);
    return mesh_db_create(&(mesh_db_options){.url = url}, &db, NULL) == MESH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    mesh_db_destroy(db);
    return postgres_teardown(state);
}

static bool note(mesh_tx *tx, const char *id, const char *consumer)
{
    bool first = false;
    assert_int_equal(mesh_inbox_note(tx, consumer, &id, &first, 1, NULL), MESH_OK);
    return first;
}

static void an_event_is_first_once_for_each_consumer(void **state)
{
    (void)state;
    char id[MESH_UUID_TEXT_BYTES];
    mesh_tx *tx = NULL;
    mesh_uuid_v7(id);
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    assert_true(note(tx, id, "product"));
    assert_false(note(tx, id, "product"));
    assert_true(note(tx, id, "notification"));
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    assert_false(note(tx, id, "product"));
    mesh_tx_rollback(tx);
}

static void a_rollback_forgets_it(void **state)
{
    (void)state;
    char id[MESH_UUID_TEXT_BYTES];
    mesh_tx *tx = NULL;
    mesh_uuid_v7(id);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
        assert_true(note(tx, id, "product"));
        mesh_tx_rollback(tx);
    }
}

static void only_old_rows_are_removed(void **state)
{
    (void)state;
    postgres_value(db, "TRUNCATE mesh_inbox");
    /* Ids of UUIDv7 begin with the milliseconds of their making. */
    postgres_value(
        db, "INSERT INTO mesh_inbox (event_id, consumer)"
            " SELECT (lpad(to_hex((extract(epoch FROM now() - d * interval '1 day') * 1000)"
            "::bigint), 12, '0') || '7' || lpad(to_hex(n), 3, '0') || '8000000000000000')::uuid,"
            " 'product' FROM generate_series(1, 60) AS d, generate_series(1, 100) AS n");
    bool left = false;
    assert_int_equal(mesh_inbox_prune(db, 31, &left, NULL), MESH_OK);
    assert_true(left); /* it does some at a time */
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM mesh_inbox"), "5000");
    while (left)
        assert_int_equal(mesh_inbox_prune(db, 31, &left, NULL), MESH_OK);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM mesh_inbox"), "3000");
    assert_int_equal(mesh_inbox_prune(db, 31, &left, NULL), MESH_OK);
    assert_false(left);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM mesh_inbox"), "3000");
}

static void handle(mesh_aggregate *a)
{
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(mesh_inbox_lock(tx, "product", a, 1, NULL), MESH_OK);
    assert_int_equal(mesh_inbox_advance(tx, "product", a, 1, NULL), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
}

static const char *version_of_odyssey(void)
{
    return postgres_value(db, "SELECT version FROM mesh_inbox_version WHERE aggregate_id = "
                              "'odyssey'");
}

/* S4.9 */
static void a_new_row_that_is_not_in_turn_has_no_version(void **state)
{
    (void)state;
    mesh_aggregate a = {.type = "stock", .id = "odyssey", .before = 4, .last = 5};
    handle(&a);
    assert_int_equal(a.reached, 0);
    assert_string_equal(version_of_odyssey(), "0");
    postgres_value(db, "DELETE FROM mesh_inbox_version");
}

/* S4.9: the lock sets what follows, so that handling needs no other statement. */
static void what_is_in_turn_is_set_by_the_lock(void **state)
{
    (void)state;
    mesh_aggregate first = {.type = "stock", .id = "odyssey", .before = 0, .last = 2};
    mesh_aggregate next = {.type = "stock", .id = "odyssey", .before = 2, .last = 5};
    mesh_aggregate early = {.type = "stock", .id = "odyssey", .before = 7, .last = 8};
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(mesh_inbox_lock(tx, "product", &first, 1, NULL), MESH_OK);
    assert_int_equal(first.reached, 0);
    assert_int_equal(first.version, 2);
    assert_int_equal(mesh_inbox_lock(tx, "product", &next, 1, NULL), MESH_OK);
    assert_int_equal(next.reached, 2);
    assert_int_equal(next.version, 5);
    assert_int_equal(mesh_inbox_lock(tx, "product", &early, 1, NULL), MESH_OK);
    assert_int_equal(early.reached, 5);
    assert_int_equal(early.version, 5);
    mesh_tx_rollback(tx);
}

/* S4.9: what was given back untried is not held against an event. */
static void an_attempt_that_did_not_begin_does_not_count(void **state)
{
    (void)state;
    const char *events[] = {"failed", "untried"};
    int64_t deliveries[] = {2, 2};
    mesh_attempts before[2];
    mesh_attempts_begun begun = {
        .consumer = "product", .events = events, .deliveries = deliveries, .count = 2};
    const mesh_attempt_key failed = {.consumer = "product", .event = "failed", .delivery = 2};
    const mesh_error cause = {.code = MESH_INTERNAL, .message = "no"};
    mesh_arena *arena = mesh_arena_create(4096, 0);
    assert_int_equal(mesh_attempts_begin(db, arena, &begun, before, NULL), MESH_OK);
    assert_int_equal(mesh_attempt_end(db, &failed, MESH_ATTEMPT_FAILED, &cause, NULL), MESH_OK);
    assert_int_equal(mesh_attempts_withdraw(db, arena, &begun, NULL), MESH_OK);
    deliveries[0] = deliveries[1] = 3;
    assert_int_equal(mesh_attempts_begin(db, arena, &begun, before, NULL), MESH_OK);
    assert_int_equal(before[0].failures, 1);
    assert_int_equal(before[1].failures, 0);
    mesh_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_first_once_for_each_consumer),
        cmocka_unit_test(a_rollback_forgets_it),
        cmocka_unit_test(only_old_rows_are_removed),
        cmocka_unit_test(an_attempt_that_did_not_begin_does_not_count),
        cmocka_unit_test(a_new_row_that_is_not_in_turn_has_no_version),
        cmocka_unit_test(what_is_in_turn_is_set_by_the_lock),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
