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

mesh_network mesh_network_of(const struct sockaddr_in6 *client)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)client;
    mesh_network network = {.family = AF_UNSPEC};
    const uint8_t *address = client->sin6_addr.s6_addr;

    if (client->sin6_family == AF_INET) {
        network.family = AF_INET;
        memcpy(&network.bits, &v4->sin_addr, sizeof v4->sin_addr);
    } else if (client->sin6_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&client->sin6_addr)) {
        network.family = AF_INET;
        memcpy(&network.bits, address + 12, sizeof v4->sin_addr);
    } else if (client->sin6_family == AF_INET6) {
        network.family = AF_INET6;
        memcpy(&network.bits, address, sizeof network.bits);
    }
    return network;
}

mesh_network mesh_network_parse(const char *peer)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    char text[INET6_ADDRSTRLEN] = "";
    bool is_v6 = strncmp(peer, "ipv6:", 5) == 0;
    const char *at = peer + 5;
    size_t size;

    if (!is_v6 && strncmp(peer, "ipv4:", 5) != 0)
        return (mesh_network){.family = AF_UNSPEC};
    at += is_v6 && *at == '[';
    at += is_v6 && strncmp(at, "%5B", 3) == 0 ? 3 : 0; /* as URIs have it, and the core */
    size = strspn(at, is_v6 ? "0123456789abcdefABCDEF:." : "0123456789.");
    if (size < sizeof text)
        memcpy(text, at, size);
    if (is_v6 && inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        return mesh_network_of(&v6);
    if (!is_v6 && inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(&v6, &v4, sizeof v4);
    else
        v6.sin6_family = AF_UNSPEC;
    return mesh_network_of(&v6);
}
