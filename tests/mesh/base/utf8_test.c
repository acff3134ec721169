#include "mesh/base/utf8.h"

#include "tests/mesh/base/test.h"

/* The rule in the words of RFC 3629, section 4, decoded to a code point. */
static bool valid_by_code_point(const uint8_t *text, size_t size)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t at = 0;

    while (at < size) {
        uint8_t head = text[at];
        size_t length = head < 0x80       ? 1
                        : head >> 5 == 6  ? 2
                        : head >> 4 == 14 ? 3
                        : head >> 3 == 30 ? 4
                                          : 0;
        uint32_t point = length == 1 ? head : head & (0x7fu >> length);

        if (length == 0 || size - at < length)
            return false;
        for (size_t i = 1; i < length; i++) {
            if (text[at + i] >> 6 != 2)
                return false;
            point = point << 6 | (text[at + i] & 0x3f);
        }
        if (point < smallest[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ||
            point == 0)
            return false;
        at += length;
    }
    return true;
}

static void all_short_sequences_are_judged_as_the_rfc_says(void **state)
{
    (void)state;
    for (uint32_t value = 0; value < 1 << 24; value += value < 1 << 16 ? 1 : 3) {
        uint8_t text[8] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), 0x80};

        for (size_t size = value < 1 << 8 ? 1 : value < 1 << 16 ? 2 : 3; size <= 4; size++) {
            if (mesh_utf8_is_text(text, size) != valid_by_code_point(text, size))
                fail_msg("%06x, %zu bytes", value, size);
        }
    }
}

static void one_bad_byte_is_found_at_every_place(void **state)
{
    static const uint8_t bad[] = {0x00, 0x80, 0xff, 0xc3};
    uint8_t text[64];

    (void)state;
    for (size_t size = 0; size <= sizeof text; size++) {
        memset(text, 'a', sizeof text);
        assert_true(mesh_utf8_is_text(text, size));
        for (size_t i = 0; i < size * COUNT(bad); i++) {
            text[i / COUNT(bad)] = bad[i % COUNT(bad)];
            assert_false(mesh_utf8_is_text(text, size));
            text[i / COUNT(bad)] = 'a';
        }
    }
}

static void a_copy_is_cut_at_a_character_and_cleaned(void **state)
{
    static const struct {
        const char *from;
        size_t size, capacity;
        const char *to;
    } cases[] = {
        {"abc", 3, 4, "abc"},
        {"abc", 3, 3, "ab"},
        {"abc", 3, 1, ""},
        {"a\xc3\xa9", 3, 4, "a\xc3\xa9"},
        {"a\xc3\xa9", 3, 3, "a"},
        {"a\xf0\x9f\x98\x80z", 6, 5, "a"},
        {"a\xffz", 3, 10, "a\xef\xbf\xbdz"},
        {"a\xffz", 3, 4, "a"},
        {"a\0z", 3, 10, "a\xef\xbf\xbdz"},
        {"\xed\xa0\x80", 3, 10, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    char to[16];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t size = mesh_utf8_copy(to, cases[i].capacity, cases[i].from, cases[i].size);

        assert_string_equal(to, cases[i].to);
        assert_int_equal(size, strlen(to));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_short_sequences_are_judged_as_the_rfc_says),
        cmocka_unit_test(one_bad_byte_is_found_at_every_place),
        cmocka_unit_test(a_copy_is_cut_at_a_character_and_cleaned),
    };

    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
