/*
 * mesh_authority: the user service, as every other service asks it. It keeps a set of the public
 * keys that users' tokens are signed with, loads what the permission cache does not know, and tells
 * who has changed lately.
 *
 *   mesh_authority_create(MESH_OPTIONS(mesh_authority_options, .channel = users, .keys = keys),
 *                         &authority, &err);
 *   ... mesh_verifier_options.on_unknown_key = mesh_authority_ask, .self = authority
 *   ... mesh_permissions_options.load = mesh_authority_load, .self = authority
 *   mesh_authority_start(authority, &err);
 *
 * The keys are fetched at once, every `interval_ms`, and when somebody met one that is not among
 * them, and with them who has changed. While the user service does not answer the set stays what it
 * was, and it is asked again after a pause, which grows from 0.1 to 5 s. Internal.
 */
#ifndef MESH_AUTH_AUTHORITY_H
#define MESH_AUTH_AUTHORITY_H

#include "mesh/auth/keys.h"
#include "mesh/auth/permissions.h"
#include "mesh/rpc/channel.h"
#include "user/v1/user.pb-c.h"

enum {
    MESH_AUTHORITY_TIMEOUT_MS = 2000 /* for each answer */
};

typedef struct mesh_authority mesh_authority;

/* Takes a user who has changed; borrowed. Another code than MESH_OK ends the list, and is its. */
typedef mesh_code mesh_authority_changed_fn(void *context, const User__V1__ChangedUser *user,
                                            mesh_error *err);

typedef struct mesh_authority_options {
    size_t size;
    mesh_channel *channel; /* to the user service; borrowed, as the keys are */
    mesh_keys *keys;
    int64_t interval_ms; /* default 30 s: how long a key that was taken away may stay */

    /*
     * With the keys it asks who has changed, and tells each on its own thread: at first all of the
     * last `changed_ms`, then those since it was told last and somewhat before, so some come again.
     * So a change bites though its event waits, since the broker is away, or only from the user
     * service, which nobody hears. NULL: it does not ask.
     */
    mesh_authority_changed_fn *on_changed;
    int64_t changed_ms;
    void *self; /* of on_changed; borrowed */
} mesh_authority_options;

/* Asks nobody yet. RESOURCE_EXHAUSTED: out of memory. */
mesh_code mesh_authority_create(const mesh_authority_options *options, mesh_authority **authority,
                                mesh_error *err);

/* Starts the thread that fetches the keys; once. RESOURCE_EXHAUSTED: there is none to be had. */
mesh_code mesh_authority_start(mesh_authority *authority, mesh_error *err);

/* Lets it ask for keys and changes now, unless it waits after a failure. `authority` is a
 * mesh_authority. Any thread; does not wait. */
void mesh_authority_ask(void *authority);

/* Asks whether the user has the permission, and once more when the connection broke
 * (mesh_permissions_load_fn); `authority` is a mesh_authority. */
void mesh_authority_load(void *authority, const char *user, const char *permission,
                         mesh_permission_load *load);

/*
 * MESH_OK when all who had changed by then (CLOCK_MONOTONIC) have been told. UNAVAILABLE: not yet;
 * the message says why. Any thread; never waits.
 */
mesh_code mesh_authority_told(mesh_authority *authority, int64_t since_ns, mesh_error *err);

/* Gives up what it asks, which ends the loads that run, and the thread. Loads that begin later fail
 * at once. NULL is accepted. */
void mesh_authority_stop(mesh_authority *authority);

/* Stops and frees it; after the permission cache. NULL is accepted. */
void mesh_authority_destroy(mesh_authority *authority);

#endif
