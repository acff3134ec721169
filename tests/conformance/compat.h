/*
 * What the server and the client under test share: their pipe to the runner, and how metadata and
 * messages are written down for it. Whatever goes wrong here (a broken pipe, no memory) ends the
 * program, which the runner reports.
 */
#ifndef TESTS_CONFORMANCE_COMPAT_H
#define TESTS_CONFORMANCE_COMPAT_H

#include "connectrpc/conformance/v1/service.mesh.h"

typedef Google__Protobuf__Any compat_any;
typedef Connectrpc__Conformance__V1__ConformancePayload compat_payload;
typedef Connectrpc__Conformance__V1__Error compat_error;
typedef Connectrpc__Conformance__V1__Header compat_header;

_Noreturn void compat_die(const char *format, ...) MESH_PRINTF(1, 2);

/* The next message on standard input, in the arena; NULL at the end. */
void *compat_read(mesh_arena *arena, const ProtobufCMessageDescriptor *descriptor);

/* Writes a message to standard output. */
void compat_write(const void *message);

/* Zeroed memory, and a new message, in the arena. */
void *compat_alloc(mesh_arena *arena, size_t count, size_t size);
void *compat_new(mesh_arena *arena, const ProtobufCMessageDescriptor *descriptor);

/* A message's bytes, a message from its bytes, and a message as an Any, all in the arena. */
ProtobufCBinaryData compat_bytes(mesh_arena *arena, const void *message);
void *compat_unpack(mesh_arena *arena, const ProtobufCMessageDescriptor *descriptor,
                    ProtobufCBinaryData bytes);
compat_any *compat_pack(mesh_arena *arena, const void *message);

/* The full name of the message in an Any: what follows the last slash of its URL. */
const char *compat_type(const compat_any *any);

/* Metadata as headers: one for each key with its values in order. Binary ones are left out. */
size_t compat_headers(mesh_arena *arena, const mesh_metadata *metadata, size_t count,
                      compat_header ***headers);

/* A header's name as the key of metadata: in lower case. */
const char *compat_key(mesh_arena *arena, const compat_header *header);

void compat_sleep(uint32_t ms);

/* PEM text as a file, which the runtime reads once. Empty text: no file, a path of NULL. */
typedef struct compat_pem {
    int fd;
    char name[32];
    const char *path;
} compat_pem;

void compat_pem_open(compat_pem *pem, ProtobufCBinaryData text);
void compat_pem_close(compat_pem *pem);

#endif
