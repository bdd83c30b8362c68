/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several methods on one model. Over many inputs they are judged besides, all by the same
 * masks: how much the target loses without the most important units, and with them alone.
 * Whether two differ is told by a paired bootstrap over the inputs, corrected for the
 * number of pairs (Holm), since of many pairs some would differ by chance.
 */
#include "cli/compare.h"
#include "explain/methods.h"
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

enum { DRAWS = 2 }; /* random orders are not asked for here: the fewest there may be */

static const glim_metric *const metrics[COMPARE_METRICS + 1] = {
    &glim_metric_aopc_comprehensiveness, &glim_metric_aopc_sufficiency, NULL};

/* ---- which ---- */

static void leave_out(cli_comparison *c, const glim_method *m, const char *why) {
    cli_left_out *out = &c->left_out[c->n_left_out++];
    out->method = m->name;
    snprintf(out->why, sizeof out->why, "%s", why);
}

/* The methods of --methods. */
static glim_status read_methods(cli_comparison *c) {
    cli_run *run = c->run;
    for (const char *s = run->o.methods; *s;) {
        size_t len = strcspn(s, ",");
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(len < 60 ? len : 60), s);
        const glim_method *m = glim_method_find(name);
        if (!m)
            return glim_fail(&run->err, GLIM_EUSAGE,
                             "there is no method '%s' (glim explain --list names them)", name);
        for (size_t i = 0; i < c->n; i++)
            if (c->runs[i].method == m)
                return glim_fail(&run->err, GLIM_EUSAGE, "--methods names '%s' twice", name);
        c->runs[c->n++].method = m;
        s += len + (s[len] == ',');
    }
    return c->n ? GLIM_OK : glim_fail(&run->err, GLIM_EUSAGE, "--methods names none");
}

/* Passes over the input, or texts to ask. */
static double passes_of(const glim_predictor *p, const glim_plan *plan) {
    glim_plan one = {0};
    if (plan->asks)
        return (double)plan->asks;
    if (p->plan_gradient && (p->can & GLIM_CAN_GRADIENT))
        p->plan_gradient(p, 1, &one);
    double tokens = (double)(plan->forward_tokens + plan->backward_tokens);
    return ceil(tokens / (one.forward_tokens ? (double)one.forward_tokens : 1));
}

/* All that can run and cost no more than --passes; of the others that could, why not. */
static void choose(cli_comparison *c, const glim_predictor *p) {
    for (size_t i = 0; glim_methods()[i]; i++) {
        const glim_method *m = glim_methods()[i];
        glim_plan plan;
        glim_error err = {0};
        char why[200];
        if (m->needs & ~p->can)
            continue;
        if (glim_explain_plan(&plan, p, m, NULL, &err)) {
            leave_out(c, m, err.message);
            continue;
        }
        double passes = passes_of(p, &plan);
        if (passes <= (double)c->run->o.passes) {
            c->runs[c->n++].method = m;
            continue;
        }
        snprintf(why, sizeof why, "%s %.0f passes, above --passes %lld",
                 plan.bounded ? "about" : "at most", passes, (long long)c->run->o.passes);
        leave_out(c, m, why);
    }
}

static glim_status check_two(cli_comparison *c) {
    return c->n > 1 ? GLIM_OK
                    : glim_fail(&c->run->err, GLIM_EUSAGE,
                                "there are not two methods to compare (raise --passes, or name "
                                "them: --methods A,B)");
}

glim_status cli_compare_choose(cli_comparison *c, const glim_predictor *p) {
    glim_status status = GLIM_OK;
    if (c->run->o.methods)
        status = read_methods(c);
    else
        choose(c, p);
    return status ? status : check_two(c);
}

/* ---- one input ---- */

/* Takes a run out of the list: nobody named it, and it refuses the first input. */
static void drop(cli_comparison *c, size_t i, const char *why) {
    leave_out(c, c->runs[i].method, why);
    memmove(c->runs + i, c->runs + i + 1, (c->n - i - 1) * sizeof *c->runs);
    c->n--;
}

static glim_status judge(cli_comparison *c, glim_predictor *p, const glim_document *doc,
                         cli_said *said) {
    glim_evaluation *e = NULL;
    const glim_evaluate_options how = {.metrics = metrics,
                                       .draws = DRAWS,
                                       .seed = (uint64_t)c->run->o.seed,
                                       .method = glim_method_find(doc->method.name)};
    glim_status status = glim_evaluate(&e, p, doc, &how, &c->run->err);
    for (size_t k = 0; k < COMPARE_METRICS && !status; k++)
        said->metrics[k] = e->measures[k].why ? NAN : e->measures[k].value;
    glim_evaluation_free(e);
    return status;
}

glim_status cli_compare_methods(cli_comparison *c, glim_predictor *p, glim_document **docs,
                                cli_said *said, size_t *n) {
    cli_run *run = c->run;
    glim_status status = GLIM_OK;
    bool may_drop = !run->o.methods && !c->n_inputs;
    for (*n = 0; *n < c->n && !status;) {
        glim_document *doc = NULL;
        status = glim_explain(&doc, p, c->runs[*n].method, NULL, (uint64_t)run->o.seed, &run->err);
        if (may_drop && (status == GLIM_EUSAGE || status == GLIM_EUNSUPPORTED)) {
            drop(c, *n, run->err.message);
            status = GLIM_OK;
            continue;
        }
        if (!status && c->many && (p->can & GLIM_CAN_PREDICT))
            status = judge(c, p, doc, &said[*n]);
        if (doc)
            docs[(*n)++] = doc; /* a partial one, too */
    }
    return status ? status : check_two(c);
}

/* ---- plans ---- */

uint64_t cli_compare_kept(const cli_comparison *c, const glim_predictor *p) {
    uint64_t layers = p->model ? (uint64_t)glim_model_facts(p->model)->layers : 0;
    uint64_t document = (128 << 10) + p->units->count * (64 * (uint64_t)p->n_rows + 512);
    uint64_t said = sizeof(cli_said) + 8 * (layers + 2 * (uint64_t)p->n_rows) + 256;
    return c->n * document + c->room * (c->n * said + 16 * (uint64_t)p->T + 512);
}

void cli_compare_add_plan(cli_comparison *c, const glim_plan *one) {
    c->plan.forward_tokens += one->forward_tokens;
    c->plan.backward_tokens += one->backward_tokens;
    c->plan.asks += one->asks;
    c->plan.bounded = c->plan.bounded && one->bounded;
    if (one->bytes > c->plan.bytes)
        c->plan.bytes = one->bytes;
    if (one->bytes_wanted > c->plan.bytes_wanted)
        c->plan.bytes_wanted = one->bytes_wanted;
}

/* What judging a method asks for, and holds beside the explanations that are kept. */
static glim_status plan_judging(cli_comparison *c, glim_predictor *p, const glim_method *m,
                                uint64_t kept) {
    glim_document *doc = NULL;
    glim_evaluate_cost cost = {0};
    const glim_evaluate_options how = {.metrics = metrics, .draws = DRAWS, .method = m};
    glim_status status = glim_document_new(&doc, c->run->ctx, &c->run->err);
    if (!status)
        status = p->describe(p, doc, &c->run->err);
    if (!status) {
        doc->method.name = m->name;
        doc->method.additive = m->additive;
        doc->method.is_signed = m->is_signed;
        status = glim_evaluate_plan(&cost, p, doc, &how, &c->run->err);
    }
    cost.plan.bytes += kept;
    cost.plan.bytes_wanted += kept;
    c->masked += cost.masks;
    if (!status)
        cli_compare_add_plan(c, &cost.plan);
    glim_document_free(doc);
    return status;
}

/* Every explanation is kept until the end, and what one method leaves in the predictor, such
   as room for gradients, still lies there when the next one runs. */
glim_status cli_compare_plan_methods(cli_comparison *c, glim_predictor *p) {
    uint64_t kept = cli_compare_kept(c, p);
    uint64_t now = glim_context_bytes(p->ctx), left = 0;
    bool judges = c->many && (p->can & GLIM_CAN_PREDICT);
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < c->n && !status; i++) {
        glim_plan one;
        status = glim_explain_plan(&one, p, c->runs[i].method, NULL, &c->run->err);
        if (status)
            return status;
        uint64_t own = one.bytes - now;
        one.bytes += kept + left;
        one.bytes_wanted += kept + left;
        left = own > left ? own : left;
        cli_compare_add_plan(c, &one);
        if (judges)
            status = plan_judging(c, p, c->runs[i].method, kept + left);
    }
    return status;
}

/* ---- over all inputs ---- */

static void take(const cli_comparison *c, size_t run, size_t metric, double *x) {
    for (size_t i = 0; i < c->n_inputs; i++)
        x[i] = c->inputs[i].said[run].metrics[metric];
}

static glim_status compare_pairs(cli_comparison *c, cli_judgement *j, size_t metric, double *x,
                                 double *p) {
    double *y = x + c->n_inputs;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < c->n && !status; i++)
        for (size_t k = i + 1; k < c->n && !status; k++) {
            cli_difference *d = &j->pairs[j->n_pairs++];
            d->first = i;
            d->second = k;
            take(c, i, metric, x);
            take(c, k, metric, y);
            status = glim__bootstrap_paired(c->run->ctx, &d->told, x, y, c->n_inputs,
                                            (uint64_t)c->run->o.seed, &c->run->err);
            p[j->n_pairs - 1] = d->told.n > 1 ? d->told.p : NAN;
        }
    if (!status)
        glim__holm(p, j->n_pairs);
    for (size_t i = 0; i < j->n_pairs; i++)
        j->pairs[i].p = p[i];
    return status;
}

static glim_status judge_by(cli_comparison *c, size_t metric, double *x, double *p) {
    cli_judgement *j = &c->judged[c->n_judged++];
    j->metric = metrics[metric];
    j->means = glim__arena_calloc(&c->arena, c->n, sizeof *j->means);
    j->pairs = glim__arena_calloc(&c->arena, c->n * c->n, sizeof *j->pairs);
    if (!j->means || !j->pairs)
        return glim__oom(c->run->ctx, &c->run->err, "differences", c->n * c->n * sizeof *j->pairs);
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < c->n && !status; i++) {
        take(c, i, metric, x);
        status = glim__bootstrap(c->run->ctx, &j->means[i], x, c->n_inputs,
                                 (uint64_t)c->run->o.seed, &c->run->err);
    }
    return status ? status : compare_pairs(c, j, metric, x, p);
}

glim_status cli_compare_judge(cli_comparison *c) {
    double *x = glim__calloc(c->run->ctx, 2 * c->n_inputs + c->n * c->n + 1, sizeof *x);
    glim_status status =
        x ? GLIM_OK
          : glim__oom(c->run->ctx, &c->run->err, "differences", 2 * c->n_inputs * sizeof *x);
    for (size_t k = 0; k < COMPARE_METRICS && !status; k++)
        status = judge_by(c, k, x, x + 2 * c->n_inputs);
    glim__free(c->run->ctx, x);
    return status;
}

const size_t *cli_difference_better(const cli_comparison *c, const cli_judgement *j,
                                    const cli_difference *d) {
    if (c->n_inputs < GLIM_FEW_INPUTS || !(d->p < 0.05))
        return NULL;
    return (d->told.mean > 0) == j->metric->higher ? &d->first : &d->second;
}
