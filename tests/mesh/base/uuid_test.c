#include "mesh/base/uuid.h"

#include <pthread.h>

#include "mesh/base/clock.h"
#include "tests/mesh/base/test.h"

enum {
    THREADS = 4,
    IDS = 20000
};

static char made[THREADS][IDS][MESH_UUID_TEXT_BYTES];

static void *make_ids(void *ids)
{
    char(*to)[MESH_UUID_TEXT_BYTES] = ids;

    for (int i = 0; i < IDS; i++)
        mesh_uuid_v7(to[i]);
    return NULL;
}

static int compare(const void *one, const void *other)
{
    return strcmp(one, other);
}

static void ids_of_all_threads_go_forward_and_are_unique(void **state)
{
    char(*all)[MESH_UUID_TEXT_BYTES] = (void *)made;
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_ids, made[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        for (int k = 1; k < IDS; k++)
            assert_true(strcmp(made[i][k - 1], made[i][k]) < 0);
    }
    qsort(made, THREADS * IDS, MESH_UUID_TEXT_BYTES, compare);
    for (int i = 1; i < THREADS * IDS; i++)
        assert_true(strcmp(all[i - 1], all[i]) != 0);
}

static void an_id_is_a_version_7_uuid_of_now(void **state)
{
    int64_t before = mesh_clock_wall_ns() / 1000000;
    char text[MESH_UUID_TEXT_BYTES], head[14];

    (void)state;
    for (int i = 0; i < 100; i++) {
        mesh_uuid_v7(text);
        assert_true(mesh_uuid_valid(text));
        assert_int_equal(text[14], '7');
        assert_non_null(strchr("89ab", text[19]));
        snprintf(head, sizeof head, "%.8s%.4s", text, text + 9);
        assert_in_range(strtoll(head, NULL, 16), before, mesh_clock_wall_ns() / 1000000 + 100);
    }
}

static void only_the_8_4_4_4_12_form_is_valid(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"01a1fd49-0de1-779d-860a-357b0fb86eac", true},
        {"01A1FD49-0DE1-479D-860A-357B0FB86EAC", true},
        {"00000000-0000-0000-0000-000000000000", true},
        {"01a1fd490de1779d860a357b0fb86eac", false},
        {"01a1fd49-0de1-779d-860a-357b0fb86eac ", false},
        {"01a1fd49-0de1-779d-860a-357b0fb86ea", false},
        {"{1a1fd49-0de1-779d-860a-357b0fb86ea}", false},
        {"01a1fd49-0de1-779d-860a-357b0fb86eag", false},
        {"01a1fd4-90de1-779d-860a-357b0fb86eac", false},
        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(mesh_uuid_valid(cases[i].text), cases[i].valid);
}

static void random_bytes_fill_any_size(void **state)
{
    uint8_t bytes[5000] = {0};
    size_t zeros = 0;

    (void)state;
    mesh_random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        zeros += bytes[i] == 0;
    assert_true(zeros < 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_of_all_threads_go_forward_and_are_unique),
        cmocka_unit_test(an_id_is_a_version_7_uuid_of_now),
        cmocka_unit_test(only_the_8_4_4_4_12_form_is_valid),
        cmocka_unit_test(random_bytes_fill_any_size),
    };

    return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
