#include "mesh/db/cancel.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"

struct mesh_db_canceller {
    pthread_mutex_t mu;
    pthread_cond_t changed; /* `taken` grew */
    /* Guarded by mu. */
    PGcancel *waiting[MESH_DB_CANCELS_MAX]; /* a ring */
    size_t first;
    size_t count;
    uint64_t asked; /* requests so far */
    uint64_t taken; /* of them, in their order: the server took them, or they failed */
    bool running;   /* the thread is there */
    bool abandoned; /* the owner is gone: the thread frees it */
};

mesh_db_canceller *mesh_db_canceller_create(void)
{
    mesh_db_canceller *self = mesh_calloc(1, sizeof *self);
    if (self == NULL)
        return NULL;
    pthread_mutex_init(&self->mu, NULL);
    pthread_cond_init(&self->changed, NULL);
    return self;
}

static void release(mesh_db_canceller *self)
{
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mu);
    mesh_free(self);
}

/* Called with mu held. */
static PGcancel *take(mesh_db_canceller *self)
{
    PGcancel *request = self->waiting[self->first];
    self->first = (self->first + 1) % MESH_DB_CANCELS_MAX;
    self->count--;
    return request;
}

void mesh_db_canceller_destroy(mesh_db_canceller *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->mu);
    while (self->count > 0)
        PQfreeCancel(take(self));
    self->abandoned = true;
    bool last = !self->running;
    pthread_mutex_unlock(&self->mu);
    if (last)
        release(self);
}

static void *run(void *context)
{
    mesh_db_canceller *self = context;
    pthread_mutex_lock(&self->mu);
    while (self->count > 0) {
        PGcancel *request = take(self);
        pthread_mutex_unlock(&self->mu);
        char words[256] = "";
        if (!PQcancel(request, words, sizeof words))
            mesh_log(MESH_LOG_WARN, "a statement could not be cancelled",
                     MESH_LOG_S("cause", words));
        PQfreeCancel(request);
        pthread_mutex_lock(&self->mu);
        self->taken++;
        pthread_cond_broadcast(&self->changed);
    }
    self->running = false;
    bool last = self->abandoned;
    pthread_mutex_unlock(&self->mu);
    if (last)
        release(self);
    return NULL;
}

/* Nobody joins the thread, since nobody could say for how long. Signals are not for it. Called with
 * mu held. */
static int start(mesh_db_canceller *self)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    int status = pthread_attr_init(&attributes);
    if (status != 0)
        return status;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = pthread_create(&thread, &attributes, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    self->running = status == 0;
    return status;
}

uint64_t mesh_db_canceller_ask(mesh_db_canceller *self, PGconn *pg)
{
    PGcancel *request = PQgetCancel(pg);
    if (request == NULL)
        return 0;
    uint64_t number = 0;
    const char *cause = "too many wait for it";
    pthread_mutex_lock(&self->mu);
    if (self->count < MESH_DB_CANCELS_MAX) {
        self->waiting[(self->first + self->count++) % MESH_DB_CANCELS_MAX] = request;
        int status = self->running ? 0 : start(self);
        if (status == 0) {
            number = ++self->asked;
        } else {
            self->count--;
            cause = strerror(status);
        }
    }
    pthread_mutex_unlock(&self->mu);
    if (number == 0) {
        mesh_log(MESH_LOG_WARN, "a statement could not be cancelled", MESH_LOG_S("cause", cause));
        PQfreeCancel(request);
    }
    return number;
}

bool mesh_db_canceller_wait(mesh_db_canceller *self, uint64_t number, int64_t deadline_ns)
{
    pthread_mutex_lock(&self->mu);
    while (self->taken < number && mesh_cond_wait_until(&self->changed, &self->mu, deadline_ns))
        continue;
    bool taken = self->taken >= number;
    pthread_mutex_unlock(&self->mu);
    return taken;
}
