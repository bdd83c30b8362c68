/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of pictures and one picture, as a predictor. A "token" is a pixel, and tokens
 * are counted patch after patch, so that a patch is a run of tokens like a word is;
 * the model sees them in their places. An absent patch takes its pixels from a
 * picture without news: one colour, or the picture blurred.
 */
#include "file/image.h"
#include "model/model.h"
#include "predict/predictor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATCH = 16, MOST_BATCH = 4 };

enum output { LOGIT, LOGPROB, PROB };

struct seeing {
    glim_predictor base;
    glim_image *seen; /* the document's copy */
    char *name;
    int width, height, patch, columns;
    float *pixels;   /* (H W, 3) */
    uint32_t *place; /* [T] where token t lies in the picture */
    glim_units units;
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

/* Pictures in one pass: as many as the budget allows. */
static size_t batch_of(const struct seeing *s, size_t n, bool keep) {
    size_t most = n < MOST_BATCH ? n : MOST_BATCH;
    uint64_t left = glim__budget_left(s->base.ctx);
    while (most > 1 && glim_image_session_plan(s->base.model, most, keep) > left / 2)
        most--;
    return most ? most : 1;
}

static glim_status run(struct seeing *s, const float *pixels, size_t n, bool keep,
                       glim_error *err) {
    glim_image_batch b = {.pixels = pixels, .count = n, .keep = keep};
    glim_status status = glim_image_session_forward(s->session, &b, err);
    s->forward += n * s->base.T;
    glim__progress_add(s->base.ctx, n * s->base.T);
    return status;
}

/* ---- what stands for an absent patch ---- */

static void mean_colour(const struct seeing *s, float *out) {
    double sum[3] = {0};
    for (size_t i = 0; i < s->base.T; i++)
        for (size_t c = 0; c < 3; c++)
            sum[c] += s->pixels[3 * i + c];
    for (size_t i = 0; i < s->base.T; i++)
        for (size_t c = 0; c < 3; c++)
            out[3 * i + c] = (float)(sum[c] / (double)s->base.T);
}

/* One pass of a Gaussian along `n` pixels that lie `step` apart. */
static void blur_line(float *out, const float *in, size_t n, size_t step, double sigma) {
    int reach = (int)(3 * sigma) + 1;
    for (int i = 0; i < (int)n; i++) {
        double sum[3] = {0}, weights = 0;
        for (int k = i - reach; k <= i + reach; k++) {
            if (k < 0 || k >= (int)n)
                continue;
            double w = exp(-0.5 * (k - i) * (k - i) / (sigma * sigma));
            weights += w;
            for (size_t c = 0; c < 3; c++)
                sum[c] += w * in[(size_t)k * step + c];
        }
        for (size_t c = 0; c < 3; c++)
            out[(size_t)i * step + c] = (float)(sum[c] / weights);
    }
}

/* As wide as a patch: what is smaller than one is gone. */
static glim_status blurred(const struct seeing *s, float *out, glim_error *err) {
    size_t W = (size_t)s->width, H = (size_t)s->height;
    float *half = glim__calloc(s->base.ctx, s->base.T * 3, sizeof *half);
    if (!half)
        return glim__oom(s->base.ctx, err, "a blurred picture", s->base.T * 3 * sizeof *half);
    for (size_t y = 0; y < H; y++)
        blur_line(half + y * W * 3, s->pixels + y * W * 3, W, 3, s->patch);
    for (size_t x = 0; x < W; x++)
        blur_line(out + x * 3, half + x * 3, H, W * 3, s->patch);
    glim__free(s->base.ctx, half);
    return GLIM_OK;
}

static void one_byte(const struct seeing *s, uint8_t byte, float *out) {
    uint8_t rgb[3] = {byte, byte, byte};
    glim_image dot = {.width = 1, .height = 1, .rgb = rgb};
    glim_model_pixels(s->base.model, &dot, out);
    for (size_t i = 1; i < s->base.T; i++)
        memcpy(out + 3 * i, out, 3 * sizeof *out);
}

/* The picture (H W, 3) that absent patches are taken from. */
static glim_status background(const struct seeing *s, glim_absent absent, float *out,
                              glim_error *err) {
    switch (absent) {
    case GLIM_ABSENT_MASK:
    case GLIM_ABSENT_MEAN:
        mean_colour(s, out);
        return GLIM_OK;
    case GLIM_ABSENT_ZERO:
        memset(out, 0, s->base.T * 3 * sizeof *out);
        return GLIM_OK;
    case GLIM_ABSENT_BLUR:
        return blurred(s, out, err);
    default:
        return glim_fail(err, GLIM_EUSAGE,
                         "a patch of a picture cannot be taken out, only painted over (--absent "
                         "mean, zero or blur)");
    }
}

static void paint(const struct seeing *s, const uint8_t *keep, const float *from, float *out) {
    memcpy(out, s->pixels, s->base.T * 3 * sizeof *out);
    for (size_t u = 0; u < s->units.count; u++) {
        const glim_unit *unit = &s->units.at[u];
        for (size_t t = unit->first; t < unit->first + unit->count && !keep[u]; t++)
            memcpy(out + 3 * s->place[t], from + 3 * s->place[t], 3 * sizeof *out);
    }
}

/* ---- what methods ask for ---- */

static glim_status values(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err) {
    struct seeing *s = (struct seeing *)p;
    size_t each = p->T * 3, U = s->units.count, most = batch_of(s, n, false);
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
        memcpy(out + 3 * t, pixels + 3 * s->place[t], 3 * sizeof *out);
}

static void to_pixels(const struct seeing *s, float *out, const float *tokens) {
    for (size_t t = 0; t < s->base.T; t++)
        memcpy(out + 3 * s->place[t], tokens + 3 * t, 3 * sizeof *out);
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
    glim_status status = GLIM_OK;
    if (kind == GLIM_BASELINE_BOS)
        one_byte(s, 0, from);
    else
        status = background(s,
                            kind == GLIM_BASELINE_ZERO   ? GLIM_ABSENT_ZERO
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
    add_bytes(out, glim_image_session_plan(p->model, 1, true) + 4 * each,
              glim_image_session_plan(p->model, MOST_BATCH, true) + (2 * MOST_BATCH + 2) * each);
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

static void unit_box(const struct seeing *s, size_t u, glim_document_unit *out) {
    int row = (int)u / s->columns, column = (int)u % s->columns;
    out->x = column * s->patch;
    out->y = row * s->patch;
    out->width = s->width - out->x < s->patch ? s->width - out->x : s->patch;
    out->height = s->height - out->y < s->patch ? s->height - out->y : s->patch;
}

static bool describe_input(const struct seeing *s, glim_document *doc) {
    size_t n = s->units.count, bytes = s->base.T * 3;
    doc->input.text = "";
    doc->input.unit = "patch";
    doc->input.units = glim_document_alloc(doc, n * sizeof *doc->input.units);
    doc->input.image.name = copy(doc, s->name);
    doc->input.image.width = s->width;
    doc->input.image.height = s->height;
    uint8_t *rgb = glim_document_alloc(doc, bytes);
    if (!doc->input.units || !rgb)
        return false;
    memcpy(rgb, s->seen->rgb, bytes);
    doc->input.image.rgb = rgb;
    for (size_t u = 0; u < n; u++) {
        char name[32];
        const glim_unit *unit = &s->units.at[u];
        glim_document_unit *out = &doc->input.units[u];
        *out = (glim_document_unit){.first = unit->first, .count = unit->count, .turn = -1};
        unit_box(s, u, out);
        snprintf(name, sizeof name, "%d,%d", out->x, out->y);
        out->text_len = strlen(name);
        if (!(out->text = copy(doc, name)))
            return false;
    }
    doc->input.n_units = n;
    return true;
}

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    static const char *const outputs[] = {"logit", "logprob", "prob"};
    const struct seeing *s = (const struct seeing *)p;
    const glim_model_info *info = glim_model_facts(p->model);
    const char *slash = strrchr(info->path, '/');
    doc->kind = "attribution";
    doc->model.file = copy(doc, slash && slash[1] ? slash + 1 : info->path);
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
    if (!describe_input(s, doc) || !doc->target.text || (s->against >= 0 && !doc->target.against))
        return glim__oom(p->ctx, err, "the document", 0);
    return GLIM_OK;
}

/* ---- making ---- */

static void free_seeing(glim_predictor *p) {
    struct seeing *s = (struct seeing *)p;
    glim_image_session_free(s->session);
    glim_image_free(s->seen);
    glim_units_free(&s->units);
    glim__free(p->ctx, s->name);
    glim__free(p->ctx, s->pixels);
    glim__free(p->ctx, s->place);
    glim__free(p->ctx, s);
}

static glim_status cut(struct seeing *s, int patch, glim_error *err) {
    glim_context *ctx = s->base.ctx;
    s->patch = patch ? patch : PATCH;
    if (s->patch < 1 || s->patch > s->width || s->patch > s->height)
        return glim_fail(err, GLIM_EUSAGE, "a patch of %d pixels does not fit a picture of %d x %d",
                         s->patch, s->width, s->height);
    s->columns = (s->width + s->patch - 1) / s->patch;
    size_t n = (size_t)s->columns * (size_t)((s->height + s->patch - 1) / s->patch), t = 0;
    s->units = (glim_units){.ctx = ctx};
    s->units.at = glim__calloc(ctx, n, sizeof *s->units.at);
    s->place = glim__calloc(ctx, s->base.T, sizeof *s->place);
    if (!s->units.at || !s->place)
        return glim__oom(ctx, err, "the patches", s->base.T * sizeof *s->place);
    s->units.count = s->row_end = n;
    for (size_t u = 0; u < n; u++) {
        glim_document_unit box;
        unit_box(s, u, &box);
        s->units.at[u] =
            (glim_unit){.first = t, .count = (size_t)box.width * (size_t)box.height, .turn = -1};
        for (int y = box.y; y < box.y + box.height; y++)
            for (int x = box.x; x < box.x + box.width; x++)
                s->place[t++] = (uint32_t)(y * s->width + x);
    }
    return GLIM_OK;
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

static glim_status take_picture(struct seeing *s, const glim_image *seen, const char *name,
                                glim_error *err) {
    glim_context *ctx = s->base.ctx;
    s->width = seen->width;
    s->height = seen->height;
    s->base.T = (size_t)seen->width * (size_t)seen->height;
    s->base.C = 3;
    const char *slash = name ? strrchr(name, '/') : NULL;
    s->name = glim__strdup(ctx, slash ? slash + 1 : name ? name : "picture");
    s->pixels = glim__calloc(ctx, s->base.T * 3, sizeof *s->pixels);
    if (!s->name || !s->pixels)
        return glim__oom(ctx, err, "pixels", s->base.T * 3 * sizeof *s->pixels);
    glim_model_pixels(s->base.model, seen, s->pixels);
    return glim__image_crop(&s->seen, seen, 0, 0, seen->width, seen->height, err);
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
                               .can = GLIM_CAN_PREDICT | GLIM_CAN_GRADIENT | GLIM_CAN_ACTIVATIONS,
                               .n_rows = 1,
                               .units = &s->units,
                               .row_end = &s->row_end,
                               .value = &s->value,
                               .values = values,
                               .embed = embed,
                               .baseline = baseline,
                               .gradient = gradient,
                               .plan_values = plan_values,
                               .plan_gradient = plan_gradient,
                               .describe = describe,
                               .cost = cost,
                               .free = free_seeing};
    glim_status status = take_picture(s, seen, o->name, err);
    if (!status)
        status = cut(s, o->patch, err);
    if (!status)
        status = first_pass(s, o, err);
    if (status) {
        free_seeing(&s->base);
        return status;
    }
    *out = &s->base;
    return GLIM_OK;
}
