/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers and their headers. Nothing may be framed, sniffed or read by another site; a page may
 * run its own script and nothing else. What explanations become, reports and figures, hold text
 * of models and files: they get a sandbox, an origin of their own that may ask nothing.
 */
#include "serve/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char PAGE_POLICY[] =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: "
    "blob:; connect-src 'self'; frame-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'";
static const char FORM_POLICY[] =
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src "
    "'unsafe-inline'; img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'";
static const char DATA_POLICY[] = "default-src 'none'; frame-ancestors 'self'";

static void header(struct MHD_Response *response, const char *name, const char *value) {
    MHD_add_response_header(response, name, value);
}

void serve_common_headers(const serve_request *r, struct MHD_Response *response, const char *type) {
    bool form = r->route && r->route->form;
    bool page = !form && type && !strncmp(type, "text/html", 9);
    if (type)
        header(response, "Content-Type", type);
    header(response, "Content-Security-Policy",
           page   ? PAGE_POLICY
           : form ? FORM_POLICY
                  : DATA_POLICY);
    header(response, "X-Content-Type-Options", "nosniff");
    header(response, "Referrer-Policy", "same-origin");
    header(response, "Cross-Origin-Resource-Policy", "same-origin");
    header(response, "Cross-Origin-Opener-Policy", "same-origin");
}

serve_result serve_send(serve_request *r, int status, struct MHD_Response *response) {
    if (!response)
        return MHD_NO;
    serve_spoken(r, true);
    serve_result result = MHD_queue_response(r->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    r->answered = true;
    return result;
}

static serve_result send_bytes(serve_request *r, int status, const char *type, const char *data,
                               size_t n, enum MHD_ResponseMemoryMode mode) {
    struct MHD_Response *response = MHD_create_response_from_buffer(n, (void *)data, mode);
    if (!response)
        return MHD_NO;
    serve_common_headers(r, response, type);
    if (mode == MHD_RESPMEM_MUST_COPY || mode == MHD_RESPMEM_MUST_FREE)
        header(response, "Cache-Control", "no-store");
    if (status == 429 || status == 503)
        header(response, "Retry-After", "2");
    if (status == 401)
        header(response, "WWW-Authenticate", "Bearer");
    return serve_send(r, status, response);
}

serve_result serve_reply_text(serve_request *r, int status, const char *type,
                              const glim_buffer *b) {
    if (b->failed)
        return serve_reply_error(r, 503, "out of memory: the answer (try again later)");
    return send_bytes(r, status, type, b->data ? b->data : "", b->len, MHD_RESPMEM_MUST_COPY);
}

static const char JSON[] = "application/json";

serve_result serve_reply_json(serve_request *r, int status, json_t *value, bool ok) {
    char *text = ok && value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(value);
    if (!text) {
        static const char none[] = "{\"error\":{\"what\":\"out of memory\",\"why\":\"the answer\","
                                   "\"todo\":\"try again later\"}}";
        return send_bytes(r, 503, JSON, none, sizeof none - 1, MHD_RESPMEM_MUST_COPY);
    }
    return send_bytes(r, status, JSON, text, strlen(text), MHD_RESPMEM_MUST_FREE);
}

serve_result serve_reply_error(serve_request *r, int status, const char *line) {
    bool ok = true;
    json_t *all = json_object();
    glim__json_set(&ok, all, "error", serve_error_json(&ok, line, strlen(line)));
    return serve_reply_json(r, status, all, ok);
}

serve_result serve_reply_status(serve_request *r, glim_status status, const glim_error *err) {
    int code = status == GLIM_EUSAGE || status == GLIM_EFORMAT || status == GLIM_EUNSUPPORTED ||
                       status == GLIM_ELIMIT
                   ? 400
               : status == GLIM_EBUDGET                                                   ? 429
               : status == GLIM_ENOMEM || status == GLIM_EIO || status == GLIM_ECANCELLED ? 503
                                                                                          : 500;
    return serve_reply_error(r, code, err->message);
}

serve_result serve_reply_nothing(serve_request *r, int status, const char *name,
                                 const char *value) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    /* A browser puts the headers of a 304 in the place of those that it kept: the policy as well.
     */
    serve_common_headers(r, response, status == 304 && r->route ? r->route->type : NULL);
    if (name)
        header(response, name, value);
    return serve_send(r, status, response);
}

/* ---- what can be asked for again ---- */

static bool has_it(const serve_request *r, const char *etag) {
    const char *given =
        MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "If-None-Match");
    return given && (strstr(given, etag) || !strcmp(given, "*"));
}

serve_result serve_reply_fixed(serve_request *r, const serve_fixed *f, const char *type) {
    if (has_it(r, f->etag))
        return serve_reply_nothing(r, 304, "ETag", f->etag);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(f->text.len, f->text.data, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    serve_common_headers(r, response, type);
    header(response, "ETag", f->etag);
    header(response, "Cache-Control", "no-cache");
    return serve_send(r, 200, response);
}

static bool takes_gzip(const serve_request *r) {
    const char *given =
        MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Accept-Encoding");
    const char *at = given ? strstr(given, "gzip") : NULL;
    return at && strncmp(at, "gzip;q=0", 8) != 0;
}

serve_result serve_reply_file(serve_request *r, const char *path, const char *type, bool *found) {
    char packed[PATH_MAX], etag[64];
    struct stat st;
    int fd = -1;
    bool gzip = takes_gzip(r) && snprintf(packed, sizeof packed, "%s.gz", path) < PATH_MAX;
    if (gzip)
        fd = open(packed, O_RDONLY | O_CLOEXEC);
    gzip = fd >= 0;
    if (fd < 0)
        fd = open(path, O_RDONLY | O_CLOEXEC);
    *found = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode);
    if (!*found) {
        if (fd >= 0)
            close(fd);
        return MHD_YES;
    }
    snprintf(etag, sizeof etag, "\"%llx-%llx%s\"", (unsigned long long)st.st_size,
             (unsigned long long)st.st_mtim.tv_sec * 1000000000u +
                 (unsigned long)st.st_mtim.tv_nsec,
             gzip ? "z" : "");
    if (has_it(r, etag)) {
        close(fd);
        return serve_reply_nothing(r, 304, "ETag", etag);
    }
    struct MHD_Response *response = MHD_create_response_from_fd64((uint64_t)st.st_size, fd);
    if (!response) {
        close(fd);
        return MHD_NO;
    }
    serve_common_headers(r, response, type);
    header(response, "ETag", etag);
    header(response, "Vary", "Accept-Encoding");
    header(response, "Cache-Control", "no-cache");
    if (gzip)
        header(response, "Content-Encoding", "gzip");
    return serve_send(r, 200, response);
}
