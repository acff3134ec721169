/* What an outbox has, as operators see it. Internal. */
#ifndef MESH_EVENTS_OUTBOX_LOOK_H
#define MESH_EVENTS_OUTBOX_LOOK_H

#include "mesh/db/db.h"

enum {
    MESH_OUTBOX_REFUSED_SHOWN = 100
};

/* An aggregate whose next event the broker refused. */
typedef struct mesh_outbox_refused {
    const char *aggregate_type;
    const char *aggregate_id;
    const char *subject; /* of that event; "" when the outbox has it no more */
    const char *event_id;
    int64_t since_ns; /* of the Unix epoch */
    int64_t attempts;
    const char *cause;
} mesh_outbox_refused;

typedef struct mesh_outbox_state {
    int64_t pending;              /* events that are not published yet */
    int64_t oldest_ns;            /* when the oldest of them was added; 0: there is none */
    int64_t kept;                 /* events, those included; about */
    mesh_outbox_refused *refused; /* the longest first, MESH_OUTBOX_REFUSED_SHOWN at most */
    size_t refused_count;
} mesh_outbox_state;

/* Looks; everything is in the arena. Errors of mesh_db_query, whose `deadline_ns` this is. */
mesh_code mesh_outbox_look(mesh_db *db, int64_t deadline_ns, mesh_arena *arena,
                           mesh_outbox_state *state, mesh_error *err);

#endif
