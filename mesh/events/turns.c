#include "mesh/events/turns.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/base/uuid.h"

enum {
    SAY_PERIOD_MS = 500, /* of who waits */
    WAITS_MS = 2000,     /* so long that holds for others */
    LISTEN_MS = 1000,
    PENDING = 1024, /* messages; more are lost */
    PENDING_BYTES = 4 * 1024 * 1024,
    NUMBER_BYTES = 8,
    TURN_BYTES = 2 * NUMBER_BYTES,
    MESSAGE_BYTES = NUMBER_BYTES + MESH_TURNS_MAX * TURN_BYTES,
    SUBJECT_BYTES = MESH_EVENTS_SERVICE_MAX + 32
};

void mesh_turns_init(mesh_turns *self, const char *service, pthread_mutex_t *mu,
                     mesh_turns_fn *on_turn, void *context)
{
    *self = (mesh_turns){.service = service, .mu = mu, .on_turn = on_turn, .context = context};
    mesh_random_bytes(&self->self, sizeof self->self);
}

static void write_subject(const mesh_turns *self, char subject[SUBJECT_BYTES])
{
    snprintf(subject, SUBJECT_BYTES, MESH_EVENTS_INBOX "%s.turns", self->service);
}

/* ---- messages ---- */

static void write_number(char *at, uint64_t number)
{
    number = htole64(number);
    memcpy(at, &number, sizeof number);
}

static uint64_t read_number(const char *at)
{
    uint64_t number;
    memcpy(&number, at, sizeof number);
    return le64toh(number);
}

static void publish(const mesh_turns *self, natsConnection *connection, const mesh_turn *handled,
                    size_t count)
{
    char subject[SUBJECT_BYTES], message[MESSAGE_BYTES];
    char *end = message + NUMBER_BYTES;
    write_number(message, self->self);
    for (size_t i = 0; i < count; i++, end += TURN_BYTES) {
        write_number(end, handled[i].hash);
        write_number(end + NUMBER_BYTES, (uint64_t)handled[i].version);
    }
    write_subject(self, subject);
    (void)mesh_broker_written(
        connection, natsConnection_Publish(connection, subject, message, (int)(end - message)));
}

/* In the place that it had, or of one that waits no more. */
static void note_other(mesh_turns *self, uint64_t id)
{
    size_t place = 0;
    for (size_t i = 0; i < MESH_TURNS_OTHERS; i++) {
        if (self->others[i].id == id || self->others[i].until_ns < self->others[place].until_ns)
            place = i;
        if (self->others[i].id == id)
            break;
    }
    self->others[place].id = id;
    self->others[place].until_ns = mesh_clock_deadline_ns(WAITS_MS);
}

/* What is no version is passed over, and so is what none of us wrote. */
static void read_message(mesh_turns *self, const char *message, size_t size)
{
    if (size < NUMBER_BYTES || size > MESSAGE_BYTES || size % TURN_BYTES != NUMBER_BYTES ||
        read_number(message) == self->self)
        return;
    if (size == NUMBER_BYTES)
        note_other(self, read_number(message));
    for (size_t at = NUMBER_BYTES; at < size; at += TURN_BYTES) {
        mesh_turn turn = {read_number(message + at),
                          (int64_t)read_number(message + at + NUMBER_BYTES)};
        if (turn.version > 0 && turn.version < INT64_MAX)
            self->on_turn(self->context, &turn);
    }
}

/* ---- what is heard ---- */

static void *listen(void *context)
{
    mesh_turns *self = context;
    natsMsg *message;
    do {
        message = NULL;
        if (natsSubscription_NextMsg(&message, self->subscription, LISTEN_MS) != NATS_OK)
            continue;
        pthread_mutex_lock(self->mu);
        read_message(self, natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message));
        pthread_mutex_unlock(self->mu);
        natsMsg_Destroy(message);
    } while (natsSubscription_IsValid(self->subscription));
    return NULL;
}

void mesh_turns_begin(mesh_turns *self, natsConnection *connection)
{
    char subject[SUBJECT_BYTES];
    write_subject(self, subject);
    natsStatus status = natsConnection_SubscribeSync(&self->subscription, connection, subject);
    if (status == NATS_OK)
        status = natsSubscription_SetPendingLimits(self->subscription, PENDING, PENDING_BYTES);
    if (status == NATS_OK && pthread_create(&self->listener, NULL, listen, self) == 0)
        return;
    natsSubscription_Destroy(self->subscription);
    self->subscription = NULL;
    mesh_log(MESH_LOG_WARN,
             "cannot hear what other instances have handled: events of aggregates "
             "that several have at a time take longer",
             MESH_LOG_S("cause", status == NATS_OK ? "no thread" : natsStatus_GetText(status)));
}

void mesh_turns_end(mesh_turns *self)
{
    if (self->subscription == NULL)
        return;
    (void)natsSubscription_Unsubscribe(self->subscription); /* unless its connection is lost */
    pthread_join(self->listener, NULL);
    natsSubscription_Destroy(self->subscription);
    self->subscription = NULL;
}

/* ---- what is said ---- */

size_t mesh_turns_others(const mesh_turns *self)
{
    int64_t now_ns = mesh_clock_monotonic_ns();
    size_t count = 0;
    for (size_t i = 0; i < MESH_TURNS_OTHERS; i++)
        count += now_ns < self->others[i].until_ns;
    return count;
}

void mesh_turns_tell(const mesh_turns *self, natsConnection *connection, const mesh_turn *handled,
                     size_t count)
{
    publish(self, connection, handled, count);
}

void mesh_turns_wait(mesh_turns *self, natsConnection *connection)
{
    int64_t now_ns = mesh_clock_monotonic_ns();
    if (now_ns < self->say_ns)
        return;
    self->say_ns = mesh_clock_add_ms(now_ns, SAY_PERIOD_MS);
    publish(self, connection, NULL, 0);
}
