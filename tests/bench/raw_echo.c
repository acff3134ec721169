/*
 * The floor that the typed server is measured against: the gRPC C core alone, bytes in, the same
 * bytes out, in the shape that was measured to be fastest. Listens on a free port and prints it.
 */
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    POSTED = 64
};

typedef struct echo_call {
    grpc_call *call;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload;
    int cancelled;
    bool answering;
} echo_call;

static grpc_server *server;
static grpc_completion_queue *queue;
static void *method;

static void check(grpc_call_error error)
{
    if (error != GRPC_CALL_OK) {
        fprintf(stderr, "raw_echo: %s\n", grpc_call_error_to_string(error));
        exit(1);
    }
}

static void post(echo_call *call)
{
    call->answering = false;
    call->metadata.count = 0;
    check(grpc_server_request_registered_call(server, method, &call->call, &call->deadline,
                                              &call->metadata, &call->payload, queue, queue, call));
}

static void answer(echo_call *call)
{
    grpc_op ops[4] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE},
        {.op = GRPC_OP_SEND_STATUS_FROM_SERVER},
        {.op = GRPC_OP_RECV_CLOSE_ON_SERVER},
    };

    call->answering = true;
    ops[1].data.send_message.send_message = call->payload;
    ops[2].data.send_status_from_server.status = GRPC_STATUS_OK;
    ops[3].data.recv_close_on_server.cancelled = &call->cancelled;
    check(grpc_call_start_batch(call->call, ops, 4, call, NULL));
}

int main(void)
{
    static echo_call calls[POSTED];
    grpc_server_credentials *credentials;
    int port;

    grpc_init();
    server = grpc_server_create(NULL, NULL);
    queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(server, queue, NULL);
    method = grpc_server_register_method(server, "/bench.v1.Echo/Call", NULL,
                                         GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    credentials = grpc_insecure_server_credentials_create();
    port = grpc_server_add_http2_port(server, "127.0.0.1:0", credentials);
    if (port == 0)
        return 1;
    grpc_server_start(server);
    for (int i = 0; i < POSTED; i++) {
        grpc_metadata_array_init(&calls[i].metadata);
        post(&calls[i]);
    }
    printf("%d\n", port);
    fflush(stdout);
    for (;;) {
        grpc_event event = grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_REALTIME),
                                                      NULL);
        echo_call *call = event.tag;

        if (!call->answering && event.success && call->payload != NULL) {
            answer(call);
            continue;
        }
        if (call->payload != NULL)
            grpc_byte_buffer_destroy(call->payload);
        call->payload = NULL;
        grpc_call_unref(call->call);
        post(call);
    }
}
