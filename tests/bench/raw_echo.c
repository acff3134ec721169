/*
 * The floor that the typed server is measured against: the gRPC C core alone, bytes in, the same
 * bytes out, in the shape that was measured to be fastest. Unary methods only.
 *
 *   raw_echo PORT [CERTIFICATE KEY]
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
    METHODS = 3,
    POSTED = 64,
    PEM_BYTES = 16384
};

typedef struct echo_call {
    void *method;
    grpc_call *call;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload;
    int cancelled;
    bool answering;
} echo_call;

static const char *const paths[METHODS] = {
    "/bench.v1.Echo/Ping",
    "/bench.v1.Echo/Call",
    "/bench.v1.Echo/Copy",
};
static grpc_server *server;
static grpc_completion_queue *queue;

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
    check(grpc_server_request_registered_call(server, call->method, &call->call, &call->deadline,
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

static char *read_pem(const char *path, char text[static PEM_BYTES])
{
    FILE *file = fopen(path, "r");

    if (file == NULL) {
        perror(path);
        exit(1);
    }
    text[fread(text, 1, PEM_BYTES - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

static grpc_server_credentials *credentials(int argc, char **argv)
{
    static char certificate[PEM_BYTES], key[PEM_BYTES];
    grpc_ssl_pem_key_cert_pair pair;

    if (argc != 4)
        return grpc_insecure_server_credentials_create();
    pair.cert_chain = read_pem(argv[2], certificate);
    pair.private_key = read_pem(argv[3], key);
    return grpc_ssl_server_credentials_create_ex(NULL, &pair, 1,
                                                 GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE, NULL);
}

int main(int argc, char **argv)
{
    static echo_call calls[METHODS][POSTED];
    void *methods[METHODS];
    char address[32];

    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: raw_echo PORT [CERTIFICATE KEY]\n");
        return 2;
    }
    grpc_init();
    server = grpc_server_create(NULL, NULL);
    queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(server, queue, NULL);
    for (int i = 0; i < METHODS; i++)
        methods[i] = grpc_server_register_method(server, paths[i], NULL,
                                                 GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    (void)snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    if (grpc_server_add_http2_port(server, address, credentials(argc, argv)) == 0)
        return 1;
    grpc_server_start(server);
    for (int i = 0; i < METHODS; i++) {
        for (int j = 0; j < POSTED; j++) {
            calls[i][j].method = methods[i];
            grpc_metadata_array_init(&calls[i][j].metadata);
            post(&calls[i][j]);
        }
    }
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
