#include "mesh/rpc/links.h"

#include <assert.h>

void mesh_links_init(mesh_links *links)
{
    *links = (mesh_links){.first = NULL};
    pthread_mutex_init(&links->mu, NULL);
    pthread_cond_init(&links->emptied, NULL);
}

void mesh_links_destroy(mesh_links *links)
{
    assert(links->first == NULL);
    pthread_cond_destroy(&links->emptied);
    pthread_mutex_destroy(&links->mu);
}

void mesh_links_add(mesh_links *links, mesh_link *link, mesh_tcall *call)
{
    *link = (mesh_link){.call = call};
    pthread_mutex_lock(&links->mu);
    link->next = links->first;
    if (link->next != NULL)
        link->next->previous = link;
    links->first = link;
    if (links->cancelled)
        call->ops->cancel(call);
    pthread_mutex_unlock(&links->mu);
}

void mesh_links_detach(mesh_links *links, mesh_link *link)
{
    pthread_mutex_lock(&links->mu);
    link->call = NULL;
    pthread_mutex_unlock(&links->mu);
}

void mesh_links_remove(mesh_links *links, mesh_link *link)
{
    pthread_mutex_lock(&links->mu);
    if (link->next != NULL)
        link->next->previous = link->previous;
    if (link->previous != NULL)
        link->previous->next = link->next;
    else
        links->first = link->next;
    if (links->first == NULL)
        pthread_cond_broadcast(&links->emptied);
    pthread_mutex_unlock(&links->mu);
}

void mesh_links_cancel(mesh_links *links)
{
    pthread_mutex_lock(&links->mu);
    links->cancelled = true;
    for (mesh_link *link = links->first; link != NULL; link = link->next)
        if (link->call != NULL)
            link->call->ops->cancel(link->call);
    pthread_mutex_unlock(&links->mu);
}

void mesh_links_wait(mesh_links *links)
{
    pthread_mutex_lock(&links->mu);
    while (links->first != NULL)
        pthread_cond_wait(&links->emptied, &links->mu);
    pthread_mutex_unlock(&links->mu);
}
