#include "mesh/rpc/pem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/alloc.h"

enum {
    PEM_BYTES_MAX = 1 << 20
};

/* Reads a whole PEM file. `what` names the option in errors. The caller frees it, wipes a key. */
static mesh_code read_pem(const char *path, const char *what, char **out, mesh_error *err)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size;
    mesh_code code;

    if (file == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s %s: %s", what, path, strerror(errno));
    text = mesh_malloc(PEM_BYTES_MAX + 1);
    if (text == NULL) {
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
        goto done;
    }
    size = fread(text, 1, PEM_BYTES_MAX + 1, file);
    if (ferror(file)) {
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s %s: %s", what, path, strerror(errno));
        goto done;
    }
    if (size > PEM_BYTES_MAX) {
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s %s: larger than %d bytes", what, path,
                              PEM_BYTES_MAX);
        goto done;
    }
    text[size] = '\0';
    if (strstr(text, "-----BEGIN ") == NULL) {
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s %s: not a PEM file", what, path);
        goto done;
    }
    *out = text;
    text = NULL;
    code = MESH_OK;
done:
    (void)fclose(file);
    mesh_free(text);
    return code;
}

static void wipe(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    mesh_free(secret);
}

void mesh_pems_clear(mesh_pems *pems)
{
    mesh_free(pems->certificate);
    wipe(pems->key);
    mesh_free(pems->ca);
    *pems = (mesh_pems){0};
}

int mesh_pem_no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return 0;
}

static X509 *parse_certificate(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, mesh_pem_no_passphrase, NULL)
                                    : NULL;

    BIO_free(bio);
    return certificate;
}

static EVP_PKEY *parse_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, mesh_pem_no_passphrase, NULL)
                                : NULL;

    BIO_free(bio);
    return key;
}

/* What reads them later would only say that it cannot listen, or that no call gets through. */
static mesh_code check_pems(const mesh_tls_options *tls, const mesh_pems *pems, mesh_error *err)
{
    X509 *authority = pems->ca != NULL ? parse_certificate(pems->ca) : NULL;
    X509 *own = pems->certificate != NULL ? parse_certificate(pems->certificate) : NULL;
    EVP_PKEY *key = pems->key != NULL ? parse_key(pems->key) : NULL;
    mesh_code code = MESH_OK;

    if (pems->ca != NULL && authority == NULL)
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT, "ca_file %s: holds no certificate",
                              tls->ca_file);
    else if (pems->certificate != NULL && own == NULL)
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "certificate_file %s: holds no certificate", tls->certificate_file);
    else if (pems->key != NULL && key == NULL)
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "key_file %s: holds no private key without a passphrase",
                              tls->key_file);
    else if (own != NULL && key != NULL && X509_check_private_key(own, key) != 1)
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "key_file %s: is not the key of certificate_file %s", tls->key_file,
                              tls->certificate_file);
    X509_free(authority);
    X509_free(own);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return code;
}

mesh_code mesh_pems_read(const mesh_tls_options *tls, mesh_pems *pems, mesh_error *err)
{
    mesh_code code = MESH_OK;

    if ((tls->certificate_file == NULL) != (tls->key_file == NULL))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "TLS: certificate_file and key_file need each other");
    if (tls->certificate_file != NULL)
        code = read_pem(tls->certificate_file, "certificate_file", &pems->certificate, err);
    if (code == MESH_OK && tls->key_file != NULL)
        code = read_pem(tls->key_file, "key_file", &pems->key, err);
    if (code == MESH_OK && tls->ca_file != NULL)
        code = read_pem(tls->ca_file, "ca_file", &pems->ca, err);
    return code == MESH_OK ? check_pems(tls, pems, err) : code;
}

mesh_code mesh_pems_read_server(const mesh_tls_options *tls, mesh_pems *pems, mesh_error *err)
{
    if (tls->certificate_file == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "TLS: a server needs certificate_file and key_file");
    if (tls->require_client_certificate && tls->ca_file == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "TLS: client certificates need a ca_file to verify them");
    return mesh_pems_read(tls, pems, err);
}
