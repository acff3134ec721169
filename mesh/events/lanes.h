/*
 * Lanes: threads that handle what the fetcher brings. All events of an aggregate go to one lane,
 * which handles them in the order in which they came, several in one transaction. For the files of
 * a consumption, which share its state.
 */
#ifndef MESH_EVENTS_LANES_H
#define MESH_EVENTS_LANES_H

#include <pthread.h>

#include "mesh/events/consume.h"
#include "mesh/events/held.h"
#include "mesh/events/turns.h"

enum {
    MESH_LANE_TURNS = 256 /* kept, by their hashes */
};

typedef struct mesh_lane {
    mesh_consumption *owner; /* immutable */
    pthread_t thread;
    pthread_cond_t work;
    mesh_arena *arena; /* of the thread */
    int64_t look_ms;   /* the same: the pause between looks at those that are held */
    /* Guarded by the owner's mu. */
    mesh_delivery *first; /* of those that wait */
    mesh_delivery **last;
    mesh_delivery *batch[MESH_DELIVERY_BATCH]; /* those that are handled */
    size_t running;
    bool looking; /* they are of those that are held, to be looked at */
    size_t limit; /* how many it takes at once */
    int64_t began_ns;
    mesh_held held;  /* those that wait for others before them */
    int64_t look_ns; /* when it is looked whether they still have to */
    /* What others handled while nothing waited for it here that could go on. */
    mesh_turn turns[MESH_LANE_TURNS];
} mesh_lane;

struct mesh_consumption {
    mesh_consumption_settings settings; /* immutable */
    mesh_lane *lanes;                   /* immutable */
    mesh_withdrawals withdrawals;       /* thread-safe */
    mesh_turns turns;
    bool *late; /* of each consumer's aggregates; immutable once `told` */
    pthread_t fetcher;
    pthread_t watcher;
    int64_t pruned_ns;    /* of the watcher */
    int64_t gaps_told_ns; /* the same: no gap is logged before that */
    bool joined;          /* the same: `late` is filled */

    pthread_mutex_t mu;
    pthread_cond_t changed; /* for the fetcher, the watcher, and who drains */
    /* Guarded by mu. */
    size_t threads;        /* lanes started */
    bool watching;         /* the watcher was started; it is joined by destroy */
    bool started;          /* so was the fetcher */
    bool fetching;         /* it has not ended */
    bool pulling;          /* what is given back could come again at once */
    bool stopping;         /* fetch no more */
    bool ending;           /* lanes end when they have no work */
    bool told;             /* what the database says is known */
    bool paused;           /* by operators */
    bool away;             /* a handler found no database */
    bool stalled;          /* there is work, and none got done for long */
    size_t in_flight;      /* deliveries fetched and not answered yet */
    size_t bytes;          /* of them */
    size_t held;           /* of them those that wait for others, which may have to be fetched */
    size_t held_bytes;     /* of those */
    size_t long_held;      /* of them those that have waited for long, as of the last touch */
    int64_t gap_pause_ms;  /* of what comes too early and is not held */
    int64_t gap_second_ns; /* end of the second in which `gap_count` were sent back */
    size_t gap_count;
    int64_t gaps_ns; /* what is missing could not come before that */
    int64_t progress_ns;
    uint64_t results[MESH_DELIVERY_RESULTS];
    uint64_t redelivered;
};

/* Called with mu held where it says so. */
mesh_code mesh_lanes_create(mesh_consumption *consumption, mesh_error *err);
int mesh_lanes_start(mesh_consumption *consumption); /* held; a status of pthread_create */
void mesh_lanes_end(mesh_consumption *consumption);  /* once nothing is in flight */
size_t mesh_lanes_capacity(const mesh_consumption *consumption); /* held */
size_t mesh_lanes_room(const mesh_consumption *consumption);     /* for so many more; held */
void mesh_lanes_put(mesh_consumption *consumption, mesh_delivery *delivery); /* held */
/* Tells the broker that what waits or is handled is not forgotten. Held. */
void mesh_lanes_touch(mesh_consumption *consumption);
/* What waits goes back to the broker, which gives it to another instance at once; not before the
 * last request of this one is over. Held. */
void mesh_lanes_give_back(mesh_consumption *consumption);
/* What waits for others is forgotten, since its connection is lost: the broker gives it to somebody
 * after the ack wait. Held. */
void mesh_lanes_drop_held(mesh_consumption *consumption);
/* What is missing could not come until now: what waits for it waits anew. Held. */
void mesh_lanes_restart_gaps(mesh_consumption *consumption);
/* Lists events that wait untried since before `since_ns`, behind which no aggregate may begin; each
 * once, `max` at most. `cut`: aggregates may begin in the middle. Texts are the arena's. Held. */
size_t mesh_lanes_list_untried(mesh_consumption *consumption, int64_t since_ns, bool cut,
                               mesh_arena *arena, mesh_inbox_seen *list, size_t max);
/* They may go on with what waits. Held. */
void mesh_lanes_wake(mesh_consumption *consumption);
/* The age of the oldest in flight. Held. */
int64_t mesh_lanes_oldest_ms(const mesh_consumption *consumption);

/* The thread that looks every half second whether the consumer is paused, the database is back, or
 * the work stalls, and removes old rows. */
void *mesh_consumption_watch(void *consumption);

#endif
