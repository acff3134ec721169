#include "mesh/events/notify.h"

#include <pthread.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/events/relay.h"

struct mesh_notifier {
    mesh_db *db; /* immutable */
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    bool started;
    /* Guarded by mu. */
    bool stopping;
    bool called;
};

void mesh_notifier_wake(void *context)
{
    mesh_notifier *self = context;
    pthread_mutex_lock(&self->mu);
    self->called = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
}

/* False: it stops. */
static bool wait_call(mesh_notifier *self)
{
    pthread_mutex_lock(&self->mu);
    while (!self->called && !self->stopping)
        pthread_cond_wait(&self->changed, &self->mu);
    bool called = self->called;
    self->called = false;
    pthread_mutex_unlock(&self->mu);
    return called;
}

/* One that fails is not made up for: relays look by themselves within a second. */
static void *run(void *context)
{
    mesh_notifier *self = context;
    while (wait_call(self))
        mesh_db_exec(self->db, 0, "NOTIFY " MESH_RELAY_CHANNEL, MESH_SQL_NO_PARAMS, NULL, NULL);
    return NULL;
}

mesh_code mesh_notifier_create(mesh_db *db, mesh_notifier **notifier, mesh_error *err)
{
    mesh_notifier *self = mesh_calloc(1, sizeof *self);
    if (self == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    self->db = db;
    pthread_mutex_init(&self->mu, NULL);
    pthread_cond_init(&self->changed, NULL);
    *notifier = self;
    return MESH_OK;
}

mesh_code mesh_notifier_start(mesh_notifier *self, mesh_error *err)
{
    if (self->started)
        return MESH_OK;
    int status = pthread_create(&self->thread, NULL, run, self);
    if (status != 0)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                              strerror(status));
    self->started = true;
    return MESH_OK;
}

void mesh_notifier_destroy(mesh_notifier *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->mu);
    self->stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
    if (self->started)
        pthread_join(self->thread, NULL);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mu);
    mesh_free(self);
}
