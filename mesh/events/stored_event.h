/* An event as a stream has it, for who shows it. Internal. */
#ifndef MESH_EVENTS_STORED_EVENT_H
#define MESH_EVENTS_STORED_EVENT_H

#include <stddef.h>
#include <stdint.h>

/* Texts are "" and numbers 0 where it does not say, or says it badly: it need not be one of
 * ours. */
typedef struct mesh_stored_event {
    uint64_t sequence;   /* in the stream of events */
    int64_t stored_ns;   /* there, since the Unix epoch, as the other one; 0: not known */
    const char *subject; /* without "events.": "order.v1.OrderCreated" */
    const char *id;
    const char *type;   /* of the payload: full message name */
    const char *source; /* "/order" */
    const char *aggregate_type;
    const char *aggregate_id;
    int64_t version;         /* of the aggregate */
    int64_t time_ns;         /* when it was added */
    const char *traceparent; /* of who added it */
    const uint8_t *payload;
    size_t payload_size;
} mesh_stored_event;

#endif
