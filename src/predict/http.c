/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSTs by libcurl's multi interface: one thread, a slot for each call under way.
 * Redirects are not followed: a header with a key must not go where a server sends
 * it. A loopback address never goes through a proxy; others use the proxy that the
 * environment names to libcurl. Answers are bounded while they come in.
 */
#include "predict/http.h"
#include "predict/pipe-signal.h"

#include <stdio.h>
#include <string.h>

glim_status glim__http_refused(const glim_black_box *box, const glim_http_job *job,
                               glim_error *err) {
    return glim__box_fail(box, err, GLIM_EIO, job->answer.data ? job->answer.data : "",
                          job->answer.len, "the server answers with HTTP status %ld%s", job->code,
                          job->code >= 300 && job->code < 400
                              ? " (redirects are not followed: give the final address)"
                          : job->code == 401 || job->code == 403 ? " (see --header)"
                                                                 : "");
}

#ifdef GLIM_WITH_CURL
#include <curl/curl.h>

enum { ATTEMPTS = 5, SLICE_MS = 50, MOST_PAUSE = 60 };

typedef struct slot {
    glim_http *http;
    CURL *easy;
    glim_http_job job;
    bool busy, running, too_long;
    int attempt;
    double not_before;
    char why[CURL_ERROR_SIZE];
} slot;

struct glim_http {
    glim_black_box *box;
    CURLM *multi;
    struct curl_slist *headers;
    slot *slots;
    size_t n_slots;
    bool loopback;
    double pause; /* of the first repetition, seconds */
};

/* ---- opening ---- */

static bool is_loopback(const char *host) {
    size_t n = strlen(host);
    return !strcmp(host, "localhost") || !strncmp(host, "127.", 4) || !strcmp(host, "[::1]") ||
           (n > 10 && !strcmp(host + n - 10, ".localhost"));
}

static glim_status check_url(glim_http *http, const char *url, glim_error *err) {
    CURLU *u = curl_url();
    char *host = NULL, *scheme = NULL;
    if (!u)
        return glim_fail(err, GLIM_ENOMEM, "out of memory: an address");
    bool ok = !curl_url_set(u, CURLUPART_URL, url, 0) &&
              !curl_url_get(u, CURLUPART_HOST, &host, 0) &&
              !curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) &&
              (!strcmp(scheme, "http") || !strcmp(scheme, "https"));
    if (ok)
        http->loopback = is_loopback(host);
    curl_free(host);
    curl_free(scheme);
    curl_url_cleanup(u);
    return ok ? GLIM_OK
              : glim__box_fail(http->box, err, GLIM_EUSAGE, NULL, 0,
                               "its address is no http:// or https:// URL");
}

static bool add_header(glim_http *http, const char *line) {
    struct curl_slist *more = curl_slist_append(http->headers, line);
    http->headers = more ? more : http->headers;
    return more;
}

/* The user's lines. A value is a secret: messages give the line's number. */
static glim_status user_headers(glim_http *http, const char *lines, glim_error *err) {
    char line[8192];
    for (int number = 1; lines && *lines; number++) {
        size_t n = strcspn(lines, "\r\n"), colon = strcspn(lines, ":\r\n");
        bool ok = n < sizeof line && (n == 0 || (colon > 0 && lines[colon] == ':'));
        for (size_t i = 0; i < n && ok; i++)
            ok = (unsigned char)lines[i] >= 0x20 && (i > colon || lines[i] != ' ');
        if (!ok)
            return glim__box_fail(http->box, err, GLIM_EUSAGE, NULL, 0,
                                  "header %d is not of the form 'Name: value'", number);
        memcpy(line, lines, n);
        line[n] = 0;
        if (n && !add_header(http, line))
            return glim_fail(err, GLIM_ENOMEM, "out of memory: headers");
        lines += n + strspn(lines + n, "\r\n");
    }
    return GLIM_OK;
}

static glim_status make_headers(glim_http *http, glim_error *err) {
    if (!add_header(http, "Content-Type: application/json") ||
        !add_header(http, "Accept: application/json") || !add_header(http, "Expect:"))
        return glim_fail(err, GLIM_ENOMEM, "out of memory: headers");
    return user_headers(http, http->box->headers, err);
}

glim_status glim__http_open(glim_http **out, glim_black_box *box, const char *url,
                            glim_error *err) {
    glim_http *http = *out = glim__calloc(box->ctx, 1, sizeof *http);
    if (!http)
        return glim__oom(box->ctx, err, "the predictor", sizeof *http);
    http->box = box;
    http->pause = 0.25;
    http->slots = glim__calloc(box->ctx, box->info.concurrency, sizeof *http->slots);
    if (!http->slots)
        return glim__oom(box->ctx, err, "the predictor", 0);
    http->n_slots = box->info.concurrency;
    for (size_t i = 0; i < http->n_slots; i++) {
        slot *s = &http->slots[i];
        s->http = http;
        glim__buffer_init(&s->job.url, box->ctx);
        glim__buffer_init(&s->job.body, box->ctx);
        glim__buffer_init(&s->job.answer, box->ctx);
    }
    http->multi = curl_multi_init();
    if (!http->multi)
        return glim_fail(err, GLIM_ENOMEM, "out of memory: libcurl");
    glim_status status = check_url(http, url, err);
    return status ? status : make_headers(http, err);
}

void glim__http_close(glim_http *http) {
    if (!http)
        return;
    glim_context *ctx = http->box->ctx;
    for (size_t i = 0; i < http->n_slots; i++) {
        slot *s = &http->slots[i];
        if (s->running)
            curl_multi_remove_handle(http->multi, s->easy);
        curl_easy_cleanup(s->easy);
        glim__buffer_release(&s->job.url);
        glim__buffer_release(&s->job.body);
        glim__buffer_release(&s->job.answer);
    }
    if (http->multi)
        curl_multi_cleanup(http->multi);
    curl_slist_free_all(http->headers);
    glim__free(ctx, http->slots);
    glim__free(ctx, http);
}

/* ---- one call ---- */

static size_t receive(char *data, size_t size, size_t n, void *user) {
    slot *s = user;
    s->too_long = s->job.answer.len + size * n > s->job.limit;
    if (!s->too_long)
        glim__buffer_append(&s->job.answer, data, size * n);
    return s->too_long || s->job.answer.failed ? 0 : size * n;
}

static bool set_options(slot *s) {
    glim_http *http = s->http;
    CURL *e = s->easy;
    long ms = (long)(http->box->timeout * 1000);
    CURLcode bad = CURLE_OK;
    bad |= curl_easy_setopt(e, CURLOPT_URL, s->job.url.data);
    bad |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(e, CURLOPT_POSTFIELDS, s->job.body.data);
    bad |= curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->job.body.len);
    bad |= curl_easy_setopt(e, CURLOPT_HTTPHEADER, http->headers);
    bad |= curl_easy_setopt(e, CURLOPT_USERAGENT, "glim/" GLIM_VERSION);
    bad |= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    bad |= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, ms < 1 ? 1L : ms);
    bad |= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, ms < 10000 ? ms : 10000L);
    bad |= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, receive);
    bad |= curl_easy_setopt(e, CURLOPT_WRITEDATA, s);
    bad |= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->why);
    bad |= curl_easy_setopt(e, CURLOPT_PRIVATE, s);
    if (http->loopback)
        bad |= curl_easy_setopt(e, CURLOPT_PROXY, "");
    return bad == CURLE_OK;
}

static glim_status start(slot *s, glim_error *err) {
    glim_http *http = s->http;
    s->easy = s->easy ? s->easy : curl_easy_init();
    s->too_long = false;
    s->why[0] = 0;
    glim__buffer_clear(&s->job.answer);
    if (!s->easy || !set_options(s) || curl_multi_add_handle(http->multi, s->easy))
        return glim_fail(err, GLIM_ENOMEM, "out of memory: libcurl");
    s->running = true;
    http->box->info.calls++;
    return GLIM_OK;
}

/* Gives a free slot the next job. */
static glim_status fill(slot *s, size_t index, glim_http_fn *make, void *data, glim_error *err) {
    glim_http_job *job = &s->job;
    glim__buffer_clear(&job->url);
    glim__buffer_clear(&job->body);
    job->index = index;
    job->limit = glim__batch_limit(1);
    job->once = false;
    glim_status status = make(data, job, err);
    if (!status && (job->url.failed || job->body.failed))
        status = glim__oom(s->http->box->ctx, err, "the request", job->body.len);
    s->busy = !status;
    s->attempt = 0;
    return status ? status : start(s, err);
}

static bool may_pass(CURLcode result, long code) {
    switch (result) {
    case CURLE_OK:
        return code == 408 || code == 429 || code >= 500;
    case CURLE_COULDNT_CONNECT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return true;
    default:
        return false;
    }
}

static glim_status lost(const slot *s, CURLcode result, glim_error *err) {
    const glim_black_box *box = s->http->box;
    const glim_buffer *in = &s->job.answer;
    if (s->too_long)
        return glim__box_fail(box, err, GLIM_ELIMIT, in->data, in->len,
                              "its answer is longer than %zu bytes", s->job.limit);
    if (in->failed)
        return glim__oom(box->ctx, err, "the answer", in->len);
    if (result == CURLE_OPERATION_TIMEDOUT)
        return glim__box_fail(box, err, GLIM_EIO, in->data, in->len,
                              "no whole answer within %g seconds (raise --timeout, or lower "
                              "--batch-size)",
                              box->timeout);
    return glim__box_fail(box, err, GLIM_EIO, NULL, 0, "the server cannot be reached: %.200s",
                          *s->why ? s->why : curl_easy_strerror(result));
}

/* A call came to its end: again later, or the answer to the caller. */
static glim_status settle(slot *s, CURLcode result, glim_http_fn *done, void *data,
                          glim_error *err) {
    glim_http *http = s->http;
    curl_off_t wait = 0;
    s->job.code = 0;
    curl_multi_remove_handle(http->multi, s->easy);
    s->running = false;
    if (result == CURLE_OK)
        curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &s->job.code);
    bool once = s->job.once && s->job.code >= 500;
    if (may_pass(result, s->job.code) && !once && ++s->attempt < ATTEMPTS) {
        double pause = http->pause * (1 << (s->attempt - 1));
        if (!curl_easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &wait) && (double)wait > pause)
            pause = wait < MOST_PAUSE ? (double)wait : MOST_PAUSE;
        s->not_before = glim__seconds() + pause;
        return GLIM_OK;
    }
    s->busy = false;
    return result == CURLE_OK ? done(data, &s->job, err) : lost(s, result, err);
}

static void stop_all(glim_http *http) {
    for (size_t i = 0; i < http->n_slots; i++) {
        slot *s = &http->slots[i];
        if (s->running)
            curl_multi_remove_handle(http->multi, s->easy);
        s->running = s->busy = false;
    }
}

static glim_status collect(glim_http *http, glim_http_fn *done, void *data, glim_error *err) {
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(http->multi, &left))) {
        slot *s = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&s);
        glim_status status = settle(s, result, done, data, err);
        if (status)
            return status;
    }
    return GLIM_OK;
}

static size_t count_busy(const glim_http *http) {
    size_t n = 0;
    for (size_t i = 0; i < http->n_slots; i++)
        n += http->slots[i].busy;
    return n;
}

glim_status glim__http_run(glim_http *http, size_t n, glim_http_fn *make, glim_http_fn *done,
                           void *data, glim_error *err) {
    size_t next = 0, busy = 1;
    glim_status status = GLIM_OK;
    glim_pipe_signal quiet;
    glim__pipe_signal_begin(&quiet);
    while (!status && (next < n || busy)) {
        double now = glim__seconds();
        int running;
        for (size_t i = 0; i < http->n_slots && !status; i++) {
            slot *s = &http->slots[i];
            if (!s->busy && next < n)
                status = fill(s, next++, make, data, err);
            else if (s->busy && !s->running && now >= s->not_before)
                status = start(s, err);
        }
        if (!status && curl_multi_perform(http->multi, &running))
            status = glim_fail(err, GLIM_EINTERNAL, "libcurl failed");
        if (!status)
            status = collect(http, done, data, err);
        busy = count_busy(http);
        if (!status && busy && (busy == http->n_slots || next == n))
            curl_multi_poll(http->multi, NULL, 0, SLICE_MS, NULL);
        if (!status)
            status = glim__check_cancel(http->box->ctx, err);
    }
    if (status)
        stop_all(http);
    glim__pipe_signal_end(&quiet);
    return status;
}

#else

glim_status glim__http_open(glim_http **out, glim_black_box *box, const char *url,
                            glim_error *err) {
    *out = NULL;
    return glim__box_fail(box, err, GLIM_EUNSUPPORTED, NULL, 0,
                          "this glim was built without libcurl (install libcurl4-openssl-dev and "
                          "build it again, or use process:)");
}

void glim__http_close(glim_http *http) {}

glim_status glim__http_run(glim_http *http, size_t n, glim_http_fn *make, glim_http_fn *done,
                           void *data, glim_error *err) {
    return glim_fail(err, GLIM_EUNSUPPORTED, "this glim was built without libcurl");
}

#endif
