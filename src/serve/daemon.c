/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon of libmicrohttpd: one thread, epoll. It never waits: who waits is suspended. A
 * request must have come whole within a time, however slowly its bytes trickle; the keeper shuts
 * the socket of one that has not.
 */
#include "serve/request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADERS = 32 << 10, PER_ADDRESS = 400, SMALL_BODY = 4 << 20 };

/* ---- connections ---- */

static void on_connection(void *data, struct MHD_Connection *connection, void **mine,
                          enum MHD_ConnectionNotificationCode what) {
    glim_server *s = data;
    pthread_mutex_lock(&s->lock);
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        serve_visitor *v = *mine = glim__calloc(s->ctx, 1, sizeof *v);
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (v) {
            v->fd = info->connect_fd;
            v->since = glim__seconds();
            v->patience = s->o->patience;
            v->next = s->visitors;
            s->visitors = v;
            setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        }
    } else if (*mine) {
        for (serve_visitor **at = &s->visitors; *at; at = &(*at)->next)
            if (*at == *mine) {
                *at = (*at)->next;
                break;
            }
        glim__free(s->ctx, *mine);
        *mine = NULL;
    }
    pthread_mutex_unlock(&s->lock);
}

/* The daemon answers a request that is there, and this one is not: so it is said past it. Behind
   an answer there may be no request at all, and nothing is said. */
static void say_too_late(const serve_visitor *v) {
    static const char body[] =
        "{\"error\":{\"what\":\"request\",\"why\":\"it did not come in time\","
        "\"todo\":\"send it at once, or start the server with more --timeout\"}}";
    char text[640];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\nCache-Control: no-store\r\n"
                     "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n%s",
                     sizeof body - 1, body);
    ssize_t sent = v->spoken ? 0 : send(v->fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* whoever does not read it is sent away all the same */
}

void serve_visitors_check(glim_server *s) {
    double now = glim__seconds();
    for (serve_visitor *v = s->visitors; v; v = v->next)
        if (v->since > 0 && now - v->since > v->patience) {
            say_too_late(v);
            shutdown(v->fd, SHUT_RDWR);
            v->since = 0;
        }
}

void serve_spoken(const serve_request *r, bool yes) {
    pthread_mutex_lock(&r->server->lock);
    if (r->visitor)
        r->visitor->spoken = yes;
    pthread_mutex_unlock(&r->server->lock);
}

/* ---- requests ---- */

static void on_completed(void *data, struct MHD_Connection *connection, void **mine,
                         enum MHD_RequestTerminationCode why) {
    serve_request *r = *mine;
    glim_server *s = data;
    if (!r)
        return;
    pthread_mutex_lock(&s->lock);
    if (r->visitor)
        *r->visitor = (serve_visitor){.next = r->visitor->next,
                                      .fd = r->visitor->fd,
                                      .since = glim__seconds(),
                                      .patience = s->o->patience,
                                      .spoken = true};
    serve_errand_free(s, r->errand);
    pthread_mutex_unlock(&s->lock);
    glim__buffer_release(&r->body);
    glim__free(s->ctx, r);
    *mine = NULL;
}

static size_t most_of(const serve_request *r) {
    bool large = r->route->body == SERVE_DOCUMENT || r->route->body == SERVE_BYTES;
    size_t most = (size_t)r->server->o->body;
    return r->route->body == SERVE_NO_BODY ? 0 : large || most < SMALL_BODY ? most : SMALL_BODY;
}

/* What is somewhat too large is read, or the client would see a broken pipe and no answer. */
static bool says_far_more(const serve_request *r) {
    const char *given =
        MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Content-Length");
    return given && strtoull(given, NULL, 10) / 4 > r->server->o->body;
}

static const char TOO_LARGE[] = "the body: it is larger than this server takes (send less)";

static enum MHD_Result check_query(void *data, enum MHD_ValueKind kind, const char *key,
                                   size_t key_n, const char *value, size_t value_n) {
    const char **unknown = data;
    const serve_route *route = (const serve_route *)(const void *)unknown[1];
    const char *const *names = route->query;
    for (; names && *names; names++)
        if (!strcmp(*names, key) && value && strlen(value) == value_n && strlen(key) == key_n)
            return MHD_YES;
    unknown[0] = key;
    return MHD_NO;
}

/* The headers are there. Answers what needs no body to be refused. */
static serve_result begin(serve_request *r, const char *path) {
    char allowed[64], line[256];
    bool refused;
    serve_result result = serve_guard(r, path, &refused);
    if (refused)
        return result;
    r->route = serve_route_find(r->method, path, &r->id, allowed);
    if (!r->route && *allowed) {
        struct MHD_Response *response;
        static const char body[] =
            "{\"error\":{\"what\":\"method\",\"why\":\"not for this address\","
            "\"todo\":\"see Allow\"}}";
        response =
            MHD_create_response_from_buffer(sizeof body - 1, (void *)body, MHD_RESPMEM_PERSISTENT);
        if (!response)
            return MHD_NO;
        serve_common_headers(r, response, "application/json");
        MHD_add_response_header(response, "Allow", allowed);
        return serve_send(r, 405, response);
    }
    if (!r->route)
        return serve_reply_error(r, 404,
                                 "address: there is nothing here (GET /api/v1/openapi.json says "
                                 "what there is)");
    const char *unknown[2] = {NULL, (const char *)(const void *)r->route};
    MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, check_query, unknown);
    if (unknown[0]) {
        snprintf(line, sizeof line, "%.60s: there is no such part of the query here", unknown[0]);
        return serve_reply_error(r, 400, line);
    }
    if (says_far_more(r))
        return serve_reply_error(r, 413, TOO_LARGE);
    return MHD_YES;
}

/* What goes beyond is read and dropped, and the answer says so. */
static void add_body(serve_request *r, const char *data, size_t n) {
    size_t most = most_of(r);
    if (r->body.len + n > most)
        r->too_large = r->too_large || most > 0;
    else
        glim__buffer_append(&r->body, data, n);
}

static serve_result complete(serve_request *r) {
    glim_server *s = r->server;
    if (r->too_large)
        return serve_reply_error(r, 413, TOO_LARGE);
    if (r->body.failed)
        return serve_reply_error(r, 503, "out of memory: the body (try again later)");
    pthread_mutex_lock(&s->lock);
    if (r->visitor)
        r->visitor->since = 0;
    serve_result result;
    serve_errand *e = r->errand;
    if (e && e->failed)
        result = serve_reply_error(r, 503, e->err.message);
    else
        result = e ? r->then(r) : r->route->run(r);
    pthread_mutex_unlock(&s->lock);
    return result;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_n, void **mine) {
    glim_server *s = data;
    serve_request *r = *mine;
    if (!r) {
        r = *mine = glim__calloc(s->ctx, 1, sizeof *r);
        if (!r)
            return MHD_NO;
        r->server = s;
        r->connection = connection;
        r->method = method;
        glim__buffer_init(&r->body, s->ctx);
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        r->visitor = info ? info->socket_context : NULL;
        serve_spoken(r, false);
        serve_result result = begin(r, path);
        if (!r->answered && r->visitor && r->route && r->route->body >= SERVE_DOCUMENT)
            r->visitor->patience = 10 * s->o->patience; /* a large body */
        return result;
    }
    if (*body_n) {
        if (!r->answered)
            add_body(r, body, *body_n);
        *body_n = 0;
        return MHD_YES;
    }
    return r->answered ? MHD_YES : complete(r);
}

serve_result serve_wait(serve_request *r, serve_words *words, serve_handler *then) {
    glim_error err;
    r->errand = serve_errand_new(r->server, words, &err);
    if (!r->errand)
        return serve_reply_error(r, 429, err.message);
    r->then = then;
    r->also = r->errand->waiting;
    r->errand->waiting = r;
    MHD_suspend_connection(r->connection);
    return MHD_YES;
}

/* ---- opening and closing ---- */

static glim_status cannot_listen(const glim_server *s, const char *why, glim_error *err) {
    return glim_fail(err, GLIM_EIO,
                     "cannot listen at %s, port %d: %s (name another --port; 0 is any)", s->o->host,
                     s->o->port, why);
}

static int bind_to(const struct addrinfo *a) {
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, 511))
        return fd;
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

/* The socket and the address that it got. */
static glim_status listen_at(glim_server *s, int *out, glim_error *err) {
    char port[16], text[256];
    struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    struct sockaddr_storage got = {0};
    socklen_t n = sizeof got;
    snprintf(port, sizeof port, "%d", s->o->port);
    int code = getaddrinfo(s->o->host, port, &want, &list);
    if (code)
        return cannot_listen(s, gai_strerror(code), err);
    *out = -1;
    for (const struct addrinfo *a = list; a && *out < 0; a = a->ai_next)
        *out = bind_to(a);
    code = errno;
    freeaddrinfo(list);
    if (*out < 0)
        return cannot_listen(s, strerror(code), err);
    getsockname(*out, (struct sockaddr *)&got, &n);
    struct sockaddr_in6 wide;
    struct sockaddr_in narrow;
    memcpy(&wide, &got, sizeof wide);
    memcpy(&narrow, &got, sizeof narrow);
    int bound = ntohs(got.ss_family == AF_INET6 ? wide.sin6_port : narrow.sin_port);
    bool six = strchr(s->o->host, ':') != NULL;
    snprintf(s->host, sizeof s->host, "%.250s", s->o->host);
    snprintf(text, sizeof text, "%s%.200s%s", six ? "[" : "", s->host, six ? "]" : "");
    snprintf(s->address, sizeof s->address, "http://%s:%d/%s%s", text, bound,
             *s->token ? "?token=" : "", s->token);
    snprintf(s->cookie, sizeof s->cookie, "glim-%d", bound);
    return GLIM_OK;
}

/* A malformed request is the client's business: nothing is printed. */
static void no_log(void *data, const char *format, va_list args) {}

glim_status serve_http_open(glim_server *s, glim_error *err) {
    int fd = -1;
    sigset_t all, old;
    glim_status status = listen_at(s, &fd, err);
    if (status)
        return status;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are for the keeper */
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, s, MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        s, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST_VISITORS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)PER_ADDRESS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(s->o->patience + 1), MHD_OPTION_STRICT_FOR_CLIENT,
        1, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (s->daemon)
        return GLIM_OK;
    close(fd);
    return cannot_listen(s, "the web server did not start", err);
}

void serve_http_close(glim_server *s) {
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
}
