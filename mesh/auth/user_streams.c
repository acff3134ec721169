#include "mesh/auth/user_streams.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/hash.h"
#include "mesh/v1/reason.mesh.h"

enum {
    USER_LISTS = 1024,
    SECOND_LISTS = 1024 /* more seconds than most tokens live; a list has several where they do */
};

#define NS_PER_S INT64_C(1000000000)
#define NEVER_S (INT64_MAX / NS_PER_S)

LIST_HEAD(stream_list, mesh_user_stream);

/* All is guarded by mu. */
struct mesh_user_streams {
    pthread_mutex_t mu;
    pthread_cond_t changed; /* the thread has slept long enough */
    pthread_t thread;
    bool running; /* it was started */
    bool ending;
    size_t count;
    int64_t checked_s; /* those that expired until then were ended; not later than it is, though the
                          clock may be set back */
    int64_t wakes_s;   /* the thread looks again then, or never */
    struct stream_list users[USER_LISTS];
    struct stream_list seconds[SECOND_LISTS];
};

static struct stream_list *user_list(mesh_user_streams *streams, const char *user)
{
    return &streams->users[mesh_hash_text(MESH_HASH_EMPTY, user) % USER_LISTS];
}

static struct stream_list *second_list(mesh_user_streams *streams, int64_t second)
{
    return &streams->seconds[(uint64_t)second % SECOND_LISTS];
}

static int64_t now_s(void)
{
    return mesh_clock_wall_ns() / NS_PER_S;
}

static mesh_code expired(mesh_error *err)
{
    return mesh__v1__auth_error_reason__set(err, MESH_UNAUTHENTICATED,
                                            MESH__V1__AUTH_ERROR_REASON__TOKEN_EXPIRED,
                                            "the token has expired");
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Ends what has expired. One that was ended before is in its list until its call ends. */
static void end_expired(mesh_user_streams *streams, int64_t now)
{
    int64_t first = now - streams->checked_s > SECOND_LISTS ? now - SECOND_LISTS
                                                            : streams->checked_s;
    mesh_user_stream *stream;
    mesh_error err;

    mesh_error_clear(&err);
    (void)expired(&err);
    for (int64_t second = first + 1; second <= now; second++)
        LIST_FOREACH(stream, second_list(streams, second), same_second)
    if (stream->expires_s <= now)
        mesh_call_abort(stream->call, err.code, &err);
    streams->checked_s = now;
}

static int64_t next_second(mesh_user_streams *streams)
{
    if (streams->count > 0)
        for (int64_t i = 1; i <= SECOND_LISTS; i++)
            if (!LIST_EMPTY(second_list(streams, streams->checked_s + i)))
                return streams->checked_s + i;
    return NEVER_S;
}

/* By the clock that tokens go by, and so also when that is set. mu is held. */
static void sleep_until(mesh_user_streams *streams, int64_t second)
{
    const struct timespec until = {.tv_sec = second};

    streams->wakes_s = second;
    if (second == NEVER_S)
        (void)pthread_cond_wait(&streams->changed, &streams->mu);
    else
        (void)pthread_cond_clockwait(&streams->changed, &streams->mu, CLOCK_REALTIME, &until);
}

static void *run(void *argument)
{
    mesh_user_streams *streams = argument;

    (void)pthread_setname_np(pthread_self(), "mesh-streams");
    pthread_mutex_lock(&streams->mu);
    while (!streams->ending) {
        end_expired(streams, now_s());
        sleep_until(streams, next_second(streams));
    }
    pthread_mutex_unlock(&streams->mu);
    return NULL;
}

/* mu is held. */
static mesh_code start(mesh_user_streams *streams, mesh_error *err)
{
    int error;

    if (streams->running)
        return MESH_OK;
    streams->checked_s = now_s();
    error = pthread_create(&streams->thread, NULL, run, streams);
    if (error != 0)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                              strerror(error));
    streams->running = true;
    return MESH_OK;
}

/* --- the table -------------------------------------------------------------------------------- */

mesh_user_streams *mesh_user_streams_create(void)
{
    mesh_user_streams *streams = mesh_calloc(1, sizeof *streams); /* zeroed lists are empty */

    if (streams == NULL)
        return NULL;
    pthread_mutex_init(&streams->mu, NULL);
    pthread_cond_init(&streams->changed, NULL);
    return streams;
}

void mesh_user_streams_destroy(mesh_user_streams *streams)
{
    if (streams == NULL)
        return;
    assert(streams->count == 0);
    pthread_mutex_lock(&streams->mu);
    streams->ending = true;
    pthread_cond_signal(&streams->changed);
    pthread_mutex_unlock(&streams->mu);
    if (streams->running)
        pthread_join(streams->thread, NULL);
    pthread_cond_destroy(&streams->changed);
    pthread_mutex_destroy(&streams->mu);
    mesh_free(streams);
}

/* mu is held. */
static mesh_code add(mesh_user_streams *streams, mesh_user_stream *stream, mesh_error *err)
{
    mesh_code code = start(streams, err);
    int64_t now = now_s();

    if (code != MESH_OK)
        return code;
    if (stream->expires_s <= now)
        return expired(err);
    streams->checked_s = now < streams->checked_s ? now : streams->checked_s;
    LIST_INSERT_HEAD(user_list(streams, stream->user), stream, same_user);
    LIST_INSERT_HEAD(second_list(streams, stream->expires_s), stream, same_second);
    streams->count++;
    if (stream->expires_s < streams->wakes_s)
        pthread_cond_signal(&streams->changed);
    return MESH_OK;
}

mesh_code mesh_user_streams_add(mesh_user_streams *streams, mesh_user_stream *stream,
                                mesh_error *err)
{
    mesh_code code;

    pthread_mutex_lock(&streams->mu);
    code = add(streams, stream, err);
    pthread_mutex_unlock(&streams->mu);
    return code;
}

void mesh_user_streams_remove(mesh_user_streams *streams, mesh_user_stream *stream)
{
    pthread_mutex_lock(&streams->mu);
    LIST_REMOVE(stream, same_user);
    LIST_REMOVE(stream, same_second);
    streams->count--;
    pthread_mutex_unlock(&streams->mu);
}

void mesh_user_streams_each(mesh_user_streams *streams, const char *user,
                            void (*fn)(void *context, mesh_user_stream *stream), void *context)
{
    mesh_user_stream *stream;

    pthread_mutex_lock(&streams->mu);
    LIST_FOREACH(stream, user_list(streams, user), same_user)
    if (strcmp(stream->user, user) == 0)
        fn(context, stream);
    pthread_mutex_unlock(&streams->mu);
}
