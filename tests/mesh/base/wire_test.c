#include "mesh/base/wire.h"

#include "tests/mesh/base/test.h"

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

static void fields_are_read_and_malformed_ones_refused(void **state)
{
    static const struct {
        const uint8_t *data;
        size_t size;
        bool good;
        uint32_t number, type;
        uint64_t value;
        size_t content;
    } cases[] = {
        {BYTES("\x08\x00"), true, 1, MESH_WIRE_VARINT, 0, 0},
        {BYTES("\x08\x96\x01"), true, 1, MESH_WIRE_VARINT, 150, 0},
        {BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), true, 1, MESH_WIRE_VARINT,
         UINT64_MAX, 0},
        {BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false, 0, 0, 0, 0},
        {BYTES("\x08\xff"), false, 0, 0, 0, 0},
        {BYTES("\x08"), false, 0, 0, 0, 0},
        {BYTES("\x88"), false, 0, 0, 0, 0},
        {BYTES("\x12\x03"
               "abc"),
         true, 2, MESH_WIRE_BYTES, 0, 3},
        {BYTES("\x12\x04"
               "abc"),
         false, 0, 0, 0, 0},
        {BYTES("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
               "abc"),
         false, 0, 0, 0, 0},
        {BYTES("\x11\x01\x02\x03\x04\x05\x06\x07\x08"), true, 2, MESH_WIRE_FIXED64,
         0x0807060504030201, 0},
        {BYTES("\x11\x01\x02\x03\x04\x05\x06\x07"), false, 0, 0, 0, 0},
        {BYTES("\x15\x01\x02\x03\x04"), true, 2, MESH_WIRE_FIXED32, 0x04030201, 0},
        {BYTES("\x15\x01\x02\x03"), false, 0, 0, 0, 0},
        {BYTES("\x0b\x08\x01\x0c"), true, 1, MESH_WIRE_GROUP, 0, 3},
        {BYTES("\x0b\x13\x14\x0c"), true, 1, MESH_WIRE_GROUP, 0, 3},
        {BYTES("\x0b\x13\x0c\x14"), false, 0, 0, 0, 0},
        {BYTES("\x0b\x08\x01"), false, 0, 0, 0, 0},
        {BYTES("\x0c"), false, 0, 0, 0, 0},
        {BYTES("\x00\x01"), false, 0, 0, 0, 0},
        {BYTES("\x0e\x01"), false, 0, 0, 0, 0},
        {BYTES("\x88\x80\x80\x80\x00\x01"), true, 1, MESH_WIRE_VARINT, 1, 0},
        {BYTES("\x88\x80\x80\x80\x80\x00\x01"), false, 0, 0, 0, 0},
        {BYTES("\x0a\x81\x80\x80\x80\x00\x01"), true, 1, MESH_WIRE_BYTES, 0, 1},
        {BYTES("\x0a\x81\x80\x80\x80\x80\x00\x01"), false, 0, 0, 0, 0},
        {BYTES("\xf8\xff\xff\xff\x0f\x01"), true, (1 << 29) - 1, MESH_WIRE_VARINT, 1, 0},
        {BYTES("\xf8\xff\xff\xff\x1f\x01"), false, 0, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_wire_reader in = {cases[i].data, cases[i].data + cases[i].size};
        mesh_wire_field field;
        bool good = mesh_wire_next(&in, &field);

        if (good != cases[i].good)
            fail_msg("case %zu", i);
        assert_ptr_equal(in.at, good ? in.end : cases[i].data);
        if (good) {
            assert_int_equal(field.number, cases[i].number);
            assert_int_equal(field.type, cases[i].type);
            assert_int_equal(field.value, cases[i].value);
            assert_int_equal(field.size, cases[i].content);
        }
    }
}

static void groups_are_bounded(void **state)
{
    uint8_t bytes[2 * MESH_WIRE_MAX_DEPTH + 2];
    mesh_wire_field field;

    (void)state;
    for (size_t depth = MESH_WIRE_MAX_DEPTH; depth <= MESH_WIRE_MAX_DEPTH + 1; depth++) {
        mesh_wire_reader in = {bytes, bytes + 2 * depth};

        memset(bytes, 0x0b, depth);
        memset(bytes + depth, 0x0c, depth);
        assert_int_equal(mesh_wire_next(&in, &field), depth == MESH_WIRE_MAX_DEPTH);
    }
}

static void a_writer_never_leaves_its_buffer(void **state)
{
    uint8_t bytes[64];

    (void)state;
    for (size_t size = 0; size <= sizeof bytes; size++) {
        mesh_wire_writer out = {.at = bytes, .end = bytes + size};

        memset(bytes, 0xee, sizeof bytes);
        mesh_wire_put_uint(&out, 1, UINT64_MAX);
        mesh_wire_put_bytes(&out, 1000, "abc", 3);
        mesh_wire_put_header(&out, 3, 300);
        assert_int_equal(out.full, size < 11 + 6 + 3);
        for (size_t i = size; i < sizeof bytes; i++)
            assert_int_equal(bytes[i], 0xee);
    }
    assert_int_equal(mesh_wire_bytes_size(1000, 3), 6);
    assert_int_equal(mesh_wire_varint_size(UINT64_MAX), 10);
    assert_int_equal(mesh_wire_varint_size(127), 1);
    assert_int_equal(mesh_wire_varint_size(128), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read_and_malformed_ones_refused),
        cmocka_unit_test(groups_are_bounded),
        cmocka_unit_test(a_writer_never_leaves_its_buffer),
    };

    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
