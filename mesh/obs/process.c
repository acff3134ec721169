/* What is known of the process: proc(5). */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "mesh/obs/metrics.h"

enum {
    CPU,
    RESIDENT,
    VIRTUAL,
    OPEN_FDS,
    MAX_FDS,
    THREADS,
    START,
    FIGURES
};

static const mesh_metric figures[FIGURES] = {
    [CPU] = {.kind = MESH_METRIC_COUNTER,
             .name = "process_cpu_seconds_total",
             .help = "Total user and system CPU time spent in seconds."},
    [RESIDENT] = {.kind = MESH_METRIC_GAUGE,
                  .name = "process_resident_memory_bytes",
                  .help = "Resident memory size in bytes."},
    [VIRTUAL] = {.kind = MESH_METRIC_GAUGE,
                 .name = "process_virtual_memory_bytes",
                 .help = "Virtual memory size in bytes."},
    [OPEN_FDS] = {.kind = MESH_METRIC_GAUGE,
                  .name = "process_open_fds",
                  .help = "Number of open file descriptors."},
    [MAX_FDS] = {.kind = MESH_METRIC_GAUGE,
                 .name = "process_max_fds",
                 .help = "Maximum number of open file descriptors."},
    [THREADS] = {.kind = MESH_METRIC_GAUGE,
                 .name = "process_threads",
                 .help = "Number of threads."},
    [START] = {.kind = MESH_METRIC_GAUGE,
               .name = "process_start_time_seconds",
               .help = "Start time of the process since the Unix epoch in seconds."},
};

static double seconds(clockid_t clock)
{
    struct timespec now = {0};

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    double count = 0;

    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count - 3; /* ".", ".." and the folder's own */
}

/* Memory, threads and start time from /proc/self/stat; what cannot be read stays as it is. */
static void read_stat(double *values)
{
    char text[1024];
    const char *after_name;
    long threads, resident;
    unsigned long long start, size;
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return;
    got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0)
        return;
    text[got] = '\0';
    after_name = strrchr(text, ')'); /* the name, in parentheses, may hold anything */
    if (after_name == NULL ||
        sscanf(after_name + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %llu "
               "%llu %ld",
               &threads, &start, &size, &resident) != 4)
        return;
    values[THREADS] = (double)threads;
    values[VIRTUAL] = (double)size;
    values[RESIDENT] = (double)resident * (double)sysconf(_SC_PAGESIZE);
    values[START] = seconds(CLOCK_REALTIME) - seconds(CLOCK_BOOTTIME) +
                    (double)start / (double)sysconf(_SC_CLK_TCK);
}

static void read_process(void *context, double *values)
{
    struct rlimit limit = {0};

    (void)context;
    getrlimit(RLIMIT_NOFILE, &limit);
    values[CPU] = seconds(CLOCK_PROCESS_CPUTIME_ID);
    values[OPEN_FDS] = open_fds();
    values[MAX_FDS] = (double)limit.rlim_cur;
    read_stat(values);
}

mesh_code mesh_metrics_add_process(mesh_metrics *metrics, mesh_error *err)
{
    return mesh_metrics_read(metrics, figures, FIGURES, read_process, NULL, err);
}
