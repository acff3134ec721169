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
    const char *user_id; /* whose notifications: there are no others */
} notification_scope;

/* A notification to be made; borrowed. */
typedef struct notification_draft {
    Notification__V1__Notification__Kind kind;
    const char *user_id; /* whose it is; "": nobody's */
    const char *text;
    const char *resource;
    const char *sender_id;  /* who of the staff sends it; "": nobody */
    const char *request_id; /* the sender's; "": none */
} notification_draft;

/*
 * Records a notification in the transaction. *made gets it, with memory of the arena, or NULL when
 * there is nothing to record: the user is no more or, when it has a sender, not known; or the
 * sender's request made one before.
 */
mesh_code notification_store_add(mesh_tx *tx, mesh_arena *arena, const notification_draft *draft,
                                 Notification__V1__Notification **made, mesh_error *err);

/* What a sender's request made before; *made is NULL when it made nothing. */
mesh_code notification_store_find_request(const notification_scope *scope, const char *sender_id,
                                          const char *request_id,
                                          Notification__V1__Notification **made, mesh_error *err);

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
 * is how many. Waits for another instance that is at it: what was committed before has a position
 * then, unless it is beyond a batch.
 */
enum {
    NOTIFICATION_BATCH = 500
};
mesh_code notification_store_place(mesh_db *db, size_t *placed, mesh_error *err);

/* The highest position given so far, 0 when there is none. */
mesh_code notification_store_last_position(mesh_db *db, int64_t *position, mesh_error *err);

/* Notifications in the order of their positions, at most NOTIFICATION_BATCH. */
typedef struct notification_batch {
    size_t count;
    Notification__V1__Notification *items;
    int64_t *positions; /* of the items */
} notification_batch;

/* Those after `after`, of all users. */
mesh_code notification_store_after(mesh_db *db, mesh_arena *arena, int64_t after,
                                   notification_batch *batch, mesh_error *err);

/* Those after `after`, up to `last`, of one user. */
mesh_code notification_store_own(mesh_db *db, mesh_arena *arena, const char *user_id, int64_t after,
                                 int64_t last, notification_batch *batch, mesh_error *err);

/* Where a user's stream begins. */
#define NOTIFICATION_NONE "00000000-0000-0000-0000-000000000000" /* before the first one */
typedef struct notification_start {
    const char *user_id;
    const char *after; /* the id of a notification of the user's, NOTIFICATION_NONE, or "": from now
                          on, as is one that the user does not have */
    int64_t position;  /* result: what is after it is to be sent */
    const char *last_id; /* result: of the user's notifications up to there */
} notification_start;

/* Fills the results; `head` is the position of now. */
mesh_code notification_store_start(mesh_db *db, mesh_arena *arena, int64_t head,
                                   notification_start *starts, size_t count, mesh_error *err);

#endif
