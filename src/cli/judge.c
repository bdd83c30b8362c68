/* SPDX-License-Identifier: Apache-2.0 */
/* One explanation, judged: its scores, what a metric may ask besides, its plan, its views. */
#include "cli/judge.h"
#include "cli/bind.h"
#include "cli/given.h"
#include "cli/judge-flags.h"
#include "cli/show.h"
#include "evaluate/judging.h"
#include "predict/predictor.h"

#include <string.h>

static glim_status remake(void *data, glim_predictor **out, const glim_model *model,
                          glim_error *err) {
    const cli_judged *j = data;
    return cli_rebind(j->run, out, model, j->doc->target.text, err);
}

static bool wants_model(const cli_judged *j) {
    const glim_metric *const *list = j->how.metrics ? j->how.metrics : glim_metrics();
    for (size_t i = 0; list[i]; i++)
        if (list[i]->needs & GLIM_NEEDS_MODEL)
            return true;
    return false;
}

/* A target that its own text does not name again, such as a part of a character, cannot be
   asked of another model: tried on the model itself. */
static void let_remake(cli_judged *j) {
    glim_predictor *same = NULL;
    j->how.remake = NULL;
    if (!wants_model(j) || !j->how.method || !cli_can_rebind(j->run, j->p, j->doc))
        return;
    if (!remake(j, &same, j->run->model, NULL) && same->n_rows == 1 &&
        same->units->count == j->p->units->count && same->value[0] == j->p->value[0]) {
        j->how.remake = remake;
        j->how.remake_data = j;
    }
    glim_predictor_free(same);
}

glim_status cli_judge_scored(cli_judged *j, glim_evaluation **out) {
    let_remake(j);
    glim_status status = cli_again_init(&j->again, j->run, j->p, j->doc);
    j->how.otherwise = &j->again.how;
    if (!status)
        status = glim_evaluate(out, j->p, j->doc, &j->how, &j->run->err);
    cli_again_release(&j->again);
    j->how.otherwise = NULL;
    return status;
}

/* A method that is named beside a file made that file's scores. */
glim_status cli_judge_scores(cli_judged *j) {
    cli_run *run = j->run;
    if (!run->o.explanation)
        return glim_explain(&j->doc, j->p, run->method, run->method_opts, (uint64_t)run->o.seed,
                            &run->err);
    glim_status status = cli_given(run, j->p, &j->doc);
    if (status || !run->method)
        return status;
    if (strcmp(j->doc->method.name, run->method->name) != 0)
        return glim_fail(&run->err, GLIM_EUSAGE, "'%s' was not made by --method %s but by '%.40s'",
                         run->o.explanation, run->method->name, j->doc->method.name);
    return GLIM_OK;
}

glim_status cli_judge_evaluate(cli_judged *j, glim_evaluation **out) {
    glim_status status = cli_judge_scored(j, out);
    return status ? status : cli_kept_put(j, *out);
}

glim_status cli_judge_claims(cli_judged *j) {
    cli_run *run = j->run;
    if (run->o.explanation)
        return cli_judge_scores(j);
    glim_status status = glim_document_new(&j->doc, run->ctx, &run->err);
    if (!status)
        status = j->p->describe(j->p, j->doc, &run->err);
    if (!status) {
        j->doc->method.name = run->method->name;
        j->doc->method.additive = run->method->additive;
        j->doc->method.is_signed = run->method->is_signed;
        j->doc->seed = (uint64_t)run->o.seed;
    }
    return status;
}

static glim_status put_to(cli_run *run, const glim_profile *profile, const char *view,
                          const char *path) {
    glim_view_options options = cli_view_options(run, view);
    char *text = NULL;
    size_t n = 0;
    glim_status status = glim__profile_render(view, profile, &options, &text, &n, &run->err);
    if (!status)
        status =
            strcmp(path, "-") ? glim__file_write(path, text, n, &run->err) : cli_put(run, text, n);
    if (!status)
        cli_wrote(run, path);
    glim_view_free(run->ctx, text);
    return status;
}

/* They are drawn from the document, as those of a saved one. */
static glim_status put_figures(cli_run *run, const glim_profile *profile) {
    glim_view_options options = cli_view_options(run, "json");
    char *text = NULL;
    size_t n = 0;
    json_t *all = NULL;
    if (!cli_wants_figures(run))
        return GLIM_OK;
    glim_status status = glim__profile_render("json", profile, &options, &text, &n, &run->err);
    if (!status)
        status = glim__json_parse(&all, text, n, "the profile", &run->err);
    if (!status)
        status = cli_show_figures(run, all);
    json_decref(all);
    glim_view_free(run->ctx, text);
    return status;
}

glim_status cli_profile_show(cli_run *run, const glim_profile *profile) {
    const cli_options *o = &run->o;
    const struct {
        const char *view, *path;
    } files[] = {{"csv", o->csv}, {"html", o->html}, {"json", o->json}};
    glim_status status = put_figures(run, profile);
    for (size_t i = 0; i < sizeof files / sizeof *files && !status; i++)
        if (files[i].path)
            status = put_to(run, profile, files[i].view, files[i].path);
    return status || cli_to_stdout(run) ? status : put_to(run, profile, "terminal", "-");
}

glim_status cli_judge_show(const cli_judged *j, const glim_evaluation *e,
                           const glim_profile_inputs *inputs) {
    const glim_profile profile = {.e = e,
                                  .doc = j->doc,
                                  .inputs = inputs,
                                  .absent = j->run->o.absent,
                                  .draws = j->how.draws,
                                  .seed = j->how.seed};
    return cli_profile_show(j->run, &profile);
}

/* ---- the plan ---- */

/* Nobody asks it: a plan only wants to know whether it is there. */
static glim_status no_remake(void *data, glim_predictor **out, const glim_model *model,
                             glim_error *err) {
    return glim_fail(err, GLIM_EINTERNAL, "a plan makes nothing");
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* The method as often as it is run, and the masked inputs. */
static void add_up(cli_judge_cost *c, const glim_evaluate_cost *judging) {
    const glim_plan *more = &judging->plan;
    uint64_t times = 1 + judging->runs;
    c->masks = judging->masks;
    c->runs = judging->runs;
    c->plan.forward_tokens = times * c->plan.forward_tokens + more->forward_tokens;
    c->plan.backward_tokens = times * c->plan.backward_tokens + more->backward_tokens;
    c->plan.asks = times * c->plan.asks + more->asks;
    c->plan.bounded = c->plan.bounded && more->bounded;
    c->plan.bytes = larger(c->plan.bytes, more->bytes);
    c->plan.bytes_wanted = larger(c->plan.bytes_wanted, more->bytes_wanted);
}

/* Runs about another model, class or text bind it first, and again when the target is not its
   likeliest. */
static void add_binding(const cli_run *run, glim_evaluate_cost *judging) {
    uint64_t times = 2 * (judging->runs + 1), each = run->tokens ? run->tokens->count + 8 : 1;
    judging->plan.forward_tokens += times * each;
    judging->plan.asks += run->box ? times : 0;
    judging->plan.bytes += cli_bound_bytes(run);
    judging->plan.bytes_wanted += cli_bound_bytes(run);
}

glim_status cli_judge_plan(cli_judged *j, cli_judge_cost *out) {
    cli_run *run = j->run;
    glim_evaluate_cost judging;
    glim_evaluate_options how = j->how;
    *out = (cli_judge_cost){.plan = {.seconds = -1, .bounded = true}};
    glim_status status = cli_judge_claims(j);
    if (!status && run->method)
        status = glim_explain_plan(&out->plan, j->p, run->method, run->method_opts, &run->err);
    if (!status && run->method && cli_can_rebind(run, j->p, j->doc))
        how.remake = no_remake;
    if (!status)
        status = cli_again_init(&j->again, run, j->p, j->doc);
    how.otherwise = &j->again.how;
    if (!status)
        status = glim_evaluate_plan(&judging, j->p, j->doc, &how, &run->err);
    cli_again_release(&j->again);
    if (status)
        return status;
    add_binding(run, &judging);
    add_up(out, &judging);
    return GLIM_OK;
}

glim_status cli_judge_put_plan(cli_run *run, const char *method, const cli_judge_cost *cost) {
    if (run->o.json) {
        bool ok = true;
        json_t *o = cli_plan_json(&ok, method, &cost->plan, run->o.predictor != NULL);
        glim__json_set(&ok, o, "masked_inputs", json_integer((json_int_t)cost->masks));
        glim__json_set(&ok, o, "method_runs", json_integer((json_int_t)cost->runs));
        return cli_put_json(run, run->o.json, o, ok);
    }
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    glim_status status = cli_put_plan(run, method, &cost->plan);
    glim__buffer_printf(&out,
                        "to judge it      at most %llu masked inputs (equal ones are asked once)\n",
                        (unsigned long long)cost->masks);
    if (run->method)
        glim__buffer_printf(&out, "                 and the method %llu more time%s\n",
                            (unsigned long long)cost->runs, cost->runs == 1 ? "" : "s");
    if (!status)
        return cli_put_buffer(run, &out, "the plan");
    glim__buffer_release(&out);
    return status;
}

/* ---- beside the explanation ---- */

/* Units go in the way that the method takes them out, when it does. */
static const char *method_absent(const cli_run *run) {
    const glim_param *p =
        run->method->params ? glim_param_find(run->method->params, "absent") : NULL;
    return p && run->method_opts
               ? *(const char *const *)(const void *)((const char *)run->method_opts + p->offset)
               : "auto";
}

/* All metrics that apply; what is repeated is repeated less often than glim evaluate does. */
static glim_status cheaply(cli_run *run) {
    static const char *const less[][2] = {{"sensitivity-max.draws", "3"},
                                          {"wording-kendall.typos", "1"}};
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < sizeof less / sizeof *less && !status; i++) {
        const glim_param *p;
        void *opts;
        status = cli_metric_param(run, less[i][0], &p, &opts);
        if (!status)
            status = glim_param_set(p, opts, less[i][1], &run->err);
    }
    return status;
}

static cli_judged beside(cli_run *run, glim_predictor *p, glim_document *doc) {
    enum { DRAWS = 10, SEEDS = 2 };
    return (cli_judged){.run = run,
                        .p = p,
                        .doc = doc,
                        .how = {.absent = method_absent(run),
                                .draws = DRAWS,
                                .seeds = SEEDS,
                                .seed = (uint64_t)run->o.seed,
                                .method = run->method,
                                .method_opts = run->method_opts,
                                .metric_opts = (const void *const *)run->metric_opts}};
}

glim_status cli_judge_into(cli_run *run, glim_predictor *p, glim_document *doc) {
    glim_status status = cheaply(run);
    cli_judged j = beside(run, p, doc);
    glim_evaluation *e = NULL;
    if (!status)
        status = cli_judge_scored(&j, &e);
    const glim_profile profile = {
        .e = e, .doc = doc, .absent = j.how.absent, .draws = j.how.draws, .seed = j.how.seed};
    if (!status)
        status = glim__profile_keep(doc, &profile, &run->err);
    glim_evaluation_free(e);
    return status;
}

glim_status cli_judge_into_plan(cli_run *run, glim_predictor *p) {
    glim_status status = cheaply(run);
    cli_judged j = beside(run, p, NULL);
    cli_judge_cost cost;
    if (!status)
        status = cli_judge_plan(&j, &cost);
    if (!status)
        status = cli_judge_put_plan(run, run->method->name, &cost);
    glim_document_free(j.doc);
    return status;
}
