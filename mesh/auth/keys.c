#include "mesh/auth/keys.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "mesh/auth/jwk.h"
#include "mesh/auth/sodium.h"
#include "mesh/base/alloc.h"

typedef struct key_list {
    size_t count;
    mesh_public_key keys[MESH_KEYS_MAX];
} key_list;

struct mesh_keys {
    pthread_mutex_t mu;
    key_list list;                /* guarded by mu */
    _Atomic(uint64_t) generation; /* changed under mu, with the list */
};

mesh_code mesh_keys_create(mesh_keys **keys, mesh_error *err)
{
    mesh_code code = mesh_sodium_start(err);
    mesh_keys *made;

    if (code != MESH_OK)
        return code;
    made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    pthread_mutex_init(&made->mu, NULL);
    *keys = made;
    return MESH_OK;
}

void mesh_keys_destroy(mesh_keys *keys)
{
    if (keys == NULL)
        return;
    pthread_mutex_destroy(&keys->mu);
    mesh_free(keys);
}

static const mesh_public_key *find(const key_list *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->keys[i].id, id) == 0)
            return &list->keys[i];
    return NULL;
}

/* NULL, or what is wrong with the key. */
static const char *add(key_list *list, mesh_slice json)
{
    mesh_public_key *key = &list->keys[list->count];
    mesh_jwk jwk;
    const char *why = mesh_jwk_read(json.data, json.size, &jwk);

    if (why == NULL && jwk.has_secret)
        why = "it has a private part, d";
    if (why == NULL && jwk.id[0] == '\0')
        why = "it has no kid";
    if (why == NULL && find(list, jwk.id) != NULL)
        why = "its kid is there twice";
    if (why == NULL) {
        memcpy(key->id, jwk.id, sizeof key->id);
        memcpy(key->x, jwk.x, sizeof key->x);
        list->count++;
    }
    sodium_memzero(&jwk, sizeof jwk);
    return why;
}

static mesh_code parse(const char *jwks, size_t size, key_list *list, mesh_error *err)
{
    mesh_members keys;
    const char *why = mesh_jwk_set_read(jwks, size, &keys);

    if (why != NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "key set: %s", why);
    for (size_t i = 0; i < keys.count; i++) {
        why = add(list, keys.list[i].value);
        if (why != NULL)
            return mesh_error_set(err, MESH_INVALID_ARGUMENT, "key set: keys[%zu]: %s", i, why);
    }
    return MESH_OK;
}

mesh_code mesh_keys_replace(mesh_keys *keys, const char *jwks, size_t size, mesh_error *err)
{
    key_list list = {0};
    mesh_code code = parse(jwks, size, &list, err);

    if (code != MESH_OK)
        return code;
    pthread_mutex_lock(&keys->mu);
    keys->list = list;
    atomic_fetch_add(&keys->generation, 1);
    pthread_mutex_unlock(&keys->mu);
    return MESH_OK;
}

bool mesh_keys_are_missing(mesh_keys *keys)
{
    return atomic_load(&keys->generation) == 0;
}

bool mesh_keys_find(mesh_keys *keys, const char *id, mesh_public_key *key)
{
    const mesh_public_key *found;

    pthread_mutex_lock(&keys->mu);
    found = find(&keys->list, id);
    if (found != NULL) {
        *key = *found;
        key->generation = atomic_load(&keys->generation);
    }
    pthread_mutex_unlock(&keys->mu);
    return found != NULL;
}

bool mesh_keys_holds(mesh_keys *keys, mesh_public_key *key)
{
    mesh_public_key now;

    if (key->generation == atomic_load(&keys->generation))
        return true;
    if (!mesh_keys_find(keys, key->id, &now) || memcmp(now.x, key->x, sizeof now.x) != 0)
        return false;
    key->generation = now.generation;
    return true;
}
