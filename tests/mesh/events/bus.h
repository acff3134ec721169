/*
 * What the tests of mesh/events share: instances of services on a database of their own, and a
 * handler that leaves a row for every event.
 */
#ifndef TESTS_MESH_EVENTS_BUS_H
#define TESTS_MESH_EVENTS_BUS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mesh/events/events.h"
#include "stock/v1/stock.mesh.h"
#include "tests/fixtures/nats.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"

/* One process's part of a service. */
typedef struct instance {
    mesh_db *db;
    mesh_events *events;
} instance;

typedef struct instance_options {
    const char *service;
    const char *url;                            /* of the database */
    stock__v1__stock_lowered__handler *handler; /* NULL: consumes nothing */
    void *self;
    const mesh_consumer *consumers; /* instead of that handler */
    int64_t ack_wait_ms;
    int max_deliver;
    size_t concurrency;
    int64_t handler_timeout_ms;
    int64_t gap_wait_ms;
    int64_t stall_ms;
    uint64_t start_sequence;
    int64_t start_time_ns;
} instance_options;

/* Makes a database with the tables, `handled` included, and writes its URL. */
void bus_database(const char *name, char *url);

/* From now on instances opened on this database leave publishing to one that there is, so that what
 * that one does can be counted. NULL: each publishes. */
void bus_has_relay(const char *url);

/* Opens an instance and starts its events; bus_open also waits until they are ready. */
instance bus_start(const instance_options *options);
instance bus_open(const instance_options *options);
void bus_close(instance *instance);

/* Closes those that are still open, as a case that failed leaves them: they would take the events
 * of the next one. Whoever waits for `bus_may_go_on` goes on. For tear-downs. */
void bus_close_all(void);

/* Adds StockLowered in a transaction of its own, and commits it. */
void bus_add(instance *instance, const char *product_id, int64_t version);

/* Makes the outbox forget what it has published, so that none of it is published again when the
 * broker loses it. */
void bus_forget_published(instance *instance);

/* A handler that inserts a row (product_id, version, trace_id) into `handled`. */
mesh_code bus_note(void *self, mesh_tx *tx, const mesh_event *meta,
                   const Stock__V1__StockLowered *event, mesh_error *err);

/* The same, once it is told that it may. */
extern atomic_bool bus_may_go_on;
void bus_wait_until_told(void);
mesh_code bus_note_when_told(void *self, mesh_tx *tx, const mesh_event *meta,
                             const Stock__V1__StockLowered *event, mesh_error *err);

/* Rows in `handled`, as one number or text. */
int64_t bus_handled(instance *instance);

mesh_events_stats bus_stats(instance *instance);

/* Deliveries of a service's durable consumer that the broker has no answer to. */
int64_t bus_unanswered(const char *service);

/* Whether the service's durable consumer is there. */
bool bus_has_consumer(const char *service);

/* Takes a stream away. */
void bus_delete_stream(const char *name);

/* Changes what the stream takes. */
void bus_set_subjects(const char *subjects);

/* Set-up of a test: the stream of the last one is gone. (By a restart, since this server gets
 * confused by a stream that is made right after its deletion.) */
int bus_reset(void **state);

/* Publishes a message as it is, headers ("name: value" lines, "\n" between them) included, past
 * mesh_event_add. */
void bus_publish_raw(const char *subject, const char *headers, const void *data, size_t size);

/* Publishes one that has the header "a: b" so many times. */
void bus_publish_repeated(const char *subject, size_t times, const void *data, size_t size);

#endif
