/* SPDX-License-Identifier: Apache-2.0 */
/* The run of a probe without its labels: texts once through the model, one site off the disk. */
#include "reduce/texts-at-site.h"

#include <stdio.h>
#include <string.h>

typedef struct reading {
    glim_texts_at_site *r;
    glim_probe_options o;
    glim_probe_data data;
    glim_probe_inputs inputs;
    glim_probe_store store;
} reading;

static glim_status open_texts(reading *s, glim_error *err) {
    glim_texts_at_site *r = s->r;
    s->data = (glim_probe_data){.ctx = r->model->ctx, .path = r->path, .n = r->n};
    glim__arena_init(&s->data.arena, r->model->ctx, 1 << 14);
    glim__map_init(&s->data.classes.map, r->model->ctx);
    glim__map_init(&s->data.groups.map, r->model->ctx);
    glim__map_init(&s->data.types.map, r->model->ctx);
    s->data.taken = glim__calloc(r->model->ctx, r->n, sizeof *s->data.taken);
    if (!s->data.taken)
        return glim__oom(r->model->ctx, err, "the texts", r->n * sizeof *s->data.taken);
    memcpy(s->data.taken, r->rows, r->n * sizeof *s->data.taken);
    glim_status status = glim__rows_open(&s->data.table, r->model->ctx, r->path, false, err);
    return status ? status : glim__rows_column(s->data.table, r->text, &s->data.text, err);
}

/* The end of the last block, behind its norm where there is one. */
static void usual_site(const glim_model *m, char *out, size_t size) {
    const glim_model *half = m->encoder ? m->encoder : m;
    const char *norm = "";
    size_t n;
    const char *const *sites = glim_model_sites(m, &n);
    for (size_t i = 0; i < n && !m->encoder; i++)
        if (glim__site_match("blocks.*.hook_normalized_resid_post", sites[i]))
            norm = "normalized_";
    snprintf(out, size, "%sblocks.%d.hook_%sresid_post", m->encoder ? "encoder." : "",
             half->hyper.L - 1, norm);
}

static glim_status open_reading(reading *s, glim_texts_at_site *r, glim_error *err) {
    char last[64];
    *s = (reading){.r = r};
    const glim_model *m = r->model;
    if (m->vision)
        return glim_fail(err, GLIM_EUSAGE, "'%.200s' reads pictures; a map reads texts",
                         m->info.path);
    usual_site(m, last, sizeof last);
    s->o =
        (glim_probe_options){.path = r->path, .sites = r->site ? r->site : last, .pool = r->pool};
    glim_status status = open_texts(s, err);
    if (!status)
        status = glim__probe_tokens(&s->inputs, m, &s->data, err);
    if (!status)
        status = glim__probe_store_open(&s->store, m, &s->o, &s->inputs, r->n, err);
    if (!status && s->store.n_sites > 1)
        status =
            glim_fail(err, GLIM_EUSAGE, "--site '%.60s' names %zu sites; a map has one (%.60s)",
                      r->site, s->store.n_sites, s->store.sites[s->store.n_sites - 1].name);
    if (status)
        return status;
    r->width = s->store.sites[0].width;
    r->cut = s->inputs.cut;
    r->tokens = s->inputs.total;
    snprintf(r->site_name, sizeof r->site_name, "%s", s->store.sites[0].name);
    r->pool_name = r->pool ? r->pool : m->hyper.both_ways || m->encoder ? "mean" : "last";
    return GLIM_OK;
}

static void close(reading *s) {
    glim__probe_store_close(&s->store);
    glim__probe_inputs_release(&s->inputs);
    glim__probe_data_close(&s->data);
}

/* ---- classes ---- */

static int32_t largest(const float *x, size_t n) {
    size_t best = 0;
    for (size_t k = 1; k < n; k++)
        best = x[k] > x[best] ? k : best;
    return (int32_t)best;
}

static glim_status classify(reading *s, glim_error *err) {
    static const uint32_t zero = 0;
    glim_texts_at_site *r = s->r;
    glim_session *session = NULL;
    size_t K = (size_t)glim_model_facts(r->model)->outputs;
    r->predicted = glim__calloc(r->model->ctx, r->n, sizeof *r->predicted);
    glim_status status = r->predicted ? glim_session_new(&session, r->model, 0, err)
                                      : glim__oom(r->model->ctx, err, "classes", r->n * 4);
    glim__progress_begin(r->model->ctx, "classes", r->n);
    for (size_t i = 0; i < r->n && !status; i++) {
        glim_sequence q = glim__probe_sequence(r->model, &s->inputs.at[i], &zero);
        q.wanted = &zero;
        q.n_wanted = 1;
        status = glim_session_forward(session, &(glim_batch){.sequences = &q, .count = 1}, err);
        if (!status)
            r->predicted[i] = largest(glim_session_logits(session, 0, 0), K);
        glim__progress_add(r->model->ctx, 1);
        if (!status)
            status = glim__check_cancel(r->model->ctx, err);
    }
    glim__progress_end(r->model->ctx);
    glim_session_free(session);
    return status;
}

glim_status glim__texts_at_site(glim_texts_at_site *r, glim_error *err) {
    reading s;
    glim_context *ctx = r->model->ctx;
    glim_kept_work kept = {0}; /* nothing is */
    uint64_t ran = 0;
    r->x = NULL;
    r->predicted = NULL;
    glim_status status = open_reading(&s, r, err);
    if (!status) {
        r->x = glim__alloc(ctx, r->n * r->width * sizeof *r->x);
        status = r->x ? glim__probe_pass(&s.store, &s.inputs, &s.data, &kept, &ran, err)
                      : glim__oom(ctx, err, "the vectors of texts", r->n * r->width * 4);
    }
    if (!status)
        status = glim__probe_store_get(&s.store, 0, r->x, err);
    if (!status && r->classes)
        status = classify(&s, err);
    close(&s);
    if (status) {
        glim__free(ctx, r->x);
        glim__free(ctx, r->predicted);
        r->x = NULL;
        r->predicted = NULL;
    }
    return status;
}

glim_status glim__texts_at_site_plan(glim_texts_at_site *r, uint64_t *bytes, glim_error *err) {
    reading s;
    uint64_t wanted;
    glim_status status = open_reading(&s, r, err);
    if (!status)
        *bytes = glim__probe_pass_plan(&s.store, &s.inputs, &wanted) + 4 * r->n * r->width;
    close(&s);
    return status;
}
