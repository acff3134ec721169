#include "tests/mesh/service/demo_program.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    URL_BYTES = POSTGRES_URL_BYTES + 32,
    SETTINGS_MAX = 16
};

const char *const demo_defaults[] = {NULL};

/* Settings that let it start, for a database made before; then `more`, ended by NULL. */
static const char *const *settings(const char *database_url, const char *const *more)
{
    static char database[URL_BYTES], nats[URL_BYTES];
    static const char *list[SETTINGS_MAX];
    size_t n = 0;
    snprintf(database, sizeof database, "MESH_DATABASE_URL=%s", database_url);
    snprintf(nats, sizeof nats, "MESH_NATS_URL=%s", nats_url());
    list[n++] = "MESH_LISTEN=127.0.0.1:0";
    list[n++] = "MESH_OTHER_DEMO_TARGET=127.0.0.1:1";
    list[n++] = database;
    list[n++] = nats;
    for (; *more != NULL; more++) {
        assert_true(n < SETTINGS_MAX - 1);
        list[n++] = *more;
    }
    list[n] = NULL;
    return list;
}

program *demo_launch(const char *file, const char *database_url, const char *const *more)
{
    const char *const arguments[] = {file, NULL};
    return program_start(arguments, settings(database_url, more));
}

int demo_run(const char *const *arguments, const char *database_url, const char *const *more,
             char *output, size_t size)
{
    return program_run(arguments, settings(database_url, more), output, size);
}

demo demo_start(const char *database_url, const char *const *more)
{
    demo made = {.program = demo_launch(DEMO, database_url, more)};
    mesh_error err = {0};
    snprintf(made.database_url, sizeof made.database_url, "%s", database_url);
    snprintf(made.listening, sizeof made.listening, "%s",
             program_wait_log(made.program, "listening"));
    assert_int_equal(
        mesh_channel_create(program_field(made.listening, "address"), NULL, &made.channel, &err),
        MESH_OK);
    made.arena = mesh_arena_create(4096, 0);
    assert_non_null(made.arena);
    return made;
}

demo demo_serve(const char *database, const char *const *more)
{
    char url[POSTGRES_URL_BYTES];
    postgres_create_database(database, url);
    demo made = demo_start(url, more);
    program_wait_log(made.program, "serving");
    return made;
}

void demo_end(demo *demo, int status)
{
    program_expect(demo->program, status);
    mesh_channel_destroy(demo->channel);
    mesh_arena_destroy(demo->arena);
    program_free(demo->program);
}

void demo_stop(demo *demo)
{
    program_signal(demo->program, SIGTERM);
    demo_end(demo, 0);
}

static const mesh_call_options *options(const demo *demo)
{
    static mesh_call_options made;
    made = (mesh_call_options){.arena = demo->arena, .timeout_ms = CALL_LIMIT_MS};
    return &made;
}

int demo_health(const demo *demo, const char *name)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    Grpc__Health__V1__HealthCheckResponse *response;
    mesh_error err = {0};
    request.service = (char *)name;
    mesh_code code = grpc__health__v1__health__check(demo->channel, &request, &response,
                                                     options(demo), &err);
    return code == MESH_OK ? (int)response->status : -(int)code;
}

mesh_code demo_add(const demo *demo, const char *name)
{
    Demo__V1__AddRequest request = DEMO__V1__ADD_REQUEST__INIT;
    Demo__V1__AddResponse *response;
    mesh_error err = {0};
    request.name = (char *)name;
    return demo__v1__demo__add(demo->channel, &request, &response, options(demo), &err);
}

bool demo_heard(const demo *demo, const char *name)
{
    Demo__V1__HearRequest request = DEMO__V1__HEAR_REQUEST__INIT;
    Demo__V1__HearResponse *response;
    mesh_error err = {0};
    request.name = (char *)name;
    mesh_code code = demo__v1__demo__hear(demo->channel, &request, &response, options(demo), &err);
    return code == MESH_OK && response->heard;
}

static void on_nap(void *context, mesh_code code, const Demo__V1__SleepResponse *response,
                   const mesh_error *err)
{
    (void)response;
    (void)err;
    ((demo_nap *)context)->code = code;
}

void demo_start_nap(const demo *demo, demo_nap *nap, int64_t milliseconds, bool hold_connection)
{
    Demo__V1__SleepRequest request = DEMO__V1__SLEEP_REQUEST__INIT;
    request.milliseconds = milliseconds;
    request.hold_connection = hold_connection;
    nap->code = -1;
    assert_int_equal(demo__v1__demo__sleep__async(demo->channel, &request,
                                                  &(mesh_call_options){.timeout_ms = CALL_LIMIT_MS},
                                                  on_nap, nap),
                     MESH_OK);
    program_wait_log(demo->program, "sleeping");
}

const char *demo_metrics(const char *address)
{
    static char text[256 * 1024];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t size = 0;
    ssize_t got;
    assert_return_code(fd, errno);
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    assert_return_code(connect(fd, (const struct sockaddr *)&to, sizeof to), errno);
    assert_int_equal(write(fd, request, sizeof request - 1), sizeof request - 1);
    while ((got = read(fd, text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)got;
    text[size] = '\0';
    close(fd);
    return text;
}
