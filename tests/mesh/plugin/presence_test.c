/* Presence of proto3 `optional` fields, through the wire and back. */
#include "tests/mesh/base/test.h"

#include "kitchen/v1/types.mesh.h"

typedef Kitchen__V1__Optionals optionals;

static optionals *round_trip(const optionals *message)
{
    uint8_t data[512];
    assert_true(kitchen__v1__optionals__get_packed_size(message) <= sizeof data);
    size_t size = kitchen__v1__optionals__pack(message, data);
    optionals *copy = kitchen__v1__optionals__unpack(NULL, size, data);
    assert_non_null(copy);
    return copy;
}

static int count_present(const optionals *m)
{
    return kitchen__v1__optionals__has_a_double(m) + kitchen__v1__optionals__has_a_float(m) +
           kitchen__v1__optionals__has_an_int32(m) + kitchen__v1__optionals__has_an_int64(m) +
           kitchen__v1__optionals__has_a_uint32(m) + kitchen__v1__optionals__has_a_uint64(m) +
           kitchen__v1__optionals__has_a_sint32(m) + kitchen__v1__optionals__has_a_sint64(m) +
           kitchen__v1__optionals__has_a_fixed32(m) + kitchen__v1__optionals__has_a_fixed64(m) +
           kitchen__v1__optionals__has_a_sfixed32(m) + kitchen__v1__optionals__has_a_sfixed64(m) +
           kitchen__v1__optionals__has_a_bool(m) + kitchen__v1__optionals__has_a_string(m) +
           kitchen__v1__optionals__has_some_bytes(m) + kitchen__v1__optionals__has_taste(m) +
           kitchen__v1__optionals__has_scalars(m) + kitchen__v1__optionals__has_unit(m) +
           kitchen__v1__optionals__has_mixedcase(m) + kitchen__v1__optionals__has_class(m) +
           kitchen__v1__optionals__has_constexpr(m);
}

static void a_new_message_has_none_and_is_empty_on_the_wire(void **state)
{
    (void)state;
    optionals message = KITCHEN__V1__OPTIONALS__INIT;
    assert_int_equal(count_present(&message), 0);
    assert_int_equal(kitchen__v1__optionals__get_packed_size(&message), 0);
}

/* Zero is a value: what was set to it is there at the other end. */
static void zeros_that_were_set_arrive_as_present(void **state)
{
    (void)state;
    optionals message = KITCHEN__V1__OPTIONALS__INIT;
    Kitchen__V1__Scalars scalars = KITCHEN__V1__SCALARS__INIT;
    kitchen__v1__optionals__set_a_double(&message, 0);
    kitchen__v1__optionals__set_a_float(&message, 0);
    kitchen__v1__optionals__set_an_int32(&message, 0);
    kitchen__v1__optionals__set_an_int64(&message, 0);
    kitchen__v1__optionals__set_a_uint32(&message, 0);
    kitchen__v1__optionals__set_a_uint64(&message, 0);
    kitchen__v1__optionals__set_a_sint32(&message, 0);
    kitchen__v1__optionals__set_a_sint64(&message, 0);
    kitchen__v1__optionals__set_a_fixed32(&message, 0);
    kitchen__v1__optionals__set_a_fixed64(&message, 0);
    kitchen__v1__optionals__set_a_sfixed32(&message, 0);
    kitchen__v1__optionals__set_a_sfixed64(&message, 0);
    kitchen__v1__optionals__set_a_bool(&message, false);
    kitchen__v1__optionals__set_a_string(&message, "");
    kitchen__v1__optionals__set_some_bytes(&message, (ProtobufCBinaryData){0});
    kitchen__v1__optionals__set_taste(&message, KITCHEN__V1__TASTE__TASTE_UNSPECIFIED);
    kitchen__v1__optionals__set_scalars(&message, &scalars);
    kitchen__v1__optionals__set_unit(&message, PANTRY__V1__UNIT__UNIT_UNSPECIFIED);
    kitchen__v1__optionals__set_mixedcase(&message, "");
    kitchen__v1__optionals__set_class(&message, 0);
    kitchen__v1__optionals__set_constexpr(&message, 0);
    assert_int_equal(count_present(&message), 21);

    optionals *copy = round_trip(&message);
    assert_int_equal(count_present(copy), 21);
    kitchen__v1__optionals__free_unpacked(copy, NULL);
}

static void values_arrive_and_the_others_stay_absent(void **state)
{
    (void)state;
    optionals message = KITCHEN__V1__OPTIONALS__INIT;
    uint8_t bytes[] = {0, 255, 1};
    kitchen__v1__optionals__set_an_int64(&message, INT64_MIN);
    kitchen__v1__optionals__set_a_string(&message, "soup");
    kitchen__v1__optionals__set_some_bytes(&message,
                                           (ProtobufCBinaryData){.len = 3, .data = bytes});
    kitchen__v1__optionals__set_unit(&message, PANTRY__V1__UNIT__UNIT_NEGATIVE);

    optionals *copy = round_trip(&message);
    assert_int_equal(count_present(copy), 4);
    assert_true(copy->an_int64 == INT64_MIN);
    assert_string_equal(copy->a_string, "soup");
    assert_int_equal(copy->some_bytes.len, 3);
    assert_memory_equal(copy->some_bytes.data, bytes, 3);
    assert_int_equal(copy->unit, PANTRY__V1__UNIT__UNIT_NEGATIVE);
    kitchen__v1__optionals__free_unpacked(copy, NULL);
}

static void what_was_cleared_is_absent_again(void **state)
{
    (void)state;
    optionals message = KITCHEN__V1__OPTIONALS__INIT;
    kitchen__v1__optionals__set_a_string(&message, "soup");
    kitchen__v1__optionals__set_an_int32(&message, 7);
    kitchen__v1__optionals__clear_a_string(&message);

    optionals *copy = round_trip(&message);
    assert_int_equal(count_present(copy), 1);
    assert_true(kitchen__v1__optionals__has_an_int32(copy));
    kitchen__v1__optionals__free_unpacked(copy, NULL);
}

/* The wire format is that of plain fields: a reader that knows nothing of presence gets them. */
static void the_wire_format_is_that_of_plain_fields(void **state)
{
    (void)state;
    optionals message = KITCHEN__V1__OPTIONALS__INIT;
    uint8_t data[64];
    kitchen__v1__optionals__set_an_int32(&message, 7);
    kitchen__v1__optionals__set_a_string(&message, "soup");
    size_t size = kitchen__v1__optionals__pack(&message, data);
    Kitchen__V1__Scalars *plain = kitchen__v1__scalars__unpack(NULL, size, data);
    assert_non_null(plain);
    assert_int_equal(plain->an_int32, 7);
    assert_string_equal(plain->a_string, "soup");
    kitchen__v1__scalars__free_unpacked(plain, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_message_has_none_and_is_empty_on_the_wire),
        cmocka_unit_test(zeros_that_were_set_arrive_as_present),
        cmocka_unit_test(values_arrive_and_the_others_stay_absent),
        cmocka_unit_test(what_was_cleared_is_absent_again),
        cmocka_unit_test(the_wire_format_is_that_of_plain_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
