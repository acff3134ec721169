#include "tests/attack/watch.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LOOK_MS = 3
};

static int64_t status_kib(const char *status, const char *name)
{
    const char *line = strstr(status, name);
    long long kib = 0;

    return line != NULL && sscanf(line + strlen(name), " %lld", &kib) == 1 ? kib : 0;
}

static bool read_file(int pid, const char *name, char *text, size_t size)
{
    char path[64];
    FILE *file;
    size_t got;

    (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    got = fread(text, 1, size - 1, file);
    text[got] = '\0';
    (void)fclose(file);
    return got > 0;
}

bool process_read(int pid, process_figures *figures)
{
    char text[8192];
    unsigned long user, system;
    const char *behind_name;

    if (!read_file(pid, "status", text, sizeof text))
        return false;
    figures->rss_kib = status_kib(text, "VmRSS:");
    figures->peak_kib = status_kib(text, "VmHWM:");
    if (figures->rss_kib == 0 || !read_file(pid, "stat", text, sizeof text))
        return false;
    behind_name = strrchr(text, ')');
    if (behind_name == NULL ||
        sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system) != 2)
        return false;
    figures->cpu_ms = (int64_t)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
    return true;
}

static void *look(void *context)
{
    watch *watch = context;
    process_figures figures;

    while (!atomic_load(&watch->over)) {
        bool runs = process_read(watch->pid, &figures);

        if (!runs)
            atomic_store(&watch->died, true);
        if (!runs || figures.rss_kib > watch->most_kib)
            atomic_store(&watch->attempt->stop, true);
        (void)poll(NULL, 0, LOOK_MS);
    }
    return NULL;
}

void watch_start(watch *watch)
{
    if (watch->pid != 0 && pthread_create(&watch->thread, NULL, look, watch) != 0)
        abort();
}

void watch_stop(watch *watch)
{
    atomic_store(&watch->over, true);
    if (watch->pid != 0)
        (void)pthread_join(watch->thread, NULL);
}
