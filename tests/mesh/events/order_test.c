/*
 * Versions: a consumer applies the events of an aggregate in order, each once, whoever brings them.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <nats/nats.h>

#include "mesh/base/uuid.h"
#include "mesh/events/operate.h"
#include "order/v1/events.mesh.h"
#include "tests/mesh/events/publisher.h"

static instance open_consumer(int64_t gap_wait_ms)
{
    return bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = bus_note, .gap_wait_ms = gap_wait_ms});
}

/* A version of a product, as the publisher would emit it, with an id of its own. */
static void emit(const char *message, const char *product_id, int64_t version)
{
    char id[MESH_UUID_TEXT_BYTES], subject[64], headers[512], payload[64];
    mesh_uuid_v7(id);
    snprintf(subject, sizeof subject, "events.stock.v1.%s", message);
    snprintf(headers, sizeof headers,
             "ce-specversion: 1.0\nce-id: %s\nce-type: stock.v1.%s\nce-source: /shop\n"
             "ce-subject: %s\nce-time: 2026-11-21T08:15:30Z\nce-aggregatetype: stock\n"
             "ce-aggregateversion: %" PRId64,
             id, message, product_id, version);
    int size = snprintf(payload, sizeof payload, "\x0a%c%s\x10%c", (char)strlen(product_id),
                        product_id, (char)version);
    bus_publish_raw(subject, headers, payload, (size_t)size);
}

static void lowered(const char *product_id, int version)
{
    emit("StockLowered", product_id, version);
}

static const char *versions(instance *self, const char *product_id)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT coalesce(string_agg(version::text, ',' ORDER BY number), '') FROM handled"
             " WHERE product_id = '%s'",
             product_id);
    return postgres_value(self->db, sql);
}

/* S0.7: events that are emitted again, with new ids, are discarded. */
static void what_is_emitted_again_is_discarded(void **state)
{
    (void)state;
    instance self = open_consumer(0);
    for (int round = 0; round < 3; round++)
        for (int version = 1; version <= 5; version++)
            lowered("odyssey", version);
    WAIT_FOR(bus_stats(&self).consumed + bus_stats(&self).past == 15);
    assert_int_equal(bus_stats(&self).consumed, 5);
    assert_string_equal(versions(&self, "odyssey"), "1,2,3,4,5");
    WAIT_FOR(bus_unanswered("stock") == 0);
    bus_close(&self);
}

/* S0.7: also when two instances get them at the same moment. */
static void two_instances_apply_what_is_emitted_twice_once(void **state)
{
    (void)state;
    char id[32];
    for (int version = 1; version <= 4; version++)
        for (int i = 0; i < 100; i++) {
            snprintf(id, sizeof id, "product-%d", i % 50);
            lowered(id, version);
        }
    instance first = open_consumer(0);
    instance second = open_consumer(0);
    WAIT_FOR(bus_stats(&first).consumed + bus_stats(&second).consumed + bus_stats(&first).past +
                 bus_stats(&second).past ==
             400);
    assert_string_equal(
        postgres_value(first.db, "SELECT count(*) || ' ' || count(DISTINCT (product_id, version))"
                                 " FROM handled"),
        "200 200");
    bus_close(&first);
    bus_close(&second);
}

/* S4.9: a gap is sent back for later, and the order is kept. */
static void what_comes_too_early_waits_for_what_is_missing(void **state)
{
    (void)state;
    instance self = open_consumer(0);
    lowered("odyssey", 1);
    lowered("odyssey", 3);
    lowered("odyssey", 4);
    lowered("ilias", 1);
    WAIT_FOR(bus_stats(&self).consumed == 2 && bus_unanswered("stock") == 2);
    assert_string_equal(versions(&self, "odyssey"), "1");
    assert_string_equal(versions(&self, "ilias"), "1"); /* holds up nobody else */
    lowered("odyssey", 2);
    WAIT_FOR(bus_stats(&self).consumed == 5);
    assert_string_equal(versions(&self, "odyssey"), "1,2,3,4");
    assert_int_equal(bus_stats(&self).dead, 0);
    assert_string_equal(postgres_value(self.db, "SELECT count(*) FROM mesh_inbox_attempt"), "0");
    bus_close(&self);
}

/* S4.9: what waits in vain is a dead letter, and neither applied nor lost. */
static void a_gap_that_stays_ends_in_the_dead_letters(void **state)
{
    (void)state;
    instance self = open_consumer(1);
    lowered("odyssey", 1);
    lowered("odyssey", 3);
    WAIT_FOR(bus_stats(&self).dead == 1);
    lowered("odyssey", 2);
    WAIT_FOR(bus_stats(&self).consumed == 2);
    assert_string_equal(versions(&self, "odyssey"), "1,2");
    bus_close(&self);
}

static mesh_code fail_first(void *context, mesh_tx *tx, const mesh_event *meta,
                            const Stock__V1__StockLowered *event, mesh_error *err)
{
    atomic_int *failures = context;
    if (event->version == 1 && atomic_fetch_add(failures, 1) < 3)
        return mesh_error_set(err, MESH_INTERNAL, "not this time");
    return bus_note(NULL, tx, meta, event, err);
}

/* S4.9: also what follows an event that fails waits for it, in each instance. */
static void what_follows_an_event_that_fails_is_not_handled_before_it(void **state)
{
    (void)state;
    atomic_int failures = 0;
    instance_options options = {
        .service = "stock", .url = url, .handler = fail_first, .self = &failures};
    instance first = bus_open(&options);
    instance second = bus_open(&options);
    for (int version = 1; version <= 20; version++)
        bus_add(&publisher, "odyssey", version);
    WAIT_FOR(bus_handled(&first) == 20);
    assert_string_equal(versions(&first, "odyssey"),
                        "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20");
    assert_int_equal(failures, 4);
    bus_close(&first);
    bus_close(&second);
}

static mesh_code note_slowly(void *self, mesh_tx *tx, const mesh_event *meta,
                             const Stock__V1__StockLowered *event, mesh_error *err)
{
    mesh_code code = mesh_tx_query(tx, "SELECT pg_sleep(random() * 0.003)", MESH_SQL_NO_PARAMS,
                                   NULL, NULL, err);
    return code == MESH_OK ? bus_note(self, tx, meta, event, err) : code;
}

/* S4.9, S4.10: order holds between the instances of a service, too. */
static void two_instances_keep_the_order_of_each_aggregate(void **state)
{
    (void)state;
    char id[32];
    instance_options options = {.service = "stock", .url = url, .handler = note_slowly};
    instance first = bus_open(&options);
    instance second = bus_open(&options);
    int added = 0;
    /* Until both had some. */
    while (added < 300 || (added < 3000 &&
                           (bus_stats(&first).consumed == 0 || bus_stats(&second).consumed == 0))) {
        snprintf(id, sizeof id, "product-%d", added % 5);
        bus_add(&publisher, id, added / 5 + 1);
        added++;
    }
    WAIT_FOR(bus_handled(&first) == added);
    assert_string_equal(
        postgres_value(first.db, "SELECT count(*) FROM (SELECT version, lag(version, 1, 0::bigint)"
                                 " OVER (PARTITION BY product_id ORDER BY number) AS before"
                                 " FROM handled) AS h WHERE version <> before + 1"),
        "0");
    bus_close(&first);
    bus_close(&second);
}

/* S4.9: events of the aggregate that nobody handles are no gap. */
static void events_without_a_handler_advance_the_version(void **state)
{
    (void)state;
    instance self = open_consumer(0);
    lowered("odyssey", 1);
    emit("StockRenamed", "odyssey", 2);
    emit("StockRenamed", "odyssey", 3);
    lowered("odyssey", 4);
    WAIT_FOR(bus_stats(&self).consumed == 2);
    assert_int_equal(bus_stats(&self).gaps, 0);
    assert_string_equal(versions(&self, "odyssey"), "1,4");
    bus_close(&self);
}

/* S4.16: a service can say nothing of another's aggregates. */
static void versions_of_others_count_for_nothing(void **state)
{
    (void)state;
    char id[MESH_UUID_TEXT_BYTES], headers[512];
    instance self = open_consumer(0);
    mesh_uuid_v7(id);
    snprintf(headers, sizeof headers,
             "ce-specversion: 1.0\nce-id: %s\nce-type: evil.v1.Evil\nce-source: /stock\n"
             "ce-subject: odyssey\nce-time: 2026-11-21T08:15:30Z\nce-aggregatetype: stock\n"
             "ce-aggregateversion: 1",
             id);
    bus_publish_raw("events.evil.v1.Evil", headers, "", 0);
    lowered("odyssey", 1);
    WAIT_FOR(bus_stats(&self).consumed == 1);
    assert_string_equal(versions(&self, "odyssey"), "1");
    bus_close(&self);
}

/* S4.10: a new service may begin in the middle; what it is given of an aggregate it applies. */
static void a_service_that_begins_in_the_middle_adopts_what_is_there(void **state)
{
    (void)state;
    for (int version = 1; version <= 6; version++)
        lowered("odyssey", version);
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = bus_note, .start_sequence = 4});
    WAIT_FOR(bus_stats(&self).consumed == 3);
    assert_string_equal(versions(&self, "odyssey"), "4,5,6");
    bus_close(&self);
}

static mesh_code ignore(void *self, mesh_tx *tx, const mesh_event *meta,
                        const Order__V1__OrderCreated *event, mesh_error *err)
{
    (void)self;
    (void)tx;
    (void)meta;
    (void)event;
    (void)err;
    return MESH_OK;
}

/* S4.10: a release that handles events of a kind that the service passed over until then. */
static void a_new_handler_adopts_what_was_passed_over(void **state)
{
    (void)state;
    instance self = {.db = NULL};
    const mesh_consumer consumers[] = {order__v1__order_created__consumer(ignore, NULL),
                                       {.event = NULL}};
    assert_int_equal(mesh_db_create(MESH_OPTIONS(mesh_db_options, .url = url), &self.db, NULL),
                     MESH_OK);
    assert_int_equal(
        mesh_events_create(MESH_OPTIONS(mesh_events_options, .url = nats_url(), .service = "stock",
                                        .db = self.db, .consumers = consumers),
                           &self.events, NULL),
        MESH_OK);
    assert_int_equal(mesh_events_start(self.events, NULL), MESH_OK);
    lowered("odyssey", 1);
    lowered("odyssey", 2);
    mesh_consumer_state seen = {.answered = 0};
    mesh_arena *arena = mesh_arena_create(4096, 0);
    WAIT_FOR(mesh_consumer_get_state(self.events, arena, &seen, NULL) == MESH_OK &&
             seen.answered == 2);
    mesh_arena_destroy(arena);
    bus_close(&self);
    self = open_consumer(0);
    lowered("odyssey", 3);
    lowered("odyssey", 4);
    WAIT_FOR(bus_stats(&self).consumed == 2);
    assert_string_equal(versions(&self, "odyssey"), "3,4");
    bus_close(&self);
}

static void a_service_may_begin_at_a_time(void **state)
{
    (void)state;
    lowered("odyssey", 1);
    lowered("ilias", 1);
    /* A second later, and in a part of it whose digits begin with zeros. */
    const int64_t second_ns = 1000000000;
    int64_t next_ns = (mesh_clock_wall_ns() / second_ns + 1) * second_ns;
    WAIT_FOR(mesh_clock_wall_ns() >= next_ns + 1000000);
    int64_t now_ns = mesh_clock_wall_ns();
    lowered("aeneis", 1);
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = bus_note, .start_time_ns = now_ns});
    WAIT_FOR(bus_stats(&self).consumed == 1);
    assert_string_equal(versions(&self, "aeneis"), "1");
    WAIT_FOR(bus_stats(&self).lag == 0);
    assert_int_equal(bus_handled(&self), 1);
    bus_close(&self);
}

static int64_t away_until_ns;

static mesh_code away_first(void *context, mesh_tx *tx, const mesh_event *meta,
                            const Stock__V1__StockLowered *event, mesh_error *err)
{
    (void)context;
    if (event->version == 1 && mesh_clock_monotonic_ns() < away_until_ns)
        return mesh_error_set(err, MESH_UNAVAILABLE, "a peer is away");
    return bus_note(NULL, tx, meta, event, err);
}

/* S4.9, S4.10: where histories are cut, what is tried again is not taken for lost. */
static void an_aggregate_does_not_begin_behind_an_event_that_fails(void **state)
{
    (void)state;
    lowered("ilias", 1);
    away_until_ns = mesh_clock_deadline_ns(4000);
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = away_first, .start_sequence = 2});
    for (int version = 1; version <= 3; version++)
        lowered("odyssey", version);
    WAIT_FOR(bus_stats(&self).consumed + bus_stats(&self).past == 3);
    assert_string_equal(versions(&self, "odyssey"), "1,2,3");
    bus_close(&self);
}

static mesh_code take_400_ms(void *context, mesh_tx *tx, const mesh_event *meta,
                             const Stock__V1__StockLowered *event, mesh_error *err)
{
    mesh_code code = mesh_tx_query(tx, "SELECT pg_sleep(0.4)", MESH_SQL_NO_PARAMS, NULL, NULL, err);
    return code == MESH_OK ? bus_note(context, tx, meta, event, err) : code;
}

/* S4.9, S4.10: nor is what another instance has and did not get to yet. */
static void an_aggregate_does_not_begin_behind_an_event_that_waits_elsewhere(void **state)
{
    (void)state;
    char id[32];
    instance_options options = {.service = "stock",
                                .url = url,
                                .handler = take_400_ms,
                                .start_sequence = 2,
                                .concurrency = 1};
    lowered("ilias", 1);
    instance slow = bus_open(&options);
    for (int i = 0; i < 7; i++) {
        snprintf(id, sizeof id, "product-%d", i);
        lowered(id, 1);
    }
    lowered("odyssey", 1);
    WAIT_FOR(bus_unanswered("stock") >= 7);
    options.handler = bus_note;
    instance other = bus_open(&options);
    lowered("odyssey", 2);
    lowered("odyssey", 3);
    WAIT_FOR(bus_unanswered("stock") == 0);
    assert_string_equal(versions(&slow, "odyssey"), "1,2,3");
    bus_close(&slow);
    bus_close(&other);
}

/* S4.9, S4.10: ... however long that takes. */
static void an_aggregate_does_not_begin_behind_an_event_that_waits_long_elsewhere(void **state)
{
    (void)state;
    char id[32];
    instance_options options = {.service = "stock",
                                .url = url,
                                .handler = bus_note_when_told,
                                .start_sequence = 2,
                                .concurrency = 1,
                                .ack_wait_ms = 4000};
    atomic_store(&bus_may_go_on, false);
    lowered("ilias", 1);
    instance slow = bus_open(&options);
    for (int i = 0; i < 7; i++) { /* as many as it takes */
        snprintf(id, sizeof id, "product-%d", i);
        lowered(id, 1);
    }
    lowered("odyssey", 1);
    WAIT_FOR(bus_unanswered("stock") == 8);
    options.handler = bus_note;
    instance other = bus_open(&options);
    lowered("odyssey", 2);
    /* Twice as long as it takes until an aggregate begins in any case. */
    int64_t late_ns = mesh_clock_deadline_ns(15000);
    WAIT_FOR(bus_stats(&other).consumed > 0 || mesh_clock_monotonic_ns() > late_ns);
    atomic_store(&bus_may_go_on, true);
    WAIT_FOR(bus_unanswered("stock") == 0);
    assert_string_equal(versions(&slow, "odyssey"), "1,2");
    bus_close(&slow);
    bus_close(&other);
}

/* A delivery that somebody has who answers nothing. */
typedef struct taken {
    natsConnection *connection;
    natsMsg *message;
} taken;

static taken take_one(void)
{
    taken self;
    assert_int_equal(natsConnection_ConnectTo(&self.connection, nats_url_of("admin")), NATS_OK);
    assert_int_equal(natsConnection_RequestString(&self.message, self.connection,
                                                  "$JS.API.CONSUMER.MSG.NEXT.EVENTS.stock", "",
                                                  5000),
                     NATS_OK);
    assert_true(natsMsg_GetDataLength(self.message) > 0);
    return self;
}

static void let_go(taken *self)
{
    natsMsg_Destroy(self->message);
    natsConnection_Destroy(self->connection);
}

/* As an instance that dies at once. */
static void take_one_to_the_grave(void)
{
    taken self = take_one();
    let_go(&self);
}

static bool keep(taken *self)
{
    return natsConnection_PublishString(self->connection, natsMsg_GetReply(self->message),
                                        "+WPI") == NATS_OK;
}

/* S4.9, S4.10: and if it did begin there, what was never applied is not dropped in silence. */
static void what_comes_after_its_aggregate_began_behind_it_is_a_dead_letter(void **state)
{
    (void)state;
    mesh_arena *arena = mesh_arena_create(4096, 0);
    mesh_dead_letter *letters;
    size_t count = 0;
    instance_options options = {.service = "stock",
                                .url = url,
                                .handler = bus_note,
                                .start_sequence = 2,
                                .ack_wait_ms = 2000};
    lowered("ilias", 1);
    instance self = bus_open(&options);
    bus_close(&self);
    lowered("odyssey", 1);
    taken first = take_one();
    self = bus_open(&options);
    lowered("odyssey", 2);
    WAIT_FOR(keep(&first) && bus_stats(&self).consumed == 1);
    let_go(&first);
    WAIT_FOR(bus_unanswered("stock") == 0);
    assert_int_equal(bus_stats(&self).dead, 1);
    lowered("odyssey", 1); /* emitted again */
    WAIT_FOR(bus_stats(&self).past == 1);
    assert_string_equal(versions(&self, "odyssey"), "2");
    assert_int_equal(mesh_dead_letters_list(self.events, 0, 10, arena, &letters, &count, NULL),
                     MESH_OK);
    assert_int_equal(count, 1);
    assert_int_equal(letters[0].event.version, 1);
    /* Applied out of its order only by force, and once. */
    mesh_error err = {.code = MESH_OK};
    assert_int_equal(mesh_dead_letter_replay(self.events, letters[0].number, false, &err),
                     MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "only by force"));
    assert_int_equal(mesh_dead_letter_replay(self.events, letters[0].number, true, NULL), MESH_OK);
    lowered("odyssey", 3);
    WAIT_FOR(bus_stats(&self).consumed == 2);
    assert_string_equal(versions(&self, "odyssey"), "2,1,3");
    mesh_arena_destroy(arena);
    bus_close(&self);
}

/* S4.9, S4.10: nor is what an instance had when it died. */
static void an_aggregate_does_not_begin_behind_an_event_that_a_dead_instance_had(void **state)
{
    (void)state;
    instance_options options = {.service = "stock",
                                .url = url,
                                .handler = bus_note,
                                .start_sequence = 2,
                                .ack_wait_ms = 4000};
    lowered("ilias", 1);
    instance self = bus_open(&options);
    bus_close(&self);
    lowered("odyssey", 1);
    take_one_to_the_grave();
    self = bus_open(&options);
    lowered("odyssey", 2);
    lowered("odyssey", 3);
    WAIT_FOR(bus_stats(&self).consumed + bus_stats(&self).past == 3);
    assert_string_equal(versions(&self, "odyssey"), "1,2,3");
    bus_close(&self);
}

/* S4.10: a service begins in the middle of many aggregates at once. */
static void many_aggregates_begin_in_the_middle_together(void **state)
{
    (void)state;
    char id[32];
    lowered("ilias", 1);
    for (int i = 0; i < 500; i++) {
        snprintf(id, sizeof id, "product-%d", i);
        lowered(id, 7);
    }
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = bus_note, .start_sequence = 2});
    WAIT_FOR(bus_stats(&self).consumed == 500);
    assert_int_equal(bus_stats(&self).dead, 0);
    bus_close(&self);
}

/* S4.9: waiting for others is no attempt. */
static void an_aggregate_begins_in_the_middle_with_a_single_attempt(void **state)
{
    (void)state;
    for (int version = 1; version <= 6; version++)
        lowered("odyssey", version);
    instance self = bus_open(&(instance_options){.service = "stock",
                                                 .url = url,
                                                 .handler = bus_note,
                                                 .start_sequence = 4,
                                                 .max_deliver = 1});
    WAIT_FOR(bus_stats(&self).consumed + bus_stats(&self).dead == 3);
    assert_string_equal(versions(&self, "odyssey"), "4,5,6");
    assert_string_equal(postgres_value(self.db, "SELECT count(*) FROM mesh_inbox_attempt"), "0");
    bus_close(&self);
}

/* S4.9: what follows the lowest version that was seen waits for that one, and not without end. */
static void what_follows_the_lowest_version_waits_for_it(void **state)
{
    (void)state;
    lowered("ilias", 1);
    instance self = bus_open(&(instance_options){.service = "stock",
                                                 .url = url,
                                                 .handler = bus_note,
                                                 .start_sequence = 2,
                                                 .gap_wait_ms = 8000});
    postgres_value(self.db, "INSERT INTO mesh_inbox_version (consumer, aggregate_type,"
                            " aggregate_id, version, begins) VALUES"
                            " ('stock', 'stock', 'odyssey', 0, 5)");
    int64_t begin_ns = mesh_clock_monotonic_ns();
    lowered("odyssey", 6);
    WAIT_FOR(bus_stats(&self).dead == 1);
    assert_true(mesh_clock_monotonic_ns() >= mesh_clock_add_ms(begin_ns, 8000));
    bus_close(&self);
}

/* S4.9: what waits for an event that is tried again does not wait in vain. */
static void what_follows_waits_as_long_as_the_one_before_is_tried(void **state)
{
    (void)state;
    away_until_ns = mesh_clock_deadline_ns(5000);
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = away_first, .gap_wait_ms = 1000});
    for (int version = 1; version <= 3; version++)
        lowered("odyssey", version);
    WAIT_FOR(bus_stats(&self).consumed + bus_stats(&self).dead == 3);
    assert_string_equal(versions(&self, "odyssey"), "1,2,3");
    bus_close(&self);
}

/* S4.9: a version that none can follow is malformed. */
static void the_greatest_number_is_no_version(void **state)
{
    (void)state;
    instance self = bus_open(
        &(instance_options){.service = "stock", .url = url, .handler = bus_note, .max_deliver = 1});
    lowered("odyssey", 1);
    emit("StockLowered", "odyssey", INT64_MAX);
    lowered("odyssey", 2);
    WAIT_FOR(bus_stats(&self).dead == 1 && bus_stats(&self).consumed == 2);
    assert_string_equal(versions(&self, "odyssey"), "1,2");
    bus_close(&self);
}

/* S4.9: while there is no database nothing can come, so nothing waits in vain. */
static void a_gap_does_not_age_while_the_database_is_away(void **state)
{
    (void)state;
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = bus_note, .gap_wait_ms = 4000});
    lowered("odyssey", 1);
    lowered("odyssey", 3);
    WAIT_FOR(bus_stats(&self).consumed == 1 && bus_unanswered("stock") == 1);
    int64_t back_ns = mesh_clock_deadline_ns(5000);
    postgres_stop();
    WAIT_FOR(mesh_clock_monotonic_ns() > back_ns);
    postgres_restart();
    WAIT_FOR(bus_handled(&self) == 1); /* it is back */
    int64_t late_ns = mesh_clock_deadline_ns(1500);
    WAIT_FOR(bus_stats(&self).dead > 0 || mesh_clock_monotonic_ns() > late_ns);
    lowered("odyssey", 2);
    WAIT_FOR(bus_stats(&self).consumed + bus_stats(&self).dead == 3);
    assert_string_equal(versions(&self, "odyssey"), "1,2,3");
    bus_close(&self);
}

/* S4.9: nor while the broker says nothing. */
static void a_gap_does_not_age_while_the_broker_is_silent(void **state)
{
    (void)state;
    mesh_arena *arena = mesh_arena_create(4096, 0);
    mesh_dead_letter *letters;
    size_t count = 1;
    instance self = open_consumer(4000);
    lowered("odyssey", 1);
    lowered("odyssey", 3);
    WAIT_FOR(bus_stats(&self).consumed == 1 && bus_unanswered("stock") == 1);
    nats_freeze();
    int64_t back_ns = mesh_clock_deadline_ns(7000);
    WAIT_FOR(mesh_clock_monotonic_ns() > back_ns);
    nats_thaw();
    WAIT_FOR(mesh_events_ready(self.events, NULL) == MESH_OK);
    lowered("odyssey", 2);
    WAIT_FOR(bus_stats(&self).consumed + bus_stats(&self).dead == 3);
    assert_string_equal(versions(&self, "odyssey"), "1,2,3");
    assert_int_equal(mesh_dead_letters_list(self.events, 0, 10, arena, &letters, &count, NULL),
                     MESH_OK);
    assert_int_equal(count, 0);
    mesh_arena_destroy(arena);
    bus_close(&self);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, publisher_begin, publisher_end)
    const struct CMUnitTest tests[] = {
        CASE(what_is_emitted_again_is_discarded),
        CASE(two_instances_apply_what_is_emitted_twice_once),
        CASE(what_comes_too_early_waits_for_what_is_missing),
        CASE(a_gap_that_stays_ends_in_the_dead_letters),
        CASE(what_follows_an_event_that_fails_is_not_handled_before_it),
        CASE(two_instances_keep_the_order_of_each_aggregate),
        CASE(events_without_a_handler_advance_the_version),
        CASE(versions_of_others_count_for_nothing),
        CASE(a_service_that_begins_in_the_middle_adopts_what_is_there),
        CASE(a_new_handler_adopts_what_was_passed_over),
        CASE(a_service_may_begin_at_a_time),
        CASE(an_aggregate_does_not_begin_behind_an_event_that_fails),
        CASE(an_aggregate_does_not_begin_behind_an_event_that_waits_elsewhere),
        CASE(an_aggregate_does_not_begin_behind_an_event_that_waits_long_elsewhere),
        CASE(an_aggregate_does_not_begin_behind_an_event_that_a_dead_instance_had),
        CASE(what_comes_after_its_aggregate_began_behind_it_is_a_dead_letter),
        CASE(many_aggregates_begin_in_the_middle_together),
        CASE(an_aggregate_begins_in_the_middle_with_a_single_attempt),
        CASE(what_follows_the_lowest_version_waits_for_it),
        CASE(what_follows_waits_as_long_as_the_one_before_is_tried),
        CASE(the_greatest_number_is_no_version),
        CASE(a_gap_does_not_age_while_the_database_is_away),
        CASE(a_gap_does_not_age_while_the_broker_is_silent),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
