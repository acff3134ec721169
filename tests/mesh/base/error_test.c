#include "mesh/base/error.h"

#include "tests/mesh/base/test.h"

static mesh_error err, back;
static uint8_t status[MESH_ERROR_STATUS_BYTES];

static int set_up(void **state)
{
    (void)state;
    memset(&err, 0xee, sizeof err); /* an error needs no value before it is set */
    memset(&back, 0xee, sizeof back);
    return 0;
}

/* Sends `err` as a status and reads it into `back`. */
static size_t send_status(void)
{
    size_t size = mesh_error_encode_status(&err, status, sizeof status);

    mesh_error_decode_status(&back, (int)err.code, err.message, strlen(err.message), status, size);
    return size;
}

static bool violation_is(const mesh_error *of, size_t index, const char *field, const char *text)
{
    mesh_error_violation violation;

    return mesh_error_violation_at(of, index, &violation) &&
           violation.field_size == strlen(field) &&
           memcmp(violation.field, field, violation.field_size) == 0 &&
           violation.description_size == strlen(text) &&
           memcmp(violation.description, text, violation.description_size) == 0;
}

static void a_set_error_has_code_and_message_only(void **state)
{
    (void)state;
    assert_int_equal(mesh_error_set(&err, MESH_NOT_FOUND, "no product %d", 7), MESH_NOT_FOUND);
    assert_int_equal(err.code, MESH_NOT_FOUND);
    assert_string_equal(err.message, "no product 7");
    assert_string_equal(err.reason, "");
    assert_int_equal(mesh_error_encode_status(&err, status, sizeof status), 0);
    assert_int_equal(mesh_error_set(&err, MESH_ABORTED, "again: %s", err.message), MESH_ABORTED);
    assert_string_equal(err.message, "again: no product 7");
    assert_int_equal(mesh_error_set(NULL, MESH_ABORTED, "x"), MESH_ABORTED);
    mesh_error_clear(&err);
    assert_int_equal(err.code, MESH_OK);
    assert_string_equal(err.message, "");
}

static void messages_are_cut_between_characters(void **state)
{
    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        char text[1000] = "aaaa";

        for (int i = 0; i < 200; i++)
            memcpy(text + shift + 4 * i, "\xf0\x9f\x98\x80", 5);
        mesh_error_set(&err, MESH_INTERNAL, "%s", text);
        assert_int_equal(strlen(err.message), (255 - shift) / 4 * 4 + shift);
        mesh_error_prefix(&err, "%s", "ab");
        assert_int_equal(strlen(err.message), (251 - shift) / 4 * 4 + shift + 4);
        assert_memory_equal(err.message, "ab: ", 4);
    }
    mesh_error_set(&err, MESH_INTERNAL, "a\xff");
    assert_string_equal(err.message, "a\xef\xbf\xbd");
}

static void a_reason_travels_with_domain_and_metadata(void **state)
{
    char value[64];

    (void)state;
    assert_int_equal(mesh_error_reason(&err, MESH_FAILED_PRECONDITION, "product.v1", "OUT_OF_STOCK",
                                       "only %d left", 2),
                     MESH_FAILED_PRECONDITION);
    mesh_error_metadata(&err, "left", "3");
    mesh_error_metadata(&err, "product", "odyssey");
    mesh_error_metadata(&err, "left", "2");
    mesh_error_metadata(&err, "empty", "");
    assert_true(send_status() > 0);
    assert_int_equal(back.code, MESH_FAILED_PRECONDITION);
    assert_string_equal(back.message, "only 2 left");
    assert_string_equal(back.reason, "OUT_OF_STOCK");
    assert_string_equal(back.domain, "product.v1");
    assert_true(mesh_error_metadata_get(&back, "left", value, sizeof value));
    assert_string_equal(value, "2");
    assert_true(mesh_error_metadata_get(&back, "product", value, 4));
    assert_string_equal(value, "ody");
    assert_true(mesh_error_metadata_get(&back, "empty", value, sizeof value));
    assert_string_equal(value, "");
    assert_false(mesh_error_metadata_get(&back, "lef", value, sizeof value));

    mesh_error_set(&err, MESH_ABORTED, "x");
    mesh_error_metadata(&err, "k", "v");
    assert_false(mesh_error_metadata_get(&err, "k", value, sizeof value));
}

static void violations_gather_in_one_bad_request(void **state)
{
    mesh_error_any any;

    (void)state;
    mesh_error_clear(&err);
    assert_int_equal(mesh_error_field(&err, "lines[2].quantity", "must be at least %d", 1),
                     MESH_INVALID_ARGUMENT);
    mesh_error_field(&err, "name", "must not be empty");
    assert_string_equal(err.message, "lines[2].quantity: must be at least 1");
    send_status();
    assert_true(violation_is(&back, 0, "lines[2].quantity", "must be at least 1"));
    assert_true(violation_is(&back, 1, "name", "must not be empty"));
    assert_false(violation_is(&back, 2, "name", "must not be empty"));
    assert_true(mesh_error_detail_at(&back, 0, &any));
    assert_int_equal(any.type_size, strlen("google.rpc.BadRequest"));
    assert_memory_equal(any.type, "google.rpc.BadRequest", any.type_size);
    assert_false(mesh_error_detail_at(&back, 1, &any));

    /* Another error, without violations, is replaced. */
    mesh_error_set(&err, MESH_INVALID_ARGUMENT, "other");
    mesh_error_field(&err, "a", "b");
    assert_string_equal(err.message, "a: b");
    mesh_error_set(&err, MESH_NOT_FOUND, "other");
    mesh_error_field(&err, "a", "b");
    assert_int_equal(err.code, MESH_INVALID_ARGUMENT);
    assert_int_equal(mesh_error_field(NULL, "a", "b"), MESH_INVALID_ARGUMENT);
}

static void a_retry_delay_is_kept_once_and_exactly(void **state)
{
    static const int64_t delays[] = {0, 1, 999, 1000, 1001, 86400000, INT64_C(315576000000000)};
    mesh_error_any any;
    int64_t delay;

    (void)state;
    mesh_error_set(&err, MESH_UNAVAILABLE, "later");
    assert_false(mesh_error_retry_delay(&err, &delay));
    for (size_t i = 0; i < COUNT(delays); i++) {
        mesh_error_retry_after(&err, delays[i]);
        send_status();
        assert_true(mesh_error_retry_delay(&back, &delay));
        assert_int_equal(delay, delays[i]);
        assert_false(mesh_error_detail_at(&back, 1, &any));
    }
    mesh_error_retry_after(&err, -5);
    assert_true(mesh_error_retry_delay(&err, &delay));
    assert_int_equal(delay, 0);
}

static void what_does_not_fit_is_left_out_whole(void **state)
{
    static const uint8_t big[MESH_ERROR_DETAILS_BYTES] = {0};
    char key[16], text[600];
    mesh_error_any any;
    size_t kept = 0;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';

    mesh_error_set(&err, MESH_INTERNAL, "m");
    mesh_error_detail(&err, "a.B", big, 1000);
    assert_false(err.details_cut);
    mesh_error_detail(&err, "a.B", big, 1000);
    assert_true(err.details_cut);
    mesh_error_detail(&err, "a.B", big, sizeof big);
    assert_true(mesh_error_detail_at(&err, 0, &any));
    assert_int_equal(any.size, 1000);
    assert_false(mesh_error_detail_at(&err, 1, &any));

    mesh_error_clear(&err);
    for (int i = 0; i < 100; i++)
        mesh_error_field(&err, text, "%s", text); /* each is cut to 255 and 511 bytes */
    assert_true(err.details_cut);
    for (mesh_error_violation one; mesh_error_violation_at(&err, kept, &one); kept++) {
        assert_int_equal(one.field_size, 255);
        assert_int_equal(one.description_size, 511);
    }
    assert_int_equal(kept, 2);
    mesh_error_field(&err, "small", "fits still");
    assert_true(violation_is(&err, 2, "small", "fits still"));

    mesh_error_reason(&err, MESH_INTERNAL, "a.v1", "REASON", "m");
    mesh_error_detail(&err, "a.B", big, 1000);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "%d", i);
        mesh_error_metadata(&err, key, "some value of twenty");
    }
    assert_true(err.details_cut);
    assert_true(send_status() > MESH_ERROR_DETAILS_BYTES);
    assert_true(mesh_error_detail_at(&back, 0, &any));
    for (kept = 0; kept < 100; kept++) {
        snprintf(key, sizeof key, "%zu", kept);
        if (!mesh_error_metadata_get(&back, key, text, sizeof text))
            break;
    }
    assert_in_range(kept, 30, 40);
}

static void the_fullest_error_fits_its_buffer(void **state)
{
    char reason[64], text[256];
    static const uint8_t data[MESH_ERROR_DETAILS_BYTES] = {0};

    (void)state;
    memset(reason, 'R', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    memset(text, 'm', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    mesh_error_reason(&err, MESH_INTERNAL, reason, reason, "%s", text);
    mesh_error_metadata(&err, "k", "v");
    for (size_t size = sizeof data; size-- > 0;)
        mesh_error_detail(&err, "", data, size);
    assert_true(send_status() > 0);
    assert_int_equal(back.details_size, err.details_size);
    assert_int_equal(mesh_error_encode_status(&err, status, 100), 0);
}

static void codes_and_messages_of_a_call_are_taken_as_they_come(void **state)
{
    static const struct {
        int code;
        const char *message;
        mesh_code expected;
    } cases[] = {
        {5, "x", MESH_NOT_FOUND}, {16, "x", MESH_UNAUTHENTICATED}, {0, "x", MESH_UNKNOWN},
        {17, "x", MESH_UNKNOWN},  {-1, "x", MESH_UNKNOWN},         {5, NULL, MESH_NOT_FOUND},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(mesh_error_decode_status(&back, cases[i].code, cases[i].message,
                                                  cases[i].message == NULL ? 0 : 1, NULL, 0),
                         cases[i].expected);
        assert_int_equal(back.code, cases[i].expected);
        assert_string_equal(back.message, cases[i].message == NULL ? "" : cases[i].message);
    }
    mesh_error_decode_status(&back, 5, "a\0b\xff", 4, NULL, 0);
    assert_string_equal(back.message, "a\xef\xbf\xbd"
                                      "b\xef\xbf\xbd");
    assert_int_equal(mesh_error_decode_status(NULL, 5, "x", 1, NULL, 0), MESH_NOT_FOUND);
}

/* A status as another implementation may write it: unknown fields, other orders, defaults left
 * out. */
static void foreign_statuses_are_understood(void **state)
{
    static const uint8_t foreign[] = "\x78\x01" /* unknown varint 15 */
                                     "\x1a\x1e\x0a\x1c"
                                     "x.example/some/google.rpc.Help" /* an Any without a value */
                                     "\x1a\x3a\x12\x0e"               /* an Any: its value first */
                                     "\x1a\x06\x0a\x01k\x12\x01v\x0a\x04"
                                     "CODE" /* ErrorInfo: metadata, then reason */
                                     "\x0a\x28"
                                     "type.googleapis.com/google.rpc.ErrorInfo"
                                     "\x12\x05"
                                     "hello" /* message */
                                     "\x08\x05";
    char value[8];
    mesh_error_any any;
    uint8_t copy[sizeof foreign];

    (void)state;
    memcpy(copy, foreign, sizeof foreign);
    copy[5] = 28; /* "x.example/google.rpc.Help" is longer than its field: see below */
    mesh_error_decode_status(&back, 5, NULL, 0, copy, sizeof foreign - 1);
    assert_string_equal(back.reason, ""); /* malformed as a whole: nothing of it is used */

    copy[3] = 32;
    copy[5] = 30;
    mesh_error_decode_status(&back, 5, NULL, 0, copy, sizeof foreign - 1);
    assert_string_equal(back.message, "hello");
    assert_string_equal(back.reason, "CODE");
    assert_string_equal(back.domain, "");
    assert_true(mesh_error_metadata_get(&back, "k", value, sizeof value));
    assert_string_equal(value, "v");
    assert_true(mesh_error_detail_at(&back, 0, &any));
    assert_int_equal(any.type_size, strlen("google.rpc.Help"));
    assert_int_equal(any.size, 0);
    assert_false(mesh_error_detail_at(&back, 1, &any));
}

static void nothing_of_a_malformed_status_is_used(void **state)
{
    int64_t delay;
    size_t size;

    (void)state;
    mesh_error_reason(&err, MESH_NOT_FOUND, "a.v1", "REASON", "m");
    mesh_error_retry_after(&err, 5);
    size = mesh_error_encode_status(&err, status, sizeof status);
    status[size] = 0x0a; /* a tag without its field */
    mesh_error_decode_status(&back, MESH_NOT_FOUND, "m", 1, status, size + 1);
    assert_int_equal(back.code, MESH_NOT_FOUND);
    assert_string_equal(back.message, "m");
    assert_string_equal(back.reason, "");
    assert_false(mesh_error_retry_delay(&back, &delay));
    mesh_error_decode_status(&back, MESH_NOT_FOUND, "m", 1, status, size);
    assert_string_equal(back.reason, "REASON");
    assert_true(mesh_error_retry_delay(&back, &delay));
}

static void hostile_bytes_are_survived(void **state)
{
    uint32_t seed = 1;
    mesh_error_any any;
    mesh_error_violation violation;
    int64_t delay;
    char value[16];
    size_t size;

    (void)state;
    mesh_error_reason(&err, MESH_INTERNAL, "a.v1", "REASON", "m");
    mesh_error_metadata(&err, "k", "v");
    mesh_error_retry_after(&err, 1500);
    mesh_error_detail(&err, "google.rpc.BadRequest",
                      "\x0a\x06\x0a\x01"
                      "f\x12\x01"
                      "d",
                      8);
    size = mesh_error_encode_status(&err, status, sizeof status);

    for (int i = 0; i < 200000; i++) {
        uint8_t *copy;
        size_t cut;

        seed = seed * 1664525 + 1013904223;
        cut = (seed >> 8) % (size + 1);
        copy = malloc(cut + 1); /* of its own, so that a sanitizer sees the bounds */
        memcpy(copy, status, cut);
        for (int k = (seed >> 4) & 3; k > 0 && cut > 0; k--) {
            seed = seed * 1664525 + 1013904223;
            copy[(seed >> 8) % cut] = (uint8_t)(seed >> 24);
        }
        mesh_error_decode_status(&back, 13, NULL, 0, copy, cut);
        free(copy);
        for (size_t at = 0; mesh_error_detail_at(&back, at, &any); at++)
            assert_true(any.size <= MESH_ERROR_DETAILS_BYTES);
        for (size_t at = 0; mesh_error_violation_at(&back, at, &violation); at++)
            assert_true(violation.field_size <= MESH_ERROR_DETAILS_BYTES);
        mesh_error_retry_delay(&back, &delay);
        mesh_error_metadata_get(&back, "k", value, sizeof value);
        assert_true(mesh_error_encode_status(&back, status + 512, sizeof status - 512) <=
                    sizeof status - 512);
    }
}

#define CASE(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_set_error_has_code_and_message_only),
        CASE(messages_are_cut_between_characters),
        CASE(a_reason_travels_with_domain_and_metadata),
        CASE(violations_gather_in_one_bad_request),
        CASE(a_retry_delay_is_kept_once_and_exactly),
        CASE(what_does_not_fit_is_left_out_whole),
        CASE(the_fullest_error_fits_its_buffer),
        CASE(codes_and_messages_of_a_call_are_taken_as_they_come),
        CASE(foreign_statuses_are_understood),
        CASE(nothing_of_a_malformed_status_is_used),
        CASE(hostile_bytes_are_survived),
    };

    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
