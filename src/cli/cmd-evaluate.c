/* SPDX-License-Identifier: Apache-2.0 */
/* glim evaluate: how good an explanation is, made here or by another tool. */
#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/judge-flags.h"
#include "cli/judge.h"
#include "cli/pick.h"
#include "explain/game.h"
#include "predict/memo.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_RATIONALE = 1 << 24 };

/* ---- what is asked for ---- */

/* --rationale: numbers of units, or a file of them. */
static glim_status read_rationale(cli_run *run, size_t units, uint8_t **out) {
    const char *given = run->o.rationale;
    glim_buffer text;
    glim_status status = GLIM_OK;
    *out = NULL;
    if (!given)
        return GLIM_OK;
    glim__buffer_init(&text, run->ctx);
    if (given[strspn(given, "0123456789 ,")])
        status = glim__file_read(&text, given, MOST_RATIONALE, &run->err);
    else
        glim__buffer_puts(&text, given);
    uint8_t *marked = *out = glim__calloc(run->ctx, units + 1, 1);
    if (!status && (!marked || text.failed))
        status = glim__oom(run->ctx, &run->err, "the rationale", units);
    size_t n = 0;
    for (char *s = text.data; s && !status && s[strspn(s, " ,\t\r\n")]; n++) {
        char *end;
        s += strspn(s, " ,\t\r\n");
        unsigned long long u = strtoull(s, &end, 10);
        if (end == s || *s == '-' || u >= units)
            status = glim_fail(&run->err, GLIM_EFORMAT,
                               "--rationale: '%.20s' is not the number of a unit (0 to %zu)", s,
                               units ? units - 1 : 0);
        else
            marked[u] = 1;
        s = end;
    }
    if (!status && !n)
        status = glim_fail(&run->err, GLIM_EFORMAT, "--rationale marks no unit");
    glim__buffer_release(&text);
    return status;
}

/* --absent is the method's, too, where it takes units out. */
static glim_status set_absent(cli_run *run) {
    const glim_method *m = run->method;
    const glim_param *own = m && m->params ? glim_param_find(m->params, "absent") : NULL;
    if (!own || !strcmp(run->o.absent, "auto"))
        return GLIM_OK;
    if (!run->method_opts) {
        run->method_opts = calloc(1, m->opts_size + 1);
        if (!run->method_opts)
            return glim_fail(&run->err, GLIM_ENOMEM, "out of memory");
        glim_param_defaults(m->params, run->method_opts);
    }
    return glim_param_set(own, run->method_opts, run->o.absent, &run->err);
}

/* ---- the whole ---- */

static glim_status judge(cli_judged *j) {
    cli_run *run = j->run;
    glim_evaluation *e = NULL;
    run->planned = true;
    glim_status status = cli_kept_open(j);
    if (!status)
        status = cli_kept_find(j, &e);
    if (!status && !e) {
        status = cli_judge_scores(j);
        if (!status)
            status = cli_judge_evaluate(j, &e);
    }
    cli_kept_tell(j, 1);
    if (!status)
        status = cli_judge_show(j, e, NULL);
    glim_evaluation_free(e);
    cli_kept_close(j);
    return status;
}

static glim_status plan(cli_judged *j) {
    cli_judge_cost cost;
    glim_status status = cli_judge_plan(j, &cost);
    return status ? status : cli_judge_put_plan(j->run, j->doc->method.name, &cost);
}

/* Of many inputs, the first; what it settles stays for the others. */
static glim_status begin(cli_judged *j) {
    cli_run *run = j->run;
    if (!run->method && !run->o.explanation)
        run->method = glim_method_default(j->p, NULL);
    glim_status status = set_absent(run);
    if (!status)
        status = cli_metrics(run, &j->metrics);
    if (!status)
        status = read_rationale(run, j->p->units->count, &j->rationale);
    j->how = (glim_evaluate_options){.metrics = j->metrics,
                                     .absent = run->o.absent,
                                     .draws = (size_t)run->o.draws,
                                     .seed = (uint64_t)run->o.seed,
                                     .method = run->method,
                                     .method_opts = run->method_opts,
                                     .rationale = j->rationale,
                                     .metric_opts = (const void *const *)run->metric_opts};
    return status;
}

static void end(cli_judged *j) {
    glim__free(j->run->ctx, j->metrics);
    glim__free(j->run->ctx, j->rationale);
}

static glim_status evaluate(cli_run *run, glim_predictor *p) {
    cli_judged j = {.run = run, .p = p};
    glim_memo *memo = NULL;
    glim_status status = begin(&j);
    if (!status && !run->o.dry_run)
        status = glim__memo_open(&memo, p, &run->err);
    if (!status)
        status = run->o.dry_run ? plan(&j) : judge(&j);
    glim__memo_close(memo);
    glim_document_free(j.doc);
    end(&j);
    return status;
}

static glim_status many(cli_run *run, const glim_table *t, size_t texts, cli_pick_make *make,
                        void *data) {
    cli_judged j = {.run = run};
    if (run->o.explanation || run->o.rationale || run->o.paraphrases)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--explanation, --rationale and --paraphrases are of one input (of a "
                         "table: --row N)");
    glim_status status = cli_judge_many(&j, begin, t, texts, make, data);
    end(&j);
    return status;
}

static glim_status run_evaluate(cli_run *run) {
    if (run->o.list)
        return cli_metrics_list(run);
    if (cli_wants_pick(run))
        return glim_fail(&run->err, GLIM_EUSAGE, "--pick explains many rows; judge one (--row N)");
    return cli_bind(run, evaluate, many);
}

#define AT(field) offsetof(cli_options, field)
static const glim_param judge_flags[] = {
    {.name = "method",
     .type = GLIM_STRING,
     .offset = AT(method),
     .value_name = "NAME",
     .help = "what explains, or what made FILE (default: chosen)",
     .group = "Explanation and metrics"},
    {.name = "explanation",
     .type = GLIM_STRING,
     .offset = AT(explanation),
     .value_name = "FILE",
     .help = "judge this: JSON of explain, or CSV unit,score"},
    {.name = "metrics",
     .type = GLIM_STRING,
     .offset = AT(metrics),
     .value_name = "A,B",
     .help = "only these (default: all that apply); with --help their flags, such as "
             "--deletion-auc.steps 10"},
    {.name = "list",
     .type = GLIM_BOOL,
     .offset = AT(list),
     .help = "the metrics by quality: what each says and costs"},
    {.name = "absent",
     .type = GLIM_CHOICE,
     .offset = AT(absent),
     .def.s = "auto",
     .choices = GLIM_ABSENT_CHOICES,
     .value_name = "WAY",
     .help = "how units are taken out, by the method too"},
    {.name = "draws",
     .type = GLIM_INT,
     .offset = AT(draws),
     .def.i = 20,
     .min = 2,
     .max = 10000,
     .help = "random orders to compare with"},
    {.name = "rationale",
     .type = GLIM_STRING,
     .offset = AT(rationale),
     .value_name = "UNITS",
     .help = "\"0 3 4\", or a file: units that people marked"},
    {.name = "paraphrases",
     .type = GLIM_STRING,
     .offset = AT(paraphrases),
     .value_name = "FILE",
     .help = "the same text otherwise, one a line"},
    {0},
};
static const glim_param *const groups[] = {cli_flags_model,     cli_flags_task,
                                           cli_flags_predictor, cli_flags_calls,
                                           cli_flags_input,     cli_flags_target,
                                           cli_flags_picture,   judge_flags,
                                           cli_flags_many,      cli_flags_output,
                                           cli_flags_resources, cli_flags_plan,
                                           cli_flags_talk,      NULL};
static const char *const examples[] = {
    "glim evaluate -m model.gguf \"The capital of France is\"",
    "glim evaluate -m model.gguf --explanation shap.csv \"a fine film\"",
    "glim evaluate -m model.gguf --data texts.csv --inputs 50 --method occlusion", NULL};

const cli_command cli_evaluate = {
    .name = "evaluate",
    .summary = "how good an explanation is, by several metrics",
    .family = "evaluation",
    .produces = "glim.evaluation/1",
    .synopsis = "-m MODEL TEXT",
    .text = "text",
    .examples = examples,
    .groups = groups,
    .takes_method = true,
    .takes_metrics = true,
    .keeps = true,
    .run = run_evaluate,
};
