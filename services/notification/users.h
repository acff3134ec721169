/*
 * Copies of users. They come from the events of the user service (events.c) and, where one was
 * missed, from what that says when it is asked for all of them (sync.c). This service works from
 * them alone, also while the user service is down.
 *
 * An event has the whole user, so a gap does no harm: the highest version is all there is to know,
 * and a lower one, or the same again, changes nothing.
 *
 * Errors: mesh/db's codes when the database fails, RESOURCE_EXHAUSTED when the arena overflows.
 * Thread-safe.
 */
#ifndef SERVICES_NOTIFICATION_USERS_H
#define SERVICES_NOTIFICATION_USERS_H

#include "services/notification/reconciler.h"
#include "services/notification/store.h"
#include "user/v1/user.mesh.h"

enum {
    /* An event can come again for as long as the stream has it, 30 days. */
    NOTIFICATION_TOMBSTONE_DAYS = 31,
    /* That a user is in doubt before another list confirms the end: longer than instances that
     * start together, or try a page again, may get the same wrong list. */
    NOTIFICATION_DOUBT_MINUTES = 10
};

/* Who a user is, with memory of the arena; *user is NULL when there is none. */
mesh_code notification_users_find(const notification_scope *scope, const char *id,
                                  Notification__V1__Recipient **user, mesh_error *err);

/* A user is so now. INVALID_ARGUMENT: the user has no id, or no version. */
mesh_code notification_users_put(mesh_tx *tx, const User__V1__User *user, mesh_error *err);

/* A user is no more, as of that version: nothing is left but a mark, nor of its notifications. */
mesh_code notification_users_delete(mesh_tx *tx, const char *id, int64_t version, mesh_error *err);

/*
 * Makes the copies in a span of ids what `users` says, which are all users in it. A copy of
 * somebody who is not among them is in doubt from then on, and nothing else: one list can be wrong,
 * and what would not be recorded meanwhile would be lost. When a list lacks the user again, more
 * than NOTIFICATION_DOUBT_MINUTES later, and none in between had it, the copy becomes a mark; its
 * notifications stay until the mark goes. FAILED_PRECONDITION: there are no users at all, and there
 * are copies of some.
 */
mesh_code notification_users_repair(mesh_tx *tx, User__V1__User *const *users, size_t count,
                                    const reconciler_span *span, reconciler_counts *counts,
                                    mesh_error *err);

/* Removes marks that have stood for NOTIFICATION_TOMBSTONE_DAYS, and what is left behind them. */
mesh_code notification_users_prune(mesh_db *db, mesh_error *err);

#endif
