#include "mesh/events/held.h"

#include "mesh/base/clock.h"

void mesh_held_init(mesh_held *self, size_t *all, size_t *all_bytes)
{
    *self = (mesh_held){.all = all, .all_bytes = all_bytes};
    for (size_t i = 0; i < MESH_HELD_BUCKETS; i++)
        self->buckets[i].last = &self->buckets[i].first;
}

static size_t bucket_of(const mesh_delivery *delivery)
{
    return delivery->aggregate.hash % MESH_HELD_BUCKETS;
}

void mesh_held_keep(mesh_held *self, mesh_delivery *delivery)
{
    size_t bucket = bucket_of(delivery);
    delivery->held_told = delivery->held_told && delivery->held_for == delivery->missing;
    delivery->held_for = delivery->missing;
    delivery->held_since_ns = delivery->gap_ns;
    delivery->held_behind_dead = delivery->missing_dead;
    delivery->kept_ns = mesh_clock_monotonic_ns();
    delivery->next = NULL;
    *self->buckets[bucket].last = delivery;
    self->buckets[bucket].last = &delivery->next;
    self->count++;
    ++*self->all;
    *self->all_bytes += delivery->bytes;
}

/* Takes out the one that `place`, a link of the bucket's list, points to. */
static mesh_delivery *take(mesh_held *self, size_t bucket, mesh_delivery **place)
{
    mesh_delivery *delivery = *place;
    *place = delivery->next;
    if (self->buckets[bucket].last == &delivery->next)
        self->buckets[bucket].last = place;
    self->count--;
    --*self->all;
    *self->all_bytes -= delivery->bytes;
    return delivery;
}

mesh_delivery *mesh_held_pop(mesh_held *self)
{
    for (size_t i = 0; i < MESH_HELD_BUCKETS; i++)
        if (self->buckets[i].first != NULL)
            return take(self, i, &self->buckets[i].first);
    return NULL;
}

const mesh_delivery *mesh_held_any(const mesh_held *self)
{
    for (size_t i = 0; self->count > 0 && i < MESH_HELD_BUCKETS; i++)
        if (self->buckets[i].first != NULL)
            return self->buckets[i].first;
    return NULL;
}

const mesh_delivery *mesh_held_find(const mesh_held *self, uint64_t hash, int64_t version)
{
    const mesh_delivery *d = self->buckets[hash % MESH_HELD_BUCKETS].first;
    while (d != NULL && (d->version != version || d->aggregate.hash != hash))
        d = d->next;
    return d;
}

/* The lowest of its aggregate, as far as `place` is the first of that in the bucket. */
static mesh_delivery **find_lowest(mesh_delivery **place)
{
    mesh_delivery **lowest = place;
    for (; *place != NULL; place = &(*place)->next)
        if ((*place)->version < (*lowest)->version && mesh_delivery_same_aggregate(*place, *lowest))
            lowest = place;
    return lowest;
}

static bool is_among(mesh_delivery *const *taken, size_t count, const mesh_delivery *delivery)
{
    for (size_t i = 0; i < count; i++)
        if (mesh_delivery_same_aggregate(taken[i], delivery))
            return true;
    return false;
}

static size_t take_lowest_of(mesh_held *self, size_t bucket, mesh_delivery **taken, size_t most)
{
    size_t count = 0;
    mesh_delivery **place = &self->buckets[bucket].first;
    while (*place != NULL && count < most) {
        if (is_among(taken, count, *place)) {
            place = &(*place)->next;
            continue;
        }
        mesh_delivery **lowest = find_lowest(place);
        bool here = lowest == place;
        taken[count++] = take(self, bucket, lowest);
        if (!here)
            place = &(*place)->next;
    }
    return count;
}

size_t mesh_held_take_lowest(mesh_held *self, mesh_delivery **taken, size_t most)
{
    size_t count = 0;
    size_t first = self->next;
    for (size_t i = 0; i < MESH_HELD_BUCKETS && count < most; i++) {
        self->next = (first + i) % MESH_HELD_BUCKETS;
        count += take_lowest_of(self, self->next, &taken[count], most - count);
    }
    return count;
}

static void insert_by_version(mesh_delivery **list, mesh_delivery *delivery)
{
    while (*list != NULL && (*list)->version <= delivery->version)
        list = &(*list)->next;
    delivery->next = *list;
    *list = delivery;
}

mesh_delivery *mesh_held_take_all(mesh_held *self, const mesh_delivery *of)
{
    mesh_delivery *taken = NULL, *highest = NULL;
    size_t bucket = bucket_of(of);
    for (mesh_delivery **place = &self->buckets[bucket].first; *place != NULL;) {
        if (!mesh_delivery_same_aggregate(*place, of)) {
            place = &(*place)->next;
            continue;
        }
        /* Most came in the order of their versions. */
        mesh_delivery *delivery = take(self, bucket, place);
        bool last = highest == NULL || delivery->version >= highest->version;
        insert_by_version(last && highest != NULL ? &highest->next : &taken, delivery);
        if (last)
            highest = delivery;
    }
    return taken;
}

bool mesh_held_has_next(const mesh_held *self, const mesh_delivery *delivery)
{
    for (const mesh_delivery *d = self->buckets[bucket_of(delivery)].first; d != NULL; d = d->next)
        if (d->version - 1 == delivery->version && mesh_delivery_same_aggregate(d, delivery))
            return true;
    return false;
}

bool mesh_held_has_earlier(const mesh_held *self, const mesh_delivery *delivery)
{
    for (const mesh_delivery *d = self->buckets[bucket_of(delivery)].first; d != NULL; d = d->next)
        if (d->version < delivery->version && mesh_delivery_same_aggregate(d, delivery))
            return true;
    return false;
}

void mesh_held_each(const mesh_held *self, void (*fn)(mesh_delivery *delivery, void *context),
                    void *context)
{
    for (size_t i = 0; self->count > 0 && i < MESH_HELD_BUCKETS; i++)
        for (mesh_delivery *d = self->buckets[i].first; d != NULL; d = d->next)
            fn(d, context);
}
