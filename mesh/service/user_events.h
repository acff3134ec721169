/*
 * What the events of the user service mean for a guard: what users are now is put into mesh_users,
 * what was known of their permissions is dropped, and their open streams are looked at again.
 * Internal.
 */
#ifndef MESH_SERVICE_USER_EVENTS_H
#define MESH_SERVICE_USER_EVENTS_H

#include <stdatomic.h>

#include "mesh/auth/guard.h"
#include "mesh/events/feed.h"
#include "mesh/obs/metrics.h"

/* `self` of the table's handlers. Lives as long as their feed, and borrows what it names. */
typedef struct mesh_user_events {
    mesh_users *users;
    mesh_permissions *permissions;
    mesh_guard *guard;
    mesh_histogram *lag; /* from a change to its effect here */
    atomic_bool live;    /* events are new ones, not those of before the start */
} mesh_user_events;

/* For mesh_feed_options. */
extern const mesh_feed_event mesh_user_events_table[];

/* Errors: of mesh_histogram_create. */
mesh_code mesh_user_events_init(mesh_user_events *events, mesh_users *users,
                                mesh_permissions *permissions, mesh_guard *guard,
                                mesh_metrics *metrics, mesh_error *err);

/* What comes from now on has just happened. Any thread. */
void mesh_user_events_live(mesh_user_events *events);

#endif
