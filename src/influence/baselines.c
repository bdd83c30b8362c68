/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What methods of influence are measured by, since it is cheap and hard to beat (METHODS
 * 7.4): how alike a sample and a query are to the model, and how badly it says what the
 * sample says. Neither knows what training on the sample did.
 */
#include "influence/influence-methods.h"
#include "influence/shares.h"
#include "influence/vectors.h"

#include <math.h>
#include <stdlib.h>

static void tell_cut(glim_document *doc, size_t cut) {
    if (cut)
        glim_document_note(doc,
                           "%zu sample%s longer than the model's context: the end was not read",
                           cut, cut == 1 ? " is" : "s are");
}

/* Adds what a pass over samples costs. */
static glim_status add_plan(const glim_model *m, glim_samples *s, glim_plan *out, glim_error *err) {
    glim_pass_size size;
    glim_status status = glim__pass_measure(m, s, NULL, false, &size, err);
    if (status)
        return status;
    out->forward_tokens += size.tokens;
    out->bytes = size.bytes > out->bytes ? size.bytes : out->bytes;
    out->bytes_wanted = size.wanted > out->bytes_wanted ? size.wanted : out->bytes_wanted;
    return GLIM_OK;
}

/* ---- similarity ---- */

struct likeness {
    const glim_influence_work *w;
    glim_vectors v;
    float *queries; /* (Q, C), each of length 1 */
    double *values; /* (samples of a run, Q) */
    float *own;     /* (C) */
    size_t first;
    double sum, squares;
    size_t known;
    glim_influence_column *columns;
    glim_influence_sink sink;
};

static glim_status keep_query(void *data, size_t sample, const float *vector, glim_error *err) {
    struct likeness *l = data;
    float *to = l->queries + sample * l->v.width;
    for (size_t c = 0; c < l->v.width; c++)
        to[c] = vector[c];
    glim__vector_unit(to, l->v.width);
    return GLIM_OK;
}

static glim_status compare(void *data, size_t sample, const float *vector, glim_error *err) {
    struct likeness *l = data;
    size_t C = l->v.width, Q = l->w->n_queries;
    double *to = l->values + (sample - l->first) * Q;
    for (size_t c = 0; c < C; c++)
        l->own[c] = vector[c];
    bool any = glim__vector_unit(l->own, C);
    for (size_t q = 0; q < Q; q++) {
        to[q] = any ? glim__vector_dot(l->own, l->queries + q * C, C) : NAN;
    }
    return GLIM_OK;
}

static glim_status compare_run(void *data, size_t first, size_t count, void *records,
                               glim_error *err) {
    struct likeness *l = data;
    l->first = first;
    l->values = records;
    return glim__vectors_run(&l->v, first, count, err);
}

static glim_status hand_likeness(void *data, size_t first, size_t count, const void *records,
                                 glim_error *err) {
    struct likeness *l = data;
    const double *x = records;
    const glim_influence_block b = {first, count, x};
    for (size_t i = 0; i < count * l->w->n_queries; i++) {
        bool any = !isnan(x[i]);
        l->sum += any ? x[i] : 0;
        l->squares += any ? x[i] * x[i] : 0;
        l->known += any;
    }
    return l->sink.take(l->sink.data, &b, err);
}

static glim_status make_likeness(struct likeness *l, glim_error *err) {
    glim_context *ctx = l->w->ctx;
    size_t Q = l->w->n_queries, C = l->v.width;
    l->queries = glim__calloc(ctx, Q * C + 1, sizeof *l->queries);
    l->own = glim__calloc(ctx, C, sizeof *l->own);
    l->columns = glim__calloc(ctx, Q, sizeof *l->columns);
    if (!l->queries || !l->own || !l->columns)
        return glim__oom(ctx, err, "the queries", Q * C * sizeof *l->queries);
    for (size_t q = 0; q < Q; q++)
        l->columns[q] = (glim_influence_column){
            .name = "similarity", .query = q, .threshold = NAN, .is_signed = true};
    return GLIM_OK;
}

/* Vectors of many models lie in a narrow cone; then no cosine says much. */
static void judge_likeness(const struct likeness *l, glim_document *doc) {
    double n = (double)l->known, mean = l->sum / n;
    double deviation = sqrt(fmax(0, l->squares / n - mean * mean));
    tell_cut(doc, l->v.cut);
    if (!l->known)
        return;
    glim_document_check_add(doc, "mean_similarity", mean, "over all samples and queries");
    glim_document_check_add(doc, "spread_of_similarity", deviation,
                            "the standard deviation; near 0 all samples are alike to the model");
    if (l->known > 1 && deviation < 0.01)
        glim_document_judge(
            doc, GLIM_VERDICT_CAREFUL,
            "to this model all samples are alike (cosines %.3f, spread %.1e): their "
            "order says little",
            mean, deviation);
}

static glim_status run_similarity(const glim_influence_work *w, const void *opts,
                                  const glim_influence_out *out, glim_error *err) {
    struct likeness l = {.w = w};
    glim__vectors_init(&l.v, w->model, w->query_samples);
    glim_status status = make_likeness(&l, err);
    l.v.data = &l;
    l.v.take = keep_query;
    if (!status)
        status = glim__vectors_run(&l.v, 0, w->n_queries, err);
    l.v.samples = w->samples;
    l.v.take = compare;
    l.v.cut = 0;
    if (!status && glim__team_first(w->ctx))
        status = out->begin(out->data, l.columns, w->n_queries, &l.sink, err);
    const glim_share share = {.ctx = w->ctx,
                              .stage = "similarity",
                              .n = w->n,
                              .block = GLIM_PASS_SAMPLES,
                              .bytes = w->n_queries * sizeof(double),
                              .inner = true,
                              .work = compare_run,
                              .take = hand_likeness,
                              .data = &l};
    if (!status)
        status = glim__share(&share, err);
    if (!status)
        status = glim__team_total(w->ctx, &l.v.cut, err);
    if (!status)
        judge_likeness(&l, out->doc);
    glim__free(w->ctx, l.queries);
    glim__free(w->ctx, l.own);
    glim__free(w->ctx, l.columns);
    return status;
}

static glim_status plan_similarity(const glim_influence_work *w, const void *opts, glim_plan *out,
                                   glim_error *err) {
    uint64_t Q = w->n_queries, C = (uint64_t)glim_model_facts(w->model)->width;
    uint64_t own = Q * (C * 4 + GLIM_PASS_SAMPLES * 8 + sizeof(glim_influence_column)) + 16 * C;
    glim_status status = add_plan(w->model, w->samples, out, err);
    if (!status)
        status = add_plan(w->model, w->query_samples, out, err);
    out->bytes += own + 1024;
    out->bytes_wanted += own + 1024;
    return status;
}

const glim_influence_method glim_influence_similarity = {
    .name = "similarity",
    .summary = "how alike a sample and the query are to the model: the cosine of their vectors",
    .cite = "Hanawa et al. 2021, arXiv:2006.04528",
    .formula = "cos(v_i, v_q),  v the pooled rows behind the last block",
    .use = "a first look, and the number that any other method has to beat",
    .costs = "one pass forward",
    .caption = "samples that are like the query need not have made the model say it; this is what "
               "other methods have to beat",
    .needs = GLIM_INFLUENCE_GRADIENT | GLIM_INFLUENCE_QUERIES,
    .plan = plan_similarity,
    .run = run_similarity,
};

/* ---- loss ---- */

/* The record of a sample. */
struct said {
    double loss;
    uint32_t labels, cut;
};

struct losses {
    const glim_influence_work *w;
    struct said *said; /* of a run */
    size_t first, cut, silent, labels;
    double sum; /* of all labels */
    bool classes;
    glim_influence_sink sink;
};

static glim_status read_loss(void *data, const glim_pass_sample *s, glim_error *err) {
    struct losses *l = data;
    l->said[s->sample - l->first] =
        (struct said){s->loss, (uint32_t)s->example->n_labels, s->example->cut};
    return GLIM_OK;
}

static glim_status read_run(void *data, size_t first, size_t count, void *records,
                            glim_error *err) {
    struct losses *l = data;
    const glim_pass_visitor v = {.forward = read_loss, .data = l};
    l->said = records;
    l->first = first;
    return glim__pass(l->w->model, l->w->samples, first, count, NULL, &v, err);
}

static glim_status hand_loss(void *data, size_t first, size_t count, const void *records,
                             glim_error *err) {
    struct losses *l = data;
    const struct said *said = records;
    double values[GLIM_PASS_SAMPLES][2];
    const glim_influence_block b = {first, count, values[0]};
    for (size_t i = 0; i < count; i++) {
        size_t n = said[i].labels;
        double mean = n ? said[i].loss / (double)n : NAN;
        values[i][0] = mean;
        values[i][1] = exp(l->classes ? -mean : mean);
        l->cut += said[i].cut;
        l->silent += !n;
        l->labels += n;
        l->sum += n ? said[i].loss : 0;
    }
    return l->sink.take(l->sink.data, &b, err);
}

static void judge_loss(const struct losses *l, glim_document *doc) {
    tell_cut(doc, l->cut);
    if (l->silent)
        glim_document_note(doc, "%zu sample%s nothing to say after the first token: no loss",
                           l->silent, l->silent == 1 ? " has" : "s have");
    if (l->labels)
        glim_document_check_add(doc, "mean_loss", l->sum / (double)l->labels,
                                "nats an answer, over all samples");
}

static glim_status run_loss(const glim_influence_work *w, const void *opts,
                            const glim_influence_out *out, glim_error *err) {
    bool classes = glim_model_facts(w->model)->task == GLIM_TASK_CLASSIFY;
    const glim_influence_column columns[] = {
        /* of a class: the model finds it less likely than not */
        {.name = "loss", .query = GLIM_NO_QUERY, .threshold = classes ? log(2) : NAN},
        {.name = classes ? "probability" : "perplexity", .query = GLIM_NO_QUERY, .threshold = NAN},
    };
    struct losses l = {.w = w, .classes = classes};
    const glim_share share = {.ctx = w->ctx,
                              .stage = "losses",
                              .n = w->n,
                              .block = GLIM_PASS_SAMPLES,
                              .bytes = sizeof *l.said,
                              .inner = true,
                              .work = read_run,
                              .take = hand_loss,
                              .data = &l};
    glim_status status = GLIM_OK;
    if (glim__team_first(w->ctx))
        status = out->begin(out->data, columns, 2, &l.sink, err);
    if (!status)
        status = glim__share(&share, err);
    if (!status)
        judge_loss(&l, out->doc);
    return status;
}

static glim_status plan_loss(const glim_influence_work *w, const void *opts, glim_plan *out,
                             glim_error *err) {
    glim_status status = add_plan(w->model, w->samples, out, err);
    out->bytes += GLIM_PASS_SAMPLES * sizeof(struct said) + 64;
    out->bytes_wanted += GLIM_PASS_SAMPLES * sizeof(struct said) + 64;
    return status;
}

const glim_influence_method glim_influence_loss = {
    .name = "loss",
    .summary = "how badly the model says what a sample says: the mean loss an answer",
    .cite = "the loss itself; as a sign of wrong labels e.g. Pleiss et al. 2020, arXiv:2001.10528",
    .formula = "L_i = -sum log p(label),  over its labels",
    .use = "to find wrong labels, noise and what the model has not learnt; no query is needed",
    .costs = "one pass forward",
    .caption = "a high loss may be a wrong label, a rare sample or a hard one; it says nothing of "
               "what the sample did to the model",
    .needs = GLIM_INFLUENCE_GRADIENT,
    .plan = plan_loss,
    .run = run_loss,
};
