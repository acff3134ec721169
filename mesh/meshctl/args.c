#include "mesh/meshctl/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mesh/base/clock.h"
#include "mesh/base/config.h"
#include "mesh/meshctl/suggest.h"

#define REMOTE (CTL_LIST | CTL_DESCRIBE | CTL_CALL | CTL_STATUS | CTL_COMPLETE)
#define OPERATE (CTL_EVENTS | CTL_CONSUMERS | CTL_DLQ | CTL_OUTBOX | CTL_SAGA)
#define ACCOUNT (CTL_SIGN_IN | CTL_SIGN_OUT | CTL_WHOAMI | CTL_AUTHZ | OPERATE)
#define TYPED (CTL_LIST | CTL_DESCRIBE | CTL_CALL | CTL_COMPLETE)

static const struct {
    const char *name;
    ctl_command command;
} commands[] = {
    {"list", CTL_LIST},         {"describe", CTL_DESCRIBE},
    {"call", CTL_CALL},         {"status", CTL_STATUS},
    {"sign-in", CTL_SIGN_IN},   {"sign-out", CTL_SIGN_OUT},
    {"whoami", CTL_WHOAMI},     {"authz", CTL_AUTHZ},
    {"events", CTL_EVENTS},     {"consumers", CTL_CONSUMERS},
    {"dlq", CTL_DLQ},           {"outbox", CTL_OUTBOX},
    {"saga", CTL_SAGA},         {"completion", CTL_COMPLETION},
    {"complete", CTL_COMPLETE}, {"help", CTL_HELP},
    {"version", CTL_VERSION},
};

/* In the order of the help. parse_option below says what each does. */
static const ctl_option options[] = {
    {"--header", "-H", "'KEY: VALUE'", REMOTE | CTL_WHOAMI | CTL_AUTHZ | OPERATE, NULL,
     "send metadata; may be repeated; the value of a key in -bin is base64"},
    {"--staff", NULL, NULL, CTL_SIGN_IN, NULL, "sign in as one of the staff"},
    {"--subject", NULL, "SUBJECT", CTL_EVENTS, "tail",
     "only these: order.v1.OrderCreated, order (all of order), '*.v1.*'"},
    {"--from", NULL, "WHERE", CTL_EVENTS, "tail",
     "also what was: beginning, a place (42), 10m ago, 2026-11-30T09:00:00Z"},
    {"--count", NULL, "N", CTL_EVENTS, "tail", "end after so many"},
    {"--force", NULL, NULL, CTL_DLQ, "replay, drop",
     "past earlier versions of the aggregate that are missing"},
    {"--status", NULL, "STATUS", CTL_SAGA, "list",
     "only those running, waiting, parked, completed or compensated"},
    {"--step", NULL, "STEP", CTL_SAGA, "resolve",
     "the one that is meant, as show has it: pay, or 'undo pay'"},
    {"--as", NULL, "HOW", CTL_SAGA, "resolve",
     "done (the step was), back (undo it all), undone (all was)"},
    {"--reason", NULL, "TEXT", CTL_SAGA, "retry, resolve", "why, for the history"},
    {"--deadline", NULL, "DURATION", CTL_CALL, NULL,
     "give the call up after 250ms, 2s, 1m; default 30s, none for streams"},
    {"--max-time", NULL, "DURATION", REMOTE | ACCOUNT, NULL,
     "give everything up after this time: 250ms, 2s, 1m"},
    {"--protoset", NULL, "FILE", TYPED | CTL_EVENTS | CTL_DLQ, NULL,
     "types from a descriptor set instead of the server's reflection"},
    {"--emit-defaults", NULL, NULL, CTL_CALL, NULL, "show fields that are zero, too"},
    {"--proto-names", NULL, NULL, CTL_CALL | CTL_DESCRIBE, NULL,
     "field names as in the .proto file: order_id, not orderId"},
    {"--compact", NULL, NULL, CTL_CALL, NULL, "the answer of a unary call on one line"},
    {"--template", NULL, NULL, CTL_DESCRIBE, NULL, "an example of the message as JSON, to edit"},
    {"--compress", NULL, NULL, CTL_CALL, NULL, "gzip what is sent"},
    {"--tls", NULL, NULL, REMOTE | ACCOUNT, NULL,
     "TLS, trusting the system's roots; implied by the following"},
    {"--ca", NULL, "FILE", REMOTE | ACCOUNT, NULL, "trust the certificates in this PEM file"},
    {"--cert", NULL, "FILE", REMOTE | ACCOUNT, NULL, "show this certificate (mTLS), with --key"},
    {"--key", NULL, "FILE", REMOTE | ACCOUNT, NULL, "its private key"},
    {"--servername", NULL, "NAME", REMOTE | ACCOUNT, NULL,
     "name that the server's certificate must have"},
    {"--verbose", "-v", NULL, REMOTE | CTL_EVENTS, NULL, "headers, trailers and times on stderr"},
    {"--json", NULL, NULL, REMOTE | ACCOUNT, NULL, "output for programs; errors as JSON on stderr"},
    {"--help", "-h", NULL, REMOTE | ACCOUNT | CTL_COMPLETION | CTL_HELP | CTL_VERSION, NULL,
     "show this help"},
};

enum {
    COMMAND_COUNT = sizeof commands / sizeof commands[0],
    OPTION_COUNT = sizeof options / sizeof options[0]
};

_Static_assert(OPTION_COUNT <= 64, "ctl_args.given has a bit for each");

const ctl_option *ctl_options(size_t *count)
{
    *count = OPTION_COUNT;
    return options;
}

const char *const *ctl_verbs(ctl_command command)
{
    static const char *const none[] = {NULL};
    static const struct {
        ctl_command command;
        const char *verbs[5];
    } all[] = {{CTL_EVENTS, {"publish", "tail"}},
               {CTL_CONSUMERS, {"list", "pause", "resume"}},
               {CTL_DLQ, {"drop", "list", "replay", "show"}},
               {CTL_SAGA, {"list", "resolve", "retry", "show"}}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].command == command)
            return all[i].verbs;
    return none;
}

const char *ctl_verb(const ctl_args *args)
{
    if (args->word_count == 0)
        return NULL;
    for (const char *const *verb = ctl_verbs(args->command); *verb != NULL; verb++)
        if (strcmp(*verb, args->words[0]) == 0)
            return *verb;
    return NULL;
}

bool ctl_option_is_of(const ctl_option *option, const char *verb)
{
    return option->verbs == NULL || strstr(option->verbs, verb) != NULL;
}

const char *ctl_command_name(ctl_command command)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (commands[i].command == command)
            return commands[i].name;
    return NULL;
}

ctl_command ctl_command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].command;
    return 0;
}

/* "2s" in milliseconds, as the configuration of services reads it. */
static bool parse_duration(const char *option, const char *text, int64_t *ms, mesh_arena *arena,
                           char message[CTL_MESSAGE_BYTES])
{
    mesh_setting setting = {.name = option,
                            .type = MESH_SETTING_DURATION,
                            .target = ms,
                            .fallback = "1s",
                            .min = 1,
                            .max = INT64_C(1000) * 60 * 60 * 24 * 365};
    const char *env[] = {mesh_arena_printf(arena, "%s=%s", option, text), NULL};
    mesh_error err;
    mesh_error_clear(&err);
    char report[CTL_MESSAGE_BYTES] = "";
    if (mesh_config_load(&setting, 1, NULL, env, arena, report, sizeof report, &err) == MESH_OK)
        return true;
    snprintf(message, CTL_MESSAGE_BYTES, "%s %s: a duration looks like 250ms, 2s, 1m or 1h", option,
             text);
    return false;
}

bool ctl_number(const char *text, uint64_t *number)
{
    char *end;
    if (text[0] < '1' || text[0] > '9')
        return false;
    errno = 0;
    const uint64_t read = strtoull(text, &end, 10);
    if (*end != '\0' || errno != 0)
        return false;
    *number = read;
    return true;
}

/* A place in the stream, a moment, or how long ago. */
static bool parse_from(const char *text, ctl_args *args, mesh_arena *arena,
                       char message[CTL_MESSAGE_BYTES])
{
    struct tm moment = {.tm_year = 0};
    int64_t ago_ms;
    args->from_sequence = 0;
    args->from_ns = 0;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &moment);
    if (strcmp(text, "beginning") == 0) {
        args->from_sequence = 1;
    } else if (rest != NULL && *rest == '\0' && timegm(&moment) > 0) {
        args->from_ns = timegm(&moment) * INT64_C(1000000000);
    } else if (!ctl_number(text, &args->from_sequence)) {
        if (!parse_duration("--from", text, &ago_ms, arena, message)) {
            snprintf(message, CTL_MESSAGE_BYTES,
                     "--from %s: it is beginning, a place in the stream (42), how long ago (10m) "
                     "or a moment (2026-11-30T09:00:00Z)",
                     text);
            return false;
        }
        args->from_ns = mesh_clock_wall_ns() - ago_ms * 1000000;
    }
    return true;
}

static bool set_flag(ctl_args *args, const char *name)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"--emit-defaults", &args->emit_defaults},
        {"--proto-names", &args->proto_names},
        {"--compact", &args->compact},
        {"--template", &args->template},
        {"--compress", &args->compress},
        {"--tls", &args->tls},
        {"--verbose", &args->verbose},
        {"--json", &args->json},
        {"--help", &args->help},
        {"--staff", &args->staff},
        {"--force", &args->force},
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(flags[i].name, name) == 0) {
            *flags[i].flag = true;
            return true;
        }
    return false;
}

static bool set_value(ctl_args *args, const char *name, const char *value, mesh_arena *arena,
                      char message[CTL_MESSAGE_BYTES])
{
    const struct {
        const char *name;
        const char **target;
        bool tls;
    } texts[] = {
        {"--protoset", &args->protoset, false},     {"--ca", &args->ca_file, true},
        {"--cert", &args->certificate_file, true},  {"--key", &args->key_file, true},
        {"--servername", &args->server_name, true}, {"--subject", &args->subject, false},
        {"--status", &args->status, false},         {"--as", &args->as, false},
        {"--reason", &args->reason, false},         {"--step", &args->step, false},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(texts[i].name, name) == 0) {
            *texts[i].target = value;
            args->tls |= texts[i].tls;
            return true;
        }
    if (strcmp(name, "--deadline") == 0)
        return parse_duration(name, value, &args->deadline_ms, arena, message);
    if (strcmp(name, "--max-time") == 0)
        return parse_duration(name, value, &args->max_time_ms, arena, message);
    if (strcmp(name, "--from") == 0)
        return parse_from(value, args, arena, message);
    if (strcmp(name, "--count") == 0) {
        uint64_t count;
        bool right = ctl_number(value, &count) && count <= INT64_MAX;
        if (right)
            args->count = (int64_t)count;
        else
            snprintf(message, CTL_MESSAGE_BYTES, "--count %s: how many is a number from 1 on",
                     value);
        return right;
    }
    if (args->header_count == CTL_MAX_HEADERS) {
        snprintf(message, CTL_MESSAGE_BYTES, "more than %d headers", CTL_MAX_HEADERS);
        return false;
    }
    args->headers[args->header_count++] = value;
    return true;
}

/* The option of that name or letter; the part before a '=' when it is long. */
static const ctl_option *find_option(const char *text, const char **value)
{
    size_t size = strcspn(text, "=");
    *value = NULL;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *letter = options[i].letter;
        if (strlen(options[i].name) == size && strncmp(options[i].name, text, size) == 0) {
            *value = text[size] == '=' ? text + size + 1 : NULL;
            return &options[i];
        }
        /* -H'key: value' */
        if (letter != NULL && strncmp(text, letter, 2) == 0 &&
            (text[2] == '\0' || options[i].value != NULL)) {
            *value = text[2] == '\0' ? NULL : text + 2;
            return &options[i];
        }
    }
    return NULL;
}

static bool no_such_option(ctl_command command, const char *text, char message[CTL_MESSAGE_BYTES])
{
    ctl_suggestions near = ctl_suggest_begin(text);
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (options[i].commands & command)
            ctl_suggest_offer(&near, options[i].name);
    char names[CTL_MESSAGE_BYTES / 2];
    ctl_suggest_end(&near, names, sizeof names);
    snprintf(message, CTL_MESSAGE_BYTES, "no option %s for %s%s", text, ctl_command_name(command),
             names);
    return false;
}

static bool parse_option(int argc, char *const *argv, int *at, ctl_args *args, mesh_arena *arena,
                         char message[CTL_MESSAGE_BYTES])
{
    const char *text = argv[*at];
    const char *value;
    const ctl_option *option = find_option(text, &value);
    if (option == NULL || !(option->commands & args->command))
        return no_such_option(args->command, text, message);
    args->given |= UINT64_C(1) << (option - options);
    if (option->value == NULL) {
        if (value == NULL)
            return set_flag(args, option->name);
        snprintf(message, CTL_MESSAGE_BYTES, "%s takes no value", option->name);
        return false;
    }
    if (value == NULL && *at + 1 < argc)
        value = argv[++*at];
    if (value == NULL) {
        snprintf(message, CTL_MESSAGE_BYTES, "%s needs a value: %s %s", option->name, option->name,
                 option->value);
        return false;
    }
    return set_value(args, option->name, value, arena, message);
}

/* The verb may stand behind its options. */
static bool check_verb(const ctl_args *args, char message[CTL_MESSAGE_BYTES])
{
    const char *verb = ctl_verb(args);
    for (size_t i = 0; verb != NULL && i < OPTION_COUNT; i++) {
        if (!(args->given >> i & 1) || ctl_option_is_of(&options[i], verb))
            continue;
        snprintf(message, CTL_MESSAGE_BYTES, "no option %s for %s %s; it is one of %s",
                 options[i].name, ctl_command_name(args->command), verb, options[i].verbs);
        return false;
    }
    return true;
}

static bool no_such_command(const char *text, char message[CTL_MESSAGE_BYTES])
{
    ctl_suggestions near = ctl_suggest_begin(text);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (commands[i].command != CTL_COMPLETE)
            ctl_suggest_offer(&near, commands[i].name);
    char names[CTL_MESSAGE_BYTES / 2];
    ctl_suggest_end(&near, names, sizeof names);
    snprintf(message, CTL_MESSAGE_BYTES, "no command %s%s", text, names);
    return false;
}

static bool find_command(const char *text, ctl_args *args, char message[CTL_MESSAGE_BYTES])
{
    if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0)
        text = "help";
    else if (strcmp(text, "--version") == 0)
        text = "version";
    args->command = ctl_command_find(text);
    if (args->command != 0)
        return true;
    if (text[0] == '-') {
        snprintf(message, CTL_MESSAGE_BYTES, "%s: the command comes first, options follow it",
                 text);
        return false;
    }
    if (strcmp(text, "sign-up") == 0) {
        snprintf(
            message, CTL_MESSAGE_BYTES,
            "no command sign-up; meshctl call user SignUpRegular - makes an account, from JSON "
            "that it reads, so that the password is in no argument");
        return false;
    }
    return no_such_command(text, message);
}

bool ctl_args_parse(int argc, char *const *argv, mesh_arena *arena, ctl_args *args,
                    char message[CTL_MESSAGE_BYTES])
{
    *args = (ctl_args){.command = CTL_HELP};
    if (argc == 0)
        return true;
    if (!find_command(argv[0], args, message))
        return false;
    args->words = mesh_arena_calloc(arena, (size_t)argc, sizeof *args->words);
    if (args->words == NULL) {
        snprintf(message, CTL_MESSAGE_BYTES, "out of memory");
        return false;
    }
    /* What `complete` gets is a command line itself: all of it are words. */
    bool ended = args->command == CTL_COMPLETE;
    for (int at = 1; at < argc; at++) {
        if (!ended && strcmp(argv[at], "--") == 0)
            ended = true;
        else if (ended || argv[at][0] != '-' || argv[at][1] == '\0')
            args->words[args->word_count++] = argv[at];
        else if (!parse_option(argc, argv, &at, args, arena, message))
            return false;
    }
    if ((args->certificate_file == NULL) != (args->key_file == NULL)) {
        snprintf(message, CTL_MESSAGE_BYTES, "--cert and --key belong together");
        return false;
    }
    if (args->command == CTL_HELP && args->word_count > 0 && ctl_command_find(args->words[0]) == 0)
        return no_such_command(args->words[0], message);
    return args->help || check_verb(args, message);
}
