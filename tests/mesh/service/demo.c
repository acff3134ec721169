/*
 * The service under test. With BROKEN its migration fails; with FULL it has as many consumers as a
 * service may have. Its own setting DEMO_GREETING is logged on start.
 */
#include "demo/v1/demo.mesh.h"
#include "mesh/service.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#ifdef __SANITIZE_THREAD__
/* A second signal ends it at once, and with it threads that nobody has joined. */
MESH_API const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "report_thread_leaks=0";
}
#endif

static const mesh_migration migrations[] = {
    {.number = 1,
     .name = "0001_create_demo",
     .sql = "CREATE TABLE demo (name text PRIMARY KEY);"
            "CREATE TABLE heard (name text PRIMARY KEY);"},
#ifdef BROKEN
    {.number = 2, .name = "0002_break", .sql = "CREATE TABLE demo (nonsense);"},
#endif
    {0},
};

typedef struct demo {
    const char *greeting;
    mesh_db *db;
} demo;

static mesh_code add_name(const demo *demo, const char *name, mesh_error *err)
{
    Demo__V1__Added event = DEMO__V1__ADDED__INIT;
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(demo->db, NULL, &tx, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, "INSERT INTO demo VALUES ($1)",
                             MESH_SQL_PARAMS(MESH_SQL_TEXT(name)), NULL, NULL, err);
    event.name = (char *)name;
    if (code == MESH_OK)
        code = demo__v1__added__add(tx, &event, err);
    if (code == MESH_OK)
        return mesh_tx_commit(tx, err);
    mesh_tx_rollback(tx);
    return code;
}

static mesh_code add(void *self, mesh_call *call, const Demo__V1__AddRequest *request,
                     Demo__V1__AddResponse *response, mesh_error *err)
{
    (void)call;
    (void)response;
    return add_name(self, request->name, err);
}

static mesh_code run_add(void *self, mesh_app *app, const char *const *arguments, mesh_error *err)
{
    mesh_code code = mesh_app_db(app) != NULL ? add_name(self, arguments[0], err) : MESH_INTERNAL;
    if (code == MESH_OK)
        printf("added %s, %s\n", arguments[0], arguments[1]);
    return code;
}

static mesh_code on_added(void *self, mesh_tx *tx, const mesh_event *meta,
                          const Demo__V1__Added *event, mesh_error *err)
{
    (void)self;
    (void)meta;
    mesh_log(MESH_LOG_INFO, "hearing");
    mesh_code code = mesh_tx_query(tx, "INSERT INTO heard VALUES ($1) ON CONFLICT DO NOTHING",
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(event->name)), NULL, NULL, err);
    mesh_log(MESH_LOG_INFO, "heard");
    return code;
}

static mesh_code hear(void *self, mesh_call *call, const Demo__V1__HearRequest *request,
                      Demo__V1__HearResponse *response, mesh_error *err)
{
    demo *demo = self;
    mesh_rows *rows;
    mesh_tx *tx = NULL;
    (void)call;

    mesh_code code = mesh_tx_begin(demo->db, NULL, &tx, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, "SELECT 1 FROM heard WHERE name = $1",
                             MESH_SQL_PARAMS(MESH_SQL_TEXT(request->name)), &rows, NULL, err);
    if (code == MESH_OK)
        response->heard = mesh_rows_count(rows) == 1;
    mesh_tx_rollback(tx);
    return code;
}

static mesh_code take_time(void *self, mesh_call *call, const Demo__V1__SleepRequest *request,
                           Demo__V1__SleepResponse *response, mesh_error *err)
{
    demo *demo = self;
    mesh_tx *tx = NULL;
    mesh_code code = MESH_OK;
    (void)response;
    if (request->hold_connection)
        code = mesh_tx_begin(demo->db, NULL, &tx, err);
    if (code != MESH_OK)
        return code;
    mesh_log(MESH_LOG_INFO, "sleeping");
    for (int64_t ms = 0; ms < request->milliseconds && code == MESH_OK; ms += 5) {
        if (mesh_call_cancelled(call)) {
            mesh_log(MESH_LOG_INFO, "sleep cancelled");
            code = mesh_error_set(err, MESH_CANCELLED, "cancelled");
        }
        nanosleep(&(struct timespec){.tv_nsec = 5 * 1000 * 1000}, NULL);
    }
    mesh_tx_rollback(tx);
    return code;
}

static mesh_code on_check(void *self, int64_t workers, mesh_error *err)
{
    const demo *demo = self;
    if (strlen(demo->greeting) <= (size_t)workers)
        return MESH_OK;
    return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                          "DEMO_GREETING needs a worker for each letter, and MESH_WORKERS is %d",
                          (int)workers);
}

static mesh_code on_start(void *self, mesh_app *app, mesh_error *err)
{
    demo *demo = self;
    demo->db = mesh_app_db(app);
    mesh_log(MESH_LOG_INFO, "on_start", MESH_LOG_S("greeting", demo->greeting),
             MESH_LOG_S("peer", mesh_channel_target(mesh_app_peer(app, "other-demo"))));
    if (demo->greeting[0] == '-')
        return mesh_error_set(err, MESH_FAILED_PRECONDITION, "no greeting today");
    return mesh_app_peer(app, "nobody") == NULL && mesh_app_events(app) != NULL &&
                   mesh_app_server(app) != NULL
               ? MESH_OK
               : MESH_INTERNAL;
}

static void on_drain(void *self)
{
    (void)self;
    mesh_log(MESH_LOG_INFO, "on_drain");
}

static void on_stop(void *self)
{
    (void)self;
    mesh_log(MESH_LOG_INFO, "on_stop");
}

static const demo__v1__demo__handlers handlers = {
    .add = add,
    .hear = hear,
    .sleep = take_time,
};

#ifdef FULL
/* The rest of the table gets consumers of events that nobody adds. */
static void fill(mesh_consumer *consumers)
{
    static char subjects[MESH_SERVICE_MAX_CONSUMERS][16];
    static mesh_event_descriptor events[MESH_SERVICE_MAX_CONSUMERS];
    for (int i = 1; i < MESH_SERVICE_MAX_CONSUMERS; i++) {
        snprintf(subjects[i], sizeof subjects[i], "a.Other%d", i);
        events[i].subject = subjects[i];
        consumers[i].event = &events[i];
    }
}
#endif

int main(int argc, char **argv)
{
    static demo self;
    const mesh_setting settings[] = {
        {.name = "DEMO_GREETING",
         .type = MESH_SETTING_STRING,
         .target = &self.greeting,
         .fallback = "hello",
         .help = "what to say on start"},
    };
    static const mesh_command commands[] = {
        {.name = "nothing", .arguments = "", .help = "is not run here", .run = run_add},
        {.name = "add", .arguments = "NAME WISH", .help = "adds a name", .run = run_add},
        {0},
    };
    mesh_service service = {
        .size = sizeof service,
        .name = "demo",
        .apis = {demo__v1__demo__api(&handlers, &self)},
        .consumers = {demo__v1__added__consumer(on_added, &self)},
        .peers = {"other-demo"},
        .migrations = migrations,
        .settings = settings,
        .setting_count = 1,
        .on_start = on_start,
        .on_drain = on_drain,
        .on_stop = on_stop,
        .self = &self,
        .commands = commands,
        .on_check = on_check,
    };
#ifdef FULL
    fill(service.consumers);
#endif
    return mesh_service_main(argc, argv, &service);
}
