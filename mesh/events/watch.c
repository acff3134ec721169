#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/events/lanes.h"

enum {
    LOOK_PERIOD_MS = 500,
    FIRST_LOOK_PERIOD_MS = 20, /* until it is known what the database says */
    PRUNE_PERIOD_MS = 3600 * 1000,
    /* Older than anything in the stream, where an event is stored some time after it got its id. */
    INBOX_DAYS = 2 * MESH_EVENTS_MAX_AGE_DAYS
};

/* Notes which aggregates' versions are kept here, before the first event is fetched. Of a consumer
 * that was given events before, those of a new type may have gone by. */
static mesh_code join(mesh_consumption *self, mesh_error *err)
{
    const mesh_consumption_settings *settings = &self->settings;
    uint64_t delivered = 0;
    if (!mesh_broker_delivered(settings->broker, &delivered))
        return mesh_error_set(err, MESH_FAILED_PRECONDITION, "the broker was not asked yet");
    mesh_code code = MESH_OK;
    for (size_t i = 0; settings->consumers[i].event != NULL && code == MESH_OK; i++) {
        self->late[i] = delivered > 0;
        code = mesh_inbox_join(settings->delivery.db, settings->delivery.service,
                               settings->consumers[i].event->aggregate_type, &self->late[i], err);
    }
    return code;
}

static void obey(mesh_consumption *self)
{
    bool paused = false;
    mesh_error err = {.code = MESH_OK};
    mesh_code code = self->joined ? MESH_OK : join(self, &err);
    self->joined = code == MESH_OK;
    if (code == MESH_OK)
        code = mesh_inbox_read_control(self->settings.delivery.db, self->settings.delivery.service,
                                       &paused, NULL, &err);
    pthread_mutex_lock(&self->mu);
    if (code == MESH_OK) {
        if (paused != self->paused)
            mesh_log(MESH_LOG_INFO, paused ? "events are not taken any more: the consumer is paused"
                                           : "events are taken again");
        self->told = true;
        self->paused = paused;
        if (paused)
            mesh_lanes_give_back(self);
    }
    if (code == MESH_OK && self->away)
        mesh_lanes_restart_gaps(self);
    if (code == MESH_UNAVAILABLE || (code == MESH_OK && self->away))
        self->away = code != MESH_OK;
    mesh_lanes_wake(self);
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
}

static void look_for_progress(mesh_consumption *self)
{
    uint64_t lag, reconnects;
    bool connected = mesh_broker_ready(self->settings.broker, NULL) == MESH_OK;
    mesh_broker_figures(self->settings.broker, &lag, &reconnects);
    int64_t now_ns = mesh_clock_monotonic_ns();
    pthread_mutex_lock(&self->mu);
    bool work = self->in_flight > 0 || (connected && lag > 0);
    if (!work || self->away || self->paused || !self->told)
        self->progress_ns = now_ns;
    bool stalled = now_ns > mesh_clock_add_ms(self->progress_ns, self->settings.stall_ms);
    bool news = stalled && !self->stalled;
    self->stalled = stalled;
    size_t in_flight = self->in_flight;
    pthread_mutex_unlock(&self->mu);
    if (!news)
        return;
    mesh_log(MESH_LOG_ERROR, "no event gets done, though there are some",
             MESH_LOG_I("stall_ms", self->settings.stall_ms),
             MESH_LOG_I("held", (int64_t)in_flight), MESH_LOG_I("lag", (int64_t)lag));
    mesh_broker_suspect(self->settings.broker);
}

static void prune(mesh_consumption *self)
{
    int64_t now_ns = mesh_clock_monotonic_ns();
    mesh_error err = {.code = MESH_OK};
    if (now_ns < mesh_clock_add_ms(self->pruned_ns, PRUNE_PERIOD_MS))
        return;
    self->pruned_ns = now_ns;
    if (mesh_inbox_prune(self->settings.delivery.db, INBOX_DAYS, &err) != MESH_OK)
        mesh_log(MESH_LOG_WARN, "old rows of the inbox could not be removed",
                 MESH_LOG_S("cause", err.message));
}

void *mesh_consumption_watch(void *context)
{
    mesh_consumption *self = context;
    self->pruned_ns = mesh_clock_monotonic_ns();
    do {
        obey(self);
        look_for_progress(self);
        prune(self);
    } while (mesh_cond_rest(&self->changed, &self->mu, &self->stopping,
                            self->joined ? LOOK_PERIOD_MS : FIRST_LOOK_PERIOD_MS));
    return NULL;
}
