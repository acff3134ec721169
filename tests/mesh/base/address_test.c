#include "mesh/base/address.h"

#include "tests/mesh/base/test.h"

static void addresses_are_taken_apart(void **state)
{
    static const struct {
        const char *text, *host, *port, *path;
        int fd; /* 0: none */
    } cases[] = {
        {"127.0.0.1:50051", "127.0.0.1", "50051", NULL, 0},
        {"localhost:0", "localhost", "0", NULL, 0},
        {"my_host-1.example.:65535", "my_host-1.example.", "65535", NULL, 0},
        {"[::1]:80", "::1", "80", NULL, 0},
        {"[::ffff:192.0.2.1]:00080", "::ffff:192.0.2.1", "00080", NULL, 0},
        {"unix:/run/a socket", "", NULL, "/run/a socket", 0},
        {"unix:relative", "", NULL, "relative", 0},
        {"fd://3", "", NULL, NULL, 3},
        {"fd://1023", "", NULL, NULL, 1023},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_address address;

        if (!mesh_address_parse(cases[i].text, &address))
            fail_msg("%s is refused", cases[i].text);
        assert_string_equal(address.host, cases[i].host);
        assert_int_equal(address.port == NULL, cases[i].port == NULL);
        assert_int_equal(address.path == NULL, cases[i].path == NULL);
        if (address.port != NULL)
            assert_string_equal(address.port, cases[i].port);
        if (address.path != NULL)
            assert_string_equal(address.path, cases[i].path);
        assert_int_equal(address.fd, cases[i].fd > 0 ? cases[i].fd : -1);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const cases[] = {
        "",         "h",          ":",       ":1",       "h:",           "h:x",   "h:1x",
        "h: 1",     "h:-1",       "h:+1",    "a b:1",    "h/:1",         "::1:1", "h:65536",
        "h:000001", "h:99999999", "[",       "[]",       "[]:1",         "[::1]", "[:1",
        "[h]:1",    "[::1]:",     "[::1]1",  "[::1]x:1", "unix:",        "fd://", "fd://2",
        "fd://03",  "fd://x",     "fd://3x", "fd://-3",  "fd://9999999",
    };
    mesh_address address;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (mesh_address_parse(cases[i], &address))
            fail_msg("\"%s\" is taken", cases[i]);
}

/* `text` with `count` times 'a' in place of its '*'. */
static bool takes(const char *text, size_t count)
{
    const char *star = strchr(text, '*');
    mesh_address address;
    char whole[512];
    char filling[400];

    assert_true(count < sizeof filling);
    memset(filling, 'a', count);
    filling[count] = '\0';
    snprintf(whole, sizeof whole, "%.*s%s%s", (int)(star - text), text, filling, star + 1);
    return mesh_address_parse(whole, &address);
}

static void names_and_paths_have_their_limits(void **state)
{
    (void)state;
    assert_true(takes("*:1", 253));
    assert_false(takes("*:1", 254));
    assert_true(takes("unix:*", 107)); /* unix(7): 108 with the NUL */
    assert_false(takes("unix:*", 108));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_apart),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(names_and_paths_have_their_limits),
    };

    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
