/*
 * The command line: `meshctl COMMAND [OPTION | WORD]...`, options and words in any order, `--` ends
 * the options.
 */
#ifndef MESH_MESHCTL_ARGS_H
#define MESH_MESHCTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/arena.h"

enum {
    CTL_MAX_HEADERS = 64,
    CTL_MESSAGE_BYTES = 512
};

typedef enum ctl_command {
    CTL_LIST = 1 << 0,
    CTL_DESCRIBE = 1 << 1,
    CTL_CALL = 1 << 2,
    CTL_STATUS = 1 << 3,
    CTL_SIGN_IN = 1 << 4,
    CTL_SIGN_OUT = 1 << 5,
    CTL_WHOAMI = 1 << 6,
    CTL_AUTHZ = 1 << 7,
    CTL_EVENTS = 1 << 8,
    CTL_CONSUMERS = 1 << 9,
    CTL_DLQ = 1 << 10,
    CTL_OUTBOX = 1 << 11,
    CTL_SAGA = 1 << 12,
    CTL_COMPLETION = 1 << 13,
    CTL_COMPLETE = 1 << 14, /* for the completion script; not shown in the help */
    CTL_HELP = 1 << 15,
    CTL_VERSION = 1 << 16 /* the last one */
} ctl_command;

typedef struct ctl_args {
    ctl_command command;
    bool help; /* --help behind a command */
    const char **words;
    size_t word_count;
    uint64_t given; /* options: a bit for each of ctl_options */

    const char *headers[CTL_MAX_HEADERS]; /* "key: value" */
    size_t header_count;
    const char *protoset;
    const char *ca_file;
    const char *certificate_file;
    const char *key_file;
    const char *server_name;
    int64_t deadline_ms; /* 0: not given */
    int64_t max_time_ms; /* 0: not given */
    bool tls;
    bool compress;
    bool emit_defaults;
    bool proto_names;
    bool compact;
    bool verbose;
    bool json;
    bool template;
    bool staff;

    /* Of events, dead letters and sagas; not given: NULL, 0, false. */
    const char *subject;
    uint64_t from_sequence; /* one of both at most */
    int64_t from_ns;        /* since the Unix epoch */
    int64_t count;
    const char *status;
    const char *step;
    const char *as;
    const char *reason;
    bool force;
} ctl_args;

/* An option as the help and the completion show it. */
typedef struct ctl_option {
    const char *name;   /* "--deadline" */
    const char *letter; /* "-H" or NULL */
    const char *value;  /* "DURATION"; NULL: it takes none */
    unsigned commands;  /* of ctl_command */
    const char *verbs;  /* of these that it is for: "replay, drop"; NULL: all */
    const char *help;
} ctl_option;

const ctl_option *ctl_options(size_t *count);

/* What stands behind a command and says what to do ("tail"), ended by NULL; none: an empty list. */
const char *const *ctl_verbs(ctl_command command);

/* Whether an option of its command is for a verb. */
bool ctl_option_is_of(const ctl_option *option, const char *verb);

/* The verb that the words begin with; NULL: none of the command's. */
const char *ctl_verb(const ctl_args *args);

/* The name of a command, NULL for none; its value, 0 when there is no such name. */
const char *ctl_command_name(ctl_command command);
ctl_command ctl_command_find(const char *name);

/* A whole number from 1 on; false: it is none. */
bool ctl_number(const char *text, uint64_t *number);

/*
 * Reads argv (without the program's name). Words are borrowed from it, the list is in the arena.
 * False: `message` says what is wrong.
 */
bool ctl_args_parse(int argc, char *const *argv, mesh_arena *arena, ctl_args *args,
                    char message[CTL_MESSAGE_BYTES]);

#endif
