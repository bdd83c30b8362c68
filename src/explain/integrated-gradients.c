/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integrated gradients along the straight path from a baseline x' to the input:
 *
 *   IG_t = sum_c (x - x')_tc  integral_0^1  df/dx_tc (x' + a (x - x')) da
 *
 * The sum over t must be f(x) - f(x'): the residual is always reported, and
 * judged. On real decoders the path can be so rough that no affordable number of
 * steps closes it; then the document says that the numbers cannot be trusted and
 * which method can. `refine` doubles the nodes until the residual is small, or
 * splits the intervals whose own residual is largest (f is known at their ends,
 * so that residual is exact).
 */
#include "explain/methods.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct opts {
    const char *baseline, *rule, *refine;
    int64_t steps, max_steps;
    double tolerance;
};

static const glim_param params[] = {
    {.name = "baseline",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, baseline),
     .def.s = "token",
     .choices = "zero|mean|token|bos|blur",
     .help = "where the path starts: zeros, mean embedding, a neutral token, the first token; "
             "pictures: zeros, mean colour (also token), black (bos), blurred"},
    {.name = "steps",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, steps),
     .def.i = 32,
     .min = 1,
     .max = 4096,
     .help = "gradients along the path"},
    {.name = "rule",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, rule),
     .def.s = "gauss-legendre",
     .choices = "gauss-legendre|midpoint|trapezoid|left|right",
     .help = "quadrature rule"},
    {.name = "refine",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, refine),
     .def.s = "double",
     .choices = "none|double|adaptive",
     .help = "what to do while the residual is large: nothing, more steps, split intervals"},
    {.name = "max-steps",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, max_steps),
     .def.i = 256,
     .min = 1,
     .max = 65536,
     .help = "steps at most when refining (adaptive: gradients, for each target row)"},
    {.name = "tolerance",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, tolerance),
     .def.r = 0.01,
     .min = 1e-6,
     .max = 1,
     .help = "residual to reach, as a share of the effect"},
    {0},
};

enum { GL_INTERVAL = 8, CHUNK = 16, MOST_INTERVALS = 8192 };

struct path {
    glim_predictor *p;
    float *from, *to, *points; /* (T, C), (T, C), (CHUNK, T, C) */
    double *values;            /* (CHUNK, n_rows) */
    double *scores;            /* (n_rows, T) of the run in progress */
    const double *weights;     /* of the chunk */
    uint64_t gradients;
    size_t pieces; /* steps of the last round, or intervals of all rows */
};

static glim_status take(void *data, size_t sample, size_t row, const float *g, glim_error *err) {
    struct path *s = data;
    size_t T = s->p->T, C = s->p->C;
    double *scores = s->scores + row * T;
    for (size_t t = 0; t < T; t++) {
        double sum = 0;
        for (size_t c = t * C; c < (t + 1) * C; c++)
            sum += ((double)s->to[c] - s->from[c]) * g[c];
        scores[t] += s->weights[sample] * sum;
    }
    return GLIM_OK;
}

/* Adds the gradients at nodes a[0..n), weighted, to s->scores. row -1: all. */
static glim_status add_nodes(struct path *s, const double *a, const double *w, int n, long row,
                             glim_error *err) {
    size_t size = s->p->T * s->p->C;
    for (int i = 0; i < n; i += CHUNK) {
        int m = n - i < CHUNK ? n - i : CHUNK;
        for (int k = 0; k < m; k++)
            for (size_t c = 0; c < size; c++)
                s->points[(size_t)k * size + c] =
                    (float)(s->from[c] + a[i + k] * ((double)s->to[c] - s->from[c]));
        s->weights = w + i;
        glim_status status =
            s->p->gradient(s->p, s->points, (size_t)m, row, s->values, take, s, err);
        if (!status)
            status = glim__check_cancel(s->p->ctx, err);
        if (status)
            return status;
        s->gradients += (uint64_t)m;
    }
    return GLIM_OK;
}

static void rule_nodes(const char *rule, int n, double *a, double *w) {
    if (!strcmp(rule, "gauss-legendre")) {
        glim__gauss_legendre(n, a, w);
        return;
    }
    bool trapezoid = !strcmp(rule, "trapezoid") && n > 1;
    double shift = !strcmp(rule, "left") ? 0 : !strcmp(rule, "right") ? 1 : 0.5;
    for (int i = 0; i < n; i++) {
        a[i] = trapezoid ? (double)i / (n - 1) : (i + shift) / n;
        w[i] = trapezoid ? (i && i + 1 < n ? 1.0 : 0.5) / (n - 1) : 1.0 / n;
    }
}

/* Largest residual over the rows, relative to each row's effect. */
static double worst_residual(const struct path *s, const double *effect) {
    double worst = 0;
    for (size_t r = 0; r < s->p->n_rows; r++) {
        double off = fabs(glim__tokens_total(s->p, s->scores + r * s->p->T) - effect[r]);
        off /= fmax(fabs(effect[r]), 1e-6);
        worst = off > worst ? off : worst;
    }
    return worst;
}

static glim_status run_fixed(struct path *s, const struct opts *o, const double *effect,
                             glim_error *err) {
    int n = (int)o->steps, most = (int)(o->max_steps > o->steps ? o->max_steps : o->steps);
    double *a = glim__calloc(s->p->ctx, 2 * (size_t)most, sizeof *a);
    if (!a)
        return glim__oom(s->p->ctx, err, "the path", 2 * (size_t)most * sizeof *a);
    glim_status status;
    for (;; n = 2 * n < most ? 2 * n : most) {
        rule_nodes(o->rule, n, a, a + most);
        memset(s->scores, 0, s->p->n_rows * s->p->T * sizeof *s->scores);
        status = add_nodes(s, a, a + most, n, -1, err);
        if (status || strcmp(o->refine, "double") || n == most ||
            worst_residual(s, effect) <= o->tolerance)
            break;
    }
    s->pieces = (size_t)n;
    glim__free(s->p->ctx, a);
    return status;
}

/* ---- adaptive: one row at a time, intervals in a list ---- */

struct interval {
    double from, to, f_from, f_to, off;
    double *tokens; /* (T) */
};

/* Target row at one point of the path. */
static glim_status value_at(struct path *s, double a, size_t row, double *out, glim_error *err) {
    size_t size = s->p->T * s->p->C;
    for (size_t c = 0; c < size; c++)
        s->points[c] = (float)(s->from[c] + a * ((double)s->to[c] - s->from[c]));
    glim_status status = s->p->gradient(s->p, s->points, 1, (long)row, s->values, NULL, NULL, err);
    *out = s->values[row];
    return status;
}

static glim_status measure(struct path *s, struct interval *v, size_t row, glim_error *err) {
    double a[GL_INTERVAL], w[GL_INTERVAL], *scores = s->scores;
    glim__gauss_legendre(GL_INTERVAL, a, w);
    for (int i = 0; i < GL_INTERVAL; i++) {
        a[i] = v->from + a[i] * (v->to - v->from);
        w[i] *= v->to - v->from;
    }
    memset(v->tokens, 0, s->p->T * sizeof *v->tokens);
    s->scores = v->tokens - row * s->p->T;
    glim_status status = add_nodes(s, a, w, GL_INTERVAL, (long)row, err);
    s->scores = scores;
    v->off = fabs(glim__tokens_total(s->p, v->tokens) - (v->f_to - v->f_from));
    return status;
}

static glim_status split_worst(struct path *s, struct interval *list, size_t *n, size_t row,
                               double *room, glim_error *err) {
    size_t worst = 0, T = s->p->T;
    for (size_t i = 1; i < *n; i++)
        if (list[i].off > list[worst].off)
            worst = i;
    struct interval *a = &list[worst], *b = &list[*n];
    double mid = (a->from + a->to) / 2, f;
    glim_status status = value_at(s, mid, row, &f, err);
    *b = (struct interval){mid, a->to, f, a->f_to, 0, room + *n * T};
    a->to = mid;
    a->f_to = f;
    (*n)++;
    if (!status)
        status = measure(s, a, row, err);
    if (!status)
        status = measure(s, b, row, err);
    return status;
}

static glim_status run_adaptive_row(struct path *s, const struct opts *o, size_t row, double start,
                                    double effect, glim_error *err) {
    size_t most = (size_t)o->max_steps / (2 * GL_INTERVAL) + 2, n = 1, T = s->p->T;
    most = most < MOST_INTERVALS ? most : MOST_INTERVALS;
    struct interval *list = glim__calloc(s->p->ctx, most + 1, sizeof *list);
    double *room = glim__calloc(s->p->ctx, (most + 1) * T, sizeof *room);
    glim_status status = list && room ? GLIM_OK : glim__oom(s->p->ctx, err, "the path", most * T);
    uint64_t limit = s->gradients + (uint64_t)o->max_steps;
    if (!status) {
        list[0] = (struct interval){0, 1, start, start + effect, 0, room};
        status = measure(s, &list[0], row, err);
    }
    while (!status && n < most && s->gradients + 2 * GL_INTERVAL <= limit) {
        double off = 0;
        for (size_t i = 0; i < n; i++)
            off += list[i].off;
        if (off <= o->tolerance * fabs(effect))
            break;
        status = split_worst(s, list, &n, row, room, err);
    }
    for (size_t i = 0; i < n && !status; i++)
        for (size_t t = 0; t < T; t++)
            s->scores[row * T + t] += list[i].tokens[t];
    s->pieces += n;
    glim__free(s->p->ctx, list);
    glim__free(s->p->ctx, room);
    return status;
}

/* ---- result ---- */

/* What refining came to. */
static void tell(glim_document *doc, const struct path *s, const struct opts *o, double worst) {
    const char *end = worst <= o->tolerance ? "the residual is within --tolerance"
                                            : "the residual is still larger than --tolerance";
    if (!strcmp(o->refine, "adaptive"))
        glim_document_note(doc, "the path was split into %zu intervals of %d gradients; %s",
                           s->pieces, GL_INTERVAL, end);
    else if (!strcmp(o->refine, "double"))
        glim_document_note(doc, "steps were doubled up to %zu; %s", s->pieces, end);
}

static void judge(glim_document *doc, const glim_predictor *p, double worst, uint64_t gradients) {
    glim_document_check_add(doc, "completeness_residual", worst,
                            "largest |sum of scores - (value - baseline value)| as a share of the "
                            "effect");
    glim_document_check_add(doc, "gradients", (double)gradients, "evaluated along the path");
    if (worst > 0.2)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "the scores miss the effect by %.0f %% after %llu gradients: this path "
                            "is too rough; use --method occlusion",
                            100 * worst, (unsigned long long)gradients);
    else if (worst > 0.05)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "the scores miss the effect by %.1f %%; check with --method occlusion",
                            100 * worst);
}

static void fill(struct path *s, const double *start, const double *effect, glim_document *doc) {
    size_t U = s->p->units->count;
    double fixed, base = 0;
    for (size_t r = 0; r < s->p->n_rows; r++) {
        const double *tokens = s->scores + r * s->p->T;
        glim__units_sum(s->p, r, tokens, doc->scores + r * U, &fixed);
        base += start[r];
        if (doc->rows) {
            doc->rows[r].baseline_value = start[r];
            doc->rows[r].residual = glim__tokens_total(s->p, tokens) - effect[r];
        }
        doc->fixed_total = (r ? doc->fixed_total : 0) + fixed;
        glim__fixed_add(s->p, tokens, false, doc);
    }
    doc->target.baseline_value = base;
}

static glim_status run_path(struct path *s, const struct opts *o, glim_document *doc,
                            glim_error *err) {
    glim_predictor *p = s->p;
    double *start = glim__calloc(p->ctx, 3 * p->n_rows, sizeof *start);
    if (!start)
        return glim__oom(p->ctx, err, "the path", 3 * p->n_rows * sizeof *start);
    double *effect = start + p->n_rows, *end = effect + p->n_rows;
    glim_status status = p->gradient(p, s->from, 1, -1, start, NULL, NULL, err);
    if (!status)
        status = p->gradient(p, s->to, 1, -1, end, NULL, NULL, err);
    for (size_t r = 0; r < p->n_rows && !status; r++)
        effect[r] = end[r] - start[r];
    bool adaptive = !strcmp(o->refine, "adaptive");
    if (!status && !adaptive)
        status = run_fixed(s, o, effect, err);
    for (size_t r = 0; r < p->n_rows && !status && adaptive; r++)
        status = run_adaptive_row(s, o, r, start[r], effect[r], err);
    if (!status) {
        fill(s, start, effect, doc);
        tell(doc, s, o, worst_residual(s, effect));
        judge(doc, p, worst_residual(s, effect), s->gradients);
    }
    glim__free(p->ctx, start);
    return status;
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    static const char *const names[] = {"zero", "mean", "token", "bos", "blur"};
    const struct opts *o = opts;
    struct path s = {.p = p};
    glim_baseline kind = GLIM_BASELINE_ZERO;
    while (strcmp(names[kind], o->baseline))
        kind++;
    if (kind == GLIM_BASELINE_BLUR && !p->image)
        return glim_fail(err, GLIM_EUSAGE, "--baseline blur is for pictures");
    glim_status status = glim__scores_new(p, doc, false, err);
    if (!status)
        status = glim__embedded(p, &s.to, 1, err);
    if (!status)
        status = glim__embedded(p, &s.from, 1, err);
    if (!status)
        status = p->baseline(p, kind, s.from, err);
    s.points = glim__calloc(p->ctx, CHUNK * p->T * p->C, sizeof *s.points);
    s.values = glim__calloc(p->ctx, CHUNK * p->n_rows, sizeof *s.values);
    s.scores = glim__calloc(p->ctx, p->n_rows * p->T, sizeof *s.scores);
    if (!status && (!s.points || !s.values || !s.scores))
        status = glim__oom(p->ctx, err, "the path", CHUNK * p->T * p->C * sizeof *s.points);
    if (!status)
        status = run_path(&s, o, doc, err);
    glim__free(p->ctx, s.from);
    glim__free(p->ctx, s.to);
    glim__free(p->ctx, s.points);
    glim__free(p->ctx, s.values);
    glim__free(p->ctx, s.scores);
    return status;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    const struct opts *o = opts;
    size_t n = (size_t)o->steps;
    bool refines = strcmp(o->refine, "none") != 0;
    if (refines) /* doubling repeats what it replaces */
        n = (size_t)(o->max_steps > o->steps ? 2 * o->max_steps : o->steps);
    p->plan_gradient(p, n, out);
    out->forward_tokens += 2 * p->T;
    size_t list = (size_t)o->max_steps / (2 * GL_INTERVAL) + 3;
    list = list < MOST_INTERVALS + 1 ? list : MOST_INTERVALS + 1;
    out->bytes += 4 * (CHUNK + 2) * p->T * p->C + 8 * p->n_rows * (2 * p->T + CHUNK) +
                  16 * (uint64_t)(o->max_steps > o->steps ? o->max_steps : o->steps);
    if (!strcmp(o->refine, "adaptive"))
        out->bytes += list * (sizeof(struct interval) + 8 * p->T);
    out->bounded = !refines;
    return GLIM_OK;
}

const glim_method glim_method_integrated_gradients = {
    .name = "integrated-gradients",
    .summary = "gradient averaged along the path from a baseline",
    .cite = "Sundararajan, Taly, Yan 2017, arXiv:1703.01365",
    .family = "gradients",
    .costs = "32+ gradients",
    .caption = "Contributions relative to the baseline; another baseline asks another question.",
    .formula = "score_i = (x_i - b_i) . integral of df / dx_i at b + t (x - b), t from 0 to 1;  "
               "sum of scores = f(x) - f(b)",
    .use = "when scores must add up and a gradient is affordable, and for models whose inputs "
           "cannot be cut out cleanly",
    .avoid = "when no baseline means absence for this input: another baseline gives other scores",
    .needs = GLIM_CAN_GRADIENT,
    .additive = true,
    .is_signed = true,
    .params = params,
    .opts_size = sizeof(struct opts),
    .plan = plan,
    .run = run,
};
