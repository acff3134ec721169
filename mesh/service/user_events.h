/*
 * What a change of a user means for a guard, whether an event of the user service or its answer
 * tells of it: what users are now is put into mesh_users, what was known of their permissions is
 * dropped, and their open streams are looked at again. Internal.
 */
#ifndef MESH_SERVICE_USER_EVENTS_H
#define MESH_SERVICE_USER_EVENTS_H

#include "mesh/auth/guard.h"
#include "mesh/events/feed.h"
#include "mesh/obs/metrics.h"
#include "user/v1/user.pb-c.h"

/* `self` of the table's handlers. Lives as long as their feed, and borrows what it names. */
typedef struct mesh_user_events {
    mesh_users *users;
    mesh_permissions *permissions;
    mesh_guard *guard;
    mesh_histogram *lag; /* from a change to its effect here */
    mesh_feed *feed;     /* theirs: what is older than its connection was not late by itself */
} mesh_user_events;

/* For mesh_feed_options. */
extern const mesh_feed_event mesh_user_events_table[];

/* `feed` is set when there is one, before it is started. Errors: of mesh_histogram_create. */
mesh_code mesh_user_events_init(mesh_user_events *events, mesh_users *users,
                                mesh_permissions *permissions, mesh_guard *guard,
                                mesh_metrics *metrics, mesh_error *err);

/* The same as its event, for a mesh_user_events (mesh_authority_changed_fn). Any thread.
 * RESOURCE_EXHAUSTED: out of memory. */
mesh_code mesh_user_events_take(void *events, const User__V1__ChangedUser *user, mesh_error *err);

#endif
