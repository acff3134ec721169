#include "mesh/rpc/connections.h"

#include "mesh/base/alloc.h"
#include "mesh/base/hash.h"

void mesh_connections_init(mesh_connections *connections, mesh_budget memory, mesh_flow jobs)
{
    connections->memory = memory;
    connections->jobs = jobs;
    for (size_t i = 0; i < MESH_CONNECTION_LISTS; i++) {
        pthread_mutex_init(&connections->lists[i].mu, NULL);
        connections->lists[i].first = connections->lists[i].spare = NULL;
    }
}

void mesh_connections_destroy(mesh_connections *connections)
{
    for (size_t i = 0; i < MESH_CONNECTION_LISTS; i++) {
        mesh_free(connections->lists[i].spare);
        pthread_mutex_destroy(&connections->lists[i].mu);
    }
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
        found = connections->lists[list].spare;
        connections->lists[list].spare = NULL;
        if (found == NULL)
            found = mesh_malloc(sizeof *found);
        if (found == NULL)
            goto done;
        *found = (mesh_connection){.key = key,
                                   .memory = connections->memory,
                                   .jobs = connections->jobs,
                                   .next = connections->lists[list].first};
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
    mesh_connection *unused = NULL;

    pthread_mutex_lock(&connections->lists[list].mu);
    if (--connection->calls == 0) {
        while (*at != connection)
            at = &(*at)->next;
        *at = connection->next;
        unused = connections->lists[list].spare;
        connections->lists[list].spare = connection;
    }
    pthread_mutex_unlock(&connections->lists[list].mu);
    mesh_free(unused);
}
