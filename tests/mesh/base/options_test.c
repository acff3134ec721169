#include "mesh/base/options.h"

#include "tests/mesh/base/test.h"

/* One struct in three versions: `last` was the end of the first. */
typedef struct first_options {
    size_t size;
    int64_t last;
} first_options;

typedef struct known_options {
    size_t size;
    int64_t last;
    int64_t added;
} known_options;

typedef struct later_options {
    size_t size;
    int64_t last;
    int64_t added;
    int64_t unknown;
    uint8_t tail;
} later_options;

static mesh_code read_options(known_options *known, const void *given, mesh_error *err)
{
    memset(known, 0xff, sizeof *known);
    return MESH_OPTIONS_READ(known_options, last, known, given, err);
}

static void no_options_are_all_default(void **state)
{
    (void)state;
    known_options known;
    assert_int_equal(read_options(&known, NULL, NULL), MESH_OK);
    assert_int_equal(known.size, sizeof known);
    assert_int_equal(known.last, 0);
    assert_int_equal(known.added, 0);
}

static void size_0_is_the_first_version(void **state)
{
    (void)state;
    known_options known;
    const known_options given = {.last = 1, .added = 2};
    assert_int_equal(read_options(&known, &given, NULL), MESH_OK);
    assert_int_equal(known.size, sizeof known);
    assert_int_equal(known.last, 1);
    assert_int_equal(known.added, 0);
}

static void what_an_older_caller_did_not_know_is_default(void **state)
{
    (void)state;
    known_options known;
    first_options given[2] = {{.size = sizeof given[0], .last = 1}};
    memset(&given[1], 0xff, sizeof given[1]);
    assert_int_equal(read_options(&known, given, NULL), MESH_OK);
    assert_int_equal(known.size, sizeof known);
    assert_int_equal(known.last, 1);
    assert_int_equal(known.added, 0);
}

static void the_same_version_is_read_whole(void **state)
{
    (void)state;
    known_options known;
    assert_int_equal(read_options(&known, MESH_OPTIONS(known_options, .last = 1, .added = 2), NULL),
                     MESH_OK);
    assert_int_equal(known.last, 1);
    assert_int_equal(known.added, 2);
}

static void a_newer_caller_that_sets_nothing_new_is_understood(void **state)
{
    (void)state;
    known_options known;
    assert_int_equal(read_options(&known, MESH_OPTIONS(later_options, .last = 1, .added = 2), NULL),
                     MESH_OK);
    assert_int_equal(known.size, sizeof known);
    assert_int_equal(known.last, 1);
    assert_int_equal(known.added, 2);
}

static void a_newer_caller_that_sets_more_is_refused(void **state)
{
    (void)state;
    const later_options *const cases[] = {
        MESH_OPTIONS(later_options, .last = 1, .unknown = INT64_MIN),
        MESH_OPTIONS(later_options, .last = 1, .tail = 1),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_error err = {0};
        known_options known;
        assert_int_equal(read_options(&known, cases[i], &err), MESH_INVALID_ARGUMENT);
        assert_string_equal(err.message,
                            "known_options: a field is set that this library, version " MESH_VERSION
                            ", does not know: it is older than the "
                            "program");
        assert_int_equal(known.last, 0);
        assert_int_equal(known.added, 0);
    }
}

static void a_size_that_nobody_set_is_refused(void **state)
{
    (void)state;
    static const size_t sizes[] = {
        1, sizeof(size_t) - 1, sizeof(size_t), sizeof(first_options) - 1, 16385, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        mesh_error err = {0};
        known_options known;
        assert_int_equal(read_options(&known, &(known_options){.size = sizes[i]}, &err),
                         MESH_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "known_options: its size cannot be "));
    }
}

static void reserved_words_must_be_null(void **state)
{
    (void)state;
    struct {
        const void *reserved[3];
    } entry = {{NULL}};
    assert_int_equal(MESH_RESERVED_CHECK(&entry, NULL, "%s", "x"), MESH_OK);
    for (size_t i = 0; i < 3; i++) {
        mesh_error err = {0};
        memset(&entry, 0, sizeof entry);
        entry.reserved[i] = &entry;
        assert_int_equal(MESH_RESERVED_CHECK(&entry, &err, "setting %s", "X"),
                         MESH_INVALID_ARGUMENT);
        assert_string_equal(err.message,
                            "setting X: a field is set that this library, version " MESH_VERSION
                            ", does not know: it is older than the "
                            "program");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_options_are_all_default),
        cmocka_unit_test(size_0_is_the_first_version),
        cmocka_unit_test(what_an_older_caller_did_not_know_is_default),
        cmocka_unit_test(the_same_version_is_read_whole),
        cmocka_unit_test(a_newer_caller_that_sets_nothing_new_is_understood),
        cmocka_unit_test(a_newer_caller_that_sets_more_is_refused),
        cmocka_unit_test(a_size_that_nobody_set_is_refused),
        cmocka_unit_test(reserved_words_must_be_null),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
