/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mixture of experts (Shazeer et al. 2017; Fedus et al. 2021): each row goes
 * through the k gated feed-forward parts that the router scores highest.
 *
 *   s = softmax(l) or sigmoid(l)       over the router's logits l (T, E)
 *   chosen: the k largest of s + b     b moves the choice only
 *   w = s on the chosen                divided by their sum when asked; times `scale`
 *   y = sum over the chosen e of w_e ((act(x G_e^T) * (x U_e^T)) D_e^T)
 *
 * Backward goes through the experts and through w; the choice is held constant,
 * as autograd has it. Experts are taken in ascending order, so that sums have one
 * order; one that no row chose is not unpacked. Activations inside an expert are
 * computed again on the way back: keeping them would cost k F floats a row.
 * aux holds w (T, E), zero where an expert was not chosen.
 */
#include "graph/ops.h"

#include <math.h>
#include <string.h>

/* ---- routing ---- */

static void scores_of(const glim_experts *how, const float *logits, double *s) {
    double top = logits[0], sum = 0;
    for (int e = 1; e < how->count; e++)
        top = logits[e] > top ? logits[e] : top;
    for (int e = 0; e < how->count; e++) {
        s[e] = how->sigmoid ? 1 / (1 + exp(-(double)logits[e])) : exp(logits[e] - top);
        sum += s[e];
    }
    for (int e = 0; e < how->count && !how->sigmoid; e++)
        s[e] /= sum;
}

/* Sum of the chosen scores; marks the chosen in `in`. Ties go to the smaller
   index. */
static double choose(const glim_experts *how, const double *s, bool *in) {
    double sum = 0;
    memset(in, 0, (size_t)how->count * sizeof *in);
    for (int k = 0; k < how->used; k++) {
        int best = -1;
        double most = 0;
        for (int e = 0; e < how->count; e++) {
            double value = s[e] + (how->choice_bias ? how->choice_bias[e] : 0);
            if (!in[e] && (best < 0 || value > most)) {
                best = e;
                most = value;
            }
        }
        if (best < 0)
            break;
        in[best] = true;
        sum += s[best];
    }
    return how->normalise ? sum + 1e-20 : 1;
}

struct route {
    const glim_experts *how;
    const float *logits, *dw;
    float *w, *d_logits;
};

static void route_rows(void *data, int64_t first, int64_t count) {
    struct route *r = data;
    int E = r->how->count;
    double s[GLIM_MOST_EXPERTS];
    bool in[GLIM_MOST_EXPERTS];
    for (int64_t t = first; t < first + count; t++) {
        scores_of(r->how, r->logits + t * E, s);
        double sum = choose(r->how, s, in);
        for (int e = 0; e < E; e++)
            r->w[t * E + e] = in[e] ? (float)(s[e] / sum * r->how->scale) : 0;
    }
}

/* dw (T, E) -> d_logits; s' = ds/dl of softmax or sigmoid. */
static void route_back_rows(void *data, int64_t first, int64_t count) {
    struct route *r = data;
    int E = r->how->count;
    double s[GLIM_MOST_EXPERTS];
    bool in[GLIM_MOST_EXPERTS];
    for (int64_t t = first; t < first + count; t++) {
        const float *dw = r->dw + t * E;
        scores_of(r->how, r->logits + t * E, s);
        double sum = choose(r->how, s, in), mean = 0, level = 0;
        for (int e = 0; e < E && r->how->normalise; e++)
            mean += in[e] ? dw[e] * s[e] / sum : 0;
        for (int e = 0; e < E && !r->how->sigmoid; e++)
            level += in[e] ? (dw[e] - mean) * s[e] : 0;
        for (int e = 0; e < E; e++) {
            double ds = in[e] ? dw[e] - mean : 0;
            double slope = r->how->sigmoid ? ds * s[e] * (1 - s[e]) : s[e] * (ds - level);
            r->d_logits[t * E + e] += (float)(slope * r->how->scale / sum);
        }
    }
}

/* ---- one expert ---- */

/* Rows that chose one expert, gathered. Buffers are (most rows of any expert). */
struct expert {
    glim_tape *t;
    const glim_tape_node *n;
    const glim_experts *how;
    float *buffer, *x, *g, *u, *h, *y, *dg, *du;
    int64_t *row;
    int64_t C, F, rows, most;
    const glim_matrix *gate, *up, *down;
    const enum glim_manner *manner; /* of the activation's slope; NULL = its own */
};

static void find_rows(struct expert *s, int e) {
    s->rows = 0;
    for (int64_t t = 0; t < s->n->rows->T; t++)
        if (s->n->aux[t * s->how->count + e] != 0)
            s->row[s->rows++] = t;
    s->gate = &s->how->gate[e];
    s->up = &s->how->up[e];
    s->down = &s->how->down[e];
}

static void gather(const struct expert *s, float *out, const float *in) {
    for (int64_t i = 0; i < s->rows; i++)
        memcpy(out + i * s->C, in + s->row[i] * s->C, (size_t)s->C * sizeof *out);
}

static glim_status product(const struct expert *s, float *y, const float *x, const glim_matrix *w,
                           glim_error *err) {
    return (s->t->decode ? glim__linear_decode : glim__linear)(
        s->t->ctx, y, (size_t)w->rows, x, (size_t)w->cols, s->rows, w, NULL, err);
}

/* y = the expert's output for its rows. */
static glim_status run_expert(struct expert *s, glim_error *err) {
    gather(s, s->x, s->t->nodes[s->n->inputs[0]].data);
    glim_status status = product(s, s->g, s->x, s->gate, err);
    if (!status)
        status = product(s, s->u, s->x, s->up, err);
    if (status)
        return status;
    glim__kernels(s->t->ctx)->gate(s->h, s->g, s->u, (size_t)(s->rows * s->F), s->how->act);
    return product(s, s->y, s->h, s->down, err);
}

static glim_status open_expert(struct expert *s, glim_tape *t, glim_tape_node *n, bool back,
                               glim_error *err) {
    *s = (struct expert){.t = t, .n = n, .how = n->as.experts, .C = n->cols};
    s->F = s->how->gate->rows;
    int64_t T = n->rows->T, E = s->how->count;
    for (int e = 0; e < E; e++) {
        int64_t rows = 0;
        for (int64_t r = 0; r < T; r++)
            rows += n->aux[r * E + e] != 0;
        s->most = rows > s->most ? rows : s->most;
    }
    size_t floats = (size_t)(s->most * (2 * s->C + (back ? 5 : 3) * s->F));
    s->row = glim__calloc(t->ctx, (size_t)T + 1, sizeof *s->row);
    s->buffer = glim__workspace_take(t->space, floats + 1);
    if (!s->row || !s->buffer)
        return glim__oom(t->ctx, err, "the experts", floats * 4);
    s->x = s->buffer;
    s->y = s->x + s->most * s->C;
    s->g = s->y + s->most * s->C;
    s->u = s->g + s->most * s->F;
    s->h = s->u + s->most * s->F;
    s->dg = s->h + s->most * s->F;
    s->du = s->dg + s->most * s->F;
    return GLIM_OK;
}

static void close_expert(struct expert *s) {
    glim__free(s->t->ctx, s->row);
    glim__workspace_give(s->t->space, s->buffer);
}

/* ---- forward ---- */

static glim_status experts_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct route r = {.how = n->as.experts, .logits = t->nodes[n->inputs[1]].data, .w = n->aux};
    struct expert s;
    glim__tape_rows(t, n, route_rows, &r);
    memset(n->data, 0, (size_t)(n->rows->T * n->cols) * sizeof *n->data);
    glim_status status = open_expert(&s, t, n, false, err);
    for (int e = 0; e < s.how->count && !status; e++) {
        find_rows(&s, e);
        if (s.rows)
            status = run_expert(&s, err);
        for (int64_t i = 0; i < s.rows && !status; i++)
            glim__kernels(t->ctx)->axpy(n->data + s.row[i] * s.C,
                                        n->aux[s.row[i] * s.how->count + e], s.y + i * s.C,
                                        (size_t)s.C);
    }
    close_expert(&s);
    return status;
}

/* ---- backward ---- */

/* Adds the way through one expert to dx, and fills its column of dw. */
static glim_status walk_expert(struct expert *s, int e, float *dx, float *dw, glim_error *err) {
    const glim_kernels *kernels = glim__kernels(s->t->ctx);
    int E = s->how->count;
    size_t C = (size_t)s->C, F = (size_t)s->F, rows = (size_t)s->rows;
    glim_status status = run_expert(s, err);
    if (status)
        return status;
    for (size_t i = 0; i < rows; i++) {
        const float *dy = s->n->grad + s->row[i] * s->C;
        int64_t at = s->row[i] * E + e;
        dw[at] = kernels->dot_f32(dy, s->y + i * C, C);
        memset(s->y + i * C, 0, C * sizeof *s->y);
        kernels->axpy(s->y + i * C, s->n->aux[at], dy, C); /* y is now w dy */
    }
    memset(s->h, 0, rows * F * sizeof *s->h);
    memset(s->dg, 0, 2 * (size_t)s->most * F * sizeof *s->dg);
    memset(s->x, 0, rows * C * sizeof *s->x);
    if ((status = glim__linear_backward(s->t->ctx, s->h, F, s->y, C, s->rows, s->down, err)))
        return status;
    if (s->manner)
        glim__gate_back_by(kernels, *s->manner, &(glim_gate_slopes){s->dg, s->du, s->h, s->g, s->u},
                           rows * F, s->how->act);
    else
        kernels->gate_backward(s->dg, s->du, s->h, s->g, s->u, rows * F, s->how->act);
    if ((status = glim__linear_backward(s->t->ctx, s->x, C, s->dg, F, s->rows, s->gate, err)) ||
        (status = glim__linear_backward(s->t->ctx, s->x, C, s->du, F, s->rows, s->up, err)))
        return status;
    for (size_t i = 0; i < rows; i++)
        kernels->add(dx + s->row[i] * s->C, dx + s->row[i] * s->C, s->x + i * C, C);
    return GLIM_OK;
}

static glim_status walk(glim_tape *t, glim_tape_node *n, const enum glim_manner *manner,
                        glim_error *err) {
    struct expert s;
    size_t weights = (size_t)(n->rows->T * n->as.experts->count);
    float *dx, *d_logits, *dw;
    glim_status status;
    if ((status = glim__tape_grad(t, n, 0, &dx, err)) ||
        (status = glim__tape_grad(t, n, 1, &d_logits, err)))
        return status;
    dw = glim__workspace_take(t->space, weights);
    status = open_expert(&s, t, n, true, err);
    s.manner = manner;
    if (!status && !dw)
        status = glim__oom(t->ctx, err, "a gradient", weights * sizeof *dw);
    if (!status)
        memset(dw, 0, weights * sizeof *dw);
    for (int e = 0; e < s.how->count && !status; e++) {
        find_rows(&s, e);
        if (s.rows)
            status = walk_expert(&s, e, dx, dw, err);
    }
    struct route r = {.how = n->as.experts,
                      .logits = t->nodes[n->inputs[1]].data,
                      .dw = dw,
                      .d_logits = d_logits};
    if (!status && !(manner && *manner == GLIM_MANNER_LRP)) /* there w is constant */
        glim__tape_rows(t, n, route_back_rows, &r);
    close_expert(&s);
    glim__workspace_give(t->space, dw);
    return status;
}

static glim_status experts_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return walk(t, n, NULL, err);
}

glim_status glim__experts_backward_lrp(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return walk(t, n, &(const enum glim_manner){GLIM_MANNER_LRP}, err);
}

glim_status glim__experts_backward_guided(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return walk(t, n, &(const enum glim_manner){GLIM_MANNER_GUIDED}, err);
}

glim_status glim__experts_backward_deconvnet(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return walk(t, n, &(const enum glim_manner){GLIM_MANNER_DECONVNET}, err);
}

static size_t experts_aux(const glim_tape *t, const glim_tape_node *n) {
    return (size_t)(n->rows->T * n->as.experts->count);
}

const glim_op glim__op_experts_op = {
    .name = "experts",
    .saves = 3u,
    .forward = experts_forward,
    .backward = experts_backward,
    .aux = experts_aux,
};

glim_node glim__op_experts(glim_tape *t, glim_node x, glim_node logits, const glim_experts *how) {
    if (!x || !logits || t->nodes[logits].cols != how->count ||
        t->nodes[x].cols != how->gate->cols || how->count > GLIM_MOST_EXPERTS)
        t->status = t->status ? t->status : GLIM_EINTERNAL;
    glim_tape_node *n =
        glim__tape_append(t, &glim__op_experts_op, x, logits, 0, t->status ? 0 : t->nodes[x].cols);
    if (n)
        n->as.experts = how;
    return glim__tape_index(t, n);
}

uint64_t glim__experts_scratch(const glim_experts *how, uint64_t rows, bool back) {
    uint64_t C = (uint64_t)how->gate->cols, F = (uint64_t)how->gate->rows;
    return 4 * rows * (2 * C + (back ? 5 : 3) * F + (back ? (uint64_t)how->count : 0)) + 8 * rows;
}
