/* Notifications, and what becomes of them when the server goes away. */
#include "mesh/db/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"

static void count(void *context)
{
    atomic_fetch_add((atomic_int *)context, 1);
}

/* S0.6 */
static void what_is_notified_is_heard(void **state)
{
    (void)state;
    atomic_int heard = 0;
    mesh_db *db = postgres_open("listen_test", NULL);
    mesh_db_listener *listener = NULL;
    assert_int_equal(mesh_db_listener_create(db, "news", count, &heard, &listener, NULL), MESH_OK);
    WAIT_FOR(atomic_load(&heard) == 1); /* connected */
    postgres_value(db, "NOTIFY others");
    postgres_value(db, "NOTIFY news");
    WAIT_FOR(atomic_load(&heard) == 2);
    postgres_value(db, "NOTIFY news");
    WAIT_FOR(atomic_load(&heard) == 3);
    mesh_db_listener_destroy(listener);
    postgres_value(db, "NOTIFY news");
    assert_int_equal(atomic_load(&heard), 3);
    mesh_db_destroy(db);
}

/* S0.9 */
static void a_restart_of_the_server_counts_as_a_notification(void **state)
{
    (void)state;
    atomic_int heard = 0;
    mesh_db *db = postgres_open("listen_restart_test", NULL);
    mesh_db_listener *listener = NULL;
    assert_int_equal(mesh_db_listener_create(db, "news", count, &heard, &listener, NULL), MESH_OK);
    WAIT_FOR(atomic_load(&heard) == 1);
    postgres_stop();
    postgres_restart();
    WAIT_FOR(atomic_load(&heard) == 2);
    postgres_value(db, "NOTIFY news");
    WAIT_FOR(atomic_load(&heard) == 3);
    mesh_db_listener_destroy(listener);
    mesh_db_listener_destroy(NULL);
    mesh_db_destroy(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_notified_is_heard),
        cmocka_unit_test(a_restart_of_the_server_counts_as_a_notification),
    };
    return cmocka_run_group_tests(tests, postgres_setup, postgres_teardown);
}
