/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Influence functions of a head (Koh, Liang 2017), exact up to the first order:
 *
 *   I_i = -grad f' H^-1 grad L_i = -sum_k g_ik (V_k' x_i),  V = H^-1 grad f
 *
 * One solution per query serves all samples, so after it a sample costs one product. H is
 * factored while it has at most 4,000 rows; beyond, conjugate gradients never make it.
 *
 * Beside stand two baselines that need no Hessian: how alike sample and query are (cosine
 * of standardised features), and how alike their gradients are.
 */
#include "influence/diagnostics.h"
#include "influence/head-query.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_EXACT = 4000, MOST_STEPS = 2000, VECTOR = 16 };

struct options {
    const char *solver;
    double damping;
    bool relative, plain;
};

struct running {
    const glim_influence_work *w;
    const struct options *o;
    const glim_influence_out *out;
    glim_head h;
    glim_head_block b;
    glim_head_queries q;
    bool exact;
    glim_influence_column *columns;
    size_t n_columns, per_query;
    double *values;  /* (256, n_columns) */
    double *s;       /* (256, O, O) */
    double free;     /* coefficients: the sum of leverages */
    double *lengths; /* (queries, 2) of features and of a */
    double *t, *c;   /* (256, ldq) x V; (256, ldn) x x_q */
    glim_influence_sink sink;
};

static bool is_exact(const struct options *o, const glim_linear *l) {
    if (!strcmp(o->solver, "auto"))
        return l->info.outputs * (l->info.width + 1) <= MOST_EXACT;
    return !strcmp(o->solver, "exact");
}

static double length(const double *x, size_t n) {
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += x[j] * x[j];
    return sqrt(sum);
}

/* ---- columns ---- */

static void name_columns(struct running *r) {
    static const char *const all[] = {"influence", "relative-influence", "cosine",
                                      "gradient-cosine"};
    glim_influence_column *c = r->columns;
    if (r->exact) {
        *c++ = (glim_influence_column){"self-influence", GLIM_NO_QUERY, NAN, false};
        *c++ = (glim_influence_column){"leverage", GLIM_NO_QUERY, 2 * r->free / (double)r->w->n,
                                       false};
    }
    *c++ = (glim_influence_column){"loss", GLIM_NO_QUERY, NAN, false};
    for (size_t q = 0; q < r->w->n_queries; q++)
        for (size_t k = 0; k < 4; k++)
            if ((k != 1 || (r->o->relative && r->exact)) && (k < 2 || !r->o->plain))
                *c++ = (glim_influence_column){all[k], q, NAN, true};
}

static size_t count_columns(const struct options *o, bool exact, size_t queries, size_t *each) {
    *each = 1 + (o->relative && exact) + (o->plain ? 0 : 2);
    return 2 * exact + 1 + queries * *each;
}

static glim_status make_room(struct running *r, glim_error *err) {
    enum { BLOCK = GLIM_FEATURES_BLOCK };
    glim_context *ctx = r->w->ctx;
    size_t O = r->h.O, n = count_columns(r->o, r->exact, r->w->n_queries, &r->per_query);
    r->n_columns = n;
    r->columns = glim__calloc(ctx, n, sizeof *r->columns);
    r->values = glim__calloc(ctx, n, BLOCK * sizeof *r->values);
    r->s = glim__calloc(ctx, BLOCK, O * O * sizeof *r->s);
    r->t = glim__calloc(ctx, BLOCK * r->q.ldq + VECTOR, sizeof *r->t);
    r->c = glim__calloc(ctx, BLOCK * r->q.ldn + VECTOR, sizeof *r->c);
    r->lengths = glim__calloc(ctx, r->w->n_queries + 1, 2 * sizeof *r->lengths);
    if (!r->columns || !r->values || !r->s || !r->t || !r->c || !r->lengths)
        return glim__oom(ctx, err, "a block of results", n * BLOCK * 8);
    for (size_t q = 0; q < r->q.n; q++) {
        r->lengths[2 * q] = length(r->q.x + q * r->h.ld, r->h.P);
        r->lengths[2 * q + 1] = length(r->q.a + q * O, O);
    }
    name_columns(r);
    return glim__head_block_init(&r->b, &r->h, err);
}

static void release(struct running *r) {
    glim_context *ctx = r->w->ctx;
    glim__free(ctx, r->columns);
    glim__free(ctx, r->values);
    glim__free(ctx, r->s);
    glim__free(ctx, r->lengths);
    glim__free(ctx, r->t);
    glim__free(ctx, r->c);
    glim__head_queries_release(&r->q);
    if (r->h.ctx)
        glim__head_block_release(&r->b, &r->h);
    glim__head_release(&r->h);
}

/* ---- numbers ---- */

static double share(double a, double b) {
    return b > 0 ? a / b : 0;
}

static double own_influence(const struct running *r, size_t i) {
    size_t O = r->h.O;
    const double *g = r->b.g + i * O, *s = r->s + i * O * O;
    double sum = 0;
    for (size_t k = 0; k < O; k++)
        for (size_t l = 0; l < O; l++)
            sum += g[k] * s[k * O + l] * g[l];
    return sum;
}

static double own_leverage(const struct running *r, size_t i) {
    size_t O = r->h.O;
    const double *m = r->b.m + i * O * O, *s = r->s + i * O * O;
    double sum = 0;
    for (size_t k = 0; k < O * O; k++) /* both are symmetric */
        sum += m[k] * s[k];
    return sum;
}

static void query_row(const struct running *r, size_t i, double own, double x_length, double *v) {
    size_t O = r->h.O;
    const double *g = r->b.g + i * O;
    double g_length = length(g, O);
    for (size_t q = 0; q < r->q.n; q++) {
        const double *t = r->t + i * r->q.ldq + q * O, *a = r->q.a + q * O;
        double sum = 0, along = 0, both = r->c[i * r->q.ldn + q], q_length = r->lengths[2 * q];
        for (size_t k = 0; k < O; k++) {
            sum -= g[k] * t[k];
            along -= g[k] * a[k];
        }
        *v++ = sum;
        if (r->o->relative && r->exact)
            *v++ = share(sum, sqrt(own));
        if (r->o->plain)
            continue;
        *v++ = share(both - 1, x_length * q_length);
        *v++ =
            share(along * both, g_length * r->lengths[2 * q + 1] * sqrt(x_length * x_length + 1) *
                                    sqrt(q_length * q_length + 1));
    }
}

static glim_status block(void *data, size_t first, size_t count, double *x, double *y,
                         glim_error *err) {
    struct running *r = data;
    glim_status status = GLIM_OK;
    glim__head_look(&r->h, &r->b, count, x, y);
    if (r->exact)
        status = glim__head_curvature(&r->h, &r->b, r->s, err);
    if (r->q.n) {
        glim__head_queries_apply(&r->q, &r->b, r->q.turned, r->t);
        if (!r->o->plain)
            glim__head_queries_beside(&r->q, &r->b, r->c);
    }
    for (size_t i = 0; i < count && !status; i++) {
        double *v = r->values + i * r->n_columns, own = r->exact ? own_influence(r, i) : NAN;
        if (r->exact) {
            *v++ = own;
            *v++ = own_leverage(r, i);
        }
        *v++ = r->b.loss[i];
        query_row(r, i, own, length(r->b.x + i * r->h.ld, r->h.P), v);
    }
    if (status)
        return status;
    glim_influence_block b = {first, count, r->values};
    return r->sink.take(r->sink.data, &b, err);
}

/* ---- the run ---- */

static glim_status count_free(struct running *r, glim_error *err) {
    glim_context *ctx = r->w->ctx;
    double *deviations = glim__calloc(ctx, r->h.dim, sizeof *deviations);
    glim_status status = deviations ? glim__head_deviations(&r->h, deviations, err)
                                    : glim__oom(ctx, err, "deviations", r->h.dim * 8);
    if (!status)
        r->free = glim__head_free(&r->h, deviations);
    glim__free(ctx, deviations);
    return status;
}

static glim_status solve(struct running *r, bool best, glim_error *err) {
    const struct options *o = r->o;
    size_t steps;
    glim_status status = GLIM_OK;
    if (r->exact && best && !(o->damping > 0))
        status = glim__head_polish(&r->h, &steps, err);
    if (!status && r->exact)
        status = glim__head_factor(&r->h, o->damping, err);
    if (!status && r->exact)
        status = count_free(r, err);
    else if (!status)
        r->h.damping = o->damping >= 0 ? o->damping : 0;
    if (!status && r->w->n_queries)
        status = glim__head_queries_init(&r->q, &r->h, r->w->queries, &r->w->target, err);
    if (status || !r->w->n_queries)
        return status;
    if (r->exact)
        return glim__head_queries_solve(&r->q, err);
    if (o->damping < 0 && !(best && r->h.strength > 0))
        status = glim__head_mean_curvature(&r->h, &r->h.damping, err);
    if (o->damping < 0)
        r->h.damping *= 1e-3;
    return status ? status : glim__head_queries_descend(&r->q, r->h.damping, MOST_STEPS, 1e-8, err);
}

static void judge(const struct running *r) {
    glim_document *doc = r->out->doc;
    glim_document_check_add(doc, "damping", r->h.damping, "added to the Hessian's diagonal");
    if (r->h.damping > 0)
        glim_document_note(doc,
                           "the Hessian is damped by %.3g: influences are smaller than without, "
                           "their order mostly the same",
                           r->h.damping);
    if (r->exact || !r->q.n)
        return;
    glim_document_check_add(doc, "solver_residual", r->q.residual,
                            "of conjugate gradients: |H v - grad f| / |grad f|, the worst query");
    glim_document_check_add(doc, "solver_steps", (double)r->q.iterations,
                            "passes over the samples");
    if (r->q.residual > 1e-4)
        glim_document_judge(
            doc, GLIM_VERDICT_CAREFUL,
            "conjugate gradients stopped at a residual of %.1e (a larger --damping)",
            r->q.residual);
}

static glim_status run(const glim_influence_work *w, const void *opts,
                       const glim_influence_out *out, glim_error *err) {
    struct running r = {.w = w, .o = opts, .out = out};
    r.exact = is_exact(r.o, w->head);
    glim__progress_begin(w->ctx, "influence functions", 6 * w->n + 2 * w->n_queries);
    glim_status status = glim__head_init(&r.h, w->ctx, w->head, w->train, err);
    bool best = false;
    if (!status) {
        best = glim__tell_optimum(
            &r.h, r.h.logistic ? 1 : sqrt(2 * r.h.loss / (double)w->n) + 1e-300, out->doc);
        status = solve(&r, best, err);
    }
    if (!status)
        status = make_room(&r, err);
    if (!status)
        status = out->begin(out->data, r.columns, r.n_columns, &r.sink, err);
    if (!status) {
        glim__head_turn(&r.h, r.h.w);
        status = glim__features_each(w->ctx, w->train, block, &r, err);
    }
    if (!status)
        judge(&r);
    glim__progress_end(w->ctx);
    release(&r);
    return status;
}

static glim_status plan(const glim_influence_work *w, const void *opts, glim_plan *out,
                        glim_error *err) {
    const struct options *o = opts;
    const glim_linear_info *i = glim_linear_facts(w->head);
    bool exact = is_exact(o, w->head);
    uint64_t O = i->outputs, each, queries = w->n_queries,
             threads = (uint64_t)glim_context_threads(w->ctx);
    size_t per;
    each = count_columns(o, exact, queries, &per);
    out->bytes = glim__head_bytes(w->head, exact) +
                 glim__head_queries_bytes(w->head, queries, !exact) +
                 each * (GLIM_FEATURES_BLOCK * 8 + sizeof(glim_influence_column)) +
                 GLIM_FEATURES_BLOCK * 8 * (O * O + (O + 1) * (queries + 16)) +
                 (exact ? threads * 32 * 8 * (O * O * (i->width + 1) + 64) : 0);
    out->bytes_wanted = out->bytes;
    out->bounded = exact;
    return GLIM_OK;
}

static const glim_param params[] = {
    {.name = "solver",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct options, solver),
     .def.s = "auto",
     .choices = "auto|exact|cg",
     .help = "Cholesky's factor, or conjugate gradients (auto: above 4,000 weights)"},
    {.name = "damping",
     .type = GLIM_REAL,
     .offset = offsetof(struct options, damping),
     .def.r = -1,
     .min = -1,
     .max = 1e12,
     .help = "added to the Hessian; -1: none where the fit is at its best"},
    {.name = "relative",
     .type = GLIM_BOOL,
     .offset = offsetof(struct options, relative),
     .help = "also divided by the root of the sample's own influence (RelatIF)"},
    {.name = "plain",
     .type = GLIM_BOOL,
     .offset = offsetof(struct options, plain),
     .help = "without the baselines: cosines of features and of gradients"},
    {0},
};

const glim_influence_method glim_influence_functions = {
    .name = "influence-functions",
    .summary = "how each sample moved what a head says, by its exact Hessian",
    .cite = "Koh, Liang 2017, arXiv:1703.04730; Barshan, Brunet, Dziugaite 2020",
    .formula = "I_i = -grad f' H^-1 grad L_i,  H the second derivative of the whole objective, "
               "penalty included",
    .use = "for a linear or logistic head: which samples made it answer this; exact up to first "
           "order, and --check compares it with refits",
    .costs = "a Hessian, and one product a sample and query",
    .caption = "this is about the fitted model: what a language model below it learnt from its "
               "own training is not in these samples",
    .needs = GLIM_INFLUENCE_HEAD,
    .params = params,
    .opts_size = sizeof(struct options),
    .plan = plan,
    .run = run,
};
