/*
 * meshctl authz explain, asked of the product and the user service: it says what calls of the user
 * do, and where that is known from.
 */
#include "guarded/v1/guarded.mesh.h"
#include "mesh/auth/explain.h"
#include "mesh/reflection/reflection.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/auth/gate.h"
#include "tests/mesh/base/test.h"
#include "tests/mesh/meshctl/desk.h"
#include "tests/services/shop/people.h"

#define EXPLAIN "authz explain %s "
#define CREATE "product CreateProduct"

static instance products;
static char services[512];

/* --- a service with a rule that no service of the shop has ------------------------------------ */

static struct {
    gate gate;
    mesh_explain *explain;
    mesh_reflection *reflection;
    mesh_server *server;
} there;

static mesh_code see(void *self, mesh_call *call, const Google__Protobuf__Empty *request,
                     Guarded__V1__Seen *seen, mesh_error *err)
{
    (void)self;
    (void)request;
    (void)err;
    seen->user = mesh_arena_strdup(mesh_call_arena(call), mesh_call_caller(call)->user);
    return MESH_OK;
}

static void make_gate(void)
{
    const User__V1__GetKeySetRequest request = USER__V1__GET_KEY_SET_REQUEST__INIT;
    mesh_arena *arena = mesh_arena_create(4096, 0);
    User__V1__KeySet *set;
    assert_int_equal(user__v1__user_service__get_key_set(
                         shop_users(), &request, &set, &(mesh_call_options){.arena = arena}, NULL),
                     MESH_OK);
    gate_create(&there.gate, NULL, NULL);
    gate_believe(&there.gate, set->jwks);
    mesh_arena_destroy(arena);
    atomic_store(&there.gate.allows, true);
}

/* Its address, in a static buffer. */
static const char *start_guarded(void)
{
    static const guarded__v1__guarded__handlers handlers = {.staff = see};
    static char address[64];
    make_gate();
    const mesh_interceptor guard = gate_interceptor(&there.gate);
    assert_int_equal(mesh_server_create(&(mesh_server_options){.listen = "127.0.0.1:0",
                                                               .interceptors = &guard,
                                                               .interceptor_count = 1},
                                        &there.server, NULL),
                     MESH_OK);
    assert_int_equal(mesh_explain_create(there.server, there.gate.guard, &there.explain, NULL),
                     MESH_OK);
    assert_int_equal(
        mesh_server_add(there.server, guarded__v1__guarded__api(&handlers, NULL), NULL), MESH_OK);
    assert_int_equal(mesh_server_add(there.server, mesh_explain_api(there.explain), NULL), MESH_OK);
    assert_int_equal(mesh_reflection_create(there.server, &there.reflection, NULL), MESH_OK);
    assert_int_equal(mesh_server_add(there.server, mesh_reflection_api(there.reflection), NULL),
                     MESH_OK);
    assert_int_equal(mesh_server_start(there.server, NULL), MESH_OK);
    snprintf(address, sizeof address, "127.0.0.1:%d", mesh_server_port(there.server));
    return address;
}

static void stop_guarded(void)
{
    mesh_server_destroy(there.server);
    mesh_reflection_destroy(there.reflection);
    mesh_explain_destroy(there.explain);
    gate_destroy(&there.gate);
}

/* --- tests ------------------------------------------------------------------------------------ */

/* Runs until meshctl prints the text: what an event brings takes a moment. */
static bool says(const person *of, const char *method, const char *text)
{
    char words[256];
    snprintf(words, sizeof words, EXPLAIN "%s", of->id, method);
    (void)desk_run(NULL, words);
    return strstr(desk_output, text) != NULL;
}

/* A call of the person's own. */
static void expect_call(const person *by, int status, const char *reason)
{
    desk_expect(NULL, status, reason,
                "call product ProductService.DeleteProduct '{\"id\":\"none\"}' "
                "-H 'authorization: %s'",
                by->authorization);
}

/* Who comes just after the start is told to come again, and where to look if that does not help. */
static void a_service_that_does_not_know_yet_is_asked_again(void **state)
{
    person bob;
    (void)state;
    desk_make_mesh(services);
    person_join(&bob, "early-bob");
    desk_expect(NULL, 64 + 14, "does not know yet who is banned",
                "call guarded Staff -H 'authorization: %s'", bob.authorization);
    assert_non_null(strstr(desk_output, "try again in some seconds"));
    assert_non_null(strstr(desk_output, "scripts/logs guarded says what it waits for"));
    mesh_guard_open(there.gate.guard);
    desk_expect(NULL, 64 + 7, "ROLE_MISSING", "call guarded Staff -H 'authorization: %s'",
                bob.authorization);
}

/* S0.5, S4.11 */
static void a_permission_is_explained_as_it_is_decided(void **state)
{
    static person bob;
    (void)state;
    desk_make_mesh(services);
    desk_sign_in("--staff ada");
    person_join(&bob, "bob");
    expect_call(&bob, 64 + 7, "who may read users can ask why: meshctl authz explain ");
    assert_non_null(strstr(desk_output, "PERMISSION_MISSING"));
    char asked[256];
    snprintf(asked, sizeof asked,
             "authz explain %s product product.v1.ProductService/DeleteProduct\n", bob.id);
    assert_non_null(strstr(desk_output, asked));
    desk_expect(NULL, 1,
                "DENIED PERMISSION_MISSING: bob, signed in, calls "
                "product.v1.ProductService/CreateProduct at product\n",
                EXPLAIN CREATE, bob.id);
    assert_non_null(strstr(desk_output, "permission: \"product.write\"  the contract\n"));
    assert_non_null(strstr(desk_output, "permission product.write  no"));
    assert_non_null(strstr(desk_output, "kept for "));
    assert_non_null(strstr(desk_output, "regular, consumer"));

    person_change_groups(&bob, (const char *const[]){"merchants", NULL});
    WAIT_FOR(says(&bob, CREATE, "ALLOWED: bob"));
    assert_non_null(strstr(desk_output, "refused"));
    assert_non_null(strstr(desk_output, "an event that the service has heard"));
    expect_call(&bob, 64 + 5, "PRODUCT_NOT_FOUND");
    desk_expect(NULL, 0, "{\"decision\":\"ALLOWED\",\"reason\":\"\",\"user_id\":\"",
                EXPLAIN CREATE " --json", bob.id);
    assert_non_null(strstr(desk_output, "{\"what\":\"permission product.write\",\"result\":\"yes\","
                                        "\"source\":\"CACHE\",\"age_ms\":"));
    assert_non_null(strstr(desk_output, "\"account\":\"regular, consumer\"}\n"));
}

/* S0.4, S0.5 */
static void a_ban_is_explained_too(void **state)
{
    static person bob;
    (void)state;
    desk_make_mesh(services);
    desk_sign_in("--staff ada");
    person_join(&bob, "banned-bob");
    person_change_groups(&bob, (const char *const[]){"merchants", NULL});
    desk_expect(NULL, 0, "ALLOWED", EXPLAIN "user GetCurrentUser", bob.id);
    person_ban(&bob);
    WAIT_FOR(says(&bob, CREATE, "DENIED USER_REFUSED: banned-bob"));
    assert_non_null(strstr(desk_output, "yes, banned or deleted"));
    assert_non_null(strstr(desk_output, "regular, consumer; banned"));
    expect_call(&bob, 64 + 7, "USER_REFUSED");
    WAIT_FOR(says(&bob, "user GetCurrentUser", "DENIED USER_REFUSED"));
}

/* S0.5 */
static void other_policies_are_explained(void **state)
{
    static person bob;
    (void)state;
    desk_make_mesh(services);
    desk_sign_in("--staff ada");
    person_join(&bob, "plain-bob");
    desk_expect(NULL, 0, "public: true", EXPLAIN "product GetProduct", bob.id);
    desk_expect(NULL, 0, "authenticated: true", EXPLAIN "user UserService.UpdateUser", bob.id);
    desk_expect(NULL, 1, "DENIED SERVICE_REQUIRED", EXPLAIN "user CheckPermission", bob.id);
    desk_expect(NULL, 1, "permission: \"user.manage\" sensitive: true", EXPLAIN "user BanUser",
                bob.id);
    assert_non_null(strstr(desk_output, "the user service, asked now"));
    desk_expect(NULL, 1, "asked now", EXPLAIN "user BanUser", bob.id); /* nothing is kept */
}

/* S0.5: they come from the user service where the service has heard nothing of the user. */
static void roles_are_explained(void **state)
{
    static person bob;
    (void)state;
    desk_make_mesh(services);
    desk_sign_in("--staff ada");
    person_join(&bob, "regular-bob");
    desk_expect(NULL, 1, "DENIED ROLE_MISSING: regular-bob", EXPLAIN "guarded Staff", bob.id);
    assert_non_null(strstr(desk_output, "roles: [\"pro\", \"staff\"]"));
    assert_non_null(strstr(desk_output, "\nroles    regular, consumer        the user's token"));
    desk_expect(NULL, 64 + 7, "ROLE_MISSING", "call guarded Staff -H 'authorization: %s'",
                bob.authorization);

    desk_expect(NULL, 0, "ada", "whoami --json");
    char *id = strstr(desk_output, "\"id\":\"") + 6;
    *strchr(id, '"') = '\0';
    char words[256];
    snprintf(words, sizeof words, EXPLAIN "guarded Staff", id);
    desk_expect(NULL, 0, "ALLOWED: ada", "%s", words);
    desk_expect(NULL, 0, "\"user\": \"", "call guarded Staff");
}

static void mistakes_are_told(void **state)
{
    static person bob;
    (void)state;
    desk_make_mesh(services);
    person_join(&bob, "other-bob");
    desk_expect(NULL, 64 + 16, "nobody is signed in", EXPLAIN CREATE, bob.id);
    desk_expect(NULL, 64 + 7, "the user does not have the permission user.read",
                EXPLAIN CREATE " -H 'authorization: %s'", bob.id, bob.authorization);
    assert_null(strstr(desk_output, "meshctl authz explain"));
    desk_sign_in("--staff ada");
    desk_expect(NULL, 64 + 5, "USER is an id: meshctl call user ListUsers shows them",
                "authz explain 01981c3e-7b1f-7d6a-9c55-1f0a8d1b2c3d " CREATE);
    desk_expect(NULL, 1, "did you mean CreateProduct?", EXPLAIN "product CreateProdukt", bob.id);
    desk_expect(NULL, 1, "did you mean product?", EXPLAIN "produkt CreateProduct", bob.id);
    desk_expect(NULL, 2, "authz needs a user and a method", "authz explain");
    desk_expect(NULL, 2, "authz needs a user", "authz explane a b c");
    desk_expect(NULL, 1, "CreateProduct at product\n", EXPLAIN "CreateProduct", bob.id);
    desk_expect(NULL, 1, "CreateProduct at product\n",
                EXPLAIN "product.v1.ProductService/CreateProduct", bob.id);
    desk_expect(NULL, 1, "meshctl list TARGET SERVICE shows the methods",
                EXPLAIN "user product.v1.ProductService/CreateProduct", bob.id);
    desk_expect(NULL, 1, "no service of the mesh that answers has a method Creat", EXPLAIN "Creat",
                bob.id);
    desk_expect(NULL, 1, "Explain is a method of several services: guarded, product, user",
                EXPLAIN "Explain", bob.id);
    desk_expect(NULL, 0, "explain\n", "complete -- authz ''");
    desk_expect(NULL, 0, "guarded\nproduct\nuser\n", "complete -- authz explain x ''");
    desk_expect(NULL, 0, "ProductService.CreateProduct\n",
                "complete -- authz explain x product ProductService.C");
}

/* S0.5: what is known stays known, and is told; what has to be asked for is not guessed. */
static void the_user_service_may_be_away(void **state)
{
    static person bob;
    (void)state;
    desk_make_mesh(services);
    desk_sign_in("--staff ada");
    person_join(&bob, "lonely-bob");
    desk_expect(NULL, 1, "DENIED", EXPLAIN CREATE, bob.id);
    shop_stop_users();
    desk_expect(NULL, 1, "kept for ", EXPLAIN CREATE, bob.id);
    assert_non_null(strstr(desk_output,
                           "account                   not known                    UNAVAILABLE: "));
    desk_expect(NULL, 1, "UNKNOWN PERMISSION_UNKNOWN",
                "authz explain 01981c3e-7b1f-7d6a-9c55-1f0a8d1b2c3d " CREATE);
    shop_restart_users();
}

static int open_all(void **state)
{
    if (shop_setup(state) != 0)
        return -1;
    people_make_admin("ada", "ada@example.com");
    instance_start(&products, "product", NULL, NULL);
    snprintf(services, sizeof services, "guarded %s\nproduct %s\nuser %s\n", start_guarded(),
             products.address, mesh_channel_target(shop_users()));
    return 0;
}

static int close_all(void **state)
{
    stop_guarded();
    instance_stop(&products);
    return shop_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_that_does_not_know_yet_is_asked_again), /* and opens it */
        cmocka_unit_test(a_permission_is_explained_as_it_is_decided),
        cmocka_unit_test(a_ban_is_explained_too),
        cmocka_unit_test(other_policies_are_explained),
        cmocka_unit_test(roles_are_explained),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(the_user_service_may_be_away),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
