/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glim influence: which training samples a model leans on, and which made it say what it
 * says. The method streams blocks; here they go to the ends that are shown, to the
 * files of --csv and --raw, and leave four numbers a sample on disk for flags and figures.
 */
#include "base/team.h"
#include "cli/commands.h"
#include "cli/influence-told.h"
#include "cli/mpirun.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(cli_options, field)
static const glim_param own_flags[] = {
    {.name = "train",
     .type = GLIM_STRING,
     .offset = AT(train),
     .value_name = "FILE",
     .help = "the training samples: .csv, .tsv, .jsonl, .txt",
     .group = "Data"},
    {.name = "predictor",
     .type = GLIM_STRING,
     .offset = AT(predictor),
     .value_name = "fit:FILE",
     .help = "what was fitted on them; without: fitted here"},
    {.name = "query",
     .type = GLIM_STRING,
     .offset = AT(query),
     .value_name = "FILE",
     .help = "inputs to trace back; or one TEXT"},
    {.name = "table",
     .type = GLIM_STRING,
     .offset = AT(table),
     .value_name = "FILE",
     .help = "the same of columns, with --row one of them"},
    {.name = "row",
     .type = GLIM_INT,
     .offset = AT(row),
     .min = 0,
     .max = 2147483647,
     .help = "which row; 1 is the first"},
    {.name = "label",
     .type = GLIM_STRING,
     .offset = AT(label),
     .value_name = "COLUMN",
     .help = "what was predicted or should be said"},
    {.name = "text",
     .type = GLIM_STRING,
     .offset = AT(text_column),
     .value_name = "COLUMN",
     .def.s = "text",
     .help = "with --model: the column of texts"},
    {.name = "template",
     .type = GLIM_STRING,
     .offset = AT(tmpl),
     .value_name = "NAME",
     .help = "of chats (messages): by name, not its own"},
    {.name = "chat",
     .type = GLIM_STRING,
     .offset = AT(chat),
     .value_name = "FILE.json",
     .help = "with --model: a chat, instead of TEXT"},
    {.name = "prefix",
     .type = GLIM_STRING,
     .offset = AT(prefix),
     .value_name = "TEXT",
     .help = "how its answer begins, which is not traced"},
    {.name = "columns",
     .type = GLIM_STRING,
     .offset = AT(columns),
     .value_name = "A,B",
     .help = "fitted here: columns (default: all others)"},
    {.name = "missing",
     .type = GLIM_CHOICE,
     .offset = AT(missing),
     .def.s = "error",
     .choices = "error|drop",
     .help = "rows with missing cells"},
    {.name = "kind",
     .type = GLIM_CHOICE,
     .offset = AT(kind),
     .def.s = "auto",
     .choices = "auto|logistic|linear",
     .value_name = "KIND",
     .help = "fitted here: logistic (classes), linear"},
    {.name = "strength",
     .type = GLIM_REAL,
     .offset = AT(strength),
     .def.r = -1,
     .min = -1,
     .max = 1e12,
     .help = "fitted here: penalty (numbers 0, classes 1)"},
    {.name = "target",
     .type = GLIM_STRING,
     .offset = AT(target),
     .value_name = "CLASS",
     .help = "what is traced: a class; what follows TEXT",
     .group = "What is traced"},
    {.name = "against",
     .type = GLIM_STRING,
     .offset = AT(against),
     .value_name = "CLASS",
     .help = "why the target and not this"},
    {.name = "generate",
     .type = GLIM_INT,
     .offset = AT(generate),
     .min = 0,
     .max = 4096,
     .help = "what the model says: N tokens behind TEXT"},
    {.name = "output",
     .type = GLIM_CHOICE,
     .offset = AT(output),
     .choices = "logprob|prob|loss|logit",
     .help = "of it (logprob; of a contrast logit)"},
    {.name = "by",
     .type = GLIM_CHOICE,
     .offset = AT(by),
     .choices = "token|layer|module",
     .help = "what each has of the scores that are shown"},
    {.name = "group",
     .type = GLIM_STRING,
     .offset = AT(by_group),
     .value_name = "COLUMN",
     .help = "also samples together that share its value"},
    {.name = "check",
     .type = GLIM_INT,
     .offset = AT(check),
     .min = 0,
     .max = 100000,
     .help = "of N samples, what refits or steps really change"},
    {.name = "checkpoint",
     .type = GLIM_STRING,
     .offset = AT(checkpoint),
     .max = CLI_OTHERS,
     .value_name = "FILE:RATE",
     .help = "through --model: states of its training"},
    {.name = "rate",
     .type = GLIM_REAL,
     .offset = AT(rate),
     .def.r = 1,
     .min = 1e-12,
     .max = 1e12,
     .help = "learning rate at the model itself"},
    {.name = "store",
     .type = GLIM_STRING,
     .offset = AT(store),
     .value_name = "FILE",
     .help = "keep what is costly, for other queries (SQLite)"},
    {.name = "top",
     .type = GLIM_INT,
     .offset = AT(top),
     .def.i = 5,
     .min = 1,
     .max = 100000,
     .help = "samples shown of each end"},
    {0},
};

/* ---- blocks ---- */

static float column_of(const double *row, size_t k) {
    return k == SIZE_MAX ? NAN : (float)row[k];
}

static glim_status take_marks(cli_influence *c, const glim_influence_block *b, glim_error *err) {
    enum { SOME = 64 };
    cli_mark marks[SOME];
    glim_status status = GLIM_OK;
    for (size_t i = 0, n = 0; i < b->count && !status; i++) {
        const double *v = b->values + i * c->n_columns;
        marks[n++] = (cli_mark){.score = column_of(v, c->score),
                                .leverage = column_of(v, c->leverage),
                                .residual = column_of(v, c->residual),
                                .loss = column_of(v, c->loss)};
        if (n == SOME || i + 1 == b->count) {
            status = cli_marks_put(c, b->first + i + 1 - n, n, marks, err);
            n = 0;
        }
    }
    if (!status)
        c->done = b->first + b->count;
    return status;
}

static glim_status take(void *data, const glim_influence_block *b, glim_error *err) {
    cli_influence *c = data;
    glim_influence_sink ends = glim_extremes_sink(c->ends);
    glim_status status = ends.take(ends.data, b, err);
    if (!status)
        status = take_marks(c, b, err);
    cli_influence_take_steps(c, b);
    if (!status)
        status = cli_groups_take(c, b, err);
    return status ? status : cli_files_write(c, b, err);
}

static size_t find_column(const cli_influence *c, const char *name) {
    for (size_t k = 0; k < c->n_columns; k++)
        if (!strcmp(c->names[k], name))
            return k;
    return SIZE_MAX;
}

static glim_status begin(void *data, const glim_influence_column *columns, size_t n,
                         glim_influence_sink *sink, glim_error *err) {
    cli_influence *c = data;
    glim_context *ctx = c->run->ctx;
    c->n_columns = n;
    c->columns = glim__calloc(ctx, n, sizeof *c->columns);
    c->names = glim__calloc(ctx, n, sizeof *c->names);
    if (!c->columns || !c->names)
        return glim__oom(ctx, err, "the columns", n * sizeof *columns);
    for (size_t k = 0; k < n; k++) {
        c->columns[k] = columns[k];
        c->columns[k].name = c->names[k] = glim__strdup(ctx, columns[k].name);
        if (!c->names[k])
            return glim__oom(ctx, err, "the columns", n * sizeof *columns);
    }
    c->score = find_column(c, "cooks-distance");
    c->score = c->score == SIZE_MAX ? find_column(c, "self-influence") : c->score;
    c->leverage = find_column(c, "leverage");
    c->residual = find_column(c, "studentised-internal");
    c->loss = find_column(c, "loss");
    glim_status status =
        glim_extremes_new(&c->ends, ctx, c->columns, n, (size_t)c->run->o.top, err);
    *sink = (glim_influence_sink){take, c};
    if (!status)
        status = cli_groups_begin(c, err);
    return status ? status : cli_files_begin(c, err);
}

/* ---- truth ---- */

static glim_status check_truth(cli_influence *c, const glim_influence_work *w) {
    cli_run *run = c->run;
    size_t steps;
    if (!run->o.check)
        return GLIM_OK;
    if (c->streams)
        return cli_influence_steps(c, w);
    if (!c->query.n)
        return glim_fail(
            &run->err, GLIM_EUSAGE,
            "--check compares influences with refits, on a query (a TEXT, --query FILE "
            "or --table FILE --row N)");
    glim_status status = glim__head_polish(&c->head, &steps, &run->err);
    if (!status)
        status = glim__head_factor(&c->head, -1, &run->err);
    if (!status)
        status =
            glim__truth_check(&c->truth, &c->head, w->queries, &w->target, (size_t)run->o.check,
                              w->seed, c->grouped ? &c->groups : NULL, &run->err);
    if (!status)
        status = glim__truth_mislabel(&c->truth, &c->head, w->seed, &run->err);
    c->checked = !status;
    const double low = 0.8;
    glim_document_check_add(c->doc, "leave_one_out", c->truth.spearman,
                            "rank correlation of influences and what refits without the sample "
                            "did; 1 is right");
    if (c->checked && c->truth.spearman < low)
        glim_document_judge(c->doc, GLIM_VERDICT_CAREFUL,
                            "refits without samples agree with the influences only in part "
                            "(rank correlation %.2f)",
                            c->truth.spearman);
    return status;
}

/* ---- the run ---- */

static glim_status value_queries(cli_influence *c, const glim_influence_work *w) {
    cli_run *run = c->run;
    size_t P = c->query.width, O = c->head.O;
    double *x = glim__calloc(run->ctx, P + 1 + 2 * O, sizeof *x), *z = x + P + 1;
    c->queries = glim__calloc(run->ctx, c->query.n + 1, sizeof *c->queries);
    glim_status status =
        x && c->queries ? GLIM_OK : glim__oom(run->ctx, &run->err, "the queries", c->query.n * 24);
    for (size_t q = 0; w->queries && q < c->query.n && !status; q++) {
        cli_query *out = &c->queries[q];
        status = w->queries->read(w->queries->data, q, 1, x, x + P, &run->err);
        if (status)
            break;
        glim__linear_outputs(run->linear, x, z);
        out->predicted = c->head.logistic ? glim__head_class(&c->head, z) : 0;
        status = glim__head_target(&c->head, &w->target, z, x[P], z + O, &out->value, &out->of,
                                   &run->err);
    }
    glim__free(run->ctx, x);
    return status;
}

static glim_status describe(cli_influence *c) {
    glim_document *doc = c->doc;
    doc->kind = "influence";
    doc->target.text = c->train.path;
    doc->target.text_len = strlen(c->train.path);
    doc->method.name = c->method->name;
    doc->method.summary = c->method->summary;
    doc->method.cite = c->method->cite;
    doc->method.caption = c->method->caption;
    doc->seed = (uint64_t)c->run->o.seed;
    if (c->train.held_out)
        glim_document_note(doc,
                           "%zu rows that the fit held out (with this --seed) are no training "
                           "samples and are left out",
                           c->train.held_out);
    if (c->train.left_out)
        glim_document_note(doc, "%zu rows with missing cells were left out", c->train.left_out);
    if (c->train.cut)
        glim_document_note(doc, "%zu texts were longer than the model's context and were cut",
                           c->train.cut);
    if (c->train.of_head && glim__head_samples_stored_others(c->train.of_head))
        glim_document_note(doc, "The store has features of another model, training file or column "
                                "as well: those were not used.");
    return GLIM_OK;
}

static glim_status run_method(cli_influence *c, const glim_influence_work *w) {
    cli_run *run = c->run;
    glim_influence_out out = {begin, c, c->doc, cli_influence_why};
    double start = glim__seconds();
    size_t none = 0;
    glim_status status = GLIM_OK;
    if (glim__team_first(run->ctx))
        status = c->streams ? cli_influence_value_model(c) : value_queries(c, w);
    if (!status)
        status = describe(c);
    if (!status)
        status = cli_groups_find(c);
    if (!status && c->streams)
        status = cli_influence_choose_steps(c);
    if (!status)
        status = glim__influence_run(w, c->method, run->method_opts, &out, &run->err);
    if (!status)
        status = check_truth(c, w);
    if (!status && c->streams) /* all are done, and none has failed */
        status = glim__team_total(run->ctx, &none, &run->err);
    c->seconds = glim__seconds() - start;
    c->partial = status == GLIM_ECANCELLED;
    if (c->partial && !c->done)
        glim_document_judge(c->doc, GLIM_VERDICT_DISTRUST,
                            "interrupted before the first sample was told of");
    return cli_files_end(c, status);
}

static glim_status answer(cli_influence *c) {
    cli_told told;
    glim_status status = cli_influence_flags(c);
    if (!status)
        status = cli_tell(c, &told);
    if (!status)
        status = cli_told_answer(c->run, &told);
    const cli_samples *lost = c->train.lost ? &c->train : c->query.lost ? &c->query : NULL;
    if (!status && lost)
        return glim_fail(&c->run->err, GLIM_EIO,
                         "'%.200s' has changed, or cannot be read any more: words and labels of "
                         "samples are missing in the answer",
                         lost->path);
    return status ? status : c->marks.status;
}

static void release(cli_influence *c) {
    glim_context *ctx = c->run->ctx;
    for (size_t k = 0; k < c->n_columns && c->names; k++)
        glim__free(ctx, c->names[k]);
    glim__free(ctx, c->names);
    glim__free(ctx, c->columns);
    cli_marks_close(c);
    glim__free(ctx, c->queries);
    glim__free(ctx, c->single);
    cli_groups_release(c);
    glim__buffer_release(&c->line);
    glim__free(ctx, c->steps.samples);
    glim__free(ctx, c->steps.influence);
    glim__free(ctx, c->steps.change);
    glim__free(ctx, c->shares);
    glim_extremes_free(c->ends);
    glim__truth_release(&c->truth);
    glim_document_free(c->doc);
    cli_influence_close(c);
}

static glim_status run_influence(cli_run *run) {
    const cli_options *o = &run->o;
    cli_influence c = {.run = run, .csv = {.fd = -1}, .raw = {.fd = -1}};
    bool together = cli_influence_streams(run) && !o->list && !o->dry_run;
    c.score = c.leverage = c.residual = c.loss = SIZE_MAX;
    if (cli_team_hushed(run) && !together) /* the numbers of a head take moments */
        return GLIM_OK;
    if (o->list)
        return cli_influence_list(run);
    glim__buffer_init(&c.line, run->ctx);
    glim_status status = together ? cli_team_open(run) : GLIM_OK;
    if (!status)
        status = cli_influence_open(&c);
    c.method = run->influence ? run->influence
               : c.streams    ? c.query.n ? &glim_influence_gradient_cosine : &glim_influence_loss
               : c.query.n    ? &glim_influence_functions
                              : &glim_influence_diagnostics;
    glim_influence_work w = {
        .ctx = run->ctx,
        .n = c.train.n,
        .n_queries = c.query.n,
        .target = {o->output, o->target, o->against},
        .seed = (uint64_t)o->seed,
        .by = o->by,
        .head = run->linear,
        .train = &c.train.features,
        .queries = c.query.n ? &c.query.features : NULL,
    };
    if (c.streams)
        cli_influence_model_work(&c, &w);
    if (!status && o->dry_run) {
        status = cli_influence_put_plan(&c, &w);
        release(&c);
        return status;
    }
    if (!status)
        status = glim_document_new(&c.doc, run->ctx, &run->err);
    if (!status)
        status = run_method(&c, &w);
    /* Who is interrupted before the first sample gets a document without columns. */
    if (c.queries && (!status || status == GLIM_ECANCELLED)) {
        glim_context_reset(run->ctx);
        glim_status shown = answer(&c);
        status = status ? status : shown;
    }
    release(&c);
    return status;
}

static const glim_param *const groups[] = {cli_flags_model,  own_flags,      cli_flags_method,
                                           cli_flags_output, cli_flags_raw,  cli_flags_resources,
                                           cli_flags_plan,   cli_flags_talk, NULL};
static const char *const examples[] = {
    "glim influence --train houses.csv --label price --table houses.csv --row 3",
    "glim influence -m MiniLM --predictor fit:mood.fit --train reviews.csv \"a fine film\"",
    "glim influence -m model.gguf --train tuning.jsonl --method ekfac \"Who are you?\" --generate "
    "20",
    NULL};

const cli_command cli_influence_command = {
    .name = "influence",
    .summary = "which training samples made a model say this",
    .family = "influence",
    .produces = "glim.influence/1",
    .synopsis = "--train FILE [TEXT | --query FILE]",
    .text = "text",
    .examples = examples,
    .groups = groups,
    .takes_influence = true,
    .keeps = true,
    .run = run_influence,
};
