#include "mesh/events/events.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/base/options.h"
#include "mesh/db/publisher.h"
#include "mesh/events/consume.h"
#include "mesh/events/escape.h"
#include "mesh/events/mesh_events_tables.h"
#include "mesh/events/notify.h"
#include "mesh/events/outbox.h"
#include "mesh/events/relay.h"

enum {
    DEFAULT_ACK_WAIT_MS = 30000,
    MAX_WAIT_MS = 24 * 3600 * 1000,
    DEFAULT_HANDLER_TIMEOUT_MS = 60000,
    DEFAULT_GAP_WAIT_MS = 300000,
    DEFAULT_STALL_MS = 60000,
    DEFAULT_MAX_DELIVER = 10,
    MAX_MAX_DELIVER = 1000000,
    DEFAULT_CONCURRENCY = 4,
    MAX_CONCURRENCY = 256
};
static const int64_t default_retention_ms = (int64_t)7 * 24 * 3600 * 1000;

struct mesh_events {
    mesh_db *db; /* borrowed */
    char *url;
    char *service;
    mesh_consumer *consumers; /* ended by one without event; NULL: none */
    mesh_broker *broker;
    char *source;          /* "/order" */
    mesh_outbox_wake wake; /* of relay or notifier */
    mesh_relay *relay;     /* one of the two */
    mesh_notifier *notifier;
    mesh_consumption *consumption; /* NULL without consumers */
    bool consumes;                 /* by itself */
    atomic_bool drain_told;        /* handlers outlived the drain, and the log says so */
};

const mesh_migration *mesh_events_migrations(void)
{
    return mesh_events_tables;
}

/* Whether the broker takes it, as far as that is known. */
static mesh_code check_size(const mesh_events *events, const mesh_entry *entry, mesh_error *err)
{
    int64_t most = mesh_broker_max_payload(events->broker);
    if (most <= 0 || entry->size + MESH_ENTRY_HEADERS_MAX_BYTES <= (size_t)most)
        return MESH_OK;
    size_t size = mesh_entry_message_size(entry, events->source);
    if (size <= (size_t)most)
        return MESH_OK;
    return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                          "%s: %zu bytes with headers are too long for the broker, whose "
                          "max_payload is %" PRId64,
                          entry->subject, size, most);
}

mesh_code mesh_event_add_entry(mesh_tx *tx, const mesh_event_descriptor *event,
                               const ProtobufCMessage *message, mesh_entry **out, mesh_error *err)
{
    mesh_events *events = mesh_db_publisher(mesh_tx_db(tx));
    if (events == NULL)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                              "%s: nobody publishes the events of this database", event->subject);
    mesh_code code = MESH_RESERVED_CHECK(event, err, "event %s", event->subject);
    mesh_entry *entry = NULL;
    if (code == MESH_OK)
        code = mesh_entry_make(mesh_tx_arena(tx), event, message, &entry, err);
    if (code == MESH_OK)
        code = check_size(events, entry, err);
    if (code == MESH_OK)
        code = mesh_outbox_add(tx, entry, events->wake, err);
    if (code == MESH_OK)
        *out = entry;
    return code;
}

mesh_code mesh_event_add(mesh_tx *tx, const mesh_event_descriptor *event,
                         const ProtobufCMessage *message, mesh_error *err)
{
    mesh_entry *entry;
    return mesh_event_add_entry(tx, event, message, &entry, err);
}

static mesh_code copy_consumers(mesh_events *self, const mesh_consumer *consumers, mesh_error *err)
{
    size_t count = 0;
    if (consumers == NULL || consumers[0].event == NULL)
        return MESH_OK;
    for (; consumers[count].event != NULL; count++) {
        const mesh_event_descriptor *event = consumers[count].event;
        mesh_code code = MESH_RESERVED_CHECK(event, err, "event %s", event->subject);
        if (code == MESH_OK)
            code = MESH_RESERVED_CHECK(&consumers[count], err, "the consumer of %s",
                                       event->subject);
        if (code != MESH_OK)
            return code;
        for (size_t i = 0; i < count; i++) {
            if (strcmp(consumers[i].event->subject, consumers[count].event->subject) == 0)
                return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s has two consumers",
                                      consumers[i].event->subject);
        }
    }
    self->consumers = mesh_calloc(count + 1, sizeof *consumers);
    if (self->consumers == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    memcpy(self->consumers, consumers, count * sizeof *consumers);
    return MESH_OK;
}

static char *make_source(const char *service)
{
    char *source = mesh_malloc(1 + mesh_event_escaped_size(service));
    if (source != NULL) {
        source[0] = '/';
        mesh_event_escape(service, source + 1);
    }
    return source;
}

static mesh_code create_publishing(mesh_events *self, const mesh_events_options *options,
                                   mesh_error *err)
{
    self->source = make_source(self->service);
    if (self->source == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    if (options->no_relay) {
        mesh_code code = mesh_notifier_create(self->db, &self->notifier, err);
        self->wake = (mesh_outbox_wake){mesh_notifier_wake, self->notifier};
        return code;
    }
    const mesh_relay_settings relay = {
        .db = self->db,
        .broker = self->broker,
        .source = self->source,
        .retention_ms = options->outbox_retention_ms,
    };
    mesh_code code = mesh_relay_create(&relay, &self->relay, err);
    self->wake = (mesh_outbox_wake){mesh_relay_wake, self->relay};
    return code;
}

static mesh_code create_parts(mesh_events *self, const mesh_events_options *options,
                              mesh_error *err)
{
    const mesh_broker_settings broker = {
        .url = self->url,
        .service = self->service,
        .consumes = self->consumers != NULL,
        .ack_wait_ms = options->ack_wait_ms,
        .start_sequence = options->start_sequence,
        .start_time_ns = options->start_time_ns,
    };
    mesh_code code = mesh_broker_create(&broker, &self->broker, err);
    if (code == MESH_OK)
        code = create_publishing(self, options, err);
    if (code != MESH_OK || self->consumers == NULL)
        return code;
    const mesh_consumption_settings consumption = {
        .delivery =
            {
                .db = self->db,
                .broker = self->broker,
                .service = self->service,
                .handler_timeout_ms = options->handler_timeout_ms,
                .ack_wait_ms = options->ack_wait_ms,
                .gap_wait_ms = options->gap_wait_ms,
                .max_deliver = options->max_deliver,
            },
        .broker = self->broker,
        .consumers = self->consumers,
        .lanes = options->concurrency,
        .ack_wait_ms = options->ack_wait_ms,
        .stall_ms = options->stall_ms,
    };
    self->consumes = !options->no_consume;
    return mesh_consumption_create(&consumption, &self->consumption, err);
}

static mesh_code check_wait(const char *name, int64_t wait_ms, mesh_error *err)
{
    if (wait_ms < 0 || wait_ms > MAX_WAIT_MS)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "%s is out of range; it is at most %d, a day", name, MAX_WAIT_MS);
    return MESH_OK;
}

static mesh_code check_options(const mesh_events_options *options, mesh_error *err)
{
    mesh_code code = mesh_broker_check_service(options->service, err);
    if (code == MESH_OK)
        code = check_wait("ack_wait_ms", options->ack_wait_ms, err);
    if (code == MESH_OK)
        code = check_wait("handler_timeout_ms", options->handler_timeout_ms, err);
    if (code == MESH_OK)
        code = check_wait("gap_wait_ms", options->gap_wait_ms, err);
    if (code == MESH_OK)
        code = check_wait("stall_ms", options->stall_ms, err);
    if (code != MESH_OK)
        return code;
    if (options->max_deliver < 0 || options->max_deliver > MAX_MAX_DELIVER ||
        options->concurrency > MAX_CONCURRENCY || options->outbox_retention_ms < 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "a limit of the events is out of range");
    if (options->start_time_ns < 0 || (options->start_time_ns > 0 && options->start_sequence > 0))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "the events begin at a time or at a number in the stream");
    return MESH_OK;
}

/* The caller's options, as far as they are known, with all defaults. */
static mesh_code read_options(const mesh_events_options *given, mesh_events_options *options,
                              mesh_error *err)
{
    mesh_code code = MESH_OPTIONS_READ(mesh_events_options, concurrency, options, given, err);
    if (code != MESH_OK)
        return code;
    MESH_OPTION_DEFAULT(options->url, "");
    MESH_OPTION_DEFAULT(options->ack_wait_ms, DEFAULT_ACK_WAIT_MS);
    MESH_OPTION_DEFAULT(options->handler_timeout_ms, DEFAULT_HANDLER_TIMEOUT_MS);
    MESH_OPTION_DEFAULT(options->gap_wait_ms, DEFAULT_GAP_WAIT_MS);
    MESH_OPTION_DEFAULT(options->stall_ms, DEFAULT_STALL_MS);
    MESH_OPTION_DEFAULT(options->max_deliver, DEFAULT_MAX_DELIVER);
    MESH_OPTION_DEFAULT(options->concurrency, DEFAULT_CONCURRENCY);
    MESH_OPTION_DEFAULT(options->outbox_retention_ms, default_retention_ms);
    return check_options(options, err);
}

mesh_code mesh_events_create(const mesh_events_options *given, mesh_events **out, mesh_error *err)
{
    mesh_events_options options;
    mesh_code code = read_options(given, &options, err);
    if (code != MESH_OK)
        return code;
    mesh_events *self = mesh_calloc(1, sizeof *self);
    if (self == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    self->url = mesh_strdup(options.url);
    self->service = mesh_strdup(options.service);
    if (self->url == NULL || self->service == NULL)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    self->db = options.db;
    if (code == MESH_OK)
        code = copy_consumers(self, options.consumers, err);
    if (code == MESH_OK)
        code = create_parts(self, &options, err);
    if (code == MESH_OK && !mesh_db_set_publisher(options.db, self)) {
        self->db = NULL; /* another's */
        code = mesh_error_set(err, MESH_FAILED_PRECONDITION,
                              "the database has a publisher of events already");
    }
    if (code != MESH_OK) {
        self->db = NULL;
        mesh_events_destroy(self);
        return code;
    }
    *out = self;
    return MESH_OK;
}

mesh_broker *mesh_events_broker(mesh_events *self)
{
    return self->broker;
}

mesh_code mesh_events_start(mesh_events *self, mesh_error *err)
{
    mesh_code code = mesh_broker_start(self->broker, err);
    if (code == MESH_OK && self->relay != NULL)
        code = mesh_relay_start(self->relay, err);
    if (code == MESH_OK && self->notifier != NULL)
        code = mesh_notifier_start(self->notifier, err);
    if (code == MESH_OK && self->consumes)
        code = mesh_consumption_start(self->consumption, err);
    return code;
}

mesh_code mesh_events_ready(mesh_events *self, mesh_error *err)
{
    return mesh_broker_ready(self->broker, err);
}

void mesh_events_get_stats(mesh_events *self, mesh_events_stats *stats)
{
    *stats = (mesh_events_stats){.published = 0};
    if (self->relay != NULL)
        mesh_relay_figures(self->relay, stats);
    if (self->consumption != NULL)
        mesh_consumption_figures(self->consumption, stats);
    mesh_broker_figures(self->broker, &stats->lag, &stats->reconnects);
}

mesh_consumption *mesh_events_consumption(mesh_events *self)
{
    return self->consumption;
}

bool mesh_events_drain(mesh_events *self, int64_t timeout_ms)
{
    int64_t deadline_ns = mesh_clock_deadline_ns(timeout_ms);
    if (self->consumption != NULL && !mesh_consumption_drain(self->consumption, timeout_ms)) {
        if (!atomic_exchange(&self->drain_told, true))
            mesh_log(MESH_LOG_WARN, "handlers of events still run after the drain");
        return false;
    }
    if (self->relay != NULL && !mesh_relay_drain(self->relay, mesh_clock_left_ms(deadline_ns)))
        mesh_log(MESH_LOG_INFO, "events stay in the outbox after the drain");
    return true;
}

void mesh_events_destroy(mesh_events *self)
{
    if (self == NULL)
        return;
    mesh_consumption_destroy(self->consumption);
    if (self->db != NULL)
        mesh_db_set_publisher(self->db, NULL);
    mesh_relay_destroy(self->relay);
    mesh_notifier_destroy(self->notifier);
    mesh_broker_stop(self->broker);
    mesh_broker_destroy(self->broker);
    mesh_free(self->consumers);
    mesh_free(self->source);
    mesh_free(self->service);
    mesh_free(self->url);
    mesh_free(self);
}
