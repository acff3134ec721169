#include "mesh/service/user_events.h"

#include <stdio.h>

#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "user/v1/access.mesh.h"
#include "user/v1/events.mesh.h"

mesh_code mesh_user_events_init(mesh_user_events *events, mesh_users *users,
                                mesh_permissions *permissions, mesh_guard *guard,
                                mesh_metrics *metrics, mesh_error *err)
{
    static const int64_t bounds[] = {1000000,   2500000,    5000000,    10000000,
                                     25000000,  50000000,   100000000,  250000000,
                                     500000000, 1000000000, 2500000000, 10000000000};
    const mesh_metric lag = {.name = "mesh_auth_user_change_seconds",
                             .help = "From a change of a user to its effect in this instance.",
                             .bounds = bounds,
                             .bound_count = sizeof bounds / sizeof bounds[0],
                             .scale = 1e-9};
    *events = (mesh_user_events){.users = users, .permissions = permissions, .guard = guard};
    return mesh_histogram_create(metrics, &lag, &events->lag, err);
}

/* Roles of a later contract, which no policy here can name, are left out. */
static void take_roles(const User__V1__Role *roles, size_t count, mesh_user_state *state)
{
    for (size_t i = 0; i < count && state->role_count < MESH_ROLES_MAX; i++) {
        const char *name = user__v1__role__name(roles[i]);
        if (name != NULL)
            snprintf(state->roles[state->role_count++], MESH_ROLE_BYTES, "%s", name);
    }
}

static mesh_code put(mesh_user_events *events, const char *user_id, const mesh_user_state *state,
                     mesh_error *err)
{
    mesh_code code = mesh_users_put(events->users, user_id, state, err);
    if (code == MESH_INVALID_ARGUMENT) {
        /* it never becomes right, and no token has such an id */
        mesh_log(MESH_LOG_ERROR, "a change of a user is left out", MESH_LOG_S("user_id", user_id),
                 MESH_LOG_S("error", err->message));
        return MESH_OK;
    }
    if (code != MESH_OK)
        return code;
    mesh_permissions_drop_user(events->permissions, user_id);
    mesh_guard_user_changed(events->guard, user_id);
    return MESH_OK;
}

mesh_code mesh_user_events_take(void *events, const User__V1__ChangedUser *user, mesh_error *err)
{
    mesh_user_events *own = events;
    mesh_user_state state, known;
    if (mesh_users_find(own->users, user->user_id, &known) && known.version >= user->version)
        return MESH_OK; /* its event was here */
    state = (mesh_user_state){.version = user->version, .refused = user->refused};
    take_roles(user->roles, user->n_roles, &state);
    return put(own, user->user_id, &state, err);
}

static mesh_code change(mesh_user_events *events, const mesh_event *meta,
                        const mesh_user_state *state, mesh_error *err)
{
    mesh_code code = put(events, meta->aggregate_id, state, err);
    if (code == MESH_OK && meta->time_ns > mesh_feed_begun_ns(events->feed))
        mesh_histogram_observe(events->lag, mesh_clock_wall_ns() - meta->time_ns);
    return code;
}

static mesh_code change_to(mesh_user_events *events, const mesh_event *meta,
                           const User__V1__User *user, mesh_error *err)
{
    mesh_user_state state = {.version = meta->version, .refused = user == NULL || user->banned};
    if (user != NULL)
        take_roles(user->roles, user->n_roles, &state);
    else if (meta->delivery == 1)
        mesh_log(MESH_LOG_ERROR, "an event does not say what its user is now, who is refused",
                 MESH_LOG_S("event_id", meta->id), MESH_LOG_S("user_id", meta->aggregate_id));
    return change(events, meta, &state, err);
}

static mesh_code on_updated(void *self, const mesh_event *meta, const ProtobufCMessage *event,
                            mesh_error *err)
{
    return change_to(self, meta, ((const User__V1__UserUpdated *)event)->user, err);
}

static mesh_code on_banned(void *self, const mesh_event *meta, const ProtobufCMessage *event,
                           mesh_error *err)
{
    (void)event;
    return change(self, meta, &(mesh_user_state){.version = meta->version, .refused = true}, err);
}

static mesh_code on_unbanned(void *self, const mesh_event *meta, const ProtobufCMessage *event,
                             mesh_error *err)
{
    return change_to(self, meta, ((const User__V1__UserUnbanned *)event)->user, err);
}

static mesh_code on_deleted(void *self, const mesh_event *meta, const ProtobufCMessage *event,
                            mesh_error *err)
{
    (void)event;
    return change(self, meta, &(mesh_user_state){.version = meta->version, .refused = true}, err);
}

/* UserCreated is not among them: nobody has a token from before. */
const mesh_feed_event mesh_user_events_table[] = {
    {.event = &user__v1__user_updated__event, .handler = on_updated},
    {.event = &user__v1__user_banned__event, .handler = on_banned},
    {.event = &user__v1__user_unbanned__event, .handler = on_unbanned},
    {.event = &user__v1__user_deleted__event, .handler = on_deleted},
    {.event = NULL},
};
