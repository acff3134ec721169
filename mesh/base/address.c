#include "mesh/base/address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static bool is_port(const char *text)
{
    size_t size = strlen(text);

    return size > 0 && size <= 5 && strspn(text, "0123456789") == size && atoi(text) <= 65535;
}

static bool parse_descriptor(const char *text, int *fd)
{
    size_t size = strlen(text);

    if (size == 0 || size > 6 || strspn(text, "0123456789") != size || text[0] == '0')
        return false;
    *fd = atoi(text);
    return *fd > 2;
}

bool mesh_address_parse(const char *text, mesh_address *address)
{
    static const char host_characters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    const char *host = text[0] == '[' ? text + 1 : text;
    struct in6_addr v6;
    const char *colon;
    size_t size;

    *address = (mesh_address){.host = "", .fd = -1};
    if (strncmp(text, "fd://", 5) == 0)
        return parse_descriptor(text + 5, &address->fd);
    if (strncmp(text, "unix:", 5) == 0) {
        address->path = text + 5;
        size = strlen(address->path);
        return size > 0 && size < sizeof((struct sockaddr_un *)NULL)->sun_path;
    }
    size = strcspn(host, host == text ? ":" : "]");
    colon = host == text ? host + size : host + size + (host[size] == ']');
    if (*colon != ':' || size == 0 || size >= MESH_HOST_BYTES || !is_port(colon + 1))
        return false;
    memcpy(address->host, host, size);
    address->port = colon + 1;
    if (host == text)
        return strspn(host, host_characters) == size;
    return inet_pton(AF_INET6, address->host, &v6) == 1;
}
