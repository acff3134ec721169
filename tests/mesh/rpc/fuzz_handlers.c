#include "tests/mesh/rpc/fuzz_handlers.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/mesh/rpc/handlers.h"

enum {
    ARENA_BYTES = 16 << 10,
    STREAM_BYTES = 256
};

/* Looks at all that came with the call, and sends some of it back. */
static mesh_code echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    size_t count;
    const mesh_metadata *received = mesh_call_metadata_all(call, &count);

    (void)self;
    for (size_t i = 0; i < count; i++)
        if (mesh_call_add_header(call, received[i].key, received[i].value, received[i].size, err) !=
            MESH_OK)
            return mesh_error_field(err, "metadata", "has \"%s\"", received[i].key);
    if (request->code != 0)
        return mesh_error_reason(err, (mesh_code)request->code, "testing.v1", "WANTED", "%s",
                                 request->text);
    response->text = request->text;
    response->trace_id = mesh_arena_printf(mesh_call_arena(call), "%s, of %s", request->text,
                                           mesh_call_peer(call)->address);
    return MESH_OK;
}

static mesh_code sum_message(void *self, mesh_stream *stream, const Testing__V1__Number *number,
                             mesh_error *err)
{
    (void)self;
    (void)stream;
    return number->value < 0 ? mesh_error_field(err, "value", "must not be negative") : MESH_OK;
}

static void sum_end(void *self, mesh_stream *stream)
{
    Testing__V1__Number sum = TESTING__V1__NUMBER__INIT;

    (void)self;
    (void)testing__v1__testing__sum__reply(stream, &sum);
    mesh_stream_end(stream, MESH_OK, NULL);
}

static const testing__v1__testing__sum__events sum_events = {
    .on_message = sum_message,
    .on_end = sum_end,
};

static mesh_code count_open(void *self, mesh_stream *stream,
                            const Testing__V1__CountRequest *request, mesh_error *err)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;

    (void)self;
    for (int64_t i = 0; i < request->value && i < 100; i++) {
        number.value = i;
        if (testing__v1__testing__count__try_reply(stream, &number) != MESH_OK)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "nobody reads");
    }
    mesh_stream_end(stream, MESH_OK, NULL);
    return MESH_OK;
}

static const testing__v1__testing__count__events count_events = {.on_open = count_open};

static mesh_code double_message(void *self, mesh_stream *stream, const Testing__V1__Number *number,
                                mesh_error *err)
{
    mesh_code code = testing__v1__testing__double__try_reply(stream, number);

    (void)self;
    return code == MESH_OK ? code : mesh_error_set(err, code, "nobody reads");
}

static const testing__v1__testing__double__events double_events = {
    .on_message = double_message,
    .on_end = testing_double_end,
};

static const testing__v1__testing__handlers handlers = {
    .echo__inline = echo,
    .impatient__inline = echo,
    .sum__events = &sum_events,
    .count__events = &count_events,
    .double__events = &double_events,
};

/* Suspends calls with the metadata `x-waits`, and lets those go on that it says "yes" of. */
static mesh_code suspend(void *self, mesh_call *call, mesh_error *err)
{
    const mesh_metadata *waits = mesh_call_metadata(call, "x-waits", 0);
    bool yes = waits != NULL && waits->size == 3 && memcmp(waits->value, "yes", 3) == 0;

    (void)self;
    if (waits == NULL)
        return MESH_OK;
    mesh_call_suspend(call);
    mesh_error_clear(err);
    if (!yes)
        (void)mesh_error_set(err, MESH_PERMISSION_DENIED, "it may not");
    mesh_call_resume(call, err->code, err);
    return MESH_OK;
}

static const mesh_interceptor judge = {.name = "judge", .on_open = suspend};

mesh_server *fuzz_handlers_serve(const char *listen, const char *transport)
{
    const mesh_server_options *options = MESH_OPTIONS(
        mesh_server_options, .listen = listen, .transport = transport, .worker_count = 1,
        .arena_limit_bytes = ARENA_BYTES, .stream_budget_bytes = STREAM_BYTES,
        .interceptors = &judge, .interceptor_count = 1);
    mesh_server *server = NULL;
    mesh_error err;

    FUZZ_CHECK(mesh_server_create(options, &server, &err) == MESH_OK);
    FUZZ_CHECK(mesh_server_add(server, testing__v1__testing__api(&handlers, NULL), &err) ==
               MESH_OK);
    FUZZ_CHECK(mesh_server_start(server, &err) == MESH_OK);
    return server;
}
