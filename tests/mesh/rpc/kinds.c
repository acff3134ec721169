#include "tests/mesh/rpc/kinds.h"

#define OPTIONS(service)                               \
    &(mesh_call_options)                               \
    {                                                  \
        .arena = (service)->arena, .timeout_ms = 20000 \
    }

static mesh_code call_echo(testing_service *service, mesh_error *err)
{
    return testing_echo(service, "hello", err);
}

static mesh_code call_failing_echo(testing_service *service, mesh_error *err)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    request.code = MESH_NOT_FOUND;
    return testing__v1__testing__echo(service->channel, &request, &response, OPTIONS(service), err);
}

static mesh_code call_deferred_echo(testing_service *service, mesh_error *err)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    request.defer = true;
    return testing__v1__testing__echo(service->channel, &request, &response, OPTIONS(service), err);
}

static mesh_code call_missing(testing_service *service, mesh_error *err)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    return testing__v1__testing__missing(service->channel, &request, &response, OPTIONS(service),
                                         err);
}

static mesh_code call_sum(testing_service *service, mesh_error *err)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    Testing__V1__Number *sum;
    mesh_stream *stream;
    mesh_code code = testing__v1__testing__sum(service->channel, &stream, OPTIONS(service), err);

    if (code != MESH_OK)
        return code;
    (void)testing__v1__testing__sum__send(stream, &number);
    return testing__v1__testing__sum__finish(stream, &sum, err);
}

static mesh_code call_count(testing_service *service, mesh_error *err)
{
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    mesh_stream *stream;
    mesh_code code;

    request.value = 10;
    code = testing__v1__testing__count(service->channel, &request, &stream, OPTIONS(service), err);
    return code == MESH_OK ? mesh_stream_finish(stream, err) : code;
}

static mesh_code call_double(testing_service *service, int64_t value, mesh_error *err)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    mesh_stream *stream;
    mesh_code code = testing__v1__testing__double(service->channel, &stream, OPTIONS(service), err);

    if (code != MESH_OK)
        return code;
    number.value = value;
    (void)testing__v1__testing__double__send(stream, &number);
    return mesh_stream_finish(stream, err);
}

static mesh_code call_good_double(testing_service *service, mesh_error *err)
{
    return call_double(service, 1, err);
}

static mesh_code call_bad_double(testing_service *service, mesh_error *err)
{
    return call_double(service, -1, err);
}

const testing_kind testing_kinds[TESTING_KINDS] = {
    {"unary", call_echo, MESH_OK},
    {"unary with an error", call_failing_echo, MESH_NOT_FOUND},
    {"deferred", call_deferred_echo, MESH_OK},
    {"empty slot", call_missing, MESH_UNIMPLEMENTED},
    {"client streaming", call_sum, MESH_OK},
    {"server streaming", call_count, MESH_OK},
    {"bidi", call_good_double, MESH_OK},
    {"bidi with an error", call_bad_double, MESH_INVALID_ARGUMENT},
};
