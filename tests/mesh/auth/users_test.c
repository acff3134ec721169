/* What users are now, as events tell it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/auth/users.h"
#include "mesh/base/alloc.h"
#include "tests/fixtures/wait.h"

enum {
    LONG_MS = 3600000,
    MANY = 5000,
    THREADS = 4
};

static mesh_user_state state_of(int64_t version, bool refused, const char *role)
{
    mesh_user_state state = {.version = version, .refused = refused, .role_count = 1};

    snprintf(state.roles[0], sizeof state.roles[0], "%s", role);
    return state;
}

static void put(mesh_users *users, const char *id, int64_t version, bool refused, const char *role)
{
    const mesh_user_state state = state_of(version, refused, role);

    assert_int_equal(mesh_users_put(users, id, &state, NULL), MESH_OK);
}

static void expect(mesh_users *users, const char *id, int64_t version, bool refused,
                   const char *role)
{
    mesh_user_state found;

    assert_true(mesh_users_find(users, id, &found));
    assert_int_equal(found.version, version);
    assert_int_equal(found.refused, refused);
    assert_int_equal(found.role_count, 1);
    assert_string_equal(found.roles[0], role);
}

/* S0.5, S4.2 */
static void what_a_user_is_now_is_known_by_the_latest_event(void **state)
{
    mesh_users *users = mesh_users_create(LONG_MS);
    mesh_user_state found;

    (void)state;
    assert_false(mesh_users_find(users, "ann", &found));
    put(users, "ann", 3, false, "staff");
    expect(users, "ann", 3, false, "staff");
    put(users, "ann", 5, true, "regular");
    expect(users, "ann", 5, true, "regular");
    assert_false(mesh_users_find(users, "bob", &found));
    assert_int_equal(mesh_users_count(users), 1);
    mesh_users_destroy(users);
}

/* S0.7 */
static void events_that_come_late_or_again_change_nothing(void **state)
{
    mesh_users *users = mesh_users_create(LONG_MS);

    (void)state;
    put(users, "ann", 5, true, "regular");
    put(users, "ann", 4, false, "admin");
    put(users, "ann", 5, false, "admin");
    expect(users, "ann", 5, true, "regular");
    mesh_users_destroy(users);
}

/* S4.2: remembered while the token could live, and no longer */
static void an_entry_is_forgotten_when_no_token_from_before_can_live(void **state)
{
    mesh_users *users = mesh_users_create(50);
    mesh_user_state found;
    char id[16];

    (void)state;
    put(users, "ann", 1, true, "regular");
    WAIT_FOR(!mesh_users_find(users, "ann", &found));
    /* and as new ones come, its memory goes */
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        put(users, id, 1, false, "regular");
    }
    WAIT_FOR((put(users, "1", 1, false, "regular"), put(users, "2", 1, false, "regular"),
              mesh_users_count(users) < MANY));
    mesh_users_destroy(users);
}

static void many_users_are_each_found(void **state)
{
    mesh_users *users = mesh_users_create(LONG_MS);
    char id[16];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "user-%d", i);
        put(users, id, i, i % 2 == 0, "regular");
    }
    assert_int_equal(mesh_users_count(users), MANY);
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "user-%d", i);
        expect(users, id, i, i % 2 == 0, "regular");
    }
    mesh_users_destroy(users);
}

static void what_is_no_user_is_refused(void **state)
{
    mesh_users *users = mesh_users_create(LONG_MS);
    const mesh_user_state any = state_of(1, false, "regular");
    const mesh_user_state crowded = {.version = 1, .role_count = MESH_ROLES_MAX + 1};
    char id[MESH_USER_ID_BYTES_MAX + 2];
    mesh_error err;

    (void)state;
    memset(id, 'x', sizeof id);
    id[sizeof id - 1] = '\0';
    assert_int_equal(mesh_users_put(users, id, &any, &err), MESH_INVALID_ARGUMENT);
    assert_string_equal(err.message, "the id of a user has 1 to 64 bytes, not 65");
    assert_int_equal(mesh_users_put(users, "", &any, NULL), MESH_INVALID_ARGUMENT);
    assert_int_equal(mesh_users_put(users, "ann", &crowded, &err), MESH_INVALID_ARGUMENT);
    assert_string_equal(err.message, "a user has at most 8 roles, not 9");
    assert_int_equal(mesh_users_put(users, id + 1, &any, NULL), MESH_OK);
    mesh_users_destroy(users);
}

/* The event has to come again: so it must be told, and the old state must stay. */
static void without_memory_nothing_is_changed(void **state)
{
    const mesh_user_state later = state_of(2, true, "regular");

    (void)state;
    for (size_t n = 1;; n++) {
        mesh_users *users;
        mesh_user_state found;
        mesh_code code = MESH_OK;

        mesh_alloc_fail_at(n);
        users = mesh_users_create(LONG_MS);
        for (int i = 0; users != NULL && i < 400 && code == MESH_OK; i++) {
            char id[16];

            snprintf(id, sizeof id, "%d", i);
            code = mesh_users_put(users, id, &later, NULL);
            assert_int_equal(mesh_users_find(users, id, &found), code == MESH_OK);
        }
        assert_true(users == NULL || code == MESH_OK || mesh_alloc_failed());
        mesh_users_destroy(users);
        assert_int_equal(mesh_alloc_live(), 0);
        if (!mesh_alloc_failed())
            break;
    }
    mesh_alloc_fail_at(0);
}

static void *change(void *users)
{
    for (int i = 0; i < MANY; i++) {
        mesh_user_state found;

        put(users, "ann", i, i % 2 == 0, i % 2 == 0 ? "staff" : "regular");
        assert_true(mesh_users_find(users, "ann", &found));
        assert_true(found.version >= i);
        assert_string_equal(found.roles[0], found.version % 2 == 0 ? "staff" : "regular");
    }
    return NULL;
}

static void threads_see_whole_states_that_never_go_back(void **state)
{
    mesh_users *users = mesh_users_create(LONG_MS);
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, change, users), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    expect(users, "ann", MANY - 1, false, "regular");
    mesh_users_destroy(users);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_user_is_now_is_known_by_the_latest_event),
        cmocka_unit_test(events_that_come_late_or_again_change_nothing),
        cmocka_unit_test(an_entry_is_forgotten_when_no_token_from_before_can_live),
        cmocka_unit_test(many_users_are_each_found),
        cmocka_unit_test(what_is_no_user_is_refused),
        cmocka_unit_test(without_memory_nothing_is_changed),
        cmocka_unit_test(threads_see_whole_states_that_never_go_back),
    };

    return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}
