/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A black box with one text as a predictor. There is no tokenizer, so the pieces of
 * the text are the segments of word breaking (words, marks, runs of spaces), and
 * units are made of them as they are of tokens. An absent unit is deleted from the
 * text, or each of its words becomes the mask token; what a black box cannot do
 * (mean embeddings, hidden attention) is refused by name.
 */
#include "base/utf8.h"
#include "predict/black-box.h"
#include "text/breaks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* In logarithms probabilities keep this far from 0 and 1. */
static const double EDGE = 1e-12;

struct text_box {
    glim_predictor base;
    glim_black_box *box;
    glim_tokens tokens; /* segments of the text */
    glim_units units;
    char *mask_token;
    glim_box_target target;
    size_t row_end[1];
    glim_buffer texts; /* masked texts of a call, one behind the other */
};

/* ---- numbers of a class ---- */

static double log_odds(double p) {
    p = p < EDGE ? EDGE : p > 1 - EDGE ? 1 - EDGE : p;
    return log(p) - log1p(-p);
}

/* log p of class k from logits; of one class by the logistic function. */
static double log_softmax(const double *row, size_t K, size_t k) {
    double top = row[0], sum = 0;
    if (K == 1)
        return row[0] > 0 ? -log1p(exp(-row[0])) : row[0] - log1p(exp(row[0]));
    for (size_t i = 1; i < K; i++)
        top = row[i] > top ? row[i] : top;
    for (size_t i = 0; i < K; i++)
        sum += exp(row[i] - top);
    return row[k] - top - log(sum);
}

glim_status glim_black_box_output(const glim_black_box *box, const double *row, size_t k,
                                  const char *output, double *value, glim_error *err) {
    glim_scale scale = box->info.scale;
    bool prob = !strcmp(output, "prob"), logprob = !strcmp(output, "logprob");
    *value = row[k];
    if (!strcmp(output, "score"))
        return GLIM_OK;
    if (!prob && !logprob && strcmp(output, "logit"))
        return glim_fail(err, GLIM_EUSAGE, "output '%s' is not one of prob, logit, logprob, score",
                         output);
    switch (scale) {
    case GLIM_SCALE_RAW:
        return glim__box_fail(box, err, GLIM_EUSAGE, NULL, 0,
                              "it gives raw scores, of which %s cannot be had (leave out --output, "
                              "or let it answer \"scale\": \"prob\" or \"logit\")",
                              output);
    case GLIM_SCALE_LOGIT:
        if (prob || logprob)
            *value = log_softmax(row, box->info.n_classes, k);
        *value = prob ? exp(*value) : *value;
        return GLIM_OK;
    case GLIM_SCALE_LOGPROB:
        if (!logprob)
            *value = prob ? exp(row[k]) : log_odds(exp(row[k]));
        return GLIM_OK;
    case GLIM_SCALE_PROB:
        if (!prob)
            *value = logprob ? log(row[k] < EDGE ? EDGE : row[k]) : log_odds(row[k]);
        return GLIM_OK;
    }
    return GLIM_OK;
}

/* The output was tried on the input before. */
double glim__box_target(const glim_black_box *box, const glim_box_target *t, const double *row) {
    double a, b = 0;
    if (isnan(row[0]))
        return NAN;
    glim_black_box_output(box, row, t->class_index, t->output, &a, NULL);
    if (t->contrast)
        glim_black_box_output(box, row, t->against, t->output, &b, NULL);
    return a - b;
}

/* ---- masked texts ---- */

static bool is_blank(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\n", s[i]))
            return false;
    return true;
}

static void add_unit(struct text_box *t, const glim_unit *u, bool keep, glim_absent absent) {
    const char *text = t->tokens.text;
    if (keep) {
        glim__buffer_append(&t->texts, text + u->start, u->end - u->start);
        return;
    }
    for (size_t i = u->first; absent == GLIM_ABSENT_MASK && i < u->first + u->count; i++) {
        const glim_token *piece = &t->tokens.at[i];
        size_t n = piece->end - piece->start;
        if (is_blank(text + piece->start, n))
            glim__buffer_append(&t->texts, text + piece->start, n);
        else
            glim__buffer_puts(&t->texts, t->mask_token);
    }
}

static glim_status build(struct text_box *t, const uint8_t *keep, size_t n, glim_absent absent,
                         glim_input *inputs, glim_error *err) {
    size_t U = t->units.count, at = 0;
    glim__buffer_clear(&t->texts);
    for (size_t i = 0; i < n; i++) {
        size_t from = t->texts.len;
        for (size_t u = 0; u < U; u++)
            add_unit(t, &t->units.at[u], keep[i * U + u], absent);
        inputs[i].len = t->texts.len - from;
    }
    if (t->texts.failed)
        return glim__oom(t->base.ctx, err, "masked texts", t->texts.len);
    for (size_t i = 0; i < n; at += inputs[i++].len)
        inputs[i].text = t->texts.data ? t->texts.data + at : "";
    return GLIM_OK;
}

static glim_status values(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err) {
    struct text_box *t = (struct text_box *)p;
    double *rows = NULL;
    for (size_t i = 0; i < n; i++)
        out[i] = NAN;
    if (absent != GLIM_ABSENT_DELETE && absent != GLIM_ABSENT_MASK)
        return glim_fail(err, GLIM_EUSAGE,
                         "a black box has no embeddings and no attention to hide a unit in (take "
                         "--absent delete or mask)");
    glim_input *inputs = glim__calloc(p->ctx, n, sizeof *inputs);
    glim_status status =
        inputs ? build(t, keep, n, absent, inputs, err) : glim__oom(p->ctx, err, "masked texts", n);
    if (!status)
        status = glim_black_box_ask(t->box, inputs, n, &rows, err);
    for (size_t i = 0; rows && i < n; i++)
        out[i] = glim__box_target(t->box, &t->target, rows + i * t->box->info.n_classes);
    glim_black_box_values_free(t->box, rows);
    glim__free(p->ctx, inputs);
    return status;
}

void glim__box_plan_values(const glim_predictor *p, const uint8_t *keep, size_t n,
                           glim_absent absent, glim_plan *out) {
    out->forward_tokens += n;
    out->asks += n;
}

/* ---- target ---- */

static glim_status find_class(const glim_black_box *box, const char *name, size_t *out,
                              glim_error *err) {
    const glim_black_box_info *info = &box->info;
    char all[200] = "";
    size_t used = 0;
    for (size_t k = 0; k < info->n_classes; k++)
        if (!strcmp(info->classes[k], name)) {
            *out = k;
            return GLIM_OK;
        }
    for (size_t k = 0; k < info->n_classes && used + 1 < sizeof all; k++) {
        int n = snprintf(all + used, sizeof all - used, "%s%.40s", k ? ", " : "", info->classes[k]);
        used += n > 0 ? (size_t)n : 0;
    }
    return glim__box_fail(box, err, GLIM_EUSAGE, NULL, 0,
                          "there is no class '%.60s' (there are "
                          "%s)",
                          name, all);
}

static const char *default_output(glim_scale scale) {
    return scale == GLIM_SCALE_RAW ? "score" : scale == GLIM_SCALE_LOGPROB ? "logprob" : "prob";
}

glim_status glim__box_choose(const glim_black_box *box, glim_box_target *t, const double *row,
                             const glim_class_options *o, glim_error *err) {
    static const char *const outputs[] = {"prob", "logit", "logprob", "score"};
    const glim_black_box_info *info = &box->info;
    glim_status status = GLIM_OK;
    double unused;
    t->output = default_output(info->scale);
    for (size_t i = 0; o->output && i < sizeof outputs / sizeof *outputs; i++)
        if (!strcmp(o->output, outputs[i]))
            t->output = outputs[i];
    status = glim_black_box_output(box, row, 0, o->output ? o->output : t->output, &unused, err);
    if (!status && o->class_name)
        status = find_class(box, o->class_name, &t->class_index, err);
    for (size_t k = 1; !o->class_name && k < info->n_classes; k++)
        if (row[k] > row[t->class_index])
            t->class_index = k;
    t->contrast = o->against;
    if (!status && o->against)
        status = find_class(box, o->against, &t->against, err);
    if (!status && o->against && t->against == t->class_index)
        status = glim_fail(err, GLIM_EUSAGE,
                           "'%.60s' is the target itself: there is nothing to tell apart (name "
                           "another with --class or --against)",
                           o->against);
    if (status)
        return status;
    t->value = glim__box_target(box, t, row);
    if (glim_black_box_output(box, row, t->class_index, "prob", &t->prob, NULL))
        t->prob = NAN;
    return GLIM_OK;
}

static glim_status first_ask(struct text_box *t, const glim_class_options *o, glim_error *err) {
    glim_input input = {t->tokens.text, t->tokens.text_len};
    double *row = NULL;
    glim_status status = glim_black_box_ask(t->box, &input, 1, &row, err);
    if (!status)
        status = glim__box_choose(t->box, &t->target, row, o, err);
    glim_black_box_values_free(t->box, row);
    return status;
}

/* ---- units ---- */

/* The smallest parts that may be absent: words, or characters when those are asked for. */
static glim_status cut(struct text_box *t, const char *text, size_t len, bool characters,
                       glim_error *err) {
    glim_context *ctx = t->base.ctx;
    uint8_t *starts = glim__alloc(ctx, len + 1);
    t->tokens = (glim_tokens){.ctx = ctx, .text_len = len};
    t->tokens.text = glim__strndup(ctx, text, len);
    glim_status status = starts && t->tokens.text
                             ? glim__breaks(starts, ctx, text, len,
                                            characters ? GLIM_BREAK_GRAPHEME : GLIM_BREAK_WORD, err)
                             : glim__oom(ctx, err, "the text", len);
    size_t n = 0;
    for (size_t i = 0; i < len && !status; i++)
        n += starts[i];
    t->tokens.at = status ? NULL : glim__calloc(ctx, n, sizeof *t->tokens.at);
    if (!status && !t->tokens.at)
        status = glim__oom(ctx, err, "the words", n * sizeof *t->tokens.at);
    for (size_t i = 0; i < len && !status; i++) {
        if (starts[i])
            t->tokens.at[t->tokens.count++] =
                (glim_token){.kind = GLIM_TOKEN_TEXT, .start = i, .turn = -1};
        t->tokens.at[t->tokens.count - 1].end = i + 1;
    }
    glim__free(ctx, starts);
    return status;
}

static glim_status make_units(struct text_box *t, const glim_class_options *o, glim_error *err) {
    enum { MOST_WORDS = 400 };
    glim_unit_kind kind = o->auto_units ? GLIM_UNIT_WORD : o->units;
    if (kind == GLIM_UNIT_TOKEN || kind == GLIM_UNIT_TURN)
        return glim_fail(err, GLIM_EUSAGE,
                         "a black box reads text: its units are characters, words or sentences "
                         "(--units character, word or sentence)");
    glim_status status = glim_units_make(&t->units, &t->tokens, kind, err);
    if (status || !o->auto_units || t->units.count <= MOST_WORDS)
        return status;
    glim_units_free(&t->units);
    return glim_units_make(&t->units, &t->tokens, GLIM_UNIT_SENTENCE, err);
}

/* ---- the document ---- */

static const char *copy(glim_document *doc, const char *s) {
    return s ? glim_document_text(doc, s, strlen(s)) : NULL;
}

bool glim__box_describe(const glim_black_box *box, const glim_box_target *t, glim_document *doc) {
    const glim_black_box_info *info = &box->info;
    doc->kind = "attribution";
    doc->model.file = copy(doc, info->spec);
    doc->model.name = copy(doc, info->name);
    doc->model.architecture = info->kind;
    doc->model.digest = copy(doc, info->digest);
    doc->n_rows = 1;
    doc->target.kind = t->contrast ? "contrast" : "class";
    doc->target.output = t->output;
    doc->target.text = copy(doc, info->classes[t->class_index]);
    doc->target.text_len = strlen(info->classes[t->class_index]);
    doc->target.id = (int32_t)t->class_index;
    doc->target.against_id = t->contrast ? (int32_t)t->against : -1;
    doc->target.against = t->contrast ? copy(doc, info->classes[t->against]) : NULL;
    doc->target.against_len = t->contrast ? strlen(info->classes[t->against]) : 0;
    doc->target.value = t->value;
    doc->target.prob = t->prob;
    doc->target.baseline_value = NAN;
    return doc->model.file && doc->target.text && (!t->contrast || doc->target.against) &&
           (!info->how || glim_document_note(doc, "%s", info->how));
}

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    const struct text_box *t = (const struct text_box *)p;
    doc->input.text = glim_document_text(doc, t->tokens.text, t->tokens.text_len);
    doc->input.text_len = t->tokens.text_len;
    doc->input.unit = glim_unit_kind_name(t->units.kind);
    doc->input.units = glim_document_alloc(doc, t->units.count * sizeof *doc->input.units);
    if (!doc->input.text || !doc->input.units || !glim__box_describe(t->box, &t->target, doc))
        return glim__oom(p->ctx, err, "the document", 0);
    for (size_t i = 0; i < t->units.count; i++) {
        const glim_unit *u = &t->units.at[i];
        doc->input.units[i] = (glim_document_unit){.text = doc->input.text + u->start,
                                                   .text_len = u->end - u->start,
                                                   .start = u->start,
                                                   .end = u->end,
                                                   .first = u->first,
                                                   .count = u->count,
                                                   .turn = -1};
    }
    doc->input.n_units = t->units.count;
    return GLIM_OK;
}

/* ---- making ---- */

static void cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    *forward = ((const struct text_box *)p)->box->info.asked;
    *backward = 0;
}

static void free_box(glim_predictor *p) {
    struct text_box *t = (struct text_box *)p;
    glim_units_free(&t->units);
    glim__free(p->ctx, t->tokens.at);
    glim__free(p->ctx, t->tokens.text);
    glim__free(p->ctx, t->mask_token);
    glim__buffer_release(&t->texts);
    glim__free(p->ctx, t);
}

static glim_status check_text(const char *text, size_t len, glim_error *err) {
    size_t valid = glim__utf8_check(text, len);
    if (valid != len)
        return glim_fail(err, GLIM_EFORMAT, "the text is not UTF-8 at byte %zu", valid);
    return len ? GLIM_OK : glim_fail(err, GLIM_EUSAGE, "the text is empty");
}

glim_status glim_predictor_black_box(glim_predictor **out, glim_black_box *box, const char *text,
                                     size_t len, const glim_class_options *o, glim_error *err) {
    glim_context *ctx = box->ctx;
    *out = NULL;
    glim_status status = check_text(text, len, err);
    if (status)
        return status;
    struct text_box *t = glim__calloc(ctx, 1, sizeof *t);
    if (!t)
        return glim__oom(ctx, err, "the predictor", sizeof *t);
    t->base = (glim_predictor){.ctx = ctx,
                               .name = "black box",
                               .can = GLIM_CAN_PREDICT,
                               .chunk = 1024,
                               .n_rows = 1,
                               .units = &t->units,
                               .row_end = t->row_end,
                               .value = &t->target.value,
                               .values = values,
                               .plan_values = glim__box_plan_values,
                               .describe = describe,
                               .cost = cost,
                               .free = free_box};
    t->box = box;
    glim__buffer_init(&t->texts, ctx);
    const char *mask = o->mask_token ? o->mask_token : "...";
    t->mask_token = glim__strdup(ctx, mask);
    status = t->mask_token ? check_text(mask, strlen(mask) + !*mask, err)
                           : glim__oom(ctx, err, "the predictor", 0);
    if (!status)
        status = cut(t, text, len, !o->auto_units && o->units == GLIM_UNIT_CHARACTER, err);
    if (!status)
        status = make_units(t, o, err);
    if (!status)
        status = first_ask(t, o, err);
    if (status) {
        free_box(&t->base);
        return status;
    }
    t->row_end[0] = t->units.count;
    *out = &t->base;
    return GLIM_OK;
}
