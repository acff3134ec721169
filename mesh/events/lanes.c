#include "mesh/events/lanes.h"

#include <stdint.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/events/envelope.h"
#include "mesh/events/pull.h"

enum {
    WAITING_MIN = 8, /* fetched ahead of the handlers of a lane: so many, or two transactions' */
    /* No more are fetched when those that wait for handlers, or have one, are larger than that. */
    WAITING_BYTES = 8 * 1024 * 1024,
    HELD_BYTES = 16 * 1024 * 1024, /* of those that come too early */
    GAPS_PER_SECOND = 2000,        /* sent back by an instance, about */
    GAP_PAUSE_MAX_MS = 16000,
    BATCH_BYTES = 256 * 1024, /* in a transaction, about */
    /* A transaction that takes longer has fewer events next time, so that none is held up long by
     * others; one that takes less than half of it may have twice as many. */
    BATCH_TIME_MS = 50,
    /* Whether others handled what the held ones wait for, in case that they did not say so; doubles
     * in vain. */
    LOOK_FIRST_MS = 5,
    LOOK_LAST_MS = 500,
    CAPACITY_MAX = MESH_EVENTS_MAX_UNANSWERED / 4, /* what is left is for others while one hangs */
    /* Of all instances that wait for each other. Once nothing more may be unanswered all of them
     * have requests waiting, and then the broker deals out what it may give one by one: each event
     * of an aggregate waits for another instance than the one before it. */
    CAPACITY_OF_ALL = MESH_EVENTS_MAX_UNANSWERED / 2,
    LONG_HELD_MS = 5000, /* without progress of its aggregate; it takes nobody's place then */
    LATE_PAUSE_MS = 500  /* of an event whose lane is stuck, until another instance may have it */
};

/* Slow handlers leave to other instances what they would not get to soon. */
static size_t handlers_capacity(const mesh_consumption *self)
{
    size_t capacity = 0;
    for (size_t i = 0; i < self->settings.lanes; i++) {
        size_t two = 2 * self->lanes[i].limit;
        capacity += two > WAITING_MIN ? two : WAITING_MIN;
    }
    return capacity < CAPACITY_MAX ? capacity : CAPACITY_MAX;
}

/* Of those that wait for each other; alone an instance may have all. */
static size_t share(const mesh_consumption *self)
{
    size_t others = mesh_turns_others(&self->turns);
    return others > 0 ? CAPACITY_OF_ALL / (others + 1) : SIZE_MAX;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t left(size_t capacity, size_t taken)
{
    return taken < capacity ? capacity - taken : 0;
}

size_t mesh_lanes_capacity(const mesh_consumption *self)
{
    return smaller(handlers_capacity(self), share(self));
}

/* What is held may wait for an event that has to be fetched: it is in no handler's way, and in the
 * instance's share only for some time. */
size_t mesh_lanes_room(const mesh_consumption *self)
{
    if (self->bytes - self->held_bytes > WAITING_BYTES)
        return 0;
    return smaller(left(handlers_capacity(self), self->in_flight - self->held),
                   left(share(self), self->in_flight - smaller(self->long_held, self->held)));
}

/* ---- the queue of a lane ---- */

static mesh_delivery *pop(mesh_lane *self)
{
    mesh_delivery *delivery = self->first;
    self->first = delivery->next;
    if (self->first == NULL)
        self->last = &self->first;
    return delivery;
}

static void put_first(mesh_lane *self, mesh_delivery *delivery)
{
    delivery->next = self->first;
    if (self->first == NULL)
        self->last = &delivery->next;
    self->first = delivery;
}

/* ---- those that come too early ---- */

static bool has_room_to_hold(const mesh_lane *self)
{
    return self->owner->held < MESH_EVENTS_MAX_UNANSWERED && self->owner->held_bytes < HELD_BYTES;
}

/* Those of an aggregate come first in the queue, in the order of their versions. */
static void release_held(mesh_lane *self, const mesh_delivery *of)
{
    mesh_delivery *released = mesh_held_take_all(&self->held, of);
    mesh_delivery **last = &released;
    while (*last != NULL)
        last = &(*last)->next;
    *last = self->first;
    if (self->first == NULL)
        self->last = last;
    self->first = released;
}

static bool is_late(const mesh_lane *self)
{
    int64_t cap_ms = self->owner->settings.delivery.handler_timeout_ms;
    return self->running > 0 &&
           mesh_clock_monotonic_ns() > mesh_clock_add_ms(self->began_ns, cap_ms);
}

static void end(mesh_consumption *self, mesh_delivery *delivery)
{
    natsMsg_Destroy(delivery->message);
    self->bytes -= delivery->bytes;
    self->in_flight--;
    mesh_free(delivery);
}

static void send_back(mesh_consumption *self, mesh_delivery *delivery, int64_t pause_ms)
{
    mesh_pull_nak(delivery->connection, delivery->message, pause_ms);
    end(self, delivery);
}

static void give_back(mesh_lane *self, int64_t pause_ms)
{
    for (mesh_delivery *held; (held = mesh_held_pop(&self->held)) != NULL;)
        send_back(self->owner, held, pause_ms);
    while (self->first != NULL)
        send_back(self->owner, pop(self), pause_ms);
}

static mesh_lane *lane_of(const mesh_consumption *self, uint64_t hash)
{
    return &self->lanes[(hash >> 32) % self->settings.lanes];
}

void mesh_lanes_put(mesh_consumption *self, mesh_delivery *delivery)
{
    mesh_lane *lane = lane_of(self, delivery->aggregate.hash);
    delivery->next = NULL;
    *lane->last = delivery;
    lane->last = &delivery->next;
    self->in_flight++;
    self->bytes += delivery->bytes;
    if (is_late(lane))
        give_back(lane, LATE_PAUSE_MS);
    else
        pthread_cond_signal(&lane->work);
}

/* ---- what other instances handle ---- */

static mesh_turn *turn_of(mesh_lane *self, uint64_t hash)
{
    return &self->turns[hash % MESH_LANE_TURNS];
}

/* What waits for it goes on. It is kept for one of which it is just being found that it waits. */
static void on_turn(void *context, const mesh_turn *turn)
{
    mesh_lane *lane = lane_of(context, turn->hash);
    const mesh_delivery *held = mesh_held_find(&lane->held, turn->hash, turn->version + 1);
    if (held == NULL)
        *turn_of(lane, turn->hash) = *turn;
    for (; held != NULL; held = mesh_held_find(&lane->held, turn->hash, turn->version + 1))
        release_held(lane, held);
    pthread_cond_signal(&lane->work);
}

/* Whether it was said meanwhile that it is in turn: once, since that may not be true. */
static bool is_in_turn(mesh_lane *self, const mesh_delivery *delivery)
{
    mesh_turn *turn = turn_of(self, delivery->aggregate.hash);
    if (turn->hash != delivery->aggregate.hash || turn->version != delivery->version - 1)
        return false;
    turn->hash = 0;
    return true;
}

/* Whether handlers may begin with what waits. */
static bool is_active(const mesh_consumption *self)
{
    return !self->away && !self->paused && !self->stopping;
}

static bool has_to_look(const mesh_lane *self)
{
    return self->held.count > 0 && is_active(self->owner) &&
           mesh_clock_monotonic_ns() >= self->look_ns;
}

static void wait_work(mesh_lane *self)
{
    mesh_consumption *owner = self->owner;
    while (!owner->ending && (self->first == NULL || !is_active(owner)) && !has_to_look(self))
        mesh_cond_wait_until(&self->work, &owner->mu,
                             self->held.count > 0 && is_active(owner) ? self->look_ns
                                                                      : MESH_NO_DEADLINE);
}

/* The pause of the next gap that is sent back: the longer, the more of them go round, so that they
 * do not take all the time of the broker and of the lanes. */
static int64_t gap_pause_ms(mesh_consumption *self)
{
    int64_t now_ns = mesh_clock_monotonic_ns();
    if (now_ns >= self->gap_second_ns) {
        int64_t pause_ms = self->gap_pause_ms;
        if (self->gap_count > GAPS_PER_SECOND && pause_ms < GAP_PAUSE_MAX_MS)
            pause_ms *= 2;
        else if (self->gap_count < GAPS_PER_SECOND / 4 && pause_ms > MESH_DELIVERY_GAP_PAUSE_MS)
            pause_ms /= 2;
        self->gap_pause_ms = pause_ms;
        self->gap_second_ns = mesh_clock_add_ms(now_ns, 1000);
        self->gap_count = 0;
    }
    self->gap_count++;
    return self->gap_pause_ms;
}

/* Without a question to the database. */
static void put_off(mesh_lane *self, mesh_delivery *delivery)
{
    if (has_room_to_hold(self)) {
        if (delivery->gap_ns == 0)
            delivery->gap_ns = mesh_clock_monotonic_ns();
        mesh_held_keep(&self->held, delivery);
        return;
    }
    self->owner->results[MESH_DELIVERY_GAP]++;
    send_back(self->owner, delivery, gap_pause_ms(self->owner));
}

static void fill(mesh_lane *self)
{
    size_t bytes = 0;
    while (self->first != NULL && self->running < self->limit && bytes < BATCH_BYTES) {
        if (self->running > 0 && (self->batch[0]->alone || self->first->alone))
            break;
        mesh_delivery *delivery = pop(self);
        if (mesh_held_has_earlier(&self->held, delivery)) {
            put_off(self, delivery);
            continue;
        }
        bytes += delivery->bytes;
        self->batch[self->running++] = delivery;
    }
}

/* By the time for which what they wait for could have come. */
static void correct_gaps(mesh_lane *self)
{
    for (size_t i = 0; i < self->running; i++)
        if (self->batch[i]->gap_ns != 0 && self->batch[i]->gap_ns < self->owner->gaps_ns)
            self->batch[i]->gap_ns = self->owner->gaps_ns;
}

/* Takes what is to be looked at, or handled in one transaction; 0: the lane ends. */
static size_t take(mesh_lane *self, bool *looks)
{
    mesh_consumption *owner = self->owner;
    pthread_mutex_lock(&owner->mu);
    while (self->running == 0) {
        wait_work(self);
        self->looking = has_to_look(self);
        if (self->looking)
            self->running = mesh_held_take_lowest(&self->held, self->batch, MESH_DELIVERY_BATCH);
        else if (self->first != NULL)
            fill(self);
        else
            break;
    }
    correct_gaps(self);
    self->began_ns = mesh_clock_monotonic_ns();
    size_t count = self->running;
    *looks = self->looking;
    pthread_mutex_unlock(&owner->mu);
    return count;
}

/* ---- what becomes of deliveries ---- */

static void answer(mesh_delivery *delivery)
{
    switch (delivery->result) {
    case MESH_DELIVERY_DEAD:
        mesh_pull_term(delivery->connection, delivery->message);
        break;
    case MESH_DELIVERY_GAP:
    case MESH_DELIVERY_FAILED:
    case MESH_DELIVERY_AWAY:
        mesh_pull_nak(delivery->connection, delivery->message, delivery->pause_ms);
        break;
    default:
        mesh_pull_ack(delivery->connection, delivery->message);
    }
    natsMsg_Destroy(delivery->message);
}

/* Keeps what waits for others as far as there is room. How many are left. */
static size_t hold(mesh_lane *self, mesh_delivery **batch, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        mesh_delivery *delivery = batch[i];
        if (delivery->result == MESH_DELIVERY_HELD && is_in_turn(self, delivery)) {
            put_first(self, delivery);
            continue;
        }
        if (delivery->result == MESH_DELIVERY_HELD && has_room_to_hold(self)) {
            if (self->held.count == 0) {
                self->look_ms = LOOK_FIRST_MS;
                self->look_ns = mesh_clock_deadline_ns(self->look_ms);
            }
            mesh_held_keep(&self->held, delivery);
            continue;
        }
        if (delivery->result == MESH_DELIVERY_HELD) {
            delivery->result = MESH_DELIVERY_GAP;
            delivery->pause_ms = gap_pause_ms(self->owner);
        }
        batch[left++] = delivery;
    }
    return left;
}

static bool got_done(const mesh_delivery *delivery)
{
    return delivery->result == MESH_DELIVERY_HANDLED || delivery->result == MESH_DELIVERY_PASSED ||
           delivery->result == MESH_DELIVERY_DUPLICATE || delivery->result == MESH_DELIVERY_PAST;
}

/* As many as a short transaction holds. */
static void adapt(mesh_lane *self)
{
    const int64_t time_ns = (int64_t)BATCH_TIME_MS * 1000000;
    int64_t took_ns = mesh_clock_monotonic_ns() - self->began_ns;
    if (took_ns > time_ns)
        self->limit = self->limit > 1 ? self->limit / 2 : 1;
    else if (took_ns < time_ns / 2 && self->limit < MESH_DELIVERY_BATCH)
        self->limit *= 2;
}

/* Others may have, or get, what is waited for. */
static void say_held(mesh_lane *self)
{
    const mesh_delivery *any = mesh_held_any(&self->held);
    if (any != NULL)
        mesh_turns_wait(&self->owner->turns, any->connection);
}

/* Of an aggregate the last version; how many there are then. */
static size_t add_turn(mesh_turn *turns, size_t count, const mesh_delivery *delivery)
{
    size_t i = 0;
    while (i < count && turns[i].hash != delivery->aggregate.hash)
        i++;
    turns[i] = (mesh_turn){delivery->aggregate.hash, delivery->version};
    return i == count ? count + 1 : count;
}

/* Says which versions were handled, if others wait for them. */
static void tell(mesh_lane *self, mesh_delivery *const *batch, size_t count)
{
    mesh_turn turns[MESH_DELIVERY_BATCH];
    size_t told = 0;
    for (size_t i = 0; i < count; i++)
        if (got_done(batch[i]) && batch[i]->version > 0)
            told = add_turn(turns, told, batch[i]);
    if (told > 0)
        mesh_turns_tell(&self->owner->turns, batch[0]->connection, turns, told);
}

static void finish(mesh_lane *self, mesh_delivery **batch, size_t count)
{
    mesh_consumption *owner = self->owner;
    pthread_mutex_lock(&owner->mu);
    bool wanted = mesh_turns_others(&owner->turns) > 0;
    adapt(self);
    self->running = 0; /* from here on nobody else has them */
    count = hold(self, batch, count);
    for (size_t i = 0; i < count; i++)
        if (got_done(batch[i]) && mesh_held_has_next(&self->held, batch[i]))
            release_held(self, batch[i]);
    say_held(self);
    pthread_mutex_unlock(&owner->mu);
    if (wanted)
        tell(self, batch, count);
    for (size_t i = 0; i < count; i++)
        answer(batch[i]);
    pthread_mutex_lock(&owner->mu);
    for (size_t i = 0; i < count; i++) {
        owner->results[batch[i]->result]++;
        owner->redelivered += batch[i]->number > 1;
        if (batch[i]->result == MESH_DELIVERY_AWAY)
            owner->away = true;
        owner->bytes -= batch[i]->bytes;
        mesh_free(batch[i]);
    }
    owner->in_flight -= count;
    if (count > 0)
        owner->progress_ns = mesh_clock_monotonic_ns();
    pthread_cond_broadcast(&owner->changed);
    pthread_mutex_unlock(&owner->mu);
}

/* Those that still wait are held on; the others come first in the queue, with what follows them. */
static void look(mesh_lane *self, mesh_delivery **batch, size_t count)
{
    bool in_vain = true;
    mesh_delivery_look(&self->owner->settings.delivery, batch, count, self->arena);
    pthread_mutex_lock(&self->owner->mu);
    self->running = 0;
    for (size_t i = 0; i < count; i++) {
        bool waits = batch[i]->result == MESH_DELIVERY_HELD && !is_in_turn(self, batch[i]);
        mesh_held_keep(&self->held, batch[i]);
        if (waits)
            continue;
        in_vain = false;
        release_held(self, batch[i]);
    }
    self->look_ms = !in_vain                           ? LOOK_FIRST_MS
                    : self->look_ms * 2 < LOOK_LAST_MS ? self->look_ms * 2
                                                       : LOOK_LAST_MS;
    self->look_ns = mesh_clock_deadline_ns(self->look_ms);
    say_held(self);
    pthread_cond_broadcast(&self->owner->changed); /* for who drains */
    pthread_mutex_unlock(&self->owner->mu);
}

/* One of them cannot be handled: each is handled alone, in the same order. */
static void separate(mesh_lane *self, mesh_delivery **batch, size_t count)
{
    pthread_mutex_lock(&self->owner->mu);
    while (count-- > 0) {
        batch[count]->alone = true;
        put_first(self, batch[count]);
    }
    self->running = 0;
    self->limit = 1;
    pthread_mutex_unlock(&self->owner->mu);
}

static void *run_lane(void *context)
{
    mesh_lane *self = context;
    size_t count;
    bool looks;
    while ((count = take(self, &looks)) != 0) {
        mesh_delivery *batch[MESH_DELIVERY_BATCH];
        for (size_t i = 0; i < count; i++)
            batch[i] = self->batch[i];
        if (looks) {
            look(self, batch, count);
            continue;
        }
        if (!mesh_delivery_handle(&self->owner->settings.delivery, batch, count, self->arena)) {
            separate(self, batch, count);
            continue;
        }
        finish(self, batch, count);
    }
    return NULL;
}

/* ---- for the others ---- */

typedef struct touching {
    int64_t now_ns, period_ns;
    size_t long_held;
} touching;

static void touch(mesh_delivery *delivery, void *context)
{
    const touching *when = context;
    if (when->now_ns - delivery->touched_ns < when->period_ns)
        return;
    mesh_pull_in_progress(delivery->connection, delivery->message);
    delivery->touched_ns = when->now_ns;
}

/* All that a lane has. */
static void each(const mesh_lane *self, void (*fn)(mesh_delivery *delivery, void *context),
                 void *context)
{
    for (mesh_delivery *d = self->first; d != NULL; d = d->next)
        fn(d, context);
    for (size_t i = 0; i < self->running; i++)
        fn(self->batch[i], context);
    mesh_held_each(&self->held, fn, context);
}

static void count_long_held(mesh_delivery *delivery, void *context)
{
    touching *when = context;
    when->long_held += when->now_ns > mesh_clock_add_ms(delivery->kept_ns, LONG_HELD_MS);
}

void mesh_lanes_touch(mesh_consumption *self)
{
    touching when = {mesh_clock_monotonic_ns(), self->settings.ack_wait_ms * 1000000 / 3, 0};
    for (mesh_lane *lane = self->lanes; lane < self->lanes + self->settings.lanes; lane++) {
        /* What takes longer another instance may have, and what waits for it, too. */
        if (is_late(lane)) {
            give_back(lane, LATE_PAUSE_MS);
            continue;
        }
        each(lane, touch, &when);
        mesh_held_each(&lane->held, count_long_held, &when);
    }
    self->long_held = when.long_held;
}

void mesh_lanes_give_back(mesh_consumption *self)
{
    if (self->pulling)
        return;
    for (size_t i = 0; i < self->settings.lanes; i++)
        give_back(&self->lanes[i], 0);
    pthread_cond_broadcast(&self->changed);
}

void mesh_lanes_drop_held(mesh_consumption *self)
{
    for (mesh_lane *lane = self->lanes; lane < self->lanes + self->settings.lanes; lane++)
        for (mesh_delivery *held; (held = mesh_held_pop(&lane->held)) != NULL;)
            end(self, held);
}

void mesh_lanes_restart_gaps(mesh_consumption *self)
{
    self->gaps_ns = mesh_clock_monotonic_ns();
}

size_t mesh_lanes_list_untried(mesh_consumption *self, int64_t since_ns, bool cut,
                               mesh_arena *arena, mesh_inbox_seen *list, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < self->settings.lanes; i++)
        for (mesh_delivery *d = self->lanes[i].first; d != NULL && count < max; d = d->next) {
            if (d->seen || d->version == 0 || d->fetched_ns > since_ns || !(cut || d->late))
                continue;
            const char *id = mesh_envelope_read_aggregate_id(d->message, arena);
            d->seen = true;
            if (id != NULL)
                list[count++] = (mesh_inbox_seen){d->aggregate.type, id, d->version};
        }
    return count;
}

void mesh_lanes_wake(mesh_consumption *self)
{
    for (size_t i = 0; i < self->settings.lanes; i++)
        pthread_cond_signal(&self->lanes[i].work);
}

static void find_oldest(mesh_delivery *delivery, void *context)
{
    int64_t *oldest_ns = context;
    *oldest_ns = mesh_clock_earlier(*oldest_ns, delivery->fetched_ns);
}

int64_t mesh_lanes_oldest_ms(const mesh_consumption *self)
{
    int64_t now_ns = mesh_clock_monotonic_ns();
    int64_t oldest_ns = now_ns;
    for (size_t i = 0; i < self->settings.lanes; i++)
        each(&self->lanes[i], find_oldest, &oldest_ns);
    return (now_ns - oldest_ns) / 1000000;
}

/* ---- life ---- */

mesh_code mesh_lanes_create(mesh_consumption *self, mesh_error *err)
{
    bool complete = true;
    self->gap_pause_ms = MESH_DELIVERY_GAP_PAUSE_MS;
    mesh_turns_init(&self->turns, self->settings.delivery.service, &self->mu, on_turn, self);
    self->lanes = mesh_calloc(self->settings.lanes, sizeof *self->lanes);
    if (self->lanes == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    for (mesh_lane *lane = self->lanes; lane < self->lanes + self->settings.lanes; lane++) {
        lane->owner = self;
        lane->last = &lane->first;
        mesh_held_init(&lane->held, &self->held, &self->held_bytes);
        lane->limit = 1;
        lane->look_ms = LOOK_FIRST_MS;
        pthread_cond_init(&lane->work, NULL);
        lane->arena = mesh_arena_create(MESH_EVENT_ARENA_BYTES, MESH_EVENT_ARENA_LIMIT_BYTES);
        complete = complete && lane->arena != NULL;
    }
    return complete ? MESH_OK : mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
}

int mesh_lanes_start(mesh_consumption *self)
{
    int status = 0;
    while (status == 0 && self->threads < self->settings.lanes) {
        mesh_lane *next = &self->lanes[self->threads];
        status = pthread_create(&next->thread, NULL, run_lane, next);
        self->threads += status == 0;
    }
    return status;
}

void mesh_lanes_end(mesh_consumption *self)
{
    if (self->lanes == NULL)
        return;
    pthread_mutex_lock(&self->mu);
    self->ending = true;
    mesh_lanes_wake(self);
    pthread_mutex_unlock(&self->mu);
    for (size_t i = 0; i < self->settings.lanes; i++) {
        if (i < self->threads)
            pthread_join(self->lanes[i].thread, NULL);
        pthread_cond_destroy(&self->lanes[i].work);
        mesh_arena_destroy(self->lanes[i].arena);
    }
    mesh_free(self->lanes);
}
