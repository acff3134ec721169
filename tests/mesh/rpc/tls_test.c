/* TLS from files: who is trusted, who is seen, and what is said about files that are no good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <grpc/grpc.h>

#include "tests/mesh/rpc/certificates.h"
#include "tests/mesh/rpc/handlers.h"
#include "tests/mesh/rpc/service.h"

static char identity[64];

static mesh_code echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    snprintf(identity, sizeof identity, "%s", mesh_call_peer(call)->identity);
    assert_int_equal(strncmp(mesh_call_peer(call)->address, "ipv4:127.0.0.1:", 15), 0);
    return testing_handle_echo(self, call, request, response, err);
}

static const testing__v1__testing__handlers handlers = {.echo = echo};

static int make_files(void **state)
{
    (void)state;
    assert_int_equal(chdir(getenv("TEST_TMPDIR")), 0);
    certificates_authority("ca");
    certificates_authority("other-ca");
    certificates_make("ca", "server", "DNS:localhost,IP:127.0.0.1");
    certificates_make("ca", "dns", "URI:spiffe://mesh/order,DNS:order.mesh");
    certificates_make("ca", "uri", "URI:spiffe://mesh/order");
    certificates_make("ca", "plain", "");
    certificates_make("other-ca", "stranger", "DNS:order.mesh");
    certificates_run("echo nonsense >garbage.pem");
    certificates_run(
        "printf -- '-----BEGIN CERTIFICATE-----\\nbm9uc2Vuc2U=\\n-----END CERTIFICATE-----\\n' "
        ">hollow.pem");
    certificates_run(
        "printf -- '-----BEGIN PRIVATE KEY-----\\nbm9uc2Vuc2U=\\n-----END PRIVATE KEY-----\\n' "
        ">hollow.key");
    certificates_run(
        "openssl ec -in server.key -aes128 -passout pass:secret -out locked.key 2>openssl.log");
    return 0;
}

static const mesh_tls_options server_tls = {.certificate_file = "server.pem",
                                            .key_file = "server.key"};
static const mesh_tls_options mutual_tls = {.certificate_file = "server.pem",
                                            .key_file = "server.key",
                                            .ca_file = "ca.pem",
                                            .require_client_certificate = true};

static mesh_code call_with(const mesh_tls_options *server, const mesh_tls_options *client)
{
    testing_service service;
    mesh_code code;

    snprintf(identity, sizeof identity, "nobody was seen");
    testing_service_serve(&service, testing__v1__testing__api(&handlers, NULL),
                          &(mesh_server_options){.tls = server},
                          &(mesh_channel_options){.tls = client});
    code = testing_echo(&service, "secret", NULL);
    testing_service_stop(&service);
    return code;
}

static void a_client_trusts_its_authority_only(void **state)
{
    (void)state;
    assert_int_equal(call_with(&server_tls, &(mesh_tls_options){.ca_file = "ca.pem"}), MESH_OK);
    assert_string_equal(identity, "");
    assert_int_equal(call_with(&server_tls, &(mesh_tls_options){.ca_file = "other-ca.pem"}),
                     MESH_UNAVAILABLE);
    assert_int_equal(call_with(&server_tls, &(mesh_tls_options){.ca_file = NULL}),
                     MESH_UNAVAILABLE); /* the system's roots do not know it */
    assert_int_equal(call_with(&server_tls, NULL), MESH_UNAVAILABLE);
    assert_int_equal(call_with(NULL, &(mesh_tls_options){.ca_file = "ca.pem"}), MESH_UNAVAILABLE);
}

static void a_client_verifies_the_servers_name(void **state)
{
    mesh_tls_options client = {.ca_file = "ca.pem", .server_name = "localhost"};

    (void)state;
    assert_int_equal(call_with(&server_tls, &client), MESH_OK);
    client.server_name = "elsewhere";
    assert_int_equal(call_with(&server_tls, &client), MESH_UNAVAILABLE);
}

/* What still shook hands while the process ends would use OpenSSL after its clean-up. */
static void nothing_shakes_hands_after_the_last_destroy(void **state)
{
    const mesh_tls_options client = {.ca_file = "ca.pem", .server_name = "elsewhere"};

    (void)state;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(call_with(&server_tls, &client), MESH_UNAVAILABLE);
        assert_false(grpc_is_initialized());
    }
}

static void a_servers_peer_is_who_its_certificate_says(void **state)
{
    static const struct {
        const char *certificate, *key;
        mesh_code code;
        const char *identity;
    } cases[] = {
        {"dns.pem", "dns.key", MESH_OK, "order.mesh"},
        {"uri.pem", "uri.key", MESH_OK, "spiffe://mesh/order"},
        {"plain.pem", "plain.key", MESH_OK, "plain"},
        {"stranger.pem", "stranger.key", MESH_UNAVAILABLE, "nobody was seen"},
        {NULL, NULL, MESH_UNAVAILABLE, "nobody was seen"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const mesh_tls_options client = {.ca_file = "ca.pem",
                                         .certificate_file = cases[i].certificate,
                                         .key_file = cases[i].key};

        assert_int_equal(call_with(&mutual_tls, &client), cases[i].code);
        assert_string_equal(identity, cases[i].identity);
    }
}

static void files_that_are_no_good_are_named(void **state)
{
    static const struct {
        mesh_tls_options tls;
        const char *option, *file;
        bool client_too;
    } cases[] = {
        {{.certificate_file = NULL}, "certificate_file", "", false},
        {{.certificate_file = "server.pem"}, "key_file", "", true},
        {{.key_file = "server.key"}, "certificate_file", "", true},
        {{.certificate_file = "none.pem", .key_file = "server.key"},
         "certificate_file",
         "none.pem",
         true},
        {{.certificate_file = "server.pem", .key_file = "none.key"}, "key_file", "none.key", true},
        {{.certificate_file = "server.pem", .key_file = "server.key", .ca_file = "none"},
         "ca_file",
         "none",
         true},
        {{.certificate_file = "garbage.pem", .key_file = "server.key"},
         "certificate_file",
         "garbage.pem",
         true},
        {{.certificate_file = "hollow.pem", .key_file = "server.key"},
         "certificate_file",
         "hollow.pem",
         true},
        {{.certificate_file = "server.key", .key_file = "server.key"},
         "certificate_file",
         "server.key",
         true},
        {{.certificate_file = "server.pem", .key_file = "hollow.key"},
         "key_file",
         "hollow.key",
         true},
        {{.certificate_file = "server.pem", .key_file = "server.pem"},
         "key_file",
         "server.pem",
         true},
        {{.certificate_file = "server.pem", .key_file = "locked.key"},
         "key_file",
         "locked.key",
         true},
        {{.certificate_file = "server.pem", .key_file = "dns.key"}, "key_file", "dns.key", true},
        {{.certificate_file = "server.pem", .key_file = "server.key", .ca_file = "hollow.pem"},
         "ca_file",
         "hollow.pem",
         true},
        {{.certificate_file = "/", .key_file = "server.key"}, "certificate_file", "/", true},
        {{.certificate_file = "server.pem",
          .key_file = "server.key",
          .require_client_certificate = true},
         "ca_file",
         "",
         false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_server *server = NULL;
        mesh_channel *channel = NULL;
        mesh_error err;

        assert_int_equal(mesh_server_create(
                             &(mesh_server_options){.listen = "127.0.0.1:0", .tls = &cases[i].tls},
                             &server, &err),
                         MESH_INVALID_ARGUMENT);
        if (strstr(err.message, cases[i].option) == NULL ||
            strstr(err.message, cases[i].file) == NULL)
            fail_msg("case %zu: \"%s\"", i, err.message);
        if (!cases[i].client_too)
            continue;
        assert_int_equal(mesh_channel_create("127.0.0.1:1",
                                             &(mesh_channel_options){.tls = &cases[i].tls},
                                             &channel, &err),
                         MESH_INVALID_ARGUMENT);
        if (strstr(err.message, cases[i].option) == NULL ||
            strstr(err.message, cases[i].file) == NULL)
            fail_msg("case %zu: \"%s\"", i, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_trusts_its_authority_only),
        cmocka_unit_test(a_client_verifies_the_servers_name),
        cmocka_unit_test(nothing_shakes_hands_after_the_last_destroy),
        cmocka_unit_test(a_servers_peer_is_who_its_certificate_says),
        cmocka_unit_test(files_that_are_no_good_are_named),
    };

    return cmocka_run_group_tests_name("TLS", tests, make_files, NULL);
}
