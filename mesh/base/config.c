#include "mesh/base/config.h"
#include "mesh/base/options.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mesh/base/setting.h"
#include "mesh/base/utf8.h"

enum {
    CONFIG_FILE_BYTES = 1024 * 1024,
    SECRET_FILE_BYTES = 64 * 1024,
    NAME_SHOWN_BYTES = 65,
    PLACE_BYTES = 288
};

#define OWN_PREFIX "MESH_"

/* Not settings of a service: the name of the file itself. */
#define CONFIG_NAME "MESH_CONFIG"
#define DATA_NAME "MESH_DATA" /* for scripts and meshctl; people export it */

extern char **environ;

/* A NAME=VALUE as it was given. */
typedef struct entry {
    const char *name;
    size_t name_size;
    const char *value;
    int line; /* in the file; 0: the environment */
} entry;

typedef struct loader {
    const mesh_setting *settings;
    size_t count;
    const char *file; /* NULL: none */
    mesh_arena *arena;
    entry *env, *lines; /* in the arena */
    size_t env_count, line_count;
    char *report;
    size_t report_size, reported;
    size_t mistakes;
    mesh_error *err;
} loader;

static bool same(const entry *one, const char *name, size_t size)
{
    return one->name_size == size && memcmp(one->name, name, size) == 0;
}

/* ---- mistakes ---- */

static void report_text(loader *to, const char *text)
{
    size_t size = strlen(text), copied;

    if (to->report_size <= to->reported)
        return;
    copied = mesh_utf8_copy(to->report + to->reported, to->report_size - to->reported, text, size);
    to->reported = copied < size ? to->report_size : to->reported + copied;
}

/* Notes that the setting `name`, given at `place`, is wrong. */
static void add_mistake(loader *to, const char *name, const char *place, const char *mistake)
{
    if (to->mistakes++ > 0)
        report_text(to, "\n");
    report_text(to, name);
    report_text(to, place);
    report_text(to, ": ");
    report_text(to, mistake);
    mesh_error_field(to->err, name, "%s", mistake);
}

/* " (environment)" or " (FILE:LINE)". */
static void describe_place(const loader *from, const entry *one, char place[PLACE_BYTES])
{
    if (one == NULL)
        snprintf(place, PLACE_BYTES, " (default)");
    else if (one->line == 0)
        snprintf(place, PLACE_BYTES, " (environment)");
    else
        snprintf(place, PLACE_BYTES, " (%.255s:%d)", from->file, one->line);
}

static void add_entry_mistake(loader *to, const entry *one, const char *mistake)
{
    char name[NAME_SHOWN_BYTES], place[PLACE_BYTES];

    mesh_utf8_copy(name, sizeof name, one->name, one->name_size);
    describe_place(to, one, place);
    add_mistake(to, name, place, mistake);
}

/* ---- files ---- */

/* Reads a whole file into the arena, with a NUL behind. 0, or the errno that says why not. */
static int read_file(const char *path, size_t limit, mesh_arena *arena, char **text, size_t *size)
{
    char *bytes = mesh_arena_alloc(arena, limit + 1);
    int fd = -1, error = 0;
    ssize_t got = 1;

    *size = 0;
    if (bytes == NULL)
        return ENOMEM;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    while (got > 0 && *size <= limit) {
        got = read(fd, bytes + *size, limit + 1 - *size);
        if (got > 0)
            *size += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
        else if (got < 0)
            error = errno;
    }
    close(fd);
    if (error == 0 && *size > limit)
        error = EFBIG;
    if (error != 0)
        return error;
    bytes[*size] = '\0';
    *text = bytes;
    return 0;
}

/* ---- where values come from ---- */

/* Splits "NAME=VALUE" at the first '='; without one the name is everything and the value NULL. */
static entry split(const char *text, int line)
{
    const char *equals = strchr(text, '=');
    entry one = {.name = text, .line = line};

    one.name_size = equals == NULL ? strlen(text) : (size_t)(equals - text);
    one.value = equals == NULL ? NULL : equals + 1;
    return one;
}

static bool read_environment(loader *to, const char *const *env)
{
    size_t count = 0;

    if (env == NULL)
        env = (const char *const *)environ;
    while (env != NULL && env[count] != NULL)
        count++;
    to->env = mesh_arena_calloc(to->arena, count, sizeof *to->env);
    if (to->env == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        entry one = split(env[i], 0);

        if (one.value != NULL)
            to->env[to->env_count++] = one;
    }
    return true;
}

/* Cuts white space off both ends, in place. */
static char *trim(char *text)
{
    size_t size;

    text += strspn(text, " \t\r");
    size = strlen(text);
    while (size > 0 && strchr(" \t\r", text[size - 1]) != NULL)
        size--;
    text[size] = '\0';
    return text;
}

static void read_line(loader *to, char *text, int number)
{
    entry one;

    text = trim(text);
    if (text[0] == '\0' || text[0] == '#')
        return;
    one = split(text, number);
    while (one.name_size > 0 && strchr(" \t", one.name[one.name_size - 1]) != NULL)
        one.name_size--;
    if (one.value == NULL || one.name_size == 0) {
        one = (entry){.name = "line", .name_size = 4, .line = number}; /* may hold a secret */
        add_entry_mistake(to, &one, "is no setting: write NAME=VALUE");
        return;
    }
    one.value += strspn(one.value, " \t");
    for (size_t i = 0; i < to->line_count; i++) {
        if (same(&to->lines[i], one.name, one.name_size)) {
            add_entry_mistake(to, &one, "is given twice in the file: keep one");
            return;
        }
    }
    to->lines[to->line_count++] = one;
}

static mesh_code read_config_file(loader *to)
{
    char *text, *end;
    size_t size, lines = 1;
    int error = read_file(to->file, CONFIG_FILE_BYTES, to->arena, &text, &size);

    if (error == ENOMEM)
        return MESH_RESOURCE_EXHAUSTED;
    if (error == ENOENT)
        return mesh_error_set(to->err, MESH_NOT_FOUND, "configuration file %s is missing",
                              to->file);
    if (error != 0)
        return mesh_error_set(to->err, MESH_FAILED_PRECONDITION,
                              "configuration file %s cannot be read: %s", to->file,
                              strerror(error));
    if (memchr(text, '\0', size) != NULL)
        return mesh_error_set(to->err, MESH_INVALID_ARGUMENT,
                              "configuration file %s is no text: it has a NUL byte", to->file);

    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    to->lines = mesh_arena_calloc(to->arena, lines, sizeof *to->lines);
    if (to->lines == NULL)
        return MESH_RESOURCE_EXHAUSTED;
    for (int number = 1; text != NULL; number++, text = end) {
        end = strchr(text, '\n');
        if (end != NULL)
            *end++ = '\0';
        read_line(to, text, number);
    }
    return MESH_OK;
}

/* ---- settings ---- */

static const entry *find(const entry *entries, size_t count, const char *name, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (same(&entries[i], name, size))
            return &entries[i];
    }
    return NULL;
}

static bool known(const loader *in, const entry *one)
{
    for (size_t i = 0; i < in->count; i++) {
        const mesh_setting *setting = &in->settings[i];
        size_t size = strlen(setting->name);
        size_t with_suffix = size + strlen(MESH_SETTING_FILE_SUFFIX);

        if (same(one, setting->name, size))
            return true;
        if (setting->type == MESH_SETTING_SECRET && one->name_size == with_suffix &&
            memcmp(one->name, setting->name, size) == 0 &&
            memcmp(one->name + size, MESH_SETTING_FILE_SUFFIX, strlen(MESH_SETTING_FILE_SUFFIX)) ==
                0)
            return true;
    }
    return false;
}

static void refuse_unknown(loader *to)
{
    const size_t prefix = strlen(OWN_PREFIX);

    for (size_t i = 0; i < to->env_count; i++) {
        const entry *one = &to->env[i];

        if (one->name_size > prefix && memcmp(one->name, OWN_PREFIX, prefix) == 0 &&
            !same(one, CONFIG_NAME, strlen(CONFIG_NAME)) &&
            !same(one, DATA_NAME, strlen(DATA_NAME)) && !known(to, one))
            add_entry_mistake(to, one, "there is no such setting; --help lists them");
    }
    for (size_t i = 0; i < to->line_count; i++) {
        if (!known(to, &to->lines[i]))
            add_entry_mistake(to, &to->lines[i], "there is no such setting; --help lists them");
    }
}

/* The content of a secret's file, without the line end; NULL after noting a mistake. */
static const char *read_secret(loader *to, const entry *one)
{
    char mistake[MESH_SETTING_MISTAKE_BYTES];
    char *text = NULL;
    size_t size;
    int error = read_file(one->value, SECRET_FILE_BYTES, to->arena, &text, &size);

    if (error != 0) {
        snprintf(mistake, sizeof mistake, "cannot read %.200s: %s", one->value, strerror(error));
        add_entry_mistake(to, one, mistake);
        return NULL;
    }
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        text[--size] = '\0';
    if (size == 0 || strlen(text) != size) {
        snprintf(mistake, sizeof mistake, "%.200s %s", one->value,
                 size == 0 ? "is empty" : "holds a NUL byte: give the secret as text");
        add_entry_mistake(to, one, mistake);
        return NULL;
    }
    return text;
}

/*
 * Looks a setting up in one source: NAME, and NAME_FILE for a secret. False when it is not there;
 * `text` is NULL after a mistake.
 */
static bool look_up(loader *to, const mesh_setting *setting, const entry *entries, size_t count,
                    const entry **given, const char **text)
{
    const entry *file = NULL;
    char name[NAME_SHOWN_BYTES + sizeof MESH_SETTING_FILE_SUFFIX];

    *given = find(entries, count, setting->name, strlen(setting->name));
    if (setting->type == MESH_SETTING_SECRET) {
        snprintf(name, sizeof name, "%s" MESH_SETTING_FILE_SUFFIX, setting->name);
        file = find(entries, count, name, strlen(name));
    }
    if (*given == NULL && file == NULL)
        return false;
    if (*given != NULL && file != NULL) {
        add_entry_mistake(to, file, "the secret itself is given as well: keep one of both");
        *text = NULL;
    } else if (file != NULL) {
        *given = file;
        *text = read_secret(to, file);
    } else {
        *text = (*given)->value;
    }
    return true;
}

static void load_one(loader *to, const mesh_setting *setting, mesh_setting_value *value)
{
    char mistake[MESH_SETTING_MISTAKE_BYTES], place[PLACE_BYTES];
    const entry *given = NULL;
    const char *text = NULL;

    if (!look_up(to, setting, to->env, to->env_count, &given, &text) &&
        !look_up(to, setting, to->lines, to->line_count, &given, &text)) {
        if (setting->fallback == NULL) {
            snprintf(mistake, sizeof mistake, "is required and not given%s%s%s: %s",
                     setting->type == MESH_SETTING_SECRET ? ", nor is " : "",
                     setting->type == MESH_SETTING_SECRET ? setting->name : "",
                     setting->type == MESH_SETTING_SECRET ? MESH_SETTING_FILE_SUFFIX : "",
                     setting->help);
            add_mistake(to, setting->name, "", mistake);
            return;
        }
        text = setting->fallback;
        given = NULL;
    }
    if (text == NULL || mesh_setting_parse(setting, text, value, mistake))
        return;
    describe_place(to, given, place);
    add_mistake(to, setting->name, place, mistake);
}

/* True when the target is a string. */
static bool is_string(const mesh_setting *setting)
{
    return setting->type == MESH_SETTING_STRING || setting->type == MESH_SETTING_SECRET ||
           setting->type == MESH_SETTING_ADDRESS || setting->type == MESH_SETTING_TCP_ADDRESS ||
           setting->type == MESH_SETTING_CHOICE;
}

/* Writes a value to its setting's target. */
static void store(const mesh_setting *setting, const mesh_setting_value *value)
{
    switch (setting->type) {
    case MESH_SETTING_STRING:
    case MESH_SETTING_SECRET:
    case MESH_SETTING_ADDRESS:
    case MESH_SETTING_TCP_ADDRESS:
    case MESH_SETTING_CHOICE:
        *(const char **)setting->target = value->text;
        break;
    case MESH_SETTING_INTEGER:
    case MESH_SETTING_DURATION:
    case MESH_SETTING_BYTES:
        *(int64_t *)setting->target = value->number;
        break;
    case MESH_SETTING_BOOL:
        *(bool *)setting->target = value->boolean;
        break;
    }
}

mesh_code mesh_config_load(const mesh_setting *settings, size_t count, const char *file,
                           const char *const *env, mesh_arena *arena, char *report,
                           size_t report_size, mesh_error *err)
{
    loader to = {.settings = settings,
                 .count = count,
                 .file = file,
                 .report = report,
                 .report_size = report_size,
                 .err = err};
    mesh_setting_value *values;
    mesh_code code = MESH_RESOURCE_EXHAUSTED;

    mesh_error_clear(err);
    if (report_size > 0)
        report[0] = '\0';
    for (size_t i = 0; i < count; i++)
        if (MESH_RESERVED_CHECK(&settings[i], err, "setting %s", settings[i].name) != MESH_OK)
            return MESH_INVALID_ARGUMENT;
    to.arena = mesh_arena_create(16 * 1024, 0);
    if (to.arena == NULL)
        goto done;
    values = mesh_arena_calloc(to.arena, count, sizeof *values);
    if (values == NULL || !read_environment(&to, env))
        goto done;
    code = file == NULL ? MESH_OK : read_config_file(&to);
    if (code != MESH_OK)
        goto done;

    refuse_unknown(&to);
    for (size_t i = 0; i < count; i++)
        load_one(&to, &settings[i], &values[i]);
    if (mesh_arena_overflowed(to.arena)) {
        code = MESH_RESOURCE_EXHAUSTED;
        goto done;
    }
    if (to.mistakes > 0) {
        code = MESH_INVALID_ARGUMENT;
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_string(&settings[i]))
            values[i].text = mesh_arena_strdup(arena, values[i].text);
    }
    if (mesh_arena_overflowed(arena)) {
        code = MESH_RESOURCE_EXHAUSTED;
        goto done;
    }
    for (size_t i = 0; i < count; i++)
        store(&settings[i], &values[i]);

done:
    mesh_arena_destroy(to.arena);
    if (code == MESH_RESOURCE_EXHAUSTED)
        mesh_error_set(err, code, "out of memory when reading the configuration");
    return code;
}
