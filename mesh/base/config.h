/*
 * Configuration: a table of settings, read from the environment, then from a file, then from the
 * defaults; first one wins. All mistakes are reported at once, each naming the setting, where it
 * was given, and what would be right. Not thread-safe: read once at start, then immutable.
 *
 * The file (`--config FILE` or MESH_CONFIG) has lines NAME=VALUE, `#` comments and blank lines;
 * values are taken as they stand after the first `=`, trimmed. A name that no table has is a
 * mistake in the file, and ignored in the environment (which belongs to others too) unless it
 * begins with MESH_ (MESH_CONFIG itself is known, and MESH_DATA is for tools beside a service).
 *
 * An empty value is right for a STRING that is not required, and for any setting whose fallback is
 * ""; it gives "", 0 or false. For all others it is a mistake.
 */
#ifndef MESH_BASE_CONFIG_H
#define MESH_BASE_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "mesh/base/arena.h"
#include "mesh/base/error.h"

MESH_BEGIN_DECLS

typedef enum mesh_setting_type {
    MESH_SETTING_STRING, /* const char ** */
    MESH_SETTING_SECRET, /* const char **: NAME or, better, NAME_FILE that names a file; never shown
                          */
    MESH_SETTING_INTEGER,  /* int64_t *, between min and max */
    MESH_SETTING_DURATION, /* int64_t * in milliseconds: "250ms", "5s", "2m", "1h"; between min and
                              max */
    MESH_SETTING_BYTES,    /* int64_t *: "512", "64KiB", "4MiB", "1GiB"; between min and max */
    MESH_SETTING_BOOL,     /* bool *: true or false */
    MESH_SETTING_ADDRESS,  /* const char **: HOST:PORT, [V6]:PORT, unix:PATH or fd://N */
    MESH_SETTING_CHOICE,   /* const char **: one of `choices` ("a|b|c") */
    MESH_SETTING_TCP_ADDRESS /* const char **: HOST:PORT or [V6]:PORT */
} mesh_setting_type;

typedef struct mesh_setting {
    const char *name; /* "MESH_LISTEN" */
    mesh_setting_type type;
    void *target;         /* written on success of the whole load only; strings live in the arena */
    const char *fallback; /* default in the form that a user writes; NULL: required, "": none */
    int64_t min, max;     /* inclusive; max 0 means no upper bound */
    const char *choices;
    const char *help; /* one line: what it does, its unit */
    const void *reserved[2];
} mesh_setting;

/*
 * Loads `count` settings. `file` may be NULL. `env` may be NULL for the process's environment, else
 * an array of "NAME=VALUE" ended by NULL. Returns INVALID_ARGUMENT with every mistake in the
 * message (one a line, cut only by the caller's buffer `report` of `report_size` bytes, which
 * always gets the whole text that fits) and, for as many as fit, as field violations; NOT_FOUND
 * when the file is missing; FAILED_PRECONDITION when it cannot be read; RESOURCE_EXHAUSTED when
 * out of memory. The text of mistakes never holds a secret.
 */
MESH_API mesh_code mesh_config_load(const mesh_setting *settings, size_t count, const char *file,
                                    const char *const *env, mesh_arena *arena, char *report,
                                    size_t report_size, mesh_error *err);

/* The table that --help shows: name, type, default, help. Secrets show no value. */
MESH_API void mesh_config_help(FILE *out, const mesh_setting *settings, size_t count);

/* All values in force, one NAME=VALUE a line; secrets as NAME=(set) or NAME=(not set). After a
 * load. */
MESH_API void mesh_config_show(FILE *out, const mesh_setting *settings, size_t count);

MESH_END_DECLS

#endif
