#include "mesh/db/listen.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/db/pool.h"

enum {
    RETRY_MS = 500,        /* between attempts to connect */
    LOOK_PERIOD_MS = 30000 /* a server that vanished is noticed by then */
};

struct mesh_db_listener {
    mesh_db *db;     /* immutable, as all but `stopping` */
    char listen[64]; /* the statement */
    void (*fn)(void *context);
    void *context;
    int stop_fd;
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    bool stopping; /* guarded by mu */
};

/* Calls when something was heard, until the connection breaks or the listener stops. */
static void hear(mesh_db_listener *self, mesh_db_conn *conn)
{
    int64_t timeout_ms = mesh_db_pool_settings(self->db)->statement_timeout_ms;
    for (;;) {
        self->fn(self->context);
        mesh_db_heard heard;
        while ((heard = mesh_db_conn_hear(conn, self->stop_fd, LOOK_PERIOD_MS)) ==
               MESH_DB_HEARD_NOTHING) {
            if (mesh_db_conn_script(conn, "SELECT 1", mesh_clock_deadline_ns(timeout_ms), NULL,
                                    NULL, NULL) != MESH_OK)
                return;
        }
        if (heard != MESH_DB_HEARD_NOTIFICATION)
            return;
    }
}

static void *run(void *context)
{
    mesh_db_listener *self = context;
    const mesh_db_settings *settings = mesh_db_pool_settings(self->db);
    do {
        mesh_db_conn *conn = NULL;
        int64_t deadline_ns = mesh_clock_deadline_ns(settings->connect_timeout_ms);
        /* That the database is away is said by those who need it. */
        mesh_code code = mesh_db_conn_open(settings, settings->statement_timeout_ms, deadline_ns,
                                           MESH_LOG_DEBUG, &conn, NULL);
        if (code == MESH_OK)
            code = mesh_db_conn_script(conn, self->listen, deadline_ns, NULL, NULL, NULL);
        if (code == MESH_OK)
            hear(self, conn);
        mesh_db_conn_close(conn);
    } while (mesh_cond_rest(&self->changed, &self->mu, &self->stopping, RETRY_MS));
    return NULL;
}

static void release(mesh_db_listener *self)
{
    if (self->stop_fd >= 0)
        close(self->stop_fd);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mu);
    mesh_free(self);
}

mesh_code mesh_db_listener_create(mesh_db *db, const char *channel, void (*fn)(void *context),
                                  void *context, mesh_db_listener **listener, mesh_error *err)
{
    mesh_db_listener *self = mesh_calloc(1, sizeof *self);
    if (self == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    self->db = db;
    self->fn = fn;
    self->context = context;
    snprintf(self->listen, sizeof self->listen, "LISTEN %s", channel);
    pthread_mutex_init(&self->mu, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = self->stop_fd < 0 ? errno : pthread_create(&self->thread, NULL, run, self);
    if (status != 0) {
        release(self);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot listen: %s", strerror(status));
    }
    *listener = self;
    return MESH_OK;
}

void mesh_db_listener_destroy(mesh_db_listener *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->mu);
    self->stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
    eventfd_write(self->stop_fd, 1); /* cannot fail: it is written once */
    pthread_join(self->thread, NULL);
    release(self);
}
