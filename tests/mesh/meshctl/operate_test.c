/*
 * What operators do with meshctl about events and sagas that did not go well, with a service whose
 * handlers and steps fail as the test says.
 */
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/base/test.h"
#include "tests/mesh/meshctl/desk.h"
#include "tests/services/shop/people.h"

#define OPERATED "tests/mesh/meshctl/operated"
#define TYPES "tests/mesh/service/demo_v1.protoset"

static instance operated;
static mesh_db *db;
static char services[512];

/* --- help ------------------------------------------------------------------------------------- */

static void begin(void)
{
    desk_make_mesh(services);
    desk_sign_in("--staff ada");
}

/* An event of this name. */
static void tell(const char *name)
{
    desk_expect(NULL, 0, "is in the outbox of notification",
                "events publish notification demo.v1.Added '{\"name\":\"%s\"}' --protoset " TYPES,
                name);
}

static void mend(const char *name)
{
    assert_int_equal(mesh_db_exec(db, 0, "INSERT INTO mended VALUES ($1)",
                                  MESH_SQL_PARAMS(MESH_SQL_TEXT(name)), NULL, NULL),
                     MESH_OK);
}

static bool is_heard(const char *name)
{
    mesh_rows *rows;
    assert_int_equal(mesh_db_query(db, 0, "SELECT 1 FROM heard WHERE name = $1",
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(name)), &rows, NULL),
                     MESH_OK);
    bool heard = mesh_rows_count(rows) == 1;
    mesh_rows_end(rows);
    return heard;
}

/* Runs until meshctl prints the text. */
static bool says(const char *words, const char *text)
{
    (void)desk_run(NULL, words);
    return strstr(desk_output, text) != NULL;
}

/* --- sagas ------------------------------------------------------------------------------------ */

#define IS(name, status) says("saga show notification journey " name, status)

/* S2.14: what went on too often in vain waits for an operator, who sees why, and has it retried. */
static void a_parked_saga_is_retried(void **state)
{
    (void)state;
    begin();
    tell("saga-1");
    WAIT_FOR(IS("saga-1", "PARKED"));
    assert_non_null(strstr(desk_output, "INTERNAL: saga-1 is not mended"));
    assert_non_null(strstr(desk_output, "meshctl saga retry notification journey saga-1"));
    desk_expect(NULL, 0, "notification  journey  saga-1  leave  1/1", "saga list --status parked");
    desk_expect(NULL, 0, "\"definition\":\"journey\",\"id\":\"saga-1\",\"step\":\"leave\"",
                "saga list notification --json");
    desk_expect(NULL, 0, "\"context_base64\":\"bHVnZ2FnZQ==\",\"history\":[{\"time\":\"",
                "saga show notification journey saga-1 --json");
    mend("saga-1");
    desk_expect(NULL, 0, "journey",
                "saga retry notification journey saga-1 --reason 'it is mended'");
    WAIT_FOR(IS("saga-1", "COMPLETED"));
    assert_non_null(strstr(desk_output, ": it is mended"));
    assert_true(is_heard("saga-1"));
    desk_expect(NULL, 64 + 9, "meshctl saga show tells where it stands",
                "saga retry notification journey saga-1");
}

/* S2.14 */
static void a_parked_saga_is_resolved(void **state)
{
    static const struct {
        const char *name, *as, *shows, *status;
    } cases[] = {
        {"saga-done", "done", "saga show notification journey saga-done", "COMPLETED"},
        {"saga-back", "back", "saga show notification journey saga-back", "COMPENSATED"},
        {"saga-undone", "undone", "saga show notification journey saga-undone", "COMPENSATED"},
    };
    (void)state;
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tell(cases[i].name);
        WAIT_FOR(says(cases[i].shows, "PARKED"));
        desk_expect(NULL, 0, cases[i].name,
                    "saga resolve notification journey %s --as %s --reason 'by hand'",
                    cases[i].name, cases[i].as);
        WAIT_FOR(says(cases[i].shows, cases[i].status));
        assert_non_null(strstr(desk_output, ": by hand"));
        assert_false(is_heard(cases[i].name));
    }
}

static void sagas_that_are_none_are_told(void **state)
{
    (void)state;
    begin();
    desk_expect(NULL, 64 + 5, "meshctl saga list shows those that are there",
                "saga show notification journey nobody");
    desk_expect(NULL, 64 + 9, "user has no sagas", "saga list user");
    desk_expect(NULL, 2, "--status lost: it is running, waiting", "saga list --status lost");
    desk_expect(NULL, 2, "saga show needs a service", "saga show notification");
    desk_expect(NULL, 2, "saga needs to know what", "saga");
    desk_expect(NULL, 0, "list\nresolve\nretry\nshow\n", "complete -- saga ''");
    desk_expect(NULL, 0, "notification\nuser\n", "complete -- saga list ''");
}

/* --- who may ---------------------------------------------------------------------------------- */

/* S0.5: who lacks the permissions sees nothing and changes nothing. */
static void operators_need_permissions(void **state)
{
    static const struct {
        const char *command, *permission;
    } cases[] = {
        {"saga list notification", "event.read"},
        {"saga show notification journey x", "event.read"},
        {"saga retry notification journey x", "event.operate"},
        {"saga resolve notification journey x --as done", "event.operate"},
    };
    person bob;
    (void)state;
    desk_make_mesh(services);
    person_join(&bob, "nosy-bob");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        desk_expect(NULL, 64 + 16, "nobody is signed in", "%s", cases[i].command);
        desk_expect(NULL, 64 + 7, cases[i].permission, "%s -H 'authorization: %s'",
                    cases[i].command, bob.authorization);
    }
}

static int open_all(void **state)
{
    if (shop_setup(state) != 0)
        return -1;
    people_make_admin("ada", "ada@example.com");
    instance_start_program(&operated, OPERATED, "notification", NULL, NULL);
    db = shop_open("notification");
    snprintf(services, sizeof services, "notification %s\nuser %s\n", operated.address,
             mesh_channel_target(shop_users()));
    return 0;
}

static int close_all(void **state)
{
    mesh_db_destroy(db);
    instance_stop(&operated);
    return shop_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parked_saga_is_retried),
        cmocka_unit_test(a_parked_saga_is_resolved),
        cmocka_unit_test(sagas_that_are_none_are_told),
        cmocka_unit_test(operators_need_permissions),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
