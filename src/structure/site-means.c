/* SPDX-License-Identifier: Apache-2.0 */
/* A site's rows are added where they are seen; nothing is gathered. */
#include "structure/site-means.h"

#include "base/packing.h"
#include "model/model.h"
#include "structure/corpus-pass.h"

#include <stdio.h>
#include <string.h>

enum { WINDOW = 128, MOST_ROWS = 512 };

static size_t width_of(const glim_site *site) {
    size_t width = 1;
    for (int i = 1; i < site->n_dims; i++)
        width *= site->dims[i];
    return width;
}

static glim_status make_room(glim_site_sum *s, size_t width, glim_error *err) {
    size_t L = (size_t)s->m->hyper.L;
    s->width = width;
    s->sum = glim__calloc(s->m->ctx, L * width, sizeof *s->sum);
    return s->sum ? GLIM_OK : glim__oom(s->m->ctx, err, "means", L * width * sizeof *s->sum);
}

static glim_status add(void *data, const glim_site *site, glim_error *err) {
    glim_site_sum *s = data;
    size_t width = width_of(site), T = site->dims[0];
    glim_status status = s->sum ? GLIM_OK : make_room(s, width, err);
    if (!status && width != s->width)
        status = glim_fail(err, GLIM_EUNSUPPORTED, "%s has %zu numbers a row", site->name, width);
    if (status)
        return status;
    double *sum = s->sum + (size_t)site->layer * width;
    for (size_t t = T > 1; t < T; t++)
        for (size_t c = 0; c < width; c++)
            sum[c] += (double)site->data[t * width + c];
    return GLIM_OK;
}

void glim__site_means_init(glim_site_means *s, const glim_model *m, const char *const *sites,
                           size_t n) {
    *s = (glim_site_means){.ctx = m->ctx, .m = m, .n = n};
    for (size_t k = 0; k < n; k++) {
        s->at[k].m = m;
        snprintf(s->at[k].name, sizeof s->at[k].name, "%sblocks.*.%s", m->site_prefix, sites[k]);
        s->hooks[k] = (glim_hook){s->at[k].name, GLIM_HOOK_READ, add, &s->at[k]};
    }
}

void glim__site_means_release(glim_site_means *s) {
    for (size_t k = 0; k < s->n; k++)
        glim__free(s->ctx, s->at[k].sum);
    s->n = 0;
}

float glim__site_mean(const glim_site_means *s, int site, size_t layer, size_t c) {
    const glim_site_sum *own = &s->at[site];
    return own->sum && s->rows ? (float)(own->sum[layer * own->width + c] / (double)s->rows) : 0;
}

glim_status glim__site_means_input(glim_site_means *s, glim_predictor *p, glim_error *err) {
    s->rows += p->T - (p->T > 1);
    s->passages++;
    return p->observe(p, s->hooks, s->n, 0, err);
}

/* ---- a corpus ---- */

struct pass {
    glim_site_means *s;
    glim_kept_work *kept;
    glim_session *session;
    uint64_t *ran; /* tokens */
};

static size_t take(void *data, const glim_sequence *q, size_t n) {
    (void)data;
    size_t k = 0, rows = 0;
    while (k < n && (!k || rows + q[k].count <= MOST_ROWS))
        rows += q[k++].count;
    return k;
}

static glim_status put_state(struct pass *p, glim_error *err) {
    const glim_site_means *s = p->s;
    double began = glim__seconds();
    glim_buffer b;
    glim__buffer_init(&b, s->ctx);
    glim__pack_number(&b, s->passages);
    glim__pack_number(&b, s->rows);
    for (size_t k = 0; k < s->n; k++) {
        const glim_site_sum *own = &s->at[k];
        glim__pack_number(&b, own->width);
        if (own->sum)
            glim__buffer_append(&b, own->sum,
                                (size_t)s->m->hyper.L * own->width * sizeof *own->sum);
    }
    glim_status status = b.failed ? glim__oom(s->ctx, err, "means", b.len)
                                  : glim__work_put(p->kept, 0, b.data, b.len, err);
    glim__buffer_release(&b);
    glim__work_was_put(p->kept, began);
    return status;
}

static glim_status get_state(struct pass *p, glim_error *err) {
    glim_site_means *s = p->s;
    glim_buffer b;
    bool found;
    glim__buffer_init(&b, s->ctx);
    glim_status status = glim__work_get(p->kept, 0, &b, &found, err);
    glim_unpacking r = {b.data, b.data + b.len, false};
    if (!status && found) {
        s->passages = glim__unpack_number(&r);
        s->rows = glim__unpack_number(&r);
    }
    for (size_t k = 0; k < s->n && !status && found; k++) {
        size_t width = (size_t)glim__unpack_number(&r), L = (size_t)s->m->hyper.L;
        r.failed = r.failed || width > (size_t)(r.end - r.at) / sizeof(double) / L;
        if (!r.failed && width && !(status = make_room(&s->at[k], width, err)))
            glim__unpack_bytes(&r, s->at[k].sum, L * width * sizeof(double));
    }
    if (!status && r.failed)
        status = glim__store_unsound(p->kept->store, err);
    glim__buffer_release(&b);
    return status;
}

static glim_status run(void *data, const glim_corpus_batch *batch, glim_error *err) {
    struct pass *p = data;
    glim_site_means *s = p->s;
    glim_sequence q[MOST_ROWS];
    static const uint32_t zero = 0;
    for (size_t i = 0; i < batch->n; i++) { /* of the logits one row, which nobody reads */
        q[i] = batch->q[i];
        q[i].wanted = &zero;
        q[i].n_wanted = 1;
    }
    const glim_batch b = {.sequences = q, .count = batch->n, .hooks = s->hooks, .n_hooks = s->n};
    glim_status status = glim_session_forward(p->session, &b, err);
    for (size_t i = 0; i < batch->n && !status; i++)
        s->rows += batch->q[i].count - (batch->q[i].count > 1);
    s->passages += status ? 0 : batch->n;
    *p->ran += batch->rows;
    return status || !glim__work_is_due(p->kept) ? status : put_state(p, err);
}

glim_status glim__site_means_corpus(glim_site_means *s, const char *data, const char *column,
                                    glim_kept_work *kept, uint64_t *ran, glim_error *err) {
    struct pass p = {.s = s, .kept = kept, .ran = ran};
    glim_corpus *c = NULL;
    glim_status status = glim__corpus_open(&c, s->m, data, column, WINDOW, err);
    if (!status && kept->store) {
        glim_digest d = glim__work_digest(kept, "means of sites");
        for (size_t k = 0; k < s->n; k++)
            glim__digest_text(&d, s->at[k].name);
        glim__digest_text(&d, column);
        status = glim__work_file(kept, &d, data, err);
        kept->key = glim__digest_end(&d);
    }
    if (!status)
        status = get_state(&p, err);
    if (!status)
        status = glim_session_new(&p.session, s->m, 0, err);
    const glim_corpus_reader reader = {take, run, &p, s->passages};
    if (!status)
        status = glim__corpus_pass(c, s->m, &reader, err);
    if (!status && kept->store)
        status = put_state(&p, err);
    if (!status && !s->passages)
        status = glim_fail(err, GLIM_EUSAGE, "'%.200s' has no text that can be read", data);
    glim_session_free(p.session);
    glim__corpus_close(c);
    return status;
}
