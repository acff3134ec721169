#include "mesh/events/window.h"

#include <pthread.h>

#include "mesh/base/clock.h"
#include "mesh/base/cond.h"

enum {
    ACK_TIMEOUT_MS = 5000, /* for the broker's word on one */
    LOOK_PERIOD_MS = 50    /* at the connection, while answers are missing */
};

/*
 * The windows of the process that wait for answers. The library answers from threads of its own,
 * perhaps after the one who asked has given up: an answer finds its window by its message here, or
 * none.
 */
static pthread_mutex_t windows_mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t windows_changed = PTHREAD_COND_INITIALIZER;
static mesh_window *windows;

static void on_answer(jsCtx *js, natsMsg *message, jsPubAck *ack, jsPubAckErr *failure,
                      void *closure)
{
    (void)js;
    (void)closure;
    pthread_mutex_lock(&windows_mu);
    for (mesh_window *w = windows; w != NULL; w = w->next) {
        for (mesh_slot *at = w->slots; at < w->slots + w->count; at++) {
            if (at->message != message)
                continue;
            at->message = NULL;
            if (ack != NULL) {
                at->outcome = MESH_STORED;
                at->sequence = ack->Sequence;
                at->duplicate = ack->Duplicate;
            } else if (failure != NULL && failure->ErrCode != 0) {
                at->outcome = MESH_REFUSED; /* the stream's own word */
            }
            at->cause = failure != NULL ? natsStatus_GetText(failure->Err) : NULL;
            at->jetstream_code = failure != NULL ? (int)failure->ErrCode : 0;
            if (--w->unanswered == 0)
                pthread_cond_broadcast(&windows_changed);
        }
    }
    pthread_mutex_unlock(&windows_mu);
    natsMsg_Destroy(message);
}

static void open_window(mesh_window *w)
{
    pthread_mutex_lock(&windows_mu);
    w->next = windows;
    windows = w;
    pthread_mutex_unlock(&windows_mu);
}

/* Waits for all answers, or until the connection is lost: then there may be none. */
static void close_window(mesh_window *w, natsConnection *connection)
{
    pthread_mutex_lock(&windows_mu);
    while (w->unanswered > 0 && !natsConnection_IsClosed(connection))
        mesh_cond_wait_until(&windows_changed, &windows_mu, mesh_clock_deadline_ns(LOOK_PERIOD_MS));
    mesh_window **place = &windows;
    while (*place != w)
        place = &(*place)->next;
    *place = w->next;
    pthread_mutex_unlock(&windows_mu);
}

natsStatus mesh_window_context(natsConnection *connection, jsCtx **js)
{
    jsOptions options;
    natsStatus status = jsOptions_Init(&options);
    if (status != NATS_OK)
        return status;
    options.PublishAsync.MaxPending = MESH_WINDOW_MAX;
    options.PublishAsync.AckHandler = on_answer;
    return natsConnection_JetStream(js, connection, &options);
}

bool mesh_window_add(mesh_window *w, const mesh_entry *e)
{
    if (w->count == MESH_WINDOW_MAX)
        return false;
    for (int i = 0; i < w->count; i++) {
        if (mesh_entry_same_aggregate(w->slots[i].entry, e))
            return false;
    }
    w->slots[w->count++].entry = e;
    return true;
}

/* Notes what is in the slot: a message on its way, or NULL and why there is none. */
static void note(mesh_window *w, mesh_slot *at, natsMsg *message, natsStatus status)
{
    pthread_mutex_lock(&windows_mu);
    w->unanswered += (message != NULL) - (at->message != NULL);
    at->message = message;
    if (status != NATS_OK) {
        at->outcome = MESH_REFUSED;
        at->cause = natsStatus_GetText(status);
    }
    pthread_mutex_unlock(&windows_mu);
}

/* Sends one after the other; one that cannot be sent stops the others only when it is for the
 * connection. */
static void send_window(mesh_window *w, jsCtx *js, natsConnection *connection, const char *source)
{
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = ACK_TIMEOUT_MS;
    for (mesh_slot *at = w->slots; at < w->slots + w->count; at++) {
        natsMsg *message = NULL;
        natsStatus status = mesh_entry_message(at->entry, source, &message);
        if (status == NATS_OK) {
            note(w, at, message, NATS_OK); /* before the answer can come */
            status = js_PublishMsgAsync(js, &message, &options);
        }
        if (status == NATS_OK)
            continue;
        bool closed = natsConnection_IsClosed(connection);
        note(w, at, NULL, closed ? NATS_OK : status);
        natsMsg_Destroy(message);
        if (closed)
            return;
    }
}

void mesh_window_publish(mesh_window *w, jsCtx *js, natsConnection *connection, const char *source)
{
    open_window(w);
    send_window(w, js, connection, source);
    /* The library sends what is left in its buffer a millisecond later, or before a ping. */
    (void)natsConnection_FlushTimeout(connection, ACK_TIMEOUT_MS);
    close_window(w, connection);
}
