/*
 * The user service as others ask it. That keys are fetched, permissions loaded and gaps filled is
 * shown by //tests/mesh/service:access_test, with a whole service.
 */
#include "mesh/auth/authority.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "mesh/rpc/server.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/auth/issuer.h"
#include "user/v1/user.mesh.h"

enum {
    INTERVAL_MS = 20,
    CHANGED_MS = 3600 * 1000
};

static struct {
    mesh_server *server;
    mesh_channel *channel;
    mesh_keys *keys;
    mesh_authority *authority;
    atomic_int asked;          /* for who has changed */
    atomic_int_fast64_t ago_s; /* how long that was to be looked back, the last time */
    atomic_bool banned;        /* the user is */
    atomic_bool told;
} here;

static mesh_code get_key_set(void *self, mesh_call *call, const User__V1__GetKeySetRequest *request,
                             User__V1__KeySet *response, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)request;
    (void)err;
    response->jwks = (char *)"{\"keys\":[" ISSUER_PUBLIC "]}";
    return MESH_OK;
}

static mesh_code list_changed_users(void *self, mesh_call *call,
                                    const User__V1__ListChangedUsersRequest *request,
                                    User__V1__ListChangedUsersResponse *response, mesh_error *err)
{
    (void)self;
    (void)err;
    atomic_store(&here.ago_s, mesh_clock_wall_ns() / 1000000000 - request->since->seconds);
    if (atomic_load(&here.banned)) {
        User__V1__ChangedUser *user = mesh_arena_calloc(mesh_call_arena(call), 1, sizeof *user);
        user__v1__changed_user__init(user);
        user->user_id = (char *)"ada";
        user->version = 2;
        user->refused = true;
        response->users = mesh_arena_calloc(mesh_call_arena(call), 1, sizeof(void *));
        response->users[0] = user;
        response->n_users = 1;
    }
    atomic_fetch_add(&here.asked, 1);
    return MESH_OK;
}

static mesh_code on_changed(void *context, const User__V1__ChangedUser *user, mesh_error *err)
{
    (void)context;
    (void)err;
    atomic_store(&here.told, strcmp(user->user_id, "ada") == 0 && user->refused);
    return MESH_OK;
}

static mesh_code let_in(void *self, mesh_call *call, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    return MESH_OK;
}

static int set_up(void **state)
{
    static const user__v1__user_service__handlers handlers = {
        .get_key_set__inline = get_key_set, .list_changed_users__inline = list_changed_users};
    const mesh_interceptor all = {.name = "open", .on_open = let_in, .authorizes = true};
    char target[32];
    (void)state;
    assert_int_equal(mesh_server_create(MESH_OPTIONS(mesh_server_options, .listen = "127.0.0.1:0",
                                                     .interceptors = &all, .interceptor_count = 1),
                                        &here.server, NULL),
                     MESH_OK);
    assert_int_equal(
        mesh_server_add(here.server, user__v1__user_service__api(&handlers, NULL), NULL), MESH_OK);
    assert_int_equal(mesh_server_start(here.server, NULL), MESH_OK);
    snprintf(target, sizeof target, "127.0.0.1:%d", mesh_server_port(here.server));
    assert_int_equal(mesh_channel_create(target, NULL, &here.channel, NULL), MESH_OK);
    assert_int_equal(mesh_keys_create(&here.keys, NULL), MESH_OK);
    assert_int_equal(
        mesh_authority_create(MESH_OPTIONS(mesh_authority_options, .channel = here.channel,
                                           .keys = here.keys, .interval_ms = INTERVAL_MS,
                                           .on_changed = on_changed, .changed_ms = CHANGED_MS),
                              &here.authority, NULL),
        MESH_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mesh_authority_destroy(here.authority);
    mesh_keys_destroy(here.keys);
    mesh_channel_destroy(here.channel);
    mesh_server_drain(here.server, 0);
    mesh_server_destroy(here.server);
    return 0;
}

/* S4.2, S0.5: nobody has to say that a change may have stayed unheard. */
static void asks_by_itself_again_and_again_who_has_changed(void **state)
{
    (void)state;
    assert_int_equal(mesh_authority_start(here.authority, NULL), MESH_OK);
    WAIT_FOR(atomic_load(&here.asked) > 1);
    assert_true(atomic_load(&here.ago_s) >= 120 && atomic_load(&here.ago_s) < 600);
    assert_false(atomic_load(&here.told));
    atomic_store(&here.banned, true);
    WAIT_FOR(atomic_load(&here.told));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(asks_by_itself_again_and_again_who_has_changed, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
