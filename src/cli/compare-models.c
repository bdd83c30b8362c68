/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One method on several models: other quantisations, a fine-tune. The targets are the first
 * model's: token by token where the other has the same tokens, else by their texts. Each
 * model is run once more to see what it answers there and what it holds inside; that pass
 * is timed.
 */
#include "cli/bind.h"
#include "cli/compare.h"
#include "cli/fitted.h"
#include "cli/picture.h"
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

enum { PASSES = 3 }; /* of a single input, so that one is not the first of all */

/* ---- opening ---- */

static glim_status check(cli_comparison *c, const glim_predictor *p) {
    const cli_run *run = c->run;
    bool chat = run->o.chat && !strcmp(run->o.chat, "-");
    bool piped = chat || (run->o.file && !strcmp(run->o.file, "-"));
    if (!p->model || p->model != run->model || run->linear || run->o.predictor)
        return glim_fail(&c->run->err, GLIM_EUSAGE,
                         "--other compares models that are read from files (-m FILE --other "
                         "FILE)");
    if (piped)
        return glim_fail(&c->run->err, GLIM_EUSAGE,
                         "--other reads the input twice, which --%s - cannot (name a file)",
                         chat ? "chat" : "file");
    return GLIM_OK;
}

static glim_status open_one(cli_comparison *c, const char *file) {
    cli_compared *r = &c->runs[c->n++];
    r->method = c->run->method;
    r->at = *c->run;
    r->at.o.model = file;
    r->at.model = NULL;
    r->at.tokens = NULL;
    glim_status status = cli_open(&r->at);
    const glim_model *first = c->run->model, *other = r->at.model;
    if (!status && glim_model_facts(first)->task != glim_model_facts(other)->task)
        status = glim_fail(&r->at.err, GLIM_EUSAGE,
                           "'%.200s' and '%.200s' do different things, which cannot be compared "
                           "(glim info says what each does)",
                           c->run->o.model, file);
    if (status) {
        c->run->err = r->at.err;
        return status;
    }
    r->same_answers = cli_same_answers(first, other);
    const glim_model_info *a = glim_model_facts(first), *b = glim_model_facts(other);
    bool classes = a->task == GLIM_TASK_CLASSIFY || a->task == GLIM_TASK_IMAGE;
    r->no_kl = r->same_answers ? NULL : classes ? "the classes differ" : "the vocabularies differ";
    r->no_drift =
        a->layers == b->layers && a->width == b->width ? NULL : "the models have different shapes";
    return GLIM_OK;
}

glim_status cli_compare_open(cli_comparison *c, const glim_predictor *p) {
    glim_status status = check(c, p);
    cli_run *run = c->run;
    if (!status && !run->method)
        run->method = glim_method_default(p, NULL);
    c->runs[0].method = run->method;
    c->runs[0].same_answers = true;
    c->n = 1;
    for (size_t i = 0; i < CLI_OTHERS && run->o.other[i] && !status; i++)
        status = open_one(c, run->o.other[i]);
    return status;
}

/* ---- one input on another model ---- */

static const char *text_of(const cli_comparison *c, size_t row) {
    return glim__table_cell(c->table, row, c->column);
}

static glim_status read_tokens(cli_comparison *c, cli_run *at, size_t row) {
    glim_tokens_free(at->tokens);
    at->tokens = NULL;
    if (cli_reads_pictures(at))
        return GLIM_OK;
    if (row == SIZE_MAX)
        return cli_input(at);
    const char *text = text_of(c, row);
    return glim_model_tokenize(at->model, &at->tokens, text, strlen(text), &at->err);
}

/* Whether the other reads the very tokens; behind them lie those that the first wrote. */
static bool same_tokens(const glim_tokens *first, const glim_tokens *other) {
    if (!first || !other || other->count > first->count)
        return false;
    for (size_t i = 0; i < other->count; i++)
        if (first->at[i].id != other->at[i].id)
            return false;
    for (size_t i = other->count; i < first->count; i++)
        if (first->at[i].kind != GLIM_TOKEN_GENERATED)
            return false;
    return true;
}

static glim_status bind_other(cli_comparison *c, cli_compared *r, const glim_predictor *p,
                              const glim_document *doc, size_t row, glim_predictor **q) {
    cli_run *at = &r->at;
    glim_status status = read_tokens(c, at, row);
    bool like =
        !status && r->same_answers && !at->o.labels && same_tokens(c->run->tokens, at->tokens);
    cli_run shared = *at;
    if (like)
        shared.tokens = c->run->tokens;
    if (!status)
        status = cli_bind_like(&shared, q, like ? p : NULL, doc);
    if (status && !at->err.message[0]) {
        at->err = shared.err;
        glim_prefix(&at->err, status, "the first model's target or input, to '%.200s'",
                    at->o.model);
    }
    if (!status && (*q)->n_rows != p->n_rows)
        status = glim_fail(&at->err, GLIM_EUSAGE,
                           "'%.200s' has %zu targets here, the first model %zu: what was written "
                           "is cut into other tokens",
                           at->o.model, (*q)->n_rows, p->n_rows);
    if (status)
        c->run->err = at->err;
    at->err = (glim_error){0};
    return status;
}

/* ---- what is kept ---- */

static double mean_logprob(const glim_document *d) {
    cli_tally t = {0};
    for (size_t r = 0; r < d->n_rows && d->rows; r++)
        cli_tally_add(&t, log(d->rows[r].prob));
    if (!d->rows)
        cli_tally_add(&t, log(d->target.prob));
    return cli_tally_mean(&t);
}

/* Of what has no logits to choose from, such as spans: what the model says unasked. */
static glim_status own_answer(cli_comparison *c, cli_run *at, cli_answer *out) {
    glim_document *doc = NULL;
    glim_predictor *p = NULL;
    const glim_document unnamed = {.rows = NULL, .target.kind = "similarity"};
    glim_status status = glim_document_new(&doc, at->ctx, &c->run->err);
    if (!status && glim_model_facts(at->model)->task == GLIM_TASK_SPAN)
        status = cli_bind_like(at, &p, NULL, &unnamed);
    if (!status && p)
        status = p->describe(p, doc, &at->err);
    if (!status && p && doc->target.text) {
        size_t n =
            doc->target.text_len < sizeof out->text ? doc->target.text_len : sizeof out->text;
        memcpy(out->text, doc->target.text, n);
        out->len = n;
        out->told = true;
    }
    if (status)
        c->run->err = at->err;
    glim_predictor_free(p);
    glim_document_free(doc);
    return status;
}

static glim_status keep_rows(cli_comparison *c, const cli_run *at, const glim_predictor *p,
                             const cli_seen *l, cli_said *said) {
    if (!l->logits || l->R < 2 || c->n_inputs)
        return GLIM_OK;
    said->row_answers = glim__arena_calloc(&c->arena, l->R, sizeof *said->row_answers);
    if (!said->row_answers)
        return glim__oom(c->run->ctx, &c->run->err, "the answers",
                         l->R * sizeof *said->row_answers);
    for (size_t r = 0; r < l->R; r++)
        said->row_answers[r] = cli_seen_answer(at, p, l, r);
    return GLIM_OK;
}

static glim_status look(cli_comparison *c, cli_run *at, glim_predictor *p, cli_seen *l,
                        cli_said *said) {
    glim_status status = cli_seen_at(at, l, p, c->many ? 1 : PASSES);
    if (status) {
        c->run->err = at->err;
        return status;
    }
    said->pass_tokens = l->tokens;
    said->pass_seconds = l->seconds;
    said->answer = cli_seen_answer(at, p, l, SIZE_MAX);
    status = l->logits ? GLIM_OK : own_answer(c, at, &said->answer);
    return status ? status : keep_rows(c, at, p, l, said);
}

static bool same_text(const cli_answer *a, const cli_answer *b) {
    return a->len == b->len && !memcmp(a->text, b->text, a->len);
}

static glim_status explain(cli_comparison *c, glim_predictor *p, glim_document **docs,
                           cli_said *said, size_t *n) {
    cli_run *run = c->run;
    glim_document *doc = NULL;
    glim_status status =
        glim_explain(&doc, p, run->method, run->method_opts, (uint64_t)run->o.seed, &run->err);
    if (doc)
        docs[(*n)++] = doc; /* a partial one, too */
    if (!status && doc) {
        said->tokens = (double)(doc->cost.forward_tokens + doc->cost.backward_tokens);
        said->seconds = doc->cost.seconds;
        said->logprob = mean_logprob(doc);
    }
    return status;
}

static glim_status compare_one(cli_comparison *c, size_t i, glim_predictor *q, const cli_seen *a,
                               cli_said *said) {
    cli_seen b = {0};
    const cli_compared *r = &c->runs[i];
    glim_status status = look(c, &c->runs[i].at, q, &b, &said[i]);
    if (!status)
        status = cli_seen_compare(c, a, &b, r->same_answers, &said[i]);
    if (!status && isnan(said[i].flips) && said[0].answer.told && said[i].answer.told)
        said[i].flips = !same_text(&said[0].answer, &said[i].answer);
    cli_seen_release(c->run, &b);
    return status;
}

static glim_status check_units(cli_comparison *c, const glim_document *a, const glim_document *b) {
    if (glim__same_units(a, b))
        return GLIM_OK;
    return glim_fail(&c->run->err, GLIM_EUSAGE,
                     "the models cut the input into different parts (larger ones may be the same: "
                     "--units word)");
}

static glim_status do_other(cli_comparison *c, size_t i, glim_predictor *p, size_t row,
                            const cli_seen *a, glim_document **docs, cli_said *said, size_t *n) {
    glim_predictor *q = NULL;
    glim_status status = bind_other(c, &c->runs[i], p, docs[0], row, &q);
    if (!status)
        status = explain(c, q, docs, &said[i], n);
    if (!status)
        status = check_units(c, docs[0], docs[i]);
    if (!status)
        status = compare_one(c, i, q, a, said);
    glim_predictor_free(q);
    return status;
}

glim_status cli_compare_models(cli_comparison *c, glim_predictor *p, size_t row,
                               glim_document **docs, cli_said *said, size_t *n) {
    cli_seen first = {0};
    *n = 0;
    glim_status status = explain(c, p, docs, &said[0], n);
    if (!status)
        status = look(c, c->run, p, &first, &said[0]);
    if (!status)
        status = cli_seen_compare(c, &first, &first, true, &said[0]);
    if (!status && isnan(said[0].flips) && said[0].answer.told)
        said[0].flips = 0;
    for (size_t i = 1; i < c->n && !status; i++)
        status = do_other(c, i, p, row, &first, docs, said, n);
    cli_seen_release(c->run, &first);
    return status;
}

/* ---- plans ---- */

/* What is held beside the model at hand: all explanations, two looks, and what the first
   model's predictor keeps from its own (`*left`, told by the first). */
static glim_status plan_one(cli_comparison *c, const glim_predictor *p, uint64_t *left) {
    cli_run *run = c->run;
    glim_plan one, pass = {0};
    uint64_t kept = cli_compare_kept(c, p) + cli_seen_bytes(p) + *left;
    uint64_t now = glim_context_bytes(run->ctx), passes = c->many ? 1 : PASSES;
    const glim_hook hooks[2] = {
        {.pattern = "hook_logits", .actions = GLIM_HOOK_READ},
        {.pattern = "*blocks.*.hook_resid_post", .actions = GLIM_HOOK_READ}};
    glim_status status = glim_explain_plan(&one, p, run->method, run->method_opts, &run->err);
    if (status)
        return status;
    if (p->plan_observe)
        p->plan_observe(p, hooks, 2, 0, &pass);
    uint64_t own = one.bytes - now + pass.bytes; /* the pass comes behind the explanation */
    *left = own > *left ? own : *left;
    one.forward_tokens += passes * pass.forward_tokens;
    one.bytes = now + own + kept;
    one.bytes_wanted =
        (one.bytes_wanted > one.bytes ? one.bytes_wanted : one.bytes) + pass.bytes + kept;
    cli_compare_add_plan(c, &one);
    return GLIM_OK;
}

glim_status cli_compare_plan_models(cli_comparison *c, glim_predictor *p, size_t row) {
    glim_document *doc = NULL;
    uint64_t left = 0;
    glim_status status = glim_document_new(&doc, c->run->ctx, &c->run->err);
    if (!status)
        status = p->describe(p, doc, &c->run->err);
    if (!status)
        status = plan_one(c, p, &left);
    for (size_t i = 1; i < c->n && !status; i++) {
        glim_predictor *q = NULL;
        status = bind_other(c, &c->runs[i], p, doc, row, &q);
        if (!status)
            status = plan_one(c, q, &left);
        glim_predictor_free(q);
    }
    glim_document_free(doc);
    return status;
}
