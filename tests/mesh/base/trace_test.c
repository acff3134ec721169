#include "mesh/base/trace.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/mesh/base/test.h"

#define IDS "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"

static void a_traceparent_is_read_as_the_specification_says(void **state)
{
    static const struct {
        const char *text;
        bool good;
        const char *again; /* what is written for it */
    } cases[] = {
        {"00-" IDS "-01", true, "00-" IDS "-01"},
        {"00-" IDS "-00", true, "00-" IDS "-00"},
        {"00-" IDS "-ff", true, "00-" IDS "-01"},
        {"01-" IDS "-01", true, "00-" IDS "-01"},
        {"cc-" IDS "-01-what the future brings", true, "00-" IDS "-01"},
        {"cc-" IDS "-01.", false, NULL},
        {"00-" IDS "-01-", false, NULL},
        {"ff-" IDS "-01", false, NULL},
        {"00-" IDS "-0", false, NULL},
        {"00-" IDS "_01", false, NULL},
        {"00-" IDS "-0G", false, NULL},
        {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false, NULL},
        {"00-00000000000000000000000000000000-00f067aa0ba902b7-01", false, NULL},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false, NULL},
        {"", false, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_trace trace = {.flags = 77};
        char text[MESH_TRACEPARENT_BYTES];
        bool good = mesh_trace_parse(&trace, cases[i].text, strlen(cases[i].text));

        if (good != cases[i].good)
            fail_msg("%s", cases[i].text);
        if (good) {
            mesh_trace_format(&trace, text);
            assert_string_equal(text, cases[i].again);
        } else {
            assert_int_equal(trace.flags, 77);
        }
    }
}

static void a_child_stays_in_its_trace_with_a_span_of_its_own(void **state)
{
    mesh_trace parent, child, none = {0};
    char id[MESH_TRACE_ID_TEXT_BYTES], span[MESH_SPAN_ID_TEXT_BYTES];

    (void)state;
    mesh_trace_start(&parent);
    parent.flags = 0;
    mesh_trace_child(&child, &parent);
    assert_memory_equal(child.trace_id, parent.trace_id, 16);
    assert_memory_not_equal(child.span_id, parent.span_id, 8);
    assert_int_equal(child.flags, 0);
    mesh_trace_id_format(&child, id);
    mesh_span_id_format(&child, span);
    assert_int_equal(strlen(id), 32);
    assert_int_equal(strlen(span), 16);

    mesh_trace_child(&child, NULL);
    assert_true(mesh_trace_valid(&child));
    mesh_trace_child(&child, &none);
    assert_true(mesh_trace_valid(&child));
    assert_false(mesh_trace_valid(&none));
}

static void *read_current(void *seen)
{
    *(const mesh_trace **)seen = mesh_trace_current();
    return NULL;
}

static void each_thread_has_its_own_current_trace(void **state)
{
    mesh_trace one = {0}, two = {0};
    const mesh_trace *seen = &one;
    pthread_t thread;

    (void)state;
    assert_null(mesh_trace_set_current(&one));
    assert_ptr_equal(mesh_trace_set_current(&two), &one);
    assert_int_equal(pthread_create(&thread, NULL, read_current, &seen), 0);
    pthread_join(thread, NULL);
    assert_null(seen);
    assert_ptr_equal(mesh_trace_current(), &two);
    mesh_trace_set_current(NULL);
}

static void a_forked_child_makes_ids_of_its_own(void **state)
{
    mesh_trace ours, theirs;
    int ends[2];
    pid_t child;

    (void)state;
    mesh_trace_start(&ours); /* the batch of random bytes is filled */
    assert_int_equal(pipe(ends), 0);
    child = fork();
    mesh_trace_start(&ours);
    if (child == 0) {
        ssize_t written = write(ends[1], &ours, sizeof ours);

        _exit(written == sizeof ours ? 0 : 1);
    }
    assert_true(child > 0);
    assert_int_equal(read(ends[0], &theirs, sizeof theirs), sizeof theirs);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_memory_not_equal(ours.trace_id, theirs.trace_id, 16);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_traceparent_is_read_as_the_specification_says),
        cmocka_unit_test(a_child_stays_in_its_trace_with_a_span_of_its_own),
        cmocka_unit_test(each_thread_has_its_own_current_trace),
        cmocka_unit_test(a_forked_child_makes_ids_of_its_own),
    };

    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
