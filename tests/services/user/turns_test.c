#include "services/user/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "tests/fixtures/wait.h"

enum {
    RUNNING = 2,
    WAITING = 3,
    WAIT_MS = 300,
    LONG_MS = 20000,
    CALLERS = 24,
    ROUNDS = 200
};

static user_turns turns;
static mesh_error err;

static int begin_test(void **state)
{
    (void)state;
    mesh_error_clear(&err);
    user_turns_init(&turns, RUNNING, WAITING, WAIT_MS);
    return 0;
}

static int end_test(void **state)
{
    (void)state;
    assert_int_equal(turns.running, 0);
    assert_int_equal(turns.waiting, 0);
    user_turns_destroy(&turns);
    return 0;
}

static mesh_code take_until(int64_t deadline_ns)
{
    user_waiter me = {.turns = &turns, .deadline_ns = deadline_ns};
    return user_turn_take(&me, &err);
}

static mesh_code take(void)
{
    return take_until(MESH_NO_DEADLINE);
}

static void take_all(void)
{
    for (int i = 0; i < RUNNING; i++)
        assert_int_equal(take(), MESH_OK);
}

static void end_all(void)
{
    for (int i = 0; i < RUNNING; i++)
        user_turn_end(&turns);
}

static void expect_sent_away(mesh_code code, const mesh_error *why, int64_t wait_ms)
{
    int64_t delay_ms = 0;
    assert_int_equal(code, MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(why->reason, "TOO_MANY_PASSWORDS");
    assert_true(mesh_error_retry_delay(why, &delay_ms));
    assert_true(delay_ms == wait_ms);
}

static void nobody_waits_longer_than_that(void **state)
{
    (void)state;
    take_all();
    int64_t from_ns = mesh_clock_monotonic_ns();
    expect_sent_away(take(), &err, WAIT_MS);
    assert_true(mesh_clock_monotonic_ns() - from_ns >= INT64_C(1000000) * WAIT_MS);
    end_all();
    assert_int_equal(take(), MESH_OK);
    user_turn_end(&turns);
}

static void nobody_waits_beyond_the_deadline(void **state)
{
    (void)state;
    take_all();
    assert_int_equal(take_until(mesh_clock_deadline_ns(20)), MESH_DEADLINE_EXCEEDED);
    end_all();
    assert_int_equal(take_until(mesh_clock_deadline_ns(-1)), MESH_DEADLINE_EXCEEDED);
}

typedef struct caller {
    pthread_t thread;
    user_waiter waiter;
    mesh_code code;
    mesh_error err;
} caller;

static void *take_one(void *context)
{
    caller *me = context;
    me->code = user_turn_take(&me->waiter, &me->err);
    return NULL;
}

static void start(caller *one)
{
    *one = (caller){.waiter = {.turns = &turns, .deadline_ns = MESH_NO_DEADLINE}};
    assert_int_equal(pthread_create(&one->thread, NULL, take_one, one), 0);
}

static int64_t waiting_now(void)
{
    pthread_mutex_lock(&turns.mu);
    int64_t waiting = turns.waiting;
    pthread_mutex_unlock(&turns.mu);
    return waiting;
}

/* S4.1: the workers of all others stay free for other calls. */
static void more_than_may_wait_are_sent_away_at_once(void **state)
{
    (void)state;
    caller callers[WAITING];
    turns.wait_ms = LONG_MS;
    take_all();
    for (size_t i = 0; i < WAITING; i++)
        start(&callers[i]);
    WAIT_FOR(waiting_now() == WAITING);

    int64_t from_ns = mesh_clock_monotonic_ns();
    expect_sent_away(take(), &err, LONG_MS);
    assert_true(mesh_clock_monotonic_ns() - from_ns < INT64_C(1000000) * LONG_MS);

    /* Those that wait get the turns that end. */
    end_all();
    WAIT_FOR(waiting_now() == WAITING - RUNNING);
    user_turn_end(&turns);
    for (size_t i = 0; i < WAITING; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].code, MESH_OK);
    }
    end_all();
}

/* S4.1: whose caller has gone away costs no hash, and its place is somebody else's. */
static void who_gives_up_stops_waiting_at_once(void **state)
{
    (void)state;
    caller gone, patient;
    turns.wait_ms = LONG_MS;
    take_all();
    start(&patient); /* first in the queue, and told first */
    WAIT_FOR(waiting_now() == 1);
    start(&gone);
    WAIT_FOR(waiting_now() == 2);
    int64_t from_ns = mesh_clock_monotonic_ns();
    user_turn_give_up(&gone.waiter);
    assert_int_equal(pthread_join(gone.thread, NULL), 0);
    assert_int_equal(gone.code, MESH_CANCELLED);
    assert_true(mesh_clock_monotonic_ns() - from_ns < INT64_C(1000000) * LONG_MS / 2);
    assert_int_equal(waiting_now(), 1);

    /* Whoever gave up just when the turn came leaves it to the next one. */
    pthread_mutex_lock(&turns.mu);
    turns.running--;
    pthread_mutex_unlock(&turns.mu);
    assert_int_equal(user_turn_take(&gone.waiter, &err), MESH_CANCELLED);
    user_turn_give_up(&gone.waiter);
    assert_int_equal(pthread_join(patient.thread, NULL), 0);
    assert_int_equal(patient.code, MESH_OK);
    user_turn_give_up(&patient.waiter); /* too late: it has its turn */
    assert_int_equal(turns.running, RUNNING);
    end_all();
}

static int64_t at_once, most; /* atomic */

static void *take_many(void *context)
{
    uintptr_t taken = 0;
    (void)context;
    for (int i = 0; i < ROUNDS; i++) {
        user_waiter me = {.turns = &turns, .deadline_ns = MESH_NO_DEADLINE};
        if (user_turn_take(&me, NULL) != MESH_OK)
            continue;
        int64_t now = __atomic_add_fetch(&at_once, 1, __ATOMIC_SEQ_CST);
        if (now > RUNNING)
            __atomic_store_n(&most, now, __ATOMIC_SEQ_CST);
        __atomic_sub_fetch(&at_once, 1, __ATOMIC_SEQ_CST);
        user_turn_end(&turns);
        taken++;
    }
    return (void *)taken;
}

static void never_more_than_may_have_a_turn(void **state)
{
    (void)state;
    pthread_t threads[CALLERS];
    uintptr_t all = 0;
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, NULL), 0);
    for (size_t i = 0; i < CALLERS; i++) {
        void *taken;
        assert_int_equal(pthread_join(threads[i], &taken), 0);
        all += (uintptr_t)taken;
    }
    assert_true(all > 0);
    assert_int_equal(most, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_waits_longer_than_that, begin_test, end_test),
        cmocka_unit_test_setup_teardown(nobody_waits_beyond_the_deadline, begin_test, end_test),
        cmocka_unit_test_setup_teardown(more_than_may_wait_are_sent_away_at_once, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(who_gives_up_stops_waiting_at_once, begin_test, end_test),
        cmocka_unit_test_setup_teardown(never_more_than_may_have_a_turn, begin_test, end_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
