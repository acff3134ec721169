/*
 * The same without guarantees: rows and then events that are published without an outbox; events
 * taken in batches and noted without an inbox. And what the client library does with the same
 * server alone.
 *
 *   event_plain sell    DATABASE NATS COUNT BATCH RATE SELLERS
 *   event_plain note    DATABASE NATS COUNT
 *   event_plain publish NATS COUNT
 *   event_plain fetch   NATS COUNT
 */
#include <inttypes.h>
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "tests/bench/event_load.h"

#define STREAM "EVENTS"
#define SUBJECT "events.bench.v1.Sold"

enum {
    CONNECTIONS = 24,
    PENDING_MAX = 1000,
    FETCH = 500,
    FETCH_WAIT_MS = 1000,
    ADD_TRIES = 100,
    ANSWERS_LIMIT_MS = 600000
};

typedef struct bus {
    natsConnection *connection;
    jsCtx *js;
} bus;

static void expect(const char *what, natsStatus status)
{
    if (status == NATS_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
    exit(1);
}

/* The server refuses one of two processes that add it at the same moment. */
static void add_stream(jsCtx *js, jsStreamConfig *stream)
{
    jsErrCode reason = 0;
    natsStatus status = NATS_ERR;
    for (int i = 0; status != NATS_OK && reason != JSStreamNameExistErr; i++) {
        status = js_AddStream(NULL, js, stream, NULL, &reason);
        if (i == ADD_TRIES)
            expect("stream", status);
    }
}

static bus connect_bus(const char *url)
{
    bus self = {NULL, NULL};
    jsOptions options;
    jsStreamConfig stream;
    const char *subjects = "events.>";
    expect("options", jsOptions_Init(&options));
    options.PublishAsync.MaxPending = PENDING_MAX;
    expect("connect", natsConnection_ConnectTo(&self.connection, url));
    expect("context", natsConnection_JetStream(&self.js, self.connection, &options));
    expect("stream", jsStreamConfig_Init(&stream));
    stream.Name = STREAM;
    stream.Subjects = &subjects;
    stream.SubjectsLen = 1;
    add_stream(self.js, &stream);
    return self;
}

/* Waits for the answers to all that was published. */
static void await_answers(const bus *bus)
{
    jsPubOptions options;
    expect("options", jsPubOptions_Init(&options));
    options.MaxWait = ANSWERS_LIMIT_MS;
    expect("answers", js_PublishAsyncComplete(bus->js, &options));
}

static void close_bus(bus *bus)
{
    jsCtx_Destroy(bus->js);
    natsConnection_Destroy(bus->connection);
}

static mesh_code publish(void *self, const Bench__V1__Sold *sold, int64_t count)
{
    const bus *bus = self;
    uint8_t data[1024];
    for (int64_t i = 0; i < count; i++) {
        size_t size = bench__v1__sold__pack(&sold[i], data);
        expect("publish", js_PublishAsync(bus->js, SUBJECT, data, (int)size, NULL));
    }
    return MESH_OK;
}

static int sell(mesh_db *db, const char *url, const event_load *load)
{
    bus bus = connect_bus(url);
    sell_all(&(seller){.load = load, .db = db, .committed = publish, .self = &bus});
    await_answers(&bus);
    close_bus(&bus);
    mesh_db_destroy(db);
    return 0;
}

static natsSubscription *subscribe(const bus *bus)
{
    natsSubscription *subscription = NULL;
    jsSubOptions options;
    expect("options", jsSubOptions_Init(&options));
    options.Stream = STREAM;
    options.Config.Durable = "plain";
    options.Config.AckPolicy = js_AckExplicit;
    options.Config.MaxAckPending = 10 * FETCH;
    expect("subscribe",
           js_PullSubscribe(&subscription, bus->js, SUBJECT, "plain", NULL, &options, NULL));
    return subscription;
}

/* What is there, FETCH at most; none after a second. */
static natsMsgList fetch_some(natsSubscription *subscription)
{
    natsMsgList list = {NULL, 0};
    natsStatus status = natsSubscription_Fetch(&list, subscription, FETCH, FETCH_WAIT_MS, NULL);
    if (status != NATS_TIMEOUT)
        expect("fetch", status);
    return list;
}

static void acknowledge(natsMsgList *list)
{
    for (int i = 0; i < list->Count; i++)
        expect("acknowledge", natsMsg_Ack(list->Msgs[i], NULL));
    natsMsgList_Destroy(list);
}

static void note_batch(mesh_db *db, natsMsgList *list)
{
    static const char *ids[FETCH], *notes[FETCH];
    static int64_t versions[FETCH], committed_ns[FETCH];
    mesh_error err = {0};
    mesh_tx *tx = NULL;
    Bench__V1__Sold *sold[FETCH];
    size_t count = (size_t)list->Count;
    for (size_t i = 0; i < count; i++) {
        sold[i] = bench__v1__sold__unpack(NULL, (size_t)natsMsg_GetDataLength(list->Msgs[i]),
                                          (const uint8_t *)natsMsg_GetData(list->Msgs[i]));
        if (sold[i] == NULL)
            abort();
        ids[i] = sold[i]->item_id;
        versions[i] = sold[i]->version;
        notes[i] = sold[i]->note;
        committed_ns[i] = sold[i]->committed_ns;
    }
    must("begin", mesh_tx_begin(db, NULL, &tx, &err), &err);
    must("rows", note_rows(tx, ids, versions, notes, count, &err), &err);
    must("commit", mesh_tx_commit(tx, &err), &err);
    for (size_t i = 0; i < count; i++) {
        handled_one(committed_ns[i]);
        bench__v1__sold__free_unpacked(sold[i], NULL);
    }
}

static int note(mesh_db *db, const char *url, int64_t count)
{
    bus bus = connect_bus(url);
    natsSubscription *subscription = subscribe(&bus);
    for (int64_t noted = 0; noted < count;) {
        natsMsgList list = fetch_some(subscription);
        if (list.Count == 0)
            continue;
        noted += list.Count;
        note_batch(db, &list);
        acknowledge(&list);
    }
    bool well = wait_until_handled(count);
    natsSubscription_Destroy(subscription);
    close_bus(&bus);
    mesh_db_destroy(db);
    return well ? 0 : 1;
}

static int print_rate(int64_t start_ns, int64_t count)
{
    double seconds = (double)(mesh_clock_monotonic_ns() - start_ns) / 1e9;
    printf("{\"per_s\": %.0f}\n", (double)count / seconds);
    return 0;
}

static int publish_alone(const char *url, int64_t count)
{
    bus bus = connect_bus(url);
    const uint8_t data[256] = {0};
    int64_t start_ns = mesh_clock_monotonic_ns();
    for (int64_t i = 0; i < count; i++)
        expect("publish", js_PublishAsync(bus.js, SUBJECT, data, sizeof data, NULL));
    await_answers(&bus);
    print_rate(start_ns, count);
    close_bus(&bus);
    return 0;
}

static int fetch_alone(const char *url, int64_t count)
{
    bus bus = connect_bus(url);
    natsSubscription *subscription = subscribe(&bus);
    int64_t start_ns = mesh_clock_monotonic_ns();
    for (int64_t fetched = 0; fetched < count;) {
        natsMsgList list = fetch_some(subscription);
        fetched += list.Count;
        acknowledge(&list);
    }
    print_rate(start_ns, count);
    natsSubscription_Destroy(subscription);
    close_bus(&bus);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "publish") == 0 && argc == 4)
        return publish_alone(argv[2], atol(argv[3]));
    if (strcmp(what, "fetch") == 0 && argc == 4)
        return fetch_alone(argv[2], atol(argv[3]));
    if (strcmp(what, "note") == 0 && argc == 5)
        return note(open_pool(argv[2], CONNECTIONS), argv[3], atol(argv[4]));
    if (strcmp(what, "sell") == 0 && argc == 8) {
        const event_load load = {atol(argv[4]), atol(argv[5]), atol(argv[6]), atol(argv[7])};
        return sell(open_pool(argv[2], CONNECTIONS), argv[3], &load);
    }
    return 2;
}
