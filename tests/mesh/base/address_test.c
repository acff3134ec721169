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

static void a_client_is_an_ipv4_address_or_a_network_of_ipv6(void **state)
{
    static const struct {
        const char *one, *other;
        bool same;
    } cases[] = {
        {"ipv4:192.0.2.1:1", "ipv4:192.0.2.1:65535", true},
        {"ipv4:192.0.2.1:1", "ipv4:192.0.2.2:1", false},
        {"ipv4:192.0.2.1:1", "ipv4:192.0.2.1", true},
        {"ipv6:[2001:db8::1]:1", "ipv6:[2001:db8::ffff:ffff:ffff:ffff]:2", true},
        {"ipv6:[2001:db8::1]:1", "ipv6:[2001:db8:0:1::1]:1", false},
        {"ipv6:[2001:db8::1]:1", "ipv6:%5B2001:db8::2%5D:1", true},
        {"ipv6:[2001:DB8::1]:1", "ipv6:2001:db8::2", true},
        {"ipv6:[fe80::1%eth0]:1", "ipv6:[fe80::2%eth1]:1", true},
        {"ipv6:[::ffff:192.0.2.1]:1", "ipv4:192.0.2.1:4711", true},
        {"ipv6:[::ffff:192.0.2.1]:1", "ipv6:[::ffff:192.0.2.2]:1", false},
        {"ipv6:[::1]:1", "ipv4:0.0.0.0:1", false},
        {"unix:/run/a", "unix:", true},
        {"unix:/run/a", "ipv4:0.0.0.0:1", false},
        {"", "ipv4:", true},
        {"ipv4:300.1.1.1:1", "ipv6:[x]:1", true},
        {"ipv6:[0000000000000000000000000000000000000000000000000000000000:1]:1", "", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_network one = mesh_network_parse(cases[i].one);
        mesh_network other = mesh_network_parse(cases[i].other);

        if ((one.family == other.family && one.bits == other.bits) != cases[i].same)
            fail_msg("%s and %s are %s", cases[i].one, cases[i].other,
                     cases[i].same ? "two" : "one");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_apart),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(names_and_paths_have_their_limits),
        cmocka_unit_test(a_client_is_an_ipv4_address_or_a_network_of_ipv6),
    };

    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
