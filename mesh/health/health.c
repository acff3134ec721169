#include "mesh/health/health.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "grpc/health/v1/health.mesh.h"
#include "mesh/base/alloc.h"
#include "mesh/rpc/call.h"
#include "mesh/rpc/stream.h"

typedef Grpc__Health__V1__HealthCheckRequest check_request;
typedef Grpc__Health__V1__HealthCheckResponse check_response;
typedef Grpc__Health__V1__HealthListResponse list_response;
typedef Grpc__Health__V1__HealthListResponse__StatusesEntry list_entry;

/* What a watcher sees of a name that was never set; a server cannot set it. */
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

_Static_assert((int)MESH_HEALTH_UNKNOWN ==
                       (int)GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__UNKNOWN &&
                   (int)MESH_HEALTH_SERVING ==
                       (int)GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING &&
                   (int)MESH_HEALTH_NOT_SERVING ==
                       (int)GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,
               "the states are those of the protocol");

struct entry {
    struct entry *next; /* guarded by mu */
    int status;         /* guarded by mu */
    char name[];        /* immutable */
};

/* One open Watch; the stream's data. Freed in on_close. */
struct watcher {
    struct watcher *next, *prev; /* guarded by mu */
    mesh_stream *stream;         /* immutable */
    int sent;                    /* guarded by mu: the status sent last, NOTHING_SENT at first */
    char name[];                 /* immutable */
};

enum {
    NOTHING_SENT = -1
};

struct mesh_health {
    pthread_mutex_t mu;
    struct entry *entries;    /* guarded by mu; never shrinks; "" is always there */
    struct watcher *watchers; /* guarded by mu */
    bool shut_down;           /* guarded by mu: statuses do not change any more */
    bool ended;               /* guarded by mu: no Watch may be open any more */
};

static struct entry *find(const mesh_health *health, const char *name)
{
    for (struct entry *entry = health->entries; entry != NULL; entry = entry->next)
        if (strcmp(entry->name, name) == 0)
            return entry;
    return NULL;
}

static mesh_code shutting_down(mesh_error *err)
{
    return mesh_error_set(err, MESH_UNAVAILABLE, "the server is shutting down");
}

/*
 * Sends the watcher its name's status unless it has it. A watcher with no room keeps the old `sent`
 * and gets what is the latest then when on_writable says so. Under mu.
 */
static void tell(const mesh_health *health, struct watcher *watcher)
{
    const struct entry *entry = find(health, watcher->name);
    int status = entry != NULL ? entry->status : (int)SERVICE_UNKNOWN;
    if (status == watcher->sent)
        return;

    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = status;
    if (grpc__health__v1__health__watch__try_reply(watcher->stream, &response) == MESH_OK)
        watcher->sent = status;
}

static void tell_all(const mesh_health *health)
{
    for (struct watcher *watcher = health->watchers; watcher != NULL; watcher = watcher->next)
        tell(health, watcher);
}

static mesh_code add_entry(mesh_health *health, const char *name, int status, mesh_error *err)
{
    size_t size = strlen(name) + 1;
    if (size > MESH_HEALTH_NAME_BYTES)
        return mesh_error_field(err, "service", "must have at most %d bytes",
                                MESH_HEALTH_NAME_BYTES - 1);
    struct entry *entry = mesh_malloc(sizeof *entry + size);
    if (entry == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    entry->status = status;
    memcpy(entry->name, name, size);
    entry->next = health->entries;
    health->entries = entry;
    return MESH_OK;
}

static mesh_code check(void *self, mesh_call *call, const check_request *request,
                       check_response *response, mesh_error *err)
{
    mesh_health *health = self;
    (void)call;

    pthread_mutex_lock(&health->mu);
    const struct entry *entry = find(health, request->service);
    if (entry != NULL)
        response->status = entry->status;
    pthread_mutex_unlock(&health->mu);

    if (entry == NULL)
        return mesh_error_set(err, MESH_NOT_FOUND, "no service '%s' here", request->service);
    return MESH_OK;
}

static mesh_code list(void *self, mesh_call *call,
                      const Grpc__Health__V1__HealthListRequest *request, list_response *response,
                      mesh_error *err)
{
    mesh_health *health = self;
    mesh_arena *arena = mesh_call_arena(call);
    mesh_code code = MESH_OK;
    (void)request;

    pthread_mutex_lock(&health->mu);
    size_t count = 0;
    for (const struct entry *entry = health->entries; entry != NULL; entry = entry->next)
        count++;
    list_entry **pairs = NULL;
    if (count > MESH_HEALTH_LIST_MAX) {
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "more than %d services",
                              MESH_HEALTH_LIST_MAX);
        goto done;
    }

    pairs = mesh_arena_calloc(arena, count, sizeof *pairs);
    list_entry *pair = mesh_arena_calloc(arena, count, sizeof *pair);
    check_response *value = mesh_arena_calloc(arena, count, sizeof *value);
    if (pairs == NULL || pair == NULL || value == NULL) {
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
        goto done;
    }
    size_t at = 0;
    for (const struct entry *entry = health->entries; entry != NULL; entry = entry->next, at++) {
        grpc__health__v1__health_list_response__statuses_entry__init(&pair[at]);
        grpc__health__v1__health_check_response__init(&value[at]);
        value[at].status = entry->status;
        pair[at].key = mesh_arena_strdup(arena, entry->name);
        pair[at].value = &value[at];
        pairs[at] = &pair[at];
    }
    response->statuses = pairs;
    response->n_statuses = count;

done:
    pthread_mutex_unlock(&health->mu);
    return code;
}

static mesh_code watch_open(void *self, mesh_stream *stream, const check_request *request,
                            mesh_error *err)
{
    mesh_health *health = self;
    size_t size = strlen(request->service) + 1;
    if (size > MESH_HEALTH_NAME_BYTES)
        return mesh_error_field(err, "service", "must have at most %d bytes",
                                MESH_HEALTH_NAME_BYTES - 1);
    struct watcher *watcher = mesh_malloc(sizeof *watcher + size);
    if (watcher == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    watcher->stream = stream;
    watcher->sent = NOTHING_SENT;
    memcpy(watcher->name, request->service, size);

    pthread_mutex_lock(&health->mu);
    bool ended = health->ended;
    if (!ended) {
        watcher->prev = NULL;
        watcher->next = health->watchers;
        if (watcher->next != NULL)
            watcher->next->prev = watcher;
        health->watchers = watcher;
        mesh_stream_set_data(stream, watcher);
        tell(health, watcher);
    }
    pthread_mutex_unlock(&health->mu);

    if (ended) {
        mesh_free(watcher);
        return shutting_down(err);
    }
    return MESH_OK;
}

static void watch_writable(void *self, mesh_stream *stream)
{
    mesh_health *health = self;
    pthread_mutex_lock(&health->mu);
    tell(health, mesh_stream_data(stream));
    pthread_mutex_unlock(&health->mu);
}

static void watch_close(void *self, mesh_stream *stream, mesh_code code)
{
    mesh_health *health = self;
    struct watcher *watcher = mesh_stream_data(stream);
    (void)code;
    if (watcher == NULL) /* refused by watch_open */
        return;

    pthread_mutex_lock(&health->mu);
    if (watcher->next != NULL)
        watcher->next->prev = watcher->prev;
    if (watcher->prev != NULL)
        watcher->prev->next = watcher->next;
    else
        health->watchers = watcher->next;
    pthread_mutex_unlock(&health->mu);
    mesh_free(watcher);
}

static const grpc__health__v1__health__watch__events watch_events = {
    .on_open = watch_open,
    .on_writable = watch_writable,
    .on_close = watch_close,
};

static const grpc__health__v1__health__handlers handlers = {
    .check__inline = check,
    .list__inline = list,
    .watch__events = &watch_events,
};

mesh_code mesh_health_create(mesh_health **health, mesh_error *err)
{
    mesh_health *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    mesh_code code = add_entry(made, "", MESH_HEALTH_NOT_SERVING, err);
    if (code != MESH_OK) {
        mesh_free(made);
        return code;
    }
    pthread_mutex_init(&made->mu, NULL);
    *health = made;
    return MESH_OK;
}

void mesh_health_destroy(mesh_health *health)
{
    if (health == NULL)
        return;
    assert(health->watchers == NULL); /* else the server still runs */
    while (health->entries != NULL) {
        struct entry *entry = health->entries;
        health->entries = entry->next;
        mesh_free(entry);
    }
    pthread_mutex_destroy(&health->mu);
    mesh_free(health);
}

mesh_api mesh_health_api(mesh_health *health)
{
    return grpc__health__v1__health__api(&handlers, health);
}

mesh_code mesh_health_set(mesh_health *health, const char *name, mesh_health_status status,
                          mesh_error *err)
{
    mesh_code code = MESH_OK;
    pthread_mutex_lock(&health->mu);
    if (!health->shut_down) {
        struct entry *entry = find(health, name);
        if (entry != NULL)
            entry->status = status;
        else
            code = add_entry(health, name, status, err);
        tell_all(health);
    }
    pthread_mutex_unlock(&health->mu);
    return code;
}

static void set_all(mesh_health *health, int status) /* under mu */
{
    if (health->shut_down)
        return;
    for (struct entry *entry = health->entries; entry != NULL; entry = entry->next)
        entry->status = status;
    tell_all(health);
}

void mesh_health_set_all(mesh_health *health, mesh_health_status status)
{
    pthread_mutex_lock(&health->mu);
    set_all(health, status);
    pthread_mutex_unlock(&health->mu);
}

void mesh_health_shutdown(mesh_health *health)
{
    pthread_mutex_lock(&health->mu);
    set_all(health, MESH_HEALTH_NOT_SERVING);
    health->shut_down = true;
    pthread_mutex_unlock(&health->mu);
}

void mesh_health_end(mesh_health *health)
{
    mesh_error err = {0};
    mesh_code code = shutting_down(&err);

    pthread_mutex_lock(&health->mu);
    set_all(health, MESH_HEALTH_NOT_SERVING);
    health->shut_down = true;
    health->ended = true;
    for (struct watcher *watcher = health->watchers; watcher != NULL; watcher = watcher->next)
        mesh_stream_end(watcher->stream, code, &err);
    pthread_mutex_unlock(&health->mu);
}
