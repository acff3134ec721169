#include "mesh/obs/metrics.h"

#include <math.h>
#include <pthread.h>
#include <sys/resource.h>

#include "mesh/base/alloc.h"
#include "tests/mesh/base/test.h"

static mesh_metrics *metrics;
static mesh_arena *arena;
static mesh_error err;

static int set_up(void **state)
{
    (void)state;
    metrics = mesh_metrics_create();
    arena = mesh_arena_create(1024, 0);
    return metrics == NULL || arena == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    mesh_metrics_destroy(metrics);
    mesh_arena_destroy(arena);
    return 0;
}

/* The registry's text, with a NUL. */
static const char *scrape(void)
{
    const char *text;
    size_t size;

    assert_int_equal(mesh_metrics_text(metrics, arena, &text, &size, &err), MESH_OK);
    return mesh_arena_strndup(arena, text, size);
}

static void all_kinds_are_written_in_the_text_format(void **state)
{
    static const int64_t bounds[] = {1000000, 2500000, 1000000000};
    mesh_label labels[] = {{"method", "Get"}, {"code", "a\"b\\c\nd\xff"}};
    mesh_metric metric = {.name = "calls_total",
                          .help = "Calls \\ all\nof them.",
                          .labels = labels,
                          .label_count = 2};
    mesh_counter *plain, *labelled;
    mesh_gauge *gauge;
    mesh_histogram *histogram;

    (void)state;
    assert_string_equal(scrape(), "");
    assert_int_equal(mesh_counter_create(metrics, &metric, &labelled, &err), MESH_OK);
    metric.label_count = 0;
    assert_int_equal(mesh_counter_create(metrics, &metric, &plain, &err), MESH_OK);
    metric = (mesh_metric){.name = "depth", .help = "How deep."};
    assert_int_equal(mesh_gauge_create(metrics, &metric, &gauge, &err), MESH_OK);
    metric = (mesh_metric){.name = "took_seconds",
                           .help = "How long.",
                           .labels = labels,
                           .label_count = 1,
                           .bounds = bounds,
                           .bound_count = COUNT(bounds),
                           .scale = 1e-9};
    assert_int_equal(mesh_histogram_create(metrics, &metric, &histogram, &err), MESH_OK);

    mesh_counter_add(labelled, UINT64_MAX);
    mesh_counter_add(plain, 2);
    mesh_counter_add(plain, 3);
    mesh_gauge_set(gauge, 5);
    mesh_gauge_add(gauge, -7);
    mesh_histogram_observe(histogram, 1000000);
    mesh_histogram_observe(histogram, 1000001);
    mesh_histogram_observe(histogram, INT64_C(3000000000));
    assert_int_equal(mesh_counter_value(plain), 5);
    assert_int_equal(mesh_gauge_value(gauge), -2);
    assert_int_equal(mesh_histogram_count(histogram), 3);
    assert_string_equal(scrape(), "# HELP calls_total Calls \\\\ all\\nof them.\n"
                                  "# TYPE calls_total counter\n"
                                  "calls_total{method=\"Get\",code=\"a\\\"b\\\\c\\nd?\"} "
                                  "18446744073709551615\n"
                                  "calls_total 5\n"
                                  "# HELP depth How deep.\n"
                                  "# TYPE depth gauge\n"
                                  "depth -2\n"
                                  "# HELP took_seconds How long.\n"
                                  "# TYPE took_seconds histogram\n"
                                  "took_seconds_bucket{method=\"Get\",le=\"0.001\"} 1\n"
                                  "took_seconds_bucket{method=\"Get\",le=\"0.0025\"} 2\n"
                                  "took_seconds_bucket{method=\"Get\",le=\"1\"} 2\n"
                                  "took_seconds_bucket{method=\"Get\",le=\"+Inf\"} 3\n"
                                  "took_seconds_sum{method=\"Get\"} 3.002000001\n"
                                  "took_seconds_count{method=\"Get\"} 3\n");
}

static void wrong_registrations_are_refused(void **state)
{
    static const int64_t descending[] = {2, 1};
    static const struct {
        mesh_metric metric;
        const char *label;
        mesh_code code;
    } cases[] = {
        {{.name = "fine", .help = "h"}, NULL, MESH_OK},
        {{.name = "fine", .help = "h"}, NULL, MESH_ALREADY_EXISTS},
        {{.name = "fine", .help = "h"}, "a", MESH_OK},
        {{.name = "fine", .help = "h"}, "a", MESH_ALREADY_EXISTS},
        {{.name = "fine", .help = "other"}, "b", MESH_INVALID_ARGUMENT},
        {{.name = "", .help = "h"}, NULL, MESH_INVALID_ARGUMENT},
        {{.name = NULL, .help = "h"}, NULL, MESH_INVALID_ARGUMENT},
        {{.name = "1x", .help = "h"}, NULL, MESH_INVALID_ARGUMENT},
        {{.name = "a-b", .help = "h"}, NULL, MESH_INVALID_ARGUMENT},
        {{.name = "a:b", .help = "h"}, NULL, MESH_OK},
        {{.name = "x", .help = NULL}, NULL, MESH_INVALID_ARGUMENT},
        {{.name = "x", .help = "h"}, "le", MESH_INVALID_ARGUMENT},
        {{.name = "x", .help = "h"}, "__x", MESH_INVALID_ARGUMENT},
        {{.name = "x", .help = "h"}, "a:b", MESH_INVALID_ARGUMENT},
        {{.name = "x", .help = "h", .bounds = descending, .bound_count = 2},
         NULL,
         MESH_INVALID_ARGUMENT},
    };
    mesh_gauge *gauge = NULL;
    mesh_counter *counter;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_metric metric = cases[i].metric;
        mesh_label label = {cases[i].label, "v"};

        metric.labels = &label;
        metric.label_count = cases[i].label == NULL ? 0 : 1;
        if (mesh_gauge_create(metrics, &metric, &gauge, &err) != cases[i].code)
            fail_msg("case %zu: %s", i, err.message);
    }
    assert_int_equal(mesh_counter_create(metrics, &cases[0].metric, &counter, &err),
                     MESH_INVALID_ARGUMENT);
    assert_null(strstr(scrape(), "# HELP x"));
}

static int reads;

static void read_two(void *context, double *values)
{
    reads++;
    values[0] = *(double *)context;
    values[1] = 42;
}

static void figures_kept_elsewhere_are_read_once_a_scrape(void **state)
{
    static const mesh_metric list[] = {
        {.kind = MESH_METRIC_GAUGE, .name = "pool_open", .help = "Open."},
        {.kind = MESH_METRIC_COUNTER, .name = "pool_taken_total", .help = "Taken."},
    };
    static const struct {
        double number;
        const char *text;
    } cases[] = {
        {0.1, "0.1"},    {-3, "-3"},         {1.0 / 3, "0.333333333333333"},
        {NAN, "NaN"},    {INFINITY, "+Inf"}, {-INFINITY, "-Inf"},
        {1e15, "1e+15"},
    };
    double value;
    char expected[256];

    (void)state;
    reads = 0;
    assert_int_equal(mesh_metrics_read(metrics, list, COUNT(list), read_two, &value, &err),
                     MESH_OK);
    for (size_t i = 0; i < COUNT(cases); i++) {
        value = cases[i].number;
        snprintf(expected, sizeof expected,
                 "# HELP pool_open Open.\n# TYPE pool_open gauge\npool_open %s\n"
                 "# HELP pool_taken_total Taken.\n# TYPE pool_taken_total counter\n"
                 "pool_taken_total 42\n",
                 cases[i].text);
        assert_string_equal(scrape(), expected);
        assert_int_equal(reads, i + 1);
    }
    mesh_metrics_forget(metrics, &value);
    assert_string_equal(scrape(), "");
    assert_int_equal(reads, COUNT(cases));
}

static double number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    assert_non_null(at);
    return strtod(at + strlen(name), NULL);
}

static void the_process_is_described(void **state)
{
    struct rlimit limit;
    const char *text;

    (void)state;
    assert_int_equal(mesh_metrics_add_process(metrics, &err), MESH_OK);
    assert_int_equal(mesh_metrics_add_process(metrics, &err), MESH_ALREADY_EXISTS);
    text = scrape();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(number_after(text, "\nprocess_cpu_seconds_total ") > 0 ||
                number_after(text, "process_cpu_seconds_total ") >= 0);
    assert_true(number_after(text, "\nprocess_resident_memory_bytes ") > 100000);
    assert_true(number_after(text, "\nprocess_virtual_memory_bytes ") > 100000);
    assert_true(number_after(text, "\nprocess_open_fds ") >= 3);
    assert_true(number_after(text, "\nprocess_max_fds ") == (double)limit.rlim_cur);
    assert_true(number_after(text, "\nprocess_threads ") >= 1);
    assert_true(number_after(text, "\nprocess_start_time_seconds ") > 1.7e9);
}

static void *update_many(void *metric)
{
    void **both = metric;

    for (int i = 0; i < 100000; i++) {
        mesh_counter_add(both[0], 1);
        mesh_histogram_observe(both[1], i % 3);
    }
    return NULL;
}

static void no_update_of_any_thread_is_lost(void **state)
{
    static const int64_t bounds[] = {0, 1};
    mesh_metric metric = {.name = "c_total", .help = "h"};
    mesh_counter *counter;
    mesh_histogram *histogram;
    pthread_t threads[4];
    void *both[2];

    (void)state;
    assert_int_equal(mesh_counter_create(metrics, &metric, &counter, &err), MESH_OK);
    metric = (mesh_metric){.name = "h", .help = "h", .bounds = bounds, .bound_count = 2};
    assert_int_equal(mesh_histogram_create(metrics, &metric, &histogram, &err), MESH_OK);
    both[0] = counter;
    both[1] = histogram;
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, update_many, both), 0);
    for (int i = 0; i < 20; i++)
        assert_true(strlen(scrape()) > 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_non_null(strstr(scrape(), "c_total 400000\n"));
    assert_non_null(strstr(scrape(), "h_bucket{le=\"+Inf\"} 400000\nh_sum 399996\n"));
}

static void running_out_of_memory_is_an_error(void **state)
{
    mesh_metric metric = {.name = "g", .help = "h"};
    char value[64 * 1024];
    mesh_label label = {"a", value};
    mesh_gauge *gauge;
    const char *text;
    size_t size;

    (void)state;
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    metric.labels = &label;
    metric.label_count = 1;
    mesh_alloc_fail_at(1);
    assert_null(mesh_metrics_create());
    mesh_alloc_fail_at(2);
    assert_null(mesh_metrics_create());
    mesh_alloc_fail_at(1);
    assert_int_equal(mesh_gauge_create(metrics, &metric, &gauge, &err), MESH_RESOURCE_EXHAUSTED);
    mesh_alloc_fail_at(0);
    assert_int_equal(mesh_gauge_create(metrics, &metric, &gauge, &err), MESH_OK);
    mesh_alloc_fail_at(1);
    assert_int_equal(mesh_metrics_text(metrics, arena, &text, &size, &err),
                     MESH_RESOURCE_EXHAUSTED);
    mesh_alloc_fail_at(0);
    assert_non_null(strstr(scrape(), "g{a=\"xxx"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(all_kinds_are_written_in_the_text_format),
        CASE(wrong_registrations_are_refused),
        CASE(figures_kept_elsewhere_are_read_once_a_scrape),
        CASE(the_process_is_described),
        CASE(no_update_of_any_thread_is_lost),
        CASE(running_out_of_memory_is_an_error),
    };

    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
