/*
 * Attacks a server, bounded in time and count, and says what that did to it and to its other
 * clients: a line of figures, and which promises broke. Exit status 0: none, 1: some, 2: it could
 * not be tried. With --burn it leaves the server alone and only takes as much processor time.
 */
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "tests/attack/burn.h"
#include "tests/attack/bystander.h"
#include "tests/attack/channel.h"
#include "tests/attack/watch.h"
#include "tests/interop/flags.h"

enum {
    EXIT_BROKEN = 1,
    EXIT_NOT_TRIED = 2,
    FRESH_LIMIT_MS = 500, /* of one call, which may meet a backlog that nobody accepts */
    LEAST_MS = 1500,      /* a shorter attack is repeated for so long */
    SETTLE_MS = 1000
};

static struct {
    const char *attack;
    const char *target;
    const char *ca;
    const char *path;
    const char *stream;
    const char *chat;
    int burn;
    int pause_ms;
    int pid;
    int seconds;
    int most;
    int memory_mib;
    int stop_mib;
    int recovery_ms;
    bool list;
} options = {
    .path = "/grpc.health.v1.Health/Check",
    .seconds = 15,
    .memory_mib = 512,
    .stop_mib = 1500,
    .recovery_ms = 1000,
    .burn = -1,
};

static const flag flags[] = {
    {.name = "attack", .text = &options.attack, .help = "its name; --list says which there are"},
    {.name = "target", .text = &options.target, .help = "HOST:PORT or unix:PATH"},
    {.name = "ca",
     .text = &options.ca,
     .help = "PEM file: whom to trust that it is localhost; turns TLS on"},
    {.name = "path",
     .text = &options.path,
     .help = "a unary method that takes an empty message; default health's Check"},
    {.name = "stream",
     .text = &options.stream,
     .help = "a method that answers an empty message with a long stream, for slow readers"},
    {.name = "chat",
     .text = &options.chat,
     .help = "a method that answers each empty message of a stream: whether it goes on"},
    {.name = "pause_ms",
     .number = &options.pause_ms,
     .help = "between two calls of the other client; default 0"},
    {.name = "burn",
     .number = &options.burn,
     .help =
         "no attack: percent of a core to take for --seconds; prints the other client's calls/s"},
    {.name = "pid", .number = &options.pid, .help = "the server's, to watch it; 0: unwatched"},
    {.name = "seconds", .number = &options.seconds, .help = "at most; default 15"},
    {.name = "most", .number = &options.most, .help = "units at most; 0: the attack's own number"},
    {.name = "memory_mib",
     .number = &options.memory_mib,
     .help = "resident memory that it may take at its peak; default 512"},
    {.name = "stop_mib",
     .number = &options.stop_mib,
     .help = "the attack is broken off there; default 1500"},
    {.name = "recovery_ms",
     .number = &options.recovery_ms,
     .help = "in which a new client must be served afterwards; default 1000"},
    {.name = "list", .boolean = &options.list, .help = "names the attacks"},
};

static const char about[] =
    "Attacks a server and says what that did to it. Prints two lines: a heading, and\n"
    "ATTACK UNITS SECONDS BEFORE PEAK AFTER CPU SERVED FAILED SLOWEST BACK RATE OWN BROKEN\n"
    "with memory in MiB (PEAK since the server's start), its CPU in seconds, another client's "
    "calls\n"
    "during the attack (SLOWEST in ms), after how many ms a new client was served (- never), how "
    "many\n"
    "calls the other client made a second, what percent of a core the attacker took, and what "
    "broke:\n"
    "memory, calls, streams, recovery, crash (- nothing); idle: nothing did, but less than half of "
    "the\n"
    "units were done, and the target was not why. Attack only what is yours.";

static const attack *const tables[] = {flood_attacks, connection_attacks, stream_attacks,
                                       message_attacks};

static const attack *next_attack(size_t *table, size_t *at)
{
    while (*table < sizeof tables / sizeof tables[0]) {
        const attack *next = &tables[*table][(*at)++];

        if (next->name != NULL)
            return next;
        (*table)++;
        *at = 0;
    }
    return NULL;
}

static void list(void)
{
    const attack *next;
    size_t table = 0, at = 0;

    while ((next = next_attack(&table, &at)) != NULL)
        printf("%-22s %9llu %-12s %s\n", next->name, (unsigned long long)next->most, next->unit,
               next->about);
}

static const attack *find(const char *name)
{
    const attack *next;
    size_t table = 0, at = 0;

    do
        next = next_attack(&table, &at);
    while (next != NULL && strcmp(next->name, name) != 0);
    return next;
}

static bool resolve_path(const char *path, attempt *attempt)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, path, strlen(path));
    memcpy(&attempt->address, &address, sizeof address);
    attempt->address_size = sizeof address;
    return true;
}

/* The target's address, as the frames made by hand need it. */
static bool resolve(const char *target, attempt *attempt)
{
    static const char unix_prefix[] = "unix:";
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(target, ':');
    struct addrinfo *found;
    char host[256];

    if (strncmp(target, unix_prefix, sizeof unix_prefix - 1) == 0)
        return resolve_path(target + sizeof unix_prefix - 1, attempt);
    if (colon == NULL || (size_t)(colon - target) >= sizeof host)
        return false;
    (void)snprintf(host, sizeof host, "%.*s", (int)(colon - target), target);
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return false;
    memcpy(&attempt->address, found->ai_addr, found->ai_addrlen);
    attempt->address_size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

/* Milliseconds until a new client was served; -1: not within many times what is allowed. */
static int64_t recover(const attempt *attempt, const mesh_method *method)
{
    int64_t since_ns = mesh_clock_monotonic_ns();
    int64_t until_ns = mesh_clock_deadline_ns(options.recovery_ms * INT64_C(5));

    for (int i = 0; mesh_clock_left_ms(until_ns) > 0; i++) {
        mesh_channel *fresh = channel_connect(attempt, i);
        bool served = fresh != NULL && channel_call(fresh, method, FRESH_LIMIT_MS);

        mesh_channel_destroy(fresh);
        if (served)
            return (mesh_clock_monotonic_ns() - since_ns) / 1000000;
    }
    return -1;
}

typedef struct outcome {
    process_figures before, after;
    bystander_figures others;
    int64_t took_ms, own_ms, back_ms;
    bool crashed, made;
} outcome;

/* Writes what broke, comma-separated, and returns whether something did. */
static bool broken(const outcome *outcome, char *text, size_t size)
{
    const struct {
        bool is;
        const char *name;
    } promises[] = {
        {outcome->crashed, "crash"},
        {outcome->after.peak_kib > options.memory_mib * INT64_C(1024), "memory"},
        {outcome->others.failed > 0, "calls"},
        {!outcome->others.answered, "streams"},
        {outcome->back_ms < 0 || outcome->back_ms > options.recovery_ms, "recovery"},
    };
    size_t at = 0;

    for (size_t i = 0; i < sizeof promises / sizeof promises[0]; i++)
        if (promises[i].is)
            at += (size_t)snprintf(text + at, size - at, "%s%s", at > 0 ? "," : "",
                                   promises[i].name);
    if (at == 0)
        (void)snprintf(text, size, outcome->made ? "-" : "idle");
    return at > 0 || !outcome->made;
}

static bool print(const attempt *attempt, const outcome *outcome)
{
    char what[64], back[24] = "-";
    bool is_broken = broken(outcome, what, sizeof what);

    if (outcome->back_ms >= 0)
        (void)snprintf(back, sizeof back, "%lld", (long long)outcome->back_ms);
    printf("%-22s %8s %7s %6s %6s %6s %6s %6s %6s %7s %5s %6s %4s %s\n", "ATTACK", "UNITS",
           "SECONDS", "BEFORE", "PEAK", "AFTER", "CPU", "SERVED", "FAILED", "SLOWEST", "BACK",
           "RATE", "OWN", "BROKEN");
    printf("%-22s %8llu %7.1f %6lld %6lld %6lld %6.1f %6lu %6lu %7ld %5s %6lu %4lld %s\n",
           options.attack, (unsigned long long)attempt_units(attempt),
           (double)outcome->took_ms / 1000, (long long)outcome->before.rss_kib / 1024,
           (long long)outcome->after.peak_kib / 1024, (long long)outcome->after.rss_kib / 1024,
           (double)(outcome->after.cpu_ms - outcome->before.cpu_ms) / 1000, outcome->others.served,
           outcome->others.failed, outcome->others.slowest_ms, back, outcome->others.rate,
           outcome->took_ms > 0 ? (long long)(outcome->own_ms * 100 / outcome->took_ms) : 0, what);
    return is_broken;
}

/* Again and again, when one run is too short to see what others keep beside it. */
static void repeat(const attack *attack, attempt *attempt)
{
    int64_t until_ns = mesh_clock_deadline_ns(LEAST_MS);

    attempt->until_ns = mesh_clock_deadline_ns(options.seconds * INT64_C(1000));
    do {
        attempt->earlier += attempt->units;
        attempt->units = 0;
        attack->run(attempt);
    } while (attempt_may_last(attempt) && mesh_clock_left_ms(until_ns) > 0);
}

/* The attack, and what it did to the bystander. False: the bystander has ended. */
static bool attack_beside(bystander *bystander, const attack *attack, attempt *attempt,
                          outcome *outcome)
{
    const mesh_method method = channel_method(options.path, MESH_UNARY);
    int64_t started_ns = mesh_clock_monotonic_ns(), own_ms = burnt_ms();
    bystander_figures later;

    repeat(attack, attempt);
    outcome->took_ms = (mesh_clock_monotonic_ns() - started_ns) / 1000000;
    outcome->own_ms = burnt_ms() - own_ms;
    outcome->made = attempt_made(attempt, outcome->took_ms);
    if (!bystander_ask(bystander, &outcome->others))
        return false;
    outcome->back_ms = recover(attempt, &method);
    if (!bystander_ask(bystander, &later))
        return false;
    outcome->others.failed += later.failed;
    outcome->others.answered = outcome->others.answered && later.answered;
    if (later.slowest_ms > outcome->others.slowest_ms)
        outcome->others.slowest_ms = later.slowest_ms;
    return true;
}

static int run(const attack *attack, attempt *attempt)
{
    watch watch = {
        .attempt = attempt, .pid = options.pid, .most_kib = options.stop_mib * INT64_C(1024)};
    outcome outcome = {.back_ms = -1};
    bystander bystander;
    bool told;

    if (options.pid != 0 && !process_read(options.pid, &outcome.before)) {
        fprintf(stderr, "attacker: there is no process %d\n", options.pid);
        return EXIT_NOT_TRIED;
    }
    if (!bystander_start(&bystander, attempt, options.pause_ms))
        return EXIT_NOT_TRIED;
    watch_start(&watch);
    told = attack_beside(&bystander, attack, attempt, &outcome);
    watch_stop(&watch);
    (void)bystander_stop(&bystander);
    outcome.crashed = atomic_load(&watch.died);
    if (!told) {
        fprintf(stderr, "attacker: the other client has ended\n");
        return EXIT_NOT_TRIED;
    }
    if (options.pid != 0 && !outcome.crashed) {
        /* what it gives back, it gives back in this time */
        attempt->until_ns = mesh_clock_deadline_ns(SETTLE_MS);
        atomic_store(&attempt->stop, false);
        attempt_pause(attempt, SETTLE_MS);
        outcome.crashed = !process_read(options.pid, &outcome.after);
    }
    return print(attempt, &outcome) ? EXIT_BROKEN : EXIT_SUCCESS;
}

/* What the other client makes of the server beside somebody who takes time, and nothing else. */
static int run_burn(const attempt *attempt)
{
    bystander_figures figures;
    bystander bystander;
    bool told;

    if (!bystander_start(&bystander, attempt, options.pause_ms))
        return EXIT_NOT_TRIED;
    burn(options.burn, options.seconds * INT64_C(1000));
    told = bystander_ask(&bystander, &figures);
    (void)bystander_stop(&bystander);
    if (!told)
        return EXIT_NOT_TRIED;
    printf("%lu\n", figures.rate);
    return EXIT_SUCCESS;
}

static bool needs_stream(const attack *attack)
{
    const struct attack *next = stream_attacks;

    while (next->name != NULL && next != attack)
        next++;
    return next == attack;
}

/* TLS as decent clients speak it: the certificate is verified by the channels, not here. */
static bool prepare_tls(attempt *attempt)
{
    static const unsigned char protocols[] = "\x02h2";

    attempt->ca = options.ca;
    if (options.ca == NULL)
        return true;
    attempt->tls = SSL_CTX_new(TLS_client_method());
    if (attempt->tls == NULL ||
        SSL_CTX_set_alpn_protos(attempt->tls, protocols, sizeof protocols - 1) != 0)
        return false;
    /* what is to be sent may move within its buffer, and be sent in parts */
    (void)SSL_CTX_set_mode(attempt->tls,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return true;
}

/* As many connections as this process may have. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    static attempt attempt;
    const attack *attack;
    bool burns;

    flags_read(argc, argv, flags, sizeof flags / sizeof flags[0], about);
    if (options.list) {
        list();
        return EXIT_SUCCESS;
    }
    attack = options.attack != NULL ? find(options.attack) : NULL;
    burns = options.burn >= 0;
    if ((attack == NULL && !burns) || options.target == NULL ||
        !resolve(options.target, &attempt)) {
        fprintf(stderr, "attacker: %s\n",
                attack == NULL && !burns ? "--attack: there is no such attack; --list names them"
                                         : "--target: needs HOST:PORT or unix:PATH");
        return EXIT_NOT_TRIED;
    }
    if (!burns && needs_stream(attack) && options.stream == NULL) {
        fprintf(stderr, "attacker: --stream: %s needs the path of one\n", attack->name);
        return EXIT_NOT_TRIED;
    }
    if (!prepare_tls(&attempt)) {
        fprintf(stderr, "attacker: no TLS\n");
        return EXIT_NOT_TRIED;
    }
    attempt.target = options.target;
    attempt.path = options.path;
    attempt.stream = options.stream;
    attempt.chat = options.chat;
    (void)signal(SIGPIPE, SIG_IGN);
    if (burns)
        return run_burn(&attempt);
    attempt.most = options.most > 0 ? (uint64_t)options.most : attack->most;
    attempt.bytes = channel_method(options.path, MESH_BIDI_STREAMING);
    raise_limit();
    return run(attack, &attempt);
}
