/* Streams end when what let them in does not hold any more: S0.5, S4.2. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guarded/v1/guarded.mesh.h"
#include "mesh/auth/token.h"
#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/rpc/channel.h"
#include "tests/fixtures/memory.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/auth/gate.h"
#include "tests/mesh/auth/issuer.h"

#define SERVICE "guarded"

enum {
    METHODS = 5,
    THOUSAND = 1000,
    ROUNDS = 20,
    OPENERS = 2,
    LIFE_S = 3
};

/* What the user service says of a permission when it is asked. */
typedef enum says {
    SAYS_YES,
    SAYS_NO,
    SAYS_NOTHING, /* it cannot be reached */
    SAYS_LATER    /* when the test calls answer_later */
} says;

typedef enum style {
    BLOCKING,
    EVENTED
} style;

static struct {
    mesh_key *key, *order_key;
    gate gate;
    mesh_server *server;
    mesh_channel *channel, *other_channel;
    mesh_arena *arena;
    _Atomic says write, manage; /* product.write, user.manage */
    atomic_int loads;
    mesh_permission_load *_Atomic later;
    atomic_size_t opened, closed; /* streams, as their handlers saw them */
    _Atomic(mesh_code) close_code;
    sem_t begun, go_on; /* of a unary handler */
} here;

/* --- who answers ------------------------------------------------------------------------------ */

static void load(void *self, const char *user, const char *permission, mesh_permission_load *one)
{
    bool is_write = strcmp(permission, "product.write") == 0;
    mesh_error err;

    (void)self;
    (void)user;
    atomic_fetch_add(&here.loads, 1);
    mesh_error_clear(&err);
    switch (atomic_load(is_write ? &here.write : &here.manage)) {
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

/* --- handlers --------------------------------------------------------------------------------- */

static void open_with(mesh_stream *stream)
{
    Guarded__V1__Seen seen = GUARDED__V1__SEEN__INIT;

    (void)mesh_stream_try_send(stream, &seen.base);
    atomic_fetch_add(&here.opened, 1);
}

static void close_with(mesh_code code)
{
    atomic_store(&here.close_code, code);
    atomic_fetch_add(&here.closed, 1);
}

static void post(void *semaphore)
{
    sem_post(semaphore);
}

/* Unary, on a worker: goes on when the test lets it. */
static mesh_code staff(void *self, mesh_call *call, const Google__Protobuf__Empty *request,
                       Guarded__V1__Seen *seen, mesh_error *err)
{
    (void)self;
    (void)request;
    (void)seen;
    (void)err;
    sem_post(&here.begun);
    sem_wait(&here.go_on);
    assert_false(mesh_call_cancelled(call));
    return MESH_OK;
}

static mesh_code watch(void *self, mesh_call *call, const Google__Protobuf__Empty *request,
                       mesh_stream *stream, mesh_error *err)
{
    sem_t *cancelled = mesh_arena_calloc(mesh_call_arena(call), 1, sizeof *cancelled);

    (void)self;
    (void)request;
    assert_non_null(cancelled);
    sem_init(cancelled, 0, 0);
    mesh_call_on_cancel(call, post, cancelled);
    open_with(stream);
    sem_wait(cancelled);
    close_with(MESH_CANCELLED);
    return mesh_error_set(err, MESH_CANCELLED, "nobody watches");
}

static mesh_code receive_all(mesh_stream *stream, mesh_error *err)
{
    const ProtobufCMessage *message;
    mesh_code code = mesh_stream_next(stream, &message, err);

    close_with(code);
    return code == MESH_EOF ? MESH_OK : code;
}

static mesh_code watch_staff(void *self, mesh_call *call, mesh_stream *stream, mesh_error *err)
{
    (void)self;
    (void)call;
    open_with(stream);
    return receive_all(stream, err);
}

static mesh_code upload(void *self, mesh_call *call, mesh_stream *stream,
                        Guarded__V1__Seen *response, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)response;
    atomic_fetch_add(&here.opened, 1);
    return receive_all(stream, err);
}

static const guarded__v1__guarded__handlers blocking = {
    .staff = staff,
    .watch = watch,
    .watch_own = watch,
    .watch_staff = watch_staff,
    .watch_users = watch,
    .upload = upload,
    .relay = watch,
};

static mesh_code on_open(void *self, mesh_stream *stream, const Google__Protobuf__Empty *request,
                         mesh_error *err)
{
    (void)self;
    (void)request;
    (void)err;
    open_with(stream);
    return MESH_OK;
}

static mesh_code on_open_staff(void *self, mesh_stream *stream, mesh_error *err)
{
    return on_open(self, stream, NULL, err);
}

static mesh_code on_open_upload(void *self, mesh_stream *stream, mesh_error *err)
{
    (void)self;
    (void)stream;
    (void)err;
    atomic_fetch_add(&here.opened, 1);
    return MESH_OK;
}

static void on_close(void *self, mesh_stream *stream, mesh_code code)
{
    (void)self;
    (void)stream;
    close_with(code);
}

static const guarded__v1__guarded__watch__events watch_events = {.on_open = on_open,
                                                                 .on_close = on_close};
static const guarded__v1__guarded__watch_own__events own_events = {.on_open = on_open,
                                                                   .on_close = on_close};
static const guarded__v1__guarded__watch_users__events users_events = {.on_open = on_open,
                                                                       .on_close = on_close};
static const guarded__v1__guarded__relay__events relay_events = {.on_open = on_open,
                                                                 .on_close = on_close};
static const guarded__v1__guarded__watch_staff__events staff_events = {.on_open = on_open_staff,
                                                                       .on_close = on_close};
static const guarded__v1__guarded__upload__events upload_events = {.on_open = on_open_upload,
                                                                   .on_close = on_close};

static const guarded__v1__guarded__handlers evented = {
    .staff = staff,
    .watch__events = &watch_events,
    .watch_own__events = &own_events,
    .watch_staff__events = &staff_events,
    .watch_users__events = &users_events,
    .upload__events = &upload_events,
    .relay__events = &relay_events,
};

/* --- the server ------------------------------------------------------------------------------- */

static void make_gate(void)
{
    here.key = issuer_generate();
    here.order_key = issuer_generate_named("order");
    gate_create(&here.gate, load, SERVICE);
    issuer_publish(here.gate.keys, (const mesh_key *const *)&here.key, 1);
    issuer_publish(here.gate.service_keys, (const mesh_key *const *)&here.order_key, 1);
    mesh_guard_open(here.gate.guard);
}

static int start(void **state)
{
    style style = *state != NULL ? *(const enum style *)*state : EVENTED;
    mesh_interceptor guard;
    char address[32];

    make_gate();
    guard = gate_interceptor(&here.gate);
    assert_int_equal(
        mesh_server_create(MESH_OPTIONS(mesh_server_options, .listen = "127.0.0.1:0",
                                        .poller_count = 2, .worker_count = 8,
                                        .connection_share_percent = 100, .interceptors = &guard,
                                        .interceptor_count = 1),
                           &here.server, NULL),
        MESH_OK);
    assert_int_equal(
        mesh_server_add(here.server,
                        guarded__v1__guarded__api(style == BLOCKING ? &blocking : &evented, NULL),
                        NULL),
        MESH_OK);
    assert_int_equal(mesh_server_start(here.server, NULL), MESH_OK);
    snprintf(address, sizeof address, "127.0.0.1:%d", mesh_server_port(here.server));
    assert_int_equal(mesh_channel_create(address, NULL, &here.channel, NULL), MESH_OK);
    assert_int_equal(mesh_channel_create(address, NULL, &here.other_channel, NULL), MESH_OK);
    here.arena = mesh_arena_create(4096, 16 << 20);
    assert_non_null(here.arena);
    atomic_store(&here.write, SAYS_YES);
    atomic_store(&here.manage, SAYS_YES);
    atomic_store(&here.loads, 0);
    atomic_store(&here.opened, 0);
    atomic_store(&here.closed, 0);
    sem_init(&here.begun, 0, 0);
    sem_init(&here.go_on, 0, 0);
    return 0;
}

static void destroy_gate(void)
{
    gate_destroy(&here.gate);
    mesh_key_destroy(here.key);
    mesh_key_destroy(here.order_key);
}

static int stop(void **state)
{
    (void)state;
    mesh_channel_destroy(here.channel);
    mesh_channel_destroy(here.other_channel);
    mesh_server_destroy(here.server);
    destroy_gate();
    mesh_arena_destroy(here.arena);
    sem_destroy(&here.begun);
    sem_destroy(&here.go_on);
    return 0;
}

/* --- streams ---------------------------------------------------------------------------------- */

static int64_t now_s(void)
{
    return mesh_clock_wall_ns() / 1000000000;
}

/* "Bearer" and a token of a member of the staff. */
static const char *bearer_for(const char *user, int64_t life_s)
{
    mesh_claims claims = issuer_claims(now_s());
    const char *token;

    claims.subject = user;
    claims.roles[0] = "staff";
    claims.role_count = 1;
    claims.expires_s = claims.issued_s + life_s;
    assert_int_equal(mesh_token_sign(here.key, &claims, here.arena, &token, NULL), MESH_OK);
    return mesh_arena_printf(here.arena, "Bearer %s", token);
}

static const char *bearer(const char *user)
{
    return bearer_for(user, 900);
}

static const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;

typedef enum method {
    OWN,
    STAFF,
    WATCH,
    USERS,
    UPLOAD,
    RELAY
} method;

static mesh_stream *open_with_metadata(method method, const mesh_metadata *metadata, size_t count)
{
    const mesh_call_options options = {
        .timeout_ms = 20000, .metadata = metadata, .metadata_count = count};
    mesh_channel *to = here.channel;
    mesh_stream *stream = NULL;
    mesh_code code = MESH_UNIMPLEMENTED;

    switch (method) {
    case OWN:
        code = guarded__v1__guarded__watch_own(to, &request, &stream, &options, NULL);
        break;
    case STAFF:
        code = guarded__v1__guarded__watch_staff(to, &stream, &options, NULL);
        break;
    case WATCH:
        code = guarded__v1__guarded__watch(to, &request, &stream, &options, NULL);
        break;
    case USERS:
        code = guarded__v1__guarded__watch_users(to, &request, &stream, &options, NULL);
        break;
    case UPLOAD:
        code = guarded__v1__guarded__upload(to, &stream, &options, NULL);
        break;
    case RELAY:
        code = guarded__v1__guarded__relay(to, &request, &stream, &options, NULL);
        break;
    }
    assert_int_equal(code, MESH_OK);
    return stream;
}

static mesh_stream *try_open(method method, const char *authorization)
{
    return open_with_metadata(
        method, &(mesh_metadata){"authorization", authorization, strlen(authorization)}, 1);
}

/* One that the server has let in. */
static mesh_stream *open_stream(method method, const char *authorization)
{
    size_t before = atomic_load(&here.opened);
    mesh_stream *stream = try_open(method, authorization);

    WAIT_FOR(atomic_load(&here.opened) > before);
    return stream;
}

static void open_all(mesh_stream **streams, const char *authorization)
{
    for (int i = 0; i < METHODS; i++)
        streams[i] = open_stream((method)i, authorization);
}

/* How it ends, without anything that its client does. */
static mesh_code end_of(mesh_stream *stream, mesh_error *err)
{
    const ProtobufCMessage *message;

    while (mesh_stream_next(stream, &message, NULL) == MESH_OK)
        continue;
    mesh_error_clear(err);
    return mesh_stream_finish(stream, err);
}

static void expect_end(mesh_stream *stream, mesh_code code, const char *reason)
{
    mesh_error err;
    mesh_code got = end_of(stream, &err);

    if (got != code || strcmp(err.reason, reason) != 0)
        fail_msg("%s %s: %s instead of %s %s", mesh_code_name(got), err.reason, err.message,
                 mesh_code_name(code), reason);
    assert_string_equal(err.domain, "mesh.v1");
}

static void expect_ends(mesh_stream **streams, mesh_code code, const char *reason)
{
    for (int i = 0; i < METHODS; i++)
        expect_end(streams[i], code, reason);
}

/* Those that are left are given up by their clients. */
static void expect_open(size_t count)
{
    WAIT_FOR(mesh_server_active(here.server) == count);
}

static void give_up(mesh_stream *stream)
{
    mesh_stream_cancel(stream);
    assert_int_equal(mesh_stream_finish(stream, NULL), MESH_CANCELLED);
}

static void give_up_all(mesh_stream **streams)
{
    for (int i = 0; i < METHODS; i++)
        give_up(streams[i]);
}

/* As whoever feeds what users are does it. */
static void change(const char *user, int64_t version, bool refused, const char *role)
{
    mesh_user_state state = {.version = version, .refused = refused, .role_count = 1};

    snprintf(state.roles[0], sizeof state.roles[0], "%s", role);
    assert_int_equal(mesh_users_put(here.gate.users, user, &state, NULL), MESH_OK);
    mesh_permissions_drop_user(here.gate.permissions, user);
    mesh_guard_user_changed(here.gate.guard, user);
}

/* --- tokens ----------------------------------------------------------------------------------- */

/* S4.2 */
static void streams_end_when_their_token_expires(void **state)
{
    mesh_stream *streams[METHODS], *stays = open_stream(OWN, bearer("u"));
    const char *token = bearer_for("u", LIFE_S);
    int64_t expires_s = now_s() + LIFE_S - 1; /* it may have been signed a second earlier */

    open_all(streams, token);
    expect_ends(streams, MESH_UNAUTHENTICATED, "TOKEN_EXPIRED");
    assert_true(now_s() >= expires_s);
    expect_open(1);
    if (*(const style *)*state == EVENTED)
        assert_int_equal(atomic_load(&here.close_code), MESH_UNAUTHENTICATED);
    give_up(stays);
}

/* S4.2: each at its time, whatever the order in which they began */
static void each_ends_at_its_time(void **state)
{
    mesh_stream *late = open_stream(OWN, bearer_for("u", LIFE_S + 1));
    mesh_stream *soon = open_stream(OWN, bearer_for("u", LIFE_S));

    (void)state;
    expect_end(soon, MESH_UNAUTHENTICATED, "TOKEN_EXPIRED");
    expect_end(late, MESH_UNAUTHENTICATED, "TOKEN_EXPIRED");
    expect_open(0);
}

/* --- bans and roles --------------------------------------------------------------------------- */

/* S4.2 */
static void a_ban_ends_all_streams_of_the_user_and_no_others(void **state)
{
    mesh_stream *streams[METHODS], *stays = open_stream(OWN, bearer("other"));

    open_all(streams, bearer("u"));
    change("u", 2, true, "staff");
    expect_ends(streams, MESH_PERMISSION_DENIED, "USER_REFUSED");
    expect_open(1);
    WAIT_FOR(atomic_load(&here.closed) == METHODS);
    if (*(const style *)*state == EVENTED)
        assert_int_equal(atomic_load(&here.close_code), MESH_PERMISSION_DENIED);
    give_up(stays);
}

/* S0.5 */
static void a_lost_role_ends_streams_that_need_it(void **state)
{
    mesh_stream *streams[METHODS];

    (void)state;
    open_all(streams, bearer("u"));
    change("u", 2, false, "pro"); /* is as good */
    change("u", 3, false, "regular");
    expect_end(streams[STAFF], MESH_PERMISSION_DENIED, "ROLE_MISSING");
    expect_open(METHODS - 1);
    streams[STAFF] = open_stream(OWN, bearer("u"));
    give_up_all(streams);
}

/* S4.2: a thousand of one user */
static void one_ban_ends_a_thousand_streams_promptly(void **state)
{
    static mesh_stream *streams[THOUSAND];
    const char *token = bearer("u");
    mesh_channel *first = here.channel;
    mesh_stream *stays;
    int64_t began_ns, took_ms;

    (void)state;
    for (size_t i = 0; i < THOUSAND; i++) {
        here.channel = i % 2 == 0 ? first : here.other_channel;
        streams[i] = try_open(OWN, token);
    }
    here.channel = first;
    WAIT_FOR(atomic_load(&here.opened) == THOUSAND);
    stays = open_stream(OWN, bearer("other"));
    began_ns = mesh_clock_monotonic_ns();
    change("u", 2, true, "staff");
    WAIT_FOR(atomic_load(&here.closed) == THOUSAND);
    took_ms = (mesh_clock_monotonic_ns() - began_ns) / 1000000;
    print_message("%d streams were ended in %d ms\n", THOUSAND, (int)took_ms);
    assert_true(took_ms < 5000);
    for (size_t i = 0; i < THOUSAND; i++)
        expect_end(streams[i], MESH_PERMISSION_DENIED, "USER_REFUSED");
    expect_open(1);
    give_up(stays);
}

/* The version with which the next who is looked at is banned just then; 0: nobody. */
static atomic_llong ban;

bool __real_mesh_users_find(mesh_users *users, const char *id, mesh_user_state *state);
bool __wrap_mesh_users_find(mesh_users *users, const char *id, mesh_user_state *state);

bool __wrap_mesh_users_find(mesh_users *users, const char *id, mesh_user_state *state)
{
    bool found = __real_mesh_users_find(users, id, state);
    long long version = atomic_exchange(&ban, 0);

    if (version > 0)
        change(id, version, true, "staff");
    return found;
}

static atomic_bool stopping;

/* S4.2: nor one that comes as soon as the guard has looked at the user. */
static void a_ban_between_the_look_at_the_user_and_the_decision_ends_it(void **state)
{
    const char *token = bearer("u");

    (void)state;
    for (int i = 0; i < METHODS; i++) {
        change("u", 2 * i, false, "staff");
        atomic_store(&ban, 2 * i + 1);
        expect_end(try_open((method)i, token), MESH_PERMISSION_DENIED, "USER_REFUSED");
        assert_int_equal(atomic_load(&ban), 0);
    }
    expect_open(0);
}

static void *open_always(void *token)
{
    while (!atomic_load(&stopping)) {
        mesh_stream *stream = try_open(OWN, token);

        expect_end(stream, MESH_PERMISSION_DENIED, "USER_REFUSED");
    }
    return NULL;
}

/* S4.2: none lives that was let in just before the ban, or at the same moment. */
static void no_stream_slips_through(void **state)
{
    pthread_t openers[OPENERS];
    const char *token = bearer("u");

    (void)state;
    atomic_store(&stopping, false);
    for (int i = 0; i < OPENERS; i++)
        assert_int_equal(pthread_create(&openers[i], NULL, open_always, (char *)token), 0);
    for (int64_t i = 0; i < ROUNDS; i++) {
        size_t opened = atomic_load(&here.opened);

        change("u", 2 * i, false, "staff");
        WAIT_FOR(atomic_load(&here.opened) > opened);
        change("u", 2 * i + 1, true, "staff");
        WAIT_FOR(atomic_load(&here.closed) == atomic_load(&here.opened));
    }
    atomic_store(&stopping, true);
    for (int i = 0; i < OPENERS; i++)
        pthread_join(openers[i], NULL);
    expect_open(0);
}

/* --- permissions ------------------------------------------------------------------------------ */

/* S0.5: one question for all */
static void a_lost_permission_ends_streams_that_need_it(void **state)
{
    mesh_stream *streams[METHODS];
    int asked;

    (void)state;
    open_all(streams, bearer("u"));
    asked = atomic_load(&here.loads);
    change("u", 2, false, "staff"); /* and the permission is still there */
    assert_int_equal(atomic_load(&here.loads), asked + 2);
    assert_int_equal(mesh_server_active(here.server), METHODS);
    atomic_store(&here.write, SAYS_NO);
    change("u", 3, false, "staff");
    expect_end(streams[WATCH], MESH_PERMISSION_DENIED, "PERMISSION_MISSING");
    expect_end(streams[UPLOAD], MESH_PERMISSION_DENIED, "PERMISSION_MISSING");
    expect_open(METHODS - 2);
    assert_int_equal(atomic_load(&here.loads), asked + 4);
    give_up(streams[OWN]);
    give_up(streams[STAFF]);
    give_up(streams[USERS]);
}

/* S0.5: unknown is not allowed */
static void one_that_cannot_be_asked_for_ends_them(void **state)
{
    mesh_stream *streams[METHODS];

    (void)state;
    open_all(streams, bearer("u"));
    atomic_store(&here.write, SAYS_NOTHING);
    change("u", 2, false, "staff");
    expect_end(streams[WATCH], MESH_UNAVAILABLE, "PERMISSION_UNKNOWN");
    expect_end(streams[UPLOAD], MESH_UNAVAILABLE, "PERMISSION_UNKNOWN");
    expect_open(METHODS - 2);
    give_up(streams[OWN]);
    give_up(streams[STAFF]);
    give_up(streams[USERS]);
}

/* S0.5 */
static void they_go_on_while_it_is_asked_for(void **state)
{
    mesh_stream *stream = open_stream(WATCH, bearer("u")), *other;

    (void)state;
    atomic_store(&here.write, SAYS_LATER);
    change("u", 2, false, "staff");
    assert_int_equal(mesh_server_active(here.server), 1);
    answer_later(true);
    change("u", 3, false, "staff");
    other = try_open(WATCH, bearer("u")); /* waits for the same answer */
    WAIT_FOR(mesh_server_active(here.server) == 2);
    answer_later(false);
    expect_end(stream, MESH_PERMISSION_DENIED, "PERMISSION_MISSING");
    expect_end(other, MESH_PERMISSION_DENIED, "PERMISSION_MISSING");
    expect_open(0);
}

static void *destroy_guard(void *unused)
{
    mesh_guard_destroy(here.gate.guard);
    return unused;
}

static void the_end_waits_for_what_is_asked(void **state)
{
    mesh_stream *stream = open_stream(WATCH, bearer("u"));
    pthread_t thread;

    (void)state;
    atomic_store(&here.write, SAYS_LATER);
    change("u", 2, false, "staff");
    give_up(stream);
    mesh_server_destroy(here.server);
    here.server = NULL;
    assert_int_equal(pthread_create(&thread, NULL, destroy_guard, NULL), 0);
    answer_later(false);
    pthread_join(thread, NULL);
    here.gate.guard = NULL;
}

/* --- others ----------------------------------------------------------------------------------- */

static atomic_int unary_code;

static void on_seen(void *context, mesh_code code, const Guarded__V1__Seen *seen,
                    const mesh_error *err)
{
    (void)seen;
    (void)err;
    atomic_store(&unary_code, code);
    sem_post(context);
}

static void a_unary_call_is_not_cut(void **state)
{
    const char *token = bearer("u");
    const mesh_metadata metadata = {"authorization", token, strlen(token)};
    const mesh_call_options options = {
        .timeout_ms = 20000, .metadata = &metadata, .metadata_count = 1};
    static sem_t done;

    (void)state;
    sem_init(&done, 0, 0);
    assert_int_equal(
        guarded__v1__guarded__staff__async(here.channel, &request, &options, on_seen, &done),
        MESH_OK);
    sem_wait(&here.begun);
    change("u", 2, true, "staff");
    sem_post(&here.go_on);
    sem_wait(&done);
    assert_int_equal(atomic_load(&unary_code), MESH_OK);
    sem_destroy(&done);
}

/* A service's stream is its own, unless it makes it for a user. */
static void a_services_stream_for_a_user_ends_with_the_user(void **state)
{
    mesh_claims claims = issuer_claims(now_s());
    const char *service, *user = bearer("u");
    mesh_metadata both[2] = {{.key = "mesh-service-token"}, {"authorization", user, strlen(user)}};
    mesh_stream *own, *for_user;

    (void)state;
    claims.issuer = claims.subject = "order";
    claims.audience = SERVICE;
    claims.role_count = 0;
    claims.expires_s = claims.issued_s + LIFE_S;
    assert_int_equal(mesh_token_sign(here.order_key, &claims, here.arena, &service, NULL), MESH_OK);
    both[0].value = service;
    both[0].size = strlen(service);
    own = open_with_metadata(RELAY, both, 1);
    WAIT_FOR(atomic_load(&here.opened) == 1);
    for_user = open_with_metadata(RELAY, both, 2);
    WAIT_FOR(atomic_load(&here.opened) == 2);
    change("u", 2, true, "staff");
    expect_end(for_user, MESH_PERMISSION_DENIED, "USER_REFUSED");
    WAIT_FOR(now_s() > claims.expires_s);
    expect_open(1);
    give_up(own);
}

/* --- memory ----------------------------------------------------------------------------------- */

static mesh_code create_guard(void *context)
{
    mesh_guard *guard;
    mesh_code code = mesh_guard_create(
        MESH_OPTIONS(mesh_guard_options, .verifier = here.gate.verifier, .users = here.gate.users,
                     .permissions = here.gate.permissions),
        &guard, NULL);

    (void)context;
    if (code == MESH_OK)
        mesh_guard_destroy(guard);
    return code;
}

/* The first of the tests, so that no other thread allocates. */
static void without_memory_there_is_no_guard(void **state)
{
    (void)state;
    make_gate();
    assert_int_equal(memory_fail_in_turn(create_guard, NULL), 2);
    destroy_gate();
}

/*
 * Whatever fails, no stream is open in the end that may not be, and none is lost. Of what the
 * client and the transport ask for, some fails, too.
 */
static void without_memory_nothing_stays_open(void **state)
{
    const char *token = bearer("u");
    bool failed = true;

    (void)state;
    for (int64_t n = 1; failed; n++) {
        mesh_stream *streams[] = {open_stream(WATCH, token), open_stream(STAFF, token)};
        mesh_user_state now = {.version = 2 * n, .role_count = 1, .roles = {"regular"}};
        mesh_error err;

        atomic_store(&here.write, SAYS_NO);
        mesh_alloc_fail_at((size_t)n);
        while (mesh_users_put(here.gate.users, "u", &now, NULL) != MESH_OK)
            continue; /* the event comes again */
        mesh_permissions_drop_user(here.gate.permissions, "u");
        mesh_guard_user_changed(here.gate.guard, "u");
        WAIT_FOR(mesh_server_active(here.server) == 0);
        failed = mesh_alloc_failed();
        mesh_alloc_fail_at(0);
        for (size_t i = 0; i < 2; i++)
            assert_int_not_equal(end_of(streams[i], &err), MESH_OK);
        atomic_store(&here.write, SAYS_YES);
        now.version++;
        snprintf(now.roles[0], sizeof now.roles[0], "staff");
        assert_int_equal(mesh_users_put(here.gate.users, "u", &now, NULL), MESH_OK);
        mesh_permissions_drop_user(here.gate.permissions, "u");
    }
}

#define WITH(how, test) cmocka_unit_test_prestate_setup_teardown(test, start, stop, &(style){how})
#define BOTH(test) WITH(BLOCKING, test), WITH(EVENTED, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_there_is_no_guard),
        BOTH(streams_end_when_their_token_expires),
        WITH(EVENTED, each_ends_at_its_time),
        BOTH(a_ban_ends_all_streams_of_the_user_and_no_others),
        BOTH(a_lost_role_ends_streams_that_need_it),
        WITH(EVENTED, one_ban_ends_a_thousand_streams_promptly),
        BOTH(a_ban_between_the_look_at_the_user_and_the_decision_ends_it),
        BOTH(no_stream_slips_through),
        BOTH(a_lost_permission_ends_streams_that_need_it),
        BOTH(one_that_cannot_be_asked_for_ends_them),
        BOTH(they_go_on_while_it_is_asked_for),
        WITH(EVENTED, the_end_waits_for_what_is_asked),
        WITH(EVENTED, a_unary_call_is_not_cut),
        WITH(EVENTED, a_services_stream_for_a_user_ends_with_the_user),
        BOTH(without_memory_nothing_stays_open),
    };

    return cmocka_run_group_tests_name("streams of users", tests, NULL, NULL);
}
