#include "mesh/obs/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mesh/base/address.h"
#include "mesh/base/alloc.h"
#include "mesh/base/log.h"

enum {
    MAX_CONNECTIONS = 16,
    CONNECTION_TIMEOUT_S = 5,
    CONNECTION_BYTES = 16 * 1024, /* for a request's line and headers */
    LISTEN_BACKLOG = 64,
    TEXT_LIMIT_BYTES = 64 * 1024 * 1024
};

#define DEFAULT_LISTEN "127.0.0.1:0"

struct mesh_metrics_http {
    mesh_metrics *metrics; /* borrowed */
    struct MHD_Daemon *daemon;
    int port;
};

/* ---- requests ---- */

static void free_arena(void *arena)
{
    mesh_arena_destroy(arena);
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *text)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (void *)text,
                                                                    MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result;

    if (response == NULL)
        return MHD_NO; /* closes the connection */
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_metrics(struct MHD_Connection *connection, mesh_metrics *metrics)
{
    mesh_arena *arena = mesh_arena_create(0, TEXT_LIMIT_BYTES);
    struct MHD_Response *response = NULL;
    const char *text;
    size_t size;
    enum MHD_Result result;

    if (arena == NULL || mesh_metrics_text(metrics, arena, &text, &size, NULL) != MESH_OK) {
        mesh_arena_destroy(arena);
        return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory\n");
    }
    response = MHD_create_response_from_buffer_with_free_callback_cls(size, (void *)text,
                                                                      free_arena, arena);
    if (response == NULL) {
        mesh_arena_destroy(arena);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, MESH_METRICS_CONTENT_TYPE);
    result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response); /* the arena goes with the response's last use */
    return result;
}

static enum MHD_Result on_request(void *self, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    mesh_metrics_http *http = self;

    (void)version;
    (void)upload;
    if (*state == NULL) { /* first call: only the headers are there */
        *state = http;
        return MHD_YES;
    }
    if (*upload_size != 0) { /* a body that nobody asked for */
        *upload_size = 0;
        return MHD_YES;
    }
    if (strcmp(path, "/metrics") != 0)
        return answer(connection, MHD_HTTP_NOT_FOUND, "there is only /metrics\n");
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
    return answer_metrics(connection, http->metrics);
}

static void on_library_log(void *self, const char *format, va_list args)
{
    char text[256];

    (void)self;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    mesh_log(MESH_LOG_DEBUG, "metrics connection", MESH_LOG_S("error", text));
}

/* ---- address ---- */

/* Binds the first of the addresses that can be. Returns the socket, or -1 with errno set. */
static int bind_first(const struct addrinfo *addresses)
{
    int error = EADDRNOTAVAIL;

    for (const struct addrinfo *one = addresses; one != NULL; one = one->ai_next) {
        int on = 1;
        int fd = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
            bind(fd, one->ai_addr, one->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
            return fd;
        error = errno;
        if (fd >= 0)
            close(fd);
    }
    errno = error;
    return -1;
}

static int port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static mesh_code open_socket(const char *listen, int *fd, mesh_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    mesh_address address;
    int error;

    if (!mesh_address_parse(listen, &address) || address.port == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "metrics address \"%s\" is not HOST:PORT or [V6]:PORT", listen);
    error = getaddrinfo(address.host, address.port, &hints, &addresses);
    if (error != 0)
        return mesh_error_set(err, MESH_UNAVAILABLE, "metrics address %s: %s", listen,
                              gai_strerror(error));
    *fd = bind_first(addresses);
    freeaddrinfo(addresses);
    if (*fd < 0)
        return mesh_error_set(err, MESH_UNAVAILABLE, "metrics address %s cannot be bound: %s",
                              listen, strerror(errno));
    return MESH_OK;
}

/* ---- life ---- */

mesh_code mesh_metrics_http_start(mesh_metrics *metrics, const char *listen,
                                  mesh_metrics_http **http, mesh_error *err)
{
    mesh_metrics_http *made = mesh_calloc(1, sizeof *made);
    int fd = -1;
    mesh_code code;

    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    if (listen == NULL || listen[0] == '\0')
        listen = DEFAULT_LISTEN;
    made->metrics = metrics;
    code = open_socket(listen, &fd, err);
    if (code != MESH_OK)
        goto failed;
    made->port = port_of(fd);
    made->daemon = MHD_start_daemon(
        MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, made, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    if (made->daemon == NULL) {
        close(fd);
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "metrics at %s cannot be served: %s",
                              listen, strerror(errno));
        goto failed;
    }
    *http = made;
    return MESH_OK;

failed:
    mesh_free(made);
    return code;
}

int mesh_metrics_http_port(const mesh_metrics_http *http)
{
    return http->port;
}

void mesh_metrics_http_stop(mesh_metrics_http *http)
{
    if (http == NULL)
        return;
    MHD_stop_daemon(http->daemon);
    mesh_free(http);
}
