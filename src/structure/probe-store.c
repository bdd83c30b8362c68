/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vectors of all sites on disk. A visit of a hook writes its own rows where they belong, so
 * nothing is gathered in memory; the pages are the system's to keep. Halves are rounded to even;
 * what is too large for one is refused, since a probe of infinities says nothing.
 */
#include "structure/probe-store.h"
#include "model/site-names.h"
#include "tensor/dequantise.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHUNK = 4096 };

static const char WHAT[] = "the values of sites";

static glim_status oom(const glim_probe_store *s, uint64_t n, glim_error *err) {
    return glim__oom(s->ctx, err, "the sites", n);
}

/* ---- halves ---- */

/* IEEE half of x; infinity for what is too large. */
static uint16_t to_half(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size >= 0x47800000) /* 65536 */
        return (uint16_t)(sign | (size > 0x7f800000 ? 0x7e00 : 0x7c00));
    if (size < 0x38800000) { /* subnormal halves: multiples of 2^-24 */
        float scaled = fabsf(x) * 0x1p24f;
        return (uint16_t)(sign | (uint32_t)lrintf(scaled));
    }
    uint32_t rest = size - 0x38000000, half = rest >> 13, low = rest & 0x1fff;
    half += low > 0x1000 || (low == 0x1000 && (half & 1));
    return (uint16_t)(sign | half);
}

static glim_status put(glim_probe_store *s, const glim_probe_site *site, size_t row, const float *x,
                       glim_error *err) {
    uint16_t halves[CHUNK];
    size_t each = s->half ? sizeof *halves : sizeof *x;
    uint64_t at = site->at + row * site->width * each;
    if (!s->half)
        return glim__spool_put(&s->spool, at, x, site->width * each, err);
    glim_status status = GLIM_OK;
    for (size_t j = 0, n; j < site->width && !status; j += n) {
        n = site->width - j < CHUNK ? site->width - j : CHUNK;
        for (size_t i = 0; i < n; i++) {
            halves[i] = to_half(x[j + i]);
            if ((halves[i] & 0x7c00) == 0x7c00)
                return glim_fail(err, GLIM_ENUMERIC,
                                 "%s has the value %g, which no half holds (leave out --half)",
                                 site->name, (double)x[j + i]);
        }
        status = glim__spool_put(&s->spool, at + j * each, halves, n * each, err);
    }
    return status;
}

glim_status glim__probe_store_get(const glim_probe_store *s, size_t site, float *x,
                                  glim_error *err) {
    uint16_t halves[CHUNK];
    size_t count = s->n * s->sites[site].width;
    uint64_t at = s->sites[site].at;
    if (!s->half)
        return glim__spool_get(&s->spool, at, x, count * sizeof *x, err);
    glim_status status = GLIM_OK;
    for (size_t j = 0, n; j < count && !status; j += n) {
        n = count - j < CHUNK ? count - j : CHUNK;
        status = glim__spool_get(&s->spool, at + j * 2, halves, n * 2, err);
        for (size_t i = 0; i < n && !status; i++)
            x[j + i] = glim__half_to_float(halves[i]);
    }
    return status;
}

/* ---- which sites ---- */

static glim_status add_site(glim_probe_store *s, const glim_site *site, glim_error *err) {
    if (s->n_sites == s->room) {
        size_t room = s->room ? 2 * s->room : 64;
        glim_probe_site *grown = glim__realloc(s->ctx, s->sites, room * sizeof *grown);
        if (!grown)
            return oom(s, room * sizeof *grown, err);
        s->sites = grown;
        s->room = room;
    }
    size_t width = 1;
    for (int i = 1; i < site->n_dims; i++)
        width *= site->dims[i];
    const char *name = glim__arena_strdup(&s->arena, site->name);
    if (!name)
        return oom(s, strlen(site->name), err);
    s->sites[s->n_sites++] = (glim_probe_site){.name = name, .width = width, .at = s->bytes};
    if (__builtin_add_overflow(s->bytes, (uint64_t)s->n * width * (s->half ? 2 : 4), &s->bytes))
        return glim_fail(err, GLIM_ELIMIT, "%zu rows are too many", s->n);
    s->widest = width > s->widest ? width : s->widest;
    return GLIM_OK;
}

struct declaring {
    glim_probe_store *s;
    size_t rows;
};

static glim_status declare(void *data, const glim_site *site, glim_error *err) {
    struct declaring *d = data;
    const glim_model *m = d->s->model;
    for (size_t i = 0; i < d->s->n_sites; i++)
        if (!strcmp(d->s->sites[i].name, site->name))
            return GLIM_OK;
    if (m->encoder && strncmp(site->name, "encoder.", 8) != 0)
        return glim_fail(err, GLIM_EUSAGE,
                         "%s belongs to what this model writes; a probe looks at what it reads "
                         "(encoder.*)",
                         site->name);
    const char *last = strrchr(site->name, '_');
    bool square = last && (!strcmp(last, "_pattern") || !strcmp(last, "_scores"));
    if (square || site->n_dims < 2 || site->dims[0] != d->rows)
        return glim_fail(err, GLIM_EUSAGE,
                         "%s has no vector for each token, so it cannot be probed (the residual "
                         "stream has: blocks.*.hook_resid_post)",
                         site->name);
    return add_site(d->s, site, err);
}

/* The embedding of the tokens alone and what leaves each block, behind its norm where there is
   one. */
static const char *usual_sites(const glim_model *m) {
    size_t n;
    const char *const *sites = glim_model_sites(m, &n);
    if (m->encoder)
        return "encoder.hook_embed,encoder.blocks.*.hook_resid_post";
    for (size_t i = 0; i < n; i++)
        if (glim__site_match("blocks.*.hook_normalized_resid_post", sites[i]))
            return "hook_embed,blocks.*.hook_normalized_resid_post";
    return "hook_embed,blocks.*.hook_resid_post";
}

static glim_status read_patterns(glim_probe_store *s, glim_error *err) {
    const char *given = s->options->sites ? s->options->sites : usual_sites(s->model);
    char *own = glim__arena_strdup(&s->arena, given), *save;
    size_t most = 1;
    for (const char *c = given; *c; c++)
        most += *c == ',';
    s->hooks = glim__calloc(s->ctx, most, sizeof *s->hooks);
    if (!own || !s->hooks)
        return oom(s, most * sizeof *s->hooks, err);
    for (char *p = strtok_r(own, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        glim_status status = glim__sites_check(s->model, p, err);
        if (status)
            return status;
        s->hooks[s->n_hooks++] = (glim_hook){.pattern = p, .actions = GLIM_HOOK_READ};
    }
    return s->n_hooks ? GLIM_OK : glim_fail(err, GLIM_EUSAGE, "--site names nothing");
}

/* ---- the pass ---- */

static void set_visit(glim_probe_store *s,
                      glim_status (*visit)(void *, const glim_site *, glim_error *), void *data) {
    for (size_t i = 0; i < s->n_hooks; i++) {
        s->hooks[i].visit = visit;
        s->hooks[i].data = data;
    }
}

static glim_batch batch_of(const glim_probe_store *s, const glim_sequence *q,
                           const glim_sequence *sources, size_t n) {
    glim_batch b = {.sequences = q, .count = n, .hooks = s->hooks, .n_hooks = s->n_hooks};
    if (s->model->encoder) {
        b.sources = sources;
        b.n_sources = n;
    }
    return b;
}

static glim_status find_sites(glim_probe_store *s, const glim_probe_inputs *in, glim_error *err) {
    static const uint32_t zero = 0;
    const glim_probe_input *longest = &in->at[0];
    for (size_t i = 1; i < in->n && longest->n < 2; i++)
        longest = &in->at[i];
    glim_probe_input few = *longest;
    few.n = few.n < 2 ? few.n : 2;
    struct declaring d = {s, few.n};
    glim_sequence q = glim__probe_sequence(s->model, &few, &zero);
    glim_sequence source = {.ids = few.ids, .count = few.n};
    glim_batch b = batch_of(s, &q, &source, 1);
    glim_session *session = NULL;
    set_visit(s, declare, &d);
    glim_status status = glim_session_new(&session, s->model, 0, err);
    if (!status)
        status = glim_session_forward(session, &b, err);
    glim_session_free(session);
    return status;
}

glim_status glim__probe_store_open(glim_probe_store *s, const glim_model *model,
                                   const glim_probe_options *o, const glim_probe_inputs *in,
                                   size_t n, glim_error *err) {
    *s = (glim_probe_store){
        .ctx = model->ctx, .model = model, .options = o, .half = o->half, .n = n};
    s->spool.fd = -1;
    glim__arena_init(&s->arena, model->ctx, 1 << 14);
    glim_status status = read_patterns(s, err);
    return status ? status : find_sites(s, in, err);
}

void glim__probe_store_close(glim_probe_store *s) {
    if (!s->ctx)
        return;
    glim__spool_close(&s->spool);
    glim__free(s->ctx, s->sites);
    glim__free(s->ctx, s->hooks);
    glim__arena_release(&s->arena);
    s->ctx = NULL;
}

struct passing {
    glim_probe_store *s;
    const glim_probe_data *d;
    size_t first; /* text of the batch */
    const char *how;
    float *vector; /* (widest) */
    glim_kept_work *kept;
    uint64_t ran; /* tokens */
};

static glim_status keep(void *data, const glim_site *site, glim_error *err) {
    struct passing *p = data;
    size_t text = p->first + site->sequence, k = 0;
    while (strcmp(p->s->sites[k].name, site->name) != 0)
        k++;
    const glim_probe_site *own = &p->s->sites[k];
    if (!p->d->words) {
        glim__probe_pool(site->data, own->width, 0, site->dims[0], p->how, p->vector);
        return put(p->s, own, text, p->vector, err);
    }
    const glim_probe_sentence *sentence = &p->d->sentences[text];
    glim_status status = GLIM_OK;
    for (size_t w = sentence->first; w < sentence->first + sentence->count && !status; w++) {
        const glim_probe_span *span = &p->d->spans[w];
        glim__probe_pool(site->data, own->width, span->start, span->end, p->how, p->vector);
        status = put(p->s, own, w, p->vector, err);
    }
    return status;
}

/* So few that activations stay in the cache between products: a quarter faster than 1,024. */
enum { BATCH_ROWS = 240, BATCH_TEXTS = 128, FEW_ROWS = 64 };

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Of a batch of about that many rows, the longest text among them. */
static uint64_t batch_bytes(const glim_probe_store *s, const glim_probe_inputs *in, size_t rows) {
    size_t mean = (size_t)(in->total / in->n) + 1, texts = rows / mean + 1;
    texts = texts < BATCH_TEXTS ? texts : BATCH_TEXTS;
    rows = larger(rows, in->longest);
    return glim_session_plan(s->model, rows, texts, in->longest, texts, false, NULL) +
           glim_session_plan_hooks(s->model, s->hooks, s->n_hooks, rows, in->longest, false, NULL);
}

uint64_t glim__probe_pass_plan(const glim_probe_store *s, const glim_probe_inputs *in,
                               uint64_t *wanted) {
    uint64_t own = s->widest * sizeof(float) + BATCH_TEXTS * 2 * sizeof(glim_sequence);
    *wanted = own + batch_bytes(s, in, BATCH_ROWS);
    return own + batch_bytes(s, in, 1);
}

/* Tokens of a batch that memory allows. */
static size_t batch_rows(const glim_probe_store *s, const glim_probe_inputs *in) {
    size_t rows = BATCH_ROWS;
    uint64_t left = glim__budget_left(s->ctx);
    while (rows > FEW_ROWS && batch_bytes(s, in, rows) > left / 2)
        rows /= 2;
    return batch_bytes(s, in, rows) > left / 2 ? 1 : rows;
}

static glim_status run(struct passing *p, const glim_probe_inputs *in, glim_session *session,
                       glim_sequence *q, size_t most, size_t at, size_t to, glim_error *err) {
    static const uint32_t zero = 0;
    glim_status status = GLIM_OK;
    for (size_t n; at < to && !status; at += n) {
        size_t rows = 0;
        for (n = 0; at + n < to && n < BATCH_TEXTS; n++) {
            const glim_probe_input *x = &in->at[at + n];
            if (n && rows + x->n > most)
                break;
            q[n] = glim__probe_sequence(p->s->model, x, &zero);
            q[BATCH_TEXTS + n] = (glim_sequence){.ids = x->ids, .count = x->n};
            rows += x->n;
        }
        p->first = at;
        glim_batch b = batch_of(p->s, q, q + BATCH_TEXTS, n);
        status = glim_session_forward(session, &b, err);
        glim__progress_add(p->s->ctx, rows);
        p->ran += rows;
        if (!status)
            status = glim__check_cancel(p->s->ctx, err);
    }
    return status;
}

/* The row of the first word, or the text itself. */
static size_t row_of(const glim_probe_data *d, size_t text, size_t texts) {
    if (!d->words)
        return text;
    return text < texts ? d->sentences[text].first : d->n;
}

/* A block of texts, of all those that are kept together. */
static glim_status run_block(struct passing *p, const glim_probe_inputs *in, glim_session *session,
                             glim_sequence *q, size_t most, size_t block, glim_error *err) {
    size_t at = block * BATCH_TEXTS, to = at + BATCH_TEXTS < in->n ? at + BATCH_TEXTS : in->n;
    size_t first = row_of(p->d, at, in->n), n = row_of(p->d, to, in->n) - first;
    bool found = false;
    glim_status status = glim__probe_block_get(p->s, p->kept, block, first, n, &found, err);
    for (size_t i = at; i < to && found; i++)
        glim__progress_add(p->s->ctx, in->at[i].n);
    if (status || found)
        return status ? status : glim__check_cancel(p->s->ctx, err);
    status = run(p, in, session, q, most, at, to, err);
    return status ? status : glim__probe_block_put(p->s, p->kept, block, first, n, err);
}

glim_status glim__probe_pass(glim_probe_store *s, const glim_probe_inputs *in,
                             const glim_probe_data *d, glim_kept_work *kept, uint64_t *ran,
                             glim_error *err) {
    const char *pool = s->options->pool                                 ? s->options->pool
                       : s->model->hyper.both_ways || s->model->encoder ? "mean"
                                                                        : "last";
    struct passing p = {.s = s, .d = d, .kept = kept, .how = d->words ? s->options->word : pool};
    p.how = p.how ? p.how : "last";
    size_t most = batch_rows(s, in);
    glim_session *session = NULL;
    glim_sequence *q = glim__calloc(s->ctx, (size_t)2 * BATCH_TEXTS, sizeof *q);
    p.vector = glim__calloc(s->ctx, s->widest, sizeof *p.vector);
    glim_status status = q && p.vector ? glim__spool_open(&s->spool, WHAT, err)
                                       : oom(s, 2 * BATCH_TEXTS * sizeof *q, err);
    set_visit(s, keep, &p);
    if (!status)
        status = glim_session_new(&session, s->model, 0, err);
    glim__progress_begin(s->ctx, "texts", in->total);
    for (size_t block = 0; block * BATCH_TEXTS < in->n && !status; block++)
        status = run_block(&p, in, session, q, most, block, err);
    *ran += p.ran;
    glim__progress_end(s->ctx);
    glim_session_free(session);
    glim__free(s->ctx, q);
    glim__free(s->ctx, p.vector);
    return status;
}
