#include "mesh/obs/rpc.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"

enum {
    TABLE_BITS = 10,
    TABLE_SIZE = 1 << TABLE_BITS,
    MAX_METHODS = TABLE_SIZE / 4 * 3, /* so that a search ends soon */
    CODES = MESH_UNAUTHENTICATED + 1,
    NAME_BYTES = 256
};

/* What a call may take: the buckets' upper bounds, in nanoseconds. */
static const int64_t bounds_ns[] = {
    100000,   250000,    500000,    1000000,   2500000,    5000000,    10000000,   25000000,
    50000000, 100000000, 250000000, 500000000, 1000000000, 2500000000, 5000000000, 10000000000,
};

/* The codes as Go's google.golang.org/grpc/codes writes them. */
static const char *const code_names[CODES] = {
    [MESH_OK] = "OK",
    [MESH_CANCELLED] = "Canceled",
    [MESH_UNKNOWN] = "Unknown",
    [MESH_INVALID_ARGUMENT] = "InvalidArgument",
    [MESH_DEADLINE_EXCEEDED] = "DeadlineExceeded",
    [MESH_NOT_FOUND] = "NotFound",
    [MESH_ALREADY_EXISTS] = "AlreadyExists",
    [MESH_PERMISSION_DENIED] = "PermissionDenied",
    [MESH_RESOURCE_EXHAUSTED] = "ResourceExhausted",
    [MESH_FAILED_PRECONDITION] = "FailedPrecondition",
    [MESH_ABORTED] = "Aborted",
    [MESH_OUT_OF_RANGE] = "OutOfRange",
    [MESH_UNIMPLEMENTED] = "Unimplemented",
    [MESH_INTERNAL] = "Internal",
    [MESH_UNAVAILABLE] = "Unavailable",
    [MESH_DATA_LOSS] = "DataLoss",
    [MESH_UNAUTHENTICATED] = "Unauthenticated",
};

static const char *const type_names[] = {
    [MESH_UNARY] = "unary",
    [MESH_CLIENT_STREAMING] = "client_stream",
    [MESH_SERVER_STREAMING] = "server_stream",
    [MESH_BIDI_STREAMING] = "bidi_stream",
};

/* The metrics of one method. Immutable but for what they point to. */
typedef struct method_metrics {
    struct method_metrics *next; /* of those made, newest first; guarded by the side's mu */
    const mesh_method *method;   /* NULL: unknown ones */
    mesh_counter *started;
    mesh_counter *handled[CODES];
    mesh_histogram *seconds;
} method_metrics;

/* The names of a side's metrics and their help. */
typedef struct side_names {
    mesh_metric started, handled, seconds, active;
} side_names;

/* Calls served, or calls made. */
typedef struct side {
    mesh_metrics *metrics; /* borrowed */
    const side_names *names;
    _Atomic(method_metrics *) table[TABLE_SIZE]; /* by method; entries are only added */
    _Atomic(method_metrics *) unknown;
    pthread_mutex_t mu; /* for adding; held while the registry is locked */
    method_metrics *all;
    size_t count;
} side;

struct mesh_rpc_metrics {
    side server, client;
};

static const side_names server_names = {
    .started = {.name = "grpc_server_started_total",
                .help = "Total number of RPCs started on the server."},
    .handled = {.name = "grpc_server_handled_total",
                .help = "Total number of RPCs completed on the server, regardless of success or "
                        "failure."},
    .seconds = {.name = "grpc_server_handling_seconds",
                .help = "Histogram of response latency (seconds) of RPCs handled by the server."},
    .active = {.kind = MESH_METRIC_GAUGE,
               .name = "grpc_server_active_calls",
               .help = "RPCs that the server is handling now."},
};

static const side_names client_names = {
    .started = {.name = "grpc_client_started_total",
                .help = "Total number of RPCs started on the client."},
    .handled = {.name = "grpc_client_handled_total",
                .help = "Total number of RPCs completed by the client, regardless of success or "
                        "failure."},
    .seconds = {.name = "grpc_client_handling_seconds",
                .help = "Histogram of response latency (seconds) of RPCs until they ended for the "
                        "client."},
    .active = {.kind = MESH_METRIC_GAUGE,
               .name = "grpc_client_active_calls",
               .help = "RPCs that the client waits for now."},
};

/* ---- methods ---- */

static size_t place_of(const mesh_method *method)
{
    return (size_t)((uint64_t)(uintptr_t)method * UINT64_C(0x9e3779b97f4a7c15) >>
                    (64 - TABLE_BITS));
}

/* The method's metrics; NULL when there are none yet. */
static method_metrics *look_up(side *in, const mesh_method *method)
{
    method_metrics *found;

    for (size_t at = place_of(method);; at = (at + 1) % TABLE_SIZE) {
        found = atomic_load_explicit(&in->table[at], memory_order_acquire);
        if (found == NULL || found->method == method)
            return found;
    }
}

static void read_active(void *context, double *values)
{
    const method_metrics *method = context;
    uint64_t handled = 0, started;

    for (int i = 0; i < CODES; i++)
        handled += mesh_counter_value(method->handled[i]);
    started = mesh_counter_value(method->started);
    values[0] = started > handled ? (double)(started - handled) : 0;
}

/* Registers what a method's labels say; all or nothing but for series that stay at zero. */
static mesh_code register_method(const side *in, method_metrics *to, mesh_label *labels,
                                 mesh_error *err)
{
    mesh_metric started = in->names->started, handled = in->names->handled;
    mesh_metric seconds = in->names->seconds, active = in->names->active;
    mesh_code code;

    started.labels = handled.labels = seconds.labels = active.labels = labels;
    started.label_count = seconds.label_count = active.label_count = 3;
    handled.label_count = 4;
    seconds.bounds = bounds_ns;
    seconds.bound_count = sizeof bounds_ns / sizeof bounds_ns[0];
    seconds.scale = 1e-9;

    code = mesh_counter_create(in->metrics, &started, &to->started, err);
    for (int i = 0; i < CODES && code == MESH_OK; i++) {
        labels[3].value = code_names[i];
        code = mesh_counter_create(in->metrics, &handled, &to->handled[i], err);
    }
    if (code == MESH_OK)
        code = mesh_histogram_create(in->metrics, &seconds, &to->seconds, err);
    if (code == MESH_OK)
        code = mesh_metrics_read(in->metrics, &active, 1, read_active, to, err);
    return code;
}

/* Makes the metrics of a method, with the side locked. */
static mesh_code make_method(side *in, const mesh_method *method, method_metrics **made,
                             mesh_error *err)
{
    method_metrics *to = mesh_calloc(1, sizeof *to);
    char service[NAME_BYTES] = "unknown";
    mesh_label labels[4] = {
        {"grpc_type", method == NULL ? "unknown" : type_names[method->kind]},
        {"grpc_service", service},
        {"grpc_method", "unknown"},
        {"grpc_code", ""},
    };
    const char *slash = method == NULL ? NULL : strrchr(method->path, '/');
    mesh_code code;

    if (to == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED,
                              "out of memory for metrics of a method");
    if (slash != NULL && slash > method->path && (size_t)(slash - method->path) <= sizeof service) {
        memcpy(service, method->path + 1, (size_t)(slash - method->path - 1));
        service[slash - method->path - 1] = '\0';
        labels[2].value = slash + 1;
    }
    to->method = method;
    code = register_method(in, to, labels, err);
    if (code != MESH_OK) {
        mesh_free(to);
        return code;
    }
    to->next = in->all;
    in->all = to;
    *made = to;
    return MESH_OK;
}

static void insert(side *in, method_metrics *made)
{
    size_t at = place_of(made->method);

    while (atomic_load_explicit(&in->table[at], memory_order_relaxed) != NULL)
        at = (at + 1) % TABLE_SIZE;
    atomic_store_explicit(&in->table[at], made, memory_order_release);
    in->count++;
}

/* Finds or makes a method's metrics, or those of unknown methods. */
static __attribute__((noinline)) mesh_code add_method(side *in, const mesh_method *method,
                                                      method_metrics **metrics, mesh_error *err)
{
    mesh_code code = MESH_OK;

    pthread_mutex_lock(&in->mu);
    if (in->count >= MAX_METHODS)
        method = NULL;
    *metrics = method == NULL ? atomic_load_explicit(&in->unknown, memory_order_relaxed)
                              : look_up(in, method);
    if (*metrics == NULL) {
        code = make_method(in, method, metrics, err);
        if (code == MESH_OK && method != NULL)
            insert(in, *metrics);
        else if (code == MESH_OK)
            atomic_store_explicit(&in->unknown, *metrics, memory_order_release);
    }
    pthread_mutex_unlock(&in->mu);
    return code;
}

/* The metrics to count a call in; NULL only when out of memory. */
static inline method_metrics *find(side *in, const mesh_method *method)
{
    method_metrics *found = method == NULL
                                ? atomic_load_explicit(&in->unknown, memory_order_acquire)
                                : look_up(in, method);

    if (__builtin_expect(found == NULL, 0) && add_method(in, method, &found, NULL) != MESH_OK)
        return NULL;
    return found;
}

/* ---- calls ---- */

static void count_end(side *in, const mesh_method *method, mesh_code code, int64_t started_ns)
{
    method_metrics *metrics = find(in, method);

    if (metrics == NULL)
        return;
    if ((int)code < 0 || (int)code >= CODES)
        code = MESH_UNKNOWN;
    mesh_histogram_observe(metrics->seconds, mesh_clock_monotonic_ns() - started_ns);
    mesh_counter_add(metrics->handled[code], 1);
}

/* Of every call: when it began. Made once a process. */
static int start_slot;
static mesh_error slot_error;

static void create_slot(void)
{
    (void)mesh_call_slot_create(&start_slot, &slot_error);
}

static mesh_code on_open(void *self, mesh_call *call, mesh_error *err)
{
    mesh_rpc_metrics *calls = self;
    method_metrics *metrics = find(&calls->server, mesh_call_method(call));

    (void)err;
    static_assert(sizeof(void *) >= sizeof(int64_t), "a time fits a pointer");
    mesh_call_slot_set(call, start_slot, (void *)(intptr_t)mesh_clock_monotonic_ns());
    if (metrics != NULL)
        mesh_counter_add(metrics->started, 1);
    return MESH_OK;
}

static void on_close(void *self, mesh_call *call, mesh_code code)
{
    mesh_rpc_metrics *calls = self;

    count_end(&calls->server, mesh_call_method(call), code,
              (int64_t)(intptr_t)mesh_call_slot_get(call, start_slot));
}

static mesh_code on_start(void *self, mesh_outgoing *outgoing, mesh_error *err)
{
    mesh_rpc_metrics *calls = self;
    method_metrics *metrics = find(&calls->client, mesh_outgoing_method(outgoing));

    (void)err;
    if (metrics != NULL)
        mesh_counter_add(metrics->started, 1);
    return MESH_OK;
}

static void on_end(void *self, const mesh_outgoing *outgoing, mesh_code code)
{
    mesh_rpc_metrics *calls = self;

    count_end(&calls->client, mesh_outgoing_method(outgoing), code,
              mesh_outgoing_started_ns(outgoing));
}

/* ---- life ---- */

static void init_side(side *one, mesh_metrics *metrics, const side_names *names)
{
    one->metrics = metrics;
    one->names = names;
    pthread_mutex_init(&one->mu, NULL);
}

static void free_side(side *one)
{
    method_metrics *next;

    for (method_metrics *method = one->all; method != NULL; method = next) {
        next = method->next;
        mesh_metrics_forget(one->metrics, method);
        mesh_free(method);
    }
    pthread_mutex_destroy(&one->mu);
}

mesh_code mesh_rpc_metrics_create(mesh_metrics *metrics, mesh_rpc_metrics **calls, mesh_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    mesh_rpc_metrics *made;

    pthread_once(&once, create_slot);
    if (slot_error.code != MESH_OK) {
        if (err != NULL)
            *err = slot_error;
        return slot_error.code;
    }
    made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory for metrics of calls");
    init_side(&made->server, metrics, &server_names);
    init_side(&made->client, metrics, &client_names);
    *calls = made;
    return MESH_OK;
}

void mesh_rpc_metrics_destroy(mesh_rpc_metrics *calls)
{
    if (calls == NULL)
        return;
    free_side(&calls->server);
    free_side(&calls->client);
    mesh_free(calls);
}

mesh_interceptor mesh_rpc_metrics_server(mesh_rpc_metrics *calls)
{
    return (mesh_interceptor){
        .name = "metrics",
        .on_open = on_open,
        .on_close = on_close,
        .self = calls,
        .observes = true,
    };
}

mesh_client_interceptor mesh_rpc_metrics_client(mesh_rpc_metrics *calls)
{
    return (mesh_client_interceptor){
        .name = "metrics", .on_start = on_start, .on_end = on_end, .self = calls};
}

mesh_code mesh_rpc_metrics_declare(mesh_rpc_metrics *calls, const mesh_api_descriptor *api,
                                   mesh_error *err)
{
    method_metrics *metrics;
    mesh_code code = MESH_OK;

    for (size_t i = 0; i < api->method_count && code == MESH_OK; i++)
        code = add_method(&calls->server, &api->methods[i], &metrics, err);
    return code;
}
