/* What AccessService says of a call agrees with what the call does, and where that is from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guarded/v1/guarded.mesh.h"
#include "mesh/access/v1/access.mesh.h"
#include "mesh/auth/explain.h"
#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/rpc/channel.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/auth/gate.h"
#include "tests/mesh/auth/issuer.h"

#define USER "018f3a52-77aa-7e3e-b1f0-2d5b8a9f0c11" /* who is asked about, of issuer_claims */
#define OPERATOR "018f3a52-77aa-7e3e-b1f0-2d5b8a9f0c99"

typedef Mesh__Access__V1__ExplainResponse explanation;
typedef Mesh__Access__V1__Fact fact;

#define DECIDED(name) MESH__ACCESS__V1__EXPLAIN_RESPONSE__DECISION__##name
#define FROM(name) MESH__ACCESS__V1__FACT__SOURCE__##name

typedef enum says {
    SAYS_YES,
    SAYS_NO,
    SAYS_NOTHING /* it cannot be reached */
} says;

static struct {
    mesh_key *key;
    gate gate;
    mesh_explain *explain;
    mesh_server *server;
    mesh_channel *channel;
    mesh_arena *arena;
    _Atomic says says; /* of USER */
    atomic_int loads;  /* of USER's */
} here;

/* --- who answers ------------------------------------------------------------------------------ */

static void load(void *self, const char *user, const char *permission, mesh_permission_load *one)
{
    mesh_error err;
    says says = atomic_load(&here.says);

    (void)self;
    if (strcmp(user, OPERATOR) == 0) {
        mesh_permissions_loaded(one, MESH_OK, strcmp(permission, "user.read") == 0, NULL);
        return;
    }
    atomic_fetch_add(&here.loads, 1);
    mesh_error_clear(&err);
    if (says == SAYS_NOTHING)
        (void)mesh_error_set(&err, MESH_UNAVAILABLE, "nobody there");
    mesh_permissions_loaded(one, err.code, says == SAYS_YES, &err);
}

static mesh_code see(void *self, mesh_call *call, const Google__Protobuf__Empty *request,
                     Guarded__V1__Seen *seen, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)request;
    (void)seen;
    (void)err;
    return MESH_OK;
}

static const guarded__v1__guarded__handlers handlers = {
    .anybody = see,
    .authenticated = see,
    .staff = see,
    .write = see,
    .manage = see,
    .internal = see,
};

/* --- its parts -------------------------------------------------------------------------------- */

static void make_gate(void)
{
    here.key = issuer_generate();
    gate_create(&here.gate, load, NULL);
    issuer_publish(here.gate.keys, (const mesh_key *const *)&here.key, 1);
    mesh_guard_open(here.gate.guard);
}

static int start(void **state)
{
    mesh_interceptor guard;
    char address[32];

    (void)state;
    make_gate();
    guard = gate_interceptor(&here.gate);
    assert_int_equal(mesh_server_create(&(mesh_server_options){.listen = "127.0.0.1:0",
                                                               .poller_count = 1,
                                                               .worker_count = 2,
                                                               .interceptors = &guard,
                                                               .interceptor_count = 1},
                                        &here.server, NULL),
                     MESH_OK);
    assert_int_equal(mesh_explain_create(here.server, here.gate.guard, &here.explain, NULL),
                     MESH_OK);
    assert_int_equal(mesh_server_add(here.server, mesh_explain_api(here.explain), NULL), MESH_OK);
    assert_int_equal(mesh_server_add(here.server, guarded__v1__guarded__api(&handlers, NULL), NULL),
                     MESH_OK);
    assert_int_equal(mesh_server_start(here.server, NULL), MESH_OK);
    snprintf(address, sizeof address, "127.0.0.1:%d", mesh_server_port(here.server));
    assert_int_equal(mesh_channel_create(address, NULL, &here.channel, NULL), MESH_OK);
    here.arena = mesh_arena_create(4096, 0);
    assert_non_null(here.arena);
    atomic_store(&here.says, SAYS_YES);
    atomic_store(&here.loads, 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    mesh_channel_destroy(here.channel);
    mesh_server_destroy(here.server);
    mesh_explain_destroy(here.explain);
    gate_destroy(&here.gate);
    mesh_key_destroy(here.key);
    mesh_arena_destroy(here.arena);
    return 0;
}

/* --- calls ------------------------------------------------------------------------------------ */

static mesh_error refusal; /* of the last call */

/* Options of a call with a token of the user's with this role; valid until the next. */
static const mesh_call_options *as(const char *user, const char *role)
{
    static mesh_metadata metadata;
    static mesh_call_options options;
    mesh_claims claims = issuer_claims(mesh_clock_wall_ns() / 1000000000);
    const char *token;

    claims.subject = user;
    claims.roles[0] = role;
    claims.role_count = 1;
    assert_int_equal(mesh_token_sign(here.key, &claims, here.arena, &token, NULL), MESH_OK);
    token = mesh_arena_printf(here.arena, "Bearer %s", token);
    metadata = (mesh_metadata){"authorization", token, strlen(token)};
    options = (mesh_call_options){
        .arena = here.arena, .timeout_ms = 20000, .metadata = &metadata, .metadata_count = 1};
    mesh_error_clear(&refusal);
    return &options;
}

static mesh_code try_explain(const mesh_call_options *options, const char *user, const char *method,
                             const char *role, explanation **said)
{
    Mesh__Access__V1__ExplainRequest request = MESH__ACCESS__V1__EXPLAIN_REQUEST__INIT;

    request.user_id = (char *)user;
    request.method = (char *)method;
    request.token_roles = (char **)&role;
    request.n_token_roles = role != NULL;
    return mesh__access__v1__access_service__explain(here.channel, &request, said, options,
                                                     &refusal);
}

/* What the operator is told of the user, whose token has a role (NULL: it is not said). */
static const explanation *explain(const char *method, const char *role)
{
    explanation *said = NULL;

    if (try_explain(as(OPERATOR, "staff"), USER,
                    mesh_arena_printf(here.arena, "guarded.v1.Guarded/%s", method), role,
                    &said) != MESH_OK)
        fail_msg("%s: %s", method, refusal.message);
    return said;
}

static void change(int64_t version, bool refused, const char *role)
{
    mesh_user_state state = {.version = version, .refused = refused, .role_count = 1};

    snprintf(state.roles[0], sizeof state.roles[0], "%s", role);
    assert_int_equal(mesh_users_put(here.gate.users, USER, &state, NULL), MESH_OK);
    mesh_permissions_drop_user(here.gate.permissions, USER);
}

typedef mesh_code method(mesh_channel *channel, const Google__Protobuf__Empty *request,
                         Guarded__V1__Seen **seen, const mesh_call_options *options,
                         mesh_error *err);

static const struct {
    const char *name;
    method *call;
    const char *rule;
} methods[] = {
    {"Anybody", guarded__v1__guarded__anybody, "public: true"},
    {"Authenticated", guarded__v1__guarded__authenticated, "authenticated: true"},
    {"Staff", guarded__v1__guarded__staff, "roles: [\"pro\", \"staff\"]"},
    {"Write", guarded__v1__guarded__write, "permission: \"product.write\""},
    {"Manage", guarded__v1__guarded__manage, "permission: \"user.manage\" sensitive: true"},
    {"Internal", guarded__v1__guarded__internal, "services: [\"order\", \"product\"]"},
};

enum {
    METHODS = sizeof methods / sizeof methods[0]
};

/* --- tests ------------------------------------------------------------------------------------ */

/* What is said of each method, and what a call of the user's with that role does. */
static void expect_agreement(const char *role, const char *situation)
{
    for (size_t i = 0; i < METHODS; i++) {
        const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
        const explanation *said = explain(methods[i].name, role);
        Guarded__V1__Seen *seen;
        mesh_code code = methods[i].call(here.channel, &request, &seen, as(USER, role), &refusal);
        int decision = code == MESH_OK                  ? DECIDED(ALLOWED)
                       : code == MESH_PERMISSION_DENIED ? DECIDED(DENIED)
                                                        : DECIDED(UNKNOWN);

        assert_string_equal(said->rule, methods[i].rule);
        if ((int)said->decision != decision || strcmp(said->reason, refusal.reason) != 0)
            fail_msg("%s, %s, %s: said %d %s, but is %s %s", situation, role, methods[i].name,
                     said->decision, said->reason, mesh_code_name(code), refusal.reason);
    }
}

/* S0.5 */
static void what_is_said_is_what_a_call_does(void **state)
{
    static const char *const roles[] = {"consumer", "pro", "staff"};
    static const struct {
        says says;
        const char *name;
    } answers[] = {{SAYS_YES, "has it"}, {SAYS_NO, "has it not"}, {SAYS_NOTHING, "is not known"}};
    int64_t version = 0;

    (void)state;
    for (size_t a = 0; a < sizeof answers / sizeof answers[0]; a++) {
        atomic_store(&here.says, answers[a].says);
        for (size_t r = 0; r < sizeof roles / sizeof roles[0]; r++) {
            mesh_permissions_drop_user(here.gate.permissions, USER);
            expect_agreement(roles[r], answers[a].name);
            expect_agreement(roles[r], answers[a].name); /* and after it was kept */
        }
    }
    for (size_t a = 0; a < sizeof answers / sizeof answers[0]; a++)
        for (size_t heard = 0; heard < sizeof roles / sizeof roles[0]; heard++)
            for (int refused = 0; refused < 2; refused++) {
                atomic_store(&here.says, answers[a].says);
                change(++version, refused, roles[heard]);
                expect_agreement("consumer", roles[heard]);
                expect_agreement("staff", roles[heard]);
            }
}

static void expect_fact(const explanation *said, size_t i, const char *what, const char *result,
                        int source)
{
    assert_true(i < said->n_facts);
    assert_string_equal(said->facts[i]->what, what);
    assert_string_equal(said->facts[i]->result, result);
    assert_int_equal(said->facts[i]->source, source);
    assert_int_equal(said->facts[i]->age != NULL, source == FROM(CACHE));
}

/* S0.5 */
static void each_fact_has_its_source(void **state)
{
    const explanation *said = explain("Staff", "staff");

    (void)state;
    assert_int_equal(said->n_facts, 2);
    expect_fact(said, 0, "refused", "no", FROM(TOKEN));
    expect_fact(said, 1, "roles", "staff", FROM(TOKEN));
    change(1, false, "pro");
    said = explain("Staff", "consumer");
    expect_fact(said, 0, "refused", "no", FROM(EVENT));
    expect_fact(said, 1, "roles", "pro", FROM(EVENT));
    change(2, true, "pro");
    said = explain("Staff", "pro");
    assert_int_equal(said->n_facts, 1);
    expect_fact(said, 0, "refused", "yes, banned or deleted", FROM(EVENT));
    assert_int_equal(explain("Anybody", "pro")->n_facts, 0);
    assert_int_equal(explain("Internal", "pro")->n_facts, 0);
}

/* S0.5: nobody's roles are guessed. */
static void roles_that_are_not_known_leave_it_open(void **state)
{
    const explanation *said = explain("Staff", NULL);

    (void)state;
    assert_int_equal(said->decision, DECIDED(UNKNOWN));
    assert_string_equal(said->reason, "");
    expect_fact(said, 1, "roles", "not known here", FROM(TOKEN));
    assert_int_equal(explain("Authenticated", NULL)->decision, DECIDED(ALLOWED));
    change(1, false, "pro");
    assert_int_equal(explain("Staff", NULL)->decision, DECIDED(ALLOWED));
}

/* S0.5: once asked it is kept, as after a call, but for methods that are sensitive. */
static void a_permission_comes_from_the_cache_or_from_a_question(void **state)
{
    const explanation *said = explain("Write", "staff");

    (void)state;
    expect_fact(said, 1, "permission product.write", "yes", FROM(USER_SERVICE));
    assert_int_equal(atomic_load(&here.loads), 1);
    atomic_store(&here.says, SAYS_NO); /* without an event */
    said = explain("Write", "staff");
    expect_fact(said, 1, "permission product.write", "yes", FROM(CACHE));
    assert_true(said->facts[1]->age->seconds < 60);
    assert_int_equal(atomic_load(&here.loads), 1);
    for (int i = 2; i < 4; i++) {
        said = explain("Manage", "staff");
        expect_fact(said, 1, "permission user.manage", "no", FROM(USER_SERVICE));
        assert_int_equal(atomic_load(&here.loads), i);
    }
    mesh_permissions_drop_user(here.gate.permissions, USER);
    atomic_store(&here.says, SAYS_NOTHING);
    said = explain("Write", "staff");
    assert_int_equal(said->decision, DECIDED(UNKNOWN));
    assert_string_equal(said->reason, "PERMISSION_UNKNOWN");
    assert_non_null(strstr(said->facts[1]->result, "nobody there"));
}

static void refused(const mesh_call_options *options, const char *user, const char *method,
                    mesh_code code, const char *text)
{
    explanation *said;

    assert_int_equal(try_explain(options, user, method, NULL, &said), code);
    if (strstr(refusal.message, text) == NULL && strcmp(refusal.reason, text) != 0)
        fail_msg("%s %s", refusal.reason, refusal.message);
}

/* S0.5: who may read users. */
static void not_everybody_is_told(void **state)
{
    const mesh_call_options nobody = {.arena = here.arena, .timeout_ms = 20000};

    (void)state;
    atomic_store(&here.says, SAYS_NO);
    mesh_error_clear(&refusal);
    refused(&nobody, USER, "guarded.v1.Guarded/Write", MESH_UNAUTHENTICATED, "TOKEN_MISSING");
    refused(as(USER, "staff"), USER, "guarded.v1.Guarded/Write", MESH_PERMISSION_DENIED,
            "PERMISSION_MISSING");
}

static void every_mistake_is_told(void **state)
{
    const char *many = mesh_arena_printf(here.arena, "%065d", 0);
    static const char good[] = "guarded.v1.Guarded/Write";

    (void)state;
    refused(as(OPERATOR, "staff"), "", good, MESH_INVALID_ARGUMENT, "user_id: must have 1 to 64");
    refused(as(OPERATOR, "staff"), many, good, MESH_INVALID_ARGUMENT, "user_id");
    refused(as(OPERATOR, "staff"), USER, "/guarded.v1.Guarded/Write", MESH_INVALID_ARGUMENT,
            "method: is no method of this service");
    refused(as(OPERATOR, "staff"), USER, "guarded.v1.Guarded/Wri", MESH_INVALID_ARGUMENT, "method");
    refused(as(OPERATOR, "staff"), USER, "", MESH_INVALID_ARGUMENT, "method");
}

/* S0.5: a failure is told, or nothing was missing; nobody is said to be allowed who is not. */
static void without_memory_nothing_is_made_up(void **state)
{
    static const char method[] = "guarded.v1.Guarded/Write";
    explanation *said;
    size_t n = 0;

    (void)state;
    atomic_store(&here.says, SAYS_NO);
    (void)explain("Write", "staff"); /* there is a connection */
    do {
        const mesh_call_options *options = as(OPERATOR, "staff");
        mesh_code code;

        mesh_permissions_drop_all(here.gate.permissions);
        mesh_alloc_fail_at(++n);
        code = try_explain(options, USER, method, "staff", &said);
        if (code == MESH_OK)
            assert_int_not_equal(said->decision, DECIDED(ALLOWED));
        else if (code != MESH_RESOURCE_EXHAUSTED && code != MESH_UNAVAILABLE)
            fail_msg("allocation %zu failed: %s", n, refusal.message);
    } while (mesh_alloc_failed());
    mesh_alloc_fail_at(0);
    assert_true(n > 2);
    /* the connection may have been given up */
    WAIT_FOR(try_explain(as(OPERATOR, "staff"), USER, method, "staff", &said) == MESH_OK);
    assert_int_equal(said->decision, DECIDED(DENIED));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(what_is_said_is_what_a_call_does),
        TEST(each_fact_has_its_source),
        TEST(roles_that_are_not_known_leave_it_open),
        TEST(a_permission_comes_from_the_cache_or_from_a_question),
        TEST(not_everybody_is_told),
        TEST(every_mistake_is_told),
        TEST(without_memory_nothing_is_made_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
