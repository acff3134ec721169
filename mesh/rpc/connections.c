#include "mesh/rpc/connections.h"

#include "mesh/base/alloc.h"
#include "mesh/base/hash.h"

void mesh_connections_init(mesh_connections *connections, mesh_budget memory, mesh_flow jobs)
{
    connections->memory = memory;
    connections->jobs = jobs;
    for (size_t i = 0; i < MESH_CONNECTION_LISTS; i++) {
        pthread_mutex_init(&connections->lists[i].mu, NULL);
        connections->lists[i].first = NULL;
    }
}

void mesh_connections_destroy(mesh_connections *connections)
{
    for (size_t i = 0; i < MESH_CONNECTION_LISTS; i++)
        pthread_mutex_destroy(&connections->lists[i].mu);
}

static size_t list_of(const void *key)
{
    return mesh_hash_bytes(MESH_HASH_EMPTY, &key, sizeof key) % MESH_CONNECTION_LISTS;
}

mesh_connection *mesh_connections_enter(mesh_connections *connections, const void *key)
{
    size_t list = list_of(key);
    mesh_connection *found;

    pthread_mutex_lock(&connections->lists[list].mu);
    found = connections->lists[list].first;
    while (found != NULL && found->key != key)
        found = found->next;
    if (found == NULL) {
        found = mesh_calloc(1, sizeof *found);
        if (found == NULL)
            goto done;
        found->key = key;
        found->memory = connections->memory;
        found->jobs = connections->jobs;
        found->next = connections->lists[list].first;
        connections->lists[list].first = found;
    }
    found->calls++;
done:
    pthread_mutex_unlock(&connections->lists[list].mu);
    return found;
}

void mesh_connections_leave(mesh_connections *connections, mesh_connection *connection)
{
    size_t list = list_of(connection->key);
    mesh_connection **at = &connections->lists[list].first;
    bool last;

    pthread_mutex_lock(&connections->lists[list].mu);
    last = --connection->calls == 0;
    if (last) {
        while (*at != connection)
            at = &(*at)->next;
        *at = connection->next;
    }
    pthread_mutex_unlock(&connections->lists[list].mu);
    if (last)
        mesh_free(connection);
}
