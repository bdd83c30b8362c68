/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tape is built first and run afterwards, so that the last reader of every
 * value is known before the first value is made: that is all the memory
 * planning there is. One tape holds one block of a model; the session strings
 * blocks together and decides which of them keep their values.
 */
#include "graph/tape.h"

#include <string.h>

void glim__tape_begin(glim_tape *t, glim_context *ctx, glim_workspace *space,
                      const glim_rows *rows) {
    glim__tape_release(t);
    t->ctx = ctx;
    t->space = space;
    t->rows = rows;
    t->prefix = "";
    t->layer = -1;
    t->picked = NULL;
    t->rules = NULL;
    t->memory = t->across_k = t->across_v = NULL;
    t->memory_rows = NULL;
    t->memory_node = t->across_nodes[0] = t->across_nodes[1] = 0;
    t->status = GLIM_OK;
    t->count = 0;
}

void glim__tape_release(glim_tape *t) {
    for (int i = 1; i <= t->count; i++) {
        glim_tape_node *n = &t->nodes[i];
        if (!n->borrowed)
            glim__workspace_give(t->space, n->data);
        if (!n->lent_grad)
            glim__workspace_give(t->space, n->grad);
        glim__workspace_give(t->space, n->aux);
        glim__workspace_give(t->space, n->pattern);
    }
    t->count = 0;
}

glim_tape_node *glim__tape_append(glim_tape *t, const glim_op *op, glim_node a, glim_node b,
                                  glim_node c, int64_t cols) {
    if (t->status)
        return NULL;
    if (t->count == GLIM_TAPE_NODES) {
        t->status = GLIM_EINTERNAL;
        return NULL;
    }
    glim_tape_node *n = &t->nodes[++t->count];
    *n = (glim_tape_node){
        .op = op, .inputs = {a, b, c}, .cols = cols, .rows = a ? t->nodes[a].rows : t->rows};
    return n;
}

glim_node glim__op_site(glim_tape *t, glim_node id, glim_site_kind kind, const char *name,
                        int heads) {
    if (t->status || !id)
        return 0;
    glim_tape_node *n = &t->nodes[id];
    if (n->n_sites == GLIM_NODE_SITES) {
        t->status = GLIM_EINTERNAL;
        return 0;
    }
    n->sites[n->n_sites].kind = kind;
    n->sites[n->n_sites].name = name;
    n->sites[n->n_sites++].heads = heads;
    return id;
}

/* ---- sites --------------------------------------------------------------- */

bool glim__site_match(const char *pattern, const char *name) {
    const char *star = NULL, *back = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = ++pattern;
            back = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star;
            name = ++back;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* The index of a node's first site of a kind, or -1. */
static int site_of(const glim_tape_node *n, glim_site_kind kind) {
    for (int i = 0; i < n->n_sites; i++)
        if (n->sites[i].kind == kind)
            return i;
    return -1;
}

static const char *site_name(const glim_tape *t, const glim_tape_node *n, int which, char *full,
                             size_t size) {
    size_t a = strlen(t->prefix), b = which < 0 ? 0 : strlen(n->sites[which].name);
    if (which < 0 || a + b + 1 > size)
        return NULL;
    memcpy(full, t->prefix, a);
    memcpy(full + a, n->sites[which].name, b + 1);
    return full;
}

/* Whether a hook asks for one of the actions; with GLIM_HOOK_HEADS among them only those
   that see a pattern head by head, else only those that see it whole. */
static bool asks(const glim_hook *h, glim_site_kind kind, unsigned actions) {
    if ((kind == GLIM_SITE_WEIGHT) != !!(h->actions & GLIM_HOOK_WEIGHT))
        return false;
    if (kind == GLIM_SITE_WEIGHT) /* on the way there, or on the way back */
        return actions & (h->actions & GLIM_HOOK_WRITE ? GLIM_HOOK_WRITE : GLIM_HOOK_WEIGHT);
    bool heads = kind == GLIM_SITE_PATTERN &&
                 (h->actions & (GLIM_HOOK_HEADS | GLIM_HOOK_WRITE)) == GLIM_HOOK_HEADS;
    return (h->actions & actions & ~(unsigned)GLIM_HOOK_HEADS) &&
           heads == !!(actions & GLIM_HOOK_HEADS);
}

static bool wants(const glim_tape *t, const glim_tape_node *n, int which, unsigned actions) {
    char name[96];
    if (!t->n_hooks || !site_name(t, n, which, name, sizeof name))
        return false;
    for (size_t i = 0; i < t->n_hooks; i++)
        if (asks(&t->hooks[i], n->sites[which].kind, actions) &&
            glim__site_match(t->hooks[i].pattern, name))
            return true;
    return false;
}

bool glim__tape_wants(const glim_tape *t, const glim_tape_node *n, glim_site_kind kind,
                      unsigned actions) {
    return wants(t, n, site_of(n, kind), actions);
}

static glim_status show(glim_tape *t, const glim_tape_node *n, int which, unsigned actions,
                        const glim_site *site, glim_error *err) {
    char name[96];
    if (!site_name(t, n, which, name, sizeof name))
        return GLIM_OK;
    for (size_t i = 0; i < t->n_hooks; i++) {
        const glim_hook *h = &t->hooks[i];
        if (!asks(h, n->sites[which].kind, actions) || !glim__site_match(h->pattern, name))
            continue;
        glim_site seen = *site;
        seen.name = name;
        seen.layer = t->layer;
        glim_status status = h->visit(h->data, &seen, err);
        if (status)
            return status;
    }
    return GLIM_OK;
}

glim_status glim__tape_show(glim_tape *t, const glim_tape_node *n, glim_site_kind kind,
                            unsigned actions, const glim_site *site, glim_error *err) {
    return show(t, n, site_of(n, kind), actions, site, err);
}

/* Shows rows of an array (T, cols) to the hooks, a sequence at a time. */
static glim_status show_rows(glim_tape *t, const glim_tape_node *n, int which, float *data,
                             int64_t cols, bool gradient, glim_error *err) {
    glim_site_kind kind = n->sites[which].kind;
    int heads = kind == GLIM_SITE_HEADS ? n->sites[which].heads : 0;
    int wide = kind == GLIM_SITE_IMAGE ? n->sites[which].heads : 0;
    unsigned actions = gradient    ? GLIM_HOOK_GRAD
                       : t->replay ? GLIM_HOOK_WRITE
                                   : GLIM_HOOK_READ | GLIM_HOOK_WRITE;
    for (size_t p = 0; p < n->rows->n_parts; p++) {
        const glim_rows_part *part = &n->rows->parts[p];
        glim_site site = {.sequence = p, .data = data + part->first * cols, .gradient = gradient};
        site.dims[site.n_dims++] = (size_t)(wide ? part->count / wide : part->count);
        if (heads || wide)
            site.dims[site.n_dims++] = (size_t)(heads ? heads : wide);
        site.dims[site.n_dims++] = (size_t)(heads ? cols / heads : cols);
        glim_status status = show(t, n, which, actions, &site, err);
        if (status)
            return status;
    }
    return GLIM_OK;
}

/* The sites of a norm that are no node's output: the divisor, and x divided by
   it. Computed only for whoever asks. */
static glim_status show_norm(glim_tape *t, const glim_tape_node *n, int which, glim_error *err) {
    const glim_tape_node *x = &t->nodes[n->inputs[0]];
    bool scale = n->sites[which].kind == GLIM_SITE_SCALE;
    int64_t cols = scale ? 1 : x->cols, T = n->rows->T;
    float *out = glim__workspace_take(t->space, (size_t)(T * cols));
    if (!out)
        return glim__oom(t->ctx, err, "a site", (uint64_t)(T * cols) * 4);
    for (int64_t r = 0; r < T; r++) {
        float mean = n->as.norm.centred ? n->aux[T + r] : 0;
        for (int64_t c = 0; c < cols; c++)
            out[r * cols + c] =
                scale ? 1.0f / n->aux[r] : (x->data[r * cols + c] - mean) * n->aux[r];
    }
    glim_status status = show_rows(t, n, which, out, cols, false, err);
    glim__workspace_give(t->space, out);
    return status;
}

/* Per-head results of the output projection: the projection of z with all
   other heads set to zero. */
static glim_status show_result(glim_tape *t, const glim_tape_node *n, int which, glim_error *err) {
    const glim_tape_node *z = &t->nodes[n->inputs[0]];
    int64_t T = n->rows->T, C = n->cols, H = n->as.linear.heads, D = z->cols / H;
    float *out = glim__workspace_take(t->space, (size_t)(T * H * C));
    float *one = glim__workspace_take(t->space, (size_t)(T * z->cols));
    glim_status status = GLIM_OK;
    if (!out || !one)
        status = glim__oom(t->ctx, err, "hook_result", (uint64_t)(T * H * C) * 4);
    for (int64_t h = 0; h < H && !status; h++) {
        memset(one, 0, (size_t)(T * z->cols) * sizeof *one);
        for (int64_t r = 0; r < T; r++)
            memcpy(one + r * z->cols + h * D, z->data + r * z->cols + h * D,
                   (size_t)D * sizeof *one);
        status = glim__linear(t->ctx, out + h * C, (size_t)(H * C), one, (size_t)z->cols, T,
                              n->as.linear.w, NULL, err);
    }
    for (size_t p = 0; p < n->rows->n_parts && !status; p++) {
        const glim_rows_part *part = &n->rows->parts[p];
        glim_site site = {.sequence = p, .n_dims = 3, .data = out + part->first * H * C};
        site.dims[0] = (size_t)part->count;
        site.dims[1] = (size_t)H;
        site.dims[2] = (size_t)C;
        status = glim__tape_show(t, n, n->sites[which].kind, GLIM_HOOK_READ, &site, err);
    }
    glim__workspace_give(t->space, one);
    glim__workspace_give(t->space, out);
    return status;
}

/* Output (back: its gradient) and input of a product, a sequence at a time. */
static glim_status show_weight(glim_tape *t, const glim_tape_node *n, int which, bool back,
                               glim_error *err) {
    const glim_tape_node *x = &t->nodes[n->inputs[0]];
    glim_status status = GLIM_OK;
    for (size_t p = 0; p < n->rows->n_parts && !status; p++) {
        const glim_rows_part *part = &n->rows->parts[p];
        glim_site site = {.sequence = p,
                          .n_dims = 3,
                          .dims = {(size_t)part->count, (size_t)n->cols, (size_t)x->cols},
                          .data = (back ? n->grad : n->data) + part->first * n->cols,
                          .value = x->data + part->first * x->cols,
                          .gradient = back};
        status = show(t, n, which, back ? GLIM_HOOK_WEIGHT : GLIM_HOOK_WRITE, &site, err);
    }
    return status;
}

static bool is_output(glim_site_kind kind) {
    return kind == GLIM_SITE_VALUE || kind == GLIM_SITE_HEADS || kind == GLIM_SITE_IMAGE;
}

static glim_status show_forward(glim_tape *t, const glim_tape_node *n, glim_error *err) {
    if (t->replay && n->borrowed)
        return GLIM_OK; /* a lent value keeps what was written to it */
    for (int i = 0; i < n->n_sites && t->n_hooks; i++) {
        glim_site_kind kind = n->sites[i].kind;
        unsigned actions = t->replay ? GLIM_HOOK_WRITE : GLIM_HOOK_READ | GLIM_HOOK_WRITE;
        if (!wants(t, n, i, actions))
            continue;
        glim_status status = GLIM_OK;
        if (is_output(kind))
            status = show_rows(t, n, i, n->data, n->cols, false, err);
        else if ((kind == GLIM_SITE_SCALE || kind == GLIM_SITE_NORMALIZED) && !t->replay)
            status = show_norm(t, n, i, err);
        else if (kind == GLIM_SITE_WEIGHTS && !t->replay)
            status = show_rows(t, n, i, n->aux, n->as.experts->count, false, err);
        else if (kind == GLIM_SITE_RESULT && !t->replay)
            status = show_result(t, n, i, err);
        else if (kind == GLIM_SITE_WEIGHT)
            status = show_weight(t, n, i, false, err);
        if (status)
            return status;
    }
    return GLIM_OK;
}

/* ---- running ------------------------------------------------------------- */

/* The rule that replaces an op's backward, or NULL. */
static const glim_rule *rule_of(const glim_tape *t, const glim_op *op) {
    for (size_t i = 0; t->rules && i < t->rules->n; i++)
        if (t->rules->rules[i].op == op)
            return &t->rules->rules[i];
    return NULL;
}

static unsigned saves_of(const glim_tape *t, const glim_tape_node *n) {
    const glim_rule *rule = rule_of(t, n->op);
    bool weight = glim__tape_wants(t, n, GLIM_SITE_WEIGHT, GLIM_HOOK_WEIGHT);
    return n->op->saves | (rule ? rule->saves : 0) | (weight ? 1 : 0);
}

/* Finds the last reader of every value and which values backward reads. */
static void find_readers(glim_tape *t, bool keep) {
    for (int i = 1; i <= t->count; i++) {
        glim_tape_node *n = &t->nodes[i];
        n->last = t->count + 1;
        n->keep = keep && (saves_of(t, n) & GLIM_SAVES_OUTPUT);
    }
    for (int i = t->count; i >= 1; i--) {
        unsigned saves = saves_of(t, &t->nodes[i]);
        for (int k = 0; k < GLIM_NODE_INPUTS; k++) {
            glim_tape_node *in = &t->nodes[t->nodes[i].inputs[k]];
            if (!t->nodes[i].inputs[k])
                continue;
            if (in->last > t->count)
                in->last = i;
            if (keep && (saves & (1u << k)))
                in->keep = true;
        }
    }
}

/* A replay computes what backward reads and what leads there, not the block's
   end, whose result is known. */
static void find_idle(glim_tape *t) {
    bool needed[GLIM_TAPE_NODES + 1] = {false};
    for (int i = t->count; i >= 1; i--) {
        glim_tape_node *n = &t->nodes[i];
        needed[i] = needed[i] || n->keep || n->op->aux;
        n->idle = t->replay && !needed[i];
        for (int k = 0; k < GLIM_NODE_INPUTS && needed[i]; k++)
            needed[n->inputs[k]] = true;
    }
}

static void give_read(glim_tape *t, int i) {
    for (int k = 0; k < GLIM_NODE_INPUTS; k++) {
        glim_tape_node *in = &t->nodes[t->nodes[i].inputs[k]];
        if (t->nodes[i].inputs[k] && in->last == i && !in->keep && !in->hold && !in->borrowed) {
            glim__workspace_give(t->space, in->data);
            in->data = NULL;
        }
    }
    glim_tape_node *n = &t->nodes[i];
    if (!t->keep && n->aux) {
        glim__workspace_give(t->space, n->aux);
        n->aux = NULL;
    }
}

glim_status glim__tape_forward(glim_tape *t, glim_error *err) {
    if (t->status)
        return glim_fail(err, t->status, "the graph of layer %d could not be built", t->layer);
    find_readers(t, t->keep);
    find_idle(t);
    for (int i = 1; i <= t->count; i++) {
        glim_tape_node *n = &t->nodes[i];
        size_t T = (size_t)n->rows->T;
        size_t aux = n->op->aux ? n->op->aux(t, n) : 0;
        if (n->idle) {
            give_read(t, i);
            continue;
        }
        if (!n->borrowed && !(n->data = glim__workspace_take(t->space, T * (size_t)n->cols)))
            return glim__oom(t->ctx, err, n->op->name, T * (uint64_t)n->cols * 4);
        if (aux && !(n->aux = glim__workspace_take(t->space, aux)))
            return glim__oom(t->ctx, err, n->op->name, (uint64_t)aux * 4);
        glim_status status = n->op->forward ? n->op->forward(t, n, err) : GLIM_OK;
        if (!status)
            status = show_forward(t, n, err);
        if (!status)
            status = glim__check_cancel(t->ctx, err);
        if (status)
            return status;
        give_read(t, i);
    }
    return GLIM_OK;
}

glim_status glim__tape_grad(glim_tape *t, const glim_tape_node *n, int i, float **out,
                            glim_error *err) {
    glim_tape_node *in = &t->nodes[n->inputs[i]];
    if (!in->grad) {
        size_t floats = (size_t)(in->rows->T * in->cols);
        in->grad = glim__workspace_take(t->space, floats);
        if (!in->grad)
            return glim__oom(t->ctx, err, "a gradient", (uint64_t)floats * 4);
        memset(in->grad, 0, floats * sizeof *in->grad);
        if (in->op->start)
            in->op->start(t, in);
    }
    *out = in->grad;
    return GLIM_OK;
}

/* The gradient at what a norm divides, which is no node's output: that at its output times the
   weight. What hooks make of it goes on as of a norm without a weight; where they only look, the
   norm's own sums are made, whose last bits are others. */
static glim_status walk_normalized(glim_tape *t, glim_tape_node *n, int which,
                                   glim_status (*backward)(glim_tape *, glim_tape_node *,
                                                           glim_error *),
                                   glim_error *err) {
    size_t T = (size_t)n->rows->T, cols = (size_t)n->cols, W = cols / (size_t)n->as.norm.heads;
    const float *weight = n->as.norm.weight;
    float *given = n->grad, *d = glim__workspace_take(t->space, T * cols);
    float *ones = glim__workspace_take(t->space, W);
    glim_status status =
        d && ones ? GLIM_OK : glim__oom(t->ctx, err, "a site", (uint64_t)(T + 1) * cols * 4);
    for (size_t c = 0; c < W && !status; c++)
        ones[c] = 1;
    for (size_t r = 0; r < T * cols && !status; r += W)
        for (size_t c = 0; c < W; c++)
            d[r + c] = weight[c] * given[r + c];
    if (!status)
        status = show_rows(t, n, which, d, n->cols, true, err);
    bool changed = false;
    for (size_t i = 0; i < T * cols && !changed && !status; i++)
        changed = d[i] != weight[i % W] * given[i];
    if (!status) {
        n->grad = changed ? d : given;
        n->as.norm.weight = changed ? ones : weight;
        status = backward(t, n, err);
        n->grad = given;
        n->as.norm.weight = weight;
    }
    glim__workspace_give(t->space, d);
    glim__workspace_give(t->space, ones);
    return status;
}

static glim_status walk_node(glim_tape *t, glim_tape_node *n, glim_error *err) {
    int normalized = site_of(n, GLIM_SITE_NORMALIZED);
    for (int i = 0; i < n->n_sites && t->n_hooks; i++) {
        glim_site_kind kind = n->sites[i].kind;
        if (is_output(kind) && wants(t, n, i, GLIM_HOOK_GRAD)) {
            glim_status status = show_rows(t, n, i, n->grad, n->cols, true, err);
            if (status)
                return status;
        }
        if (kind == GLIM_SITE_WEIGHT && wants(t, n, i, GLIM_HOOK_WEIGHT)) {
            glim_status status = show_weight(t, n, i, true, err);
            if (status)
                return status;
        }
    }
    const glim_rule *rule = rule_of(t, n->op);
    glim_status (*backward)(glim_tape *, glim_tape_node *, glim_error *) =
        rule ? rule->backward : n->op->backward;
    glim_status status = GLIM_OK;
    if (backward && wants(t, n, normalized, GLIM_HOOK_GRAD))
        status = walk_normalized(t, n, normalized, backward, err);
    else if (backward)
        status = backward(t, n, err);
    return status ? status : glim__check_cancel(t->ctx, err);
}

glim_status glim__tape_backward(glim_tape *t, glim_node out, const float *d_out, glim_node in,
                                float *d_in, const glim_rules *rules, glim_error *err) {
    glim_tape_node *last = &t->nodes[out], *first = &t->nodes[in];
    size_t floats = (size_t)(last->rows->T * last->cols);
    glim_status status = GLIM_OK;
    t->rules = rules;
    if (out == in) { /* nothing lies between them */
        for (size_t i = 0; i < floats; i++)
            d_in[i] += d_out[i];
        return GLIM_OK;
    }
    last->grad = glim__workspace_take(t->space, floats);
    if (!last->grad)
        return glim__oom(t->ctx, err, "a gradient", (uint64_t)floats * 4);
    memcpy(last->grad, d_out, floats * sizeof *d_out);
    first->grad = d_in;
    first->lent_grad = true;
    for (int i = out; i >= 1 && !status; i--) {
        glim_tape_node *n = &t->nodes[i];
        if (!n->grad)
            continue;
        status = walk_node(t, n, err);
        if (!n->lent_grad)
            glim__workspace_give(t->space, n->grad);
        n->grad = NULL;
    }
    for (int i = 1; i <= t->count; i++) { /* after a failure */
        if (!t->nodes[i].lent_grad)
            glim__workspace_give(t->space, t->nodes[i].grad);
        t->nodes[i].grad = NULL;
    }
    first->lent_grad = false;
    return status;
}

/* ---- planning ------------------------------------------------------------ */

static uint64_t node_bytes(const glim_tape *t, const glim_tape_node *n) {
    return n->borrowed ? 0 : (uint64_t)n->rows->T * (uint64_t)n->cols * 4;
}

static uint64_t plan_forward(const glim_tape *t, bool keep) {
    uint64_t live = 0, most = 0;
    for (int i = 1; i <= t->count; i++) {
        const glim_tape_node *n = &t->nodes[i];
        uint64_t aux = n->op->aux ? n->op->aux(t, n) * 4 : 0;
        if (!n->keep)
            live += node_bytes(t, n);
        if (live + aux > most)
            most = live + aux;
        if (keep)
            continue;
        for (int k = 0; k < GLIM_NODE_INPUTS; k++) {
            const glim_tape_node *in = &t->nodes[n->inputs[k]];
            if (n->inputs[k] && in->last == i && !in->keep && !in->hold)
                live -= node_bytes(t, in);
        }
    }
    return most;
}

static uint64_t plan_backward(const glim_tape *t) {
    bool made[GLIM_TAPE_NODES + 1] = {false};
    uint64_t live = 0, most = 0;
    for (int i = t->count; i >= 1; i--) {
        const glim_tape_node *n = &t->nodes[i];
        if (!made[i])
            live += node_bytes(t, n);
        for (int k = 0; k < GLIM_NODE_INPUTS; k++) {
            int in = n->inputs[k];
            if (in && !made[in]) {
                made[in] = true;
                live += node_bytes(t, &t->nodes[in]);
            }
        }
        if (live > most)
            most = live;
        live -= node_bytes(t, n);
    }
    return most;
}

void glim__tape_plan(const glim_tape *tape, bool keep, uint64_t *kept, uint64_t *working) {
    glim_tape copy = *tape;
    find_readers(&copy, keep);
    uint64_t forward = plan_forward(&copy, keep), backward = keep ? plan_backward(&copy) : 0;
    *kept = 0;
    for (int i = 1; i <= copy.count && keep; i++) {
        const glim_tape_node *n = &copy.nodes[i];
        if (n->keep)
            *kept += node_bytes(&copy, n);
        if (n->op->aux)
            *kept += n->op->aux(&copy, n) * 4;
    }
    *working = forward > backward ? forward : backward;
}

/* ---- rows ---------------------------------------------------------------- */

enum { ROW_BLOCK = 16 };

struct rows_work {
    glim_rows_fn *fn;
    void *data;
    int64_t T;
};

static void rows_item(void *data, size_t item, int worker) {
    struct rows_work *w = data;
    int64_t first = (int64_t)item * ROW_BLOCK;
    w->fn(w->data, first, w->T - first < ROW_BLOCK ? w->T - first : ROW_BLOCK);
}

void glim__tape_rows(glim_tape *t, const glim_tape_node *n, glim_rows_fn *fn, void *data) {
    int64_t T = n->rows->T;
    struct rows_work work = {fn, data, T};
    if (T * n->cols < 8192) /* a barrier would cost more */
        fn(data, 0, T);
    else
        glim__parallel(t->ctx, (size_t)((T + ROW_BLOCK - 1) / ROW_BLOCK), rows_item, &work);
}
