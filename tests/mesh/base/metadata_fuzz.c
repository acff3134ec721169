/*
 * Metadata that comes with a call and that the runtime reads itself: the first line as traceparent;
 * then a byte and the rest as code, message and grpc-status-details-bin of its end.
 */
#include <string.h>

#include "mesh/base/error.h"
#include "mesh/base/trace.h"
#include "tests/fuzz/fuzz.h"

static void read_trace(fuzz_input piece)
{
    mesh_trace trace = {.flags = 0}, again = {.flags = 0};
    char text[MESH_TRACEPARENT_BYTES];

    if (!mesh_trace_parse(&trace, (const char *)piece.data, piece.size)) {
        FUZZ_CHECK(!mesh_trace_valid(&trace));
        return;
    }
    FUZZ_CHECK(mesh_trace_valid(&trace));
    mesh_trace_format(&trace, text);
    FUZZ_CHECK(mesh_trace_parse(&again, text, strlen(text)));
    FUZZ_CHECK(memcmp(&trace, &again, sizeof trace) == 0);
}

/* Everything that can be read of an error. */
static void read_error(const mesh_error *err)
{
    mesh_error_violation violation;
    mesh_error_any detail;
    char value[64];
    int64_t delay_ms;

    FUZZ_CHECK(strlen(err->message) < sizeof err->message);
    FUZZ_CHECK(strlen(err->reason) < sizeof err->reason);
    FUZZ_CHECK(strlen(err->domain) < sizeof err->domain);
    for (size_t i = 0; mesh_error_detail_at(err, i, &detail); i++)
        FUZZ_CHECK(detail.size <= sizeof err->details);
    for (size_t i = 0; mesh_error_violation_at(err, i, &violation); i++)
        FUZZ_CHECK(violation.description_size <= sizeof err->details);
    (void)mesh_error_retry_delay(err, &delay_ms);
    (void)mesh_error_metadata_get(err, "key", value, sizeof value);
}

static void read_status(int code, fuzz_input message, fuzz_input status)
{
    uint8_t encoded[MESH_ERROR_STATUS_BYTES], twice[MESH_ERROR_STATUS_BYTES];
    mesh_error err, again;
    size_t size;

    FUZZ_CHECK(mesh_error_decode_status(&err, code, (const char *)message.data, message.size,
                                        status.data, status.size) == err.code);
    FUZZ_CHECK(err.code > MESH_OK && err.code <= MESH_UNAUTHENTICATED);
    read_error(&err);
    size = mesh_error_encode_status(&err, encoded, sizeof encoded);
    if (size == 0)
        return;
    /* what one hop passes on the next one reads the same */
    (void)mesh_error_decode_status(&again, (int)err.code, err.message, strlen(err.message), encoded,
                                   size);
    FUZZ_CHECK(mesh_error_encode_status(&again, twice, sizeof twice) == size);
    FUZZ_CHECK(memcmp(encoded, twice, size) == 0);
    /* a handler adds to what it got */
    mesh_error_metadata(&err, "key", "value");
    mesh_error_retry_after(&err, 100);
    (void)mesh_error_field(&err, "field", "must be %s", "right");
    mesh_error_prefix(&err, "while fuzzing");
    read_error(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    fuzz_input message;
    int code;

    read_trace(fuzz_until(&input, '\n'));
    code = fuzz_byte(&input);
    message = fuzz_until(&input, '\n');
    read_status(code, message, input);
    return 0;
}
