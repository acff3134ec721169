/* A client that says what no decent one would: HTTP/2 frames by hand, answers not looked into. */
#ifndef TESTS_MESH_RPC_RAW_CLIENT_H
#define TESTS_MESH_RPC_RAW_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fixtures/h2_frame.h"

typedef struct raw_client {
    int fd;
    uint32_t next_stream;
    size_t unconfirmed; /* SETTINGS that were sent, whose confirmation was not read */
} raw_client;

/* Connects to 127.0.0.1 and greets. Fails the test otherwise. */
void raw_connect(raw_client *client, int port);

/* The same without a greeting. */
void raw_connect_silently(raw_client *client, int port);

void raw_close(raw_client *client);

/* Closes it so that the server is told of a reset, also of what it is still to send. */
void raw_abort(raw_client *client);

/*
 * The same with buffers as small as there are: little of what the server sends to who reads nothing
 * fits into them. Comes from another address than 127.0.0.1.
 */
void raw_connect_narrow(raw_client *client, int port);

/*
 * Connects to "unix:" and a path. What is sent there arrives whether answers are read or not. With
 * TCP it may not: a kernel whose buffer for a connection is full drops also what confirms to it the
 * bytes that it sent.
 */
void raw_connect_unix(raw_client *client, const char *address);

/*
 * Opens a stream with the headers of a gRPC request and up to one more (NULL: none). Returns its
 * number. `ends`: no data follows.
 */
uint32_t raw_request(raw_client *client, const char *path, const char *key, const char *value,
                     bool ends);

/*
 * The same with as many more headers, each a byte on the wire that refers to the first of them (RFC
 * 7541, section 6.1); at most 15,000.
 */
uint32_t raw_request_with_headers(raw_client *client, const char *path, size_t count);

/* A message in its five bytes of frame, in one DATA frame (at most 16 KiB with them). */
void raw_message(raw_client *client, uint32_t stream, bool compressed, const void *data,
                 size_t size, bool ends);

/* Bytes in a DATA frame, as they are. */
void raw_data(raw_client *client, uint32_t stream, const void *data, size_t size, bool ends);

/* Keeps small frames back until they fill a segment; off: what is there goes out. */
void raw_cork(raw_client *client, bool on);

/* Calls of a method, a message each, in as few pieces as there can be. The last one's stream. */
uint32_t raw_calls(raw_client *client, const char *path, const char *key, int count,
                   const void *message, size_t size);

/* A frame of a type that is not there, which the server reads and ignores (RFC 9113, 5.5). */
void raw_ignored(raw_client *client, size_t size);

/* Gives the stream up with RST_STREAM. */
void raw_reset(raw_client *client, uint32_t stream);

/* The same a byte at a time, with `between` called before each. */
void raw_reset_slowly(raw_client *client, uint32_t stream, void (*between)(void));

typedef struct raw_frame {
    h2_head head;
    uint8_t payload[H2_PAYLOAD_BYTES_MAX];
} raw_frame;

/* Any frame: what its head says, and as many bytes of payload. */
void raw_send(raw_client *client, const h2_head *head, const void *payload);

/* The same. False: the server takes no more. */
bool raw_try_send(raw_client *client, const h2_head *head, const void *payload);

/* The next frame; SETTINGS are confirmed. False: the connection was closed. */
bool raw_receive(raw_client *client, raw_frame *next);

/* Reads until a frame of the type is here; PINGs are confirmed. False: the connection is closed. */
bool raw_read_until(raw_client *client, uint8_t type, raw_frame *next);

/* Lets the server send more: on a stream, or on the connection (0). */
void raw_widen(raw_client *client, uint32_t stream, uint32_t bytes);

/* Reads until the server has ended the stream, or closed the connection: false then. */
bool raw_wait(raw_client *client, uint32_t stream);

/* Reads until the server begins to answer. False: it closed the connection. */
bool raw_wait_for_headers(raw_client *client, uint32_t stream);

/* Reads until the server closes the connection. */
void raw_wait_for_close(raw_client *client);

/*
 * Reads until the server has read all that was sent: it confirms SETTINGS in order. False: it
 * closed the connection.
 */
bool raw_settle(raw_client *client);

/*
 * Reads until the server asks for no new calls (GOAWAY), and with which error code (RFC 9113,
 * section 7). -1: it closed the connection.
 */
int raw_wait_for_goaway(raw_client *client);

/* Confirms as many PINGs, and reads on no further. False: the server closed the connection. */
bool raw_answer_pings(raw_client *client, size_t count);

/* The other end: listens on a free port of 127.0.0.1. */
int raw_listen(int *port);

/* Takes one connection, greets, and waits for its first call, whose stream it returns. */
uint32_t raw_accept(raw_client *client, int listener);

/* Answers a call with leading headers, and ends it with trailing ones: one, or none (NULL). */
void raw_answer(raw_client *client, uint32_t stream);
void raw_end(raw_client *client, uint32_t stream, const char *key, const char *value);

/* Ends a call with a status and as many headers more than one, like raw_request_with_headers. */
void raw_answer_with_headers(raw_client *client, uint32_t stream, const char *status, size_t count);

#endif
