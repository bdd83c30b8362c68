/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What enters block 0: rows of the embedding (or what stands for them), learned
 * positions and segments, and the norm that encoders have behind their sum.
 * Attribution is with respect to the tokens' rows, hook_embed: positions and
 * segments come behind whatever stands for the tokens.
 */
#include "model/session.h"

#include <string.h>

struct gather {
    glim_session *s;
    const glim_batch *b;
    float *x;
};

static void gather_item(void *data, size_t item, int worker) {
    struct gather *g = data;
    const glim_sequence *q = &g->b->sequences[item];
    size_t C = (size_t)g->s->m->hyper.C;
    float *x = g->x + (size_t)g->s->parts[item].first * C, scale = g->s->m->hyper.embed_scale;
    if (q->embeddings) {
        memcpy(x, q->embeddings, q->count * C * sizeof *x);
        return;
    }
    for (size_t k = 0; k < q->count; k++) {
        glim__matrix_read_row(g->s->ctx, &g->s->m->embedding, q->ids[k], x + k * C);
        for (size_t c = 0; c < C && scale != 1; c++)
            x[k * C + c] *= scale;
    }
}

/* Shows rows (T, C) to the hooks as a site outside the blocks. */
static glim_status show(glim_session *s, float *x, const char *name, glim_error *err) {
    glim_tape *t = &s->front;
    glim__tape_begin(t, s->ctx, &s->space, &s->rows);
    t->hooks = s->hooks;
    t->n_hooks = s->n_hooks;
    t->keep = t->replay = false;
    t->prefix = s->m->site_prefix;
    glim__op_site(t, glim__op_input(t, x, s->m->hyper.C), GLIM_SITE_VALUE, name, 0);
    glim_status status = glim__tape_forward(t, err);
    glim__tape_release(t);
    return status;
}

/* Row `at(r)` of a table, shown and added to x. */
static glim_status add_rows(glim_session *s, float *x, const glim_matrix *table, const int32_t *at,
                            const char *name, glim_error *err) {
    size_t C = (size_t)s->m->hyper.C, T = (size_t)s->rows.T;
    float *p = glim__workspace_take(&s->space, T * C);
    if (!p)
        return glim__oom(s->ctx, err, name, T * C * 4);
    for (size_t r = 0; r < T; r++)
        glim__matrix_read_row(s->ctx, table, at[r], p + r * C);
    glim_status status = show(s, p, name, err);
    if (!status)
        glim__kernels(s->ctx)->add(x, x, p, T * C);
    glim__workspace_give(&s->space, p);
    return status;
}

static glim_status add_types(glim_session *s, const glim_batch *b, float *x, glim_error *err) {
    int32_t *type = glim__calloc(s->ctx, (size_t)s->rows.T + 1, sizeof *type);
    if (!type)
        return glim__oom(s->ctx, err, "the segments", (uint64_t)s->rows.T * 4);
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < b->count; i++)
        for (size_t k = 0; k < b->sequences[i].count && b->sequences[i].types; k++) {
            int32_t t = b->sequences[i].types[k];
            type[s->parts[i].first + (int64_t)k] = t;
            if (t >= s->m->types.rows && !status)
                status = glim_fail(err, GLIM_EUSAGE, "segment %d of %d", t, (int)s->m->types.rows);
        }
    if (!status)
        status = add_rows(s, x, &s->m->types, type, "hook_token_type_embed", err);
    glim__free(s->ctx, type);
    return status;
}

/* The norm behind the sum, kept for the walk back. */
static glim_status norm(glim_session *s, float *x, bool keep, glim_error *err) {
    glim_tape *t = &s->front;
    glim__tape_begin(t, s->ctx, &s->space, &s->rows);
    t->hooks = s->hooks;
    t->n_hooks = s->n_hooks;
    t->keep = keep;
    t->rules = s->rules;
    t->replay = t->decode = false;
    s->front_out = glim__model_front(t, s->m, glim__op_input(t, x, s->m->hyper.C));
    glim_status status = glim__tape_forward(t, err);
    if (status)
        return status;
    s->x[0] = t->nodes[s->front_out].data; /* from here on the session's */
    t->nodes[s->front_out].borrowed = true;
    if (!keep)
        glim__tape_release(t);
    return GLIM_OK;
}

glim_status glim__session_embed(glim_session *s, const glim_batch *b, glim_error *err) {
    size_t C = (size_t)s->m->hyper.C;
    float *x = glim__workspace_take(&s->space, (size_t)s->rows.T * C);
    if (!x)
        return glim__oom(s->ctx, err, "the embeddings", (uint64_t)s->rows.T * C * 4);
    if (s->m->embed_norm)
        s->raw = x;
    else
        s->x[0] = x;
    struct gather g = {s, b, x};
    glim__parallel(s->ctx, b->count, gather_item, &g);
    glim_status status = show(s, x, "hook_embed", err);
    if (!status && s->m->positions.data)
        status = add_rows(s, x, &s->m->positions, s->position, "hook_pos_embed", err);
    if (!status && s->m->types.data)
        status = add_types(s, b, x, err);
    if (!status && s->m->embed_norm)
        status = norm(s, x, b->keep, err);
    if (!b->keep || status) {
        glim__workspace_give(&s->space, s->raw);
        s->raw = NULL;
    }
    return status;
}

/* d (T, C) through the norm behind the embeddings; `other` is as large. */
glim_status glim__session_embed_back(glim_session *s, float **d, float **other, glim_error *err) {
    if (!s->m->embed_norm)
        return GLIM_OK;
    memset(*other, 0, (size_t)s->rows.T * (size_t)s->m->hyper.C * sizeof(float));
    glim_status status = glim__tape_backward(&s->front, s->front_out, *d, 1, *other, s->rules, err);
    float *swap = *d;
    *d = *other;
    *other = swap;
    return status;
}
