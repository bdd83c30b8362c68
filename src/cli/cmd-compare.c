/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glim compare: several methods on one model, or one method on several models, over one
 * input or many. That methods disagree is a finding and no error; so a table of agreement,
 * not a winner. What was reached before Ctrl-C is shown.
 */
#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/compare.h"
#include "cli/menu.h"
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

/* ---- means ---- */

void cli_tally_add(cli_tally *t, double x) {
    t->sum += isnan(x) ? 0 : x;
    t->n += !isnan(x);
}

double cli_tally_mean(const cli_tally *t) {
    return t->n ? t->sum / (double)t->n : NAN;
}

double cli_pair_value(const cli_pair *p, int which) {
    const cli_tally *t = which == 0   ? &p->tau
                         : which == 1 ? &p->jaccard
                         : which == 2 ? &p->rbo
                                      : &p->signs;
    return cli_tally_mean(t);
}

double cli_like_value(const glim_likeness *l, int which) {
    return which == 0 ? l->tau : which == 1 ? l->jaccard : which == 2 ? l->rbo : l->flips;
}

const char *cli_compared_name(const cli_comparison *c, size_t i) {
    if (c->saved)
        return c->names[i];
    if (!c->models)
        return c->runs[i].method->name;
    const char *file = i ? c->runs[i].at.o.model : c->run->o.model, *end = file + strlen(file);
    while (end > file + 1 && end[-1] == '/') /* of a directory */
        end--;
    while (end > file && end[-1] != '/')
        end--;
    return *end ? end : file;
}

static glim_status oom(cli_comparison *c) {
    return glim__oom(c->run->ctx, &c->run->err, "the comparison", c->n * c->n * sizeof *c->pairs);
}

/* ---- one input ---- */

static void unknown(cli_said *said, size_t n) {
    for (size_t i = 0; i < n; i++) {
        said[i].value = said[i].prob = said[i].logprob = said[i].kl = said[i].flips = NAN;
        for (size_t k = 0; k < COMPARE_METRICS; k++)
            said[i].metrics[k] = NAN;
    }
}

/* Agreement of every two of the n explanations. */
static glim_status fold_pairs(cli_comparison *c, glim_document *const *docs, cli_said *said) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < c->n && !status; i++)
        for (size_t k = i; k < c->n && !status; k++) {
            glim_likeness l;
            status = glim__likeness(&l, docs[i], docs[k], &c->run->err);
            if (!status && !i)
                said[k].like = l;
            for (int turn = 0; turn < 1 + (i != k) && !status; turn++) {
                cli_pair *p = &c->pairs[turn ? k * c->n + i : i * c->n + k];
                cli_tally_add(&p->tau, l.tau);
                cli_tally_add(&p->jaccard, l.jaccard);
                cli_tally_add(&p->rbo, l.rbo);
                cli_tally_add(&p->signs, l.flips);
                p->units += l.n;
            }
        }
    return status;
}

static glim_status fold_drift(cli_comparison *c, cli_compared *r, const cli_said *said) {
    if (!said->drift)
        return GLIM_OK;
    size_t L = (size_t)glim_model_facts(c->run->model)->layers;
    if (!r->drift)
        r->drift = glim__arena_calloc(&c->arena, L + 1, sizeof *r->drift);
    if (!r->drift)
        return oom(c);
    r->layers = L;
    for (size_t l = 0; l < L; l++)
        cli_tally_add(&r->drift[l], said->drift[l]);
    return GLIM_OK;
}

static glim_status fold_runs(cli_comparison *c, glim_document *const *docs, cli_said *said) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < c->n && !status; i++) {
        cli_compared *r = &c->runs[i];
        const cli_answer *a = &said[i].answer;
        said[i].value = docs[i]->target.value;
        said[i].prob = docs[i]->target.prob;
        cli_tally_add(&r->kl, said[i].kl);
        cli_tally_add(&r->flips, said[i].flips);
        cli_tally_add(&r->logprob, said[i].logprob);
        if (c->run->o.label && a->told && docs[0]->target.text)
            cli_tally_add(&r->right, a->len == docs[0]->target.text_len &&
                                         !memcmp(a->text, docs[0]->target.text, a->len));
        r->pass_tokens += said[i].pass_tokens;
        r->pass_seconds += said[i].pass_seconds;
        r->tokens += said[i].tokens;
        r->seconds += said[i].seconds;
        status = fold_drift(c, r, &said[i]);
    }
    return status;
}

static const char *keep_text(cli_comparison *c, const char *s, size_t n, size_t *len) {
    *len = n;
    return s ? glim__arena_strndup(&c->arena, s, n) : NULL;
}

/* The input without what was written behind it. */
static size_t given_bytes(const glim_document *d) {
    size_t n = 0;
    for (size_t u = 0; u < d->input.n_units; u++)
        if (!d->input.units[u].generated && d->input.units[u].end > n)
            n = d->input.units[u].end;
    return n;
}

static glim_status fold(cli_comparison *c, glim_document **docs, cli_compared_input *in) {
    const glim_document *d = docs[0];
    if (!c->pairs)
        c->pairs = glim__arena_calloc(&c->arena, c->n * c->n, sizeof *c->pairs);
    if (!c->pairs)
        return oom(c);
    glim_status status = fold_pairs(c, docs, in->said);
    if (!status)
        status = fold_runs(c, docs, in->said);
    const char *picture = d->input.image.name;
    in->text = picture ? keep_text(c, picture, strlen(picture), &in->len)
                       : keep_text(c, d->input.text, given_bytes(d), &in->len);
    in->target = keep_text(c, d->target.text, d->target.text_len, &in->target_len);
    if (!status)
        c->n_inputs++;
    return status;
}

static glim_status begin(cli_comparison *c, const glim_predictor *p) {
    glim_status status = c->models ? cli_compare_open(c, p) : cli_compare_choose(c, p);
    c->room = c->many ? c->chosen : 1;
    c->inputs = status ? NULL : glim__arena_calloc(&c->arena, c->room + 1, sizeof *c->inputs);
    return status || c->inputs ? status : oom(c);
}

/* The documents of the first input stay. */
static void keep_documents(cli_comparison *c, glim_document **docs, bool folded) {
    for (size_t i = 0; i < COMPARE_MOST; i++) {
        if (folded && c->n_inputs == 1 && i < c->n)
            c->docs[i] = docs[i];
        else
            glim_document_free(docs[i]);
    }
}

glim_status cli_compare_input(cli_comparison *c, glim_predictor *p, size_t row) {
    glim_document *docs[COMPARE_MOST] = {0};
    size_t n = 0;
    glim_status status = c->inputs ? GLIM_OK : begin(c, p);
    if (status)
        return status;
    if (c->run->o.dry_run)
        return c->models ? cli_compare_plan_models(c, p, row) : cli_compare_plan_methods(c, p);
    cli_compared_input *in = &c->inputs[c->n_inputs];
    *in = (cli_compared_input){.row = row,
                               .said = glim__arena_calloc(&c->arena, c->n, sizeof *in->said)};
    if (!in->said)
        return oom(c);
    unknown(in->said, c->n);
    status = c->models ? cli_compare_models(c, p, row, docs, in->said, &n)
                       : cli_compare_methods(c, p, docs, in->said, &n);
    glim_status folded = status;
    if (status == GLIM_ECANCELLED && n && !c->n_inputs) { /* what there is */
        glim_error kept = c->run->err;
        glim_context_reset(c->run->ctx);
        c->n = n;
        folded = fold(c, docs, in);
        c->run->err = kept;
    } else if (!status) {
        status = folded = fold(c, docs, in);
    }
    keep_documents(c, docs, !folded);
    return status;
}

/* ---- the whole ---- */

/* Scores of the units that are scored, side by side; of rows their sums. */
static glim_status fill_scores(cli_comparison *c) {
    size_t most = 0;
    for (size_t i = 0; i < c->n; i++)
        most = c->docs[i]->input.n_units > most ? c->docs[i]->input.n_units : most;
    c->units = glim__arena_calloc(&c->arena, most + 1, sizeof *c->units);
    c->scores = glim__arena_calloc(&c->arena, c->n * most + 1, sizeof *c->scores);
    if (!c->units || !c->scores)
        return oom(c);
    for (size_t i = c->n; i-- > 0;) { /* the first one's numbers stay */
        const glim_document *d = c->docs[i];
        c->n_units = glim__scored_units(d, c->units);
        for (size_t u = 0; u < c->n_units; u++) {
            cli_tally sum = {0};
            for (size_t r = 0; r < d->n_rows; r++)
                cli_tally_add(&sum, d->scores[r * d->input.n_units + c->units[u]]);
            c->scores[i * c->n_units + u] = sum.n ? sum.sum : NAN;
        }
    }
    return GLIM_OK;
}

static void say_why(cli_comparison *c) {
    for (size_t i = 0; i < c->n && c->models; i++) {
        cli_compared *r = &c->runs[i];
        if (!r->kl.n && !r->no_kl)
            r->no_kl = "not told of this kind of answer";
        if (!r->drift && !r->no_drift)
            r->no_drift = "not told of this kind of model";
    }
}

static glim_status finish(cli_comparison *c, glim_status status) {
    cli_run *run = c->run;
    glim_error kept = run->err;
    if (status && (status != GLIM_ECANCELLED || !c->n_inputs))
        return status;
    if (!c->n_inputs && !run->o.dry_run && c->failed) {
        run->err = c->first;
        return c->first.status;
    }
    if (run->o.dry_run)
        return cli_compare_put_plan(c);
    if (!c->n_inputs)
        return glim_fail(&run->err, GLIM_EFORMAT, "'%.200s' has nothing to explain",
                         c->table ? c->table->path : "the input");
    c->partial = status != GLIM_OK;
    glim_context_reset(run->ctx);
    say_why(c);
    glim_status shown = fill_scores(c);
    if (!shown && c->many && !c->models)
        shown = cli_compare_judge(c);
    if (!shown)
        shown = cli_compare_show(c);
    if (status)
        run->err = kept;
    return status ? status : shown;
}

static glim_status open_comparison(cli_comparison *c, cli_run *run) {
    *c = (cli_comparison){
        .run = run, .models = run->o.other[0] != NULL, .asks = run->o.predictor != NULL};
    c->plan = (glim_plan){.seconds = -1, .bounded = true};
    glim__arena_init(&c->arena, run->ctx, 1 << 14);
    c->runs = glim__arena_calloc(&c->arena, COMPARE_MOST, sizeof *c->runs);
    run->planned = true;
    return c->runs ? GLIM_OK : oom(c);
}

static void release(cli_comparison *c) {
    for (size_t i = 0; i < c->n; i++)
        glim_document_free(c->docs[i]);
    for (size_t i = 1; i < COMPARE_MOST && c->runs; i++) {
        glim_tokens_free(c->runs[i].at.tokens);
        glim_model_close(c->runs[i].at.model);
    }
    glim__arena_release(&c->arena);
}

static glim_status close_comparison(cli_comparison *c, glim_status status) {
    status = finish(c, status);
    release(c);
    return status;
}

glim_status cli_compare_saved(cli_run *run, const json_t *all, const char *name) {
    cli_comparison c;
    glim_status status = open_comparison(&c, run);
    if (!status)
        status = cli_compare_read(&c, all, name);
    if (!status)
        status = fill_scores(&c);
    if (!status)
        status = cli_compare_show(&c);
    release(&c);
    return status;
}

static glim_status compare(cli_run *run, glim_predictor *p) {
    cli_comparison c;
    glim_status status = open_comparison(&c, run);
    if (!status)
        status = cli_compare_input(&c, p, SIZE_MAX);
    return close_comparison(&c, status);
}

static glim_status compare_many(cli_run *run, const glim_table *t, size_t texts,
                                cli_pick_make *make, void *data) {
    cli_comparison c;
    glim_status status = open_comparison(&c, run);
    c.many = true;
    c.table = t;
    c.column = texts;
    if (!status)
        status = cli_compare_many(&c, make, data);
    return close_comparison(&c, status);
}

static glim_status run_compare(cli_run *run) {
    const cli_options *o = &run->o;
    if (o->list)
        return cli_menu(run);
    if (cli_wants_pick(run))
        return glim_fail(&run->err, GLIM_EUSAGE, "--pick explains many rows; take one (--row N)");
    if (o->method && !o->other[0])
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--method is for several models (--other FILE); several methods: "
                         "--methods A,B");
    if (o->methods && o->other[0])
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "several models are compared by one method (--method NAME)");
    return cli_bind(run, compare, compare_many);
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
     .max = CLI_OTHERS,
     .value_name = "FILE",
     .help = "compare models instead, by --method: this is another (again: a third)"},
    {0},
};
static const glim_param *const groups[] = {
    cli_flags_model,  own_flags,           cli_flags_many,   cli_flags_task,   cli_flags_predictor,
    cli_flags_calls,  cli_flags_input,     cli_flags_target, cli_flags_method, cli_flags_picture,
    cli_flags_output, cli_flags_resources, cli_flags_plan,   cli_flags_talk,   NULL};
static const char *const examples[] = {
    "glim compare -m model.gguf \"The capital of France is\"",
    "glim compare -m f16.gguf --other q8.gguf --other q4.gguf --data texts.csv",
    "glim compare -m model.gguf --methods occlusion,lime --data texts.csv --html how.html", NULL};

const cli_command cli_compare = {
    .name = "compare",
    .summary = "whether methods agree, or models",
    .family = "evaluation",
    .produces = "glim.comparison/1",
    .synopsis = "-m MODEL [--other FILE] TEXT",
    .text = "text",
    .examples = examples,
    .groups = groups,
    .takes_method = true,
    .run = run_compare,
};
