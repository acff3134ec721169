/*
 * A durable pull consumer of JetStream: requests for messages, what comes for them, and the answers
 * to it. (NATS ADR-13, Pull Subscribe internals, and ADR-15, JetStream Subscribe Workflow.)
 *
 * Not by the library's own: natsSubscription_FetchRequest (3.4) writes behind its list when
 * messages of a request that is over come beside those of the next one. Nor by a subscription that
 * is asked for the next message: that keeps those to itself that look like the broker's word that
 * nobody listens (empty, with a header Status), so that they stayed unanswered.
 *
 * One thread asks and takes; any thread may answer.
 */
#ifndef MESH_EVENTS_PULL_H
#define MESH_EVENTS_PULL_H

#include <nats/nats.h>
#include <pthread.h>

#include "mesh/events/broker.h"

typedef struct mesh_pull {
    natsConnection *connection; /* borrowed, longer than the last answer */
    natsSubscription *subscription;
    char inbox[sizeof MESH_EVENTS_INBOX + MESH_EVENTS_SERVICE_MAX + 48]; /* "_INBOX_order.<id>." */
    const char *consumer;                                                /* borrowed */
    uint64_t requests;  /* made; the last one's number */
    size_t asked;       /* that may still come for that one; 0: it is over */
    bool came;          /* a message did */
    bool heard;         /* of the broker, since the last request was made */
    int unheard;        /* requests that were over before */
    int64_t expires_ns; /* when it is over for us, and a little later for the broker */

    pthread_mutex_t mu;
    pthread_cond_t changed;
    /* Guarded by mu. */
    natsMsg *
        *came_in; /* a list with room for `room`; from `first` to before `last` not taken yet */
    size_t first, last, room;
    bool closed; /* nothing comes in any more */
} mesh_pull;

/* Subscribes to what is to come for requests. Nothing is left when it fails. */
natsStatus mesh_pull_begin(mesh_pull *pull, natsConnection *connection, const char *consumer);

/* Unsubscribes, and gives back what came until the broker knew. Nothing may be given back as long
 * as a request is not over, for which the broker would send it again: what it does while it hears
 * that nobody listens any more comes again only after the ack wait. */
void mesh_pull_end(mesh_pull *pull);

/* There is no request, or it is over, as it is after 0.6 s at most: it is time for the next. */
bool mesh_pull_is_idle(const mesh_pull *pull);

/* The same, and long enough ago for nothing to be on its way. */
bool mesh_pull_is_over(const mesh_pull *pull);

/* The broker says nothing, neither of the last request nor of the two before: it may be frozen, or
 * far away. (Of one request it sometimes says nothing.) */
bool mesh_pull_is_unheard(const mesh_pull *pull);

/* Asks for `count` messages at most, in the place of the request before. */
natsStatus mesh_pull_ask(mesh_pull *pull, size_t count);

/*
 * The next message, which the caller destroys. NATS_TIMEOUT: none came in `wait_ms` (0: is there
 * now), or the request is over. Anything else: nothing comes for requests (the log says what the
 * broker said).
 */
natsStatus mesh_pull_take(mesh_pull *pull, int64_t wait_ms, natsMsg **message);

/* The four answers, each of a message that was taken from this connection. An answer that does not
 * reach the broker is one that was not given: the message comes again after the ack wait, which
 * begins anew with the last one of these. */
void mesh_pull_ack(natsConnection *connection, const natsMsg *message);
void mesh_pull_nak(natsConnection *connection, const natsMsg *message, int64_t pause_ms);
void mesh_pull_term(natsConnection *connection, const natsMsg *message);
void mesh_pull_in_progress(natsConnection *connection, const natsMsg *message);

#endif
