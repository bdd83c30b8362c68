/* SPDX-License-Identifier: Apache-2.0 */
/* glim evaluate: how good an explanation is, made here or by another tool. */
#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/given.h"
#include "cli/pick.h"
#include "explain/game.h"
#include "view/profile.h"

#include <glim/evaluate.h>

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

/* ---- one run ---- */

struct judged {
    cli_run *run;
    glim_predictor *p;
    glim_document *doc;
    const glim_metric **metrics;
    uint8_t *rationale;
    glim_evaluate_options how;
};

static glim_status remake(void *data, glim_predictor **out, const glim_model *model,
                          glim_error *err) {
    const struct judged *j = data;
    return cli_rebind(j->run, out, model, j->doc->target.text, err);
}

static bool wants_model(const struct judged *j) {
    const glim_metric *const *list = j->how.metrics ? j->how.metrics : glim_metrics();
    for (size_t i = 0; list[i]; i++)
        if (list[i]->needs & GLIM_NEEDS_MODEL)
            return true;
    return false;
}

/* A target that its own text does not name again, such as a part of a character, cannot be
   asked of another model: tried on the model itself. */
static void offer_remake(struct judged *j) {
    glim_predictor *same = NULL;
    if (!wants_model(j) || !j->how.method || !cli_can_rebind(j->run, j->p, j->doc))
        return;
    if (!remake(j, &same, j->run->model, NULL) && same->n_rows == 1 &&
        same->units->count == j->p->units->count && same->value[0] == j->p->value[0]) {
        j->how.remake = remake;
        j->how.remake_data = j;
    }
    glim_predictor_free(same);
}

/* A method that is named beside a file made that file's scores. */
static glim_status get_scores(struct judged *j) {
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

static glim_status put_to(cli_run *run, const glim_profile *profile, const char *view,
                          const char *path) {
    glim_view_options options = {.width = cli_width(run),
                                 .ascii = cli_ascii(run),
                                 .lang = cli_lang(run),
                                 .limit = run->o.html_limit};
    char *text = NULL;
    size_t n = 0;
    options.color = !strcmp(view, "terminal") ? cli_color(run) : GLIM_COLOR_NONE;
    glim_status status = glim__profile_render(view, profile, &options, &text, &n, &run->err);
    if (!status)
        status =
            strcmp(path, "-") ? glim__file_write(path, text, n, &run->err) : cli_put(run, text, n);
    if (!status)
        cli_wrote(run, path);
    glim_view_free(run->ctx, text);
    return status;
}

static glim_status show(const struct judged *j, const glim_evaluation *e) {
    cli_run *run = j->run;
    const cli_options *o = &run->o;
    const glim_profile profile = {
        .e = e, .doc = j->doc, .absent = o->absent, .draws = j->how.draws, .seed = j->how.seed};
    const struct {
        const char *view, *path;
    } files[] = {{"csv", o->csv}, {"html", o->html}, {"json", o->json}};
    glim_status status = GLIM_OK;
    bool to_stdout = false;
    for (size_t i = 0; i < sizeof files / sizeof *files && !status; i++)
        if (files[i].path) {
            status = put_to(run, &profile, files[i].view, files[i].path);
            to_stdout = to_stdout || !strcmp(files[i].path, "-");
        }
    return status || to_stdout ? status : put_to(run, &profile, "terminal", "-");
}

/* ---- the plan ---- */

/* A document that claims what the method will. */
static glim_status plan_document(struct judged *j) {
    cli_run *run = j->run;
    if (run->o.explanation)
        return get_scores(j);
    glim_status status = glim_document_new(&j->doc, run->ctx, &run->err);
    if (!status)
        status = j->p->describe(j->p, j->doc, &run->err);
    if (!status) {
        j->doc->method.name = run->method->name;
        j->doc->method.additive = run->method->additive;
        j->doc->method.is_signed = run->method->is_signed;
    }
    return status;
}

static glim_status show_plan(struct judged *j) {
    cli_run *run = j->run;
    glim_plan plan = {.seconds = -1, .bounded = true};
    uint64_t most = 0;
    glim_status status = plan_document(j);
    if (!status && !run->o.explanation)
        status = glim_explain_plan(&plan, j->p, run->method, run->method_opts, &run->err);
    if (!status)
        status = glim_evaluate_plan(&most, j->p, j->doc, &j->how, &run->err);
    if (status)
        return status;
    if (run->o.json) {
        bool ok = true;
        json_t *o = json_object();
        glim__json_set(&ok, o, "schema", json_string("glim.plan/1"));
        glim__json_set(&ok, o, "method", json_string(j->doc->method.name));
        glim__json_set(&ok, o, "forward_tokens", json_integer((json_int_t)plan.forward_tokens));
        glim__json_set(&ok, o, "backward_tokens", json_integer((json_int_t)plan.backward_tokens));
        glim__json_set(&ok, o, "bytes", json_integer((json_int_t)plan.bytes));
        glim__json_set(&ok, o, "bytes_wanted", json_integer((json_int_t)plan.bytes_wanted));
        glim__json_set(&ok, o, "bounded", json_boolean(plan.bounded));
        glim__json_set(&ok, o, "masked_inputs", json_integer((json_int_t)most));
        return cli_put_json(run, run->o.json, o, ok);
    }
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    if (!run->o.explanation)
        status = cli_put_plan(run, j->doc->method.name, &plan);
    glim__buffer_printf(&out,
                        "masked inputs    at most %llu, to judge it; equal ones are asked once\n",
                        (unsigned long long)most);
    if (j->how.method)
        glim__buffer_puts(&out, "the method again for the metrics that say so (glim evaluate "
                                "--list)\n");
    if (!status)
        return cli_put_buffer(run, &out, "the plan");
    glim__buffer_release(&out);
    return status;
}

/* ---- the whole ---- */

static glim_status judge(struct judged *j) {
    cli_run *run = j->run;
    glim_evaluation *e = NULL;
    run->planned = true;
    glim_status status = get_scores(j);
    if (status)
        return status;
    offer_remake(j);
    status = glim_evaluate(&e, j->p, j->doc, &j->how, &run->err);
    if (!status)
        status = show(j, e);
    glim_evaluation_free(e);
    return status;
}

static glim_status evaluate(cli_run *run, glim_predictor *p) {
    struct judged j = {.run = run, .p = p};
    if (!run->method && !run->o.explanation)
        run->method = glim_method_default(p, NULL);
    glim_status status = set_absent(run);
    if (!status)
        status = read_metrics(run, &j.metrics);
    if (!status)
        status = read_rationale(run, p->units->count, &j.rationale);
    j.how = (glim_evaluate_options){.metrics = j.metrics,
                                    .absent = run->o.absent,
                                    .draws = (size_t)run->o.draws,
                                    .seed = (uint64_t)run->o.seed,
                                    .method = run->method,
                                    .method_opts = run->method_opts,
                                    .rationale = j.rationale};
    if (!status)
        status = run->o.dry_run ? show_plan(&j) : judge(&j);
    glim_document_free(j.doc);
    glim__free(run->ctx, j.metrics);
    glim__free(run->ctx, j.rationale);
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
    return cli_bind(run, evaluate);
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
static const glim_param *const groups[] = {cli_flags_model,
                                           cli_flags_task,
                                           cli_flags_predictor,
                                           cli_flags_calls,
                                           cli_flags_input,
                                           cli_flags_target,
                                           cli_flags_picture,
                                           judge_flags,
                                           cli_flags_output,
                                           cli_flags_resources,
                                           cli_flags_plan,
                                           cli_flags_talk,
                                           NULL};
static const char *const examples[] = {
    "glim evaluate -m model.gguf \"The capital of France is\"",
    "glim evaluate -m model.gguf --explanation shap.csv \"a fine film\"", NULL};

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
