#include "tests/mesh/events/bus.h"

#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/db/migrate.h"

static const char *relayed_url;

enum {
    OPEN_MAX = 64
};

static instance open_ones[OPEN_MAX]; /* some without a database: they are closed */

void bus_has_relay(const char *url)
{
    relayed_url = url;
}

static const mesh_migration tables[] = {
    {.number = 1,
     .name = "0001_handled.sql",
     .sql = "CREATE TABLE handled (number serial, product_id text, version bigint, trace_id text)"},
    {0},
};

void bus_database(const char *name, char *url)
{
    mesh_db *db = NULL;
    mesh_error err = {0};
    postgres_create_database(name, url);
    const mesh_db_options options = {.url = url};
    assert_int_equal(mesh_db_create(&options, &db, NULL), MESH_OK);
    mesh_code code = mesh_migrate(db, "mesh_events", mesh_events_migrations(), &err);
    if (code == MESH_OK)
        code = mesh_migrate(db, "stock", tables, &err);
    if (code != MESH_OK)
        fail_msg("%s", err.message);
    mesh_db_destroy(db);
}

static void note_open(instance self)
{
    for (int i = 0; i < OPEN_MAX; i++) {
        if (open_ones[i].db == NULL) {
            open_ones[i] = self;
            return;
        }
    }
    fail_msg("more than %d instances are open", OPEN_MAX);
}

static void note_closed(const instance *self)
{
    for (int i = 0; i < OPEN_MAX; i++)
        if (open_ones[i].db == self->db)
            open_ones[i] = (instance){.db = NULL};
}

instance bus_start(const instance_options *options)
{
    instance self = {.db = NULL};
    mesh_error err = {0};
    const mesh_db_options db = {.url = options->url, .pool_max = 8, .acquire_timeout_ms = 10000};
    mesh_consumer consumers[2] = {{.event = NULL}, {.event = NULL}};
    if (options->handler != NULL)
        consumers[0] = stock__v1__stock_lowered__consumer(options->handler, options->self);
    assert_int_equal(mesh_db_create(&db, &self.db, NULL), MESH_OK);
    const mesh_events_options events = {
        .size = sizeof events,
        .url = nats_url_of(options->service),
        .service = options->service,
        .db = self.db,
        .consumers = options->consumers != NULL ? options->consumers : consumers,
        .ack_wait_ms = options->ack_wait_ms,
        .max_deliver = options->max_deliver,
        .concurrency = options->concurrency,
        .handler_timeout_ms = options->handler_timeout_ms,
        .gap_wait_ms = options->gap_wait_ms,
        .stall_ms = options->stall_ms,
        .start_sequence = options->start_sequence,
        .start_time_ns = options->start_time_ns,
        .no_relay = relayed_url != NULL && strcmp(relayed_url, options->url) == 0,
    };
    if (mesh_events_create(&events, &self.events, &err) != MESH_OK ||
        mesh_events_start(self.events, &err) != MESH_OK)
        fail_msg("%s", err.message);
    note_open(self);
    return self;
}

instance bus_open(const instance_options *options)
{
    instance self = bus_start(options);
    WAIT_FOR(mesh_events_ready(self.events, NULL) == MESH_OK);
    return self;
}

void bus_close(instance *self)
{
    mesh_events_drain(self->events, 10000);
    mesh_events_destroy(self->events);
    mesh_db_destroy(self->db);
    note_closed(self);
}

void bus_close_all(void)
{
    atomic_store(&bus_may_go_on, true);
    for (int i = 0; i < OPEN_MAX; i++) {
        instance left = open_ones[i];
        if (left.db != NULL)
            bus_close(&left);
    }
}

void bus_add(instance *self, const char *product_id, int64_t version)
{
    Stock__V1__StockLowered event = STOCK__V1__STOCK_LOWERED__INIT;
    event.product_id = (char *)product_id;
    event.version = version;
    mesh_error err = {0};
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(self->db, NULL, &tx, &err);
    if (code == MESH_OK)
        code = stock__v1__stock_lowered__add(tx, &event, &err);
    if (code == MESH_OK)
        code = mesh_tx_commit(tx, &err);
    if (code != MESH_OK)
        fail_msg("%s", err.message);
}

void bus_forget_published(instance *self)
{
    postgres_value(self->db, "TRUNCATE mesh_outbox_batch");
}

mesh_code bus_note(void *self, mesh_tx *tx, const mesh_event *meta,
                   const Stock__V1__StockLowered *event, mesh_error *err)
{
    (void)self;
    (void)meta;
    char trace_id[MESH_TRACE_ID_TEXT_BYTES];
    mesh_trace_id_format(mesh_trace_current(), trace_id);
    return mesh_tx_query(tx,
                         "INSERT INTO handled (product_id, version, trace_id) VALUES ($1, $2, $3)",
                         MESH_SQL_PARAMS(MESH_SQL_TEXT(event->product_id),
                                         MESH_SQL_INT(event->version), MESH_SQL_TEXT(trace_id)),
                         NULL, NULL, err);
}

atomic_bool bus_may_go_on;

void bus_wait_until_told(void)
{
    while (!atomic_load(&bus_may_go_on))
        wait_a_moment();
}

mesh_code bus_note_when_told(void *self, mesh_tx *tx, const mesh_event *meta,
                             const Stock__V1__StockLowered *event, mesh_error *err)
{
    bus_wait_until_told();
    return bus_note(self, tx, meta, event, err);
}

int64_t bus_handled(instance *self)
{
    return strtoll(postgres_value(self->db, "SELECT count(*) FROM handled"), NULL, 10);
}

mesh_events_stats bus_stats(instance *self)
{
    mesh_events_stats stats;
    mesh_events_get_stats(self->events, &stats);
    return stats;
}

static natsConnection *connect_raw(jsCtx **js)
{
    natsConnection *connection = NULL;
    assert_int_equal(natsConnection_ConnectTo(&connection, nats_url_of("admin")), NATS_OK);
    assert_int_equal(natsConnection_JetStream(js, connection, NULL), NATS_OK);
    return connection;
}

int64_t bus_unanswered(const char *service)
{
    jsCtx *js = NULL;
    jsConsumerInfo *info = NULL;
    natsConnection *connection = connect_raw(&js);
    assert_int_equal(js_GetConsumerInfo(&info, js, "EVENTS", service, NULL, NULL), NATS_OK);
    int64_t unanswered = info->NumAckPending;
    jsConsumerInfo_Destroy(info);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
    return unanswered;
}

bool bus_has_consumer(const char *service)
{
    jsCtx *js = NULL;
    jsConsumerInfo *info = NULL;
    natsConnection *connection = connect_raw(&js);
    natsStatus status = js_GetConsumerInfo(&info, js, "EVENTS", service, NULL, NULL);
    assert_true(status == NATS_OK || status == NATS_NOT_FOUND);
    jsConsumerInfo_Destroy(info);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
    return status == NATS_OK;
}

void bus_delete_stream(const char *name)
{
    jsCtx *js = NULL;
    natsConnection *connection = connect_raw(&js);
    assert_int_equal(js_DeleteStream(js, name, NULL, NULL), NATS_OK);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
}

void bus_set_subjects(const char *subjects)
{
    jsCtx *js = NULL;
    jsStreamInfo *info = NULL;
    natsConnection *connection = connect_raw(&js);
    assert_int_equal(js_GetStreamInfo(&info, js, "EVENTS", NULL, NULL), NATS_OK);
    jsStreamConfig config = *info->Config;
    config.Subjects = &subjects;
    config.SubjectsLen = 1;
    assert_int_equal(js_UpdateStream(NULL, js, &config, NULL, NULL), NATS_OK);
    jsStreamInfo_Destroy(info);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
}

int bus_reset(void **state)
{
    (void)state;
    nats_restart_empty();
    return 0;
}

void bus_publish_raw(const char *subject, const char *headers, const void *data, size_t size)
{
    jsCtx *js = NULL;
    natsMsg *message = NULL;
    natsConnection *connection = connect_raw(&js);
    assert_int_equal(natsMsg_Create(&message, subject, NULL, data, (int)size), NATS_OK);
    char *copy = strdup(headers), *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *value = strstr(line, ": ");
        assert_non_null(value);
        *value = '\0';
        assert_int_equal(natsMsgHeader_Set(message, line, value + 2), NATS_OK);
    }
    free(copy);
    assert_int_equal(js_PublishMsg(NULL, js, message, NULL, NULL), NATS_OK);
    natsMsg_Destroy(message);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
}

void bus_publish_repeated(const char *subject, size_t times, const void *data, size_t size)
{
    static const char line[] = "a: b\r\n";
    jsCtx *js = NULL;
    natsMsg *message = NULL;
    natsConnection *connection = connect_raw(&js);
    /* The library writes a name as it is. */
    char *name = malloc(times * strlen(line) + 2);
    for (size_t i = 0; i + 1 < times; i++)
        memcpy(name + i * strlen(line), line, sizeof line);
    memcpy(name + (times - 1) * strlen(line), "a", 2);
    assert_int_equal(natsMsg_Create(&message, subject, NULL, data, (int)size), NATS_OK);
    assert_int_equal(natsMsgHeader_Set(message, name, "b"), NATS_OK);
    assert_int_equal(js_PublishMsg(NULL, js, message, NULL, NULL), NATS_OK);
    free(name);
    natsMsg_Destroy(message);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
}
