/* The notification service: what people should hear about, kept and live. */
#include "mesh/service.h"
#include "services/notification/notification.h"
#include "services/notification/notification_migrations.h"
#include "services/notification/sync.h"

static notification_service notification;
static notification_sync sync;
static int64_t feed_interval_ms;
static int64_t reconcile_interval_ms;

static const mesh_setting settings[] = {
    {.name = "NOTIFICATION_FEED_INTERVAL",
     .type = MESH_SETTING_DURATION,
     .target = &feed_interval_ms,
     .fallback = "100ms",
     .min = 10,
     .max = 60000,
     .help = "how soon a watcher hears what another instance recorded"},
    {.name = "NOTIFICATION_RECONCILE_INTERVAL",
     .type = MESH_SETTING_DURATION,
     .target = &reconcile_interval_ms,
     .fallback = "1h",
     .min = 100,
     .max = INT64_C(366) * 24 * 3600000,
     .help = "how often all copies of users are compared with the user service's"},
};

static void stop(void *self)
{
    notification_service *service = self;
    reconciler_destroy(service->reconciler);
    notification_feed_destroy(service->feed);
}

static mesh_code start(void *self, mesh_app *app, mesh_error *err)
{
    notification_service *service = self;
    service->db = mesh_app_db(app);
    sync = (notification_sync){
        .db = service->db, .events = mesh_app_events(app), .users = mesh_app_peer(app, "user")};
    mesh_code code = notification_feed_create(service->db, feed_interval_ms, &service->feed, err);
    if (code == MESH_OK && mesh_app_runs(app, MESH_RUN_WORKERS))
        code = notification_sync_start(&sync, reconcile_interval_ms, mesh_app_metrics(app),
                                       &service->reconciler, err);
    if (code != MESH_OK)
        stop(service);
    return code;
}

static void drain(void *self)
{
    notification_service *service = self;
    reconciler_stop(service->reconciler);
    notification_feed_end(service->feed);
}

int main(int argc, char **argv)
{
    return mesh_service_main(
        argc, argv,
        MESH_OPTIONS(
            mesh_service, .name = "notification",
            .apis = {notification__v1__notification_service__api(&notification_handlers,
                                                                 &notification)},
            .consumers =
                {order__v1__order_created__consumer(notification_order_created, &notification),
                 order__v1__order_cancelled__consumer(notification_order_cancelled, &notification),
                 order__v1__order_expired__consumer(notification_order_expired, &notification),
                 order__v1__order_completed__consumer(notification_order_completed, &notification),
                 payment__v1__charge_created__consumer(notification_charge_created, &notification),
                 ticket__v1__ticket_created__consumer(notification_ticket_created, &notification),
                 ticket__v1__ticket_updated__consumer(notification_ticket_updated, &notification),
                 user__v1__user_created__consumer(notification_user_created, &notification),
                 user__v1__user_updated__consumer(notification_user_updated, &notification),
                 user__v1__user_banned__consumer(notification_user_banned, &notification),
                 user__v1__user_unbanned__consumer(notification_user_unbanned, &notification),
                 user__v1__user_deleted__consumer(notification_user_deleted, &notification)},
            .peers = {"user"}, .migrations = notification_migrations, .settings = settings,
            .setting_count = sizeof settings / sizeof settings[0], .on_start = start,
            .on_drain = drain, .on_stop = stop, .self = &notification));
}
