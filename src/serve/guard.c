/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may come in. Loopback alone needs no token; any other address does. Whatever the address:
 * the Host must be an address or a name of this machine, or a foreign page could reach us under a
 * name of its own that it points here (rebinding); and what changes something must not come from
 * a page of another origin. Ports are not compared: a tunnel may have another one.
 */
#include "serve/request.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

/* ---- the token ---- */

static glim_status read_token(glim_server *s, const char *path, glim_error *err) {
    enum { SHORTEST = 16 };
    glim_buffer b;
    glim__buffer_init(&b, s->ctx);
    glim_status status = glim__file_read(&b, path, 4096, err);
    while (b.len && isspace((unsigned char)b.data[b.len - 1]))
        b.len--;
    bool plain = b.len >= SHORTEST && b.len < sizeof s->token;
    for (size_t i = 0; i < b.len && plain; i++)
        plain = isalnum((unsigned char)b.data[i]) || strchr("-_.~", b.data[i]);
    if (!status && !plain)
        status =
            glim_fail(err, GLIM_EFORMAT, "'%s' holds no token (%d to %zu letters, digits, - _ . ~)",
                      path, SHORTEST, sizeof s->token - 1);
    if (!status)
        snprintf(s->token, sizeof s->token, "%.*s", (int)b.len, b.data);
    sodium_memzero(b.data ? b.data : (char[1]){0}, b.len);
    glim__buffer_release(&b);
    return status;
}

static bool is_loopback(const char *host) {
    return !strcmp(host, "localhost") || !strncmp(host, "127.", 4) || !strcmp(host, "::1");
}

glim_status serve_guard_open(glim_server *s, glim_error *err) {
    uint8_t bytes[24];
    const char *token = s->o->token;
    s->open = !is_loopback(s->o->host);
    if (sodium_init() < 0)
        return glim_fail(err, GLIM_EINTERNAL, "libsodium: no random numbers");
    if (token && strcmp(token, "auto") != 0)
        return read_token(s, token, err);
    if (!token && !s->open)
        return GLIM_OK;
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2base64(s->token, sizeof s->token, bytes, sizeof bytes,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return GLIM_OK;
}

/* Hashes are compared, in a time that does not depend on where they differ. */
static bool is_token(const glim_server *s, const char *given, size_t n) {
    uint8_t a[32], b[32];
    crypto_generichash(a, sizeof a, (const uint8_t *)s->token, strlen(s->token), NULL, 0);
    crypto_generichash(b, sizeof b, (const uint8_t *)given, n, NULL, 0);
    return sodium_memcmp(a, b, sizeof a) == 0;
}

static const char *head(const serve_request *r, const char *name) {
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

static bool has_token(const serve_request *r) {
    const glim_server *s = r->server;
    const char *bearer = head(r, "Authorization");
    const char *cookie = MHD_lookup_connection_value(r->connection, MHD_COOKIE_KIND, s->cookie);
    if (bearer && !strncasecmp(bearer, "Bearer ", 7) && is_token(s, bearer + 7, strlen(bearer + 7)))
        return true;
    return cookie && is_token(s, cookie, strlen(cookie));
}

/* ---- Host and Origin ---- */

static bool is_address(const char *host) {
    uint8_t out[16];
    return inet_pton(AF_INET, host, out) == 1 || inet_pton(AF_INET6, host, out) == 1;
}

/* The name of a Host header without its port and brackets. */
static bool host_name(const char *given, char out[256]) {
    bool six = *given == '[';
    const char *from = given + six;
    size_t n = strcspn(from, six ? "]" : ":");
    if (!n || n > 255 || (six && from[n] != ']'))
        return false;
    const char *port = from + n + six;
    snprintf(out, 256, "%.*s", (int)n, from);
    return !*port || (*port == ':' && strspn(port + 1, "0123456789") == strlen(port + 1));
}

static bool host_allowed(const glim_server *s, const char *given) {
    char name[256], own[256] = "";
    if (!given || !host_name(given, name))
        return false;
    if (gethostname(own, sizeof own - 1))
        *own = 0;
    return is_address(name) || !strcasecmp(name, "localhost") || !strcasecmp(name, s->host) ||
           (s->open && *own && !strcasecmp(name, own));
}

static enum MHD_Result count_hosts(void *data, enum MHD_ValueKind kind, const char *key,
                                   const char *value) {
    *(int *)data += !strcasecmp(key, "Host");
    return MHD_YES;
}

static bool same_origin(const char *origin, const char *host) {
    return !strncasecmp(origin, "http://", 7) && !strcasecmp(origin + 7, host);
}

/* ---- the door ---- */

/* `/?token=...` becomes a cookie, so that the token leaves the address bar. */
static serve_result take_cookie(serve_request *r) {
    char cookie[256];
    snprintf(cookie, sizeof cookie, "%s=%s; Path=/; HttpOnly; SameSite=Strict", r->server->cookie,
             r->server->token);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    serve_common_headers(r, response, NULL);
    MHD_add_response_header(response, "Set-Cookie", cookie);
    MHD_add_response_header(response, "Location", "/");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    return serve_send(r, 303, response);
}

serve_result serve_guard(serve_request *r, const char *path, bool *refused) {
    const glim_server *s = r->server;
    const char *host = head(r, "Host"), *origin = head(r, "Origin");
    bool reads = !strcmp(r->method, "GET") || !strcmp(r->method, "HEAD");
    int hosts = 0;
    *refused = true;
    MHD_get_connection_values(r->connection, MHD_HEADER_KIND, count_hosts, &hosts);
    if (hosts > 1 || !host_allowed(s, host))
        return serve_reply_error(r, 403,
                                 "Host: the name is not this machine's (use localhost, an address, "
                                 "or the name given as --host)");
    if (origin && !reads && !same_origin(origin, host))
        return serve_reply_error(r, 403, "Origin: a page of another site may change nothing here");
    if (*s->token && !has_token(r)) {
        const char *given = !strcmp(path, "/") && reads ? serve_query(r, "token") : NULL;
        if (given && is_token(s, given, strlen(given)))
            return take_cookie(r);
        return serve_reply_error(r, 401,
                                 "token: it is missing or wrong (open the address that glim serve "
                                 "printed, or send Authorization: Bearer TOKEN)");
    }
    *refused = false;
    return MHD_YES;
}
