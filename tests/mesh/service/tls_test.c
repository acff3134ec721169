/* The settings of TLS. */
#include "tests/mesh/service/demo_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Certificates of an authority of the test's own, made with openssl in a folder. */
static void make_certificates(const char *folder)
{
    char command[4096];
    snprintf(command, sizeof command,
             "cd '%s' && exec 2>openssl.log && "
             "new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -batch' && "
             "$new -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem && "
             "$new -subj /CN=demo -keyout demo.key -out demo.csr && "
             "printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' >names && "
             "openssl x509 -req -days 2 -in demo.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
             "-extfile names -out demo.pem",
             folder);
    assert_int_equal(system(command), 0);
}

static void speaks_tls_and_asks_for_certificates_when_told_to(void **state)
{
    const char *folder = getenv("TEST_TMPDIR") != NULL ? getenv("TEST_TMPDIR") : "/tmp";
    char certificate[1024], key[1024], authority[1024];
    mesh_error err = {0};
    (void)state;
    make_certificates(folder);
    snprintf(certificate, sizeof certificate, "MESH_TLS_CERT=%s/demo.pem", folder);
    snprintf(key, sizeof key, "MESH_TLS_KEY=%s/demo.key", folder);
    snprintf(authority, sizeof authority, "MESH_TLS_CA=%s/ca.pem", folder);
    const char *const more[] = {certificate, key, authority, "MESH_TLS_REQUIRE_CLIENT_CERT=true",
                                NULL};
    demo demo = demo_serve("tls", more);
    assert_int_equal(demo_health(&demo, ""), -MESH_UNAVAILABLE); /* plaintext */

    const struct {
        mesh_tls_options tls;
        int expected;
    } cases[] = {
        {{.ca_file = strchr(authority, '/')}, -MESH_UNAVAILABLE},
        {{.ca_file = strchr(authority, '/'),
          .certificate_file = strchr(certificate, '/'),
          .key_file = strchr(key, '/')},
         SERVING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char target[256];
        snprintf(target, sizeof target, "%s", mesh_channel_target(demo.channel));
        mesh_channel_destroy(demo.channel);
        assert_int_equal(mesh_channel_create(target, &(mesh_channel_options){.tls = &cases[i].tls},
                                             &demo.channel, &err),
                         MESH_OK);
        assert_int_equal(demo_health(&demo, ""), cases[i].expected);
    }
    demo_stop(&demo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speaks_tls_and_asks_for_certificates_when_told_to),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
