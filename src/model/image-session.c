/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session of a model of pictures runs its stages one after the other, a tape each. With
 * `keep` the tapes hold what backward reads, which is the outputs alone: weights have
 * no gradient, so no input is needed.
 */
#include "model/vision.h"

#include <math.h>
#include <string.h>

struct glim_image_session {
    const glim_model *m;
    glim_context *ctx;
    glim_workspace space;
    size_t images;
    glim_vision_rows rows;
    int stages;
    glim_tape *tapes; /* [stages] */
    glim_node *out;   /* [stages] last node of each */
    float **x;        /* [stages + 1] what a stage reads */
    const glim_rules *rules;
    bool kept;
};

glim_status glim_image_session_new(glim_image_session **out, const glim_model *m, glim_error *err) {
    *out = NULL;
    if (!m->vision)
        return glim_fail(err, GLIM_EUSAGE, "'%s' reads text, not pictures", m->info.path);
    glim_image_session *s = glim__calloc(m->ctx, 1, sizeof *s);
    if (!s)
        return glim__oom(m->ctx, err, "a session", sizeof *s);
    s->m = m;
    s->ctx = s->rows.ctx = m->ctx;
    s->stages = glim__vision_stages(m);
    glim__workspace_init(&s->space, m->ctx);
    size_t n = (size_t)s->stages;
    s->tapes = glim__calloc(s->ctx, n, sizeof *s->tapes);
    s->out = glim__calloc(s->ctx, n, sizeof *s->out);
    s->x = glim__calloc(s->ctx, n + 1, sizeof *s->x);
    if (!s->tapes || !s->out || !s->x) {
        glim_image_session_free(s);
        return glim__oom(m->ctx, err, "a session", n * sizeof *s->tapes);
    }
    *out = s;
    return GLIM_OK;
}

static void clear(glim_image_session *s) {
    for (int i = 0; i < s->stages && s->tapes; i++)
        glim__tape_release(&s->tapes[i]);
    for (int i = 0; i <= s->stages && s->x; i++) {
        glim__workspace_give(&s->space, s->x[i]);
        s->x[i] = NULL;
    }
    glim__vision_rows_release(&s->rows);
    s->kept = false;
    s->images = 0;
}

void glim_image_session_free(glim_image_session *s) {
    if (!s)
        return;
    clear(s);
    glim__workspace_release(&s->space);
    glim__free(s->ctx, s->tapes);
    glim__free(s->ctx, s->out);
    glim__free(s->ctx, s->x);
    glim__free(s->ctx, s);
}

/* ---- forward ---- */

static glim_status run_stage(glim_image_session *s, int i, const glim_image_batch *b,
                             glim_error *err) {
    glim_tape *t = &s->tapes[i];
    bool block = i && i <= s->m->hyper.L;
    int h, w, c;
    glim__vision_input(s->m, i, &h, &w, &c);
    glim__tape_begin(t, s->ctx, &s->space, glim__vision_rows(&s->rows, (int64_t)h * w));
    t->prefix = block ? s->m->block_prefixes[i - 1] : "";
    t->layer = block ? i - 1 : -1;
    t->hooks = b->hooks;
    t->n_hooks = b->n_hooks;
    t->keep = b->keep;
    t->rules = s->rules = b->rules;
    t->decode = t->replay = false;
    s->out[i] = glim__vision_stage(t, s->m, &s->rows, i, glim__op_input(t, s->x[i], c));
    glim_status status = glim__tape_forward(t, err);
    if (status)
        return status;
    glim_tape_node *out = &t->nodes[s->out[i]];
    s->x[i + 1] = out->data; /* from here on the session's */
    out->borrowed = true;
    if (!b->keep) {
        glim__tape_release(t);
        glim__workspace_give(&s->space, s->x[i]);
        s->x[i] = NULL;
    }
    return GLIM_OK;
}

static glim_status check_logits(const glim_image_session *s, glim_error *err) {
    const float *y = s->x[s->stages];
    for (size_t i = 0; i < s->images * (size_t)s->m->outputs; i++)
        if (!isfinite(y[i]))
            return glim_fail(err, GLIM_ENUMERIC,
                             "a logit is not finite (broken weights; `glim verify -m DIR` finds "
                             "them)");
    return GLIM_OK;
}

glim_status glim_image_session_forward(glim_image_session *s, const glim_image_batch *b,
                                       glim_error *err) {
    const glim_vision *v = s->m->vision;
    size_t pixels = (size_t)v->height * (size_t)v->width * 3;
    clear(s);
    if (!b->count)
        return glim_fail(err, GLIM_EUSAGE, "a batch without pictures");
    if (b->count > (size_t)INT32_MAX / pixels)
        return glim_fail(err, GLIM_ELIMIT, "%zu pictures are too many for one batch", b->count);
    glim_status status = glim__vision_rows_init(&s->rows, s->ctx, b->count, err);
    if (status)
        return status;
    s->images = b->count;
    s->x[0] = glim__workspace_take(&s->space, b->count * pixels);
    if (!s->x[0])
        status = glim__oom(s->ctx, err, "pixels", b->count * pixels * sizeof(float));
    else
        memcpy(s->x[0], b->pixels, b->count * pixels * sizeof(float));
    for (int i = 0; i < s->stages && !status; i++)
        status = run_stage(s, i, b, err);
    if (!status)
        status = check_logits(s, err);
    if (status)
        clear(s);
    else
        s->kept = b->keep;
    return status;
}

const float *glim_image_session_logits(const glim_image_session *s, size_t image) {
    return s->x[s->stages] + image * (size_t)s->m->outputs;
}

/* ---- backward ---- */

/* Gradients of what stage i reads, zeroed. */
static float *gradient_room(glim_image_session *s, int i, size_t *n) {
    int h, w, c;
    glim__vision_input(s->m, i, &h, &w, &c);
    *n = s->images * (size_t)h * (size_t)w * (size_t)c;
    float *d = glim__workspace_take(&s->space, *n);
    if (d)
        memset(d, 0, *n * sizeof *d);
    return d;
}

glim_status glim_image_session_backward(glim_image_session *s, const float *seeds, float *d_pixels,
                                        glim_error *err) {
    if (!s->kept)
        return glim_fail(err, GLIM_EUSAGE, "backward needs a forward with keep");
    float *d = NULL, *before = NULL;
    size_t n = 0;
    glim_status status = GLIM_OK;
    for (int i = s->stages - 1; i >= 0 && !status; i--) {
        before = gradient_room(s, i, &n);
        if (!before)
            status = glim__oom(s->ctx, err, "a gradient", n * sizeof *before);
        else
            status = glim__tape_backward(&s->tapes[i], s->out[i], d ? d : seeds, 1, before,
                                         s->rules, err);
        glim__workspace_give(&s->space, d);
        d = before;
    }
    for (size_t k = 0; k < n && !status; k++)
        if (!isfinite(d[k]))
            status = glim_fail(err, GLIM_ENUMERIC,
                               "a gradient is not finite: the model's values are too large for it");
    if (!status && d)
        memcpy(d_pixels, d, n * sizeof *d);
    glim__workspace_give(&s->space, d);
    return status;
}

/* ---- planning ---- */

static uint64_t conv_bytes(const glim_model *m, const glim_conv *c, size_t images, bool keep) {
    return c->w ? glim__conv_scratch(m->ctx, c, (int64_t)images, keep) : 0;
}

/* The convolutions of a stage; returns how many. */
static int convs_of(const glim_model *m, int stage, const glim_conv *out[3]) {
    const glim_vision *v = m->vision;
    if (!stage || stage > m->hyper.L) {
        out[0] = stage ? &v->head : &v->stem;
        return 1;
    }
    out[0] = &v->blocks[stage - 1].expand;
    out[1] = &v->blocks[stage - 1].depthwise;
    out[2] = &v->blocks[stage - 1].project;
    return 3;
}

/* Scratch of the largest convolution of a stage. */
static uint64_t scratch(const glim_model *m, int stage, size_t images, bool keep) {
    const glim_conv *all[3];
    uint64_t most = 0;
    for (int i = 0, n = convs_of(m, stage, all); i < n; i++) {
        uint64_t bytes = conv_bytes(m, all[i], images, keep);
        most = bytes > most ? bytes : most;
    }
    return most;
}

uint64_t glim__vision_rule_bytes(const glim_model *m, size_t images) {
    const glim_conv *all[3];
    uint64_t most = 0;
    for (int stage = 0; stage < glim__vision_stages(m); stage++)
        for (int i = 0, n = convs_of(m, stage, all); i < n; i++) {
            uint64_t map = (uint64_t)all[i]->out_h * (uint64_t)all[i]->out_w;
            uint64_t bytes = images * map * (uint64_t)all[i]->out_c * sizeof(float) +
                             conv_bytes(m, all[i], images, false);
            most = all[i]->w && bytes > most ? bytes : most;
        }
    return most;
}

uint64_t glim_image_session_plan(const glim_model *m, size_t images, bool keep) {
    glim_vision_rows rows;
    glim_tape *t = glim__calloc(m->ctx, 1, sizeof *t);
    uint64_t all = 0, most = 0;
    if (!t || glim__vision_rows_init(&rows, m->ctx, images, NULL)) {
        glim__free(m->ctx, t);
        return UINT64_MAX;
    }
    for (int i = 0; i < glim__vision_stages(m); i++) {
        int h, w, c;
        uint64_t kept = 0, working = 0;
        glim__vision_input(m, i, &h, &w, &c);
        uint64_t in = images * (uint64_t)h * (uint64_t)w * (uint64_t)c * sizeof(float);
        glim__tape_begin(t, m->ctx, NULL, glim__vision_rows(&rows, (int64_t)h * w));
        glim__vision_stage(t, m, &rows, i, glim__op_input(t, NULL, c));
        glim__tape_plan(t, keep, &kept, &working);
        t->count = 0;
        working += in * (keep ? 3 : 1) + scratch(m, i, images, keep);
        most = working > most ? working : most;
        all += keep ? kept + in : 0;
    }
    glim__free(m->ctx, t);
    glim__vision_rows_release(&rows);
    uint64_t tapes = (uint64_t)glim__vision_stages(m) * (sizeof *t + 64);
    return all + tapes + most + most / 4; /* buffers do not fit each other's sizes */
}
