#include "mesh/rpc/watchers.h"

#include <pthread.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"

struct mesh_watchers {
    mesh_watchers_options options; /* immutable */
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t changed; /* with mu */
    /* Guarded by mu. */
    bool woken;
    bool stopping;
    bool ended;          /* no more streams */
    size_t count;        /* of open streams */
    mesh_watcher *first; /* the head */
};

/* --- the thread ------------------------------------------------------------------------------- */

/* Sleeps until it is woken, or for `limit_ms` unless that is negative. False: stop. */
static bool rest(mesh_watchers *self, int64_t limit_ms)
{
    int64_t until_ns = limit_ms < 0 ? MESH_NO_DEADLINE : mesh_clock_deadline_ns(limit_ms);
    pthread_mutex_lock(&self->mu);
    while (!self->woken && !self->stopping &&
           mesh_cond_wait_until(&self->changed, &self->mu, until_ns))
        continue;
    self->woken = false;
    bool go_on = !self->stopping;
    pthread_mutex_unlock(&self->mu);
    return go_on;
}

static void *run(void *context)
{
    mesh_watchers *self = context;
    int64_t limit_ms = -1;
    while (rest(self, limit_ms))
        limit_ms = self->options.round(self->options.self);
    return NULL;
}

mesh_watcher *mesh_watchers_sweep(mesh_watchers *self)
{
    pthread_mutex_lock(&self->mu);
    mesh_watcher **link = &self->first;
    while (*link != NULL) {
        mesh_watcher *at = *link;
        if (at->stream == NULL) {
            *link = at->next;
            mesh_free(at);
        } else {
            link = &at->next;
        }
    }
    mesh_watcher *first = self->first;
    pthread_mutex_unlock(&self->mu);
    return first;
}

bool mesh_watcher_can_take(mesh_watcher *one)
{
    pthread_mutex_lock(&one->watchers->mu);
    bool can = one->stream != NULL && !one->full;
    pthread_mutex_unlock(&one->watchers->mu);
    return can;
}

bool mesh_watcher_send(mesh_watcher *one, const ProtobufCMessage *message)
{
    bool sent = false;
    pthread_mutex_lock(&one->watchers->mu);
    if (one->stream != NULL && !one->full) {
        sent = mesh_stream_try_send(one->stream, message) == MESH_OK;
        one->full = !sent; /* of a call that is over, on_close comes next */
    }
    pthread_mutex_unlock(&one->watchers->mu);
    return sent;
}

void mesh_watcher_give_up(mesh_watcher *one, mesh_code code, const mesh_error *err)
{
    pthread_mutex_lock(&one->watchers->mu);
    if (one->stream != NULL)
        mesh_stream_end(one->stream, code, err);
    one->full = true; /* on_close comes next */
    pthread_mutex_unlock(&one->watchers->mu);
}

/* --- from outside ----------------------------------------------------------------------------- */

static void release(mesh_watchers *self)
{
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mu);
    mesh_free(self);
}

mesh_code mesh_watchers_create(const mesh_watchers_options *options, mesh_watchers **watchers,
                               mesh_error *err)
{
    mesh_watchers *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->options = *options;
    pthread_mutex_init(&made->mu, NULL);
    pthread_cond_init(&made->changed, NULL);
    int failed = pthread_create(&made->thread, NULL, run, made);
    if (failed != 0) {
        release(made);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no thread for streams: %s",
                              strerror(failed));
    }
    *watchers = made;
    return MESH_OK;
}

void mesh_watchers_destroy(mesh_watchers *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->mu);
    self->stopping = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->mu);
    pthread_join(self->thread, NULL);
    while (self->first != NULL) {
        mesh_watcher *next = self->first->next;
        mesh_free(self->first);
        self->first = next;
    }
    release(self);
}

static void wake_locked(mesh_watchers *self)
{
    self->woken = true;
    pthread_cond_signal(&self->changed);
}

void mesh_watchers_wake(mesh_watchers *self)
{
    pthread_mutex_lock(&self->mu);
    wake_locked(self);
    pthread_mutex_unlock(&self->mu);
}

static mesh_code stops(mesh_error *err)
{
    return mesh_error_set(err, MESH_UNAVAILABLE, "the service stops; ask another instance");
}

static mesh_code find_place(const mesh_watchers *self, mesh_error *err)
{
    const size_t max = self->options.max;
    if (self->ended)
        return stops(err);
    if (max != 0 && self->count >= max)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED,
                              "%zu streams are served here already; end one, or ask elsewhere",
                              max);
    return MESH_OK;
}

mesh_code mesh_watchers_add(mesh_watchers *self, mesh_watcher *one, mesh_stream *stream,
                            mesh_error *err)
{
    pthread_mutex_lock(&self->mu);
    mesh_code code = find_place(self, err);
    if (code == MESH_OK) {
        one->watchers = self;
        one->stream = stream;
        mesh_stream_set_data(stream, one);
        one->next = self->first;
        self->first = one;
        self->count++;
        wake_locked(self);
    }
    pthread_mutex_unlock(&self->mu);
    if (code != MESH_OK)
        mesh_free(one);
    return code;
}

void mesh_watchers_on_writable(void *unused, mesh_stream *stream)
{
    mesh_watcher *one = mesh_stream_data(stream);
    (void)unused;
    if (one == NULL)
        return;
    pthread_mutex_lock(&one->watchers->mu);
    one->full = false;
    wake_locked(one->watchers);
    pthread_mutex_unlock(&one->watchers->mu);
}

void mesh_watchers_on_close(void *unused, mesh_stream *stream, mesh_code code)
{
    mesh_watcher *one = mesh_stream_data(stream);
    (void)unused;
    (void)code;
    if (one == NULL)
        return;
    mesh_watchers *self = one->watchers;
    pthread_mutex_lock(&self->mu);
    one->stream = NULL; /* from here on the thread may free it */
    self->count--;
    wake_locked(self);
    pthread_mutex_unlock(&self->mu);
}

void mesh_watchers_end(mesh_watchers *self)
{
    mesh_error err;
    mesh_error_clear(&err);
    (void)stops(&err);
    pthread_mutex_lock(&self->mu);
    self->ended = true;
    for (mesh_watcher *one = self->first; one != NULL; one = one->next)
        if (one->stream != NULL)
            mesh_stream_end(one->stream, err.code, &err);
    pthread_mutex_unlock(&self->mu);
}
