/* What the cases of the client share. A case that fails says why and ends the process. */
#ifndef TESTS_INTEROP_CLIENT_H
#define TESTS_INTEROP_CLIENT_H

#include "grpc/testing/test.mesh.h"

typedef struct soak_options {
    int iterations;
    int max_failures;
    int max_latency_ms; /* of an iteration; slower ones have failed */
    int min_interval_ms;
    int overall_timeout_s;
    int request_size;
    int response_size;
    int threads;
} soak_options;

typedef struct interop_client {
    mesh_channel *channel;
    mesh_arena *arena; /* for what a case makes and is answered */
    const char *target;
    const mesh_channel_options *channel_options; /* of `channel`, for more of its kind */
    soak_options soak;
} interop_client;

typedef struct interop_case {
    const char *name;
    void (*run)(const interop_client *client);
    const char *help;
} interop_case;

/* The cases by kind, ended by an empty entry. */
extern const interop_case unary_cases[];
extern const interop_case stream_cases[];
extern const interop_case compression_cases[];
extern const interop_case soak_cases[];
extern const interop_case load_report_cases[];

_Noreturn void fail(const char *format, ...) MESH_PRINTF(1, 2);

#define CHECK(condition, ...)  \
    do {                       \
        if (!(condition))      \
            fail(__VA_ARGS__); \
    } while (0)

/* Fails unless a call ended with the code that was wanted. */
void check_code(const char *call, mesh_code code, const mesh_error *err, mesh_code wanted);

/* Fails unless an answer has a payload of this many bytes. */
void check_payload(const Grpc__Testing__Payload *payload, int size);

/* A payload of so many zeros, in the arena. */
Grpc__Testing__Payload *make_payload(mesh_arena *arena, int size);

/* A SimpleRequest with a payload that asks for one. */
Grpc__Testing__SimpleRequest simple_request(mesh_arena *arena, int size, int response_size);

#endif
