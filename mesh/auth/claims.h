/*
 * Claims: what a token says of its bearer (RFC 7519, section 4). Tokens of users and the
 * short-lived ones of services have the same; their issuers and keys tell them apart.
 */
#ifndef MESH_AUTH_CLAIMS_H
#define MESH_AUTH_CLAIMS_H

#include <stddef.h>
#include <stdint.h>

/* iss and aud of users' tokens. Those of services have the names of caller and callee. */
#define MESH_CLAIMS_USER_ISSUER "user"
#define MESH_CLAIMS_USER_AUDIENCE "mesh"

enum {
    MESH_CLAIMS_ROLES = 8,
    MESH_CLAIM_MAX_BYTES = 255 /* of a text, without its NUL */
};

/*
 * Texts are UTF-8 of 1 to MESH_CLAIM_MAX_BYTES bytes without control characters, '"' and '\', so
 * that each is written in one way. Times are seconds since the Unix epoch, up to the year 9999;
 * versions go to 999,999,999,999.
 */
typedef struct mesh_claims {
    const char *issuer;     /* iss: who signed it */
    const char *audience;   /* aud: whom it is meant for */
    const char *subject;    /* sub: the user's id, the service's name */
    const char *token_id;   /* jti */
    const char *session_id; /* sid: the sign-in that it belongs to; "" or NULL: none */
    const char *roles[MESH_CLAIMS_ROLES];
    size_t role_count;
    int64_t version;   /* ver: of the user, when it was issued; 0: none. What is heard of the user
                           counts if it is of a later one. */
    int64_t issued_s;  /* iat */
    int64_t expires_s; /* exp: from then on it is worth nothing; after issued_s */
} mesh_claims;

#endif
