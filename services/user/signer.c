#include "services/user/signer.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "mesh/auth/token.h"
#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/base/uuid.h"
#include "services/user/signing_keys.h"

enum {
    LOOK_MS = 1000 /* between two looks at the file */
};

struct user_signer {
    user_signer_options options; /* immutable */
    pthread_t watcher;

    pthread_rwlock_t keys_lock; /* held while a token is signed, which takes microseconds */
    user_signing_keys *keys;    /* guarded by keys_lock */
    user_file_stamp stamp;      /* the watcher's */

    pthread_mutex_t mu;
    pthread_cond_t stopped;
    bool stopping; /* guarded by mu */
};

/* Makes the keys of the file ours, if it is another one than before. */
static mesh_code look(user_signer *signer, mesh_error *err)
{
    user_signing_keys *old, *next;
    mesh_code code = user_signing_keys_read(signer->options.keys_file, &signer->stamp, &next, err);
    if (code != MESH_OK || next == NULL)
        return code;
    mesh_log(MESH_LOG_INFO, "signing keys", MESH_LOG_S("signs", mesh_key_id(next->keys[0])),
             MESH_LOG_I("believed", (int64_t)next->count));
    pthread_rwlock_wrlock(&signer->keys_lock);
    old = signer->keys;
    signer->keys = next;
    pthread_rwlock_unlock(&signer->keys_lock);
    user_signing_keys_destroy(old);
    return MESH_OK;
}

static void *watch(void *context)
{
    user_signer *signer = context;
    mesh_error err;
    while (mesh_cond_rest(&signer->stopped, &signer->mu, &signer->stopping, LOOK_MS)) {
        mesh_error_clear(&err);
        if (look(signer, &err) != MESH_OK)
            mesh_log(MESH_LOG_ERROR, "the signing keys stay, since the new ones cannot be used",
                     MESH_LOG_S("error", err.message));
    }
    return NULL;
}

static void forget(user_signer *signer)
{
    user_signing_keys_destroy(signer->keys);
    pthread_rwlock_destroy(&signer->keys_lock);
    pthread_cond_destroy(&signer->stopped);
    pthread_mutex_destroy(&signer->mu);
    mesh_free(signer);
}

mesh_code user_signer_create(const user_signer_options *options, user_signer **signer,
                             mesh_error *err)
{
    user_signer *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->options = *options;
    pthread_rwlock_init(&made->keys_lock, NULL);
    pthread_mutex_init(&made->mu, NULL);
    pthread_cond_init(&made->stopped, NULL);
    mesh_code code = look(made, err);
    if (code == MESH_OK && pthread_create(&made->watcher, NULL, watch, made) != 0)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no thread for the signing keys");
    if (code != MESH_OK) {
        forget(made);
        return code;
    }
    *signer = made;
    return MESH_OK;
}

void user_signer_destroy(user_signer *signer)
{
    if (signer == NULL)
        return;
    pthread_mutex_lock(&signer->mu);
    signer->stopping = true;
    pthread_cond_signal(&signer->stopped);
    pthread_mutex_unlock(&signer->mu);
    pthread_join(signer->watcher, NULL);
    forget(signer);
}

const char *user_signer_jwks(user_signer *signer, mesh_arena *arena)
{
    pthread_rwlock_rdlock(&signer->keys_lock);
    const char *jwks = mesh_arena_strdup(arena, signer->keys->jwks);
    pthread_rwlock_unlock(&signer->keys_lock);
    return jwks;
}

void user_signer_digest(user_signer *signer, const char *text, uint8_t digest[USER_DIGEST_BYTES])
{
    pthread_rwlock_rdlock(&signer->keys_lock);
    crypto_generichash(digest, USER_DIGEST_BYTES, (const unsigned char *)text, strlen(text),
                       signer->keys->digest_key, USER_DIGEST_KEY_BYTES);
    pthread_rwlock_unlock(&signer->keys_lock);
}

mesh_code user_signer_sign(user_signer *signer, const User__V1__User *user, const char *session_id,
                           int64_t now_s, mesh_arena *arena, const char **token, int64_t *expire_s,
                           mesh_error *err)
{
    char id[MESH_UUID_TEXT_BYTES];
    mesh_uuid_v7(id);
    mesh_claims claims = {.issuer = MESH_CLAIMS_USER_ISSUER,
                          .audience = MESH_CLAIMS_USER_AUDIENCE,
                          .subject = user->id,
                          .token_id = id,
                          .session_id = session_id,
                          .version = user->version,
                          .issued_s = now_s,
                          .expires_s = now_s + signer->options.lifetime_ms / 1000};
    for (size_t i = 0; i < user->n_roles; i++) {
        const char *name = user__v1__role__name(user->roles[i]);
        if (name != NULL) /* otherwise it is of a later contract */
            claims.roles[claims.role_count++] = name;
    }
    pthread_rwlock_rdlock(&signer->keys_lock);
    mesh_code code = mesh_token_sign(signer->keys->keys[0], &claims, arena, token, err);
    pthread_rwlock_unlock(&signer->keys_lock);
    if (code == MESH_OK)
        *expire_s = claims.expires_s;
    return code;
}
