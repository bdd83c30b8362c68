/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A language model and one input, as a predictor. The targets are rows: the
 * next token (one row), or every token of a given or generated continuation.
 * Row r reads the logits after token rows[r].at; what comes later is not seen by
 * it. Values are taken in double from float logits.
 */
#include "predict/lm.h"
#include "model/model.h"

#include <math.h>
#include <string.h>

/* ---- targets ---- */

double glim__log_sum_exp(const float *x, size_t n) {
    float top = x[0];
    double sum = 0;
    for (size_t i = 1; i < n; i++)
        top = x[i] > top ? x[i] : top;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - top);
    return top + log(sum);
}

double glim__lm_target(const glim_lm *lm, const glim_lm_row *row, const float *logits,
                       double *prob) {
    if (lm->direction) {
        double sum = 0;
        for (size_t i = 0; i < lm->outputs; i++)
            sum += (double)logits[i] * lm->direction[i];
        if (prob)
            *prob = NAN;
        return sum;
    }
    double a = logits[row->id], b = row->against >= 0 ? logits[row->against] : 0;
    double lse = glim__log_sum_exp(logits, lm->outputs);
    if (prob)
        *prob = exp(a - lse);
    switch (lm->output) {
    case GLIM_OUTPUT_LOGIT:
        break;
    case GLIM_OUTPUT_LOGPROB: /* of a contrast the normaliser cancels */
        return row->against >= 0 ? a - b : a - lse;
    case GLIM_OUTPUT_PROB:
        return exp(a - lse) - (row->against >= 0 ? exp(b - lse) : 0);
    }
    return a - b;
}

bool glim__lm_dense(const glim_lm *lm) {
    return lm->direction || lm->output == GLIM_OUTPUT_PROB ||
           (lm->output == GLIM_OUTPUT_LOGPROB && lm->rows[0].against < 0);
}

void glim__lm_seed(const glim_lm *lm, const glim_lm_row *row, const float *logits, float *dense,
                   int32_t *ids, float *weights, glim_seed *seed) {
    size_t V = lm->outputs;
    ids[0] = row->id;
    ids[1] = row->against;
    weights[0] = 1;
    weights[1] = -1;
    seed->ids = ids;
    seed->weights = weights;
    seed->n = row->against >= 0 ? 2 : 1;
    if (!glim__lm_dense(lm))
        return;
    seed->dense = dense;
    if (lm->direction) {
        memcpy(dense, lm->direction, V * sizeof *dense);
        return;
    }
    double lse = glim__log_sum_exp(logits, V), a = 1, b = 0;
    if (lm->output == GLIM_OUTPUT_PROB) {
        a = exp(logits[row->id] - lse);
        b = row->against >= 0 ? exp(logits[row->against] - lse) : 0;
    }
    for (size_t i = 0; i < V; i++)
        dense[i] = (float)(-(a - b) * exp(logits[i] - lse));
    dense[row->id] += (float)a;
    if (row->against >= 0)
        dense[row->against] -= (float)b;
}

void glim__lm_wanted(const glim_lm *lm, const uint32_t *rows, size_t n_rows, size_t n,
                     glim_sequence *q) {
    q->wanted = lm->pooled ? lm->every : rows;
    q->n_wanted = lm->pooled ? n : n_rows;
}

/* ---- making ---- */

/* A logit also moves when all logits move, which changes no prediction; in a
   contrast that cancels. */
static glim_status choose_output(glim_lm *lm, const char *name, bool contrast, bool labels,
                                 glim_error *err) {
    lm->output = contrast ? GLIM_OUTPUT_LOGIT : GLIM_OUTPUT_LOGPROB;
    if (!name)
        return GLIM_OK;
    /* a label's score is what a softmax over the labels takes */
    if (!strcmp(name, "logit") || (labels && !strcmp(name, "score")))
        lm->output = GLIM_OUTPUT_LOGIT;
    else if (!strcmp(name, "logprob"))
        lm->output = GLIM_OUTPUT_LOGPROB;
    else if (!strcmp(name, "prob"))
        lm->output = GLIM_OUTPUT_PROB;
    else
        return glim_fail(err, GLIM_EUSAGE, "output '%s' is not one of logit, logprob, prob", name);
    return GLIM_OK;
}

/* Tokens of the continuation behind the prompt: the whole text is tokenised as
   it would be read, apart from what the prompt already is. */
glim_status glim__append_continuation(const glim_model *m, glim_tokens *t, const char *text,
                                      glim_error *err) {
    glim_tokens *more = NULL;
    glim_status status = glim_model_tokenize(m, &more, text, strlen(text), err);
    if (status)
        return status;
    size_t skip = 0, n = 0;
    while (skip < more->count && more->at[skip].kind == GLIM_TOKEN_SPECIAL)
        skip++;
    size_t base = t->text_len, add = strlen(text);
    glim_token *at = glim__realloc(t->ctx, t->at, (t->count + more->count) * sizeof *at);
    char *joined = at ? glim__realloc(t->ctx, t->text, base + add + 1) : NULL;
    t->at = at ? at : t->at;
    t->text = joined ? joined : t->text;
    if (joined) {
        memcpy(joined + base, text, add + 1);
        t->text_len = base + add;
        for (size_t i = skip; i < more->count; i++, n++) {
            glim_token token = more->at[i];
            if (token.kind == GLIM_TOKEN_SPECIAL)
                continue;
            token.kind = GLIM_TOKEN_GENERATED;
            token.start += base;
            token.end += base;
            t->at[t->count++] = token;
        }
    }
    glim_tokens_free(more);
    if (!joined)
        return glim__oom(t->ctx, err, "the continuation", add);
    return n ? GLIM_OK : glim_fail(err, GLIM_EUSAGE, "the continuation is empty");
}

glim_status glim__lm_add_rows(glim_lm *lm, size_t first, size_t n, glim_error *err) {
    glim_context *ctx = lm->base.ctx;
    lm->base.n_rows = n;
    lm->rows = glim__calloc(ctx, n, sizeof *lm->rows);
    lm->row_end = glim__calloc(ctx, n, sizeof *lm->row_end);
    lm->value = glim__calloc(ctx, 2 * n, sizeof *lm->value);
    if (!lm->rows || !lm->row_end || !lm->value)
        return glim__oom(ctx, err, "the target", n * sizeof *lm->rows);
    lm->prob = lm->value + n;
    for (size_t r = 0; r < n; r++)
        lm->rows[r] = (glim_lm_row){.at = first + r, .id = -1, .against = -1, .token = SIZE_MAX};
    return GLIM_OK;
}

glim_status glim__lm_copy_rows(glim_lm *lm, const glim_predictor *like, glim_error *err) {
    const glim_lm *from = (const glim_lm *)like;
    glim_status status = glim__lm_add_rows(lm, 0, from->base.n_rows, err);
    lm->kind = from->kind;
    if (!status)
        memcpy(lm->rows, from->rows, from->base.n_rows * sizeof *lm->rows);
    return status;
}

/* The tokens themselves: not every one comes back from its text. */
static glim_status take_same(glim_lm *lm, const glim_predictor *same, glim_error *err) {
    const glim_lm *from = (const glim_lm *)same;
    if (lm->base.n_rows != same->n_rows)
        return glim_fail(err, GLIM_EUSAGE,
                         "the target has %zu tokens of one input and %zu of the other",
                         same->n_rows, lm->base.n_rows);
    for (size_t r = 0; r < same->n_rows; r++) {
        lm->rows[r].id = from->rows[r].id;
        lm->rows[r].against = from->rows[r].against;
    }
    lm->kind = from->kind;
    lm->output = from->output;
    return GLIM_OK;
}

static glim_status make_rows(glim_lm *lm, const glim_target_options *o, glim_error *err) {
    size_t prompt = lm->tokens->count;
    glim_status status;
    if (o->labels)
        return glim__lm_label_rows(lm, o, err);
    if (lm->whole)
        return glim__lm_encoder_rows(lm, o, err);
    if (lm->task == GLIM_TASK_TRANSLATE)
        return glim__lm_translate_rows(lm, o, err);
    if (o->like)
        return glim__lm_copy_rows(lm, o->like, err);
    bool many = o->continuation || o->generate;
    if (many && (o->target || o->against))
        return glim_fail(err, GLIM_EUSAGE,
                         "a continuation is its own target (leave out --target "
                         "and --against)");
    if (o->continuation && o->generate)
        return glim_fail(err, GLIM_EUSAGE, "give either --continuation or --generate");
    lm->kind = o->continuation ? "continuation"
               : o->generate   ? "generated"
               : o->against    ? "contrast"
                               : "next-token";
    if (o->generate) {
        status = glim_generate(lm->model, lm->tokens, o->generate, NULL, NULL, NULL, err);
        if (!status && lm->tokens->count == prompt)
            status = glim_fail(err, GLIM_EUSAGE,
                               "the model ends at once: there is nothing "
                               "generated to explain");
        if (status)
            return status;
    }
    if (o->continuation &&
        (status = glim__append_continuation(lm->model, lm->tokens, o->continuation, err)))
        return status;
    status = glim__lm_add_rows(lm, prompt - 1, many ? lm->tokens->count - prompt : 1, err);
    for (size_t r = 0; many && !status && r < lm->base.n_rows; r++) {
        lm->rows[r].token = prompt + r;
        lm->rows[r].id = lm->tokens->at[prompt + r].id;
    }
    if (!status && o->target)
        status = glim_model_token(lm->model, o->target, &lm->rows[0].id, err);
    if (!status && o->against)
        status = glim_model_token(lm->model, o->against, &lm->rows[0].against, err);
    return status;
}

/* Runs the input once into the cache and reads the targets; without a named
   target the most likely next token becomes it. */
static void read_row(glim_lm *lm, size_t r, const float *logits) {
    glim_lm_row *row = &lm->rows[r];
    if (row->id < 0 && !lm->direction)
        row->id = glim_sample(logits, (int)lm->outputs, NULL, 0);
    lm->value[r] = glim__lm_target(lm, row, logits, &lm->prob[r]);
}

void glim__lm_read_rows(glim_lm *lm, const glim_session *s) {
    for (size_t r = 0; r < lm->base.n_rows; r++)
        read_row(lm, r, glim_session_logits(s, 0, r));
    lm->base.late = false;
}

static glim_status first_whole_pass(glim_lm *lm, glim_error *err) {
    glim_status status = lm->cache     ? GLIM_OK
                         : lm->written ? glim__lm_read_text(lm, err)
                                       : glim__lm_run_whole(lm, err);
    for (size_t r = 0; r < lm->base.n_rows && !status; r++)
        read_row(
            lm, r,
            glim_session_logits(lm->cache, 0, lm->task == GLIM_TASK_FILL ? 0 : lm->rows[r].at));
    return status;
}

static glim_status first_pass(glim_lm *lm, glim_error *err) {
    enum { PIECE = 512 };
    if (lm->labels)
        return glim__lm_label_pass(lm, err);
    if (lm->whole || lm->written)
        return first_whole_pass(lm, err);
    size_t T = lm->base.T, R = lm->base.n_rows, r = 0;
    glim_status status = glim_session_new(&lm->cache, lm->model, T, err);
    uint32_t wanted[PIECE];
    for (size_t at = 0; at < T && !status; at += PIECE) {
        size_t n = T - at < PIECE ? T - at : PIECE, w = 0, from = r;
        for (; r < R && lm->rows[r].at < at + n; r++)
            wanted[w++] = (uint32_t)(lm->rows[r].at - at);
        glim_sequence q = {
            .ids = lm->ids + at, .count = n, .prefix = at, .wanted = wanted, .n_wanted = w};
        glim_batch b = {.sequences = &q, .count = 1, .append = true};
        status = glim_session_forward(lm->cache, &b, err);
        for (size_t k = 0; k < w && !status; k++) {
            read_row(lm, from + k, glim_session_logits(lm->cache, 0, k));
        }
    }
    lm->forward += T;
    return status;
}

static glim_status read_late(glim_predictor *p, glim_document *doc, glim_error *err) {
    glim_lm *lm = (glim_lm *)p;
    glim_status status = p->late ? first_pass(lm, err) : GLIM_OK;
    p->late = status != GLIM_OK;
    if (!status && doc && !glim__lm_describe_target(lm, doc))
        status = glim__oom(p->ctx, err, "the document", 0);
    return status;
}

static size_t visible_units(const glim_units *u) {
    size_t n = 0;
    for (size_t i = 0; i < u->count; i++)
        n += !u->at[i].fixed;
    return n;
}

glim_status glim__lm_choose_units(glim_lm *lm, const glim_target_options *o, glim_error *err) {
    enum { CHAT_WORDS = 60, TEXT_WORDS = 400 };
    glim_unit_kind kind = o->auto_units ? GLIM_UNIT_WORD : o->units;
    glim_status status = glim_units_make(&lm->units, lm->tokens, kind, err);
    size_t most = lm->tokens->n_turns ? CHAT_WORDS : TEXT_WORDS;
    if (status || !o->auto_units || visible_units(&lm->units) <= most)
        return status;
    glim_units_free(&lm->units);
    return glim_units_make(&lm->units, lm->tokens, GLIM_UNIT_SENTENCE, err);
}

static void find_row_ends(glim_lm *lm) {
    for (size_t r = 0; r < lm->base.n_rows; r++) {
        size_t u = 0;
        while (u < lm->units.count && lm->units.at[u].first <= lm->rows[r].at)
            u++;
        lm->row_end[r] = lm->whole || lm->written ? lm->units.count : u;
    }
}

static void choose_neutral(glim_lm *lm) {
    static const char *const texts[] = {"...", " ...", "_", " "};
    static const char *const marks[] = {"[MASK]", "<mask>", "[UNK]", "<unk>", "[PAD]", "<pad>"};
    const glim_model_info *info = glim_model_facts(lm->model);
    lm->neutral = glim__tokenizer_info(lm->model->tokenizer)->mask;
    if (lm->whole && lm->neutral >= 0)
        return;
    lm->neutral = info->eos >= 0 ? info->eos : 0;
    for (size_t i = 0; i < sizeof marks / sizeof *marks && (info->both_ways || lm->written); i++) {
        int32_t id = glim__token_by_name(lm->model->tokenizer, marks[i]);
        if (id >= 0) {
            lm->neutral = id;
            return;
        }
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!glim_model_token(lm->model, texts[i], &lm->neutral, NULL))
            return;
    lm->neutral = info->eos >= 0 ? info->eos : 0;
}

/* ---- embeddings ---- */

static glim_status embed(glim_predictor *p, float *x, glim_error *err) {
    glim_lm *lm = (glim_lm *)p;
    glim_status status = GLIM_OK;
    for (size_t t = 0; t < p->T && !status; t++)
        status = glim_model_embedding(lm->model, lm->ids[t], x + t * p->C, err);
    return status;
}

static glim_status baseline(glim_predictor *p, glim_baseline kind, float *x, glim_error *err) {
    glim_lm *lm = (glim_lm *)p;
    const glim_model_info *info = glim_model_facts(lm->model);
    glim_status status = embed(p, x, err);
    int32_t id = kind == GLIM_BASELINE_MEAN ? -1 : lm->neutral;
    if (kind == GLIM_BASELINE_BOS)
        id = info->bos >= 0 ? info->bos : info->eos >= 0 ? info->eos : lm->neutral;
    float *row = glim__calloc(p->ctx, p->C, sizeof *row);
    if (!row)
        return glim__oom(p->ctx, err, "a baseline", p->C * sizeof *row);
    if (!status && kind != GLIM_BASELINE_ZERO)
        status = glim_model_embedding(lm->model, id, row, err);
    for (size_t u = 0; u < lm->units.count && !status; u++) {
        const glim_unit *unit = &lm->units.at[u];
        for (size_t t = unit->first; t < unit->first + unit->count && t < p->T; t++)
            if (!unit->fixed)
                memcpy(x + t * p->C, row, p->C * sizeof *row);
    }
    glim__free(p->ctx, row);
    return status;
}

static size_t row_at(const glim_predictor *p, size_t row) {
    const glim_lm *lm = (const glim_lm *)p;
    return lm->pooled ? SIZE_MAX : lm->rows[row].at;
}

static void cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    const glim_lm *lm = (const glim_lm *)p;
    *forward = lm->forward;
    *backward = lm->backward;
}

static void free_lm(glim_predictor *p) {
    glim_lm *lm = (glim_lm *)p;
    glim_session_free(lm->cache);
    glim_session_free(lm->work);
    glim_units_free(&lm->units);
    glim__lm_labels_free(lm);
    glim__free(p->ctx, lm->rows);
    glim__free(p->ctx, lm->row_end);
    glim__free(p->ctx, lm->value);
    glim__free(p->ctx, lm->ids);
    glim__free(p->ctx, lm->types);
    glim__free(p->ctx, lm->written);
    glim__free(p->ctx, lm->direction);
    glim__free(p->ctx, lm->every);
    glim__free(p->ctx, lm);
}

void glim_predictor_free(glim_predictor *p) {
    if (p)
        p->free(p);
}

glim_status glim__lm_take_ids(glim_lm *lm, glim_error *err) {
    lm->ids = glim__calloc(lm->base.ctx, lm->base.T, sizeof *lm->ids);
    if (!lm->ids)
        return glim__oom(lm->base.ctx, err, "the tokens", lm->base.T * sizeof *lm->ids);
    for (size_t t = 0; t < lm->base.T; t++)
        lm->ids[t] = lm->tokens->at[t].id;
    return GLIM_OK;
}

static glim_status finish(glim_lm *lm, const glim_target_options *o, glim_error *err) {
    const glim_model_info *info = glim_model_facts(lm->model);
    glim_status status = lm->written ? GLIM_OK : glim__lm_choose_units(lm, o, err);
    if (status)
        return status;
    for (size_t u = 0; u < lm->units.count && o->source; u++)
        if (lm->tokens->at[lm->units.at[u].first].kind == GLIM_TOKEN_GENERATED)
            lm->units.at[u].fixed = true;
    if (!lm->written)
        lm->base.T = lm->whole ? lm->tokens->count : lm->rows[lm->base.n_rows - 1].at + 1;
    if (lm->base.T > (size_t)info->context_length)
        return glim_fail(err, GLIM_ELIMIT,
                         "the input has %zu tokens, the model's context %d "
                         "(shorten the input)",
                         lm->base.T, info->context_length);
    if (!lm->whole && !lm->written && (status = glim__lm_take_ids(lm, err)))
        return status;
    lm->base.C = (size_t)info->width;
    lm->base.units = &lm->units;
    lm->base.row_end = lm->row_end;
    lm->base.value = lm->value;
    find_row_ends(lm);
    choose_neutral(lm);
    /* what the target is compared with, or is by its name, must be known at once */
    lm->base.late = o->late && !o->labels && !lm->whole && !lm->written && !o->against;
    for (size_t r = 0; r < lm->base.n_rows && lm->base.late; r++)
        lm->value[r] = lm->prob[r] = NAN;
    lm->base.read_late = lm->base.late ? read_late : NULL;
    return lm->base.late ? GLIM_OK : first_pass(lm, err);
}

glim_status glim_predictor_lm(glim_predictor **out, const glim_model *model, glim_tokens *tokens,
                              const glim_target_options *o, glim_error *err) {
    glim_context *ctx = glim_model_context(model);
    *out = NULL;
    if (tokens->count > (size_t)glim_model_facts(model)->context_length)
        return glim_fail(err, GLIM_ELIMIT,
                         "the input has %zu tokens, the model's context %d "
                         "(shorten the input)",
                         tokens->count, glim_model_facts(model)->context_length);
    glim_lm *lm = glim__calloc(ctx, 1, sizeof *lm);
    if (!lm)
        return glim__oom(ctx, err, "the predictor", sizeof *lm);
    lm->base = (glim_predictor){.ctx = ctx,
                                .name = "language model",
                                .model = model,
                                .can = GLIM_CAN_PREDICT | GLIM_CAN_GRADIENT | GLIM_CAN_ATTENTION |
                                       GLIM_CAN_ACTIVATIONS,
                                .values = glim__lm_values,
                                .embed = embed,
                                .baseline = baseline,
                                .gradient = glim__lm_gradient,
                                .observe = glim__lm_observe,
                                .row_at = row_at,
                                .plan_values = glim__lm_plan_values,
                                .plan_gradient = glim__lm_plan_gradient,
                                .plan_observe = glim__lm_plan_observe,
                                .describe = glim__lm_describe,
                                .cost = cost,
                                .free = free_lm};
    lm->model = model;
    lm->tokens = tokens;
    lm->outputs = (size_t)glim_model_facts(model)->outputs;
    lm->whole = glim_model_facts(model)->both_ways || model->pool;
    lm->pooled = glim_model_facts(model)->task == GLIM_TASK_EMBED || model->pool == GLIM_POOL_MEAN;
    lm->task = glim_model_facts(model)->task;
    if (lm->task == GLIM_TASK_TRANSLATE) {
        lm->base.values = glim__lm_translate_values;
        lm->base.gradient = glim__lm_translate_gradient;
        lm->base.plan_values = glim__lm_plan_translate_values;
        lm->base.plan_gradient = glim__lm_plan_translate_gradient;
    }
    if ((lm->task == GLIM_TASK_GENERATE && !o->labels && !lm->whole) ||
        lm->task == GLIM_TASK_FILL) {
        lm->base.can |= GLIM_CAN_PROPOSE;
        lm->base.propose = glim__lm_propose;
        lm->base.values_of = glim__lm_values_of;
        lm->base.plan_propose = glim__lm_plan_propose;
    }
    glim_status status = choose_output(lm, o->output, o->against != NULL, o->labels != NULL, err);
    if (!status && o->source)
        status = glim__tokens_restrict(tokens, o->source, err);
    if (!status)
        status = make_rows(lm, o, err);
    if (!status && o->same)
        status = take_same(lm, o->same, err);
    if (!status)
        status = finish(lm, o, err);
    if (!status && lm->rows[0].id >= 0 && lm->rows[0].id == lm->rows[0].against)
        status = glim_fail(err, GLIM_EUSAGE,
                           "'%.60s' is the target itself: there is nothing to tell apart (name "
                           "another with --target or --against)",
                           o->against);
    if (status) {
        free_lm(&lm->base);
        return status;
    }
    *out = &lm->base;
    return GLIM_OK;
}
