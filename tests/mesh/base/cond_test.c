#include "mesh/base/cond.h"

#include "mesh/base/clock.h"
#include "tests/mesh/base/test.h"

enum {
    PAUSE_MS = 20
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool done; /* guarded by mu */

static void a_wait_ends_when_its_deadline_has_passed(void **state)
{
    int64_t deadline_ns = mesh_clock_deadline_ns(PAUSE_MS);

    (void)state;
    pthread_mutex_lock(&mu);
    while (mesh_cond_wait_until(&changed, &mu, deadline_ns))
        continue;
    assert_true(mesh_clock_monotonic_ns() >= deadline_ns);
    pthread_mutex_unlock(&mu);
}

static void a_deadline_in_the_past_is_over_at_once(void **state)
{
    const int64_t past[] = {mesh_clock_monotonic_ns(), 1, 0, -1, -1999999999, INT64_MIN};

    (void)state;
    pthread_mutex_lock(&mu);
    for (size_t i = 0; i < COUNT(past); i++)
        assert_false(mesh_cond_wait_until(&changed, &mu, past[i]));
    pthread_mutex_unlock(&mu);
}

static void *finish(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&mu); /* taken once the other one waits */
    done = true;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mu);
    return NULL;
}

static void a_wait_without_a_deadline_ends_with_its_condition(void **state)
{
    pthread_t other;

    (void)state;
    pthread_mutex_lock(&mu);
    assert_int_equal(pthread_create(&other, NULL, finish, NULL), 0);
    while (!done)
        assert_true(mesh_cond_wait_until(&changed, &mu, MESH_NO_DEADLINE));
    pthread_mutex_unlock(&mu);
    pthread_join(other, NULL);
}

static void who_rests_goes_on_when_the_time_has_come(void **state)
{
    int64_t until_ns = mesh_clock_deadline_ns(PAUSE_MS);

    (void)state;
    done = false;
    assert_true(mesh_cond_rest(&changed, &mu, &done, PAUSE_MS));
    assert_true(mesh_clock_monotonic_ns() >= until_ns);
}

static void who_rests_stops_at_once_when_told_to(void **state)
{
    pthread_t other;

    (void)state;
    done = false;
    assert_int_equal(pthread_create(&other, NULL, finish, NULL), 0);
    assert_false(mesh_cond_rest(&changed, &mu, &done, INT64_MAX));
    pthread_join(other, NULL);
    assert_false(mesh_cond_rest(&changed, &mu, &done, INT64_MAX)); /* also before it rests */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_ends_when_its_deadline_has_passed),
        cmocka_unit_test(a_deadline_in_the_past_is_over_at_once),
        cmocka_unit_test(a_wait_without_a_deadline_ends_with_its_condition),
        cmocka_unit_test(who_rests_goes_on_when_the_time_has_come),
        cmocka_unit_test(who_rests_stops_at_once_when_told_to),
    };

    return cmocka_run_group_tests_name("cond", tests, NULL, NULL);
}
