#include "mesh/base/log.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mesh/base/clock.h"
#include "mesh/base/trace.h"
#include "mesh/base/utf8.h"

enum {
    LINE_BYTES = 8192,
    MESSAGE_BYTES = 4096, /* a message is cut here, so that its fields have room */
    SERVICE_BYTES = 64
};

#define CUT_END ",\"cut\":true}\n"

/* A line being written. Before `limit` there is always room for CUT_END. */
typedef struct line {
    char bytes[LINE_BYTES];
    size_t size;
    size_t limit;
    bool cut;
} line;

static atomic_int lowest = MESH_LOG_INFO;
static atomic_int output = -1; /* -1: stderr */

static pthread_mutex_t service_mu = PTHREAD_MUTEX_INITIALIZER;
static char service_name[SERVICE_BYTES]; /* guarded by service_mu */

static const char *const level_names[] = {
    [MESH_LOG_DEBUG] = "debug",
    [MESH_LOG_INFO] = "info",
    [MESH_LOG_WARN] = "warn",
    [MESH_LOG_ERROR] = "error",
};

bool mesh_log_enabled(mesh_log_level level)
{
    return (int)level >= atomic_load_explicit(&lowest, memory_order_relaxed);
}

/* Appends bytes as they are, or nothing when there is no room for all of them. */
static bool put(line *to, const char *bytes, size_t size)
{
    if (size > to->limit - to->size)
        return false;
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
    return true;
}

/* The JSON form of the character at `text`: its bytes in `form`; returns its length there. */
static size_t escape(const uint8_t *text, size_t length, char form[8])
{
    static const char short_forms[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

    if (length == 0) {
        memcpy(form, "\xef\xbf\xbd", 3); /* not UTF-8 */
        return 3;
    }
    if (text[0] == '"' || text[0] == '\\') {
        form[0] = '\\';
        form[1] = (char)text[0];
        return 2;
    }
    if (text[0] >= 0x20) {
        memcpy(form, text, length);
        return length;
    }
    if (short_forms[text[0]] != 0) {
        form[0] = '\\';
        form[1] = short_forms[text[0]];
        return 2;
    }
    return (size_t)snprintf(form, 8, "\\u%04x", text[0]);
}

/* Appends a JSON string, cut at a character to fit; false when not even its quotes fit. */
static bool put_string(line *to, const char *text, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t limit = to->limit;

    if (to->limit - to->size < 2)
        return false;
    put(to, "\"", 1);
    to->limit--; /* the closing quote's */
    for (size_t at = 0; at < size;) {
        size_t length = mesh_utf8_length(bytes + at, size - at);
        char form[8];
        size_t form_size = escape(bytes + at, length, form);

        if (!put(to, form, form_size)) {
            to->cut = true;
            break;
        }
        at += length == 0 ? 1 : length;
    }
    to->limit = limit;
    return put(to, "\"", 1);
}

/* Appends `,"key":`. */
static bool put_key(line *to, const char *key)
{
    return put(to, ",", 1) && put_string(to, key, strlen(key)) && put(to, ":", 1);
}

/* A double as JSON: the shortest of two forms that reads back the same; null if not a number. */
static size_t format_double(double number, char text[32])
{
    int size;

    if (!isfinite(number))
        return (size_t)snprintf(text, 32, "null");
    size = snprintf(text, 32, "%.15g", number);
    if (strtod(text, NULL) != number)
        size = snprintf(text, 32, "%.17g", number);
    for (char *at = text; *at != '\0'; at++) { /* whatever LC_NUMERIC says */
        if (*at == ',')
            *at = '.';
    }
    return (size_t)size;
}

static bool put_value(line *to, const mesh_log_field *field)
{
    char text[32];
    size_t size = 0;

    switch (field->type) {
    case MESH_LOG_STRING:
        if (field->value.string != NULL)
            return put_string(to, field->value.string, strlen(field->value.string));
        size = (size_t)snprintf(text, sizeof text, "null");
        break;
    case MESH_LOG_INTEGER:
        size = (size_t)snprintf(text, sizeof text, "%lld", (long long)field->value.integer);
        break;
    case MESH_LOG_DOUBLE:
        size = format_double(field->value.number, text);
        break;
    case MESH_LOG_BOOL:
        size = (size_t)snprintf(text, sizeof text, "%s", field->value.boolean ? "true" : "false");
        break;
    }
    return put(to, text, size);
}

/* Appends one field whole, or with its string cut, or not at all. */
static void put_field(line *to, const mesh_log_field *field)
{
    size_t before = to->size;
    bool was_cut = to->cut;

    to->cut = false;
    if (!put_key(to, field->key) || to->cut || !put_value(to, field)) {
        to->size = before;
        to->cut = true;
    }
    to->cut |= was_cut;
}

/* One write(2) takes the line; what a pipe or a signal left over follows. */
static void write_line(const char *bytes, size_t size)
{
    int fd = atomic_load_explicit(&output, memory_order_relaxed);

    if (fd < 0)
        fd = STDERR_FILENO;
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; /* nowhere to say it */
        bytes += written;
        size -= (size_t)written;
    }
}

void mesh_log_write(mesh_log_level level, const char *message, const mesh_log_field *fields,
                    size_t count)
{
    const mesh_trace *trace = mesh_trace_current();
    int saved_errno = errno;
    char text[MESH_TRACE_ID_TEXT_BYTES];
    char time[MESH_TIME_TEXT_BYTES];
    char service[SERVICE_BYTES];
    line to;

    to.size = 0;
    to.limit = sizeof to.bytes - strlen(CUT_END);
    to.cut = false;

    mesh_clock_format(mesh_clock_wall_ns(), time);
    pthread_mutex_lock(&service_mu);
    memcpy(service, service_name, sizeof service);
    pthread_mutex_unlock(&service_mu);

    put(&to, "{\"time\":\"", 9);
    put(&to, time, strlen(time));
    put(&to, "\"", 1);
    put_field(&to, &MESH_LOG_S("level", level_names[level]));
    if (service[0] != '\0')
        put_field(&to, &MESH_LOG_S("service", service));

    put_key(&to, "message");
    to.limit = to.size + MESSAGE_BYTES;
    put_string(&to, message, strlen(message));
    to.limit = sizeof to.bytes - strlen(CUT_END);

    if (trace != NULL && mesh_trace_valid(trace)) {
        mesh_trace_id_format(trace, text);
        put_field(&to, &MESH_LOG_S("trace_id", text));
        mesh_span_id_format(trace, text);
        put_field(&to, &MESH_LOG_S("span_id", text));
    }
    for (size_t i = 0; i < count; i++)
        put_field(&to, &fields[i]);

    to.limit = sizeof to.bytes;
    if (to.cut)
        put(&to, CUT_END, strlen(CUT_END));
    else
        put(&to, "}\n", 2);
    write_line(to.bytes, to.size);
    errno = saved_errno;
}

void mesh_log_setup(const char *service, mesh_log_level level)
{
    pthread_mutex_lock(&service_mu);
    mesh_utf8_copy(service_name, sizeof service_name, service, strlen(service));
    pthread_mutex_unlock(&service_mu);
    atomic_store(&lowest, (int)level);
}

bool mesh_log_level_parse(const char *name, mesh_log_level *level)
{
    for (int i = MESH_LOG_DEBUG; i <= MESH_LOG_ERROR; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (mesh_log_level)i;
            return true;
        }
    }
    return false;
}

void mesh_log_output(int fd)
{
    atomic_store(&output, fd);
}
