/*
 * A server's TLS without the rest of it: who is let in, whom it takes a client for, tickets, and
 * files that change. The client is OpenSSL's, over a pair of sockets.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/rpc/h2/h2_tls.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/rpc/certificates.h"

enum {
    LIMIT_MS = 20000
};

static const mesh_tls_options plain = {.certificate_file = "server.pem", .key_file = "server.key"};
static const mesh_tls_options mutual = {.certificate_file = "server.pem",
                                        .key_file = "server.key",
                                        .ca_file = "ca.pem",
                                        .require_client_certificate = true};

static bool has_expired; /* what the clock says of every client's certificate */

int __wrap_X509_cmp_current_time(const ASN1_TIME *time);
int __wrap_X509_cmp_current_time(const ASN1_TIME *time)
{
    (void)time;
    return has_expired ? -1 : 1;
}

static int make_files(void **state)
{
    (void)state;
    assert_int_equal(chdir(getenv("TEST_TMPDIR")), 0);
    certificates_authority("ca");
    certificates_authority("other-ca");
    certificates_make("ca", "server", "DNS:localhost");
    certificates_make("ca", "second", "DNS:localhost");
    certificates_make("ca", "client", "URI:spiffe://mesh/order,DNS:order.mesh,DNS:other.mesh");
    certificates_make("ca", "uri", "URI:spiffe://mesh/order");
    certificates_make("ca", "named", "");
    certificates_make("other-ca", "stranger", "DNS:order.mesh");
    return 0;
}

/* --- a connection ----------------------------------------------------------------------------- */

typedef struct pair {
    h2_io server;
    SSL *client;
    int client_fd;
    h2_io_result result; /* of the server's handshake */
} pair;

/* "h2", "http/1.1"; NULL: none offered. */
static SSL_CTX *make_client(const char *certificate, const char *protocol)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    unsigned char offer[32];
    char key[32];

    assert_non_null(context);
    if (protocol != NULL) {
        offer[0] = (unsigned char)strlen(protocol);
        memcpy(offer + 1, protocol, offer[0]);
        assert_int_equal(SSL_CTX_set_alpn_protos(context, offer, offer[0] + 1U), 0);
    }
    if (certificate != NULL) {
        snprintf(key, sizeof key, "%.*s.key", (int)strcspn(certificate, "."), certificate);
        assert_int_equal(SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM), 1);
    }
    return context;
}

/* Shakes hands until the server knows, and the client has read its tickets. */
static void shake_hands(pair *pair)
{
    int64_t until_ns = mesh_clock_deadline_ns(LIMIT_MS);
    bool client_done = false;
    char none;

    pair->result = H2_IO_WANT_READ;
    while (pair->result == H2_IO_WANT_READ || pair->result == H2_IO_WANT_WRITE || !client_done) {
        int done = SSL_do_handshake(pair->client);

        client_done = done == 1 || (SSL_get_error(pair->client, done) != SSL_ERROR_WANT_READ &&
                                    SSL_get_error(pair->client, done) != SSL_ERROR_WANT_WRITE);
        if (pair->result == H2_IO_WANT_READ || pair->result == H2_IO_WANT_WRITE)
            pair->result = h2_io_handshake(&pair->server);
        if (pair->result == H2_IO_FAILED)
            break;
        assert_true(mesh_clock_monotonic_ns() < until_ns);
    }
    (void)SSL_read(pair->client, &none, 1);
    ERR_clear_error();
}

/* `session`: to be resumed; NULL: none. */
static void connect_pair(pair *pair, h2_tls *tls, SSL_CTX *client, SSL_SESSION *session)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    pair->server = (h2_io){.fd = fds[0], .tls = h2_tls_session_create(tls, fds[0])};
    assert_non_null(pair->server.tls);
    pair->client_fd = fds[1];
    pair->client = SSL_new(client);
    assert_non_null(pair->client);
    assert_int_equal(SSL_set_fd(pair->client, fds[1]), 1);
    SSL_set_connect_state(pair->client);
    if (session != NULL)
        assert_int_equal(SSL_set_session(pair->client, session), 1);
    shake_hands(pair);
}

static void disconnect(pair *pair)
{
    h2_io_close(&pair->server);
    SSL_set_shutdown(pair->client, SSL_SENT_SHUTDOWN); /* or its ticket would be given up */
    SSL_free(pair->client);
    close(pair->client_fd);
}

static h2_tls *create(const mesh_tls_options *options)
{
    h2_tls *tls;
    mesh_error err;

    if (h2_tls_create(options, &tls, &err) != MESH_OK)
        fail_msg("no TLS: %s", err.message);
    return tls;
}

/* Whether a client gets in, and as whom; `as` NULL: it does not. */
static void expect_client(const mesh_tls_options *options, const char *certificate,
                          const char *protocol, int version, const char *as)
{
    h2_tls *tls = create(options);
    SSL_CTX *client = make_client(certificate, protocol);
    pair pair;

    if (version != 0)
        assert_int_equal(SSL_CTX_set_max_proto_version(client, version), 1);
    connect_pair(&pair, tls, client, NULL);
    assert_int_equal(pair.result, as != NULL ? H2_IO_DONE : H2_IO_FAILED);
    if (as != NULL)
        assert_string_equal(h2_tls_session_identity(pair.server.tls), as);
    disconnect(&pair);
    SSL_CTX_free(client);
    h2_tls_destroy(tls);
}

static void only_h2_over_tls_1_2_or_later_gets_in(void **state)
{
    (void)state;
    expect_client(&plain, NULL, "h2", 0, "");
    expect_client(&plain, NULL, "h2", TLS1_2_VERSION, "");
    expect_client(&plain, NULL, "h2", TLS1_1_VERSION, NULL);
    expect_client(&plain, NULL, "http/1.1", 0, NULL);
    expect_client(&plain, NULL, NULL, 0, NULL);
    expect_client(&plain, NULL, NULL, TLS1_2_VERSION, NULL);
}

static void a_client_is_who_its_certificate_says(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        expect_client(&mutual, "client.pem", "h2", version, "order.mesh");
        expect_client(&mutual, "uri.pem", "h2", version, "spiffe://mesh/order");
        expect_client(&mutual, "named.pem", "h2", version, "named");
        expect_client(&mutual, "stranger.pem", "h2", version, NULL);
        expect_client(&mutual, NULL, "h2", version, NULL);
        /* who is not asked is nobody */
        expect_client(&plain, "client.pem", "h2", version, "");
    }
}

/* --- bytes ------------------------------------------------------------------------------------ */

enum {
    PART_BYTES = 50000,
    PARTS = 12
};

static uint8_t byte_at(size_t at)
{
    return (uint8_t)(at * 31 + at / 251);
}

/* The client reads as much as there is, and finds what was written. */
static size_t read_as_client(pair *pair, size_t from)
{
    uint8_t data[4096];
    int got;

    while ((got = SSL_read(pair->client, data, sizeof data)) > 0)
        for (int i = 0; i < got; i++)
            if (data[i] != byte_at(from++))
                fail_msg("byte %zu is wrong", from - 1);
    assert_int_equal(SSL_get_error(pair->client, got), SSL_ERROR_WANT_READ);
    return from;
}

static void what_is_written_arrives_though_it_blocks_and_moves(void **state)
{
    h2_tls *tls = create(&plain);
    SSL_CTX *client = make_client(NULL, "h2");
    const size_t total = (size_t)PART_BYTES * PARTS / 2;
    size_t written = 0, arrived = 0;
    bool blocked = false;
    pair pair;

    (void)state;
    connect_pair(&pair, tls, client, NULL);
    while (written < total) {
        struct iovec parts[PARTS];
        uint8_t *memory = malloc(total - written); /* elsewhere each time */
        size_t size, at = 0, put = 0;
        int count = 0;
        h2_io_result result;

        assert_non_null(memory);
        for (size_t i = 0; i < total - written; i++)
            memory[i] = byte_at(written + i);
        for (; count < PARTS && at < total - written; count++, at += size) {
            size = count % 2 == 0 ? 9 : PART_BYTES;
            if (size > total - written - at)
                size = total - written - at;
            parts[count] = (struct iovec){.iov_base = memory + at, .iov_len = size};
        }
        result = h2_io_write(&pair.server, parts, count, &put);
        if (result == H2_IO_DONE) {
            assert_true(put > 0);
            written += put;
        } else {
            assert_int_equal(result, H2_IO_WANT_WRITE);
            blocked = true;
            arrived = read_as_client(&pair, arrived);
        }
        free(memory);
    }
    assert_true(blocked);
    assert_int_equal(read_as_client(&pair, arrived), total);
    disconnect(&pair);
    SSL_CTX_free(client);
    h2_tls_destroy(tls);
}

static void all_records_that_are_there_are_read_at_once(void **state)
{
    h2_tls *tls = create(&plain);
    SSL_CTX *client = make_client(NULL, "h2");
    uint8_t data[64];
    size_t got;
    pair pair;

    (void)state;
    connect_pair(&pair, tls, client, NULL);
    assert_int_equal(h2_io_read(&pair.server, data, sizeof data, &got), H2_IO_WANT_READ);
    for (int i = 0; i < 10; i++)
        assert_int_equal(SSL_write(pair.client, "0123456789", 10), 10);
    assert_int_equal(h2_io_read(&pair.server, data, sizeof data, &got), H2_IO_DONE);
    assert_int_equal(got, 64);
    assert_true(h2_io_pending(&pair.server));
    assert_int_equal(h2_io_read(&pair.server, data, sizeof data, &got), H2_IO_DONE);
    assert_int_equal(got, 36);
    assert_memory_equal(data + 26, "0123456789", 10);
    assert_false(h2_io_pending(&pair.server));
    assert_int_equal(SSL_shutdown(pair.client), 0);
    assert_int_equal(h2_io_read(&pair.server, data, sizeof data, &got), H2_IO_CLOSED);
    disconnect(&pair);
    SSL_CTX_free(client);
    h2_tls_destroy(tls);
}

static void a_client_that_is_gone_raises_no_signal(void **state)
{
    h2_tls *tls = create(&plain);
    SSL_CTX *client = make_client(NULL, "h2");
    const struct iovec part = {.iov_base = "bytes", .iov_len = 5};
    size_t put;
    pair pair;

    (void)state;
    connect_pair(&pair, tls, client, NULL);
    shutdown(pair.client_fd, SHUT_RDWR);
    assert_int_equal(h2_io_write(&pair.server, &part, 1, &put), H2_IO_FAILED);
    disconnect(&pair);
    SSL_CTX_free(client);
    h2_tls_destroy(tls);
}

/* --- tickets ---------------------------------------------------------------------------------- */

static SSL_SESSION *ticket; /* the newest */

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

static SSL_CTX *make_ticket_holder(const char *certificate)
{
    SSL_CTX *client = make_client(certificate, "h2");

    (void)SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(client, keep_ticket);
    return client;
}

static void a_ticket_keeps_the_identity(void **state)
{
    h2_tls *tls = create(&mutual);

    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX *client = make_ticket_holder("client.pem");
        pair pair;

        assert_int_equal(SSL_CTX_set_max_proto_version(client, version), 1);
        connect_pair(&pair, tls, client, NULL);
        assert_int_equal(pair.result, H2_IO_DONE);
        assert_false(SSL_session_reused(pair.client));
        disconnect(&pair);
        assert_non_null(ticket);
        connect_pair(&pair, tls, client, ticket);
        assert_int_equal(pair.result, H2_IO_DONE);
        assert_true(SSL_session_reused(pair.client));
        assert_string_equal(h2_tls_session_identity(pair.server.tls), "order.mesh");
        disconnect(&pair);
        /* not longer than the certificate itself */
        has_expired = true;
        connect_pair(&pair, tls, client, ticket);
        assert_int_equal(pair.result, H2_IO_FAILED);
        has_expired = false;
        disconnect(&pair);
        SSL_SESSION_free(ticket);
        ticket = NULL;
        SSL_CTX_free(client);
    }
    h2_tls_destroy(tls);
}

/* --- files that change ------------------------------------------------------------------------ */

static void copy(const char *from, const char *to)
{
    certificates_run("cp %s new && mv new %s", from, to);
}

/* The serial number that the server shows. */
static uint64_t shown(h2_tls *tls)
{
    SSL_CTX *client = make_client(NULL, "h2");
    uint64_t serial = 0;
    X509 *certificate;
    pair pair;

    connect_pair(&pair, tls, client, NULL);
    assert_int_equal(pair.result, H2_IO_DONE);
    certificate = SSL_get0_peer_certificate(pair.client);
    assert_non_null(certificate);
    serial = X509_issuer_and_serial_hash(certificate);
    disconnect(&pair);
    SSL_CTX_free(client);
    return serial;
}

/* Looks again and again until a line of the log says so; false: it never does. */
static bool wait_for_log(h2_tls *tls, int log, const char *line)
{
    int64_t until_ns = mesh_clock_deadline_ns(LIMIT_MS);
    char said[4096];

    while (mesh_clock_monotonic_ns() < until_ns) {
        ssize_t size;

        h2_tls_refresh(tls);
        size = read(log, said, sizeof said - 1);
        if (size > 0) {
            said[size] = '\0';
            return strstr(said, line) != NULL;
        }
        wait_a_moment();
    }
    return false;
}

static void changed_files_are_used_without_a_restart(void **state)
{
    const mesh_tls_options options = {.certificate_file = "own.pem", .key_file = "own.key"};
    uint64_t first, second;
    h2_tls *tls;
    int log[2];

    (void)state;
    assert_int_equal(pipe2(log, O_NONBLOCK), 0);
    mesh_log_output(log[1]);
    copy("server.pem", "own.pem");
    copy("server.key", "own.key");
    tls = create(&options);
    first = shown(tls);
    /* half of a change is none */
    copy("second.pem", "own.pem");
    assert_true(wait_for_log(tls, log[0], "own.key: is not the key of"));
    assert_int_equal(shown(tls), first);
    copy("second.key", "own.key");
    assert_true(wait_for_log(tls, log[0], "new connections use them"));
    second = shown(tls);
    assert_int_not_equal(second, first);
    /* nor is a file that is gone */
    assert_int_equal(unlink("own.pem"), 0);
    assert_true(wait_for_log(tls, log[0], "own.pem: No such file"));
    assert_int_equal(shown(tls), second);
    h2_tls_destroy(tls);
    mesh_log_output(-1);
    close(log[0]);
    close(log[1]);
}

static void a_ticket_is_worth_nothing_after_the_authority_changed(void **state)
{
    const mesh_tls_options options = {.certificate_file = "server.pem",
                                      .key_file = "server.key",
                                      .ca_file = "own-ca.pem",
                                      .require_client_certificate = true};
    SSL_CTX *client = make_ticket_holder("client.pem");
    h2_tls *tls;
    pair pair;
    int log[2];

    (void)state;
    assert_int_equal(pipe2(log, O_NONBLOCK), 0);
    mesh_log_output(log[1]);
    copy("ca.pem", "own-ca.pem");
    tls = create(&options);
    connect_pair(&pair, tls, client, NULL);
    assert_int_equal(pair.result, H2_IO_DONE);
    disconnect(&pair);
    assert_non_null(ticket);
    copy("other-ca.pem", "own-ca.pem");
    assert_true(wait_for_log(tls, log[0], "new connections use them"));
    connect_pair(&pair, tls, client, ticket);
    assert_int_equal(pair.result, H2_IO_FAILED);
    disconnect(&pair);
    SSL_SESSION_free(ticket);
    ticket = NULL;
    SSL_CTX_free(client);
    h2_tls_destroy(tls);
    mesh_log_output(-1);
    close(log[0]);
    close(log[1]);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void each_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        h2_tls *tls = NULL;
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        mesh_alloc_fail_at(n);
        if (h2_tls_create(&mutual, &tls, NULL) == MESH_OK) {
            h2_io io = {.fd = fds[0], .tls = h2_tls_session_create(tls, fds[0])};

            if (io.tls != NULL)
                h2_io_close(&io);
            else
                close(fds[0]);
        } else {
            assert_null(tls);
            close(fds[0]);
        }
        h2_tls_destroy(tls);
        close(fds[1]);
        assert_int_equal(mesh_alloc_live(), 0);
        if (!mesh_alloc_failed())
            break;
    }
    mesh_alloc_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_h2_over_tls_1_2_or_later_gets_in),
        cmocka_unit_test(a_client_is_who_its_certificate_says),
        cmocka_unit_test(what_is_written_arrives_though_it_blocks_and_moves),
        cmocka_unit_test(all_records_that_are_there_are_read_at_once),
        cmocka_unit_test(a_client_that_is_gone_raises_no_signal),
        cmocka_unit_test(a_ticket_keeps_the_identity),
        cmocka_unit_test(changed_files_are_used_without_a_restart),
        cmocka_unit_test(a_ticket_is_worth_nothing_after_the_authority_changed),
        cmocka_unit_test(each_allocation_may_fail),
    };

    return cmocka_run_group_tests_name("TLS of the h2 transport", tests, make_files, NULL);
}
