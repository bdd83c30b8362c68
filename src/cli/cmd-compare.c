/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glim compare: several methods on one input, or one method on two models. That methods
 * disagree is a finding and no error; so a table of agreement, not a winner.
 */
#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/compare.h"
#include "cli/pick.h"
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

/* ---- which methods ---- */

static void leave_out(cli_comparison *c, const glim_method *m, const char *why) {
    cli_left_out *out = &c->left_out[c->n_left_out++];
    out->method = m->name;
    snprintf(out->why, sizeof out->why, "%s", why);
}

/* The methods of --methods; *n of them. */
static glim_status read_methods(cli_run *run, const glim_method **list, size_t *n) {
    for (const char *s = run->o.methods; *s;) {
        size_t len = strcspn(s, ",");
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(len < 60 ? len : 60), s);
        const glim_method *m = glim_method_find(name);
        if (!m)
            return glim_fail(&run->err, GLIM_EUSAGE,
                             "there is no method '%s' (glim explain --list names them)", name);
        for (size_t i = 0; i < *n; i++)
            if (list[i] == m)
                return glim_fail(&run->err, GLIM_EUSAGE, "--methods names '%s' twice", name);
        list[(*n)++] = m;
        s += len + (s[len] == ',');
    }
    return *n ? GLIM_OK : glim_fail(&run->err, GLIM_EUSAGE, "--methods names none");
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
static void choose(cli_comparison *c, const glim_predictor *p, const glim_method **list,
                   size_t *n) {
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
            list[(*n)++] = m;
            continue;
        }
        snprintf(why, sizeof why, "%s %.0f passes, above --passes %lld",
                 plan.bounded ? "about" : "at most", passes, (long long)c->run->o.passes);
        leave_out(c, m, why);
    }
}

/* ---- one run ---- */

/* A method that nobody named is left out when it refuses the input. */
static glim_status explain_each(cli_comparison *c, glim_predictor *p,
                                const glim_method *const *list, size_t n) {
    cli_run *run = c->run;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < n && !status; i++) {
        glim_document *doc = NULL;
        status = glim_explain(&doc, p, list[i], NULL, (uint64_t)run->o.seed, &run->err);
        if (status) {
            glim_document_free(doc); /* a partial one says nothing here */
        } else {
            c->docs[c->n++] = doc;
        }
        if (!run->o.methods && (status == GLIM_EUSAGE || status == GLIM_EUNSUPPORTED)) {
            leave_out(c, list[i], run->err.message);
            status = GLIM_OK;
        }
    }
    return status;
}

static glim_status compare_methods(cli_comparison *c, glim_predictor *p) {
    cli_run *run = c->run;
    const glim_method *list[COMPARE_MOST];
    size_t n = 0;
    glim_status status = GLIM_OK;
    if (run->o.methods)
        status = read_methods(run, list, &n);
    else
        choose(c, p, list, &n);
    if (!status)
        status = explain_each(c, p, list, n);
    if (!status && c->n < 2)
        status = glim_fail(&run->err, GLIM_EUSAGE,
                           "there are not two methods to compare (raise --passes, or name them: "
                           "--methods A,B)");
    return status;
}

static glim_status fill_likeness(cli_comparison *c) {
    cli_run *run = c->run;
    glim_status status = GLIM_OK;
    c->like = glim__calloc(run->ctx, c->n * c->n, sizeof *c->like);
    if (!c->like)
        return glim__oom(run->ctx, &run->err, "the table of agreement", c->n * c->n);
    for (size_t i = 0; i < c->n * c->n && !status; i++)
        status = glim__likeness(&c->like[i], c->docs[i / c->n], c->docs[i % c->n], &run->err);
    return status;
}

/* Scores of the units that are scored, side by side. */
static glim_status fill_scores(cli_comparison *c) {
    cli_run *run = c->run;
    size_t most = 0;
    for (size_t i = 0; i < c->n; i++)
        most = c->docs[i]->input.n_units > most ? c->docs[i]->input.n_units : most;
    c->units = glim__calloc(run->ctx, most + 1, sizeof *c->units);
    c->scores = glim__calloc(run->ctx, c->n * most + 1, sizeof *c->scores);
    if (!c->units || !c->scores)
        return glim__oom(run->ctx, &run->err, "the scores", c->n * most * sizeof *c->scores);
    for (size_t i = c->n; i-- > 0;) { /* the first one's numbers stay */
        c->n_units = glim__scored_units(c->docs[i], c->units);
        for (size_t u = 0; u < c->n_units; u++)
            c->scores[i * c->n_units + u] = c->docs[i]->scores[c->units[u]];
    }
    return GLIM_OK;
}

static glim_status compare(cli_run *run, glim_predictor *p) {
    cli_comparison c = {.run = run, .models = run->o.other != NULL, .kl = NAN};
    if (p->n_rows != 1)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "compare takes one target, and this model writes %zu tokens", p->n_rows);
    run->planned = true;
    glim_status status = c.models ? cli_compare_models(&c, p) : compare_methods(&c, p);
    if (!status)
        status = fill_likeness(&c);
    if (!status)
        status = fill_scores(&c);
    if (!status)
        status = cli_compare_show(&c);
    for (size_t i = 0; i < c.n; i++)
        glim_document_free(c.docs[i]);
    for (size_t i = 0; i < 2; i++)
        glim__free(run->ctx, c.answers[i].logits);
    glim__free(run->ctx, c.drift);
    glim__free(run->ctx, c.like);
    glim__free(run->ctx, c.units);
    glim__free(run->ctx, c.scores);
    return status;
}

static glim_status run_compare(cli_run *run) {
    const cli_options *o = &run->o;
    if (cli_wants_pick(run))
        return glim_fail(&run->err, GLIM_EUSAGE, "--pick explains many rows; take one (--row N)");
    if (o->method && !o->other)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--method is for two models (--other FILE); several methods: --methods "
                         "A,B");
    if (o->methods && o->other)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "two models are compared by one method (--method NAME)");
    return cli_bind(run, compare, cli_pick);
}

#define AT(field) offsetof(cli_options, field)
static const glim_param own_flags[] = {
    {.name = "methods",
     .type = GLIM_STRING,
     .offset = AT(methods),
     .value_name = "A,B",
     .help = "these methods (default: all within --passes)",
     .group = "What is compared"},
    {.name = "passes",
     .type = GLIM_INT,
     .offset = AT(passes),
     .def.i = 50,
     .min = 1,
     .max = 1000000000,
     .help = "leave out methods that cost more passes"},
    {.name = "other",
     .type = GLIM_STRING,
     .offset = AT(other),
     .value_name = "FILE",
     .help = "compare two models instead: this is the second"},
    {.name = "method",
     .type = GLIM_STRING,
     .offset = AT(method),
     .value_name = "NAME",
     .help = "what explains both models (default: chosen)"},
    {0},
};
static const glim_param target_flags[] = {
    {.name = "target",
     .type = GLIM_STRING,
     .offset = AT(target),
     .value_name = "TOKEN",
     .help = "token, class or label (default: the likeliest)",
     .group = "Target"},
    {.name = "against",
     .type = GLIM_STRING,
     .offset = AT(against),
     .value_name = "TOKEN",
     .help = "why the target and not this"},
    {.name = "output",
     .type = GLIM_CHOICE,
     .offset = AT(output),
     .choices = "logit|logprob|prob|score",
     .help = "what is explained (logprob; of a contrast logit)"},
    {.name = "units",
     .type = GLIM_CHOICE,
     .offset = AT(units),
     .def.s = "auto",
     .choices = "auto|character|token|word|sentence|turn",
     .help = "what is scored"},
    {0},
};
static const glim_param output_flags[] = {
    {.name = "json",
     .type = GLIM_STRING,
     .offset = AT(json),
     .value_name = "FILE",
     .optional_value = true,
     .help = "JSON to standard output, or to FILE",
     .group = "Output"},
    {.name = "csv",
     .type = GLIM_STRING,
     .offset = AT(csv),
     .value_name = "FILE",
     .help = "the scores side by side as a table"},
    {0},
};
static const glim_param *const groups[] = {cli_flags_model,
                                           own_flags,
                                           cli_flags_task,
                                           cli_flags_predictor,
                                           cli_flags_calls,
                                           cli_flags_input,
                                           target_flags,
                                           output_flags,
                                           cli_flags_resources,
                                           cli_flags_talk,
                                           NULL};
static const char *const examples[] = {
    "glim compare -m model.gguf \"The capital of France is\"",
    "glim compare -m f16.gguf --other q4.gguf \"The capital of France is\"", NULL};

const cli_command cli_compare = {
    .name = "compare",
    .summary = "whether methods agree, or two models",
    .synopsis = "-m MODEL [--other FILE] TEXT",
    .text = "text",
    .examples = examples,
    .groups = groups,
    .takes_method = true,
    .run = run_compare,
};
