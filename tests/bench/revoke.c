/*
 * How fast a permission that was taken away is refused, by every instance of a service, while all
 * of them are loaded; and how often the user service is asked when many ask the same at once. With
 * the real services, PostgreSQL and NATS. Prints one JSON object.
 *
 *   revoke ROUNDS
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "mesh/rpc/call.h"
#include "tests/services/shop/people.h"

enum {
    INSTANCES = 4,
    LOADERS = 2, /* threads for each instance */
    USERS = 8,
    BURST = 1000,
    ROUNDS_MAX = 10000,
    LIMIT_MS = 20000,
    METRICS_BYTES = 256 * 1024,
    NAME_BYTES = 64
};

static const char *const merchants[] = {"merchants", NULL};
static const char *const nothing[] = {NULL};

static instance products[INSTANCES];
static atomic_bool over;
static atomic_uint_fast64_t loaded; /* calls of the loaders */

/* Asks for nothing that can be done: who may ask is told so, by a handler that needs no database.
 */
static mesh_code try_as(const person *who, const instance *at)
{
    const Product__V1__CreateProductRequest request = PRODUCT__V1__CREATE_PRODUCT_REQUEST__INIT;
    const mesh_metadata authorization = {"authorization", who->authorization,
                                         strlen(who->authorization)};
    mesh_arena *arena = mesh_arena_create(4096, 0);
    const mesh_call_options options = {
        .arena = arena, .timeout_ms = LIMIT_MS, .metadata = &authorization, .metadata_count = 1};
    Product__V1__Product *product;
    mesh_code code;

    assert_non_null(arena);
    code = product__v1__product_service__create_product(at->channel, &request, &product, &options,
                                                        NULL);
    mesh_arena_destroy(arena);
    return code;
}

static void wait_for(const person *who, const instance *at, mesh_code expected)
{
    int64_t until_ns = mesh_clock_deadline_ns(LIMIT_MS);

    while (try_as(who, at) != expected)
        assert_true(mesh_clock_monotonic_ns() < until_ns);
}

/* --- load ------------------------------------------------------------------------------------- */

static person loader;

static void *run_load(void *at)
{
    while (!atomic_load(&over)) {
        assert_int_equal(try_as(&loader, at), MESH_INVALID_ARGUMENT);
        atomic_fetch_add(&loaded, 1);
    }
    return NULL;
}

/* --- revocation ------------------------------------------------------------------------------- */

static double left_ms[ROUNDS_MAX * INSTANCES];

/* From when the change was answered until each instance refuses; others go on meanwhile. */
static void measure(const person *who, double *ms)
{
    bool refused[INSTANCES] = {false};
    int64_t begin_ns;

    person_change_groups(who, merchants);
    for (size_t i = 0; i < INSTANCES; i++)
        wait_for(who, &products[i], MESH_INVALID_ARGUMENT);
    person_change_groups(who, nothing);
    begin_ns = mesh_clock_monotonic_ns();
    for (size_t left = INSTANCES; left > 0;)
        for (size_t i = 0; i < INSTANCES; i++) {
            if (refused[i] || try_as(who, &products[i]) != MESH_PERMISSION_DENIED)
                continue;
            refused[i] = true;
            left--;
            ms[i] = (double)(mesh_clock_monotonic_ns() - begin_ns) * 1e-6;
            assert_true(ms[i] < LIMIT_MS);
        }
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static void print_revocation(int rounds)
{
    static person people[USERS];
    pthread_t threads[INSTANCES * LOADERS];
    char name[NAME_BYTES];
    size_t count = (size_t)rounds * INSTANCES;
    int64_t begin_ns;
    double seconds;

    for (int i = 0; i < USERS; i++) {
        snprintf(name, sizeof name, "revoked-%d", i);
        person_join(&people[i], name);
    }
    person_join(&loader, "loader");
    person_change_groups(&loader, merchants);
    for (size_t i = 0; i < INSTANCES; i++)
        wait_for(&loader, &products[i], MESH_INVALID_ARGUMENT);
    for (size_t i = 0; i < INSTANCES * LOADERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_load, &products[i % INSTANCES]), 0);

    begin_ns = mesh_clock_monotonic_ns();
    for (int i = 0; i < rounds; i++)
        measure(&people[i % USERS], left_ms + (size_t)i * INSTANCES);
    seconds = (double)(mesh_clock_monotonic_ns() - begin_ns) * 1e-9;
    atomic_store(&over, true);
    for (size_t i = 0; i < INSTANCES * LOADERS; i++)
        pthread_join(threads[i], NULL);

    qsort(left_ms, count, sizeof left_ms[0], compare);
    printf("{\"instances\": %d, \"rounds\": %d, \"load_calls_per_s\": %.0f, "
           "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, ",
           INSTANCES, rounds, (double)atomic_load(&loaded) / seconds, left_ms[count / 2],
           left_ms[count * 99 / 100], left_ms[count - 1]);
}

/* --- a burst ---------------------------------------------------------------------------------- */

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_return_code(fd, errno);
    assert_return_code(bind(fd, (struct sockaddr *)&address, size), errno);
    assert_return_code(getsockname(fd, (struct sockaddr *)&address, &size), errno);
    close(fd);
    return ntohs(address.sin_port);
}

/* How often the instance has asked the user service. */
static long asked(int metrics_port)
{
    static char text[METRICS_BYTES];
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    static const char metric[] = "\nmesh_auth_permission_loads_total ";
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)metrics_port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *found;
    size_t size = 0;
    ssize_t got;

    assert_return_code(fd, errno);
    assert_return_code(connect(fd, (const struct sockaddr *)&address, sizeof address), errno);
    assert_int_equal(write(fd, request, sizeof request - 1), sizeof request - 1);
    while ((got = read(fd, text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)got;
    text[size] = '\0';
    close(fd);
    found = strstr(text, metric);
    assert_non_null(found);
    return strtol(found + strlen(metric), NULL, 10);
}

static atomic_int answered, let_in;

static void on_answer(void *context, mesh_code code, const Product__V1__Product *product,
                      const mesh_error *err)
{
    (void)context;
    (void)product;
    (void)err;
    if (code == MESH_INVALID_ARGUMENT)
        atomic_fetch_add(&let_in, 1);
    atomic_fetch_add(&answered, 1);
}

/* `newcomer` is allowed, but nobody has asked yet. */
static void print_burst(const person *newcomer, const instance *at, int metrics_port)
{
    const Product__V1__CreateProductRequest request = PRODUCT__V1__CREATE_PRODUCT_REQUEST__INIT;
    const mesh_metadata authorization = {"authorization", newcomer->authorization,
                                         strlen(newcomer->authorization)};
    long before = asked(metrics_port);
    int64_t until_ns;
    const mesh_call_options options = {
        .timeout_ms = LIMIT_MS, .metadata = &authorization, .metadata_count = 1};
    for (int i = 0; i < BURST; i++)
        assert_int_equal(product__v1__product_service__create_product__async(
                             at->channel, &request, &options, on_answer, NULL),
                         MESH_OK);
    until_ns = mesh_clock_deadline_ns(LIMIT_MS);
    while (atomic_load(&answered) < BURST)
        assert_true(mesh_clock_monotonic_ns() < until_ns);
    printf("\"burst\": %d, \"burst_let_in\": %d, \"burst_asked\": %ld}\n", BURST,
           atomic_load(&let_in), asked(metrics_port) - before);
}

int main(int argc, char **argv)
{
    static person newcomer;
    int rounds = argc == 2 ? atoi(argv[1]) : 0, port;
    char metrics[NAME_BYTES];

    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: revoke ROUNDS (1 to %d)\n", ROUNDS_MAX);
        return 2;
    }
    if (shop_setup(NULL) != 0)
        return 1;
    port = free_port();
    snprintf(metrics, sizeof metrics, "MESH_METRICS_LISTEN=127.0.0.1:%d", port);
    instance_start(&products[0], "product", NULL,
                   (const char *const[]){metrics, "MESH_WORKER_QUEUE=2000",
                                         "MESH_CONNECTION_SHARE=100", NULL});
    for (size_t i = 1; i < INSTANCES; i++)
        instance_start(&products[i], "product", NULL, NULL);
    /* the event of this change is over when the burst comes: it would make them ask again */
    person_join(&newcomer, "newcomer");
    person_change_groups(&newcomer, merchants);
    print_revocation(rounds);
    print_burst(&newcomer, &products[0], port);
    for (size_t i = 0; i < INSTANCES; i++)
        instance_stop(&products[i]);
    return shop_teardown(NULL);
}
