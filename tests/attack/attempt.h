/* An attack that runs: at whom it aims, and how far it goes. */
#ifndef TESTS_ATTACK_ATTEMPT_H
#define TESTS_ATTACK_ATTEMPT_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "mesh/rpc/method.h"

enum {
    ATTEMPT_LOOK_MS = 20 /* how long an attack may wait without asking whether it may last */
};

typedef struct attempt {
    const char *target; /* HOST:PORT or unix:PATH */
    const char *ca;     /* TLS: whom to trust; NULL: plaintext */
    SSL_CTX *tls;       /* the same, for what is made by hand */
    struct sockaddr_storage address;
    socklen_t address_size;
    const char *path;   /* of a unary method that takes an empty message */
    const char *stream; /* of one that answers an empty message with a long stream; NULL: unknown */
    const char *chat;   /* of one that answers each empty message with one; NULL: unknown */
    uint64_t most;      /* units, and then it ends */
    int64_t until_ns;   /* CLOCK_MONOTONIC; the same */
    atomic_bool stop;   /* the same; set by the watch */
    uint64_t units;     /* done */
    uint64_t earlier;   /* units of earlier runs, when the attack is so short that it is repeated */
    int64_t waited_ns;  /* for the target to take more */
    bool refused;       /* the target closed, turned away, or took no more: why there are fewer */
    mesh_method bytes;  /* the method of the path, for messages that are made by hand */
} attempt;

/* Neither its time is over nor the target at its end; and, with goes_on, units are left. */
bool attempt_may_last(const attempt *attempt);
bool attempt_goes_on(const attempt *attempt);

/*
 * Half of its units were done; or at least one, and the target was why there were no more: it
 * closed, or had the attack wait for half of the time that it took, or more.
 */
bool attempt_made(const attempt *attempt, int64_t took_ms);

/* Units of all runs. */
uint64_t attempt_units(const attempt *attempt);

/* Lets time pass, less when the attack is to end. */
void attempt_pause(const attempt *attempt, int64_t ms);

/* An attack. `unit` is what it counts, in the plural. */
typedef struct attack {
    const char *name;
    const char *unit;
    uint64_t most;
    void (*run)(attempt *attempt);
    const char *about;
} attack;

/* The tables, each ended by an entry without a name. */
extern const attack flood_attacks[];
extern const attack connection_attacks[];
extern const attack stream_attacks[]; /* need the path of a stream */
extern const attack message_attacks[];

#endif
