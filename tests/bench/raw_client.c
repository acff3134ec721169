/*
 * The floor that the typed client is measured against: the gRPC C core alone, the same bytes in
 * every call, one completion queue and one thread.
 *
 *   raw_client PORT IN_FLIGHT SECONDS
 */
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/client.h"

typedef struct raw_call {
    grpc_call *call;
    grpc_metadata_array headers, trailers;
    grpc_byte_buffer *request; /* a copy by reference: sending empties it */
    grpc_byte_buffer *answer;
    grpc_status_code status;
    grpc_slice details;
} raw_call;

static atomic_long calls;
static grpc_channel *channel;
static grpc_completion_queue *queue;
static grpc_byte_buffer *request;
static void *method;

static void start(raw_call *call)
{
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},  {.op = GRPC_OP_SEND_MESSAGE},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}, {.op = GRPC_OP_RECV_INITIAL_METADATA},
        {.op = GRPC_OP_RECV_MESSAGE},           {.op = GRPC_OP_RECV_STATUS_ON_CLIENT},
    };

    call->headers.count = 0;
    call->trailers.count = 0;
    call->call = grpc_channel_create_registered_call(channel, NULL, 0, queue, method,
                                                     gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    call->request = grpc_byte_buffer_copy(request);
    ops[1].data.send_message.send_message = call->request;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &call->headers;
    ops[4].data.recv_message.recv_message = &call->answer;
    ops[5].data.recv_status_on_client.trailing_metadata = &call->trailers;
    ops[5].data.recv_status_on_client.status = &call->status;
    ops[5].data.recv_status_on_client.status_details = &call->details;
    if (grpc_call_start_batch(call->call, ops, 6, call, NULL) != GRPC_CALL_OK) {
        fprintf(stderr, "raw_client: could not call\n");
        _Exit(1);
    }
}

static void finish(raw_call *call)
{
    if (call->status != GRPC_STATUS_OK || call->answer == NULL ||
        grpc_byte_buffer_length(call->answer) != grpc_byte_buffer_length(request)) {
        fprintf(stderr, "raw_client: wrong answer: status %d\n", (int)call->status);
        _Exit(1);
    }
    grpc_byte_buffer_destroy(call->request);
    grpc_byte_buffer_destroy(call->answer);
    grpc_slice_unref(call->details);
    grpc_call_unref(call->call);
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
}

static void *run(void *unused)
{
    (void)unused;
    for (;;) {
        grpc_event event = grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_REALTIME),
                                                      NULL);

        finish(event.tag);
        start(event.tag);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const ProtobufCMessage *order = &bench_order()->base;
    int in_flight = argc == 4 ? atoi(argv[2]) : 0;
    raw_call *started = calloc((size_t)(in_flight > 0 ? in_flight : 1), sizeof *started);
    char target[32];
    grpc_slice slice;
    pthread_t thread;

    if (in_flight <= 0 || started == NULL) {
        fprintf(stderr, "usage: raw_client PORT IN_FLIGHT SECONDS\n");
        return 2;
    }
    grpc_init();
    slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(order));
    (void)protobuf_c_message_pack(order, GRPC_SLICE_START_PTR(slice));
    request = grpc_raw_byte_buffer_create(&slice, 1);
    queue = grpc_completion_queue_create_for_next(NULL);
    (void)snprintf(target, sizeof target, "127.0.0.1:%s", argv[1]);
    channel = grpc_channel_create(target, grpc_insecure_credentials_create(), NULL);
    method = grpc_channel_register_call(channel, "/bench.v1.Echo/Call", NULL, NULL);
    for (int i = 0; i < in_flight; i++) {
        grpc_metadata_array_init(&started[i].headers);
        grpc_metadata_array_init(&started[i].trailers);
        start(&started[i]);
    }
    if (pthread_create(&thread, NULL, run, NULL) != 0)
        return 1;
    bench_measure(&calls, atof(argv[3]));
}
