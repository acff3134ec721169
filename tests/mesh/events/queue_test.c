/* Which events of an outbox are due, while transactions add to it in any order. */
#include "mesh/events/queue.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tests/mesh/events/bus.h"

static mesh_db *db;

static int test_setup(void **state)
{
    static int number;
    char name[32], url[POSTGRES_URL_BYTES];
    (void)state;
    snprintf(name, sizeof name, "queue_test_%d", ++number);
    bus_database(name, url);
    return mesh_db_create(&(mesh_db_options){.url = url}, &db, NULL) == MESH_OK ? 0 : -1;
}

static int test_teardown(void **state)
{
    (void)state;
    mesh_db_destroy(db);
    return 0;
}

static void insert(mesh_tx *tx, const char *aggregate_id, int64_t count)
{
    assert_int_equal(
        mesh_tx_query(tx,
                      "INSERT INTO mesh_outbox (event_id, subject, type, aggregate_type,"
                      " aggregate_id, version, time, traceparent, payload)"
                      " SELECT gen_random_uuid(), '', '', '', $1, 0, now(), '', ''"
                      " FROM pg_current_xact_id(), generate_series(1, $2::bigint)",
                      MESH_SQL_PARAMS(MESH_SQL_TEXT(aggregate_id), MESH_SQL_INT(count)), NULL, NULL,
                      NULL),
        MESH_OK);
}

/* A transaction with some events of an aggregate. */
static mesh_tx *begin_adding(const char *aggregate_id, int64_t count)
{
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    insert(tx, aggregate_id, count);
    return tx;
}

static void commit(mesh_tx *tx)
{
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
}

static void add(const char *aggregate_id, int64_t count)
{
    commit(begin_adding(aggregate_id, count));
}

static mesh_tx *begin_round(mesh_queue_state *state)
{
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_queue_begin(db, &tx, state, NULL), MESH_OK);
    return tx;
}

/* Reads everybody's queue, and does as if the broker had stored it. What was read: "a a b". */
static const char *end_round(mesh_tx *tx, const mesh_queue_state *state)
{
    static char read[8192];
    static int64_t sequence;
    mesh_queue_batch batch;
    mesh_queue_stored stored[2 * MESH_QUEUE_BATCH];
    char *end = strcpy(read, "");
    assert_int_equal(mesh_queue_read(tx, 0, &batch, NULL), MESH_OK);
    assert_true(batch.count <= 2 * MESH_QUEUE_BATCH);
    for (size_t i = 0; i < batch.count; i++) {
        end = stpcpy(stpcpy(end, i > 0 ? " " : ""), batch.entries[i].aggregate.id);
        stored[i] = (mesh_queue_stored){batch.entries[i].position, ++sequence};
        assert_true(i == 0 || stored[i].position > stored[i - 1].position);
    }
    assert_int_equal(mesh_queue_settle(tx, 0, stored, batch.count, NULL), MESH_OK);
    int64_t first = batch.count > 0 ? batch.entries[0].position : 0;
    assert_int_equal(mesh_queue_advance(tx, state, first, NULL), MESH_OK);
    commit(tx);
    return read;
}

static const char *run_round(void)
{
    mesh_queue_state state;
    mesh_tx *tx = begin_round(&state);
    return end_round(tx, &state);
}

static const char *done(void)
{
    return postgres_value(db, "SELECT done FROM mesh_outbox_relay");
}

/* S0.6, S4.10 */
static void what_was_published_is_done(void **state)
{
    (void)state;
    assert_string_equal(run_round(), "");
    add("a", 2);
    add("b", 1);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM mesh_outbox_due"), "3");
    assert_string_equal(run_round(), "a a b");
    assert_string_equal(run_round(), "");
    assert_string_equal(done(), "{(,4)}");
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM mesh_outbox_due"), "0");
    add("a", 1);
    assert_string_equal(run_round(), "a");
}

static void no_more_is_read_at_once_than_there_may_be(void **state)
{
    (void)state;
    mesh_queue_state found;
    mesh_queue_batch batch;
    add("a", MESH_QUEUE_BATCH + 1);
    mesh_tx *tx = begin_round(&found);
    assert_int_equal(mesh_queue_read(tx, 0, &batch, NULL), MESH_OK);
    assert_int_equal(batch.count, MESH_QUEUE_BATCH);
    assert_false(batch.whole);
    mesh_tx_rollback(tx);
    /* The first one is the last that fits. */
    postgres_value(db, "UPDATE mesh_outbox SET payload = decode(repeat('00', 3000000), 'hex')"
                       " WHERE position <= 4");
    tx = begin_round(&found);
    assert_int_equal(mesh_queue_read(tx, 0, &batch, NULL), MESH_OK);
    assert_int_equal(batch.count, 3);
    assert_false(batch.whole);
    mesh_tx_rollback(tx);
}

/* S4.10: an event is read when its transaction commits, and before all that was added after it. */
static void what_commits_late_is_read_before_what_follows(void **state)
{
    (void)state;
    mesh_tx *late = begin_adding("late", 2);
    add("a", 1);
    for (int i = 0; i < 5; i++)
        assert_string_equal(run_round(), i == 0 ? "a" : "");
    add("b", 1);
    commit(late);
    add("c", 1);
    assert_string_equal(run_round(), "late late b c");
    assert_string_equal(done(), "{(,6)}");
}

/* What nobody can add to any more is not looked at for ever. */
static void positions_of_what_was_rolled_back_are_passed_over(void **state)
{
    (void)state;
    mesh_tx *tx = begin_adding("never", 3);
    add("a", 1);
    mesh_tx_rollback(tx);
    assert_string_equal(run_round(), "a");
    assert_string_equal(done(), "{(,1),[4,5)}");
    run_round();
    run_round();
    assert_string_equal(done(), "{(,5)}");
    /* Nor is there anything to write any more. */
    char before[32];
    static const char written[] = "SELECT xmin FROM mesh_outbox_relay";
    snprintf(before, sizeof before, "%s", postgres_value(db, written));
    run_round();
    assert_string_equal(postgres_value(db, written), before);
}

static void a_transaction_that_began_after_the_mark_is_not_waited_for(void **state)
{
    (void)state;
    mesh_tx_rollback(begin_adding("never", 1));
    add("a", 1);
    assert_string_equal(run_round(), "a");
    run_round(); /* the mark */
    mesh_tx *runs = begin_adding("late", 1);
    add("b", 1);
    assert_string_equal(run_round(), "b");
    assert_string_equal(done(), "{(,3),[4,5)}");
    run_round();
    assert_string_equal(done(), "{(,3),[4,5)}");
    commit(runs);
    assert_string_equal(run_round(), "late");
}

/* S4.10: a number says nothing of when its transaction draws positions. */
static void a_later_transaction_may_have_drawn_before_an_earlier_one(void **state)
{
    (void)state;
    mesh_queue_state found;
    mesh_tx *early = NULL;
    mesh_tx_rollback(begin_adding("never", 1));
    add("a", 1);
    assert_string_equal(run_round(), "a");
    assert_int_equal(mesh_tx_begin(db, NULL, &early, NULL), MESH_OK);
    assert_int_equal(
        mesh_tx_query(early, "SELECT pg_current_xact_id()", MESH_SQL_NO_PARAMS, NULL, NULL, NULL),
        MESH_OK);
    mesh_tx *tx = begin_round(&found);
    mesh_tx *late = begin_adding("late", 1);
    insert(early, "early", 1);
    commit(early);
    assert_string_equal(end_round(tx, &found), "early");
    for (int i = 0; i < 5; i++)
        assert_string_equal(run_round(), "");
    commit(late);
    assert_string_equal(run_round(), "late");
}

/* Of a gap nothing is closed behind an event that is due. */
static void what_is_still_due_is_read_again(void **state)
{
    (void)state;
    mesh_queue_state found;
    mesh_queue_batch batch;
    add("first", 1);
    mesh_tx_rollback(begin_adding("never", 1));
    add("b", 1);
    for (int i = 0; i < 5; i++) {
        mesh_tx *tx = begin_round(&found);
        assert_int_equal(mesh_queue_read(tx, 0, &batch, NULL), MESH_OK);
        assert_string_equal(batch.entries[0].aggregate.id, "first");
        mesh_queue_stored other = {3, 1};
        assert_int_equal(mesh_queue_settle(tx, 0, &other, i == 0, NULL), MESH_OK);
        assert_int_equal(mesh_queue_advance(tx, &found, batch.entries[0].position, NULL), MESH_OK);
        commit(tx);
    }
    assert_string_equal(done(), "{(,1),[3,4)}");
    assert_string_equal(run_round(), "first");
    run_round();
    run_round();
    assert_string_equal(done(), "{(,4)}");
}

static void *wait_for_turn(void *context)
{
    return begin_round(context);
}

/* S4.10: who waited for the lock knows of older transactions than there are. */
static void a_relay_that_waited_does_not_close_what_began_meanwhile(void **state)
{
    (void)state;
    mesh_queue_state mine, others;
    pthread_t thread;
    void *waited = NULL;
    mesh_tx_rollback(begin_adding("never", 1));
    add("a", 1);
    mesh_tx *tx = begin_round(&mine);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_turn, &others), 0);
    WAIT_FOR(strcmp(postgres_value(db, "SELECT count(*) FROM pg_stat_activity"
                                       " WHERE datname = current_database()"
                                       " AND wait_event_type = 'Lock'"),
                    "1") == 0);
    mesh_tx *late = begin_adding("late", 1);
    add("b", 1);
    assert_string_equal(end_round(tx, &mine), "a b");
    assert_int_equal(pthread_join(thread, &waited), 0);
    assert_string_equal(end_round(waited, &others), "");
    for (int i = 0; i < 5; i++)
        assert_string_equal(run_round(), "");
    commit(late);
    assert_string_equal(run_round(), "late");
}

/* S0.9 */
static void what_is_recalled_is_due_again(void **state)
{
    (void)state;
    mesh_queue_state found;
    mesh_queue_note note;
    int64_t recalled = 0;
    bool left = true;
    add("a", 3);
    run_round();
    add("b", 2);
    run_round();
    mesh_tx *tx = begin_round(&found);
    assert_int_equal(mesh_queue_last_note(tx, &note, NULL), MESH_OK);
    assert_int_equal(mesh_queue_recall(tx, &note, 1, &recalled, NULL), MESH_OK);
    commit(tx);
    assert_int_equal(recalled, 1);
    assert_string_equal(done(), "{(,5)}");
    assert_string_equal(run_round(), "b");
    postgres_value(db, "DELETE FROM mesh_outbox WHERE position = 2"); /* too old */
    tx = begin_round(&found);
    assert_int_equal(mesh_queue_recall_all(tx, &recalled, &left, NULL), MESH_OK);
    commit(tx);
    assert_int_equal(recalled, 4);
    assert_false(left);
    assert_string_equal(done(), "{(,1),[2,3)}");
    assert_string_equal(run_round(), "a a b b");
}

/* A dump of the database was restored where transactions have lower numbers. */
static void a_mark_of_another_server_holds_nothing_up(void **state)
{
    (void)state;
    mesh_tx_rollback(begin_adding("never", 1));
    add("a", 1);
    run_round();
    run_round();
    postgres_value(db, "UPDATE mesh_outbox_relay SET mark_xid = 1000000000000");
    run_round();
    assert_string_equal(done(), "{(,1),[2,3)}");
    run_round();
    assert_string_equal(done(), "{(,3)}");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)
    const struct CMUnitTest tests[] = {
        CASE(what_was_published_is_done),
        CASE(no_more_is_read_at_once_than_there_may_be),
        CASE(what_commits_late_is_read_before_what_follows),
        CASE(positions_of_what_was_rolled_back_are_passed_over),
        CASE(a_transaction_that_began_after_the_mark_is_not_waited_for),
        CASE(a_later_transaction_may_have_drawn_before_an_earlier_one),
        CASE(what_is_still_due_is_read_again),
        CASE(a_relay_that_waited_does_not_close_what_began_meanwhile),
        CASE(what_is_recalled_is_due_again),
        CASE(a_mark_of_another_server_holds_nothing_up),
    };
    return cmocka_run_group_tests(tests, postgres_setup, postgres_teardown);
}
