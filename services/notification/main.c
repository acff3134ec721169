/* The notification service: what people should hear about, kept and live. */
#include "mesh/service.h"
#include "services/notification/notification.h"
#include "services/notification/notification_migrations.h"

static notification_service notification;
static int64_t feed_interval_ms;

static const mesh_setting settings[] = {
    {.name = "NOTIFICATION_FEED_INTERVAL",
     .type = MESH_SETTING_DURATION,
     .target = &feed_interval_ms,
     .fallback = "100ms",
     .min = 10,
     .max = 60000,
     .help = "how soon a watcher hears what another instance recorded"},
};

static mesh_code start(void *self, mesh_app *app, mesh_error *err)
{
    notification_service *service = self;
    service->db = mesh_app_db(app);
    return notification_feed_create(service->db, feed_interval_ms, &service->feed, err);
}

static void drain(void *self)
{
    notification_service *service = self;
    notification_feed_end(service->feed);
}

static void stop(void *self)
{
    notification_service *service = self;
    notification_feed_destroy(service->feed);
}

int main(int argc, char **argv)
{
    return mesh_service_main(argc, argv,
                             &(mesh_service){
                                 .name = "notification",
                                 .apis = {notification__v1__notification_service__api(
                                     &notification_handlers, &notification)},
                                 .consumers = {order__v1__order_created__consumer(
                                     notification_order_created, &notification)},
                                 .migrations = notification_migrations,
                                 .settings = settings,
                                 .setting_count = sizeof settings / sizeof settings[0],
                                 .on_start = start,
                                 .on_drain = drain,
                                 .on_stop = stop,
                                 .self = &notification,
                             });
}
