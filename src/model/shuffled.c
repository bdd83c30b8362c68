/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model that has forgotten what it learnt: the rows of every matrix of its last blocks
 * in random order. Whole rows move, so packed weights keep their scales and each matrix its
 * numbers; embeddings, head, norms and biases stay, and with them the tokens' meaning. The
 * file is never written: the moved matrices are copies, as large as the blocks are.
 */
#include "base/rng.h"
#include "model/model.h"

#include <string.h>

struct shuffle {
    glim_model *m;
    uint64_t seed, stream; /* one stream a matrix */
    int64_t *order;        /* [most rows] */
};

/* Row `to` of a plain copy becomes row `from` of the matrix. */
static void move_row(const glim_matrix *a, int64_t from, size_t bytes, char *to) {
    if (!a->turned) {
        memcpy(to, glim__matrix_row_data(a, from), bytes);
        return;
    }
    size_t one = bytes / (size_t)a->cols;
    for (int64_t c = 0; c < a->cols; c++)
        memcpy(to + (size_t)c * one,
               (const char *)a->data + (size_t)c * a->row_bytes +
                   (size_t)glim__matrix_row(a, from) * one,
               one);
}

static glim_status shuffle_matrix(struct shuffle *s, glim_matrix *a, glim_error *err) {
    if (!a->data)
        return GLIM_OK;
    const glim_type_info *type = glim__type_info((uint32_t)a->type);
    size_t bytes = (size_t)a->cols / type->block_len * type->block_bytes;
    char *copy = glim__arena_alloc(&s->m->arena, (size_t)a->rows * bytes);
    s->order = glim__arena_alloc(&s->m->arena, (size_t)a->rows * sizeof *s->order);
    if (!copy || !s->order)
        return glim__oom(s->m->ctx, err, "shuffled weights", (size_t)a->rows * bytes);
    s->stream++;
    for (int64_t r = 0; r < a->rows; r++) {
        int64_t at = glim__rng_below(s->seed, s->stream, (uint64_t)r, (uint32_t)r + 1);
        s->order[r] = s->order[at];
        s->order[at] = r;
    }
    for (int64_t r = 0; r < a->rows; r++)
        move_row(a, s->order[r], bytes, copy + (size_t)r * bytes);
    *a = (glim_matrix){
        .data = copy, .type = a->type, .rows = a->rows, .cols = a->cols, .row_bytes = bytes};
    return GLIM_OK;
}

static glim_status shuffle_layer(struct shuffle *s, glim_layer *w, glim_error *err) {
    glim_matrix *all[] = {&w->q, &w->k, &w->v, &w->o, &w->gate, &w->up, &w->down};
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all && !status; i++)
        status = shuffle_matrix(s, all[i], err);
    return status;
}

static glim_status check_kind(const glim_model *base, glim_error *err) {
    bool mixture = false;
    for (int i = 0; i < base->hyper.L && base->layers; i++)
        mixture = mixture || base->layers[i].mixture;
    if (base->layers && !mixture && !base->encoder && !base->vision)
        return GLIM_OK;
    return glim_fail(
        err, GLIM_EUNSUPPORTED, "weights of '%.200s' are not shuffled: %s", base->info.path,
        mixture ? "it is a mixture of experts" : "it is neither a decoder nor an encoder alone");
}

glim_status glim__model_shuffled(glim_model **out, const glim_model *base, int blocks,
                                 uint64_t seed, glim_error *err) {
    *out = NULL;
    glim_status status = check_kind(base, err);
    if (status)
        return status;
    int L = base->hyper.L, first = blocks > 0 && blocks < L ? L - blocks : 0;
    glim_model *m = glim__alloc(base->ctx, sizeof *m);
    if (!m)
        return glim__oom(base->ctx, err, "the model", sizeof *m);
    *m = *base;
    m->base = base;
    glim__arena_init(&m->arena, m->ctx, 1 << 16);
    m->layers = glim__arena_alloc(&m->arena, (size_t)L * sizeof *m->layers);
    if (!m->layers)
        status = glim__oom(m->ctx, err, "the model", (size_t)L * sizeof *m->layers);
    else
        memcpy(m->layers, base->layers, (size_t)L * sizeof *m->layers);
    struct shuffle s = {.m = m, .seed = seed};
    for (int i = first; i < L && !status; i++) {
        s.stream = (uint64_t)i << 8;
        status = shuffle_layer(&s, &m->layers[i], err);
    }
    if (status) {
        glim_model_close(m);
        return status;
    }
    *out = m;
    return GLIM_OK;
}
