/*
 * Structured logs: one JSON object a line on stderr, for people to read with `scripts/logs` and for
 * programs to collect. Thread-safe; a line is written with one write(2), so lines never mix.
 *
 *   {"time":"2026-11-21T08:15:30.123456Z","level":"info","service":"order",
 *    "message":"order created","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736",
 *    "span_id":"00f067aa0ba902b7","order_id":"..."}
 *
 * trace_id and span_id are those of the thread's current trace (mesh/base/trace.h). Never log a
 * secret: tokens, passwords, keys, connection strings with a password.
 */
#ifndef MESH_BASE_LOG_H
#define MESH_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/api.h"

MESH_BEGIN_DECLS

typedef enum mesh_log_level {
    MESH_LOG_DEBUG,
    MESH_LOG_INFO,
    MESH_LOG_WARN,
    MESH_LOG_ERROR
} mesh_log_level;

/* A field of a log line. Made with the macros below; strings are borrowed for the call. */
typedef struct mesh_log_field {
    const char *key;
    enum {
        MESH_LOG_STRING,
        MESH_LOG_INTEGER,
        MESH_LOG_DOUBLE,
        MESH_LOG_BOOL
    } type;
    union {
        const char *string; /* NULL is written as null */
        int64_t integer;
        double number;
        bool boolean;
    } value;
} mesh_log_field;

#define MESH_LOG_S(name, text) \
    ((mesh_log_field){.key = (name), .type = MESH_LOG_STRING, .value.string = (text)})
#define MESH_LOG_I(name, n) \
    ((mesh_log_field){.key = (name), .type = MESH_LOG_INTEGER, .value.integer = (n)})
#define MESH_LOG_D(name, n) \
    ((mesh_log_field){.key = (name), .type = MESH_LOG_DOUBLE, .value.number = (n)})
#define MESH_LOG_B(name, b) \
    ((mesh_log_field){.key = (name), .type = MESH_LOG_BOOL, .value.boolean = (b)})

/*
 * Writes a line: mesh_log(MESH_LOG_INFO, "order created", MESH_LOG_S("order_id", id)). Below the
 * configured level it costs one atomic load. Text that is not UTF-8 is written with U+FFFD in its
 * place; a line longer than 8 KiB is cut, and says so with "cut":true.
 */
#define mesh_log(level, message, ...)                                                 \
    do {                                                                              \
        if (mesh_log_enabled(level)) {                                                \
            const mesh_log_field mesh_log_fields_[] = {{.key = 0}, ##__VA_ARGS__};    \
            mesh_log_write((level), (message), mesh_log_fields_ + 1,                  \
                           sizeof mesh_log_fields_ / sizeof mesh_log_fields_[0] - 1); \
        }                                                                             \
    } while (0)

MESH_API bool mesh_log_enabled(mesh_log_level level);
MESH_API void mesh_log_write(mesh_log_level level, const char *message,
                             const mesh_log_field *fields, size_t count);

/* The service's name on every line (copied), and the lowest level written (default: info). */
MESH_API void mesh_log_setup(const char *service, mesh_log_level level);

/* Parses "debug", "info", "warn", "error". */
MESH_API bool mesh_log_level_parse(const char *name, mesh_log_level *level);

/* Where lines go, for tests; -1 is stderr again. The descriptor is borrowed. */
MESH_API void mesh_log_output(int fd);

MESH_END_DECLS

#endif
