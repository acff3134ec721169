/*
 * mesh_service_main as an operator meets it: a program with settings, signals, log lines, health
 * and exit status; on a real PostgreSQL and a real NATS.
 */
#include "mesh/service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "demo/v1/demo.mesh.h"
#include "grpc/health/v1/health.mesh.h"
#include "mesh/base/clock.h"
#include "tests/fixtures/nats.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/program.h"
#include "tests/fixtures/wait.h"

#define DEMO "tests/mesh/service/demo_service"
#define BROKEN "tests/mesh/service/broken_demo_service"

enum {
    SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
    NOT_SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,

    CALL_LIMIT_MS = 30000,
    URL_BYTES = POSTGRES_URL_BYTES + 32,
    SETTINGS_MAX = 16
};

/* ---- a running demo and its callers ---- */

typedef struct demo {
    program *program;
    mesh_channel *channel;
    mesh_arena *arena;
    char listening[1024]; /* the line that it logged */
} demo;

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

static program *launch(const char *file, const char *database_url, const char *const *more)
{
    const char *const arguments[] = {file, NULL};
    return program_start(arguments, settings(database_url, more));
}

/* Starts one, waits until it listens, and connects. */
static demo start(const char *database_url, const char *const *more)
{
    demo made = {.program = launch(DEMO, database_url, more)};
    mesh_error err = {0};
    snprintf(made.listening, sizeof made.listening, "%s",
             program_wait_log(made.program, "listening"));
    assert_int_equal(
        mesh_channel_create(program_field(made.listening, "address"), NULL, &made.channel, &err),
        MESH_OK);
    made.arena = mesh_arena_create(4096, 0);
    assert_non_null(made.arena);
    return made;
}

/* Waits for its end, which must have this status. */
static void end(demo *demo, int status)
{
    program_expect(demo->program, status);
    mesh_channel_destroy(demo->channel);
    mesh_arena_destroy(demo->arena);
    program_free(demo->program);
}

static void stop(demo *demo)
{
    program_signal(demo->program, SIGTERM);
    end(demo, 0);
}

static const mesh_call_options *options(const demo *demo)
{
    static mesh_call_options made;
    made = (mesh_call_options){.arena = demo->arena, .timeout_ms = CALL_LIMIT_MS};
    return &made;
}

static int health(const demo *demo, const char *name)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    Grpc__Health__V1__HealthCheckResponse *response;
    mesh_error err = {0};
    request.service = (char *)name;
    mesh_code code = grpc__health__v1__health__check(demo->channel, &request, &response,
                                                     options(demo), &err);
    return code == MESH_OK ? (int)response->status : -(int)code;
}

static mesh_code add(const demo *demo, const char *name)
{
    Demo__V1__AddRequest request = DEMO__V1__ADD_REQUEST__INIT;
    Demo__V1__AddResponse *response;
    mesh_error err = {0};
    request.name = (char *)name;
    return demo__v1__demo__add(demo->channel, &request, &response, options(demo), &err);
}

static bool heard(const demo *demo, const char *name)
{
    Demo__V1__HearRequest request = DEMO__V1__HEAR_REQUEST__INIT;
    Demo__V1__HearResponse *response;
    mesh_error err = {0};
    request.name = (char *)name;
    mesh_code code = demo__v1__demo__hear(demo->channel, &request, &response, options(demo), &err);
    return code == MESH_OK && response->heard;
}

/* An asynchronous Sleep. */
typedef struct nap {
    mesh_channel *channel;
    _Atomic int code; /* -1 until it ended */
} nap;

static void on_nap(void *context, mesh_code code, const Demo__V1__SleepResponse *response,
                   const mesh_error *err)
{
    (void)response;
    (void)err;
    ((nap *)context)->code = code;
}

/* Returns when the handler runs. */
static void start_nap(const demo *demo, nap *nap, int64_t milliseconds, bool hold_connection)
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

/* ---- configuration ---- */

static const char *const nothing[] = {NULL};

/* S2.18 */
static void help_lists_every_setting(void **state)
{
    static const char *const names[] = {
        "MESH_LISTEN",          "MESH_METRICS_LISTEN",
        "MESH_DATABASE_URL",    "MESH_DB_POOL",
        "MESH_NATS_URL",        "MESH_OTHER_DEMO_TARGET",
        "MESH_TLS_CERT",        "MESH_TLS_KEY",
        "MESH_TLS_CA",          "MESH_TLS_REQUIRE_CLIENT_CERT",
        "MESH_WORKERS",         "MESH_WORKER_QUEUE",
        "MESH_MAX_CALLS",       "MESH_MAX_RECEIVE_BYTES",
        "MESH_STARTUP_TIMEOUT", "MESH_DRAIN_DELAY",
        "MESH_DRAIN_TIMEOUT",   "MESH_LOG_LEVEL",
        "MESH_CONFIG",          "DEMO_GREETING",
        "what to say on start", "127.0.0.1:50051",
    };
    const char *const arguments[] = {DEMO, "--help", NULL};
    char output[16384];
    (void)state;
    assert_int_equal(program_run(arguments, nothing, output, sizeof output), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strstr(output, names[i]) == NULL)
            fail_msg("%s is missing in:\n%s", names[i], output);
}

/* S2.18, S4.16: what is missing or wrong is named, all of it, and nothing starts. */
static void all_mistakes_are_named_at_once(void **state)
{
    static const struct {
        const char *settings[6];
        const char *named[6];
    } cases[] = {
        {{NULL}, {"MESH_DATABASE_URL", "MESH_NATS_URL", "MESH_OTHER_DEMO_TARGET"}},
        {{"MESH_LISTEN=nowhere", "MESH_WORKERS=0", "MESH_DRAIN_TIMEOUT=5 parsecs",
          "MESH_NATS_URL=nats://127.0.0.1:4222", "MESH_MISSPELT=1"},
         {"MESH_LISTEN", "MESH_WORKERS", "MESH_DRAIN_TIMEOUT", "MESH_DATABASE_URL",
          "MESH_MISSPELT"}},
        {{"MESH_DATABASE_URL=postgresql://x/y", "MESH_NATS_URL=nats://127.0.0.1:1",
          "MESH_OTHER_DEMO_TARGET=127.0.0.1:1", "MESH_TLS_KEY=/key",
          "MESH_TLS_REQUIRE_CLIENT_CERT=true"},
         {"MESH_TLS_CERT", "MESH_TLS_REQUIRE_CLIENT_CERT", "MESH_TLS_CA"}},
        {{"MESH_CONFIG=/no/such/file"}, {"/no/such/file"}},
    };
    const char *const arguments[] = {DEMO, NULL};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char output[16384];
        assert_int_equal(program_run(arguments, cases[i].settings, output, sizeof output), 2);
        for (size_t j = 0; cases[i].named[j] != NULL; j++)
            if (strstr(output, cases[i].named[j]) == NULL)
                fail_msg("%s is missing in:\n%s", cases[i].named[j], output);
        assert_null(strstr(output, "listening"));
    }
}

static void wrong_options_are_refused(void **state)
{
    static const char *const cases[] = {"--nonsense", "operand", "--config"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const arguments[] = {DEMO, cases[i], NULL};
        char output[16384];
        assert_int_equal(program_run(arguments, nothing, output, sizeof output), 2);
        assert_non_null(strstr(output, "Usage: demo"));
    }
}

/* S4.16 */
static void secrets_are_read_from_files_and_never_shown(void **state)
{
    const char *folder = getenv("TEST_TMPDIR");
    char secret[1024], setting[1100], output[16384];
    (void)state;
    snprintf(secret, sizeof secret, "%s/database-url", folder != NULL ? folder : "/tmp");
    FILE *file = fopen(secret, "w");
    assert_non_null(file);
    fputs("postgresql://demo:opensesame@127.0.0.1/demo\n", file);
    fclose(file);

    snprintf(setting, sizeof setting, "MESH_DATABASE_URL_FILE=%s", secret);
    const char *const given[] = {setting, "MESH_NATS_URL=nats://demo:opensesame@127.0.0.1:1",
                                 "MESH_OTHER_DEMO_TARGET=127.0.0.1:1", "DEMO_GREETING=good day",
                                 NULL};
    const char *const show[] = {DEMO, "--show-config", NULL};
    assert_int_equal(program_run(show, given, output, sizeof output), 0);
    assert_non_null(strstr(output, "MESH_DATABASE_URL=(set)"));
    assert_non_null(strstr(output, "DEMO_GREETING=good day"));
    assert_null(strstr(output, "opensesame"));

    const char *const check[] = {DEMO, "--check", NULL};
    assert_int_equal(program_run(check, given, output, sizeof output), 0);
    assert_null(strstr(output, "opensesame"));
}

static void file_of_the_command_line_comes_before_the_environments(void **state)
{
    const char *folder = getenv("TEST_TMPDIR");
    char path[1024], setting[1100], output[16384];
    (void)state;
    snprintf(path, sizeof path, "%s/demo.conf", folder != NULL ? folder : "/tmp");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("# of the demo\nDEMO_GREETING = from the file\nMESH_DATABASE_URL=postgresql://h/d\n"
          "MESH_NATS_URL=nats://127.0.0.1:1\nMESH_OTHER_DEMO_TARGET=127.0.0.1:1\n",
          file);
    fclose(file);
    snprintf(setting, sizeof setting, "MESH_CONFIG=%s", path);
    const char *const good[] = {setting, NULL};
    const char *const wrong[] = {"MESH_CONFIG=/no/such/file", NULL};
    const char *const plain[] = {DEMO, "--show-config", NULL};
    const char *const named[] = {DEMO, "--show-config", "--config", path, NULL};
    assert_int_equal(program_run(plain, good, output, sizeof output), 0);
    assert_non_null(strstr(output, "DEMO_GREETING=from the file"));
    assert_int_equal(program_run(named, wrong, output, sizeof output), 0);
    assert_non_null(strstr(output, "DEMO_GREETING=from the file"));
}

static void version_names_service_and_runtime(void **state)
{
    const char *const arguments[] = {DEMO, "--version", NULL};
    char output[1024];
    (void)state;
    assert_int_equal(program_run(arguments, nothing, output, sizeof output), 0);
    assert_string_equal(output, "demo, meshc " MESH_VERSION "\n");
}

/* ---- ready means ready (S0.9) ---- */

static void starts_before_its_database_and_serves_when_it_came(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("late", url);
    postgres_stop();

    demo demo = start(url, nothing);
    assert_non_null(strstr(program_wait_log(demo.program, "waiting"), "database"));
    assert_int_equal(health(&demo, ""), NOT_SERVING);
    assert_int_equal(health(&demo, "demo.v1.Demo"), NOT_SERVING);
    assert_int_equal(add(&demo, "early"), MESH_UNAVAILABLE);

    postgres_restart();
    program_wait_log(demo.program, "serving");
    assert_int_equal(health(&demo, ""), SERVING);
    assert_int_equal(health(&demo, "demo.v1.Demo"), SERVING);
    assert_int_equal(add(&demo, "database came"), MESH_OK);
    WAIT_FOR(heard(&demo, "database came"));
    stop(&demo);
}

static void is_not_serving_while_the_broker_is_away(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("broker", url);
    demo demo = start(url, nothing);
    program_wait_log(demo.program, "serving");

    nats_stop();
    assert_non_null(strstr(program_wait_log(demo.program, "not serving"), "broker"));
    assert_int_equal(health(&demo, ""), NOT_SERVING);
    nats_restart();
    program_wait_log(demo.program, "serving");
    assert_int_equal(health(&demo, ""), SERVING);

    assert_int_equal(add(&demo, "broker is back"), MESH_OK); /* and events flow again */
    WAIT_FOR(heard(&demo, "broker is back"));
    stop(&demo);
}

static void is_not_serving_while_the_database_is_away(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("database", url);
    demo demo = start(url, nothing);
    program_wait_log(demo.program, "serving");

    postgres_stop();
    assert_non_null(strstr(program_wait_log(demo.program, "not serving"), "database"));
    assert_int_equal(health(&demo, "demo.v1.Demo"), NOT_SERVING);
    postgres_restart();
    program_wait_log(demo.program, "serving");
    assert_int_equal(add(&demo, "database is back"), MESH_OK);
    WAIT_FOR(heard(&demo, "database is back"));
    stop(&demo);
}

static int thaw(void **state)
{
    (void)state;
    postgres_thaw();
    return 0;
}

/* It takes connections and says nothing, which no error tells. */
static void is_not_serving_while_the_database_hangs(void **state)
{
    enum {
        NOTICE_LIMIT_MS = 10000,
        STOP_LIMIT_MS = 2000 + 15000
    };
    const char *const more[] = {"MESH_DRAIN_TIMEOUT=2s", NULL};
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("hanging", url);
    demo demo = start(url, more);
    program_wait_log(demo.program, "serving");

    postgres_freeze();
    int64_t start_ns = mesh_clock_monotonic_ns();
    assert_non_null(strstr(program_wait_log(demo.program, "not serving"), "database"));
    assert_int_equal(health(&demo, "demo.v1.Demo"), NOT_SERVING);
    assert_in_range((mesh_clock_monotonic_ns() - start_ns) / 1000000, 0, NOTICE_LIMIT_MS);
    postgres_thaw();
    program_wait_log(demo.program, "serving");
    assert_int_equal(add(&demo, "database goes on"), MESH_OK);

    postgres_freeze();
    start_ns = mesh_clock_monotonic_ns();
    stop(&demo);
    assert_in_range((mesh_clock_monotonic_ns() - start_ns) / 1000000, 0, STOP_LIMIT_MS);
    postgres_thaw();
}

/* Handlers have all connections for some time, which is not an outage. */
static void full_pool_is_not_a_lost_database(void **state)
{
    const char *const more[] = {"MESH_DB_POOL=1", NULL};
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("busy", url);
    demo demo = start(url, more);
    nap nap;
    program_wait_log(demo.program, "serving");
    start_nap(&demo, &nap, 4500, true); /* longer than the probe's interval and its wait */
    WAIT_FOR(nap.code != -1);
    assert_int_equal(nap.code, MESH_OK);
    assert_int_equal(health(&demo, ""), SERVING);
    program_signal(demo.program, SIGTERM);
    program_wait_log(demo.program, "draining");
    assert_null(strstr(program_output(demo.program), "not serving"));
    end(&demo, 0);
}

static void gives_up_when_nothing_answers_in_time(void **state)
{
    const char *const more[] = {"MESH_STARTUP_TIMEOUT=300ms", NULL};
    (void)state;
    demo demo = start("postgresql://demo@127.0.0.1:1/demo", more);
    const char *line = program_wait_log(demo.program,
                                        "gave up starting: MESH_STARTUP_TIMEOUT passed");
    assert_non_null(strstr(line, "database"));
    end(&demo, 1);
}

static void migrations_run_once_for_two_instances(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("twins", url);
    demo first = start(url, nothing), second = start(url, nothing);
    program_wait_log(first.program, "serving");
    program_wait_log(second.program, "serving");

    mesh_db *db = NULL;
    mesh_error err = {0};
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = url}, &db, &err), MESH_OK);
    assert_string_equal(
        postgres_value(db, "SELECT count(*) FROM mesh_migration WHERE component = 'demo'"), "1");
    mesh_db_destroy(db);

    assert_int_equal(add(&first, "shared"), MESH_OK);
    WAIT_FOR(heard(&second, "shared")); /* by either */
    stop(&first);
    assert_int_equal(health(&second, ""), SERVING);
    stop(&second);
}

static void failing_migration_ends_it_at_once(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("broken", url);
    program *program = launch(BROKEN, url, nothing);
    assert_non_null(strstr(program_wait_log(program, "cannot start"), "0002_break"));
    program_expect(program, 1);
    program_free(program);
}

/* ---- other ways not to start ---- */

static void taken_address_is_named(void **state)
{
    char url[POSTGRES_URL_BYTES], listen[256];
    (void)state;
    postgres_create_database("taken", url);
    demo demo = start(url, nothing);
    snprintf(listen, sizeof listen, "MESH_LISTEN=%s", mesh_channel_target(demo.channel));
    const char *const more[] = {listen, NULL};
    program *second = launch(DEMO, url, more);
    assert_non_null(
        strstr(program_wait_log(second, "cannot start"), mesh_channel_target(demo.channel)));
    program_expect(second, 1);
    program_free(second);
    stop(&demo);
}

static void failing_on_start_ends_it(void **state)
{
    const char *const more[] = {"DEMO_GREETING=-", NULL};
    (void)state;
    program *program = launch(DEMO, "postgresql://demo@127.0.0.1:1/demo", more);
    assert_string_equal(program_field(program_wait_log(program, "on_start"), "peer"),
                        "127.0.0.1:1");
    assert_non_null(strstr(program_wait_log(program, "cannot start"), "no greeting today"));
    program_expect(program, 1);
    assert_null(strstr(program_output(program), "on_stop"));
    program_free(program);
}

/* ---- what the settings do ---- */

/* The body of GET /metrics. */
static const char *metrics(const char *address)
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

static void metrics_show_process_calls_pool_and_events(void **state)
{
    static const char *const lines[] = {
        "\nmesh_serving 1\n",
        "\nprocess_resident_memory_bytes ",
        "grpc_service=\"demo.v1.Demo\",grpc_method=\"Add\",grpc_code=\"OK\"} 1\n",
        "grpc_service=\"demo.v1.Demo\",grpc_method=\"Sleep\",grpc_code=\"OK\"} 0\n",
        "\nmesh_db_connections_max 3\n",
        "\nmesh_db_queries_total ",
        "\nmesh_events_pending 0\n",
        "\nmesh_events_published_total 1\n",
        "\nmesh_events_consumed_total ", /* what earlier tests left over, too */
    };
    const char *const more[] = {"MESH_DB_POOL=3", NULL};
    char url[POSTGRES_URL_BYTES], address[256];
    (void)state;
    postgres_create_database("metrics", url);
    demo demo = start(url, more);
    snprintf(address, sizeof address, "%s", program_field(demo.listening, "metrics"));
    program_wait_log(demo.program, "serving");
    assert_int_equal(add(&demo, "measured"), MESH_OK);
    WAIT_FOR(heard(&demo, "measured"));
    const char *text = metrics(address);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("%s is missing in:\n%s", lines[i], text);
    stop(&demo);
}

/* Certificates of an authority of the test's own, made with openssl in a folder. */
static void make_certificates(const char *folder)
{
    char command[4096];
    snprintf(command, sizeof command,
             "cd '%s' && exec 2>openssl.log && "
             "new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -batch' && "
             "$new -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem && "
             "$new -subj /CN=demo -keyout demo.key -out demo.csr && "
             "printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' >names && "
             "openssl x509 -req -days 2 -in demo.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
             "-extfile names -out demo.pem",
             folder);
    assert_int_equal(system(command), 0);
}

static void speaks_tls_and_asks_for_certificates_when_told_to(void **state)
{
    const char *folder = getenv("TEST_TMPDIR") != NULL ? getenv("TEST_TMPDIR") : "/tmp";
    char url[POSTGRES_URL_BYTES], certificate[1024], key[1024], authority[1024];
    mesh_error err = {0};
    (void)state;
    make_certificates(folder);
    snprintf(certificate, sizeof certificate, "MESH_TLS_CERT=%s/demo.pem", folder);
    snprintf(key, sizeof key, "MESH_TLS_KEY=%s/demo.key", folder);
    snprintf(authority, sizeof authority, "MESH_TLS_CA=%s/ca.pem", folder);
    const char *const more[] = {certificate, key, authority, "MESH_TLS_REQUIRE_CLIENT_CERT=true",
                                NULL};
    postgres_create_database("tls", url);
    demo demo = start(url, more);
    program_wait_log(demo.program, "serving");
    assert_int_equal(health(&demo, ""), -MESH_UNAVAILABLE); /* plaintext */

    const struct {
        mesh_tls_options tls;
        int expected;
    } cases[] = {
        {{.ca_file = strchr(authority, '/')}, -MESH_UNAVAILABLE},
        {{.ca_file = strchr(authority, '/'),
          .certificate_file = strchr(certificate, '/'),
          .key_file = strchr(key, '/')},
         SERVING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char target[256];
        snprintf(target, sizeof target, "%s", mesh_channel_target(demo.channel));
        mesh_channel_destroy(demo.channel);
        assert_int_equal(mesh_channel_create(target, &(mesh_channel_options){.tls = &cases[i].tls},
                                             &demo.channel, &err),
                         MESH_OK);
        assert_int_equal(health(&demo, ""), cases[i].expected);
    }
    stop(&demo);
}

/* ---- draining ---- */

static void signal_lets_running_calls_end(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT};
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("drain", url);
    for (size_t i = 0; i < 2; i++) {
        demo demo = start(url, nothing);
        nap nap;
        program_wait_log(demo.program, "serving");
        start_nap(&demo, &nap, 300, false);
        program_signal(demo.program, signals[i]);
        program_wait_log(demo.program, "draining");
        program_wait_log(demo.program, "on_drain");
        program_wait_log(demo.program, "on_stop");
        program_wait_log(demo.program, "stopped");
        end(&demo, 0); /* joins the channel's threads, too */
        assert_int_equal(nap.code, MESH_OK);
    }
}

static void calls_are_cancelled_when_the_drain_takes_too_long(void **state)
{
    const char *const more[] = {"MESH_DRAIN_TIMEOUT=100ms", NULL};
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("impatient", url);
    demo demo = start(url, more);
    nap nap;
    program_wait_log(demo.program, "serving");
    start_nap(&demo, &nap, CALL_LIMIT_MS, false);
    program_signal(demo.program, SIGTERM);
    program_wait_log(demo.program, "sleep cancelled");
    end(&demo, 0);
    assert_int_not_equal(nap.code, MESH_OK);
    assert_int_not_equal(nap.code, -1);
}

static void lame_duck_says_not_serving_and_still_answers(void **state)
{
    const char *const more[] = {"MESH_DRAIN_DELAY=20s", NULL};
    char url[POSTGRES_URL_BYTES];
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    const Grpc__Health__V1__HealthCheckResponse *message = NULL;
    mesh_stream *watch = NULL;
    mesh_error err = {0};
    (void)state;
    postgres_create_database("duck", url);
    demo demo = start(url, more);
    program_wait_log(demo.program, "serving");
    request.service = "demo.v1.Demo";
    assert_int_equal(
        grpc__health__v1__health__watch(demo.channel, &request, &watch,
                                        &(mesh_call_options){.timeout_ms = CALL_LIMIT_MS}, &err),
        MESH_OK);
    assert_int_equal(grpc__health__v1__health__watch__next(watch, &message), MESH_OK);
    assert_int_equal(message->status, SERVING);

    program_signal(demo.program, SIGTERM);
    assert_int_equal(grpc__health__v1__health__watch__next(watch, &message), MESH_OK);
    assert_int_equal(message->status, NOT_SERVING);
    assert_int_equal(add(&demo, "quack"), MESH_OK);

    program_signal(demo.program, SIGTERM); /* the second one: at once */
    mesh_stream_finish(watch, &err);
    end(&demo, 1);
}

static void second_signal_ends_it_at_once(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("hurry", url);
    demo demo = start(url, nothing);
    nap nap;
    program_wait_log(demo.program, "serving");
    start_nap(&demo, &nap, CALL_LIMIT_MS, false);
    program_signal(demo.program, SIGTERM);
    program_wait_log(demo.program, "draining");
    program_signal(demo.program, SIGINT);
    end(&demo, 1);
}

/* Ctrl-C under gdb: SIGINT stops the program for its tracer, who may hold it back. */
static void debugger_gets_sigint_before_the_service(void **state)
{
    int status;
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("traced", url);
    demo demo = start(url, nothing);
    pid_t pid = program_pid(demo.program);
    program_wait_log(demo.program, "serving");
    assert_return_code(ptrace(PTRACE_SEIZE, pid, NULL, NULL), errno);
    program_signal(demo.program, SIGINT);
    assert_int_equal(waitpid(pid, &status, __WALL), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(WSTOPSIG(status), SIGINT);
    assert_return_code(ptrace(PTRACE_DETACH, pid, NULL, NULL), errno);
    assert_int_equal(add(&demo, "still here"), MESH_OK);
    stop(&demo);
}

static void signal_while_waiting_for_the_database_ends_it(void **state)
{
    (void)state;
    demo demo = start("postgresql://demo@127.0.0.1:1/demo", nothing);
    program_wait_log(demo.program, "waiting");
    stop(&demo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_lists_every_setting),
        cmocka_unit_test(all_mistakes_are_named_at_once),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(secrets_are_read_from_files_and_never_shown),
        cmocka_unit_test(file_of_the_command_line_comes_before_the_environments),
        cmocka_unit_test(version_names_service_and_runtime),
        cmocka_unit_test(starts_before_its_database_and_serves_when_it_came),
        cmocka_unit_test(is_not_serving_while_the_broker_is_away),
        cmocka_unit_test(is_not_serving_while_the_database_is_away),
        cmocka_unit_test_teardown(is_not_serving_while_the_database_hangs, thaw),
        cmocka_unit_test(full_pool_is_not_a_lost_database),
        cmocka_unit_test(gives_up_when_nothing_answers_in_time),
        cmocka_unit_test(migrations_run_once_for_two_instances),
        cmocka_unit_test(failing_migration_ends_it_at_once),
        cmocka_unit_test(taken_address_is_named),
        cmocka_unit_test(failing_on_start_ends_it),
        cmocka_unit_test(metrics_show_process_calls_pool_and_events),
        cmocka_unit_test(speaks_tls_and_asks_for_certificates_when_told_to),
        cmocka_unit_test(signal_lets_running_calls_end),
        cmocka_unit_test(calls_are_cancelled_when_the_drain_takes_too_long),
        cmocka_unit_test(lame_duck_says_not_serving_and_still_answers),
        cmocka_unit_test(second_signal_ends_it_at_once),
        cmocka_unit_test(debugger_gets_sigint_before_the_service),
        cmocka_unit_test(signal_while_waiting_for_the_database_ends_it),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
