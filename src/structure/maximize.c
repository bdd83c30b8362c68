/* SPDX-License-Identifier: Apache-2.0 */
/* The call: options with their defaults, the corpus, the search, the document; and its plan. */
#include "structure/maximize.h"

#include <math.h>
#include <string.h>

/* ---- options ---- */

static size_t or_else(size_t given, size_t usual) {
    return given ? given : usual;
}

static glim_status check_search(const glim_maximize_options *o, glim_error *err) {
    static const char *const names[] = {"tokens", "embeddings", "both", "none"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(o->search, names[i]))
            return GLIM_OK;
    return glim_fail(err, GLIM_EUSAGE,
                     "the search '%.40s' is none of tokens, embeddings, both, none", o->search);
}

static glim_status fill_in(glim_maximize_options *o, const glim_maximize_options *given,
                           bool picture, glim_error *err) {
    *o = *given;
    o->pool = o->pool ? o->pool : "max";
    o->top = or_else(o->top, 10);
    o->bins = or_else(o->bins, 3);
    o->window = or_else(o->window, 128);
    o->search = o->search ? o->search : o->data ? "none" : "tokens";
    o->length = or_else(o->length, 8);
    o->restarts = or_else(o->restarts, 3);
    o->steps = or_else(o->steps, picture ? 256 : 60);
    o->candidates = or_else(o->candidates, 64);
    o->choices = or_else(o->choices, 64);
    o->rate = o->rate > 0 ? o->rate : 0.05;
    o->l2 = o->l2 > 0 ? o->l2 : o->l2 < 0 ? 0 : 0.01;
    o->variation = o->variation > 0 ? o->variation : o->variation < 0 ? 0 : 0.2;
    o->jitter = o->jitter > 0 ? o->jitter : o->jitter < 0 ? 0 : 8;
    if (o->length > GLIM_MAXIMIZE_LENGTH)
        return glim_fail(err, GLIM_EUSAGE, "%zu tokens to search for; at most %d", o->length,
                         GLIM_MAXIMIZE_LENGTH);
    for (size_t i = 0; i < (o->n_fluencies ? o->n_fluencies : 1); i++) {
        double weight = o->n_fluencies ? o->fluencies[i] : o->fluency;
        if (!isfinite(weight) || weight < 0)
            return glim_fail(err, GLIM_EUSAGE, "the weight of fluency is not below 0");
        o->fluency = weight > o->fluency ? weight : o->fluency; /* the largest, for plans */
    }
    return check_search(o, err);
}

static bool searches(const glim_maximize_options *o) {
    return strcmp(o->search, "none") != 0;
}

/* ---- the call ---- */

void glim__maximized_release(glim_maximized *r) {
    for (size_t i = 0; i < r->n_found && r->found; i++)
        glim__found_release(r->ctx, &r->found[i]);
    glim__free(r->ctx, r->found);
    glim__free(r->ctx, r->ordinary);
    glim__kept_release(&r->kept);
    glim__work_close(&r->work);
}

static void tell_cost(glim_context *ctx, glim_document *doc, double began) {
    const char *kernels = glim_context_kernels(ctx);
    doc->cost.seconds = glim__seconds() - began;
    doc->cost.peak_bytes = glim_context_peak(ctx);
    doc->cost.threads = glim_context_threads(ctx);
    doc->cost.kernels = glim_document_text(doc, kernels, strlen(kernels));
}

glim_status glim__maximize_digest(const glim_maximized *r, const glim_activation *a, glim_digest *d,
                                  glim_error *err) {
    const glim_maximize_options *o = r->o;
    glim__digest_text(d, o->site);
    glim__digest_bytes(d, o->indices ? o->indices : (const size_t *)"",
                       o->indices ? o->n_indices * sizeof *o->indices : 0);
    glim__digest_number(d, (uint64_t)(int64_t)o->head);
    glim__digest_bytes(d, a->direction ? a->direction : (const float *)"",
                       a->direction ? a->width * sizeof *a->direction : 0);
    glim__digest_text(d, o->target);
    glim__digest_text(d, o->pool);
    glim__digest_text(d, o->text_column);
    glim__digest_number(d, o->top);
    glim__digest_number(d, o->window);
    glim__digest_number(d, o->seed);
    return glim__work_file(&r->work, d, o->data, err);
}

static glim_status run(glim_maximized *r, const glim_model *m, glim_activation *a,
                       glim_error *err) {
    const glim_maximize_options *o = r->o;
    glim_status status = glim__text_pool_find(&r->pool, o->pool, err);
    if (!status)
        status = glim__activation_open(a, m, o, 0, false, err);
    if (!status)
        status = glim__work_open(&r->work, m, o->store, err);
    if (!status && o->data)
        status = glim__maximize_corpus(r, a, err);
    if (!status && searches(o))
        status = glim__maximize_search(r, a, err);
    return status;
}

static glim_status of_texts(glim_document *doc, const glim_model *m, const glim_maximize_options *o,
                            glim_error *err) {
    glim_maximized r = {.ctx = m->ctx, .o = o};
    glim_activation a = {0};
    glim_status status = run(&r, m, &a, err);
    bool partial = status == GLIM_ECANCELLED && a.m && (r.kept.texts || r.n_found);
    if (!status && o->data && !r.kept.texts)
        status = glim_fail(err, GLIM_EUSAGE, "'%.200s' has no text that can be read", o->data);
    if ((!status || partial) && !glim__maximize_tell(&r, &a, doc))
        status = glim__oom(m->ctx, err, "the document", 0);
    if (partial && status == GLIM_ECANCELLED) {
        doc->partial = true;
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "interrupted: %zu texts and %zu searches "
                            "were done",
                            (size_t)r.kept.texts, r.n_found);
    }
    glim__maximized_release(&r);
    glim__activation_close(&a);
    return status;
}

glim_status glim_maximize(glim_document **out, const glim_model *m,
                          const glim_maximize_options *options, glim_error *err) {
    glim_maximize_options o;
    double began = glim__seconds();
    bool picture = m->task == GLIM_TASK_IMAGE;
    glim_document *doc = NULL;
    *out = NULL;
    glim_status status = fill_in(&o, options, picture, err);
    if (!status)
        status = glim_document_new(&doc, m->ctx, err);
    if (!status)
        status = picture ? glim__maximize_picture(doc, m, &o, err) : of_texts(doc, m, &o, err);
    if (status && !(doc && doc->partial)) {
        glim_document_free(doc);
        return status;
    }
    tell_cost(m->ctx, doc, began);
    *out = doc;
    return status;
}

/* ---- the plan ---- */

static glim_status plan_corpus(glim_plan *out, const glim_activation *a,
                               const glim_maximize_options *o, glim_error *err) {
    glim_corpus *c = NULL;
    uint64_t tokens = 0, each = 0;
    glim_status status = glim__corpus_open(&c, a->m, o->data, o->text_column, o->window, err);
    if (!status)
        status = glim__corpus_estimate(c, &tokens, err);
    if (!status) {
        size_t w = glim__corpus_window(c);
        out->forward_tokens += tokens;
        each = (uint64_t)w * a->n * 4 + 64 * (uint64_t)w;
        uint64_t kept = (uint64_t)a->n * o->top * (w * 8 + 256) + 256 * each + ((uint64_t)1 << 20);
        kept *= o->store ? 3 : 1; /* as bytes, in a buffer that grows */
        out->bytes = glim__activation_plan(a, w, 1, w, false) + kept;
        out->bytes_wanted = glim__activation_plan(a, 1024, 1024 / w + 1, w, false) + kept;
    }
    glim__corpus_close(c);
    return status;
}

static void plan_search(glim_plan *out, const glim_activation *a, const glim_maximize_options *o) {
    size_t T = o->length + 4, both = !strcmp(o->search, "both") ? 2 : 1;
    uint64_t weights = o->n_fluencies ? o->n_fluencies : 1;
    uint64_t runs = (uint64_t)a->n * weights * o->restarts * both * o->steps;
    uint64_t table = (uint64_t)a->m->hyper.V * T * 4 * (o->fluency > 0 ? 3 : 2);
    uint64_t least = glim__activation_plan(a, T, 1, T, true) + table;
    uint64_t wanted = glim__activation_plan(a, T * o->candidates, o->candidates, T, false) + table;
    out->forward_tokens += runs * T * (1 + o->candidates);
    out->backward_tokens += runs * T;
    out->bounded = false; /* a search ends early when it is at a top */
    out->bytes = least > out->bytes ? least : out->bytes;
    out->bytes_wanted = wanted > out->bytes_wanted ? wanted : out->bytes_wanted;
}

glim_status glim_maximize_plan(glim_plan *out, const glim_model *m,
                               const glim_maximize_options *options, glim_error *err) {
    glim_maximize_options o;
    glim_activation a = {0};
    glim_text_pool pool;
    bool picture = m->task == GLIM_TASK_IMAGE;
    *out = (glim_plan){.seconds = -1, .bounded = true};
    glim_status status = fill_in(&o, options, picture, err);
    if (!status && picture) {
        glim__maximize_picture_plan(out, m, &o);
        out->bytes += glim_context_bytes(m->ctx);
        out->bytes_wanted += glim_context_bytes(m->ctx);
        return GLIM_OK;
    }
    if (!status)
        status = glim__text_pool_find(&pool, o.pool, err);
    if (!status)
        status = glim__activation_open(&a, m, &o, 0, o.fluency > 0, err);
    if (!status && o.data)
        status = plan_corpus(out, &a, &o, err);
    if (!status && searches(&o))
        plan_search(out, &a, &o);
    glim__activation_close(&a);
    out->bytes += glim_context_bytes(m->ctx);
    out->bytes_wanted += glim_context_bytes(m->ctx);
    if (out->bytes_wanted < out->bytes)
        out->bytes_wanted = out->bytes;
    return status;
}
