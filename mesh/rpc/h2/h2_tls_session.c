/* The TLS of one connection: OpenSSL over a nonblocking socket. */
#include "mesh/rpc/h2/h2_tls_session.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "mesh/base/alloc.h"
#include "mesh/base/log.h"

enum {
    RECORD_BYTES = SSL3_RT_MAX_PLAIN_LENGTH
};

struct h2_tls_session {
    SSL *ssl;
    int fd;
    bool ready;     /* the handshake is over */
    bool broken;    /* nothing more may be said */
    bool drained;   /* the last read gave less than it could: the next would be in vain */
    char *identity; /* NULL: "" */
};

/* --- the socket, as OpenSSL sees it ----------------------------------------------------------- */

/* OpenSSL's own writes without MSG_NOSIGNAL: a client that goes away would end the process. */
static int socket_write(BIO *bio, const char *data, int size)
{
    const h2_tls_session *session = BIO_get_data(bio);
    ssize_t result;

    do
        result = send(session->fd, data, (size_t)size, MSG_NOSIGNAL);
    while (result < 0 && errno == EINTR);
    BIO_clear_retry_flags(bio);
    if (result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_write(bio);
    return (int)result;
}

static int socket_read(BIO *bio, char *data, int size)
{
    h2_tls_session *session = BIO_get_data(bio);
    ssize_t result;

    BIO_clear_retry_flags(bio);
    if (session->drained) {
        BIO_set_retry_read(bio);
        return -1;
    }
    do
        result = recv(session->fd, data, (size_t)size, 0);
    while (result < 0 && errno == EINTR);
    session->drained = result > 0 && result < size;
    if (result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_read(bio);
    return (int)result;
}

static long socket_ctrl(BIO *bio, int command, long number, void *argument)
{
    (void)bio;
    (void)number;
    (void)argument;
    return command == BIO_CTRL_FLUSH ? 1 : 0; /* nothing is kept back */
}

static BIO_METHOD *socket_method; /* as long as the process; NULL: there was no memory */

static void make_socket_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mesh socket");

    if (method == NULL)
        return;
    if (BIO_meth_set_write(method, socket_write) == 1 &&
        BIO_meth_set_read(method, socket_read) == 1 && BIO_meth_set_ctrl(method, socket_ctrl) == 1)
        socket_method = method;
    else
        BIO_meth_free(method);
}

h2_tls_session *h2_tls_session_of(SSL_CTX *context, int fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    h2_tls_session *session = mesh_calloc(1, sizeof *session);
    BIO *bio;

    (void)pthread_once(&once, make_socket_method);
    if (session == NULL)
        return NULL;
    session->fd = fd;
    session->ssl = SSL_new(context);
    bio = socket_method != NULL ? BIO_new(socket_method) : NULL;
    if (session->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        SSL_free(session->ssl);
        mesh_free(session);
        ERR_clear_error();
        return NULL;
    }
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_accept_state(session->ssl);
    return session;
}

/* What a call of OpenSSL that was in vain means. */
static h2_io_result why(h2_tls_session *session, int result)
{
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return H2_IO_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return H2_IO_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return H2_IO_CLOSED;
    default:
        session->broken = true;
        return H2_IO_FAILED;
    }
}

/* --- who it is -------------------------------------------------------------------------------- */

/*
 * Keeps a name as the identity; an empty one is none. False: there is no memory, or a NUL in it;
 * the next kind of name must not step in.
 */
static bool keep_name(h2_tls_session *session, const unsigned char *text, int size)
{
    if (size <= 0)
        return true;
    if (memchr(text, '\0', (size_t)size) != NULL)
        return false;
    session->identity = mesh_malloc((size_t)size + 1);
    if (session->identity == NULL)
        return false;
    memcpy(session->identity, text, (size_t)size);
    session->identity[size] = '\0';
    return true;
}

/* The first alternative name of a kind, DNS or URI. */
static bool keep_alternative_name(h2_tls_session *session, const GENERAL_NAMES *names, int type)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == type)
            return keep_name(session, ASN1_STRING_get0_data(name->d.ia5),
                             ASN1_STRING_length(name->d.ia5));
    }
    return true;
}

static bool keep_common_name(h2_tls_session *session, X509 *certificate)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *utf8 = NULL;
    int size;
    bool kept;

    if (at < 0)
        return true;
    size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    kept = size >= 0 && keep_name(session, utf8, size);
    OPENSSL_free(utf8);
    return kept;
}

static bool keep_identity(h2_tls_session *session, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool kept = keep_alternative_name(session, names, GEN_DNS) &&
                (session->identity != NULL || keep_alternative_name(session, names, GEN_URI)) &&
                (session->identity != NULL || keep_common_name(session, certificate));

    GENERAL_NAMES_free(names);
    return kept;
}

/* A certificate that came in a ticket may have expired since it was verified. */
static bool has_expired(const X509 *certificate)
{
    return X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0;
}

const char *h2_tls_session_identity(const h2_tls_session *session)
{
    return session->identity != NULL ? session->identity : "";
}

/* --- what it does ----------------------------------------------------------------------------- */

static void log_refusal(const char *cause)
{
    mesh_log(MESH_LOG_DEBUG, "a TLS handshake failed", MESH_LOG_S("cause", cause));
}

static bool let_in(h2_tls_session *session)
{
    X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    const unsigned char *protocol;
    unsigned size;

    SSL_get0_alpn_selected(session->ssl, &protocol, &size);
    if (size != 2 || memcmp(protocol, "h2", 2) != 0) {
        log_refusal("no ALPN");
        return false;
    }
    if (certificate == NULL)
        return true;
    if (SSL_get_verify_result(session->ssl) != X509_V_OK || has_expired(certificate)) {
        log_refusal("the client's certificate is no longer good");
        return false;
    }
    if (!keep_identity(session, certificate)) {
        log_refusal("the client's certificate has no name that can be shown");
        return false;
    }
    return true;
}

h2_io_result h2_tls_session_handshake(h2_tls_session *session)
{
    h2_io_result result;
    int done;

    if (session->ready)
        return H2_IO_DONE;
    session->drained = false;
    ERR_clear_error();
    done = SSL_do_handshake(session->ssl);
    if (done == 1) {
        session->ready = let_in(session);
        return session->ready ? H2_IO_DONE : H2_IO_FAILED;
    }
    result = why(session, done);
    if (result == H2_IO_FAILED && ERR_peek_error() != 0)
        log_refusal(ERR_reason_error_string(ERR_peek_error()));
    ERR_clear_error();
    return result;
}

void h2_tls_session_read_ahead(h2_tls_session *session, bool ahead)
{
    SSL_set_read_ahead(session->ssl, ahead);
}

h2_io_result h2_tls_session_read(h2_tls_session *session, void *data, size_t size, size_t *got)
{
    size_t total = 0;
    size_t part;
    int done = 1;

    session->drained = false;
    ERR_clear_error();
    /* a record at a time is what OpenSSL gives: as many as there are, and fit */
    while (total < size &&
           (done = SSL_read_ex(session->ssl, (char *)data + total, size - total, &part)) == 1)
        total += part;
    if (total > 0) {
        *got = total;
        if (done != 1)
            (void)why(session, done); /* the next read meets it again */
        return H2_IO_DONE;
    }
    return why(session, done);
}

/*
 * What makes the next record, from `skip` bytes behind the front of the parts on: as much of them
 * as it holds, copied into `room` unless the first part is enough.
 */
static const void *next_record(const struct iovec *parts, int part_count, size_t skip,
                               uint8_t room[RECORD_BYTES], size_t *size)
{
    int at = 0;

    while (at < part_count && skip >= parts[at].iov_len)
        skip -= parts[at++].iov_len;
    *size = 0;
    if (at < part_count && (at == part_count - 1 || parts[at].iov_len - skip >= RECORD_BYTES)) {
        size_t left = parts[at].iov_len - skip;

        *size = left < RECORD_BYTES ? left : RECORD_BYTES;
        return (const uint8_t *)parts[at].iov_base + skip;
    }
    for (; at < part_count && *size < RECORD_BYTES; at++, skip = 0) {
        size_t left = parts[at].iov_len - skip;

        if (left > RECORD_BYTES - *size)
            left = RECORD_BYTES - *size;
        memcpy(room + *size, (const uint8_t *)parts[at].iov_base + skip, left);
        *size += left;
    }
    return room;
}

h2_io_result h2_tls_session_write(h2_tls_session *session, const struct iovec *parts,
                                  int part_count, size_t *put)
{
    uint8_t room[RECORD_BYTES];
    size_t total = 0;
    size_t part;

    ERR_clear_error();
    for (;;) {
        size_t size;
        const void *record = next_record(parts, part_count, total, room, &size);
        int done = size > 0 ? SSL_write_ex(session->ssl, record, size, &part) : 0;
        h2_io_result result;

        if (done == 1) {
            total += part;
            continue;
        }
        result = size > 0 ? why(session, done) : H2_IO_DONE;
        *put = total;
        return total > 0 ? H2_IO_DONE : result; /* the next write meets it again */
    }
}

bool h2_tls_session_pending(const h2_tls_session *session)
{
    return SSL_has_pending(session->ssl) == 1;
}

void h2_tls_session_end(h2_tls_session *session)
{
    ERR_clear_error();
    if (session->ready && !session->broken)
        (void)SSL_shutdown(session->ssl); /* one way: its answer is not waited for */
    ERR_clear_error();
}

void h2_tls_session_destroy(h2_tls_session *session)
{
    h2_tls_session_end(session);
    SSL_free(session->ssl);
    mesh_free(session->identity);
    mesh_free(session);
}
