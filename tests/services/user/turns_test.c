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
static user_waiter held[RUNNING]; /* turns that the test itself has */
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
    assert_null(turns.first);
    user_turns_destroy(&turns);
    return 0;
}

/* A turn that is over at once. */
static mesh_code take_until(int64_t deadline_ns)
{
    user_waiter me = {.turns = &turns, .deadline_ns = deadline_ns};
    mesh_code code = user_turn_take(&me, &err);
    if (code == MESH_OK)
        user_turn_end(&me);
    return code;
}

static mesh_code take(void)
{
    return take_until(MESH_NO_DEADLINE);
}

static void take_all(void)
{
    for (size_t i = 0; i < RUNNING; i++) {
        held[i] = (user_waiter){.turns = &turns, .deadline_ns = MESH_NO_DEADLINE};
        assert_int_equal(user_turn_take(&held[i], &err), MESH_OK);
    }
}

static void end_all(void)
{
    for (size_t i = 0; i < RUNNING; i++)
        user_turn_end(&held[i]);
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

static void start_as(caller *one, const char *login, const char *address)
{
    *one = (caller){
        .waiter = {
            .turns = &turns, .login = login, .address = address, .deadline_ns = MESH_NO_DEADLINE}};
    assert_int_equal(pthread_create(&one->thread, NULL, take_one, one), 0);
}

static void start(caller *one)
{
    start_as(one, NULL, NULL);
}

static void expect_turn(const caller *one)
{
    assert_int_equal(pthread_join(one->thread, NULL), 0);
    assert_int_equal(one->code, MESH_OK);
}

/* Those that have turns are the first. */
static size_t waiting_now(void)
{
    size_t places = 0;
    pthread_mutex_lock(&turns.mu);
    for (const user_waiter *at = turns.first; at != NULL; at = at->next)
        places++;
    pthread_mutex_unlock(&turns.mu);
    return places > RUNNING ? places - RUNNING : 0;
}

/* S4.1: the workers of all others stay free for other calls. */
static void more_than_may_wait_are_sent_away_at_once(void **state)
{
    (void)state;
    caller callers[WAITING];
    turns.wait_ms = LONG_MS;
    take_all();
    for (size_t i = 0; i < WAITING; i++) {
        start(&callers[i]);
        WAIT_FOR(waiting_now() == i + 1);
    }

    int64_t from_ns = mesh_clock_monotonic_ns();
    expect_sent_away(take(), &err, LONG_MS);
    assert_true(mesh_clock_monotonic_ns() - from_ns < INT64_C(1000000) * LONG_MS);

    /* Those that wait get the turns that end, in their order. */
    end_all();
    for (size_t i = 0; i < WAITING; i++) {
        expect_turn(&callers[i]);
        assert_int_equal(waiting_now(), i < WAITING - RUNNING ? WAITING - RUNNING - i : 0);
        user_turn_end(&callers[i].waiter);
    }
}

/* S4.1: whose caller has gone away costs no hash, and its place is somebody else's. */
static void who_gives_up_stops_waiting_at_once(void **state)
{
    (void)state;
    caller gone, patient;
    turns.wait_ms = LONG_MS;
    take_all();
    start(&gone);
    WAIT_FOR(waiting_now() == 1);
    start(&patient);
    WAIT_FOR(waiting_now() == 2);
    int64_t from_ns = mesh_clock_monotonic_ns();
    user_turn_give_up(&gone.waiter);
    assert_int_equal(pthread_join(gone.thread, NULL), 0);
    assert_int_equal(gone.code, MESH_CANCELLED);
    assert_true(mesh_clock_monotonic_ns() - from_ns < INT64_C(1000000) * LONG_MS / 2);
    assert_int_equal(waiting_now(), 1);

    /* Whoever gave up just when the turn came leaves it to the next one. */
    user_turn_end(&held[0]);
    expect_turn(&patient);
    user_turn_give_up(&patient.waiter); /* too late: it has its turn */
    user_turn_end(&held[1]);
    assert_int_equal(user_turn_take(&gone.waiter, &err), MESH_CANCELLED);
    assert_ptr_equal(turns.first, &patient.waiter);
    assert_null(patient.waiter.next);
    user_turn_end(&patient.waiter);
}

/* --- shares ----------------------------------------------------------------------------------- */

static const char ADA[] = "ada", BOB[] = "bob", HERE[] = "192.0.2.1", THERE[] = "192.0.2.2";

/* A turn of somebody's that is over at once. */
static mesh_code take_as(const char *login, const char *address)
{
    user_waiter me = {
        .turns = &turns, .login = login, .address = address, .deadline_ns = MESH_NO_DEADLINE};
    mesh_code code = user_turn_take(&me, &err);
    if (code == MESH_OK)
        user_turn_end(&me);
    return code;
}

typedef struct holder {
    const char *login, *address;
    bool admitted;
} holder;

/* S4.1: of five places one login has two, whatever address it comes from; one address four. */
static void a_login_and_an_address_have_a_share_of_the_places(void **state)
{
    (void)state;
    static const holder cases[] = {
        {ADA, HERE, true},         {ADA, THERE, true},  {ADA, HERE, false},
        {ADA, "192.0.2.3", false}, {BOB, HERE, true},   {"eve", HERE, true},
        {NULL, HERE, true},        {NULL, HERE, false}, {"zoe", HERE, false},
    };
    static caller callers[sizeof cases / sizeof cases[0]];
    size_t taken = 0;
    turns.wait_ms = LONG_MS;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!cases[i].admitted) {
            expect_sent_away(take_as(cases[i].login, cases[i].address), &err, LONG_MS);
            continue;
        }
        taken++;
        start_as(&callers[i], cases[i].login, cases[i].address);
        WAIT_FOR(taken <= RUNNING || waiting_now() == taken - RUNNING);
        if (taken <= RUNNING)
            expect_turn(&callers[i]);
    }
    assert_int_equal(taken, RUNNING + WAITING);
    for (size_t i = 0, ended = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!cases[i].admitted)
            continue;
        if (ended++ >= RUNNING)
            expect_turn(&callers[i]);
        user_turn_end(&callers[i].waiter);
    }
    assert_int_equal(take_as(ADA, HERE), MESH_OK);
}

enum {
    FLOOD = 8
};

static bool flooding; /* atomic */

static void *flood(void *context)
{
    (void)context;
    while (__atomic_load_n(&flooding, __ATOMIC_SEQ_CST)) {
        user_waiter me = {
            .turns = &turns, .login = ADA, .address = HERE, .deadline_ns = MESH_NO_DEADLINE};
        if (user_turn_take(&me, NULL) != MESH_OK)
            continue;
        wait_a_moment(); /* as a hash takes one */
        user_turn_end(&me);
    }
    return NULL;
}

/* S4.1: nobody is kept out by the one login that comes all the time, also from the same address. */
static void who_comes_all_the_time_keeps_nobody_else_out(void **state)
{
    (void)state;
    pthread_t threads[FLOOD];
    turns.wait_ms = LONG_MS;
    __atomic_store_n(&flooding, true, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < FLOOD; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, flood, NULL), 0);
    WAIT_FOR(take_as(ADA, THERE) != MESH_OK);
    for (int i = 0; i < ROUNDS; i++)
        assert_int_equal(take_as(BOB, i % 2 == 0 ? THERE : HERE), MESH_OK);
    __atomic_store_n(&flooding, false, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < FLOOD; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* --- many ------------------------------------------------------------------------------------- */

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
        user_turn_end(&me);
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
        cmocka_unit_test_setup_teardown(a_login_and_an_address_have_a_share_of_the_places,
                                        begin_test, end_test),
        cmocka_unit_test_setup_teardown(who_comes_all_the_time_keeps_nobody_else_out, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(never_more_than_may_have_a_turn, begin_test, end_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
