#include "mesh/meshctl/input.h"

#include <pthread.h>
#include <unistd.h>

#include "tests/mesh/base/test.h"

static void expect(ctl_input *input, const char *json)
{
    const char *got;
    size_t size;
    ctl_failure failure;
    mesh_code code = ctl_input_next(input, &got, &size, &failure);
    if (json == NULL) {
        assert_int_equal(code, MESH_EOF);
        return;
    }
    if (code != MESH_OK)
        fail_msg("%s: %d %s", json, code, code == MESH_EOF ? "" : failure.err.message);
    assert_int_equal(size, strlen(json));
    assert_memory_equal(got, json, size);
}

static void words_hold_any_number_of_values(void **state)
{
    (void)state;
    static const char *const words[] = {"{\"a\":1} {\"b\":[2]}", " ", "3\n\"x\"true"};
    ctl_input *input;
    ctl_failure failure;
    assert_int_equal(ctl_input_open(words, COUNT(words), false, &input, &failure), MESH_OK);
    expect(input, "{\"a\":1}");
    expect(input, "{\"b\":[2]}");
    expect(input, "3");
    expect(input, "\"x\"");
    expect(input, "true");
    expect(input, NULL);
    expect(input, NULL);
    ctl_input_close(input);
}

static void no_words_are_nothing_or_standard_input(void **state)
{
    (void)state;
    ctl_input *input;
    ctl_failure failure;
    assert_int_equal(ctl_input_open(NULL, 0, false, &input, &failure), MESH_OK);
    expect(input, NULL);
    ctl_input_close(input);
}

/* Puts a pipe in the place of standard input and returns its other end. */
static int standard_input(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    return ends[1];
}

static void put(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void values_come_out_of_a_pipe_as_soon_as_they_are_whole(void **state)
{
    (void)state;
    int fd = standard_input();
    ctl_input *input;
    ctl_failure failure;
    assert_int_equal(ctl_input_open(NULL, 0, true, &input, &failure), MESH_OK);
    put(fd, "{\"a\":1}");
    expect(input, "{\"a\":1}"); /* without a line end */
    put(fd, "\n{\"b\":");
    put(fd, "2}\n12");
    expect(input, "{\"b\":2}");
    put(fd, "3 ");
    expect(input, "123"); /* a number may go on */
    put(fd, "45");
    close(fd);
    expect(input, "45");
    expect(input, NULL);
    ctl_input_close(input);
}

static void *stop_soon(void *argument)
{
    ctl_input_stop(argument);
    return NULL;
}

static void a_waiting_reader_can_be_stopped(void **state)
{
    (void)state;
    int fd = standard_input();
    static const char *const words[] = {"-"};
    ctl_input *input;
    ctl_failure failure;
    pthread_t thread;
    assert_int_equal(ctl_input_open(words, 1, false, &input, &failure), MESH_OK);
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, input), 0);
    expect(input, NULL);
    expect(input, NULL);
    assert_int_equal(pthread_join(thread, NULL), 0);
    ctl_input_close(input);
    close(fd);
}

static void files_are_read_and_large_values_kept_whole(void **state)
{
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "@%s/large.json", getenv("TEST_TMPDIR"));
    enum {
        SIZE = 300000
    };
    FILE *out = fopen(path + 1, "w");
    assert_non_null(out);
    fputc('"', out);
    for (int i = 0; i < SIZE; i++)
        fputc('a', out);
    fputs("\"\n{}", out);
    fclose(out);
    const char *words[] = {path, "{\"last\":1}"};
    ctl_input *input;
    ctl_failure failure;
    const char *json;
    size_t size;
    assert_int_equal(ctl_input_open(words, 2, false, &input, &failure), MESH_OK);
    assert_int_equal(ctl_input_next(input, &json, &size, &failure), MESH_OK);
    assert_int_equal(size, SIZE + 2);
    expect(input, "{}");
    expect(input, "{\"last\":1}");
    expect(input, NULL);
    ctl_input_close(input);
}

static void mistakes_name_their_source_and_place(void **state)
{
    (void)state;
    static const struct {
        const char *word, *message;
    } cases[] = {
        {"{\"a\":1}\n{a:2}", "message:2:2: expected a field name in quotes"},
        {"{\"a\"", "message:1:5: expected ':'"},
        {"hello", "message:1:1: expected a value"},
        {"@/nowhere/x.json", "/nowhere/x.json: No such file or directory"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ctl_input *input;
        ctl_failure failure;
        const char *json;
        size_t size;
        mesh_code code;
        assert_int_equal(ctl_input_open(&cases[i].word, 1, false, &input, &failure), MESH_OK);
        while ((code = ctl_input_next(input, &json, &size, &failure)) == MESH_OK)
            continue;
        assert_int_not_equal(code, MESH_EOF);
        assert_string_equal(failure.err.message, cases[i].message);
        ctl_input_close(input);
    }

    int fd = standard_input();
    ctl_input *input;
    ctl_failure failure;
    const char *json;
    size_t size;
    assert_int_equal(ctl_input_open(NULL, 0, true, &input, &failure), MESH_OK);
    put(fd, "{}\n{}\n");
    expect(input, "{}");
    put(fd, "{\"a\":]}\n");
    close(fd);
    expect(input, "{}");
    assert_int_equal(ctl_input_next(input, &json, &size, &failure), MESH_INVALID_ARGUMENT);
    assert_string_equal(failure.err.message, "standard input:3:6: expected a value");
    ctl_input_close(input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_hold_any_number_of_values),
        cmocka_unit_test(no_words_are_nothing_or_standard_input),
        cmocka_unit_test(values_come_out_of_a_pipe_as_soon_as_they_are_whole),
        cmocka_unit_test(a_waiting_reader_can_be_stopped),
        cmocka_unit_test(files_are_read_and_large_values_kept_whole),
        cmocka_unit_test(mistakes_name_their_source_and_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
