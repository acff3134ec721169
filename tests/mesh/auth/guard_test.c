/* Who may call what, by the policy of each method. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guarded/v1/guarded.mesh.h"
#include "mesh/auth/identity.h"
#include "mesh/base/clock.h"
#include "mesh/rpc/channel.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/auth/gate.h"
#include "tests/mesh/auth/issuer.h"

#define SERVICE "stock-keeper" /* the one that is called */
#define USER "018f3a52-77aa-7e3e-b1f0-2d5b8a9f0c11"

enum {
    MANY = 100,
    TOKEN_BYTES = 1024
};

/* What the user service says when it is asked. */
typedef enum says {
    SAYS_YES,
    SAYS_NO,
    SAYS_NOTHING, /* it cannot be reached */
    SAYS_LATER    /* when the test calls answer_later */
} says;

static struct {
    mesh_key *key, *order_key, *basket_key; /* of the user service, and of two others */
    gate gate;
    mesh_server *server;
    mesh_channel *channel;
    mesh_identity *order;
    mesh_channel *order_channel; /* with that identity */
    mesh_arena *arena;
    _Atomic says says;
    atomic_int loads;
    mesh_permission_load *_Atomic later;
} here;

/* --- time ------------------------------------------------------------------------------------- */

static atomic_llong ahead_s; /* of the time that it is */

int64_t __real_mesh_clock_wall_ns(void);
int64_t __wrap_mesh_clock_wall_ns(void);

int64_t __wrap_mesh_clock_wall_ns(void)
{
    return __real_mesh_clock_wall_ns() + atomic_load(&ahead_s) * INT64_C(1000000000);
}

/* --- who answers ------------------------------------------------------------------------------ */

static void load(void *self, const char *user, const char *permission, mesh_permission_load *one)
{
    mesh_error err;

    (void)self;
    assert_string_equal(user, USER);
    atomic_fetch_add(&here.loads, 1);
    mesh_error_clear(&err);
    switch (atomic_load(&here.says)) {
    case SAYS_YES:
        mesh_permissions_loaded(one, MESH_OK, true, NULL);
        break;
    case SAYS_NO:
        mesh_permissions_loaded(one, MESH_OK, false, NULL);
        break;
    case SAYS_NOTHING:
        (void)mesh_error_set(&err, MESH_UNAVAILABLE, "nobody there");
        mesh_permissions_loaded(one, MESH_UNAVAILABLE, false, &err);
        break;
    case SAYS_LATER:
        assert_true(strcmp(permission, "product.write") == 0);
        atomic_store(&here.later, one);
        break;
    }
}

static void answer_later(bool allowed)
{
    mesh_permission_load *one;

    WAIT_FOR(atomic_load(&here.later) != NULL);
    one = atomic_exchange(&here.later, NULL);
    mesh_permissions_loaded(one, MESH_OK, allowed, NULL);
}

static atomic_bool shown; /* the last call of `anybody` brought a token of a service */

static mesh_code see_anybody(void *self, mesh_call *call, const Google__Protobuf__Empty *request,
                             Guarded__V1__Seen *seen, mesh_error *err)
{
    (void)self;
    (void)request;
    (void)seen;
    (void)err;
    atomic_store(&shown, mesh_call_metadata(call, "mesh-service-token", 0) != NULL);
    return MESH_OK;
}

static mesh_code see(void *self, mesh_call *call, const Google__Protobuf__Empty *request,
                     Guarded__V1__Seen *seen, mesh_error *err)
{
    const mesh_caller *caller = mesh_call_caller(call);
    mesh_arena *arena = mesh_call_arena(call);

    (void)self;
    (void)request;
    (void)err;
    seen->user = mesh_arena_strdup(arena, caller->user);
    seen->session = mesh_arena_strdup(arena, caller->session);
    seen->service = mesh_arena_strdup(arena, caller->service);
    seen->roles = (char **)caller->roles;
    while (caller->roles[seen->n_roles] != NULL)
        seen->n_roles++;
    return MESH_OK;
}

static mesh_code watch(void *self, mesh_call *call, const Google__Protobuf__Empty *request,
                       mesh_stream *stream, mesh_error *err)
{
    Guarded__V1__Seen seen = GUARDED__V1__SEEN__INIT;

    (void)see(self, call, request, &seen, err);
    return guarded__v1__guarded__watch__reply(stream, &seen);
}

static mesh_code forward(void *self, mesh_call *call, const Google__Protobuf__Empty *request,
                         Guarded__V1__Seen *seen, mesh_error *err)
{
    Guarded__V1__Seen *answer;
    mesh_code code = guarded__v1__guarded__internal(here.order_channel, request, &answer,
                                                    &(mesh_call_options){.parent = call}, err);

    (void)self;
    if (code == MESH_OK)
        *seen = *answer;
    return code;
}

static const guarded__v1__guarded__handlers handlers = {
    .anybody__inline = see_anybody,
    .authenticated__inline = see,
    .staff = see,
    .write__inline = see,
    .manage = see,
    .internal__inline = see,
    .forward = forward,
    .watch = watch,
};

/* --- its parts -------------------------------------------------------------------------------- */

static void make_gate(void)
{
    const mesh_key *both[2];

    here.key = issuer_generate();
    here.order_key = issuer_generate_named("order");
    here.basket_key = issuer_generate_named("basket");
    both[0] = here.order_key;
    both[1] = here.basket_key;
    gate_create(&here.gate, load, SERVICE);
    issuer_publish(here.gate.keys, (const mesh_key *const *)&here.key, 1);
    issuer_publish(here.gate.service_keys, both, 2);
}

static void connect_to(const char *address)
{
    mesh_client_interceptor identity;

    assert_int_equal(mesh_channel_create(address, NULL, &here.channel, NULL), MESH_OK);
    assert_int_equal(mesh_identity_create(here.order_key, SERVICE, &here.order, NULL), MESH_OK);
    identity = mesh_identity_interceptor(here.order);
    assert_int_equal(mesh_channel_create(
                         address,
                         &(mesh_channel_options){.interceptors = &identity, .interceptor_count = 1},
                         &here.order_channel, NULL),
                     MESH_OK);
}

static int start_closed(void **state)
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
    assert_int_equal(mesh_server_add(here.server, guarded__v1__guarded__api(&handlers, NULL), NULL),
                     MESH_OK);
    assert_int_equal(mesh_server_start(here.server, NULL), MESH_OK);
    snprintf(address, sizeof address, "127.0.0.1:%d", mesh_server_port(here.server));
    connect_to(address);
    here.arena = mesh_arena_create(4096, 1 << 20);
    assert_non_null(here.arena);
    atomic_store(&here.says, SAYS_YES);
    atomic_store(&here.loads, 0);
    return 0;
}

static int start(void **state)
{
    (void)start_closed(state);
    mesh_guard_open(here.gate.guard);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    mesh_channel_destroy(here.channel);
    mesh_channel_destroy(here.order_channel);
    mesh_server_destroy(here.server);
    mesh_identity_destroy(here.order);
    gate_destroy(&here.gate);
    mesh_key_destroy(here.key);
    mesh_key_destroy(here.order_key);
    mesh_key_destroy(here.basket_key);
    mesh_arena_destroy(here.arena);
    return 0;
}

/* --- calls ------------------------------------------------------------------------------------ */

static int64_t now_s(void)
{
    return mesh_clock_wall_ns() / 1000000000;
}

static const char *bearer_of(const mesh_claims *claims)
{
    const char *token;

    assert_int_equal(mesh_token_sign(here.key, claims, here.arena, &token, NULL), MESH_OK);
    return mesh_arena_printf(here.arena, "Bearer %s", token);
}

/* "Bearer" and a token of the user's, with this role, that was issued so long ago. */
static const char *bearer(const char *role, int64_t seconds_ago)
{
    mesh_claims claims = issuer_claims(now_s() - seconds_ago);

    claims.roles[0] = role;
    claims.role_count = 1;
    return bearer_of(&claims);
}

/* The same, that was issued for this version of the user. */
static const char *bearer_at(const char *role, int64_t version)
{
    mesh_claims claims = issuer_claims(now_s());

    claims.roles[0] = role;
    claims.role_count = 1;
    claims.version = version;
    return bearer_of(&claims);
}

/* A token that a service signed, for itself or, as it should not, for another. */
static const char *token_for(const mesh_key *key, const char *name, const char *subject,
                             const char *audience)
{
    mesh_claims claims = issuer_claims(now_s());
    const char *token;

    claims.issuer = name;
    claims.subject = subject;
    claims.audience = audience;
    claims.role_count = 0;
    assert_int_equal(mesh_token_sign(key, &claims, here.arena, &token, NULL), MESH_OK);
    return token;
}

static const char *service_token(const mesh_key *key)
{
    return token_for(key, mesh_key_id(key), mesh_key_id(key), SERVICE);
}

typedef mesh_code method(mesh_channel *channel, const Google__Protobuf__Empty *request,
                         Guarded__V1__Seen **seen, const mesh_call_options *options,
                         mesh_error *err);

static Guarded__V1__Seen *seen; /* the last answer */
static mesh_error refusal;      /* the last error */

static mesh_code call_with(method *fn, const char *key, const char *value)
{
    const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
    const mesh_metadata metadata = {key, value, value != NULL ? strlen(value) : 0};
    const mesh_call_options options = {.arena = here.arena,
                                       .timeout_ms = 20000,
                                       .metadata = &metadata,
                                       .metadata_count = value != NULL};

    mesh_error_clear(&refusal);
    return fn(here.channel, &request, &seen, &options, &refusal);
}

static mesh_code call(method *fn, const char *authorization)
{
    return call_with(fn, "authorization", authorization);
}

static void refused(method *fn, const char *authorization, mesh_code code, const char *reason)
{
    mesh_code answered = call(fn, authorization);

    if (answered != code || strcmp(refusal.reason, reason) != 0)
        fail_msg("%s %s: %s instead of %s %s", mesh_code_name(answered), refusal.reason,
                 refusal.message, mesh_code_name(code), reason);
    assert_string_equal(refusal.domain, "mesh.v1");
}

/* A service's call for the user who has this token. */
/* Calls what is for services with two entries of metadata: the service's token, and another. */
static mesh_code call_with_also(const char *key, const char *value)
{
    const char *token = service_token(here.order_key);
    const mesh_metadata both[] = {{"mesh-service-token", token, strlen(token)},
                                  {key, value, strlen(value)}};
    const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
    const mesh_call_options options = {
        .arena = here.arena, .timeout_ms = 20000, .metadata = both, .metadata_count = 2};

    mesh_error_clear(&refusal);
    return guarded__v1__guarded__internal(here.channel, &request, &seen, &options, &refusal);
}

static mesh_code call_for_user(const char *authorization)
{
    return call_with_also("authorization", authorization);
}

static void change(int64_t version, bool is_refused, const char *role)
{
    mesh_user_state state = {.version = version, .refused = is_refused, .role_count = 1};

    snprintf(state.roles[0], sizeof state.roles[0], "%s", role);
    assert_int_equal(mesh_users_put(here.gate.users, USER, &state, NULL), MESH_OK);
}

/* --- users ------------------------------------------------------------------------------------ */

static void a_public_method_asks_for_nothing(void **state)
{
    (void)state;
    assert_int_equal(call(guarded__v1__guarded__anybody, NULL), MESH_OK);
    assert_string_equal(seen->user, "");
    assert_int_equal(call(guarded__v1__guarded__anybody, "Bearer of.bad.news"), MESH_OK);
}

/* S0.4 */
static void a_signed_in_user_is_known_by_the_token_alone(void **state)
{
    (void)state;
    assert_int_equal(call(guarded__v1__guarded__authenticated, bearer("regular", 0)), MESH_OK);
    assert_string_equal(seen->user, USER);
    assert_string_equal(seen->session, "018f3a52-77ab-7000-8000-ba9876543210");
    assert_int_equal(seen->n_roles, 1);
    assert_string_equal(seen->roles[0], "regular");
    assert_int_equal(atomic_load(&here.loads), 0);
}

/* S0.4 */
static void without_a_good_token_there_is_no_user(void **state)
{
    method *const fns[] = {guarded__v1__guarded__authenticated, guarded__v1__guarded__staff,
                           guarded__v1__guarded__write, guarded__v1__guarded__manage};
    const char *good = bearer("staff", 0);
    char *forged = mesh_arena_strdup(here.arena, good);

    (void)state;
    forged[strlen(forged) - 3] ^= 1;
    for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++) {
        refused(fns[i], NULL, MESH_UNAUTHENTICATED, "TOKEN_MISSING");
        refused(fns[i], "Bearer", MESH_UNAUTHENTICATED, "TOKEN_INVALID");
        refused(fns[i], "Basic dXNlcjpwYXNz", MESH_UNAUTHENTICATED, "TOKEN_INVALID");
        refused(fns[i], forged, MESH_UNAUTHENTICATED, "TOKEN_INVALID");
        refused(fns[i], bearer("staff", 1000), MESH_UNAUTHENTICATED, "TOKEN_EXPIRED");
    }
    assert_int_equal(atomic_load(&here.loads), 0);
}

/* RFC 7235, section 2.1: the scheme's case does not matter. Two tokens are one too many. */
static void there_is_one_token_of_the_scheme_bearer(void **state)
{
    const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
    char *good = mesh_arena_strdup(here.arena, bearer("regular", 0));
    const mesh_metadata both[] = {{"authorization", good, strlen(good)},
                                  {"authorization", good, strlen(good)}};
    const mesh_call_options options = {
        .arena = here.arena, .timeout_ms = 20000, .metadata = both, .metadata_count = 2};

    (void)state;
    memcpy(good, "bEARER", 6);
    assert_int_equal(call(guarded__v1__guarded__authenticated, good), MESH_OK);
    mesh_error_clear(&refusal);
    assert_int_equal(
        guarded__v1__guarded__authenticated(here.channel, &request, &seen, &options, &refusal),
        MESH_UNAUTHENTICATED);
    assert_string_equal(refusal.reason, "TOKEN_INVALID");
}

/* S0.5 */
static void a_role_decides_by_what_the_user_is_now(void **state)
{
    const char *staff = bearer("staff", 0), *regular = bearer("regular", 0);

    (void)state;
    assert_int_equal(call(guarded__v1__guarded__staff, staff), MESH_OK);
    refused(guarded__v1__guarded__staff, regular, MESH_PERMISSION_DENIED, "ROLE_MISSING");
    assert_int_equal(call(guarded__v1__guarded__staff, bearer("pro", 0)), MESH_OK);
    change(2, false, "regular");
    refused(guarded__v1__guarded__staff, staff, MESH_PERMISSION_DENIED, "ROLE_MISSING");
    change(3, false, "staff");
    assert_int_equal(call(guarded__v1__guarded__staff, regular), MESH_OK);
    assert_string_equal(seen->roles[0], "staff");
    assert_int_equal(atomic_load(&here.loads), 0);
}

/* S4.2 */
static void a_ban_bites_at_once_although_the_token_is_valid(void **state)
{
    method *const fns[] = {guarded__v1__guarded__authenticated, guarded__v1__guarded__staff,
                           guarded__v1__guarded__write, guarded__v1__guarded__manage};
    const char *token = bearer("staff", 0);

    (void)state;
    for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++)
        assert_int_equal(call(fns[i], token), MESH_OK);
    change(2, true, "staff");
    for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++)
        refused(fns[i], token, MESH_PERMISSION_DENIED, "USER_REFUSED");
    change(3, false, "staff");
    for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++)
        assert_int_equal(call(fns[i], token), MESH_OK);
}

/* S0.5, S4.2: events come late, or are lost; a token says what its user was when it was issued. */
static void what_is_heard_counts_for_tokens_from_before(void **state)
{
    (void)state;
    change(4, true, "consumer");
    refused(guarded__v1__guarded__staff, bearer_at("staff", 3), MESH_PERMISSION_DENIED,
            "USER_REFUSED");
    /* the end of the ban was not heard of, or what is heard is older than what was forgotten */
    assert_int_equal(call(guarded__v1__guarded__staff, bearer_at("staff", 4)), MESH_OK);
    assert_int_equal(call(guarded__v1__guarded__staff, bearer_at("staff", 5)), MESH_OK);
    refused(guarded__v1__guarded__staff, bearer_at("consumer", 5), MESH_PERMISSION_DENIED,
            "ROLE_MISSING");
    change(6, false, "staff");
    assert_int_equal(call(guarded__v1__guarded__staff, bearer_at("consumer", 5)), MESH_OK);
}

/* S4.2: a service that starts may not know of a ban yet */
static void a_closed_guard_lets_no_user_in(void **state)
{
    method *const fns[] = {guarded__v1__guarded__authenticated, guarded__v1__guarded__staff,
                           guarded__v1__guarded__write, guarded__v1__guarded__manage};
    const char *token = bearer("staff", 0);
    int64_t delay_ms;

    (void)state;
    for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++) {
        refused(fns[i], token, MESH_UNAVAILABLE, "USER_UNKNOWN");
        assert_true(mesh_error_retry_delay(&refusal, &delay_ms));
        refused(fns[i], NULL, MESH_UNAUTHENTICATED, "TOKEN_MISSING");
    }
    assert_int_equal(atomic_load(&here.loads), 0);
    assert_int_equal(call(guarded__v1__guarded__anybody, NULL), MESH_OK);
    assert_int_equal(call_with(guarded__v1__guarded__internal, "mesh-service-token",
                               service_token(here.order_key)),
                     MESH_OK);
    assert_int_equal(call_for_user(token), MESH_UNAVAILABLE);
    change(2, true, "staff");
    mesh_guard_open(here.gate.guard);
    refused(fns[0], token, MESH_PERMISSION_DENIED, "USER_REFUSED");
    change(3, false, "staff");
    for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++)
        assert_int_equal(call(fns[i], token), MESH_OK);
    assert_int_equal(call_for_user(token), MESH_OK);
}

/* --- permissions ------------------------------------------------------------------------------ */

/* S0.5 */
static void a_permission_is_asked_for_once_and_remembered(void **state)
{
    const char *token = bearer("regular", 0);
    char value[64];

    (void)state;
    atomic_store(&here.says, SAYS_NO);
    for (int i = 0; i < 3; i++)
        refused(guarded__v1__guarded__write, token, MESH_PERMISSION_DENIED, "PERMISSION_MISSING");
    assert_true(mesh_error_metadata_get(&refusal, "permission", value, sizeof value));
    assert_string_equal(value, "product.write");
    assert_int_equal(atomic_load(&here.loads), 1);
    mesh_permissions_drop_user(here.gate.permissions, USER);
    atomic_store(&here.says, SAYS_YES);
    for (int i = 0; i < 3; i++)
        assert_int_equal(call(guarded__v1__guarded__write, token), MESH_OK);
    assert_int_equal(atomic_load(&here.loads), 2);
}

/* S0.5: unknown is not allowed, and says that it is unknown */
static void a_permission_that_cannot_be_asked_for_is_unavailable(void **state)
{
    (void)state;
    atomic_store(&here.says, SAYS_NOTHING);
    refused(guarded__v1__guarded__write, bearer("admin", 0), MESH_UNAVAILABLE,
            "PERMISSION_UNKNOWN");
}

/* S0.5 */
static void a_sensitive_method_asks_each_time(void **state)
{
    const char *token = bearer("admin", 0);

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(call(guarded__v1__guarded__manage, token), MESH_OK);
    assert_int_equal(atomic_load(&here.loads), 3);
    atomic_store(&here.says, SAYS_NO);
    refused(guarded__v1__guarded__manage, token, MESH_PERMISSION_DENIED, "PERMISSION_MISSING");
}

static atomic_int allowed, denied;

static void on_seen(void *context, mesh_code code, const Guarded__V1__Seen *answer,
                    const mesh_error *err)
{
    (void)answer;
    (void)err;
    atomic_fetch_add(code == MESH_OK ? &allowed : &denied, 1);
    sem_post(context);
}

static void ask_many(const char *token, bool answer)
{
    const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
    const mesh_metadata metadata = {"authorization", token, strlen(token)};
    const mesh_call_options options = {
        .timeout_ms = 20000, .metadata = &metadata, .metadata_count = 1};
    static sem_t done;

    sem_init(&done, 0, 0);
    atomic_store(&allowed, 0);
    atomic_store(&denied, 0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(
            guarded__v1__guarded__write__async(here.channel, &request, &options, on_seen, &done),
            MESH_OK);
    WAIT_FOR(mesh_server_active(here.server) == MANY);
    /* meanwhile others are served by the server's one thread */
    assert_int_equal(call(guarded__v1__guarded__anybody, NULL), MESH_OK);
    answer_later(answer);
    for (int i = 0; i < MANY; i++)
        sem_wait(&done);
    sem_destroy(&done);
}

/* S0.5 */
static void many_who_wait_for_one_permission_share_one_question_and_hold_no_thread(void **state)
{
    (void)state;
    atomic_store(&here.says, SAYS_LATER);
    ask_many(bearer("regular", 0), true);
    assert_int_equal(atomic_load(&allowed), MANY);
    assert_int_equal(atomic_load(&here.loads), 1);
    mesh_permissions_drop_all(here.gate.permissions);
    ask_many(bearer("regular", 0), false);
    assert_int_equal(atomic_load(&denied), MANY);
    assert_int_equal(atomic_load(&here.loads), 2);
}

/* S0.5 */
static void a_stream_has_the_same_policy(void **state)
{
    const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
    const char *token = bearer("regular", 0);
    const mesh_metadata metadata = {"authorization", token, strlen(token)};
    const mesh_call_options options = {
        .timeout_ms = 20000, .metadata = &metadata, .metadata_count = 1};
    const Guarded__V1__Seen *one = NULL;
    mesh_stream *stream;

    (void)state;
    for (int i = 0; i < 2; i++) {
        atomic_store(&here.says, i == 0 ? SAYS_NO : SAYS_YES);
        mesh_permissions_drop_all(here.gate.permissions);
        mesh_error_clear(&refusal);
        assert_int_equal(
            guarded__v1__guarded__watch(here.channel, &request, &stream, &options, &refusal),
            MESH_OK);
        if (i == 1) {
            assert_int_equal(guarded__v1__guarded__watch__next(stream, &one), MESH_OK);
            assert_string_equal(one->user, USER);
        }
        assert_int_equal(mesh_stream_finish(stream, &refusal),
                         i == 0 ? MESH_PERMISSION_DENIED : MESH_OK);
    }
}

/* --- services --------------------------------------------------------------------------------- */

static void refused_service(const char *token, const char *reason)
{
    assert_int_equal(call_with(guarded__v1__guarded__internal, "mesh-service-token", token),
                     MESH_UNAUTHENTICATED);
    assert_string_equal(refusal.reason, reason);
}

static void only_the_services_that_are_named_may_call(void **state)
{
    static const char key[] = "mesh-service-token";
    method *internal = guarded__v1__guarded__internal;

    (void)state;
    assert_int_equal(call_with(internal, key, service_token(here.order_key)), MESH_OK);
    assert_string_equal(seen->service, "order");
    assert_string_equal(seen->user, "");
    /* one of ours that is not named */
    assert_int_equal(call_with(internal, key, service_token(here.basket_key)),
                     MESH_PERMISSION_DENIED);
    assert_string_equal(refusal.reason, "SERVICE_REQUIRED");
    assert_string_equal(refusal.message, "basket is not among `services` of Internal");
    /* one that says to be another, or speaks for one; a token for another; a user; nobody */
    refused_service(token_for(here.basket_key, "order", "order", SERVICE), "TOKEN_INVALID");
    refused_service(token_for(here.basket_key, "basket", "order", SERVICE), "TOKEN_INVALID");
    refused_service(token_for(here.order_key, "order", "order", "stock"), "TOKEN_INVALID");
    refused_service(bearer("admin", 0) + strlen("Bearer "), "TOKEN_KEY_UNKNOWN");
    /* two at once, the first of which is right */
    assert_int_equal(call_with_also(key, "of.bad.news"), MESH_UNAUTHENTICATED);
    assert_string_equal(refusal.reason, "TOKEN_INVALID");
    refused(internal, bearer("admin", 0), MESH_PERMISSION_DENIED, "SERVICE_REQUIRED");
    refused(internal, NULL, MESH_PERMISSION_DENIED, "SERVICE_REQUIRED");
    /* and a service's token makes nobody a user */
    refused(guarded__v1__guarded__authenticated,
            mesh_arena_printf(here.arena, "Bearer %s", service_token(here.order_key)),
            MESH_UNAUTHENTICATED, "TOKEN_KEY_UNKNOWN");
}

static void a_service_says_who_it_is_and_for_whom_it_calls(void **state)
{
    const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
    const mesh_call_options options = {.arena = here.arena, .timeout_ms = 20000};

    (void)state;
    assert_int_equal(
        guarded__v1__guarded__internal(here.order_channel, &request, &seen, &options, &refusal),
        MESH_OK);
    assert_string_equal(seen->service, "order");
    assert_string_equal(seen->user, "");
    assert_int_equal(call(guarded__v1__guarded__forward, bearer("pro", 0)), MESH_OK);
    assert_string_equal(seen->service, "order");
    assert_string_equal(seen->user, USER);
    assert_string_equal(seen->roles[0], "pro");
}

/* Who gets a token could use it while it lives. */
static void what_nobody_looks_at_is_not_shown(void **state)
{
    const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
    const mesh_call_options options = {.arena = here.arena, .timeout_ms = 20000};

    (void)state;
    assert_int_equal(call_with(guarded__v1__guarded__anybody, "mesh-service-token", "x"), MESH_OK);
    assert_true(atomic_load(&shown));
    assert_int_equal(
        guarded__v1__guarded__anybody(here.order_channel, &request, &seen, &options, &refusal),
        MESH_OK);
    assert_false(atomic_load(&shown));
}

/* Also when the clock is set back, after which a token from before is one of the future. */
static void its_token_is_renewed_before_it_ends(void **state)
{
    const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
    const mesh_call_options options = {.arena = here.arena, .timeout_ms = 20000};
    const int64_t times_s[] = {0, MESH_IDENTITY_LIFE_S - 1, MESH_IDENTITY_LIFE_S,
                               10 * MESH_IDENTITY_LIFE_S, 0};

    (void)state;
    for (size_t i = 0; i < sizeof times_s / sizeof times_s[0]; i++) {
        atomic_store(&ahead_s, times_s[i]);
        assert_int_equal(
            guarded__v1__guarded__internal(here.order_channel, &request, &seen, &options, &refusal),
            MESH_OK);
    }
}

/* A service does not do for users what they may not do. */
static void a_service_calls_for_no_user_who_is_none(void **state)
{
    (void)state;
    assert_int_equal(call_for_user(bearer("pro", 1000)), MESH_UNAUTHENTICATED);
    assert_string_equal(refusal.reason, "TOKEN_EXPIRED");
}

static void a_service_has_a_name(void **state)
{
    char name[MESH_IDENTITY_NAME_BYTES + 1];
    mesh_identity *identity;

    (void)state;
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(mesh_identity_create(here.order_key, name, &identity, &refusal),
                     MESH_INVALID_ARGUMENT);
    assert_int_equal(mesh_identity_create(here.order_key, "", &identity, &refusal),
                     MESH_INVALID_ARGUMENT);
    assert_int_equal(mesh_identity_create(here.order_key, "a\nb", &identity, &refusal),
                     MESH_INVALID_ARGUMENT);
}

static void a_guard_without_its_parts_is_none(void **state)
{
    mesh_guard *guard;

    (void)state;
    assert_int_equal(mesh_guard_create(MESH_OPTIONS(mesh_guard_options, .users = here.gate.users),
                                       &guard, &refusal),
                     MESH_INVALID_ARGUMENT);
    assert_string_equal(refusal.message, "a guard needs verifier, users and permissions");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_public_method_asks_for_nothing),
        CASE(a_signed_in_user_is_known_by_the_token_alone),
        CASE(without_a_good_token_there_is_no_user),
        CASE(there_is_one_token_of_the_scheme_bearer),
        CASE(a_role_decides_by_what_the_user_is_now),
        CASE(a_ban_bites_at_once_although_the_token_is_valid),
        CASE(what_is_heard_counts_for_tokens_from_before),
        cmocka_unit_test_setup_teardown(a_closed_guard_lets_no_user_in, start_closed, stop),
        CASE(a_permission_is_asked_for_once_and_remembered),
        CASE(a_permission_that_cannot_be_asked_for_is_unavailable),
        CASE(a_sensitive_method_asks_each_time),
        CASE(many_who_wait_for_one_permission_share_one_question_and_hold_no_thread),
        CASE(a_stream_has_the_same_policy),
        CASE(only_the_services_that_are_named_may_call),
        CASE(a_service_says_who_it_is_and_for_whom_it_calls),
        CASE(what_nobody_looks_at_is_not_shown),
        CASE(its_token_is_renewed_before_it_ends),
        CASE(a_service_calls_for_no_user_who_is_none),
        CASE(a_service_has_a_name),
        CASE(a_guard_without_its_parts_is_none),
    };

    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
