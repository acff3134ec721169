/*
 * Who may call a whole service: the program with its settings, a user service of the test's that
 * says what keys and permissions there are, and events of users on a real broker.
 */
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guarded/v1/guarded.mesh.h"
#include "mesh/auth/verifier.h"
#include "mesh/base/uuid.h"
#include "mesh/events/events.h"
#include "mesh/rpc/call.h"
#include "mesh/rpc/server.h"
#include "tests/mesh/auth/issuer.h"
#include "tests/mesh/service/demo_program.h"
#include "user/v1/events.mesh.h"
#include "user/v1/user.mesh.h"

#define GUARDED "tests/mesh/service/guarded_service"

enum {
    TEXT_BYTES = 2048,
    SETTINGS = 8,
    CHANGED_MAX = 4,
    USERS = 48,
    BURST = 1000
};

/* --- the user service ------------------------------------------------------------------------- */

static struct {
    mesh_server *server; /* NULL: it is down */
    int port;
    mesh_key *key; /* that tokens are signed with */
    char jwks[TEXT_BYTES];
    mesh_keys *service_keys;
    mesh_verifier *verifier; /* of the services that ask */
    atomic_bool allows;
    atomic_int asked; /* for permissions */
    atomic_int fails; /* so many questions for them */
    atomic_int key_fetches;
    atomic_int strangers;                       /* who asked without the token of the service */
    User__V1__ChangedUser changed[CHANGED_MAX]; /* lately */
    atomic_size_t changed_count;                /* after those that it counts */
    atomic_int told;                            /* how often all of them were */
    atomic_bool does_not_know;
} users;

static mesh_code get_key_set(void *self, mesh_call *call, const User__V1__GetKeySetRequest *request,
                             User__V1__KeySet *response, mesh_error *err)
{
    (void)self;
    (void)request;
    (void)err;
    atomic_fetch_add(&users.key_fetches, 1);
    response->jwks = mesh_arena_strdup(mesh_call_arena(call), users.jwks);
    return MESH_OK;
}

static bool is_the_service(mesh_call *call)
{
    const mesh_metadata *token = mesh_call_metadata(call, "mesh-service-token", 0);
    const mesh_claims *claims;
    return token != NULL &&
           mesh_verifier_check(users.verifier, token->value, token->size, mesh_call_arena(call),
                               &claims, NULL) == MESH_OK &&
           strcmp(claims->subject, "guarded") == 0;
}

static mesh_code check_permission(void *self, mesh_call *call,
                                  const User__V1__CheckPermissionRequest *request,
                                  User__V1__CheckPermissionResponse *response, mesh_error *err)
{
    (void)self;
    (void)request;
    atomic_fetch_add(&users.asked, 1);
    if (atomic_load(&users.fails) > 0 && atomic_fetch_sub(&users.fails, 1) > 0)
        return mesh_error_set(err, MESH_UNAVAILABLE, "not now");
    if (!is_the_service(call))
        atomic_fetch_add(&users.strangers, 1);
    response->allowed = atomic_load(&users.allows);
    return MESH_OK;
}

/* One of them a page. */
static mesh_code list_changed_users(void *self, mesh_call *call,
                                    const User__V1__ListChangedUsersRequest *request,
                                    User__V1__ListChangedUsersResponse *response, mesh_error *err)
{
    const int64_t HOUR_S = 3600,
                  ago_s = mesh_clock_wall_ns() / 1000000000 - request->since->seconds;
    const size_t count = atomic_load(&users.changed_count);
    mesh_arena *arena = mesh_call_arena(call);
    const size_t page = (size_t)atoi(request->page_token);
    (void)self;
    if (!is_the_service(call))
        atomic_fetch_add(&users.strangers, 1);
    if (atomic_load(&users.does_not_know))
        return mesh_error_set(err, MESH_UNAVAILABLE, "no answer today");
    /* a token may be an hour old, and a change some time on its way */
    if (ago_s < (atomic_load(&users.told) == 0 ? HOUR_S : 120) || ago_s > 2 * HOUR_S)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "since");
    if (page < count) {
        response->users = mesh_arena_calloc(arena, 1, sizeof response->users[0]);
        response->users[0] = &users.changed[page];
        response->n_users = 1;
    }
    if (page + 1 < count)
        response->next_page_token = mesh_arena_printf(arena, "%zu", page + 1);
    else
        atomic_fetch_add(&users.told, 1);
    return MESH_OK;
}

/* So is the user now, says the user service. */
static void has_become(const char *id, int64_t version, bool refused, User__V1__Role role)
{
    static User__V1__Role roles[CHANGED_MAX];
    const size_t count = atomic_load(&users.changed_count);
    assert_true(count < CHANGED_MAX);
    User__V1__ChangedUser *user = &users.changed[count];
    user__v1__changed_user__init(user);
    user->user_id = (char *)id;
    user->version = version;
    user->refused = refused;
    user->n_roles = 1;
    user->roles = &roles[count];
    user->roles[0] = role;
    atomic_store(&users.changed_count, count + 1);
}

static const user__v1__user_service__handlers user_handlers = {
    .list_changed_users__inline = list_changed_users,
    .get_key_set__inline = get_key_set,
    .check_permission__inline = check_permission,
};

static mesh_code let_in(void *self, mesh_call *call, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    return MESH_OK;
}

/* On the port that it had. */
static void users_start(void)
{
    const mesh_interceptor all = {.name = "open", .on_open = let_in, .authorizes = true};
    char listen[32];
    snprintf(listen, sizeof listen, "127.0.0.1:%d", users.port);
    assert_int_equal(mesh_server_create(MESH_OPTIONS(mesh_server_options, .listen = listen,
                                                     .interceptors = &all, .interceptor_count = 1),
                                        &users.server, NULL),
                     MESH_OK);
    assert_int_equal(
        mesh_server_add(users.server, user__v1__user_service__api(&user_handlers, NULL), NULL),
        MESH_OK);
    assert_int_equal(mesh_server_start(users.server, NULL), MESH_OK);
    users.port = mesh_server_port(users.server);
}

static void users_stop(void)
{
    if (users.server == NULL)
        return;
    mesh_server_drain(users.server, 0);
    mesh_server_destroy(users.server);
    users.server = NULL;
}

/* Tokens are signed with a new key from now on, and those of the old one believed no more. */
static void users_rotate(void)
{
    mesh_key_destroy(users.key);
    users.key = issuer_generate();
    snprintf(users.jwks, sizeof users.jwks, "{\"keys\":[%s]}", mesh_key_public(users.key));
}

/* --- events of users -------------------------------------------------------------------------- */

static struct {
    mesh_db *db;
    mesh_events *events;
} bus;

static void bus_open(void)
{
    bus.db = postgres_open("people", NULL);
    assert_int_equal(mesh_migrate(bus.db, "mesh_events", mesh_events_migrations(), NULL), MESH_OK);
    assert_int_equal(mesh_events_create(MESH_OPTIONS(mesh_events_options, .url = nats_url(),
                                                     .service = "user", .db = bus.db),
                                        &bus.events, NULL),
                     MESH_OK);
    assert_int_equal(mesh_events_start(bus.events, NULL), MESH_OK);
}

static void bus_close(void)
{
    mesh_events_drain(bus.events, 1000);
    mesh_events_destroy(bus.events);
    mesh_db_destroy(bus.db);
}

static void publish(mesh_code (*add)(mesh_tx *tx, const void *event, mesh_error *err),
                    const void *event)
{
    mesh_tx *tx;
    mesh_error err = {0};
    mesh_events_stats before, now;
    mesh_events_get_stats(bus.events, &before);
    assert_int_equal(mesh_tx_begin(bus.db, NULL, &tx, &err), MESH_OK);
    assert_int_equal(add(tx, event, &err), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
    do
        mesh_events_get_stats(bus.events, &now);
    while (now.published == before.published);
}

static mesh_code add_banned(mesh_tx *tx, const void *event, mesh_error *err)
{
    return user__v1__user_banned__add(tx, event, err);
}

static mesh_code add_unbanned(mesh_tx *tx, const void *event, mesh_error *err)
{
    return user__v1__user_unbanned__add(tx, event, err);
}

static mesh_code add_updated(mesh_tx *tx, const void *event, mesh_error *err)
{
    return user__v1__user_updated__add(tx, event, err);
}

static mesh_code add_deleted(mesh_tx *tx, const void *event, mesh_error *err)
{
    return user__v1__user_deleted__add(tx, event, err);
}

static User__V1__User make_user(const char *id, User__V1__Role *role)
{
    User__V1__User user = USER__V1__USER__INIT;
    user.id = (char *)id;
    user.roles = role;
    user.n_roles = 1;
    return user;
}

static void ban(const char *id, int64_t version)
{
    User__V1__UserBanned event = USER__V1__USER_BANNED__INIT;
    event.user_id = (char *)id;
    event.version = version;
    publish(add_banned, &event);
}

static void unban(const char *id, int64_t version, User__V1__Role role)
{
    User__V1__UserUnbanned event = USER__V1__USER_UNBANNED__INIT;
    User__V1__User user = make_user(id, &role);
    event.user_id = (char *)id;
    event.version = version;
    event.user = &user;
    publish(add_unbanned, &event);
}

static void change_role(const char *id, int64_t version, User__V1__Role role)
{
    User__V1__UserUpdated event = USER__V1__USER_UPDATED__INIT;
    User__V1__User user = make_user(id, &role);
    event.user_id = (char *)id;
    event.version = version;
    event.user = &user;
    publish(add_updated, &event);
}

static void end_user(const char *id, int64_t version)
{
    User__V1__UserDeleted event = USER__V1__USER_DELETED__INIT;
    event.user_id = (char *)id;
    event.version = version;
    publish(add_deleted, &event);
}

/* The stream, past the services: all is lost, or the message that came last. */
static void stream_lose(bool all)
{
    natsConnection *connection = NULL;
    jsStreamInfo *info = NULL;
    jsCtx *js = NULL;
    assert_int_equal(natsConnection_ConnectTo(&connection, nats_url()), NATS_OK);
    assert_int_equal(natsConnection_JetStream(&js, connection, NULL), NATS_OK);
    assert_int_equal(js_GetStreamInfo(&info, js, "EVENTS", NULL, NULL), NATS_OK);
    if (all)
        assert_int_equal(js_PurgeStream(js, "EVENTS", NULL, NULL), NATS_OK);
    else
        assert_int_equal(js_DeleteMsg(js, "EVENTS", info->State.LastSeq, NULL, NULL), NATS_OK);
    jsStreamInfo_Destroy(info);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
}

/* --- the service ------------------------------------------------------------------------------ */

static struct {
    program *program;
    mesh_channel *channel;
    mesh_arena *arena;
    char metrics[64];
} guarded;

/* Its own key: that of RFC 8037, appendix A, by its name. */
#define SERVICE_KEY(name)                                                         \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" name "\",\"d\":\"" ISSUER_D \
    "\",\"x\":\"" ISSUER_X "\"}"
#define SERVICE_PUBLIC(name) \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" name "\",\"x\":\"" ISSUER_X "\"}"

static void start_guarded(void)
{
    static char nats[TEXT_BYTES], user[64];
    const char *const arguments[] = {GUARDED, NULL};
    const char *const settings[] = {"MESH_LISTEN=127.0.0.1:0",
                                    "MESH_SERVICE_KEY=" SERVICE_KEY("guarded"),
                                    "MESH_SERVICE_KEYS={\"keys\":[" SERVICE_PUBLIC("order") "]}",
                                    nats,
                                    user,
                                    NULL};
    snprintf(nats, sizeof nats, "MESH_NATS_URL=%s", nats_url());
    snprintf(user, sizeof user, "MESH_USER_TARGET=127.0.0.1:%d", users.port);
    guarded.program = program_start(arguments, settings);
    const char *line = program_wait_log(guarded.program, "listening");
    snprintf(guarded.metrics, sizeof guarded.metrics, "%s", program_field(line, "metrics"));
    assert_int_equal(
        mesh_channel_create(program_field(line, "address"), NULL, &guarded.channel, NULL), MESH_OK);
    guarded.arena = mesh_arena_create(4096, 0);
    assert_non_null(guarded.arena);
}

static void serve_guarded(void)
{
    start_guarded();
    program_wait_log(guarded.program, "serving");
}

static void stop_guarded(void)
{
    program_signal(guarded.program, SIGTERM);
    program_expect(guarded.program, 0);
    program_free(guarded.program);
    mesh_channel_destroy(guarded.channel);
    mesh_arena_destroy(guarded.arena);
}

/* --- calls ------------------------------------------------------------------------------------ */

typedef mesh_code method(mesh_channel *channel, const Google__Protobuf__Empty *request,
                         Guarded__V1__Seen **seen, const mesh_call_options *options,
                         mesh_error *err);

static Guarded__V1__Seen *seen;
static mesh_error refusal;

static mesh_code call_with(method *fn, const char *key, const char *value)
{
    const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
    const mesh_metadata metadata = {key, value, value != NULL ? strlen(value) : 0};
    const mesh_call_options options = {.arena = guarded.arena,
                                       .timeout_ms = CALL_LIMIT_MS,
                                       .metadata = &metadata,
                                       .metadata_count = value != NULL};
    mesh_error_clear(&refusal);
    return fn(guarded.channel, &request, &seen, &options, &refusal);
}

static const char *token(const mesh_key *key, const char *issuer, const char *subject,
                         const char *audience, const char *role)
{
    mesh_claims claims = issuer_claims(mesh_clock_wall_ns() / 1000000000);
    const char *text;
    claims.issuer = issuer;
    claims.subject = subject;
    claims.audience = audience;
    claims.roles[0] = role;
    claims.role_count = role != NULL;
    assert_int_equal(mesh_token_sign(key, &claims, guarded.arena, &text, NULL), MESH_OK);
    return text;
}

static mesh_code call_as(method *fn, const char *user, const char *role)
{
    return call_with(fn, "authorization",
                     mesh_arena_printf(guarded.arena, "Bearer %s",
                                       token(users.key, "user", user, "mesh", role)));
}

static bool refused(method *fn, const char *user, const char *role, const char *reason)
{
    return call_as(fn, user, role) != MESH_OK && strcmp(refusal.reason, reason) == 0;
}

/* Each test has people of its own. */
static const char *new_user(void)
{
    static char ids[USERS][MESH_UUID_TEXT_BYTES];
    static size_t count;
    assert_true(count < USERS);
    mesh_uuid_v7(ids[count]);
    return ids[count++];
}

#define ANYBODY guarded__v1__guarded__anybody
#define AUTHENTICATED guarded__v1__guarded__authenticated
#define STAFF guarded__v1__guarded__staff
#define WRITE guarded__v1__guarded__write
#define MANAGE guarded__v1__guarded__manage
#define INTERNAL guarded__v1__guarded__internal

/* --- tests ------------------------------------------------------------------------------------ */

/* S0.4, S0.5: who it is by the token, what is allowed by the user service, once. */
static void knows_who_calls_and_asks_once_what_is_allowed(void **state)
{
    const char *ada = new_user();
    (void)state;
    serve_guarded();
    assert_int_equal(call_with(ANYBODY, NULL, NULL), MESH_OK);
    assert_int_equal(call_with(AUTHENTICATED, NULL, NULL), MESH_UNAUTHENTICATED);
    WAIT_FOR(call_as(AUTHENTICATED, ada, "consumer") == MESH_OK);
    assert_string_equal(seen->user, ada);
    assert_string_equal(seen->roles[0], "consumer");
    assert_true(refused(STAFF, ada, "consumer", "ROLE_MISSING"));
    assert_int_equal(call_as(STAFF, ada, "staff"), MESH_OK);
    assert_int_equal(atomic_load(&users.asked), 0);

    atomic_store(&users.allows, true);
    for (int i = 0; i < 3; i++)
        assert_int_equal(call_as(WRITE, ada, "consumer"), MESH_OK);
    assert_int_equal(atomic_load(&users.asked), 1);
    /* `sensitive` methods ask every time */
    for (int i = 0; i < 2; i++)
        assert_int_equal(call_as(MANAGE, ada, "consumer"), MESH_OK);
    assert_int_equal(atomic_load(&users.asked), 3);
    assert_int_equal(atomic_load(&users.strangers), 0);
    stop_guarded();
}

/* Services say by their keys who they are; each for itself, and to this service. */
static void knows_which_service_calls(void **state)
{
    mesh_key *order = issuer_load(SERVICE_KEY("order"));
    static const char key[] = "mesh-service-token";
    (void)state;
    serve_guarded();
    assert_int_equal(call_with(INTERNAL, key, token(order, "order", "order", "guarded", NULL)),
                     MESH_OK);
    assert_string_equal(seen->service, "order");
    assert_int_equal(call_with(INTERNAL, key, token(order, "order", "order", "stock", NULL)),
                     MESH_UNAUTHENTICATED);
    assert_int_equal(call_with(INTERNAL, NULL, NULL), MESH_PERMISSION_DENIED);
    mesh_key_destroy(order);
    stop_guarded();
}

/* S0.5, S4.2: at once, while the token is valid and says otherwise. */
static void what_a_user_becomes_bites_at_once(void **state)
{
    const char *ada = new_user();
    (void)state;
    atomic_store(&users.allows, true);
    serve_guarded();
    WAIT_FOR(call_as(STAFF, ada, "staff") == MESH_OK);
    change_role(ada, 2, USER__V1__ROLE__CONSUMER);
    WAIT_FOR(refused(STAFF, ada, "staff", "ROLE_MISSING"));
    assert_int_equal(call_as(WRITE, ada, "staff"), MESH_OK);

    int asked = atomic_load(&users.asked);
    assert_int_equal(call_as(WRITE, ada, "staff"), MESH_OK);
    assert_int_equal(atomic_load(&users.asked), asked);
    atomic_store(&users.allows, false);
    change_role(ada, 3, USER__V1__ROLE__PRO);
    WAIT_FOR(refused(WRITE, ada, "staff", "PERMISSION_MISSING"));
    assert_int_equal(call_as(STAFF, ada, "staff"), MESH_OK); /* `pro` may */

    ban(ada, 4);
    WAIT_FOR(refused(AUTHENTICATED, ada, "staff", "USER_REFUSED"));
    unban(ada, 5, USER__V1__ROLE__PRO);
    WAIT_FOR(call_as(AUTHENTICATED, ada, "staff") == MESH_OK);
    end_user(ada, 6);
    WAIT_FOR(refused(AUTHENTICATED, ada, "staff", "USER_REFUSED"));
    stop_guarded();
}

/* What the metric of this name shows. */
static double figure(const char *name)
{
    const char *found = strstr(demo_metrics(guarded.metrics), name);
    if (found == NULL)
        fail_msg("%s is not shown", name);
    return strtod(found + strlen(name), NULL);
}

/* S0.5: what an operator sees of the cache, and of how late changes are. */
static void metrics_tell_of_permissions_and_changes(void **state)
{
    const char *ada = new_user();
    (void)state;
    atomic_store(&users.allows, true);
    serve_guarded();
    WAIT_FOR(call_as(AUTHENTICATED, ada, "staff") == MESH_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(call_as(WRITE, ada, "staff"), MESH_OK);
    assert_true(figure("\nmesh_auth_permission_loads_total ") == 1);
    assert_true(figure("\nmesh_auth_permission_misses_total ") == 1);
    assert_true(figure("\nmesh_auth_permission_hits_total ") == 2);
    assert_true(figure("\nmesh_auth_permissions ") == 1);
    const double users_before = figure("\nmesh_auth_users "); /* of other tests */
    assert_true(figure("\nmesh_auth_user_change_seconds_count ") == 0);

    ban(ada, 2);
    WAIT_FOR(figure("\nmesh_auth_user_change_seconds_count ") == 1);
    assert_true(figure("\nmesh_auth_user_change_seconds_sum ") > 0);
    assert_true(figure("\nmesh_auth_permission_drops_total ") == 1);
    assert_true(figure("\nmesh_auth_permissions ") == 0);
    assert_true(figure("\nmesh_auth_users ") == users_before + 1);
    stop_guarded();
}

/* What is read a second time happened long ago, and was in force. */
static void events_that_come_again_are_not_late(void **state)
{
    const char *ada = new_user();
    (void)state;
    serve_guarded();
    ban(ada, 2);
    ban(ada, 3);
    WAIT_FOR(figure("\nmesh_auth_user_change_seconds_count ") == 2);
    const double heard = figure("\nmesh_auth_user_events_total ");
    stream_lose(false); /* so that it does not go on after that one, but from its begin */
    nats_restart();
    WAIT_FOR(figure("\nmesh_auth_user_events_total ") > heard);
    ban(ada, 4);
    WAIT_FOR(figure("\nmesh_auth_user_change_seconds_count ") >= 3);
    assert_true(figure("\nmesh_auth_user_change_seconds_count ") == 3);
    stop_guarded();
}

/* S0.5: a connection that broke is noticed by who uses it first, who must not be refused for it. */
static void a_question_that_fails_is_asked_once_more(void **state)
{
    const char *ada = new_user(), *bob = new_user();
    (void)state;
    atomic_store(&users.allows, true);
    serve_guarded();
    WAIT_FOR(call_as(AUTHENTICATED, ada, "staff") == MESH_OK);
    int asked = atomic_load(&users.asked);
    atomic_store(&users.fails, 1);
    assert_int_equal(call_as(WRITE, ada, "staff"), MESH_OK);
    assert_int_equal(atomic_load(&users.asked), asked + 2);
    atomic_store(&users.fails, 2);
    assert_true(refused(WRITE, bob, "staff", "PERMISSION_UNKNOWN"));
    assert_int_equal(atomic_load(&users.asked), asked + 4);
    stop_guarded();
}

static void on_burst(void *context, mesh_code code, const Guarded__V1__Seen *response,
                     const mesh_error *err)
{
    (void)response;
    (void)err;
    if (code != MESH_OK)
        atomic_fetch_add((atomic_int *)context, BURST);
    atomic_fetch_add((atomic_int *)context, 1);
}

/* S0.5: however many ask the same at once, the user service is asked once. */
static void a_burst_of_callers_asks_once(void **state)
{
    const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
    const char *ada = new_user();
    atomic_int ended = 0;
    (void)state;
    atomic_store(&users.allows, true);
    serve_guarded();
    WAIT_FOR(call_as(AUTHENTICATED, ada, "staff") == MESH_OK);
    const char *bearer = mesh_arena_printf(guarded.arena, "Bearer %s",
                                           token(users.key, "user", ada, "mesh", "staff"));
    const mesh_metadata metadata = {"authorization", bearer, strlen(bearer)};
    const mesh_call_options options = {
        .timeout_ms = CALL_LIMIT_MS, .metadata = &metadata, .metadata_count = 1};
    int asked = atomic_load(&users.asked);
    for (int i = 0; i < BURST; i++)
        assert_int_equal(guarded__v1__guarded__write__async(guarded.channel, &request, &options,
                                                            on_burst, &ended),
                         MESH_OK);
    WAIT_FOR(atomic_load(&ended) >= BURST);
    assert_int_equal(atomic_load(&ended), BURST);
    assert_int_equal(atomic_load(&users.asked), asked + 1);
    stop_guarded();
}

/* S4.2: a service that starts learns who is banned before it lets anybody in. */
static void a_ban_from_before_the_start_holds(void **state)
{
    const char *ada = new_user();
    (void)state;
    ban(ada, 2);
    serve_guarded();
    assert_true(refused(AUTHENTICATED, ada, "staff", "USER_REFUSED"));
    stop_guarded();
}

/* S4.2, S0.9: ... also when the stream is gone that said so, as is all that changed. */
static void a_ban_holds_that_the_broker_has_lost(void **state)
{
    const char *ada = new_user(), *bob = new_user(), *eve = new_user();
    (void)state;
    ban(ada, 2);
    nats_restart_empty();
    has_become(bob, 3, false, USER__V1__ROLE__CONSUMER);
    has_become(ada, 2, true, USER__V1__ROLE__STAFF);
    has_become(eve, 4, true, USER__V1__ROLE__ROLE_UNSPECIFIED);
    serve_guarded();
    assert_true(refused(AUTHENTICATED, ada, "staff", "USER_REFUSED"));
    assert_true(refused(AUTHENTICATED, eve, "staff", "USER_REFUSED"));
    assert_true(refused(STAFF, bob, "staff", "ROLE_MISSING"));
    assert_int_equal(call_as(AUTHENTICATED, bob, "staff"), MESH_OK);
    assert_int_equal(atomic_load(&users.strangers), 0);
    unban(ada, 3, USER__V1__ROLE__STAFF); /* what is heard counts when it is later */
    WAIT_FOR(call_as(STAFF, ada, "staff") == MESH_OK);
    stop_guarded();
    atomic_store(&users.changed_count, 0);
}

/* S4.2, S0.9 */
static void a_ban_holds_that_was_purged(void **state)
{
    const char *ada = new_user();
    (void)state;
    ban(ada, 2);
    stream_lose(true);
    has_become(ada, 2, true, USER__V1__ROLE__STAFF);
    serve_guarded();
    assert_true(refused(AUTHENTICATED, ada, "staff", "USER_REFUSED"));
    stop_guarded();
    atomic_store(&users.changed_count, 0);
}

/* The service asks for keys, and with them for changes, as it meets one that it does not know. */
static void let_it_ask(void)
{
    mesh_key *stranger = issuer_generate();
    const char *text = mesh_arena_printf(guarded.arena, "Bearer %s",
                                         token(stranger, "user", new_user(), "mesh", "staff"));
    assert_int_equal(call_with(AUTHENTICATED, "authorization", text), MESH_UNAUTHENTICATED);
    mesh_key_destroy(stranger);
}

/* S0.5, S4.2: the user service may be unable to publish for a while, which nobody hears. */
static void a_ban_bites_though_its_event_is_late(void **state)
{
    const char *ada = new_user(), *bob = new_user();
    (void)state;
    atomic_store(&users.allows, true);
    serve_guarded();
    WAIT_FOR(call_as(WRITE, bob, "staff") == MESH_OK);
    assert_int_equal(call_as(AUTHENTICATED, ada, "staff"), MESH_OK);
    const int asked = atomic_load(&users.asked);
    change_role(bob, 3, USER__V1__ROLE__PRO);
    WAIT_FOR(call_as(WRITE, bob, "staff") == MESH_OK && atomic_load(&users.asked) == asked + 1);
    has_become(ada, 2, true, USER__V1__ROLE__STAFF);
    has_become(bob, 3, false, USER__V1__ROLE__PRO);
    let_it_ask();
    WAIT_FOR(refused(AUTHENTICATED, ada, "staff", "USER_REFUSED"));
    /* what was heard already changes nothing */
    assert_int_equal(call_as(WRITE, bob, "staff"), MESH_OK);
    assert_int_equal(atomic_load(&users.asked), asked + 1);
    stop_guarded();
    atomic_store(&users.changed_count, 0);
}

/* S4.2, S0.9: what was lost while the service ran. */
static void a_service_asks_again_when_the_broker_loses_its_past(void **state)
{
    const char *ada = new_user(), *bob = new_user();
    (void)state;
    atomic_store(&users.allows, true);
    serve_guarded();
    WAIT_FOR(call_as(WRITE, ada, "staff") == MESH_OK);
    assert_int_equal(call_as(STAFF, bob, "staff"), MESH_OK);

    atomic_store(&users.allows, false);
    has_become(ada, 2, false, USER__V1__ROLE__CONSUMER);
    has_become(bob, 2, true, USER__V1__ROLE__PRO);
    int told = atomic_load(&users.told);
    nats_restart_empty();
    WAIT_FOR(atomic_load(&users.told) > told);
    WAIT_FOR(refused(AUTHENTICATED, bob, "staff", "USER_REFUSED"));
    WAIT_FOR(refused(WRITE, ada, "staff", "PERMISSION_MISSING"));
    assert_true(refused(STAFF, ada, "staff", "ROLE_MISSING"));
    stop_guarded();
    atomic_store(&users.changed_count, 0);
}

/* S0.9: a new mesh comes up, and at once. */
static void a_young_stream_delays_no_start(void **state)
{
    enum {
        LIMIT_MS = 3000
    };
    (void)state;
    nats_restart_empty();
    int64_t begun_ns = mesh_clock_monotonic_ns();
    int told = atomic_load(&users.told);
    serve_guarded();
    int64_t took_ms = (mesh_clock_monotonic_ns() - begun_ns) / 1000000;
    print_message("serving after %d ms\n", (int)took_ms);
    assert_true(took_ms < LIMIT_MS);
    assert_true(atomic_load(&users.told) <= told + 2); /* once more with the keys */
    stop_guarded();
}

/* S0.9, S4.2: nobody is let in by a user service that cannot say who is banned. */
static void without_an_answer_nobody_is_let_in(void **state)
{
    const char *ada = new_user();
    (void)state;
    atomic_store(&users.does_not_know, true);
    start_guarded();
    WAIT_FOR(strstr(program_wait_log(guarded.program, "waiting"), "no answer today") != NULL);
    WAIT_FOR(refused(AUTHENTICATED, ada, "staff", "USER_UNKNOWN"));
    assert_int_equal(refusal.code, MESH_UNAVAILABLE);
    has_become(ada, 2, true, USER__V1__ROLE__STAFF);
    atomic_store(&users.does_not_know, false);
    program_wait_log(guarded.program, "serving");
    assert_true(refused(AUTHENTICATED, ada, "staff", "USER_REFUSED"));
    stop_guarded();
    atomic_store(&users.changed_count, 0);
}

/* A user service that starts at the same time is no reason to warn, one that stays away is. */
static void an_outage_is_told_when_it_lasts(void **state)
{
    (void)state;
    atomic_store(&users.does_not_know, true);
    int64_t began_ns = mesh_clock_monotonic_ns();
    start_guarded();
    const char *line = program_wait_log(
        guarded.program, "the user service does not tell its keys, or who has changed");
    assert_string_equal(program_field(line, "error"), "no answer today");
    assert_true(mesh_clock_monotonic_ns() - began_ns >= INT64_C(5000000000));
    atomic_store(&users.does_not_know, false);
    program_wait_log(guarded.program, "serving");
    stop_guarded();
}

/* S4.2: an event that is no good lets nobody in. */
static void a_change_that_does_not_say_to_what_refuses(void **state)
{
    const char *ada = new_user();
    User__V1__UserUpdated updated = USER__V1__USER_UPDATED__INIT;
    User__V1__UserUnbanned unbanned = USER__V1__USER_UNBANNED__INIT;
    (void)state;
    serve_guarded();
    WAIT_FOR(call_as(AUTHENTICATED, ada, "staff") == MESH_OK);
    updated.user_id = unbanned.user_id = (char *)ada;
    updated.version = 2;
    publish(add_updated, &updated);
    WAIT_FOR(refused(AUTHENTICATED, ada, "staff", "USER_REFUSED"));
    program_wait_log(guarded.program, "an event does not say what its user is now, who is refused");
    change_role(ada, 3, USER__V1__ROLE__STAFF);
    WAIT_FOR(call_as(AUTHENTICATED, ada, "staff") == MESH_OK);
    unbanned.version = 4;
    publish(add_unbanned, &unbanned);
    WAIT_FOR(refused(AUTHENTICATED, ada, "staff", "USER_REFUSED"));
    stop_guarded();
}

/* S0.9, S4.2 */
static void without_the_broker_nobody_is_let_in(void **state)
{
    const char *ada = new_user();
    (void)state;
    nats_stop();
    start_guarded();
    WAIT_FOR(refused(AUTHENTICATED, ada, "staff", "USER_UNKNOWN"));
    assert_int_equal(refusal.code, MESH_UNAVAILABLE);
    assert_int_equal(call_with(ANYBODY, NULL, NULL), MESH_OK);
    nats_restart();
    program_wait_log(guarded.program, "serving");
    WAIT_FOR(call_as(AUTHENTICATED, ada, "staff") == MESH_OK);
    stop_guarded();
}

/* S0.4: with the user service stopped, signed-in users keep working. */
static void without_the_user_service_what_is_known_goes_on(void **state)
{
    const char *ada = new_user();
    (void)state;
    atomic_store(&users.allows, true);
    serve_guarded();
    WAIT_FOR(call_as(WRITE, ada, "staff") == MESH_OK);
    users_stop();
    assert_int_equal(call_as(AUTHENTICATED, ada, "staff"), MESH_OK);
    assert_int_equal(call_as(STAFF, ada, "staff"), MESH_OK);
    assert_int_equal(call_as(WRITE, ada, "staff"), MESH_OK); /* known */
    assert_true(refused(MANAGE, ada, "staff", "PERMISSION_UNKNOWN"));
    assert_int_equal(refusal.code, MESH_UNAVAILABLE);
    assert_true(refused(WRITE, new_user(), "staff", "PERMISSION_UNKNOWN"));
    /* and a change of the user's is heard all the same, and what was known forgotten */
    ban(ada, 2);
    WAIT_FOR(refused(STAFF, ada, "staff", "USER_REFUSED"));
    users_start();
    stop_guarded();
}

/* S0.9: the stream is young, so the user service has to say what was before, and is waited for. */
static void waits_for_the_user_service_when_the_stream_is_young(void **state)
{
    static const char MISSING[] = "users: what changed in the last hour is not known: ";
    const char *ada = new_user();
    (void)state;
    users_stop();
    start_guarded();
    WAIT_FOR(strncmp(program_field(program_wait_log(guarded.program, "waiting"), "error"), MISSING,
                     strlen(MISSING)) == 0);
    assert_int_equal(call_with(ANYBODY, NULL, NULL), MESH_OK);
    assert_true(refused(AUTHENTICATED, ada, "staff", "TOKEN_KEY_UNKNOWN"));
    assert_int_equal(refusal.code, MESH_UNAVAILABLE);
    users_start();
    program_wait_log(guarded.program, "serving");
    WAIT_FOR(call_as(AUTHENTICATED, ada, "staff") == MESH_OK);
    stop_guarded();
}

/* ... and nobody waits for the answer when the service ends. */
static void ends_while_it_waits_for_the_user_service(void **state)
{
    (void)state;
    users_stop();
    start_guarded();
    program_wait_log(guarded.program, "waiting");
    stop_guarded();
    users_start();
}

/* S0.4: keys come and go without a restart; made-up ones make nobody fetch all the time. */
static void keys_are_fetched_when_one_is_met_that_is_not_known(void **state)
{
    const char *ada = new_user();
    (void)state;
    serve_guarded();
    WAIT_FOR(call_as(AUTHENTICATED, ada, "staff") == MESH_OK);
    const char *old = mesh_arena_printf(guarded.arena, "Bearer %s",
                                        token(users.key, "user", ada, "mesh", "staff"));
    users_rotate();
    WAIT_FOR(call_as(AUTHENTICATED, ada, "staff") == MESH_OK);
    assert_int_equal(call_with(AUTHENTICATED, "authorization", old), MESH_UNAUTHENTICATED);

    int fetches = atomic_load(&users.key_fetches);
    mesh_key *forger = issuer_generate();
    for (int i = 0; i < 100; i++) {
        const char *forged = mesh_arena_printf(guarded.arena, "Bearer %s",
                                               token(forger, "user", ada, "mesh", "staff"));
        assert_int_equal(call_with(AUTHENTICATED, "authorization", forged), MESH_UNAUTHENTICATED);
    }
    assert_true(atomic_load(&users.key_fetches) <= fetches + 1);
    mesh_key_destroy(forger);
    stop_guarded();
}

/* S4.16: what is missing or wrong is named, no value is shown, and nothing starts. */
static void keys_that_are_missing_or_wrong_are_named(void **state)
{
    static const char NATS[] = "MESH_NATS_URL=nats://127.0.0.1:1";
    static const char USER[] = "MESH_USER_TARGET=127.0.0.1:1";
    static const char KEY[] = "MESH_SERVICE_KEY=" SERVICE_KEY("guarded");
    static const char KEYS[] = "MESH_SERVICE_KEYS={\"keys\":[" SERVICE_PUBLIC("order") "]}";
    const struct {
        const char *settings[SETTINGS];
        int status;
        const char *says;
    } cases[] = {
        {{NATS, USER, KEYS, NULL}, 2, "MESH_SERVICE_KEY is missing"},
        {{NATS, USER, KEY, NULL}, 2, "MESH_SERVICE_KEYS is missing"},
        {{NATS, KEY, KEYS, NULL}, 2, "MESH_USER_TARGET"},
        {{USER, KEY, KEYS, NULL}, 2, "MESH_NATS_URL"},
        {{NATS, KEY, KEYS, "MESH_USER_TARGET=dns:///users.example.com:50051", NULL},
         2,
         "dns:///users.example.com:50051 is not on this machine"},
        {{NATS, KEY, KEYS, "MESH_USER_TARGET=ipv4:127.0.0.1:1,10.0.0.1:1", NULL},
         2,
         "ipv4:127.0.0.1:1,10.0.0.1:1 is not on this machine"},
        {{NATS, USER, KEY, "MESH_TLS_CA=ca.pem", NULL}, 2, "MESH_SERVICE_KEYS is missing"},
        {{NATS, USER, "MESH_SERVICE_KEY={}", KEYS, NULL}, 1, "MESH_SERVICE_KEY: "},
        {{NATS, USER, "MESH_SERVICE_KEY=" SERVICE_KEY("order"), KEYS, NULL},
         1,
         "its kid is \\\"order\\\", and not \\\"guarded\\\""},
        {{NATS, USER, KEY, "MESH_SERVICE_KEYS={}", NULL}, 1, "MESH_SERVICE_KEYS: "},
        {{NATS, USER, KEY, "MESH_SERVICE_KEYS={\"keys\":[" SERVICE_KEY("order") "]}", NULL},
         1,
         "MESH_SERVICE_KEYS: "},
    };
    const char *const arguments[] = {GUARDED, NULL};
    char output[16 * 1024];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(program_run(arguments, cases[i].settings, output, sizeof output),
                         cases[i].status);
        if (strstr(output, cases[i].says) == NULL)
            fail_msg("\"%s\" is missing in: %s", cases[i].says, output);
        assert_null(strstr(output, ISSUER_D));
    }
}

static int setup(void **state)
{
    mesh_key *key = issuer_load(SERVICE_KEY("guarded"));
    if (servers_setup(state) != 0)
        return -1;
    bus_open();
    assert_int_equal(mesh_keys_create(&users.service_keys, NULL), MESH_OK);
    issuer_publish(users.service_keys, (const mesh_key *const *)&key, 1);
    mesh_key_destroy(key);
    assert_int_equal(
        mesh_verifier_create(MESH_OPTIONS(mesh_verifier_options, .keys = users.service_keys,
                                          .self_issued = true, .audience = "user"),
                             &users.verifier, NULL),
        MESH_OK);
    users_rotate();
    users_start();
    return 0;
}

static int teardown(void **state)
{
    users_stop();
    mesh_verifier_destroy(users.verifier);
    mesh_keys_destroy(users.service_keys);
    mesh_key_destroy(users.key);
    bus_close();
    return servers_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_who_calls_and_asks_once_what_is_allowed),
        cmocka_unit_test(knows_which_service_calls),
        cmocka_unit_test(what_a_user_becomes_bites_at_once),
        cmocka_unit_test(metrics_tell_of_permissions_and_changes),
        cmocka_unit_test(a_question_that_fails_is_asked_once_more),
        cmocka_unit_test(a_burst_of_callers_asks_once),
        cmocka_unit_test(events_that_come_again_are_not_late),
        cmocka_unit_test(a_ban_from_before_the_start_holds),
        cmocka_unit_test(a_ban_holds_that_the_broker_has_lost),
        cmocka_unit_test(a_ban_holds_that_was_purged),
        cmocka_unit_test(a_ban_bites_though_its_event_is_late),
        cmocka_unit_test(a_service_asks_again_when_the_broker_loses_its_past),
        cmocka_unit_test(a_young_stream_delays_no_start),
        cmocka_unit_test(without_an_answer_nobody_is_let_in),
        cmocka_unit_test(an_outage_is_told_when_it_lasts),
        cmocka_unit_test(a_change_that_does_not_say_to_what_refuses),
        cmocka_unit_test(without_the_broker_nobody_is_let_in),
        cmocka_unit_test(without_the_user_service_what_is_known_goes_on),
        cmocka_unit_test(waits_for_the_user_service_when_the_stream_is_young),
        cmocka_unit_test(ends_while_it_waits_for_the_user_service),
        cmocka_unit_test(keys_are_fetched_when_one_is_met_that_is_not_known),
        cmocka_unit_test(keys_that_are_missing_or_wrong_are_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
