#include "mesh/base/log.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mesh/base/trace.h"
#include "tests/mesh/base/test.h"

/* A socket that keeps the bounds of writes: what one recv takes is what one write gave. */
static int ends[2];
static char line[16384];

static int set_up(void **state)
{
    (void)state;
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0)
        return -1;
    mesh_log_output(ends[0]);
    mesh_log_setup("", MESH_LOG_INFO);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mesh_log_output(-1);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* The next line without its time, which every line begins with; NULL when there is none. */
static const char *next_line(void)
{
    static const char head[] = "{\"time\":\"0000-00-00T00:00:00.000000Z\",";
    ssize_t size = recv(ends[1], line, sizeof line - 1, MSG_DONTWAIT);

    if (size < 0)
        return NULL;
    line[size] = '\0';
    assert_true((size_t)size > strlen(head));
    for (size_t i = 0; i < strlen(head); i++)
        assert_true(head[i] == '0' ? line[i] >= '0' && line[i] <= '9' : line[i] == head[i]);
    assert_ptr_equal(strchr(line, '\n'), line + size - 1);
    line[size - 1] = '\0';
    return line + strlen(head);
}

static void a_line_is_one_json_object(void **state)
{
    (void)state;
    mesh_log(MESH_LOG_INFO, "started");
    assert_string_equal(next_line(), "\"level\":\"info\",\"message\":\"started\"}");

    mesh_log_setup("order", MESH_LOG_INFO);
    mesh_log(MESH_LOG_ERROR, "a \"b\" \\ \n\t\x01 \xc3\xa9 \xff\xc3", MESH_LOG_S("text", "x\ny"),
             MESH_LOG_S("none", NULL), MESH_LOG_I("min", INT64_MIN), MESH_LOG_B("yes", true),
             MESH_LOG_B("no", false), MESH_LOG_S("a\"b", ""));
    assert_string_equal(next_line(),
                        "\"level\":\"error\",\"service\":\"order\",\"message\":\"a \\\"b\\\" \\\\ "
                        "\\n\\t\\u0001 \xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd\",\"text\":\"x\\ny\","
                        "\"none\":null,\"min\":-9223372036854775808,\"yes\":true,\"no\":false,"
                        "\"a\\\"b\":\"\"}");
}

static void numbers_read_back_the_same(void **state)
{
    static const struct {
        double number;
        const char *text;
    } cases[] = {
        {0.1, "0.1"},
        {1.0 / 3, "0.33333333333333331"},
        {-2.5e300, "-2.5e+300"},
        {7, "7"},
        {NAN, "null"},
        {INFINITY, "null"},
    };
    char expected[128];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_log(MESH_LOG_WARN, "", MESH_LOG_D("n", cases[i].number));
        snprintf(expected, sizeof expected, "\"level\":\"warn\",\"message\":\"\",\"n\":%s}",
                 cases[i].text);
        assert_string_equal(next_line(), expected);
    }
}

static void lines_name_the_current_trace(void **state)
{
    mesh_trace trace;
    const char *text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    (void)state;
    assert_true(mesh_trace_parse(&trace, text, strlen(text)));
    mesh_trace_set_current(&trace);
    mesh_log(MESH_LOG_INFO, "m", MESH_LOG_I("n", 1));
    mesh_trace_set_current(NULL);
    assert_string_equal(next_line(), "\"level\":\"info\",\"message\":\"m\",\"trace_id\":"
                                     "\"4bf92f3577b34da6a3ce929d0e0e4736\",\"span_id\":"
                                     "\"00f067aa0ba902b7\",\"n\":1}");
}

static void nothing_below_the_level_is_written(void **state)
{
    mesh_log_level level;

    (void)state;
    mesh_log(MESH_LOG_DEBUG, "m");
    assert_null(next_line());
    assert_true(mesh_log_level_parse("warn", &level));
    mesh_log_setup("", level);
    mesh_log(MESH_LOG_INFO, "m");
    assert_null(next_line());
    mesh_log(MESH_LOG_WARN, "m");
    assert_non_null(next_line());
    assert_false(mesh_log_level_parse("WARN", &level));
    assert_false(mesh_log_level_parse("", &level));
}

static void long_lines_are_cut_between_characters_and_say_so(void **state)
{
    static char text[20000];
    const char *cut_end = "\",\"cut\":true}";

    (void)state;
    /* Each shift puts the cut at another place in the two-byte character or the escape. */
    for (int shift = 0; shift < 8; shift++) {
        for (size_t i = 0; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\n\xc3\xa9", 4);
        memset(text, 'a', (size_t)shift);
        mesh_log(MESH_LOG_INFO, text, MESH_LOG_S("kept", "yes"));
        assert_non_null(next_line());
        assert_true(strlen(line) < 8192);
        assert_non_null(strstr(line, "\",\"kept\":\"yes\",\"cut\":true}"));

        mesh_log(MESH_LOG_INFO, "m", MESH_LOG_S("long", text), MESH_LOG_S("lost", "yes"));
        assert_non_null(next_line());
        assert_in_range(strlen(line), 8160, 8191);
        assert_string_equal(line + strlen(line) - strlen(cut_end), cut_end);
        assert_int_equal((uint8_t)line[strlen(line) - strlen(cut_end) - 1] == 0xc3, false);
        assert_int_not_equal(line[strlen(line) - strlen(cut_end) - 1], '\\');
        assert_null(strstr(line, "lost"));
    }
}

static void errno_is_left_alone(void **state)
{
    (void)state;
    mesh_log_output(1000);
    errno = ENOENT;
    mesh_log(MESH_LOG_INFO, "m");
    assert_int_equal(errno, ENOENT);
}

static void *log_many(void *name)
{
    for (int i = 0; i < 100; i++)
        mesh_log(MESH_LOG_INFO, name, MESH_LOG_S("again", name));
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    pthread_t threads[2];
    int seen[2] = {0};

    (void)state;
    assert_int_equal(pthread_create(&threads[0], NULL, log_many, "aaaa"), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, log_many, "bbbb"), 0);
    for (int i = 0; i < 200; i++) {
        ssize_t size = recv(ends[1], line, sizeof line - 1, 0);

        assert_true(size > 0);
        line[size] = '\0';
        if (strstr(line, "\"message\":\"aaaa\",\"again\":\"aaaa\"}\n") != NULL)
            seen[0]++;
        else if (strstr(line, "\"message\":\"bbbb\",\"again\":\"bbbb\"}\n") != NULL)
            seen[1]++;
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(seen[0], 100);
    assert_int_equal(seen[1], 100);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_line_is_one_json_object),
        CASE(numbers_read_back_the_same),
        CASE(lines_name_the_current_trace),
        CASE(nothing_below_the_level_is_written),
        CASE(long_lines_are_cut_between_characters_and_say_so),
        CASE(errno_is_left_alone),
        CASE(lines_of_threads_do_not_mix),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
