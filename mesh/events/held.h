/*
 * Deliveries that wait for others of their aggregates, found by the aggregate. Not thread-safe.
 */
#ifndef MESH_EVENTS_HELD_H
#define MESH_EVENTS_HELD_H

#include "mesh/events/delivery.h"

enum {
    MESH_HELD_BUCKETS = 256
};

typedef struct mesh_held {
    /* By the aggregate's hash, in the order of their coming. */
    struct {
        mesh_delivery *first;
        mesh_delivery **last;
    } buckets[MESH_HELD_BUCKETS];
    size_t count;
    size_t *all, *all_bytes; /* of several of these; borrowed */
    size_t next;             /* the bucket that mesh_held_take_lowest begins with */
} mesh_held;

void mesh_held_init(mesh_held *held, size_t *all, size_t *all_bytes);

void mesh_held_keep(mesh_held *held, mesh_delivery *delivery);

/* Any of them, NULL: there is none. The second takes it out. */
const mesh_delivery *mesh_held_any(const mesh_held *held);
mesh_delivery *mesh_held_pop(mesh_held *held);

/* One with this version, of an aggregate with this hash. */
const mesh_delivery *mesh_held_find(const mesh_held *held, uint64_t hash, int64_t version);

/* Of each aggregate the one with the lowest version, so many at most; the others are the first the
 * next time. How many there are. */
size_t mesh_held_take_lowest(mesh_held *held, mesh_delivery **taken, size_t most);

/* All of an aggregate, in the order of their versions; a list that ends with NULL. */
mesh_delivery *mesh_held_take_all(mesh_held *held, const mesh_delivery *of);

/* Whether one follows this one, or has a lower version than it. */
bool mesh_held_has_next(const mesh_held *held, const mesh_delivery *delivery);
bool mesh_held_has_earlier(const mesh_held *held, const mesh_delivery *delivery);

void mesh_held_each(const mesh_held *held, void (*fn)(mesh_delivery *delivery, void *context),
                    void *context);

#endif
