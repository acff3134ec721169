#include "mesh/auth/identity.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mesh/auth/caller.h"
#include "mesh/auth/token.h"
#include "mesh/base/alloc.h"
#include "mesh/base/arena.h"
#include "mesh/base/clock.h"
#include "mesh/base/uuid.h"

enum {
    RENEW_S = MESH_IDENTITY_LIFE_S / 2, /* so old a token is not used any more */
    ARENA_BYTES = 2048,
    TOKEN_BYTES = 1024
};

struct mesh_identity {
    const mesh_key *key; /* immutable, as is the next; NULL: it signs nothing */
    char audience[MESH_IDENTITY_NAME_BYTES];
    pthread_mutex_t mu;
    char token[TOKEN_BYTES]; /* guarded by mu */
    int64_t issued_s;        /* the same; 0: there is none */
};

static int64_t now_s(void)
{
    return mesh_clock_wall_ns() / 1000000000;
}

/* mu is held. */
static mesh_code renew(mesh_identity *identity, mesh_arena *arena, int64_t issued_s,
                       mesh_error *err)
{
    char id[MESH_UUID_TEXT_BYTES];
    const char *service = mesh_key_id(identity->key);
    const mesh_claims claims = {.issuer = service,
                                .audience = identity->audience,
                                .subject = service,
                                .token_id = id,
                                .issued_s = issued_s,
                                .expires_s = issued_s + MESH_IDENTITY_LIFE_S};
    const char *token;
    mesh_code code;

    mesh_uuid_v7(id);
    code = mesh_token_sign(identity->key, &claims, arena, &token, err);
    if (code != MESH_OK)
        return code;
    snprintf(identity->token, sizeof identity->token, "%s", token);
    identity->issued_s = issued_s;
    return MESH_OK;
}

/* Copies a token that lives for some time yet. */
static mesh_code copy_token(mesh_identity *identity, char *token, mesh_error *err)
{
    int64_t now = now_s();
    mesh_arena *arena = NULL;
    mesh_code code = MESH_OK;

    pthread_mutex_lock(&identity->mu);
    /* a clock that was set back makes a new one, too */
    if (identity->issued_s == 0 || now >= identity->issued_s + RENEW_S ||
        now < identity->issued_s) {
        arena = mesh_arena_create(ARENA_BYTES, 2 * MESH_TOKEN_MAX_BYTES);
        code = arena != NULL ? renew(identity, arena, now, err)
                             : mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    if (code == MESH_OK)
        memcpy(token, identity->token, sizeof identity->token);
    pthread_mutex_unlock(&identity->mu);
    mesh_arena_destroy(arena);
    return code;
}

static mesh_code add_token(mesh_identity *identity, mesh_outgoing *outgoing, mesh_error *err)
{
    char token[TOKEN_BYTES];
    mesh_code code;

    if (identity->key == NULL)
        return MESH_OK;
    code = copy_token(identity, token, err);
    return code == MESH_OK
               ? mesh_outgoing_add(outgoing, "mesh-service-token", token, strlen(token), err)
               : code;
}

static mesh_code on_start(void *self, mesh_outgoing *outgoing, mesh_error *err)
{
    const mesh_call *parent = mesh_outgoing_parent(outgoing);
    const mesh_caller *caller = parent != NULL ? mesh_call_caller(parent) : NULL;
    mesh_code code;

    /* what nobody looks at is not shown to anybody */
    if (mesh_outgoing_method(outgoing)->policy.kind == MESH_POLICY_PUBLIC)
        return MESH_OK;
    code = add_token(self, outgoing, err);
    if (code == MESH_OK && caller != NULL && caller->authorization != NULL)
        code = mesh_outgoing_add(outgoing, "authorization", caller->authorization->value,
                                 caller->authorization->size, err);
    return code;
}

mesh_client_interceptor mesh_identity_interceptor(mesh_identity *identity)
{
    return (mesh_client_interceptor){.name = "identity", .on_start = on_start, .self = identity};
}

mesh_code mesh_identity_create(const mesh_key *key, const char *audience, mesh_identity **identity,
                               mesh_error *err)
{
    mesh_identity *made;
    char token[TOKEN_BYTES];
    mesh_code code = MESH_OK;

    if (strlen(audience) >= MESH_IDENTITY_NAME_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "the name of a service has at most %d bytes",
                              MESH_IDENTITY_NAME_BYTES - 1);
    made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->key = key;
    snprintf(made->audience, sizeof made->audience, "%s", audience);
    pthread_mutex_init(&made->mu, NULL);
    if (key != NULL)
        code = copy_token(made, token, err); /* so that what is wrong with the names is told now */
    if (code != MESH_OK) {
        mesh_identity_destroy(made);
        return code;
    }
    *identity = made;
    return MESH_OK;
}

void mesh_identity_destroy(mesh_identity *identity)
{
    if (identity == NULL)
        return;
    pthread_mutex_destroy(&identity->mu);
    mesh_free(identity);
}
