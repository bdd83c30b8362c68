/* SPDX-License-Identifier: Apache-2.0 */
/* A document of panels about a predictor's input. */
#include "structure/report.h"
#include "base/names.h"
#include "model/model.h"

#include <math.h>
#include <string.h>

static bool name_method(glim_document *d, const glim_report_words *words, const char *params) {
    d->kind = words->kind;
    d->method.name = words->name;
    d->method.summary = words->summary;
    d->method.cite = words->cite;
    d->method.caption = words->caption;
    d->method.params = glim_document_text(d, params, strlen(params));
    return d->method.params != NULL;
}

glim_status glim__report_begin(glim_report *r, const glim_predictor *p,
                               const glim_report_words *words, const char *params,
                               glim_error *err) {
    *r = (glim_report){.m = p->model, .p = p, .began = glim__seconds()};
    glim_status status = glim_document_new(&r->doc, p->ctx, err);
    if (!status)
        status = p->describe(p, r->doc, err);
    if (status) {
        glim_document_free(r->doc);
        r->doc = NULL;
        return status;
    }
    glim_document *d = r->doc;
    d->input.units = NULL;
    d->input.n_units = 0;
    d->rows = NULL;
    d->n_rows = 1;
    p->cost(p, &r->forward, &r->backward);
    return name_method(d, words, params) ? GLIM_OK
                                         : glim__oom(p->ctx, err, "the document", strlen(params));
}

void glim__report_count(glim_report *r, const glim_predictor *also) {
    uint64_t forward, backward;
    r->also = also;
    also->cost(also, &forward, &backward);
    r->forward += forward;
    r->backward += backward;
}

static const char *copy(glim_document *d, const char *s) {
    return s ? glim_document_text(d, s, strlen(s)) : NULL;
}

glim_status glim__report_begin_model(glim_report *r, const glim_model *m,
                                     const glim_report_words *words, const char *params,
                                     glim_error *err) {
    *r = (glim_report){.m = m, .began = glim__seconds()};
    const glim_model_info *i = glim_model_facts(m);
    glim_status status = glim_document_new(&r->doc, m->ctx, err);
    if (status)
        return status;
    glim_document *d = r->doc;
    d->model.file = copy(d, glim__file_name(i->path));
    d->model.name = copy(d, i->name);
    d->model.architecture = copy(d, i->architecture);
    d->model.quantisation = copy(d, i->quantisation);
    d->model.digest = copy(d, i->digest);
    d->target.kind = "model";
    d->target.id = d->target.against_id = -1;
    d->target.value = d->target.baseline_value = d->target.prob = NAN;
    d->fixed_total = d->fixed_size = NAN;
    if (d->model.file && name_method(d, words, params) &&
        (!m->steering || glim_document_note(d, "the model is steered: %s", m->steering)))
        return GLIM_OK;
    glim_document_free(d);
    r->doc = NULL;
    return glim__oom(m->ctx, err, "the document", strlen(params));
}

glim_status glim__report_end(glim_report *r, glim_status status, glim_document **out) {
    glim_document *d = r->doc;
    if (!d)
        return status;
    if (status && status != GLIM_ECANCELLED) {
        glim_document_free(d);
        return status;
    }
    glim_context *ctx = glim_model_context(r->m);
    const char *kernels = glim_context_kernels(ctx);
    uint64_t forward = 0, backward = 0;
    if (r->p)
        r->p->cost(r->p, &d->cost.forward_tokens, &d->cost.backward_tokens);
    if (r->also)
        r->also->cost(r->also, &forward, &backward);
    d->cost.forward_tokens += forward;
    d->cost.backward_tokens += backward;
    d->cost.forward_tokens -= r->forward; /* 0 without */
    d->cost.backward_tokens -= r->backward;
    d->cost.seconds = glim__seconds() - r->began;
    d->cost.peak_bytes = glim_context_peak(ctx);
    d->cost.threads = glim_context_threads(ctx);
    d->cost.kernels = glim_document_text(d, kernels, strlen(kernels));
    if (status) {
        d->partial = true;
        glim_document_judge(d, GLIM_VERDICT_DISTRUST, "interrupted: numbers are missing");
    }
    *out = d;
    return status;
}

const char *glim__report_word(const glim_report *r, int32_t id) {
    size_t n;
    const char *bytes = glim_model_token_bytes(r->m, id, &n);
    return glim_document_text(r->doc, bytes, n);
}

bool glim__report_token(const glim_report *r, glim_panel_axis *axis, size_t i, int32_t id) {
    const char *word = glim__report_word(r, id);
    if (word)
        ((const char **)axis->labels)[i] = word;
    return word != NULL;
}

size_t glim__lm_positions(const glim_predictor *p, bool encoder, const int32_t **ids) {
    const glim_lm *lm = (const glim_lm *)p;
    bool writes = lm->written && !encoder;
    if (ids)
        *ids = writes ? lm->written : lm->ids;
    return writes ? p->n_rows : p->T;
}
