/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grad-CAM (Selvaraju et al. 2017): a map A (h, w, channels) inside a model of pictures,
 * its channels weighed by how the target reacts to them on the whole,
 *
 *   L(y, x) = ReLU(sum_c a_c A_c(y, x)),   a_c = mean over y, x of d(target)/dA_c(y, x),
 *
 * drawn over the picture (bilinear, corners not aligned, as PyTorch and Captum do it); a
 * unit gets the mean of its pixels, or their sum. The paper's target is a logit, ours
 * whatever is explained (--output). The paper shows maps and stops; here what ranks high
 * is painted over and must matter more than what ranks low.
 */
#include "explain/game.h"
#include "graph/tape.h"
#include "model/vision.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct opts {
    const char *site, *relu, *over;
};

static const glim_param params[] = {
    {.name = "site",
     .type = GLIM_STRING,
     .offset = offsetof(struct opts, site),
     .value_name = "NAME",
     .help = "the map (default: the last convolution's; glim info --sites names them)"},
    {.name = "relu",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, relu),
     .def.s = "on",
     .choices = "on|off",
     .help = "off: what speaks against the target is shown, too"},
    {.name = "over",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, over),
     .def.s = "mean",
     .choices = "mean|sum",
     .help = "how a unit's pixels become one number"},
    {0},
};

struct cam {
    glim_context *ctx;
    const char *site;
    size_t h, w, C;
    float *map;        /* (h, w, C) */
    double *weight;    /* (C) mean gradient */
    double *heat;      /* (h, w) */
    double cut, whole; /* of |heat|: below zero, all */
    const char *over;
};

/* The site that the options or, without one, the model's last map has. Errors: EUSAGE. */
static glim_status find_site(const glim_predictor *p, const char *wanted, const char **out,
                             glim_error *err) {
    size_t n = 0, matches = 0;
    const char *const *sites = glim_model_sites(p->model, &n);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(sites[i]);
        bool last = !wanted && len > 9 && !strcmp(sites[i] + len - 9, ".hook_out");
        if (!last && !(wanted && glim__site_match(wanted, sites[i])))
            continue;
        *out = sites[i];
        matches++;
    }
    if (wanted && matches != 1)
        return glim_fail(err, GLIM_EUSAGE,
                         matches ? "'%.60s' means %zu sites; grad-cam reads one map"
                                 : "the model has no site '%.60s' (glim info --sites names them)",
                         wanted, matches);
    return GLIM_OK;
}

/* ---- what the model shows ---- */

static glim_status take_map(struct cam *c, const glim_site *site, glim_error *err) {
    if (site->n_dims != 3)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%s' is no map over the picture (head.hook_out and blocks.N.hook_out "
                         "are)",
                         site->name);
    c->h = site->dims[0];
    c->w = site->dims[1];
    c->C = site->dims[2];
    c->map = glim__calloc(c->ctx, c->h * c->w * c->C, sizeof *c->map);
    c->weight = glim__calloc(c->ctx, c->C, sizeof *c->weight);
    c->heat = glim__calloc(c->ctx, c->h * c->w, sizeof *c->heat);
    if (!c->map || !c->weight || !c->heat)
        return glim__oom(c->ctx, err, "a map", c->h * c->w * c->C * sizeof *c->map);
    memcpy(c->map, site->data, c->h * c->w * c->C * sizeof *c->map);
    return GLIM_OK;
}

static glim_status visit(void *data, const glim_site *site, glim_error *err) {
    struct cam *c = data;
    if (!site->gradient)
        return take_map(c, site, err);
    for (size_t i = 0; i < c->h * c->w; i++)
        for (size_t k = 0; k < c->C; k++)
            c->weight[k] += site->data[i * c->C + k];
    return GLIM_OK;
}

static void weigh(struct cam *c, bool relu) {
    size_t cells = c->h * c->w;
    for (size_t i = 0; i < cells; i++) {
        double sum = 0;
        for (size_t k = 0; k < c->C; k++)
            sum += c->weight[k] / (double)cells * c->map[i * c->C + k];
        c->whole += fabs(sum);
        c->cut += sum < 0 ? -sum : 0;
        c->heat[i] = relu && sum < 0 ? 0 : sum;
    }
}

/* ---- over the picture ---- */

/* Where pixel i of n lies among m cells: between at[0] and at[1], *part of the way. */
static void between(size_t i, size_t n, size_t m, size_t at[2], double *part) {
    double x = ((double)i + 0.5) * (double)m / (double)n - 0.5;
    x = x > 0 ? x : 0;
    at[0] = (size_t)x < m - 1 ? (size_t)x : m - 1;
    at[1] = at[0] + 1 < m ? at[0] + 1 : at[0];
    *part = x - (double)at[0];
}

static double heat_at(const struct cam *c, const glim_predictor *p, size_t pixel) {
    size_t W = (size_t)p->width, H = (size_t)p->height, y[2], x[2];
    double down, right;
    between(pixel / W, H, c->h, y, &down);
    between(pixel % W, W, c->w, x, &right);
    double top = c->heat[y[0] * c->w + x[0]] * (1 - right) + c->heat[y[0] * c->w + x[1]] * right;
    double low = c->heat[y[1] * c->w + x[0]] * (1 - right) + c->heat[y[1] * c->w + x[1]] * right;
    return top * (1 - down) + low * down;
}

static void fill(const struct cam *c, const glim_predictor *p, double *scores) {
    for (size_t u = 0; u < p->units->count; u++) {
        const glim_unit *unit = &p->units->at[u];
        double sum = 0;
        for (size_t t = unit->first; t < unit->first + unit->count; t++)
            sum += heat_at(c, p, p->place[t]);
        scores[u] = strcmp(c->over, "sum") != 0 ? sum / (double)unit->count : sum;
    }
}

/* ---- does it matter? ---- */

struct rank {
    size_t unit;
    double score;
};

static int by_score(const void *a, const void *b) {
    const struct rank *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score ? 1 : -1) : x->unit < y->unit ? -1 : 1;
}

/* Masks without the fifth of the units that ranks highest, and without the lowest. */
static void fifths(const double *scores, size_t n, struct rank *ranks, uint8_t *keep) {
    size_t few = n / 5 ? n / 5 : 1;
    for (size_t u = 0; u < n; u++)
        ranks[u] = (struct rank){u, scores[u]};
    qsort(ranks, n, sizeof *ranks, by_score);
    memset(keep, 1, 2 * n);
    for (size_t i = 0; i < few; i++) {
        keep[ranks[i].unit] = 0;
        keep[n + ranks[n - 1 - i].unit] = 0;
    }
}

static glim_status paint_over(glim_predictor *p, glim_document *doc, glim_error *err) {
    size_t n = p->units->count;
    double left[2];
    glim_absent absent;
    if (n < 2)
        return GLIM_OK;
    struct rank *ranks = glim__calloc(p->ctx, n, sizeof *ranks);
    uint8_t *keep = glim__alloc(p->ctx, 2 * n);
    glim_status status = ranks && keep ? glim__absent_of(p, "auto", &absent, err)
                                       : glim__oom(p->ctx, err, "the masks", 2 * n);
    if (!status) {
        fifths(doc->scores, n, ranks, keep);
        status = p->values(p, keep, 2, absent, left, err);
    }
    glim__free(p->ctx, keep);
    glim__free(p->ctx, ranks);
    if (status)
        return status;
    double high = p->value[0] - left[0], low = p->value[0] - left[1];
    glim_document_check_add(doc, "top_fifth", high,
                            "what the target loses without the fifth of the units that ranks "
                            "highest");
    glim_document_check_add(doc, "low_fifth", low, "and without the fifth that ranks lowest");
    if (high <= low)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "without the units that rank highest the target loses no more than "
                            "without the lowest (another --site, or --method occlusion)");
    return GLIM_OK;
}

static void judge(const struct cam *c, glim_document *doc) {
    glim_document_check_add(doc, "map_cells", (double)(c->h * c->w),
                            "cells of the map; what is smaller than one is interpolated");
    glim_document_check_add(doc, "against", c->whole > 0 ? c->cut / c->whole : NAN,
                            "share of the map that speaks against the target");
    if (c->cut >= c->whole)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "nothing on this map speaks for the target (--relu off shows what "
                            "speaks against it)");
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    const struct opts *o = opts;
    struct cam c = {.ctx = p->ctx, .over = o->over};
    bool relu = !strcmp(o->relu, "on");
    doc->method.is_signed = !relu;
    glim_status status = glim__scores_new(p, doc, false, err);
    if (!status)
        status = find_site(p, o->site, &c.site, err);
    glim_hook hook = {c.site, GLIM_HOOK_READ | GLIM_HOOK_GRAD, visit, &c};
    if (!status)
        status = p->observe(p, &hook, 1, 0, err);
    if (!status) {
        weigh(&c, relu);
        fill(&c, p, doc->scores);
        glim_document_note(doc, "the map of %s, %zu x %zu cells of %zu channels", c.site, c.w, c.h,
                           c.C);
        judge(&c, doc);
        status = paint_over(p, doc, err);
    }
    glim__free(p->ctx, c.map);
    glim__free(p->ctx, c.weight);
    glim__free(p->ctx, c.heat);
    return status;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    const char *site;
    glim_status status = find_site(p, ((const struct opts *)opts)->site, &site, err);
    if (status)
        return status;
    glim_hook hook = {site, GLIM_HOOK_READ | GLIM_HOOK_GRAD, visit, NULL};
    p->plan_observe(p, &hook, 1, 0, out);
    out->bytes += 3 * sizeof(float) * glim__vision_largest(p->model) +
                  (2 + sizeof(struct rank)) * p->units->count;
    out->forward_tokens += 2 * p->T; /* painted over */
    return GLIM_OK;
}

const glim_method glim_method_grad_cam = {
    .name = "grad-cam",
    .summary = "where in a picture the evidence lies",
    .cite = "Selvaraju et al. 2017, arXiv:1610.02391",
    .family = "gradients",
    .caption = "As fine as the map and no finer: the edges of a warm place are interpolation.",
    .formula = "map = relu(sum over channels c of w_c A_c), w_c = mean of df/dA_c;  score_i = mean "
               "of the map over i's pixels",
    .use = "of pictures: a fast answer to roughly where",
    .avoid = "for edges or small things: the map is as coarse as the layer",
    .needs = GLIM_CAN_GRADIENT | GLIM_CAN_ACTIVATIONS | GLIM_CAN_MAPS,
    .costs = "1 gradient",
    .params = params,
    .opts_size = sizeof(struct opts),
    .unit = "size",
    .plan = plan,
    .run = run,
};
