/*
 * A change of a user: the row is locked, something is done to it, the version grows by one, and an
 * event with the whole user is added; all of that in one transaction. So versions follow each other
 * without a gap, and whoever changes the same user meanwhile waits. Where there is nothing to
 * change, there is no new version and no event. Thread-safe.
 */
#ifndef SERVICES_USER_CHANGE_H
#define SERVICES_USER_CHANGE_H

#include "services/user/store.h"

typedef enum user_event {
    USER_EVENT_UPDATED,
    USER_EVENT_BANNED,
    USER_EVENT_UNBANNED,
    USER_EVENT_DELETED /* with which the user is no more */
} user_event;

/*
 * What is done to a user: statements of `tx`, on anything but the user's version and times.
 * `before` is the user as it is. *changed is true at first; false: it was so already.
 */
typedef mesh_code user_change_fn(mesh_tx *tx, const User__V1__User *before, void *context,
                                 bool *changed, mesh_error *err);

/*
 * Does it, and fills `user` with what came of it. NOT_FOUND: USER_NOT_FOUND, also for an id that
 * nobody can have; ALREADY_EXISTS and the others of `fn`, whose error rolls back.
 */
mesh_code user_change(const user_scope *scope, const char *user_id, user_event event,
                      user_change_fn *fn, void *context, User__V1__User *user, mesh_error *err);

#endif
