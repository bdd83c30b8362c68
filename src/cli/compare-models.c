/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One input and one target on two models: another quantisation, a fine-tune. The target is
 * the first model's, by its text; what the other would rather say is told beside it.
 */
#include "base/cosine.h"
#include "cli/bind.h"
#include "cli/compare.h"
#include "model/model.h"
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

/* ---- what they answer ---- */

static bool has_answers(const cli_run *run) {
    const glim_model_info *info = glim_model_facts(run->model);
    return (info->task == GLIM_TASK_GENERATE && !info->both_ways && !run->o.labels) ||
           info->task == GLIM_TASK_CLASSIFY;
}

static const char *answer_text(const glim_model *model, size_t i, size_t *len) {
    const glim_model_info *info = glim_model_facts(model);
    if (info->task != GLIM_TASK_CLASSIFY)
        return glim_model_token_bytes(model, (int32_t)i, len);
    const char *name = info->labels ? info->labels[i] : "";
    *len = strlen(name);
    return name;
}

static glim_status keep_logits(void *data, size_t row, const float *logits, glim_error *err) {
    cli_answer *a = data;
    memcpy(a->logits, logits, a->n * sizeof *logits);
    return GLIM_OK;
}

static glim_status get_answer(cli_run *run, cli_answer *a) {
    size_t best = 0;
    a->n = (size_t)glim_model_facts(run->model)->outputs;
    a->logits = glim__calloc(run->ctx, a->n + 1, sizeof *a->logits);
    glim_status status = a->logits ? cli_logits(run, true, keep_logits, a)
                                   : glim__oom(run->ctx, &run->err, "the logits", a->n * 4);
    for (size_t i = 1; i < a->n && !status; i++)
        best = a->logits[i] > a->logits[best] ? i : best;
    if (!status && a->n) {
        const char *text = answer_text(run->model, best, &a->len);
        a->len = a->len < sizeof a->text ? a->len : sizeof a->text - 1;
        memcpy(a->text, text, a->len);
        a->told = true;
    }
    return status;
}

static bool same_answers(const glim_model *a, const glim_model *b) {
    size_t n = (size_t)glim_model_facts(a)->outputs, x, y;
    if (glim_model_facts(b)->outputs != (int)n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *one = answer_text(a, i, &x), *two = answer_text(b, i, &y);
        if (x != y || (x && memcmp(one, two, x) != 0))
            return false;
    }
    return true;
}

static glim_status compare_answers(cli_comparison *c, cli_run *other) {
    cli_run *run = c->run;
    if (!has_answers(run) || !has_answers(other) ||
        glim_model_facts(run->model)->task != glim_model_facts(other->model)->task) {
        c->no_kl = "not told of this kind of answer";
        return GLIM_OK;
    }
    glim_status status = get_answer(run, &c->answers[0]);
    if (!status && (status = get_answer(other, &c->answers[1])))
        run->err = other->err;
    if (!status && same_answers(run->model, other->model))
        c->kl = glim__divergence(c->answers[0].logits, c->answers[1].logits, c->answers[0].n);
    else
        c->no_kl = "the vocabularies differ";
    return status;
}

/* ---- what they hold inside ---- */

struct rows {
    glim_predictor *p;
    size_t layers, width;
    float *at; /* (layers, width) */
};

static glim_status keep_row(void *data, const glim_site *site, glim_error *err) {
    struct rows *r = data;
    size_t T = site->dims[0], row = r->p->row_at ? r->p->row_at(r->p, 0) : SIZE_MAX;
    if (site->layer < 0 || (size_t)site->layer >= r->layers || site->n_dims != 2 ||
        site->dims[1] != r->width || !T)
        return GLIM_OK;
    row = row < T ? row : T - 1;
    memcpy(r->at + (size_t)site->layer * r->width, site->data + row * r->width,
           r->width * sizeof *r->at);
    return GLIM_OK;
}

static glim_status observe(struct rows *r, glim_error *err) {
    const glim_hook hook = {"blocks.*.hook_resid_post", GLIM_HOOK_READ, keep_row, r};
    return r->p->observe(r->p, &hook, 1, 0, err);
}

static glim_status compare_inside(cli_comparison *c, glim_predictor *p, glim_predictor *q) {
    const glim_model_info *a = glim_model_facts(p->model), *b = glim_model_facts(q->model);
    glim_context *ctx = c->run->ctx;
    size_t L = (size_t)a->layers, C = (size_t)a->width;
    c->no_drift = !p->observe || !q->observe || a->encoder_layers || b->encoder_layers
                      ? "not told of this kind of model"
                  : a->layers != b->layers || a->width != b->width
                      ? "the models have different shapes"
                      : NULL;
    if (c->no_drift)
        return GLIM_OK;
    float *rows = glim__calloc(ctx, 2 * L * C + 1, sizeof *rows);
    c->drift = glim__calloc(ctx, L + 1, sizeof *c->drift);
    struct rows x = {p, L, C, rows}, y = {q, L, C, rows ? rows + L * C : NULL};
    glim_status status = rows && c->drift
                             ? observe(&x, &c->run->err)
                             : glim__oom(ctx, &c->run->err, "rows of both models", 2 * L * C * 4);
    if (!status)
        status = observe(&y, &c->run->err);
    for (size_t l = 0; l < L && !status; l++)
        c->drift[l] =
            glim__cosine_distance(x.at + l * C, y.at + l * C, C, (glim_no_direction){NAN, NAN});
    c->layers = L;
    glim__free(ctx, rows);
    return status;
}

/* ---- the whole ---- */

static glim_status explain(cli_comparison *c, glim_predictor *p) {
    cli_run *run = c->run;
    glim_document *doc = NULL;
    glim_status status =
        glim_explain(&doc, p, run->method, run->method_opts, (uint64_t)run->o.seed, &run->err);
    if (status)
        glim_document_free(doc); /* a partial one says nothing here */
    else
        c->docs[c->n++] = doc;
    return status;
}

static glim_status check_units(cli_comparison *c) {
    if (glim__same_units(c->docs[0], c->docs[1]))
        return GLIM_OK;
    return glim_fail(&c->run->err, GLIM_EUSAGE,
                     "the models cut the input into different parts (larger ones may be the same: "
                     "--units word)");
}

/* The second run borrows everything but what was made of the other model. */
static glim_status open_other(cli_comparison *c, cli_run *other, glim_predictor **q) {
    cli_run *run = c->run;
    const char *target = run->o.target ? run->o.target : c->docs[0]->target.text;
    *other = *run;
    other->o.model = run->o.other;
    other->model = NULL;
    other->tokens = NULL;
    glim_status status = cli_open(other);
    if (!status)
        status = cli_input(other);
    if (!status)
        status = cli_rebind(other, q, other->model, target, &other->err);
    if (!status && (*q)->n_rows != 1)
        status = glim_fail(&other->err, GLIM_EUSAGE, "the other model has %zu targets here",
                           (*q)->n_rows);
    if (status)
        run->err = other->err;
    return status;
}

static glim_status check(cli_run *run, const glim_predictor *p) {
    bool chat = run->o.chat && !strcmp(run->o.chat, "-");
    bool piped = chat || (run->o.file && !strcmp(run->o.file, "-"));
    if (!p->model || p->model != run->model || run->linear || !run->tokens)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--other compares models that read text (-m FILE --other FILE)");
    if (piped)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--other reads the input twice, which --%s - cannot (name a file)",
                         chat ? "chat" : "file");
    return GLIM_OK;
}

glim_status cli_compare_models(cli_comparison *c, glim_predictor *p) {
    cli_run *run = c->run, other = {0};
    glim_predictor *q = NULL;
    glim_status status = check(run, p);
    if (!status && !run->method)
        run->method = glim_method_default(p, NULL);
    if (!status)
        status = explain(c, p);
    if (!status)
        status = open_other(c, &other, &q);
    if (!status)
        status = explain(c, q);
    if (!status)
        status = check_units(c);
    if (!status)
        status = compare_answers(c, &other);
    if (!status)
        status = compare_inside(c, p, q);
    glim_predictor_free(q);
    glim_tokens_free(other.tokens);
    glim_model_close(other.model);
    return status;
}
