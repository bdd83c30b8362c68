/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front of every black box. Masked inputs repeat (two equal words, a window of
 * all units), and an answer may cost a second and a cent: so inputs are looked up
 * first, asked once, and remembered up to CACHE_BYTES. What a backend answers is
 * checked here, row by row, before anybody computes with it. Results stand in the
 * order of the inputs, whatever order they came back in.
 */
#include "predict/black-box.h"
#include "base/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CACHE_BYTES = 64 << 20, QUOTE = 120 };

/* ---- messages ---- */

/* Up to QUOTE bytes of an answer, cut between characters. */
static size_t quote_end(const char *s, size_t n) {
    if (n <= QUOTE)
        return n;
    n = QUOTE;
    while (n && ((unsigned char)s[n] & 0xc0) == 0x80)
        n--;
    return n;
}

glim_status glim__box_fail(const glim_black_box *box, glim_error *err, glim_status status,
                           const char *quote, size_t quote_len, const char *format, ...) {
    char text[400], seen[QUOTE + 4] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!quote)
        return glim_fail(err, status, "predictor '%.80s': %s", box->info.spec, text);
    size_t n = quote_end(quote, quote_len);
    memcpy(seen, quote, n);
    memcpy(seen + n, n < quote_len ? "..." : "", n < quote_len ? 4 : 1);
    for (size_t i = 0; i < n; i++) /* a quote ends at a NUL else */
        seen[i] = seen[i] ? seen[i] : ' ';
    return glim_fail(err, status, "predictor '%.80s': %s: '%s'", box->info.spec, text, seen);
}

static const char *const scales[] = {"raw", "logit", "logprob", "prob"};

bool glim__scale_find(const char *name, glim_scale *out) {
    for (int i = 0; i < 4; i++)
        if (!strcmp(scales[i], name)) {
            *out = (glim_scale)i;
            return true;
        }
    return false;
}

const char *glim__scale_name(glim_scale scale) {
    return scales[scale];
}

glim_status glim__box_copy(glim_black_box *box, char **out, const char *s, size_t n,
                           glim_error *err) {
    *out = glim__strndup(box->ctx, s, n);
    return *out ? GLIM_OK : glim__oom(box->ctx, err, "the predictor", n);
}

/* ---- classes ---- */

static glim_status make_fresh(glim_black_box *box, glim_error *err) {
    size_t K = box->info.n_classes;
    if (box->fresh || !box->n_fresh || !K)
        return GLIM_OK;
    box->fresh = glim__calloc(box->ctx, box->n_fresh, K * sizeof *box->fresh);
    if (!box->fresh)
        return glim__oom(box->ctx, err, "the answers", box->n_fresh * K * sizeof *box->fresh);
    for (size_t i = 0; i < box->n_fresh * K; i++)
        box->fresh[i] = NAN;
    return GLIM_OK;
}

static glim_status first_classes(glim_black_box *box, const char *const *names, size_t n,
                                 glim_error *err) {
    char **all = glim__calloc(box->ctx, n, sizeof *all);
    bool ok = all;
    for (size_t k = 0; ok && k < n; k++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", k);
        all[k] = glim__strdup(box->ctx, names ? names[k] : number);
        ok = all[k];
    }
    if (!ok) {
        for (size_t k = 0; all && k < n; k++)
            glim__free(box->ctx, all[k]);
        glim__free(box->ctx, all);
        return glim__oom(box->ctx, err, "the classes", n * sizeof *all);
    }
    box->classes = all;
    box->named = names;
    box->info.classes = (const char *const *)all;
    box->info.n_classes = n;
    return GLIM_OK;
}

static glim_status check_names(const glim_black_box *box, const char *const *names, size_t n,
                               const char *quote, size_t quote_len, glim_error *err) {
    for (size_t k = 0; names && k < n; k++) {
        if (!*names[k])
            return glim__box_fail(box, err, GLIM_EFORMAT, quote, quote_len, "class %zu has no name",
                                  k);
        for (size_t j = 0; j < k; j++)
            if (n <= 1000 && !strcmp(names[j], names[k]))
                return glim__box_fail(box, err, GLIM_EFORMAT, quote, quote_len,
                                      "two classes are called '%.60s'", names[k]);
    }
    return GLIM_OK;
}

glim_status glim__box_set_classes(glim_black_box *box, const char *const *names, size_t n,
                                  glim_scale scale, const char *quote, size_t quote_len,
                                  glim_error *err) {
    size_t K = box->info.n_classes;
    glim_status status = GLIM_OK;
    if (n == 0 || n > GLIM_MOST_CLASSES)
        return glim__box_fail(box, err, n ? GLIM_ELIMIT : GLIM_EFORMAT, quote, quote_len,
                              "an answer has %zu numbers a row; between 1 and %d are possible", n,
                              GLIM_MOST_CLASSES);
    if (!K) {
        status = check_names(box, names, n, quote, quote_len, err);
        box->info.scale = scale;
        if (!status)
            status = first_classes(box, names, n, err);
        return status ? status : make_fresh(box, err);
    }
    if (n != K)
        return glim__box_fail(box, err, GLIM_EFORMAT, quote, quote_len,
                              "it answered %zu classes before and now %zu", K, n);
    if (scale != box->info.scale)
        return glim__box_fail(box, err, GLIM_EFORMAT, quote, quote_len,
                              "its scale was '%s' before and now is '%s'", scales[box->info.scale],
                              scales[scale]);
    for (size_t k = 0; names && k < n; k++)
        if (!box->named || strcmp(names[k], box->classes[k]))
            return glim__box_fail(box, err, GLIM_EFORMAT, quote, quote_len,
                                  "class %zu was called '%.60s' before and now '%.60s'", k,
                                  box->classes[k], names[k]);
    return make_fresh(box, err);
}

/* ---- rows ---- */

static glim_status check_row(const glim_black_box *box, const double *row, size_t index,
                             const char *quote, size_t quote_len, glim_error *err) {
    size_t K = box->info.n_classes;
    double sum = 0;
    for (size_t k = 0; k < K; k++) {
        if (!isfinite(row[k]))
            return glim__box_fail(box, err, GLIM_ENUMERIC, quote, quote_len,
                                  "row %zu holds %s for class '%.40s'", index,
                                  isnan(row[k]) ? "NaN" : "an infinity", box->classes[k]);
        if (box->info.scale == GLIM_SCALE_PROB &&
            (row[k] < -GLIM_PROB_TOLERANCE || row[k] > 1 + GLIM_PROB_TOLERANCE))
            return glim__box_fail(box, err, GLIM_EFORMAT, quote, quote_len,
                                  "row %zu gives class '%.40s' the probability %g", index,
                                  box->classes[k], row[k]);
        if (box->info.scale == GLIM_SCALE_LOGPROB && row[k] > GLIM_PROB_TOLERANCE)
            return glim__box_fail(box, err, GLIM_EFORMAT, quote, quote_len,
                                  "row %zu gives class '%.40s' the log-probability %g", index,
                                  box->classes[k], row[k]);
        sum += row[k];
    }
    if (box->info.scale == GLIM_SCALE_PROB && K > 1 && fabs(sum - 1) > GLIM_PROB_TOLERANCE)
        return glim__box_fail(box, err, GLIM_EFORMAT, quote, quote_len,
                              "the probabilities of row %zu sum to %.6g, not to 1 within %g (say "
                              "\"scale\": \"raw\" if they are none)",
                              index, sum, GLIM_PROB_TOLERANCE);
    return GLIM_OK;
}

glim_status glim__box_store(glim_black_box *box, size_t first, const double *rows, size_t n,
                            const char *quote, size_t quote_len, glim_error *err) {
    size_t K = box->info.n_classes;
    for (size_t i = 0; i < n; i++) {
        glim_status status = check_row(box, rows + i * K, i, quote, quote_len, err);
        if (status)
            return status;
    }
    memcpy(box->fresh + first * K, rows, n * K * sizeof *rows);
    box->info.asked += n;
    glim__progress_add(box->ctx, n);
    return box->store ? glim__box_store_put(box, box->asking + first, rows, n, err) : GLIM_OK;
}

/* ---- asking ---- */

/* Remembers answers until memory says no; forgetting is no error. */
static void remember(glim_black_box *box, const glim_input *in, const double *row) {
    size_t K = box->info.n_classes, cost = in->len + K * sizeof *row + 128;
    if (box->bytes + cost > CACHE_BYTES)
        return;
    if (box->n_known == box->room) {
        size_t room = box->room ? 2 * box->room : 64;
        double *rows = glim__realloc(box->ctx, box->rows, room * K * sizeof *rows);
        if (!rows)
            return;
        box->rows = rows;
        box->room = room;
    }
    char *key = glim__arena_strndup(&box->texts, in->text, in->len);
    if (!key || !glim__map_set(&box->index, key, in->len, (int32_t)box->n_known, NULL))
        return;
    memcpy(box->rows + box->n_known * K, row, K * sizeof *row);
    box->n_known++;
    box->bytes += cost;
}

/* The number of a remembered row that answers, or -1; the store's are remembered. */
static glim_status look_up(glim_black_box *box, const glim_input *in, double *room, int32_t *out,
                           glim_error *err) {
    bool found = false;
    *out = glim__map_get(&box->index, in->text, in->len);
    if (*out >= 0 || !box->store || !room)
        return GLIM_OK;
    glim_status status = glim__box_store_find(box, in, room, &found, err);
    if (!status && found) {
        remember(box, in, room);
        *out = glim__map_get(&box->index, in->text, in->len);
    }
    return status;
}

/* where[i] >= 0: a remembered row; else ~where[i] counts the inputs to ask. */
static glim_status sort_out(glim_black_box *box, const glim_input *in, size_t n, int32_t *where,
                            glim_input *unasked, glim_error *err) {
    glim_map pending;
    glim_status status = GLIM_OK;
    size_t K = box->info.n_classes;
    double *room = box->store && K ? glim__calloc(box->ctx, K, sizeof *room) : NULL;
    glim__map_init(&pending, box->ctx);
    box->n_fresh = 0;
    for (size_t i = 0; i < n && !status; i++) {
        status = look_up(box, &in[i], room, &where[i], err);
        if (status || where[i] >= 0)
            continue;
        int32_t at = glim__map_get(&pending, in[i].text, in[i].len);
        if (at < 0) {
            at = (int32_t)box->n_fresh;
            unasked[box->n_fresh++] = in[i];
            if (!glim__map_set(&pending, in[i].text, in[i].len, at, NULL))
                status = glim__oom(box->ctx, err, "the inputs", n * sizeof *in);
        }
        where[i] = ~at;
    }
    glim__map_release(&pending);
    glim__free(box->ctx, room);
    return status;
}

static glim_status give(glim_black_box *box, const int32_t *where, size_t n, double **values,
                        glim_error *err) {
    size_t K = box->info.n_classes;
    if (!K)
        return GLIM_OK; /* nothing was answered */
    *values = glim__calloc(box->ctx, n, K * sizeof **values);
    if (!*values)
        return glim__oom(box->ctx, err, "the answers", n * K * sizeof **values);
    for (size_t i = 0; i < n; i++) {
        const double *row = where[i] >= 0 ? box->rows + (size_t)where[i] * K
                            : box->fresh  ? box->fresh + (size_t)~where[i] * K
                                          : NULL;
        for (size_t k = 0; k < K; k++)
            (*values)[i * K + k] = row ? row[k] : NAN;
    }
    return GLIM_OK;
}

glim_status glim_black_box_ask(glim_black_box *box, const glim_input *inputs, size_t n,
                               double **values, glim_error *err) {
    *values = NULL;
    if (n > INT32_MAX / 2)
        return glim_fail(err, GLIM_ELIMIT, "%zu inputs at once are too many", n);
    int32_t *where = glim__calloc(box->ctx, n, sizeof *where);
    glim_input *unasked = glim__calloc(box->ctx, n, sizeof *unasked);
    glim_status status = where && unasked
                             ? sort_out(box, inputs, n, where, unasked, err)
                             : glim__oom(box->ctx, err, "the inputs", n * sizeof *inputs);
    if (!status)
        status = make_fresh(box, err);
    if (!status) {
        box->asking = unasked;
        if (box->n_fresh)
            status = box->backend->ask(box, unasked, box->n_fresh, err);
        glim_status given = give(box, where, n, values, status ? NULL : err);
        status = status ? status : given;
        for (size_t i = 0; i < box->n_fresh && box->fresh; i++)
            if (!isnan(box->fresh[i * box->info.n_classes]))
                remember(box, &unasked[i], box->fresh + i * box->info.n_classes);
    }
    glim__free(box->ctx, box->fresh);
    box->fresh = NULL;
    box->n_fresh = 0;
    glim__free(box->ctx, where);
    glim__free(box->ctx, unasked);
    return status;
}

void glim_black_box_values_free(glim_black_box *box, double *values) {
    glim__free(box->ctx, values);
}

const glim_black_box_info *glim_black_box_facts(const glim_black_box *box) {
    return &box->info;
}

/* ---- opening ---- */

static const glim_backend *const backends[] = {&glim__backend_process, &glim__backend_http,
                                               &glim__backend_openai, &glim__backend_plugin};

/* The spec without what must not be told: "user:password@" and "?query". */
static void hide_secrets(char *spec) {
    char *host = strstr(spec, "://");
    if (!strncmp(spec, "process:", 8) || !strncmp(spec, "plugin:", 7) || !host)
        return;
    host += 3;
    size_t end = strcspn(host, "/?#");
    char *at = NULL;
    for (size_t i = 0; i < end; i++)
        if (host[i] == '@')
            at = host + i;
    if (at)
        memmove(host, at + 1, strlen(at + 1) + 1);
    char *query = strchr(host, '?'), *fragment = strchr(host, '#');
    if (query && (!fragment || query < fragment)) {
        char *rest = fragment ? fragment : query + strlen(query);
        memmove(query, rest, strlen(rest) + 1);
    }
}

static glim_status copy_option(glim_black_box *box, char **out, const char *s, glim_error *err) {
    return s ? glim__box_copy(box, out, s, strlen(s), err) : GLIM_OK;
}

static glim_status copy_options(glim_black_box *box, const glim_black_box_options *o,
                                glim_error *err) {
    static const glim_black_box_options none;
    o = o ? o : &none;
    if (!(o->timeout >= 0) || o->timeout > 1e6)
        return glim_fail(err, GLIM_EUSAGE, "a time limit of %g seconds is out of range",
                         o->timeout);
    box->timeout = o->timeout > 0 ? o->timeout : 60;
    box->info.batch_size = o->batch_size ? o->batch_size : 256;
    box->info.concurrency = o->concurrency ? o->concurrency : 4;
    if (box->info.batch_size > 65536 || box->info.concurrency > 256)
        return glim_fail(err, GLIM_EUSAGE,
                         "a batch has at most 65536 inputs, and 256 calls may be under way");
    box->length_normalise = o->length_normalise;
    glim_status status = copy_option(box, &box->headers, o->headers, err);
    if (!status)
        status = copy_option(box, &box->labels, o->labels, err);
    if (!status)
        status = copy_option(box, &box->prompt, o->prompt, err);
    return status;
}

static glim_black_box *make(glim_context *ctx, const char *spec, glim_error *err) {
    glim_black_box *box = glim__calloc(ctx, 1, sizeof *box);
    char *copy = box ? glim__strdup(ctx, spec) : NULL;
    if (!copy) {
        glim__oom(ctx, err, "the predictor", sizeof *box);
        glim__free(ctx, box);
        return NULL;
    }
    hide_secrets(copy);
    box->ctx = ctx;
    box->spec = copy;
    box->info.spec = copy;
    glim__map_init(&box->index, ctx);
    glim__arena_init(&box->texts, ctx, 1 << 16);
    return box;
}

glim_status glim_black_box_open(glim_black_box **out, glim_context *ctx, const char *spec,
                                const glim_black_box_options *options, glim_error *err) {
    const char *colon = strchr(spec, ':'), *rest = colon ? colon + 1 : NULL;
    const glim_backend *backend = NULL;
    *out = NULL;
    for (size_t i = 0; colon && i < sizeof backends / sizeof *backends; i++)
        if (strlen(backends[i]->kind) == (size_t)(colon - spec) &&
            !memcmp(spec, backends[i]->kind, (size_t)(colon - spec)))
            backend = backends[i];
    if (colon && !strncmp(spec, "https:", 6))
        backend = &glim__backend_http;
    if (rest && backend == &glim__backend_http) /* http://HOST alike http:http://HOST */
        rest = !strncmp(rest, "http://", 7) || !strncmp(rest, "https://", 8) ? rest : spec;
    if (!backend || !*rest || glim__utf8_check(spec, strlen(spec)) != strlen(spec))
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.80s' is no predictor (process:COMMAND, http:URL, openai:URL or "
                         "plugin:FILE.so)",
                         spec);
    glim_black_box *box = make(ctx, spec, err);
    if (!box)
        return err ? err->status : GLIM_ENOMEM;
    box->backend = backend;
    box->info.kind = backend->kind;
    glim_status status = copy_options(box, options, err);
    if (!status)
        status = backend->open(box, rest, err);
    if (!status && options && options->store)
        status = glim__box_store_open(box, options->store, err);
    if (status) {
        glim_black_box_close(box);
        return status;
    }
    *out = box;
    return GLIM_OK;
}

void glim_black_box_close(glim_black_box *box) {
    if (!box)
        return;
    glim_context *ctx = box->ctx;
    box->backend->close(box);
    glim__box_store_close(box);
    for (size_t k = 0; box->classes && k < box->info.n_classes; k++)
        glim__free(ctx, box->classes[k]);
    glim__free(ctx, box->classes);
    glim__map_release(&box->index);
    glim__arena_release(&box->texts);
    glim__free(ctx, box->rows);
    char *strings[] = {box->headers, box->labels, box->prompt, box->spec,
                       box->name,    box->digest, box->how};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        glim__free(ctx, strings[i]);
    glim__free(ctx, box);
}

/* ---- a function of the caller ---- */

struct function {
    glim_black_box_function *call;
    void *data;
};

static glim_status ask_function(glim_black_box *box, const glim_input *inputs, size_t n,
                                glim_error *err) {
    const struct function *f = box->state;
    size_t K = box->info.n_classes, most = box->info.batch_size;
    double *rows = glim__calloc(box->ctx, n < most ? n : most, K * sizeof *rows);
    glim_status status = rows ? GLIM_OK : glim__oom(box->ctx, err, "the answers", n * K);
    for (size_t at = 0; at < n && !status; at += most) {
        size_t m = n - at < most ? n - at : most;
        for (size_t i = 0; i < m * K; i++)
            rows[i] = NAN;
        box->info.calls++;
        status = f->call(f->data, box->kind, inputs + at, m, rows, err);
        if (!status)
            status = glim__check_cancel(box->ctx, err);
        if (!status)
            status = glim__box_store(box, at, rows, m, NULL, 0, err);
    }
    glim__free(box->ctx, rows);
    return status;
}

static void close_function(glim_black_box *box) {
    glim__free(box->ctx, box->state);
}

glim_status glim_black_box_new(glim_black_box **out, glim_context *ctx,
                               glim_black_box_function *function, void *data,
                               const char *const *classes, size_t n_classes, glim_scale scale,
                               glim_error *err) {
    static const glim_backend backend = {
        .kind = "function", .ask = ask_function, .close = close_function};
    glim_error local;
    *out = NULL;
    err = err ? err : &local;
    glim_black_box *box = make(ctx, "function", err);
    if (!box)
        return err->status;
    box->backend = &backend;
    box->info.kind = backend.kind;
    struct function *f = box->state = glim__calloc(ctx, 1, sizeof *f);
    glim_status status = f ? copy_options(box, NULL, err) : glim__oom(ctx, err, "the predictor", 0);
    if (!status)
        status = glim__box_set_classes(box, classes, n_classes, scale, NULL, 0, err);
    if (status) {
        glim_black_box_close(box);
        return status;
    }
    *f = (struct function){function, data};
    *out = box;
    return GLIM_OK;
}
