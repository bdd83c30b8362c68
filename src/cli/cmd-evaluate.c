/* SPDX-License-Identifier: Apache-2.0 */
/* glim evaluate: how good an explanation is, made here or by another tool. */
#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/judge.h"
#include "cli/pick.h"
#include "explain/game.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_RATIONALE = 1 << 24 };

/* ---- what is asked for ---- */

/* The metrics of --metrics in a list that is closed by NULL; NULL without the flag. */
static glim_status read_metrics(cli_run *run, const glim_metric ***out) {
    size_t n = 0;
    *out = NULL;
    if (!run->o.metrics)
        return GLIM_OK;
    for (const char *s = run->o.metrics; *s; s++)
        n += *s == ',';
    const glim_metric **list = *out = glim__calloc(run->ctx, n + 2, sizeof *list);
    if (!list)
        return glim__oom(run->ctx, &run->err, "the metrics", n * sizeof *list);
    n = 0;
    for (const char *s = run->o.metrics; *s;) {
        char name[64];
        size_t len = strcspn(s, ",");
        snprintf(name, sizeof name, "%.*s", (int)(len < 60 ? len : 60), s);
        list[n] = glim_metric_find(name);
        for (size_t i = 0; i < n && list[n]; i++)
            if (list[i] == list[n])
                return glim_fail(&run->err, GLIM_EUSAGE, "--metrics names '%s' twice", name);
        if (!list[n++])
            return glim_fail(&run->err, GLIM_EUSAGE,
                             "there is no metric '%s' (glim evaluate --list names them)", name);
        s += len + (s[len] == ',');
    }
    return n ? GLIM_OK : glim_fail(&run->err, GLIM_EUSAGE, "--metrics names none");
}

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
    glim_status status = cli_judge_scores(j);
    if (status)
        return status;
    cli_judge_remake(j);
    status = glim_evaluate(&e, j->p, j->doc, &j->how, &run->err);
    if (!status)
        status = cli_judge_show(j, e, NULL);
    glim_evaluation_free(e);
    return status;
}

static glim_status plan(cli_judged *j) {
    glim_plan one;
    uint64_t most = 0;
    glim_status status = cli_judge_plan(j, &one, &most);
    return status ? status : cli_judge_put_plan(j->run, j->doc->method.name, &one, most);
}

/* Of many inputs, the first; what it settles stays for the others. */
static glim_status begin(cli_judged *j) {
    cli_run *run = j->run;
    if (!run->method && !run->o.explanation)
        run->method = glim_method_default(j->p, NULL);
    glim_status status = set_absent(run);
    if (!status)
        status = read_metrics(run, &j->metrics);
    if (!status)
        status = read_rationale(run, j->p->units->count, &j->rationale);
    j->how = (glim_evaluate_options){.metrics = j->metrics,
                                     .absent = run->o.absent,
                                     .draws = (size_t)run->o.draws,
                                     .seed = (uint64_t)run->o.seed,
                                     .method = run->method,
                                     .method_opts = run->method_opts,
                                     .rationale = j->rationale};
    return status;
}

static void end(cli_judged *j) {
    glim__free(j->run->ctx, j->metrics);
    glim__free(j->run->ctx, j->rationale);
}

static glim_status evaluate(cli_run *run, glim_predictor *p) {
    cli_judged j = {.run = run, .p = p};
    glim_status status = begin(&j);
    if (!status)
        status = run->o.dry_run ? plan(&j) : judge(&j);
    glim_document_free(j.doc);
    end(&j);
    return status;
}

static glim_status many(cli_run *run, const glim_table *t, size_t texts, cli_pick_make *make,
                        void *data) {
    cli_judged j = {.run = run};
    if (run->o.explanation || run->o.rationale)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--explanation and --rationale are of one input (of a table: --row N)");
    glim_status status = cli_judge_many(&j, begin, t, texts, make, data);
    end(&j);
    return status;
}

/* The metrics by quality, with what each costs. */
static glim_status list_metrics(cli_run *run) {
    glim_buffer out;
    if (run->o.json || run->o.csv || run->o.html)
        return glim_fail(&run->err, GLIM_EUSAGE, "--list is text (glim evaluate --list)");
    glim__buffer_init(&out, run->ctx);
    for (int q = 0; q < GLIM_QUALITIES; q++) {
        glim__buffer_printf(&out, "%s%s\n", q ? "\n" : "", glim_quality_name((glim_quality)q));
        for (size_t i = 0; glim_metrics()[i]; i++) {
            const glim_metric *m = glim_metrics()[i];
            if (m->quality == (glim_quality)q)
                glim__buffer_printf(&out, "  %-25s %s\n  %-25s (%s is better; cost: %s)\n", m->name,
                                    m->summary, "", m->higher ? "higher" : "lower", m->cost);
        }
    }
    return cli_put_buffer(run, &out, "the list");
}

static glim_status run_evaluate(cli_run *run) {
    if (run->o.list)
        return list_metrics(run);
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
     .help = "only these (default: all that apply)"},
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
    .synopsis = "-m MODEL TEXT",
    .text = "text",
    .examples = examples,
    .groups = groups,
    .takes_method = true,
    .run = run_evaluate,
};
