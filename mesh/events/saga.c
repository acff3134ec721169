#include "mesh/events/saga.h"

#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/options.h"
#include "mesh/events/saga_hold.h"
#include "mesh/events/saga_workers.h"

enum {
    DEFAULT_CONCURRENCY = 4,
    MAX_CONCURRENCY = 64,
    DEFAULT_ATTEMPT_TIMEOUT_MS = 10000,
    DEFAULT_RETRY_FIRST_MS = 1000,
    DEFAULT_RETRY_LAST_MS = 60000,
    DEFAULT_TAKEOVER_MS = 5000,
    MAX_ATTEMPT_TIMEOUT_MS = 3600 * 1000,
    MAX_ATTEMPTS = 1000000
};
static const int64_t default_retention_ms = INT64_C(30) * 24 * 3600 * 1000;
static const int64_t max_ms = INT64_C(36500) * 24 * 3600 * 1000; /* of a time: a century */

/* --- definitions ------------------------------------------------------------------------------ */

const mesh_saga_definition *mesh_saga_find_definition(const mesh_sagas *sagas, const char *name)
{
    for (const mesh_saga_definition *at = sagas->options.definitions; at->name != NULL; at++) {
        if (strcmp(at->name, name) == 0)
            return at;
    }
    return NULL;
}

const mesh_saga_step *mesh_saga_find_step(const mesh_saga_definition *definition, const char *name)
{
    if (definition == NULL)
        return NULL;
    for (const mesh_saga_step *at = definition->steps; at->name != NULL; at++) {
        if (strcmp(at->name, name) == 0)
            return at;
    }
    return NULL;
}

int mesh_saga_step_attempts(const mesh_saga_step *step)
{
    return step != NULL && step->attempts != 0 ? step->attempts : MESH_SAGA_DEFAULT_ATTEMPTS;
}

static mesh_code check_name(const char *name, mesh_error *err)
{
    size_t size = strlen(name);
    if (size == 0 || size >= MESH_SAGA_NAME_BYTES ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != size)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "'%s' is no name: 1 to %d characters a-z 0-9 - _", name,
                              MESH_SAGA_NAME_BYTES - 1);
    return MESH_OK;
}

static mesh_code check_step(const mesh_saga_definition *definition, const mesh_saga_step *step,
                            mesh_error *err)
{
    mesh_code code = check_name(step->name, err);
    if (code == MESH_OK)
        code = MESH_RESERVED_CHECK(step, err, "step %s", step->name);
    if (code != MESH_OK)
        return code;
    if (step->action == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "step %s has no action", step->name);
    if (step->timeout_ms < 0 || step->timeout_ms > max_ms || step->attempts < 0 ||
        step->attempts > MAX_ATTEMPTS)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "a limit of step %s is out of range",
                              step->name);
    if (mesh_saga_find_step(definition, step->name) != step)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "there are two steps %s", step->name);
    return MESH_OK;
}

static mesh_code check_definition(const mesh_saga_definition *definition, mesh_error *err)
{
    mesh_code code = check_name(definition->name, err);
    if (code == MESH_OK)
        code = MESH_RESERVED_CHECK(definition, err, "saga %s", definition->name);
    size_t count = 0;
    if (code == MESH_OK && definition->steps == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "saga %s has no steps", definition->name);
    while (code == MESH_OK && count <= MESH_SAGA_MAX_STEPS && definition->steps[count].name != NULL)
        code = check_step(definition, &definition->steps[count++], err);
    if (code == MESH_OK && (count == 0 || count > MESH_SAGA_MAX_STEPS))
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT, "it has 1 to %d steps",
                              MESH_SAGA_MAX_STEPS);
    if (code != MESH_OK)
        mesh_error_prefix(err, "saga %s", definition->name);
    return code;
}

static mesh_code check_definitions(const mesh_sagas *self, mesh_error *err)
{
    mesh_code code = MESH_OK;
    const mesh_saga_definition *at = self->options.definitions;
    for (; code == MESH_OK && at->name != NULL; at++) {
        code = check_definition(at, err);
        if (code == MESH_OK && mesh_saga_find_definition(self, at->name) != at)
            code = mesh_error_set(err, MESH_INVALID_ARGUMENT, "there are two sagas %s", at->name);
    }
    return code;
}

/* --- life ------------------------------------------------------------------------------------- */

/* The caller's options, as far as they are known, with all defaults. */
static mesh_code read_options(const mesh_sagas_options *given, mesh_sagas_options *options,
                              mesh_error *err)
{
    static const mesh_saga_definition none = {.name = NULL};
    mesh_code code = MESH_OPTIONS_READ(mesh_sagas_options, retention_ms, options, given, err);
    if (code != MESH_OK)
        return code;
    if (options->definitions == NULL)
        options->definitions = &none;
    MESH_OPTION_DEFAULT(options->concurrency, DEFAULT_CONCURRENCY);
    MESH_OPTION_DEFAULT(options->attempt_timeout_ms, DEFAULT_ATTEMPT_TIMEOUT_MS);
    MESH_OPTION_DEFAULT(options->retry_first_ms, DEFAULT_RETRY_FIRST_MS);
    MESH_OPTION_DEFAULT(options->retry_last_ms, DEFAULT_RETRY_LAST_MS);
    MESH_OPTION_DEFAULT(options->takeover_ms, DEFAULT_TAKEOVER_MS);
    MESH_OPTION_DEFAULT(options->retention_ms, default_retention_ms);
    if (options->db == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "sagas need a database");
    const int64_t times_ms[] = {options->attempt_timeout_ms, options->retry_first_ms,
                                options->retry_last_ms, options->takeover_ms,
                                options->retention_ms};
    bool right = options->concurrency <= MAX_CONCURRENCY &&
                 options->attempt_timeout_ms <= MAX_ATTEMPT_TIMEOUT_MS;
    for (size_t i = 0; i < sizeof times_ms / sizeof times_ms[0]; i++)
        right = right && times_ms[i] > 0 && times_ms[i] <= max_ms;
    return right
               ? MESH_OK
               : mesh_error_set(err, MESH_INVALID_ARGUMENT, "a limit of the sagas is out of range");
}

mesh_code mesh_sagas_create(const mesh_sagas_options *given, mesh_sagas **out, mesh_error *err)
{
    mesh_sagas_options options;
    mesh_code code = read_options(given, &options, err);
    if (code != MESH_OK)
        return code;
    mesh_sagas *self = mesh_calloc(1, sizeof *self);
    if (self == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    self->options = options;
    code = check_definitions(self, err);
    if (code == MESH_OK)
        code = mesh_saga_workers_create(self, &self->workers, err);
    if (code != MESH_OK) {
        mesh_free(self);
        return code;
    }
    *out = self;
    return MESH_OK;
}

mesh_code mesh_sagas_start(mesh_sagas *self, mesh_error *err)
{
    return mesh_saga_workers_start(self->workers, err);
}

bool mesh_sagas_drain(mesh_sagas *self, int64_t timeout_ms)
{
    return mesh_saga_workers_drain(self->workers, timeout_ms);
}

void mesh_sagas_destroy(mesh_sagas *self)
{
    if (self == NULL)
        return;
    mesh_saga_workers_destroy(self->workers);
    mesh_free(self);
}

void mesh_sagas_get_stats(mesh_sagas *self, mesh_sagas_stats *stats)
{
    mesh_saga_workers_figures(self->workers, stats);
}

/* --- beginning and telling -------------------------------------------------------------------- */

static mesh_code no_definition(const char *name, mesh_error *err)
{
    return mesh_error_set(err, MESH_INVALID_ARGUMENT, "this program has no saga %s", name);
}

mesh_code mesh_saga_begin(mesh_sagas *self, mesh_tx *tx, const mesh_saga_beginning *given,
                          bool *begun, mesh_error *err)
{
    mesh_saga_beginning beginning;
    bool first = false;
    mesh_code code = MESH_OPTIONS_READ(mesh_saga_beginning, context_size, &beginning, given, err);
    if (code != MESH_OK)
        return code;
    MESH_OPTION_DEFAULT(beginning.definition, "");
    MESH_OPTION_DEFAULT(beginning.id, "");
    if (mesh_saga_find_definition(self, beginning.definition) == NULL)
        return no_definition(beginning.definition, err);
    if (beginning.id[0] == '\0' || strlen(beginning.id) >= MESH_SAGA_ID_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "the id of a saga has 1 to %d bytes",
                              MESH_SAGA_ID_BYTES - 1);
    if (beginning.context_size > MESH_SAGA_CONTEXT_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "the context of a saga has %d bytes at most",
                              MESH_SAGA_CONTEXT_BYTES);
    code = mesh_saga_hold_begin(self, tx, &beginning, &first, err);
    if (code == MESH_OK && begun != NULL)
        *begun = first;
    return code;
}

/* True when the step that the word is for has not come yet, or has, and does not wait yet. */
static bool is_early(const mesh_saga_hold *hold, const mesh_saga_step *step)
{
    const mesh_saga_step *at = mesh_saga_find_step(hold->definition, hold->step);
    bool forward = !hold->compensating && hold->status != MESH_SAGA_COMPLETED;
    return forward && (at == NULL || step >= at);
}

mesh_code mesh_saga_signal(mesh_sagas *self, mesh_tx *tx, const mesh_saga_word *given, bool *taken,
                           mesh_error *err)
{
    mesh_saga_word word;
    mesh_code code = MESH_OPTIONS_READ(mesh_saga_word, cause, &word, given, err);
    if (code != MESH_OK)
        return code;
    MESH_OPTION_DEFAULT(word.definition, "");
    MESH_OPTION_DEFAULT(word.id, "");
    MESH_OPTION_DEFAULT(word.step, "");
    MESH_OPTION_DEFAULT(word.cause, "");
    const mesh_saga_definition *definition = mesh_saga_find_definition(self, word.definition);
    const mesh_saga_step *step = mesh_saga_find_step(definition, word.step);
    if (definition == NULL)
        return no_definition(word.definition, err);
    if (step == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "saga %s has no step %s", word.definition,
                              word.step);
    mesh_saga_hold hold;
    bool counts = false;
    code = mesh_saga_hold_take(self, tx, word.definition, word.id, &hold, err);
    if (code != MESH_OK)
        return code;
    if (hold.status == MESH_SAGA_WAITING && strcmp(hold.step, word.step) == 0) {
        counts = true;
        code = mesh_saga_hold_told(&hold, word.code, word.cause, err);
    } else if (is_early(&hold, step)) {
        code = mesh_saga_hold_keep(&hold, &word, &counts, err);
    }
    if (code == MESH_OK && taken != NULL)
        *taken = counts;
    return code;
}
