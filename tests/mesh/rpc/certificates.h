/*
 * Authorities and certificates, made with the openssl command in the current folder. What fails,
 * fails the test.
 */
#ifndef TESTS_MESH_RPC_CERTIFICATES_H
#define TESTS_MESH_RPC_CERTIFICATES_H

/* NAME.key and NAME.pem, signed by itself. */
void certificates_authority(const char *name);

/* NAME.key and NAME.pem, signed by an authority; `names` is its subjectAltName, or "" for none. */
void certificates_make(const char *authority, const char *name, const char *names);

/* A shell command. */
__attribute__((format(printf, 1, 2))) void certificates_run(const char *format, ...);

#endif
