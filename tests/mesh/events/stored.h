/* What the stream holds, read as administrator. */
#ifndef TESTS_MESH_EVENTS_STORED_H
#define TESTS_MESH_EVENTS_STORED_H

#include <nats/nats.h>
#include <stdint.h>

typedef struct stored {
    natsConnection *connection;
    jsCtx *js;
} stored;

stored stored_open(void);
void stored_close(stored *self);

/* UINT64_MAX: there is no stream. */
uint64_t stored_count(stored *self);

/* For the caller to destroy; fails the test when it is not there. */
natsMsg *stored_message(stored *self, uint64_t sequence);

/* "(none)" without that header. */
const char *stored_header(natsMsg *message, const char *name);

/* The version of the event at a place of the stream. */
int64_t stored_version(stored *self, uint64_t sequence);

#endif
