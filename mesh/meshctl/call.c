/*
 * meshctl call: one call of any kind. The answers are printed by the main thread as they arrive;
 * when the client streams, a second thread reads the messages to send.
 */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mesh/base/clock.h"
#include "mesh/meshctl/header.h"
#include "mesh/meshctl/input.h"
#include "mesh/meshctl/interrupt.h"
#include "mesh/meshctl/method_name.h"
#include "mesh/meshctl/report.h"
#include "mesh/meshctl/session.h"
#include "mesh/meshctl/sign_in.h"

enum {
    UNARY_DEADLINE_MS = 30000,
    INDENT = 2,
    ARENA_BYTES = 64 * 1024
};

typedef struct exchange {
    ctl *run;
    ctl_session session;
    ctl_interrupt *interrupt;
    ctl_input *input;
    mesh_stream *stream;
    const mesh_dyn_method *method;
    const char *message_hint; /* for a message that is none, or not the method's */
    bool client_streaming;
    bool server_streaming;
    uint64_t sent;
    uint64_t received;
    int64_t started_ns;

    pthread_mutex_t pool_mu; /* the pool: read by the sender, completed by the reader */

    /* What went wrong on this side while sending; read after the sender ended. */
    bool send_failed;
    ctl_failure send_failure;
} exchange;

static void cancel(void *context)
{
    exchange *x = context;
    mesh_stream_cancel(x->stream);
    ctl_input_stop(x->input);
}

static mesh_code next_value(exchange *x, const char **json, size_t *size, ctl_failure *failure)
{
    mesh_code code = ctl_input_next(x->input, json, size, failure);
    if (code == MESH_INVALID_ARGUMENT)
        failure->hint = x->message_hint;
    return code;
}

/* One message from JSON to the wire format. */
static mesh_code convert(exchange *x, const char *json, size_t size, mesh_arena *arena,
                         const uint8_t **wire, size_t *wire_size, ctl_failure *failure)
{
    pthread_mutex_lock(&x->pool_mu);
    mesh_code code = mesh_dyn_json_to_wire(x->session.catalog.pool,
                                           mesh_dyn_method_input(x->method), json, size, NULL,
                                           arena, wire, wire_size, &failure->err);
    pthread_mutex_unlock(&x->pool_mu);
    if (code != MESH_OK) {
        const char *type = mesh_dyn_message_name(mesh_dyn_method_input(x->method));
        if (x->client_streaming)
            mesh_error_prefix(&failure->err, "message %" PRIu64 " (%s)", x->sent + 1, type);
        else
            mesh_error_prefix(&failure->err, "the %s", type);
        failure->remote = false;
        failure->hint = x->message_hint;
    }
    return code;
}

/* Sends what the input has until it ends, the call is over, or something is wrong. */
static mesh_code send_all(exchange *x, mesh_arena *arena, ctl_failure *failure)
{
    for (;;) {
        const char *json;
        const uint8_t *wire;
        size_t size, wire_size;
        mesh_code code = next_value(x, &json, &size, failure);
        if (code == MESH_EOF)
            return MESH_OK;
        mesh_arena_reset(arena);
        if (code == MESH_OK)
            code = convert(x, json, size, arena, &wire, &wire_size, failure);
        if (code != MESH_OK)
            return code;
        code = mesh_stream_send_bytes(x->stream, wire, wire_size);
        if (code == MESH_RESOURCE_EXHAUSTED)
            return ctl_fail(failure, code, NULL, "out of memory");
        if (code != MESH_OK)
            return MESH_OK; /* the call is over; its status says why */
        x->sent++;
    }
}

static void *sender(void *argument)
{
    exchange *x = argument;
    mesh_arena *arena = mesh_arena_create(ARENA_BYTES, 0);
    mesh_code code = arena == NULL ? ctl_fail(&x->send_failure, MESH_RESOURCE_EXHAUSTED, NULL,
                                              "out of memory")
                                   : send_all(x, arena, &x->send_failure);
    if (code == MESH_OK) {
        (void)mesh_stream_close_send(x->stream); /* fails only when the call is over */
    } else {
        x->send_failed = true;
        mesh_stream_cancel(x->stream);
    }
    mesh_arena_destroy(arena);
    return NULL;
}

static mesh_code print_message(exchange *x, const uint8_t *data, size_t size, mesh_arena *arena,
                               ctl_failure *failure)
{
    const ctl_args *args = &x->run->args;
    const mesh_dyn_json_options options = {.size = sizeof options,
                                           .emit_defaults = args->emit_defaults,
                                           .proto_names = args->proto_names,
                                           .indent = x->server_streaming || args->compact ? 0
                                                                                          : INDENT};
    const char *json;
    size_t json_size;
    mesh_arena_reset(arena);
    pthread_mutex_lock(&x->pool_mu);
    mesh_code code = ctl_catalog_json(&x->session.catalog, mesh_dyn_method_output(x->method), data,
                                      size, &options, arena, &json, &json_size, &failure->err);
    pthread_mutex_unlock(&x->pool_mu);
    failure->remote = false;
    failure->hint = NULL;
    if (code != MESH_OK) {
        mesh_error_prefix(&failure->err, "answer %" PRIu64, x->received);
        return code;
    }
    if (fwrite(json, 1, json_size, x->run->out) != json_size || fputc('\n', x->run->out) == EOF ||
        fflush(x->run->out) != 0)
        return ctl_fail(failure, MESH_FAILED_PRECONDITION, NULL, "the answer cannot be written");
    return MESH_OK;
}

static void print_metadata(exchange *x, const char *mark, const mesh_metadata *entries,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fprintf(x->run->err, "%s ", mark);
        ctl_header_print(x->run->err, &entries[i]);
    }
}

/* Prints the answers until there are no more. What is wrong on this side cancels the call. */
static mesh_code receive(exchange *x, ctl_failure *failure)
{
    mesh_arena *arena = mesh_arena_create(ARENA_BYTES, 0);
    mesh_code code = arena == NULL
                         ? ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory")
                         : MESH_OK;
    const uint8_t *data;
    size_t size;
    while (code == MESH_OK &&
           ctl_connection_next(x->session.connection, x->stream, &data, &size) == MESH_OK) {
        if (x->received++ == 0 && x->run->args.verbose) {
            size_t count;
            const mesh_metadata *headers = mesh_stream_headers(x->stream, &count);
            print_metadata(x, "<", headers, count);
        }
        code = print_message(x, data, size, arena, failure);
    }
    if (code != MESH_OK)
        mesh_stream_cancel(x->stream);
    mesh_arena_destroy(arena);
    return code;
}

static void print_summary(exchange *x, mesh_code code)
{
    double ms = (double)(mesh_clock_monotonic_ns() - x->started_ns) / 1e6;
    fprintf(x->run->err, "* %s in %.1f ms, %" PRIu64 " sent, %" PRIu64 " received\n",
            mesh_code_name(code), ms, x->sent, x->received);
}

/* Status of the call, once all that was sent and received is known. */
static mesh_code conclude(exchange *x, mesh_code received, ctl_failure *failure)
{
    if (x->run->args.verbose) {
        size_t count;
        const mesh_metadata *trailers = mesh_stream_trailers(x->stream, &count);
        print_metadata(x, "<<", trailers, count);
    }
    ctl_failure finish;
    mesh_code code = ctl_connection_finish(x->session.connection, x->stream, &finish);
    x->stream = NULL;
    if (x->run->args.verbose)
        print_summary(x, code);
    if (x->send_failed) {
        *failure = x->send_failure;
        return failure->err.code;
    }
    if (received != MESH_OK)
        return received; /* failure is filled */
    if (code == MESH_OK && !x->server_streaming && x->received != 1)
        return ctl_fail(failure, MESH_INTERNAL, NULL,
                        "the server answered OK with %" PRIu64 " messages instead of one",
                        x->received);
    if (code != MESH_OK)
        *failure = finish;
    if (code == MESH_UNIMPLEMENTED && failure->hint == NULL)
        failure->hint = "meshctl list TARGET shows what the server has";
    return code;
}

static mesh_code open_call(exchange *x, ctl_failure *failure)
{
    bool streaming = x->client_streaming || x->server_streaming;
    int64_t timeout_ms = x->run->args.deadline_ms;
    if (timeout_ms == 0 && !streaming)
        timeout_ms = UNARY_DEADLINE_MS;
    const char *service = mesh_dyn_service_name(mesh_dyn_method_service(x->method));
    const char *method = mesh_dyn_method_name(x->method);
    if (x->run->args.verbose)
        fprintf(x->run->err, "> %s/%s at %s\n", service, method,
                ctl_connection_target(x->session.connection)->address);
    x->started_ns = mesh_clock_monotonic_ns();
    mesh_code code = ctl_connection_call(x->session.connection, service, method, timeout_ms,
                                         x->run->args.compress, &x->stream, failure);
    if (code == MESH_OK)
        ctl_interrupt_set(x->interrupt, cancel, x);
    return code;
}

/* Something was piped in, but no `-` says that it is the message. */
static bool input_waits(void)
{
    int size = 0;
    return ioctl(STDIN_FILENO, FIONREAD, &size) == 0 && size > 0 && !isatty(STDIN_FILENO);
}

static mesh_code exchange_one(exchange *x, const uint8_t *wire, size_t wire_size,
                              ctl_failure *failure)
{
    mesh_code code = open_call(x, failure);
    if (code != MESH_OK)
        return code;
    x->sent = 0;
    if (mesh_stream_send_bytes(x->stream, wire, wire_size) == MESH_OK &&
        mesh_stream_close_send(x->stream) == MESH_OK)
        x->sent++;
    code = receive(x, failure);
    ctl_interrupt_set(x->interrupt, NULL, NULL);
    return conclude(x, code, failure);
}

/* The client sends one message: it is read whole before anything leaves. */
static mesh_code run_single(exchange *x, ctl_failure *failure)
{
    const char *json;
    size_t size;
    const uint8_t *wire = NULL;
    size_t wire_size = 0;
    mesh_code code = next_value(x, &json, &size, failure);
    if (code == MESH_EOF) {
        if (x->run->args.word_count == 2 && !x->run->args.json && input_waits())
            fprintf(x->run->err, "(standard input is not read; - behind the method sends it)\n");
        json = "{}";
        size = 2;
        code = MESH_OK;
    }
    if (code == MESH_OK)
        code = convert(x, json, size, x->run->arena, &wire, &wire_size, failure);
    if (code == MESH_OK) {
        code = next_value(x, &json, &size, failure);
        if (code == MESH_OK)
            return ctl_fail(failure, MESH_INVALID_ARGUMENT, NULL,
                            "%s takes one message, but there is another one",
                            mesh_dyn_method_name(x->method));
    }
    if (code != MESH_EOF)
        return code;
    do
        code = exchange_one(x, wire, wire_size, failure);
    while (code != MESH_OK && x->received == 0 && ctl_sign_in_again(x->run, failure));
    return code;
}

/* The client streams: a second thread sends. What it has read cannot be sent again. */
static mesh_code run_streaming(exchange *x, ctl_failure *failure)
{
    mesh_code code = open_call(x, failure);
    if (code != MESH_OK)
        return code;
    pthread_t thread;
    int problem = pthread_create(&thread, NULL, sender, x);
    if (problem != 0) {
        code = ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "no thread: %s", strerror(problem));
        mesh_stream_cancel(x->stream);
    } else {
        code = receive(x, failure);
        ctl_input_stop(x->input); /* the call is over: nobody wants more */
        pthread_join(thread, NULL);
    }
    ctl_interrupt_set(x->interrupt, NULL, NULL);
    code = conclude(x, code, failure);
    if (code != MESH_OK && ctl_sign_in_again(x->run, failure))
        failure->hint = "the session has another token now: call again";
    return code;
}

int ctl_call(ctl *run)
{
    const ctl_args *args = &run->args;
    if (args->word_count < 2)
        return ctl_report_usage(run, "call needs a target and a method: meshctl call TARGET "
                                     "SERVICE.METHOD [JSON]");
    exchange x = {.run = run};
    ctl_failure failure;
    x.message_hint = mesh_arena_printf(
        run->arena, "meshctl describe %s %s shows the message, with --template an example",
        args->words[0], args->words[1]);
    pthread_mutex_init(&x.pool_mu, NULL);
    mesh_code code = ctl_sign_in_use(run, args->words[0], &failure);
    if (code == MESH_OK)
        code = ctl_interrupt_start(&x.interrupt, &failure);
    if (code == MESH_OK)
        code = ctl_session_open(run, args->words[0], &x.session, &failure);
    if (code == MESH_OK)
        code = ctl_method_find(&x.session.catalog, args->words[1], run->arena, &x.method, &failure);
    if (code == MESH_OK) {
        x.client_streaming = mesh_dyn_method_client_streaming(x.method);
        x.server_streaming = mesh_dyn_method_server_streaming(x.method);
        code = ctl_input_open(args->words + 2, args->word_count - 2, x.client_streaming, &x.input,
                              &failure);
    }
    if (code == MESH_OK && x.client_streaming && args->word_count == 2 && isatty(STDIN_FILENO))
        fprintf(run->err, "(type messages as JSON; Ctrl-D ends them)\n");
    if (code == MESH_OK)
        code = x.client_streaming ? run_streaming(&x, &failure) : run_single(&x, &failure);
    if (code == MESH_CANCELLED && ctl_interrupted(x.interrupt))
        mesh_error_set(&failure.err, code, "interrupted, the call was given up");
    int exit_code = code == MESH_OK ? CTL_EXIT_OK
                                    : ctl_report(run, &failure, x.session.catalog.pool);
    ctl_input_close(x.input);
    ctl_session_close(&x.session);
    ctl_interrupt_stop(x.interrupt);
    pthread_mutex_destroy(&x.pool_mu);
    return exit_code;
}
