/*
 * The notifications' table. What is returned is allocated from the arena. `deadline_ns` is the
 * call's (CLOCK_MONOTONIC); each function returns mesh/db's codes when the database fails.
 * Thread-safe.
 */
#ifndef SERVICES_NOTIFICATION_STORE_H
#define SERVICES_NOTIFICATION_STORE_H

#include "mesh/db/db.h"
#include "notification/v1/notification.mesh.h"

/* What the store needs of a call. */
typedef struct notification_scope {
    mesh_db *db;
    mesh_arena *arena;
    int64_t deadline_ns;
} notification_scope;

/* Records a notification in the transaction. */
mesh_code notification_store_add(mesh_tx *tx, Notification__V1__Notification__Kind kind,
                                 const char *text, const char *resource, mesh_error *err);

/* NOT_FOUND: NOTIFICATION_NOT_FOUND. */
mesh_code notification_store_get(const notification_scope *scope, const char *id,
                                 Notification__V1__Notification *notification, mesh_error *err);

/* The same, after it was marked read. */
mesh_code notification_store_mark_read(const notification_scope *scope, const char *id,
                                       Notification__V1__Notification *notification,
                                       mesh_error *err);

/* At most `limit`, older than the notification `after` ("": the newest first). */
mesh_code notification_store_list(const notification_scope *scope, const char *after, size_t limit,
                                  bool unread_only, Notification__V1__Notification ***notifications,
                                  size_t *found, mesh_error *err);

/*
 * Gives positions to committed notifications that have none, at most NOTIFICATION_BATCH; *placed
 * is how many. 0 also while another instance is at it.
 */
enum {
    NOTIFICATION_BATCH = 500
};
mesh_code notification_store_place(mesh_db *db, size_t *placed, mesh_error *err);

/* The highest position given so far, 0 when there is none. */
mesh_code notification_store_last_position(mesh_db *db, int64_t *position, mesh_error *err);

/* Notifications in the order of their positions, at most NOTIFICATION_BATCH after `after`. */
typedef struct notification_batch {
    int64_t after;
    size_t count;
    Notification__V1__Notification *items;
    int64_t *positions; /* of the items */
} notification_batch;
mesh_code notification_store_after(mesh_db *db, mesh_arena *arena, int64_t after,
                                   notification_batch *batch, mesh_error *err);

#endif
