/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture that a class' logit is climbed on (Simonyan et al. 2014; Mordvintsev et al. 2015).
 * A step goes along the gradient divided by its root mean square, less what draws pixels to
 * grey (L2) and neighbours to each other (total variation, of squares); before each the
 * picture is moved by a few pixels, round its edges, so that no pattern sticks to the model's
 * strides. What counts are whole bytes: every few steps the picture is rounded as a file would
 * be, run, and the best so far is kept.
 */
#include "base/json.h"
#include "base/rng.h"
#include "file/image.h"
#include "model/vision.h"
#include "predict/lm.h"
#include "structure/maximize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVERY = 8 };

struct ascent {
    glim_context *ctx;
    const glim_model *m;
    const glim_maximize_options *o;
    glim_image_session *s;
    int class_id, h, w;
    size_t n;         /* H W 3 */
    float *x;         /* (H, W, 3) what is climbed */
    float *moved, *d; /* what is run, and its gradient */
    float *seeds;     /* (outputs) */
    float low[3], high[3], grey[3];
    glim_image *seen;    /* rounded */
    uint8_t *best;       /* (H, W, 3) */
    double start, value; /* of the best */
    double prob;
    double *progress; /* [n_progress] */
    size_t n_progress, steps, asked;
};

/* ---- pixels ---- */

static void find_range(struct ascent *a) {
    const glim_vision_eye *eye = &a->m->vision->eye;
    for (int c = 0; c < 3; c++) {
        a->low[c] = (0 - eye->mean[c]) / eye->std[c];
        a->high[c] = (255 * eye->rescale - eye->mean[c]) / eye->std[c];
        a->grey[c] = (a->low[c] + a->high[c]) / 2;
    }
}

static void begin_grey(struct ascent *a) {
    for (size_t i = 0; i < a->n; i++) {
        size_t c = i % 3;
        double noise = glim__rng_normal(a->o->seed, 0, i);
        a->x[i] = a->grey[c] + (float)(0.02 * noise * (double)(a->high[c] - a->low[c]));
    }
}

/* to[y][x] = from[y + dy][x + dx], round the edges; |dy| < H, |dx| < W. */
static void move(const struct ascent *a, float *to, const float *from, int dx, int dy) {
    for (int y = 0; y < a->h; y++)
        for (int x = 0; x < a->w; x++) {
            int other = (y + dy + a->h) % a->h * a->w + (x + dx + a->w) % a->w;
            memcpy(to + (ptrdiff_t)3 * (y * a->w + x), from + (ptrdiff_t)3 * other, 3 * sizeof *to);
        }
}

/* Difference of a pixel and the mean of its neighbours. */
static float roughness(const struct ascent *a, int y, int x, int c) {
    static const int dy[] = {-1, 1, 0, 0}, dx[] = {0, 0, -1, 1};
    float sum = 0, n = 0;
    for (int k = 0; k < 4; k++) {
        int yy = y + dy[k], xx = x + dx[k];
        if (yy >= 0 && yy < a->h && xx >= 0 && xx < a->w) {
            sum += a->x[3 * (yy * a->w + xx) + c];
            n++;
        }
    }
    return a->x[3 * (y * a->w + x) + c] - sum / n;
}

/* x (next) = x + rate (gradient - l2 x - variation rough(x)), within what bytes can say. */
static void climb(struct ascent *a, float *next, const float *d) {
    double sum = 0;
    for (size_t i = 0; i < a->n; i++)
        sum += (double)d[i] * d[i];
    float scale = sum > 0 ? (float)(1 / sqrt(sum / (double)a->n)) : 0;
    float rate = (float)a->o->rate, l2 = (float)a->o->l2, variation = (float)a->o->variation;
    for (int y = 0; y < a->h; y++)
        for (int x = 0; x < a->w; x++)
            for (int c = 0; c < 3; c++) {
                int i = 3 * (y * a->w + x) + c;
                float pull = l2 * (a->x[i] - a->grey[c]) + variation * roughness(a, y, x, c);
                float to = a->x[i] + rate * (d[i] * scale) - pull;
                next[i] = to < a->low[c] ? a->low[c] : to > a->high[c] ? a->high[c] : to;
            }
}

/* ---- running ---- */

static glim_status forward(struct ascent *a, const float *pixels, bool keep, glim_error *err) {
    a->asked++;
    return glim_image_session_forward(
        a->s, &(glim_image_batch){.pixels = pixels, .count = 1, .keep = keep}, err);
}

/* The picture as bytes, and whether it is the best. */
static glim_status look(struct ascent *a, glim_error *err) {
    size_t V = (size_t)a->m->outputs;
    for (size_t i = 0; i < a->n; i++) {
        size_t c = i % 3;
        float share = (a->x[i] - a->low[c]) / (a->high[c] - a->low[c]);
        float byte = rintf(255 * share);
        a->seen->rgb[i] = (uint8_t)(byte < 0 ? 0 : byte > 255 ? 255 : byte);
    }
    glim_model_pixels(a->m, a->seen, a->moved);
    glim_status status = forward(a, a->moved, false, err);
    if (status)
        return status;
    const float *y = glim_image_session_logits(a->s, 0);
    double value = y[a->class_id];
    if (!a->n_progress || value > a->value) {
        memcpy(a->best, a->seen->rgb, a->n);
        a->value = value;
        a->prob = exp(value - glim__log_sum_exp(y, V));
    }
    if (!a->n_progress)
        a->start = value;
    a->progress[a->n_progress++] = a->value;
    return GLIM_OK;
}

static glim_status step(struct ascent *a, size_t number, glim_error *err) {
    int most = 2 * a->o->jitter + 1;
    int dx = (int)glim__rng_below(a->o->seed, number + 1, 0, (uint32_t)most) - a->o->jitter;
    int dy = (int)glim__rng_below(a->o->seed, number + 1, 1, (uint32_t)most) - a->o->jitter;
    dx %= a->w;
    dy %= a->h;
    move(a, a->moved, a->x, dx, dy);
    glim_status status = forward(a, a->moved, true, err);
    if (!status)
        status = glim_image_session_backward(a->s, a->seeds, a->d, err);
    if (status)
        return status;
    move(a, a->moved, a->d, -dx, -dy); /* home again */
    climb(a, a->d, a->moved);
    float *swap = a->x;
    a->x = a->d;
    a->d = swap;
    return GLIM_OK;
}

static glim_status run(struct ascent *a, glim_error *err) {
    begin_grey(a);
    glim_status status = look(a, err);
    glim__progress_begin_items(a->ctx, "picture", a->o->steps);
    while (a->steps < a->o->steps && !status) {
        status = step(a, a->steps, err);
        if (status)
            break;
        a->steps++;
        if (a->steps % EVERY == 0 || a->steps == a->o->steps)
            status = look(a, err);
        glim__progress_add(a->ctx, 1);
        if (!status)
            status = glim__check_cancel(a->ctx, err);
    }
    glim__progress_end(a->ctx);
    return status;
}

/* ---- the document ---- */

static const char *params_text(const struct ascent *a, glim_document *doc) {
    bool ok = true;
    json_t *p = json_object();
    glim__json_set(&ok, p, "steps", json_integer((json_int_t)a->o->steps));
    glim__json_set(&ok, p, "rate", json_real(a->o->rate));
    glim__json_set(&ok, p, "jitter", json_integer(a->o->jitter));
    glim__json_set(&ok, p, "l2", json_real(a->o->l2));
    glim__json_set(&ok, p, "variation", json_real(a->o->variation));
    char *text = ok ? json_dumps(p, JSON_COMPACT) : NULL;
    const char *copy = text ? glim_document_text(doc, text, strlen(text)) : NULL;
    free(text);
    json_decref(p);
    return copy;
}

static bool tell_panels(const struct ascent *a, glim_document *doc) {
    static const char *const names[] = {"value", "start", "probability", "pictures run"};
    glim_panel *p = glim_document_panel_add(doc, GLIM_PANEL_TABLE, "optimised",
                                            "The picture that was climbed to", 1, 4);
    bool ok = p && glim_document_label(doc, &p->rows, 0, "%s", doc->target.text);
    for (size_t c = 0; c < 4 && ok; c++)
        ok = glim_document_label(doc, &p->columns, c, "%s", names[c]);
    if (!ok)
        return false;
    p->caption = "This is nothing natural: it says what can activate, not what usually does.";
    p->cells[0].number = a->value;
    p->cells[1].number = a->start;
    p->cells[2].number = a->prob;
    p->cells[3].number = (double)a->asked;
    p = glim_document_panel_add(doc, GLIM_PANEL_LINES, "progress", "The best so far, by step", 1,
                                a->n_progress);
    ok = p && glim_document_label(doc, &p->rows, 0, "%s", doc->target.text);
    for (size_t c = 0; c < a->n_progress && ok; c++) {
        size_t at = c * EVERY < a->steps ? c * EVERY : a->steps;
        ok = glim_document_label(doc, &p->columns, c, "%zu", at);
        p->values[c] = a->progress[c];
    }
    if (ok) {
        p->rows.name = "series";
        p->columns.name = "step";
        p->unit = "logit";
    }
    return ok;
}

static bool tell(const struct ascent *a, glim_document *doc) {
    const char *const *labels = glim_model_facts(a->m)->labels;
    char number[24];
    snprintf(number, sizeof number, "class %d", a->class_id);
    const char *name = labels ? labels[a->class_id] : number;
    uint8_t *rgb = glim_document_alloc(doc, a->n);
    doc->kind = "maximize";
    doc->target.kind = "activation";
    doc->target.output = "logit";
    doc->target.text = glim_document_text(doc, name, strlen(name));
    doc->target.text_len = strlen(name);
    doc->target.id = a->class_id;
    doc->target.value = a->value;
    doc->target.baseline_value = a->start;
    doc->target.prob = a->prob;
    doc->method.name = "maximize-picture";
    doc->method.summary = "which picture activates it most";
    doc->method.cite = "Erhan et al. 2009; Simonyan et al. 2014, arXiv:1312.6034";
    doc->method.caption = "A picture that a model finds strong need not look like anything to us.";
    doc->method.params = params_text(a, doc);
    doc->input.text = "";
    doc->input.unit = "patch";
    doc->input.image.name = "picture";
    doc->input.image.width = a->w;
    doc->input.image.height = a->h;
    doc->input.image.rgb = rgb;
    doc->seed = a->o->seed;
    doc->cost.forward_tokens = a->asked * (uint64_t)a->h * (uint64_t)a->w;
    doc->cost.backward_tokens = a->steps * (uint64_t)a->h * (uint64_t)a->w;
    if (!rgb || !doc->target.text || !doc->method.params || !glim__describe_model(a->m, doc))
        return false;
    memcpy(rgb, a->best, a->n);
    return tell_panels(a, doc) &&
           glim_document_note(doc,
                              "the picture is what the model sees: saved and read again, it is "
                              "cropped and scaled as any other");
}

/* ---- the call ---- */

static glim_status prepare(struct ascent *a, glim_error *err) {
    a->x = glim__calloc(a->ctx, a->n, sizeof *a->x);
    a->moved = glim__calloc(a->ctx, a->n, sizeof *a->moved);
    a->d = glim__calloc(a->ctx, a->n, sizeof *a->d);
    a->best = glim__calloc(a->ctx, a->n, 1);
    a->seeds = glim__calloc(a->ctx, (size_t)a->m->outputs, sizeof *a->seeds);
    a->progress = glim__calloc(a->ctx, a->o->steps / EVERY + 2, sizeof *a->progress);
    if (!a->x || !a->moved || !a->d || !a->best || !a->seeds || !a->progress)
        return glim__oom(a->ctx, err, "a picture", a->n * 13);
    a->seeds[a->class_id] = 1;
    glim_status status = glim__image_new(&a->seen, a->ctx, a->w, a->h, "picture", err);
    return status ? status : glim_image_session_new(&a->s, a->m, err);
}

glim_status glim__maximize_picture(glim_document *doc, const glim_model *m,
                                   const glim_maximize_options *o, glim_error *err) {
    struct ascent a = {.ctx = m->ctx, .m = m, .o = o};
    int32_t id = 0;
    if (o->site || o->data || o->direction || !o->target)
        return glim_fail(err, GLIM_EUSAGE,
                         "of a model of pictures a class' logit is climbed (--target CLASS)");
    glim_status status = glim__class_find(m, o->target, &id, err);
    if (status)
        return status;
    a.class_id = id;
    a.h = m->vision->height;
    a.w = m->vision->width;
    a.n = (size_t)a.h * (size_t)a.w * 3;
    find_range(&a);
    status = prepare(&a, err);
    if (!status)
        status = run(&a, err);
    bool partial = status == GLIM_ECANCELLED && a.n_progress;
    if ((!status || partial) && !tell(&a, doc))
        status = glim__oom(a.ctx, err, "the document", a.n);
    if (partial && status == GLIM_ECANCELLED) {
        doc->partial = true;
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL, "interrupted after %zu of %zu steps",
                            a.steps, o->steps);
    }
    glim_image_session_free(a.s);
    glim_image_free(a.seen);
    void *const all[] = {a.x, a.moved, a.d, a.best, a.seeds, a.progress};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        glim__free(a.ctx, all[i]);
    return status;
}

void glim__maximize_picture_plan(glim_plan *out, const glim_model *m,
                                 const glim_maximize_options *o) {
    uint64_t pixels = (uint64_t)m->vision->height * (uint64_t)m->vision->width;
    out->forward_tokens = pixels * (o->steps + o->steps / EVERY + 1);
    out->backward_tokens = pixels * o->steps;
    out->bytes = out->bytes_wanted = glim_image_session_plan(m, 1, true) + pixels * 3 * 18;
}
