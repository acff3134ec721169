/* A server's TLS: its files, how they become OpenSSL's, and when they are read again. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/rpc/h2/h2_tls_session.h"
#include "mesh/rpc/pem.h"

enum {
    FILES = 3,
    TICKETS = 1 /* for each handshake: a client of gRPC makes one connection at a time */
};

/* What tells a file from what it was before. */
typedef struct file_state {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
} file_state;

struct h2_tls {
    mesh_tls_options options; /* immutable; the names are ours */
    char *names[FILES];
    _Atomic(int64_t) next_look_ns;
    pthread_mutex_t mu;
    SSL_CTX *context;       /* guarded by mu */
    file_state seen[FILES]; /* guarded by mu */
};

/* RFC 9113, section 9.2.2, forbids the others with TLS 1.2; those of TLS 1.3 are all good. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

/* --- from PEM to a context -------------------------------------------------------------------- */

typedef bool add_certificate(SSL_CTX *context, X509 *certificate, size_t index);

/* The leaf, and what its client needs to verify it; all are copied or counted. */
static bool add_to_chain(SSL_CTX *context, X509 *certificate, size_t index)
{
    return index == 0 ? SSL_CTX_use_certificate(context, certificate) == 1
                      : SSL_CTX_add1_chain_cert(context, certificate) == 1;
}

/* Whom to trust, and to name to clients, who choose their certificate by it. */
static bool add_authority(SSL_CTX *context, X509 *certificate, size_t index)
{
    (void)index;
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate) == 1 &&
           SSL_CTX_add_client_CA(context, certificate) == 1;
}

/* Every certificate of a PEM text; false when one was refused, or the text ends in a broken one. */
static bool add_certificates(SSL_CTX *context, const char *pem, add_certificate *add)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    bool added = bio != NULL;
    X509 *certificate;
    size_t index = 0;

    while (added &&
           (certificate = PEM_read_bio_X509(bio, NULL, mesh_pem_no_passphrase, NULL)) != NULL) {
        added = add(context, certificate, index++);
        X509_free(certificate);
    }
    if (added && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        added = false;
    ERR_clear_error();
    BIO_free(bio);
    return added;
}

static bool add_key(SSL_CTX *context, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, mesh_pem_no_passphrase, NULL)
                                : NULL;
    bool added = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1;

    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    return added;
}

/* Only h2: a client that offers other protocols alone is told so, and refused. */
static int select_h2(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                     const unsigned char *in, unsigned in_size, void *context)
{
    (void)ssl;
    (void)context;
    for (unsigned at = 0; at < in_size && in[at] < in_size - at; at += 1U + in[at])
        if (in[at] == 2 && memcmp(&in[at + 1], "h2", 2) == 0) {
            *out = &in[at + 1];
            *out_size = 2;
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool set_up(SSL_CTX *context)
{
    static const unsigned char id[] = "mesh";

    (void)SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    /* what is to be written may have moved; buffers of a connection that waits are given back */
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets only */
    (void)SSL_CTX_set_timeout(context, H2_TLS_TICKET_SECONDS);
    SSL_CTX_set_alpn_select_cb(context, select_h2, NULL);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, ciphers) == 1 &&
           SSL_CTX_set_num_tickets(context, TICKETS) == 1 &&
           SSL_CTX_set_session_id_context(context, id, sizeof id - 1) == 1;
}

/* What the parser of PEM took may still be refused by TLS, such as a key that is too short. */
static mesh_code fill_in(SSL_CTX *context, const mesh_tls_options *options, const mesh_pems *pems,
                         mesh_error *err)
{
    if (!set_up(context))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    if (!add_certificates(context, pems->certificate, add_to_chain))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "certificate_file %s: a certificate is broken, or too weak for TLS",
                              options->certificate_file);
    if (!add_key(context, pems->key))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "key_file %s: is no key for TLS",
                              options->key_file);
    if (!options->require_client_certificate)
        return MESH_OK;
    if (!add_certificates(context, pems->ca, add_authority))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "ca_file %s: a certificate is broken",
                              options->ca_file);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return MESH_OK;
}

/* The keys of its tickets are its own: with each new context the old ones are worth nothing. */
static mesh_code load(const mesh_tls_options *options, SSL_CTX **out, mesh_error *err)
{
    mesh_pems pems = {0};
    SSL_CTX *context = NULL;
    mesh_code code = mesh_pems_read_server(options, &pems, err);

    if (code != MESH_OK)
        goto done;
    context = SSL_CTX_new(TLS_server_method());
    if (context == NULL)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    else
        code = fill_in(context, options, &pems, err);
    if (code == MESH_OK) {
        *out = context;
        context = NULL;
    }
done:
    SSL_CTX_free(context);
    mesh_pems_clear(&pems);
    ERR_clear_error();
    return code;
}

/* --- when the files change -------------------------------------------------------------------- */

static void look(const h2_tls *tls, file_state states[FILES])
{
    struct stat found;

    for (size_t i = 0; i < FILES; i++) {
        states[i] = (file_state){.size = -1};
        if (tls->names[i] != NULL && stat(tls->names[i], &found) == 0)
            states[i] = (file_state){.device = found.st_dev,
                                     .inode = found.st_ino,
                                     .size = found.st_size,
                                     .changed = found.st_mtim};
    }
}

static bool same(const file_state *a, const file_state *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool note_changes(h2_tls *tls)
{
    file_state states[FILES];
    bool changed = false;

    look(tls, states);
    pthread_mutex_lock(&tls->mu);
    for (size_t i = 0; i < FILES; i++)
        changed |= !same(&states[i], &tls->seen[i]);
    memcpy(tls->seen, states, sizeof states);
    pthread_mutex_unlock(&tls->mu);
    return changed;
}

void h2_tls_refresh(h2_tls *tls)
{
    int64_t now_ns = mesh_clock_monotonic_ns();
    int64_t due_ns = atomic_load(&tls->next_look_ns);
    SSL_CTX *context = NULL;
    SSL_CTX *before;
    mesh_error err;

    if (now_ns < due_ns ||
        !atomic_compare_exchange_strong(&tls->next_look_ns, &due_ns,
                                        mesh_clock_add_ms(now_ns, H2_TLS_LOOK_MS)))
        return;
    /* noted before they are read: what changes meanwhile is seen the next time */
    if (!note_changes(tls))
        return;
    if (load(&tls->options, &context, &err) != MESH_OK) {
        mesh_log(MESH_LOG_WARN, "the TLS files have changed and are no good: the old ones stay",
                 MESH_LOG_S("cause", err.message));
        return;
    }
    pthread_mutex_lock(&tls->mu);
    before = tls->context;
    tls->context = context;
    pthread_mutex_unlock(&tls->mu);
    SSL_CTX_free(before);
    mesh_log(MESH_LOG_INFO, "the TLS files have changed: new connections use them",
             MESH_LOG_S("certificate_file", tls->options.certificate_file));
}

/* --- its life --------------------------------------------------------------------------------- */

static bool copy_options(h2_tls *tls, const mesh_tls_options *options)
{
    const struct {
        const char *from;
        const char **to;
    } files[FILES] = {{options->certificate_file, &tls->options.certificate_file},
                      {options->key_file, &tls->options.key_file},
                      {options->ca_file, &tls->options.ca_file}};

    tls->options = (mesh_tls_options){
        .require_client_certificate = options->require_client_certificate};
    for (size_t i = 0; i < FILES; i++) {
        if (files[i].from == NULL)
            continue;
        tls->names[i] = mesh_strdup(files[i].from);
        if (tls->names[i] == NULL)
            return false;
        *files[i].to = tls->names[i];
    }
    return true;
}

mesh_code h2_tls_create(const mesh_tls_options *options, h2_tls **out, mesh_error *err)
{
    h2_tls *tls = mesh_calloc(1, sizeof *tls);
    mesh_code code;

    if (tls == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    pthread_mutex_init(&tls->mu, NULL);
    if (copy_options(tls, options)) {
        (void)note_changes(tls);
        code = load(&tls->options, &tls->context, err);
    } else {
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    if (code == MESH_OK)
        *out = tls;
    else
        h2_tls_destroy(tls);
    return code;
}

void h2_tls_destroy(h2_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    for (size_t i = 0; i < FILES; i++)
        mesh_free(tls->names[i]);
    pthread_mutex_destroy(&tls->mu);
    mesh_free(tls);
}

h2_tls_session *h2_tls_session_create(h2_tls *tls, int fd)
{
    h2_tls_session *session;
    SSL_CTX *context;

    pthread_mutex_lock(&tls->mu);
    context = tls->context;
    (void)SSL_CTX_up_ref(context);
    pthread_mutex_unlock(&tls->mu);
    session = h2_tls_session_of(context, fd);
    SSL_CTX_free(context);
    return session;
}
