/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of pictures and one picture, as a predictor. A "token" is a pixel, and tokens
 * are counted patch after patch, so that a patch (or superpixel) is a run of tokens like a
 * word is; the model sees them in their places. An absent patch takes its pixels from
 * a picture without news: one colour, its own mean, or the picture blurred.
 */
#include "model/vision.h"
#include "base/names.h"
#include "predict/patches.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATCH = 16, MOST_BATCH = 4 };

enum output { LOGIT, LOGPROB, PROB };

struct seeing {
    glim_predictor base;
    glim_patches patches;
    float *pixels; /* (H W, 3) */
    enum output output;
    int32_t id, against; /* against -1 = none */
    size_t row_end;
    double value, prob;
    glim_image_session *session;
    uint64_t forward, backward;
};

/* ---- targets ---- */

static double log_sum_exp(const float *x, size_t n) {
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    for (size_t i = 0; i < n; i++)
        sum += exp(x[i] - top);
    return top + log(sum);
}

static double target_of(const struct seeing *s, const float *logits, double *prob) {
    size_t n = (size_t)s->base.model->outputs;
    double all = log_sum_exp(logits, n), a = logits[s->id];
    double b = s->against >= 0 ? logits[s->against] : 0;
    if (prob)
        *prob = exp(a - all);
    if (s->output == PROB)
        return exp(a - all) - (s->against >= 0 ? exp(b - all) : 0);
    return s->output == LOGPROB && s->against < 0 ? a - all : a - b;
}

/* d(target)/d(logits). */
static void seed(const struct seeing *s, const float *logits, float *d) {
    size_t n = (size_t)s->base.model->outputs;
    double all = log_sum_exp(logits, n), a = 1, b = s->against >= 0 ? 1 : 0, rest = 0;
    if (s->output == PROB) {
        a = exp(logits[s->id] - all);
        b = s->against >= 0 ? exp(logits[s->against] - all) : 0;
    }
    if (s->output != LOGIT)
        rest = a - b; /* 0 for a contrast of logarithms */
    for (size_t i = 0; i < n; i++)
        d[i] = (float)(-rest * exp(logits[i] - all));
    d[s->id] += (float)a;
    if (s->against >= 0)
        d[s->against] -= (float)b;
}

static glim_status find_class(const glim_model *m, const char *name, int32_t *id, glim_error *err) {
    const glim_model_info *info = glim_model_facts(m);
    char *end;
    for (int i = 0; i < info->outputs && info->labels; i++)
        if (!strcmp(info->labels[i], name)) {
            *id = i;
            return GLIM_OK;
        }
    long number = strtol(name, &end, 10);
    if (*name && !*end && number >= 0 && number < info->outputs) {
        *id = (int32_t)number;
        return GLIM_OK;
    }
    for (int i = 0; i < info->outputs && info->labels && *name; i++)
        if (strstr(info->labels[i], name))
            return glim_fail(err, GLIM_EUSAGE,
                             "there is no class '%.60s' (did you mean '%.60s'? a number from 0 to "
                             "%d will do, too)",
                             name, info->labels[i], info->outputs - 1);
    return glim_fail(err, GLIM_EUSAGE, "there is no class '%.60s' (a number from 0 to %d will do)",
                     name, info->outputs - 1);
}

static glim_status choose_output(struct seeing *s, const char *name, glim_error *err) {
    static const char *const names[] = {"logit", "logprob", "prob"};
    s->output = s->against >= 0 ? LOGIT : LOGPROB;
    for (int i = 0; i < 3 && name; i++)
        if (!strcmp(name, names[i])) {
            s->output = (enum output)i;
            return GLIM_OK;
        }
    return name
               ? glim_fail(err, GLIM_EUSAGE, "output '%s' is not one of logit, logprob, prob", name)
               : GLIM_OK;
}

/* ---- batches ---- */

/* Bytes of a pass, and of what the rules of its walk have in use besides. */
static uint64_t pass_bytes(const glim_predictor *p, size_t n, bool keep) {
    return glim_image_session_plan(p->model, n, keep) +
           (keep && p->rules ? glim__vision_rule_bytes(p->model, n) : 0);
}

/* Pictures in one pass: as many as the budget allows. */
static size_t batch_of(const struct seeing *s, size_t n, bool keep) {
    size_t most = n < MOST_BATCH ? n : MOST_BATCH;
    uint64_t left = glim__budget_left(s->base.ctx);
    while (most > 1 && pass_bytes(&s->base, most, keep) > left / 2)
        most--;
    return most ? most : 1;
}

static glim_status run(struct seeing *s, const float *pixels, size_t n, bool keep,
                       glim_error *err) {
    glim_image_batch b = {.pixels = pixels, .count = n, .rules = s->base.rules, .keep = keep};
    glim_status status = glim_image_session_forward(s->session, &b, err);
    s->forward += n * s->base.T;
    glim__progress_add(s->base.ctx, n * s->base.T);
    return status;
}

/* ---- what stands for an absent patch ---- */

static glim_status background(const struct seeing *s, glim_absent absent, float *out,
                              glim_error *err) {
    uint8_t rgb[3] = {0, 0, 0};
    glim_image dot = {.width = 1, .height = 1, .rgb = rgb};
    float black[3];
    glim_model_pixels(s->base.model, &dot, black);
    return glim__patches_background(&s->patches, s->pixels, absent, black, out, err);
}

static void paint(const struct seeing *s, const uint8_t *keep, const float *from, float *out) {
    memcpy(out, s->pixels, s->base.T * 3 * sizeof *out);
    glim__patches_paint(&s->patches, keep, 3 * sizeof *out, from, out);
}

/* ---- what methods ask for ---- */

static glim_status values(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err) {
    struct seeing *s = (struct seeing *)p;
    size_t each = p->T * 3, U = s->patches.units.count, most = batch_of(s, n, false);
    for (size_t i = 0; i < n; i++)
        out[i] = NAN;
    float *from = glim__calloc(p->ctx, each, sizeof *from);
    float *all = glim__calloc(p->ctx, most * each, sizeof *all);
    glim_status status = from && all ? background(s, absent, from, err)
                                     : glim__oom(p->ctx, err, "pixels", (most + 1) * each * 4);
    for (size_t i = 0; i < n && !status; i += most) {
        size_t m = n - i < most ? n - i : most;
        for (size_t k = 0; k < m; k++)
            paint(s, keep + (i + k) * U, from, all + k * each);
        status = run(s, all, m, false, err);
        for (size_t k = 0; k < m && !status; k++)
            out[i + k] = target_of(s, glim_image_session_logits(s->session, k), NULL);
    }
    glim__free(p->ctx, from);
    glim__free(p->ctx, all);
    return status;
}

/* Between the picture's order and that of the tokens. */
static void to_tokens(const struct seeing *s, float *out, const float *pixels) {
    for (size_t t = 0; t < s->base.T; t++)
        memcpy(out + 3 * t, pixels + 3 * s->patches.place[t], 3 * sizeof *out);
}

static void to_pixels(const struct seeing *s, float *out, const float *tokens) {
    for (size_t t = 0; t < s->base.T; t++)
        memcpy(out + 3 * s->patches.place[t], tokens + 3 * t, 3 * sizeof *out);
}

static glim_status embed(glim_predictor *p, float *x, glim_error *err) {
    const struct seeing *s = (const struct seeing *)p;
    to_tokens(s, x, s->pixels);
    return GLIM_OK;
}

static glim_status baseline(glim_predictor *p, glim_baseline kind, float *x, glim_error *err) {
    const struct seeing *s = (const struct seeing *)p;
    float *from = glim__calloc(p->ctx, p->T * 3, sizeof *from);
    if (!from)
        return glim__oom(p->ctx, err, "a baseline", p->T * 3 * sizeof *from);
    glim_status status = background(s,
                                    kind == GLIM_BASELINE_BOS    ? GLIM_ABSENT_BLACK
                                    : kind == GLIM_BASELINE_ZERO ? GLIM_ABSENT_ZERO
                                    : kind == GLIM_BASELINE_BLUR ? GLIM_ABSENT_BLUR
                                                                 : GLIM_ABSENT_MEAN,
                                    from, err);
    if (!status)
        to_tokens(s, x, from);
    glim__free(p->ctx, from);
    return status;
}

struct pass {
    float *pixels, *d, *tokens, *seeds;
};

static glim_status walk(struct seeing *s, struct pass *w, size_t first, size_t m,
                        glim_gradient_sink *sink, void *data, glim_error *err) {
    size_t each = s->base.T * 3, V = (size_t)s->base.model->outputs;
    for (size_t k = 0; k < m; k++)
        seed(s, glim_image_session_logits(s->session, k), w->seeds + k * V);
    glim_status status = glim_image_session_backward(s->session, w->seeds, w->d, err);
    s->backward += m * s->base.T;
    glim__progress_add(s->base.ctx, m * s->base.T);
    for (size_t k = 0; k < m && !status; k++) {
        to_tokens(s, w->tokens, w->d + k * each);
        status = sink(data, first + k, 0, w->tokens, err);
    }
    return status;
}

static glim_status gradient(glim_predictor *p, const float *xs, size_t n, long row, double *out,
                            glim_gradient_sink *sink, void *data, glim_error *err) {
    struct seeing *s = (struct seeing *)p;
    size_t each = p->T * 3, most = batch_of(s, n, sink != NULL);
    size_t V = (size_t)p->model->outputs;
    float *all = glim__calloc(p->ctx, (sink ? 2 * most + 1 : most) * each, sizeof *all);
    float *seeds = glim__calloc(p->ctx, most * V, sizeof *seeds);
    glim_status status =
        all && seeds ? GLIM_OK : glim__oom(p->ctx, err, "gradients", 2 * most * each * 4);
    struct pass w = {.pixels = all, .seeds = seeds};
    if (!status && sink) {
        w.d = all + most * each;
        w.tokens = w.d + most * each;
    }
    for (size_t i = 0; i < n && !status; i += most) {
        size_t m = n - i < most ? n - i : most;
        for (size_t k = 0; k < m; k++)
            to_pixels(s, w.pixels + k * each, xs + (i + k) * each);
        status = run(s, w.pixels, m, sink != NULL, err);
        for (size_t k = 0; k < m && !status; k++)
            out[i + k] = target_of(s, glim_image_session_logits(s->session, k), NULL);
        if (!status && sink)
            status = walk(s, &w, i, m, sink, data, err);
    }
    glim__free(p->ctx, all);
    glim__free(p->ctx, seeds);
    return status;
}

static bool wants_gradient(const glim_hook *hooks, size_t n) {
    bool grad = false;
    for (size_t i = 0; i < n; i++)
        grad = grad || (hooks[i].actions & GLIM_HOOK_GRAD);
    return grad;
}

static glim_status observe(glim_predictor *p, const glim_hook *hooks, size_t n, long row,
                           glim_error *err) {
    struct seeing *s = (struct seeing *)p;
    size_t V = (size_t)p->model->outputs;
    bool grad = wants_gradient(hooks, n);
    glim_image_batch b = {
        .pixels = s->pixels, .count = 1, .hooks = hooks, .n_hooks = n, .keep = grad};
    float *d = glim__calloc(p->ctx, p->T * 3 + V, sizeof *d);
    glim_status status = d ? glim_image_session_forward(s->session, &b, err)
                           : glim__oom(p->ctx, err, "a gradient", p->T * 3 * sizeof *d);
    if (!status)
        s->forward += p->T;
    if (!status && grad) {
        seed(s, glim_image_session_logits(s->session, 0), d + p->T * 3);
        status = glim_image_session_backward(s->session, d + p->T * 3, d, err);
        s->backward += p->T;
    }
    glim__progress_add(p->ctx, p->T * (grad ? 2 : 1));
    glim__free(p->ctx, d);
    return status;
}

/* ---- plans ---- */

static void add_bytes(glim_plan *out, uint64_t least, uint64_t wanted) {
    out->bytes = least > out->bytes ? least : out->bytes;
    out->bytes_wanted = wanted > out->bytes_wanted ? wanted : out->bytes_wanted;
}

static void plan_values(const glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                        glim_plan *out) {
    uint64_t each = p->T * 3 * sizeof(float);
    out->forward_tokens += n * p->T;
    if (out->bytes) /* the same for every call */
        return;
    add_bytes(out, glim_image_session_plan(p->model, 1, false) + 3 * each,
              glim_image_session_plan(p->model, MOST_BATCH, false) + (MOST_BATCH + 2) * each);
}

static void plan_gradient(const glim_predictor *p, size_t n, glim_plan *out) {
    uint64_t each = p->T * 3 * sizeof(float);
    out->forward_tokens += n * p->T;
    out->backward_tokens += n * p->T;
    add_bytes(out, pass_bytes(p, 1, true) + 4 * each,
              pass_bytes(p, MOST_BATCH, true) + (2 * MOST_BATCH + 2) * each);
}

static void plan_observe(const glim_predictor *p, const glim_hook *hooks, size_t n, long row,
                         glim_plan *out) {
    bool grad = wants_gradient(hooks, n);
    uint64_t bytes = glim_image_session_plan(p->model, 1, grad) +
                     (p->T * 3 + (uint64_t)p->model->outputs) * sizeof(float);
    out->forward_tokens += p->T;
    out->backward_tokens += grad ? p->T : 0;
    add_bytes(out, bytes, bytes);
}

static void cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    const struct seeing *s = (const struct seeing *)p;
    *forward = s->forward;
    *backward = s->backward;
}

/* ---- the document ---- */

static const char *copy(glim_document *doc, const char *s) {
    return s ? glim_document_text(doc, s, strlen(s)) : NULL;
}

static const char *class_name(const struct seeing *s, glim_document *doc, int32_t id, size_t *n) {
    const char *const *labels = glim_model_facts(s->base.model)->labels;
    char number[24];
    snprintf(number, sizeof number, "class %d", id);
    const char *name = labels ? labels[id] : number;
    *n = strlen(name);
    return copy(doc, name);
}

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    static const char *const outputs[] = {"logit", "logprob", "prob"};
    const struct seeing *s = (const struct seeing *)p;
    const glim_model_info *info = glim_model_facts(p->model);
    doc->kind = "attribution";
    doc->model.file = copy(doc, glim__file_name(info->path));
    doc->model.name = copy(doc, info->name);
    doc->model.architecture = copy(doc, info->architecture);
    doc->model.quantisation = copy(doc, info->quantisation);
    doc->model.digest = copy(doc, info->digest);
    doc->n_rows = 1;
    doc->target.kind = s->against >= 0 ? "contrast" : "class";
    doc->target.output = outputs[s->output];
    doc->target.id = s->id;
    doc->target.text = class_name(s, doc, s->id, &doc->target.text_len);
    doc->target.against_id = s->against;
    if (s->against >= 0)
        doc->target.against = class_name(s, doc, s->against, &doc->target.against_len);
    doc->target.value = s->value;
    doc->target.prob = s->prob;
    doc->target.baseline_value = NAN;
    if (!glim__patches_describe(&s->patches, doc) || !doc->target.text ||
        (s->against >= 0 && !doc->target.against))
        return glim__oom(p->ctx, err, "the document", 0);
    return GLIM_OK;
}

/* ---- making ---- */

static void free_seeing(glim_predictor *p) {
    struct seeing *s = (struct seeing *)p;
    glim_image_session_free(s->session);
    glim__patches_release(&s->patches, p->ctx);
    glim__free(p->ctx, s->pixels);
    glim__free(p->ctx, s);
}

static glim_status first_pass(struct seeing *s, const glim_image_options *o, glim_error *err) {
    const glim_model *m = s->base.model;
    s->id = s->against = -1;
    glim_status status = o->target ? find_class(m, o->target, &s->id, err) : GLIM_OK;
    if (!status && o->against)
        status = find_class(m, o->against, &s->against, err);
    if (!status)
        status = choose_output(s, o->output, err);
    if (!status)
        status = glim_image_session_new(&s->session, m, err);
    if (!status)
        status = run(s, s->pixels, 1, false, err);
    if (status)
        return status;
    const float *logits = glim_image_session_logits(s->session, 0);
    if (s->id < 0)
        s->id = glim_sample(logits, m->outputs, NULL, 0);
    if (s->id == s->against)
        return glim_fail(err, GLIM_EUSAGE, "the class and the one against it are the same");
    s->value = target_of(s, logits, &s->prob);
    return GLIM_OK;
}

static glim_status take_picture(struct seeing *s, const glim_image *seen,
                                const glim_image_options *o, glim_error *err) {
    glim_status status = glim__patches_cut(&s->patches, seen, o, PATCH, err);
    if (status)
        return status;
    s->base.T = (size_t)seen->width * (size_t)seen->height;
    s->base.C = 3;
    s->pixels = glim__calloc(s->base.ctx, s->base.T * 3, sizeof *s->pixels);
    if (!s->pixels)
        return glim__oom(s->base.ctx, err, "pixels", s->base.T * 3 * sizeof *s->pixels);
    glim_model_pixels(s->base.model, seen, s->pixels);
    s->base.superpixels = s->patches.superpixels;
    s->base.width = seen->width;
    s->base.height = seen->height;
    s->base.place = s->patches.place;
    s->row_end = s->patches.units.count;
    return GLIM_OK;
}

glim_status glim_predictor_image(glim_predictor **out, const glim_model *m, const glim_image *seen,
                                 const glim_image_options *o, glim_error *err) {
    glim_context *ctx = glim_model_context(m);
    const glim_model_info *info = glim_model_facts(m);
    *out = NULL;
    if (seen->width != info->image_width || seen->height != info->image_height)
        return glim_fail(err, GLIM_EUSAGE,
                         "the model sees %d x %d pixels, the picture has %d x %d "
                         "(glim_model_sees makes them)",
                         info->image_width, info->image_height, seen->width, seen->height);
    struct seeing *s = glim__calloc(ctx, 1, sizeof *s);
    if (!s)
        return glim__oom(ctx, err, "the predictor", sizeof *s);
    s->base = (glim_predictor){.ctx = ctx,
                               .name = "model of pictures",
                               .model = m,
                               .image = true,
                               .can = GLIM_CAN_PREDICT | GLIM_CAN_GRADIENT | GLIM_CAN_ACTIVATIONS |
                                      GLIM_CAN_MAPS,
                               .n_rows = 1,
                               .units = &s->patches.units,
                               .row_end = &s->row_end,
                               .value = &s->value,
                               .values = values,
                               .embed = embed,
                               .baseline = baseline,
                               .gradient = gradient,
                               .observe = observe,
                               .plan_values = plan_values,
                               .plan_gradient = plan_gradient,
                               .plan_observe = plan_observe,
                               .describe = describe,
                               .cost = cost,
                               .free = free_seeing};
    glim_status status = take_picture(s, seen, o, err);
    if (!status)
        status = first_pass(s, o, err);
    if (status) {
        free_seeing(&s->base);
        return status;
    }
    *out = &s->base;
    return GLIM_OK;
}
