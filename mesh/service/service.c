#include "mesh/service.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mesh/base/clock.h"
#include "mesh/base/options.h"
#include "mesh/service/app.h"
#include "mesh/service/ready.h"

enum {
    EXIT_WRONG_USAGE = 2,
    REPORT_BYTES = 16 * 1024,      /* of mistakes in the configuration */
    READY_JOIN_TIMEOUT_MS = 10000, /* for a query or a migration to end */
    ADDRESS_BYTES = 256,
    EVENTS_DRAIN_MIN_MS = 1000 /* what consumers get though the calls took all the time */
};

/* What the command line asks for. */
struct options {
    enum {
        SERVE,
        COMMAND,
        HELP,
        VERSION,
        CHECK,
        SHOW_CONFIG
    } action;
    const char *config_file;
    const char *run_list;         /* NULL: as the setting says */
    const mesh_command *command;  /* of the service's, to run instead of serving; NULL: none */
    const char *const *arguments; /* the command's, ended by NULL */
};

static const mesh_command *commands_of(const mesh_service *service)
{
    static const mesh_command none = {0};
    return service->commands != NULL ? service->commands : &none;
}

static void usage(FILE *out, const mesh_service *service)
{
    const char *name = service->name;
    fprintf(
        out,
        "Usage: %s [--config FILE] [--run PARTS] [--check | --show-config | --help | --version]\n",
        name);
    for (const mesh_command *one = commands_of(service); one->name != NULL; one++)
        fprintf(out, "       %s [--config FILE] %s %s\n", name, one->name, one->arguments);
    fprintf(out, "\nRuns the service %s until SIGTERM or SIGINT, then drains it", name);
    fputs(service->commands != NULL ? ", or does instead:\n\n" : ".\n", out);
    int width = 0;
    for (const mesh_command *one = commands_of(service); one->name != NULL; one++)
        width = (int)strlen(one->name) > width ? (int)strlen(one->name) : width;
    for (const mesh_command *one = commands_of(service); one->name != NULL; one++)
        fprintf(out, "  %-*s  %s\n", width, one->name, one->help);
    fprintf(
        out,
        "\n"
        "  --config FILE  read settings from FILE (lines NAME=VALUE); the environment comes "
        "first\n"
        "  --run PARTS    run these parts of the service alone: server, consumers, workers, with "
        "commas between\n"
        "  --check        check the settings and stop: status 0, or 2 with all mistakes on "
        "stderr\n"
        "  --show-config  print the settings in force, secrets hidden, and stop\n"
        "  --help         print this\n"
        "  --version      print the version\n");
}

/* Finds the command that the words behind the options are; false: they are none. */
static bool parse_command(int count, char **words, const mesh_service *service,
                          struct options *options)
{
    for (const mesh_command *one = commands_of(service); one->name != NULL; one++) {
        if (strcmp(one->name, words[0]) != 0)
            continue;
        int wanted = one->arguments[0] != '\0';
        for (const char *at = one->arguments; *at != '\0'; at++)
            wanted += *at == ' ';
        if (count - 1 != wanted) {
            fprintf(stderr, "%s: %s needs %s\n", service->name, one->name,
                    wanted != 0 ? one->arguments : "no arguments");
            return false;
        }
        options->action = COMMAND;
        options->command = one;
        options->arguments = (const char *const *)words + 1;
        return true;
    }
    fprintf(stderr, "%s: unexpected argument '%s'\n", service->name, words[0]);
    return false;
}

static bool parse_options(int argc, char **argv, const mesh_service *service,
                          struct options *options)
{
    static const struct option table[] = {
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {"check", no_argument, NULL, CHECK},
        {"show-config", no_argument, NULL, SHOW_CONFIG},
        {"config", required_argument, NULL, 'c'},
        {"run", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    int found;
    while ((found = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (found == 'c') {
            options->config_file = optarg;
        } else if (found == 'r') {
            options->run_list = optarg;
        } else if (found == '?') { /* getopt_long said what is wrong */
            usage(stderr, service);
            return false;
        } else {
            options->action = found;
        }
    }
    if (optind < argc && !parse_command(argc - optind, argv + optind, service, options)) {
        usage(stderr, service);
        return false;
    }
    if (options->config_file == NULL && mesh_setting_given(getenv("MESH_CONFIG")))
        options->config_file = getenv("MESH_CONFIG");
    return true;
}

/* False: all mistakes are on stderr. */
static bool load(const struct options *options, const mesh_service *service,
                 mesh_service_config *config, const mesh_setting *settings, size_t count,
                 mesh_arena *arena)
{
    char report[REPORT_BYTES] = "";
    mesh_error err = {0};
    if (mesh_config_load(settings, count, options->config_file, NULL, arena, report, sizeof report,
                         &err) != MESH_OK) {
        fprintf(stderr, "%s: the configuration is wrong:\n%s\n", service->name,
                report[0] != '\0' ? report : err.message);
        return false;
    }
    if (options->run_list != NULL)
        config->run_list = options->run_list;
    return mesh_service_config_check(service, config, stderr) == 0;
}

/* What asks for a drain. SIGHUP comes when a terminal is closed; there is nothing to load again. */
static const struct {
    int number;
    const char *name;
} stop_signals[] = {{SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"}, {SIGHUP, "SIGHUP"}};

enum {
    STOP_SIGNALS = sizeof stop_signals / sizeof stop_signals[0]
};

/* A signal while draining: nobody waits any longer. */
static void quit(int signal)
{
    (void)signal;
    _exit(EXIT_FAILURE);
}

static volatile sig_atomic_t caught; /* the signal that asked for a drain; 0: none */

static void ask_to_stop(int signal)
{
    caught = signal;
}

static void handle(const sigset_t *signals, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_mask = *signals};
    for (size_t i = 0; i < STOP_SIGNALS; i++)
        sigaction(stop_signals[i].number, &action, NULL);
}

/*
 * Waits for one of them or mesh_app_stop, and lets the next signal end the process. The signals
 * are let in here alone. A handler takes them, since what signalfd or sigwait take never reaches a
 * debugger, and Ctrl-C would not break in.
 */
static const char *wait_for_stop(const mesh_app *app, const sigset_t *signals)
{
    struct pollfd stop = {.fd = app->stop_fd, .events = POLLIN};
    sigset_t open;
    pthread_sigmask(SIG_SETMASK, NULL, &open);
    for (size_t i = 0; i < STOP_SIGNALS; i++)
        sigdelset(&open, stop_signals[i].number);
    handle(signals, ask_to_stop);
    while (ppoll(&stop, 1, NULL, &open) < 0 && errno == EINTR && caught == 0)
        ;
    handle(signals, quit);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
    for (size_t i = 0; i < STOP_SIGNALS; i++)
        if (stop_signals[i].number == caught)
            return stop_signals[i].name;
    return "stop";
}

/* "HOST:PORT" of what was asked for and the port that was bound. */
static void format_address(const char *listen, int port, char *text, size_t size)
{
    const char *colon = strrchr(listen, ':');
    if (strncmp(listen, "unix:", 5) == 0 || colon == NULL)
        snprintf(text, size, "%s", listen);
    else
        snprintf(text, size, "%.*s:%d", (int)(colon - listen), listen, port);
}

static void log_listening(const mesh_app *app)
{
    char address[ADDRESS_BYTES], metrics[ADDRESS_BYTES];
    format_address(app->config->listen, mesh_server_port(app->server), address, sizeof address);
    format_address(app->config->metrics_listen, mesh_metrics_http_port(app->metrics.http), metrics,
                   sizeof metrics);
    mesh_log(MESH_LOG_INFO, "listening", MESH_LOG_S("address", address),
             MESH_LOG_S("metrics", metrics), MESH_LOG_S("server", app->config->transport));
}

/* Takes the service down in order; the exit status. */
static int stop(mesh_app *app, mesh_ready *ready)
{
    const mesh_service *service = app->service;
    int64_t end_ns = mesh_clock_deadline_ns(app->config->drain_delay_ms +
                                            app->config->drain_timeout_ms);
    mesh_ready_stop(ready);
    if (!mesh_app_drain_calls(app))
        mesh_log(MESH_LOG_WARN, "calls were cancelled: MESH_DRAIN_TIMEOUT passed");

    bool gave_up = false;
    bool joined = mesh_ready_join(ready, READY_JOIN_TIMEOUT_MS, &gave_up);
    if (!joined)
        mesh_log(MESH_LOG_WARN, "the readiness thread does not end; the process ends without it");
    int64_t left_ms = mesh_clock_left_ms(end_ns);
    mesh_app_drain_events(app, left_ms > EVENTS_DRAIN_MIN_MS ? left_ms : EVENTS_DRAIN_MIN_MS);
    if (service->on_stop != NULL)
        service->on_stop(service->self);
    if (joined)
        mesh_app_destroy(app);

    int status = gave_up ? EXIT_FAILURE : EXIT_SUCCESS;
    mesh_log(MESH_LOG_INFO, "stopped", MESH_LOG_I("status", status));
    return status;
}

/* Serves until told to stop; the exit status. */
static int serve(mesh_app *app, const sigset_t *signals)
{
    const mesh_service *service = app->service;
    mesh_ready *ready = NULL;
    mesh_error err = {0};

    if (service->on_start != NULL && service->on_start(service->self, app, &err) != MESH_OK) {
        mesh_app_log_error(MESH_LOG_ERROR, "cannot start", &err);
        mesh_app_destroy(app);
        return EXIT_FAILURE;
    }
    mesh_code code = mesh_app_listen(app, &err);
    if (code == MESH_OK) {
        log_listening(app);
        code = mesh_ready_start(app, &ready, &err);
    }
    if (code != MESH_OK) {
        mesh_app_log_error(MESH_LOG_ERROR, "cannot start", &err);
        (void)mesh_server_drain(app->server, 0); /* it may listen already */
        if (service->on_stop != NULL)
            service->on_stop(service->self);
        mesh_app_destroy(app);
        return EXIT_FAILURE;
    }

    const char *cause = wait_for_stop(app, signals);
    mesh_log(MESH_LOG_INFO, "draining", MESH_LOG_S("cause", cause));
    return stop(app, ready);
}

/* As many connections as the system allows: the core's listener does not survive running out of
 * descriptors. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        mesh_log(MESH_LOG_WARN, "the limit of file descriptors cannot be raised",
                 MESH_LOG_S("cause", strerror(errno)));
}

/* Runs a command between the start and the end of the parts; the exit status. */
static int command(mesh_app *app, const struct options *options, const sigset_t *signals)
{
    const mesh_service *service = app->service;
    mesh_error err = {0};
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
    mesh_code code = MESH_OK;
    if (service->on_start != NULL)
        code = service->on_start(service->self, app, &err);
    bool started = code == MESH_OK;
    if (code == MESH_OK)
        code = mesh_ready_wait(app, &err);
    if (code == MESH_OK)
        code = options->command->run(service->self, app, options->arguments, &err);
    if (code != MESH_OK)
        fprintf(stderr, "%s: %s: %s\n", service->name, options->command->name, err.message);
    mesh_app_drain_events(app, app->config->drain_timeout_ms);
    if (started && service->on_stop != NULL)
        service->on_stop(service->self);
    mesh_app_destroy(app);
    return code == MESH_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Makes the parts with the signals blocked, so that every thread inherits that, and does what it is
 * told. */
static int run(const mesh_service *service, const mesh_service_config *config,
               const struct options *options)
{
    mesh_log_level level = MESH_LOG_INFO;
    mesh_log_level_parse(config->log_level, &level);
    mesh_log_setup(service->name, level);
    raise_descriptor_limit();

    sigset_t signals;
    sigemptyset(&signals);
    for (size_t i = 0; i < STOP_SIGNALS; i++)
        sigaddset(&signals, stop_signals[i].number);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    mesh_app *app;
    mesh_error err = {0};
    int status = EXIT_FAILURE;
    if (mesh_app_create(service, config, &app, &err) != MESH_OK)
        mesh_app_log_error(MESH_LOG_ERROR, "cannot start", &err);
    else if (options->action == COMMAND)
        status = command(app, options, &signals);
    else
        status = serve(app, &signals);
    return status;
}

int mesh_service_main(int argc, char **argv, const mesh_service *given)
{
    mesh_service known;
    const mesh_service *service = &known;
    mesh_error err = {0};
    assert(given->name != NULL);
    if (MESH_OPTIONS_READ(mesh_service, self, &known, given, &err) != MESH_OK) {
        fprintf(stderr, "%s: %s\n", given->name, err.message);
        return EXIT_FAILURE;
    }
    assert(service->migrations != NULL || !mesh_service_has_events(service)); /* the inbox */
    for (const mesh_command *one = commands_of(service); one->name != NULL; one++)
        if (MESH_RESERVED_CHECK(one, &err, "command %s", one->name) != MESH_OK) {
            fprintf(stderr, "%s: %s\n", service->name, err.message);
            return EXIT_FAILURE;
        }

    struct options options = {.action = SERVE};
    if (!parse_options(argc, argv, service, &options))
        return EXIT_WRONG_USAGE;
    if (options.action == VERSION) {
        printf("%s, meshc %s\n", service->name, MESH_VERSION);
        return EXIT_SUCCESS;
    }

    mesh_service_config config = {0};
    mesh_setting *settings;
    size_t count;
    int status = EXIT_FAILURE;
    mesh_arena *arena = mesh_arena_create(16 * 1024, 0);
    if (arena == NULL ||
        mesh_service_settings(service, &config, arena, &settings, &count, &err) != MESH_OK) {
        fprintf(stderr, "%s: out of memory\n", service->name);
        goto done;
    }

    if (options.action == HELP) {
        usage(stdout, service);
        puts("\n"
             "Settings, from the environment or the file. A duration looks like 250ms, 10s or 1h;\n"
             "bytes like 4096, 64KiB or 4MiB; an address like 127.0.0.1:50051, [::1]:50051 or\n"
             "unix:/run/it. A MESH_ name that is not listed here is a mistake.\n");
        mesh_config_help(stdout, settings, count);
        status = EXIT_SUCCESS;
    } else if (!load(&options, service, &config, settings, count, arena)) {
        status = EXIT_WRONG_USAGE;
    } else if (options.action == SHOW_CONFIG) {
        mesh_config_show(stdout, settings, count);
        status = EXIT_SUCCESS;
    } else if (options.action == CHECK) {
        puts("the configuration is right");
        status = EXIT_SUCCESS;
    } else {
        status = run(service, &config, &options);
    }

done:
    mesh_arena_destroy(arena);
    return status;
}
