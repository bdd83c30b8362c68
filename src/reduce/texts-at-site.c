/* SPDX-License-Identifier: Apache-2.0 */
/* The run of a probe without its labels: texts once through the model, then one site at a time off
   the disk. */
#include "reduce/texts-at-site.h"

#include <stdio.h>
#include <string.h>

typedef struct glim_texts_reading {
    glim_probe_options o;
    glim_probe_data data;
    glim_probe_inputs inputs;
    glim_probe_store store;
    char usual[64];
} reading;

static glim_context *context(const glim_texts_at_site *r) {
    return r->model->ctx;
}

static glim_status open_texts(glim_texts_at_site *r, reading *s, glim_error *err) {
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

static glim_status open_reading(glim_texts_at_site *r, reading *s, glim_error *err) {
    const glim_model *m = r->model;
    usual_site(m, s->usual, sizeof s->usual);
    s->o = (glim_probe_options){
        .path = r->path, .sites = r->site ? r->site : s->usual, .pool = r->pool};
    glim_status status = open_texts(r, s, err);
    if (!status)
        status = glim__probe_tokens(&s->inputs, m, &s->data, err);
    if (!status)
        status = glim__probe_store_open(&s->store, m, &s->o, &s->inputs, r->n, err);
    if (status)
        return status;
    r->n_sites = s->store.n_sites;
    r->widest = s->store.widest;
    r->cut = s->inputs.cut;
    r->tokens = s->inputs.total;
    r->pool_name = r->pool ? r->pool : m->hyper.both_ways || m->encoder ? "mean" : "last";
    return GLIM_OK;
}

glim_status glim__texts_open(glim_texts_at_site *r, glim_error *err) {
    if (r->model->vision)
        return glim_fail(err, GLIM_EUSAGE, "'%.200s' reads pictures; a map reads texts",
                         r->model->info.path);
    r->reading = glim__calloc(context(r), 1, sizeof *r->reading);
    return r->reading ? open_reading(r, r->reading, err)
                      : glim__oom(context(r), err, "the texts", sizeof *r->reading);
}

void glim__texts_close(glim_texts_at_site *r) {
    if (!r->reading)
        return;
    glim__probe_store_close(&r->reading->store);
    glim__probe_inputs_release(&r->reading->inputs);
    glim__probe_data_close(&r->reading->data);
    glim__free(context(r), r->reading);
    r->reading = NULL;
}

/* ---- classes ---- */

static int32_t largest(const float *x, size_t n) {
    size_t best = 0;
    for (size_t k = 1; k < n; k++)
        best = x[k] > x[best] ? k : best;
    return (int32_t)best;
}

static glim_status classify(glim_texts_at_site *r, glim_error *err) {
    static const uint32_t zero = 0;
    glim_session *session = NULL;
    size_t K = (size_t)glim_model_facts(r->model)->outputs;
    r->predicted = glim__calloc(context(r), r->n, sizeof *r->predicted);
    glim_status status = r->predicted ? glim_session_new(&session, r->model, 0, err)
                                      : glim__oom(context(r), err, "classes", r->n * 4);
    glim__progress_begin(context(r), "classes", r->n);
    for (size_t i = 0; i < r->n && !status; i++) {
        glim_sequence q = glim__probe_sequence(r->model, &r->reading->inputs.at[i], &zero);
        q.wanted = &zero;
        q.n_wanted = 1;
        status = glim_session_forward(session, &(glim_batch){.sequences = &q, .count = 1}, err);
        if (!status)
            r->predicted[i] = largest(glim_session_logits(session, 0, 0), K);
        glim__progress_add(context(r), 1);
        if (!status)
            status = glim__check_cancel(context(r), err);
    }
    glim__progress_end(context(r));
    glim_session_free(session);
    return status;
}

/* ---- the run ---- */

uint64_t glim__texts_plan(const glim_texts_at_site *r) {
    uint64_t wanted;
    return glim__probe_pass_plan(&r->reading->store, &r->reading->inputs, &wanted);
}

glim_status glim__texts_run(glim_texts_at_site *r, glim_error *err) {
    reading *s = r->reading;
    glim_kept_work kept = {0}; /* nothing is */
    uint64_t ran = 0;
    glim_status status = glim__probe_pass(&s->store, &s->inputs, &s->data, &kept, &ran, err);
    return !status && r->classes ? classify(r, err) : status;
}

const char *glim__texts_site(const glim_texts_at_site *r, size_t site, size_t *width) {
    const glim_probe_site *at = &r->reading->store.sites[site];
    *width = at->width;
    return at->name;
}

glim_status glim__texts_get(const glim_texts_at_site *r, size_t site, float *x, glim_error *err) {
    return glim__probe_store_get(&r->reading->store, site, x, err);
}
