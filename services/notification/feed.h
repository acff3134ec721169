/*
 * The live feed of an instance: one thread that reads new notifications once, whichever instance
 * recorded them, and hands each to those who watch here and are its user.
 *
 * It looks when this instance recorded something and, while anybody watches, every `interval_ms`
 * for what other instances recorded. Nobody watches: it sleeps. A watcher that takes its messages
 * slowly is read for by itself, from where it stopped; nothing waits for it, and nothing is kept in
 * memory for it. Without its database the feed waits, with its streams open, and goes on where it
 * was.
 *
 * A resume token names the last notification of its user's, and no position: positions are counted
 * over all users, so two of them would tell how much is going on between. One that names no
 * notification of the user's (any more) begins from now on, whosever it is.
 *
 * The list of those who watch, and its lock, are mesh_watchers (mesh/rpc/watchers.h).
 */
#ifndef SERVICES_NOTIFICATION_FEED_H
#define SERVICES_NOTIFICATION_FEED_H

#include "mesh/base/uuid.h"
#include "mesh/db/db.h"
#include "mesh/rpc/stream.h"

typedef struct notification_feed notification_feed;

/* Starts the thread. `db` is borrowed; nothing is asked of it until something wakes the feed. */
mesh_code notification_feed_create(mesh_db *db, int64_t interval_ms, notification_feed **feed,
                                   mesh_error *err);

/* Ends the thread. All streams must have been closed. NULL is accepted. */
void notification_feed_destroy(notification_feed *feed);

/* There may be something new. Any thread. */
void notification_feed_wake(notification_feed *feed);

/*
 * Adds a stream of WatchNotifications: the user's notifications that are recorded after the one
 * with the id `after`, or "": from now on. Both texts are copied. Errors, and the other callbacks,
 * are those of mesh_watchers_add.
 */
mesh_code notification_feed_add(notification_feed *feed, mesh_stream *stream, const char *user_id,
                                const char *after, mesh_error *err);

/* Ends all streams with UNAVAILABLE, and those that would still be added. Any thread. */
void notification_feed_end(notification_feed *feed);

/* The id in a resume_token; false when it is none. The token behind a notification. */
bool notification_feed_parse(const char *resume_token, char after[MESH_UUID_TEXT_BYTES]);
char *notification_feed_token(mesh_arena *arena, const char *after);

#endif
