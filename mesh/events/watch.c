#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/events/gaps.h"

enum {
    LOOK_PERIOD_MS = 500,
    FIRST_LOOK_PERIOD_MS = 20, /* until the broker was asked: then the database is */
    /* Events that wait for a lane: so many parts of the ack wait until others are told, ... */
    UNTRIED_PARTS = 8,
    UNTRIED_MAX = 64, /* ... so many at once, ... */
    UNTRIED_MS = 200, /* ... in so much time of a look, each */
    PRUNE_PERIOD_MS = 3600 * 1000,
    PRUNE_MS = 100, /* of a look, at most: others wait for the next one */
    /* Older than anything in the stream, where an event is stored some time after it got its id. */
    INBOX_DAYS = 2 * MESH_EVENTS_MAX_AGE_DAYS
};

/* Notes which aggregates' versions are kept here, before the first event is fetched. Of a consumer
 * that was given events before, those of a new type may have gone by. */
static mesh_code join(mesh_consumption *self, uint64_t delivered, mesh_error *err)
{
    const mesh_consumption_settings *settings = &self->settings;
    mesh_code code = MESH_OK;
    for (size_t i = 0; settings->consumers[i].event != NULL && code == MESH_OK; i++) {
        self->late[i] = delivered > 0;
        code = mesh_inbox_join(settings->delivery.db, settings->delivery.service,
                               settings->consumers[i].event->aggregate_type, &self->late[i], err);
    }
    return code;
}

/* False: the broker was not asked yet, so there is nothing to obey. */
static bool obey(mesh_consumption *self)
{
    bool paused = false;
    uint64_t delivered = 0;
    mesh_error err = {.code = MESH_OK};
    if (!self->joined && !mesh_broker_delivered(self->settings.broker, &delivered))
        return false;
    mesh_code code = self->joined ? MESH_OK : join(self, delivered, &err);
    self->joined = code == MESH_OK;
    if (code == MESH_OK)
        code = mesh_inbox_read_control(self->settings.delivery.db, self->settings.delivery.service,
                                       &paused, NULL, &err);
    if (code == MESH_OK)
        mesh_withdrawals_settle(&self->withdrawals, self->settings.delivery.db,
                                self->settings.delivery.service);
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
    return true;
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

/* Who waits long for a slow lane is seen by the other instances, so that its aggregate does not
 * begin behind it there. Soon enough for one that comes again after this process has died, too. */
static void note_untried(mesh_consumption *self)
{
    const mesh_delivery_settings *settings = &self->settings.delivery;
    mesh_inbox_seen untried[UNTRIED_MAX];
    mesh_error err = {.code = MESH_OK};
    mesh_code code = MESH_OK;
    int64_t until_ns = mesh_clock_deadline_ns(UNTRIED_MS);
    int64_t since_ns = mesh_clock_add_ms(mesh_clock_monotonic_ns(),
                                         -self->settings.ack_wait_ms / UNTRIED_PARTS);
    bool cut = mesh_broker_history_cut(self->settings.broker);
    mesh_arena *arena = mesh_arena_create(4096, 0);
    if (arena == NULL)
        return; /* the next time */
    pthread_mutex_lock(&self->mu);
    size_t count = mesh_lanes_list_untried(self, since_ns, cut, arena, untried, UNTRIED_MAX);
    pthread_mutex_unlock(&self->mu);
    for (size_t i = 0; i < count && code != MESH_UNAVAILABLE; i++)
        code = mesh_inbox_see(settings->db, until_ns, settings->service, &untried[i], &err);
    mesh_arena_destroy(arena);
}

/* Every hour, until nothing is left. */
static void prune(mesh_consumption *self)
{
    int64_t now_ns = mesh_clock_monotonic_ns(), until_ns = mesh_clock_add_ms(now_ns, PRUNE_MS);
    mesh_error err = {.code = MESH_OK};
    mesh_code code = MESH_OK;
    bool left = true;
    if (now_ns < mesh_clock_add_ms(self->pruned_ns, PRUNE_PERIOD_MS))
        return;
    while (code == MESH_OK && left && mesh_clock_monotonic_ns() < until_ns)
        code = mesh_inbox_prune(self->settings.delivery.db, INBOX_DAYS, &left, &err);
    if (code != MESH_OK)
        mesh_log(MESH_LOG_WARN, "old rows of the inbox could not be removed",
                 MESH_LOG_S("cause", err.message));
    if (code != MESH_OK || !left)
        self->pruned_ns = now_ns;
}

void *mesh_consumption_watch(void *context)
{
    mesh_consumption *self = context;
    bool asked;
    self->pruned_ns = mesh_clock_monotonic_ns();
    do {
        asked = obey(self);
        look_for_progress(self);
        note_untried(self);
        mesh_gaps_tell(self);
        prune(self);
    } while (mesh_cond_rest(&self->changed, &self->mu, &self->stopping,
                            asked ? LOOK_PERIOD_MS : FIRST_LOOK_PERIOD_MS));
    return NULL;
}
