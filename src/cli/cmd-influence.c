/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glim influence: which training samples a model leans on, and which made it say what it
 * says. The method streams blocks; here they go to the ends that are shown, to the
 * files of --csv and --raw, and leave four numbers a sample for flags and figures.
 */
#include "base/map.h"
#include "base/team.h"
#include "cli/commands.h"
#include "cli/fitted.h"
#include "cli/influence.h"
#include "cli/mpirun.h"
#include "file/safetensors.h"

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
     .help = "fitted here: classes or numbers"},
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

static void put_csv_text(glim_buffer *b, const char *s) {
    if (!strpbrk(s, ",\"\r\n")) {
        glim__buffer_puts(b, s);
        return;
    }
    glim__buffer_putc(b, '"');
    for (; *s; s++) {
        if (*s == '"')
            glim__buffer_putc(b, '"');
        glim__buffer_putc(b, *s);
    }
    glim__buffer_putc(b, '"');
}

static glim_status write_csv(cli_influence *c, const glim_influence_block *b, glim_error *err) {
    char number[40];
    glim__buffer_clear(&c->line);
    for (size_t i = 0; i < b->count; i++) {
        const char *label = cli_sample_label(&c->train, b->first + i);
        glim__buffer_printf(&c->line, "%zu,", cli_sample_row(&c->train, b->first + i));
        put_csv_text(&c->line, label ? label : "");
        for (size_t k = 0; k < c->n_columns; k++) {
            double v = b->values[i * c->n_columns + k];
            glim__buffer_putc(&c->line, ',');
            if (!isfinite(v))
                continue;
            glim__number_text(v, false, number);
            glim__buffer_puts(&c->line, number);
        }
        glim__buffer_puts(&c->line, "\r\n");
    }
    if (c->line.failed)
        return glim__oom(c->run->ctx, err, "lines of the table", c->line.len);
    return glim__outfile_write(&c->csv, c->line.data, c->line.len, err);
}

static void take_marks(cli_influence *c, const glim_influence_block *b) {
    for (size_t i = 0; i < b->count; i++) {
        const double *v = b->values + i * c->n_columns;
        c->marks[b->first + i] =
            (cli_mark){.score = c->score == SIZE_MAX ? NAN : (float)v[c->score],
                       .leverage = c->leverage == SIZE_MAX ? NAN : (float)v[c->leverage],
                       .residual = c->residual == SIZE_MAX ? NAN : (float)v[c->residual],
                       .loss = c->loss == SIZE_MAX ? NAN : (float)v[c->loss]};
        for (size_t k = 0; k < c->n_columns && c->grouped; k++)
            if (!strcmp(c->names[k], "influence"))
                c->groups.sum[c->groups.of[b->first + i] * c->query.n + c->columns[k].query] +=
                    v[k];
    }
    c->done = b->first + b->count;
}

static glim_status take(void *data, const glim_influence_block *b, glim_error *err) {
    cli_influence *c = data;
    glim_influence_sink ends = glim_extremes_sink(c->ends);
    glim_status status = ends.take(ends.data, b, err);
    take_marks(c, b);
    cli_influence_take_steps(c, b);
    if (!status && c->writes_csv)
        status = write_csv(c, b, err);
    if (status || !c->writes_raw)
        return status;
    size_t n = b->count * c->n_columns;
    for (size_t i = 0; i < n; i++)
        c->single[i] = (float)b->values[i];
    return glim__outfile_write(&c->raw, c->single, n * sizeof *c->single, err);
}

static size_t find_column(const cli_influence *c, const char *name) {
    for (size_t k = 0; k < c->n_columns; k++)
        if (!strcmp(c->names[k], name))
            return k;
    return SIZE_MAX;
}

static glim_status begin_files(cli_influence *c, glim_error *err) {
    const cli_options *o = &c->run->o;
    glim_status status = GLIM_OK;
    if (o->csv) {
        status = glim__outfile_open(&c->csv, o->csv, err);
        c->writes_csv = !status;
        glim__buffer_clear(&c->line);
        glim__buffer_puts(&c->line, "row,label");
        for (size_t k = 0; k < c->n_columns; k++) {
            glim__buffer_putc(&c->line, ',');
            put_csv_text(&c->line, c->names[k]);
            if (c->columns[k].query != GLIM_NO_QUERY)
                glim__buffer_printf(&c->line, ":%zu", c->columns[k].query + 1);
        }
        glim__buffer_puts(&c->line, "\r\n");
        if (!status && c->line.failed)
            status = glim__oom(c->run->ctx, err, "the columns", c->line.len);
        if (!status)
            status = glim__outfile_write(&c->csv, c->line.data, c->line.len, err);
    }
    if (!status && o->raw) {
        c->single = glim__calloc(c->run->ctx, c->n_columns, GLIM_FEATURES_BLOCK * sizeof(float));
        if (!c->single)
            return glim__oom(c->run->ctx, err, "a block", c->n_columns * 1024);
        status = glim__npy_begin(&c->raw, o->raw, 2, (uint64_t[]){c->train.n, c->n_columns}, err);
        c->writes_raw = !status;
    }
    return status;
}

static glim_status begin(void *data, const glim_influence_column *columns, size_t n,
                         glim_influence_sink *sink, glim_error *err) {
    cli_influence *c = data;
    glim_context *ctx = c->run->ctx;
    c->n_columns = n;
    c->columns = glim__calloc(ctx, n, sizeof *c->columns);
    c->names = glim__calloc(ctx, n, sizeof *c->names);
    c->marks = glim__calloc(ctx, c->train.n + 1, sizeof *c->marks);
    if (!c->columns || !c->names || !c->marks)
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
    return status ? status : begin_files(c, err);
}

static glim_status end_files(cli_influence *c, glim_status status) {
    cli_run *run = c->run;
    bool whole = !status;
    if (c->writes_csv && (whole || status == GLIM_ECANCELLED)) {
        glim_status ended = glim__outfile_commit(&c->csv, &run->err);
        status = status ? status : ended;
        if (!ended)
            cli_wrote(run, run->o.csv);
    } else if (c->writes_csv) {
        glim__outfile_abort(&c->csv);
    }
    if (c->writes_raw && whole) {
        status = glim__outfile_commit(&c->raw, &run->err);
        if (!status)
            cli_wrote(run, run->o.raw);
    } else if (c->writes_raw) {
        glim__outfile_abort(&c->raw);
    }
    return status;
}

/* ---- groups and truth ---- */

static glim_status find_groups(cli_influence *c) {
    cli_run *run = c->run;
    const cli_samples *s = &c->train;
    glim_groups *g = &c->groups;
    size_t Q = c->query.n;
    if (s->group == SIZE_MAX)
        return GLIM_OK;
    if (!Q)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--group sums influences on a query (a TEXT, "
                         "--query FILE or --table FILE --row N)");
    g->of = glim__calloc(run->ctx, s->n + 1, sizeof *g->of);
    g->names = glim__calloc(run->ctx, s->n + 1, sizeof *g->names);
    g->sizes = glim__calloc(run->ctx, s->n + 1, sizeof *g->sizes);
    if (!g->of || !g->names || !g->sizes)
        return glim__oom(run->ctx, &run->err, "the groups", s->n * 24);
    glim_map map;
    glim__map_init(&map, run->ctx);
    bool ok = true;
    for (size_t i = 0; i < s->n && ok; i++) {
        const char *name = glim__table_cell(s->t, s->rows[i], s->group);
        int32_t k = glim__map_get(&map, name, strlen(name));
        if (k < 0) {
            k = (int32_t)g->n;
            ok = glim__map_set(&map, name, strlen(name), k, NULL);
            g->names[g->n++] = name;
        }
        g->of[i] = (size_t)k;
        g->sizes[k]++;
    }
    glim__map_release(&map);
    g->sum = glim__calloc(run->ctx, g->n, Q * sizeof *g->sum);
    g->actual = glim__calloc(run->ctx, g->n, Q * sizeof *g->actual);
    if (!ok || !g->sum || !g->actual)
        return glim__oom(run->ctx, &run->err, "the groups", g->n * Q * 16);
    for (size_t k = 0; k < g->n * Q; k++)
        g->actual[k] = NAN;
    c->grouped = true;
    return GLIM_OK;
}

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
    return GLIM_OK;
}

static glim_status run_method(cli_influence *c, const glim_influence_work *w) {
    cli_run *run = c->run;
    glim_influence_out out = {begin, c, c->doc};
    double start = glim__seconds();
    size_t none = 0;
    glim_status status = GLIM_OK;
    if (glim__team_first(run->ctx))
        status = c->streams ? cli_influence_value_model(c) : value_queries(c, w);
    if (!status)
        status = describe(c);
    if (!status)
        status = find_groups(c);
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
    return end_files(c, status);
}

static glim_status answer(cli_influence *c) {
    cli_run *run = c->run;
    const cli_options *o = &run->o;
    glim_status status = cli_influence_flags(c);
    if (!status && o->json) {
        bool ok = true;
        json_t *all = cli_influence_json(c, &ok);
        status = cli_put_json(run, o->json, all, ok);
    }
    if (!status && o->html)
        status = cli_influence_html(c);
    if (!status && cli_wants_terminal(run))
        status = cli_influence_show(c);
    return status;
}

static glim_status put_list(cli_run *run) {
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    for (size_t i = 0; glim__influence_methods()[i]; i++) {
        const glim_influence_method *m = glim__influence_methods()[i];
        glim__buffer_printf(&out, "%s\n", m->name);
        cli_put_wrapped(&out, cli_sheet_width(run), 2, m->summary);
        glim__buffer_printf(&out, "  cost: %s%s\n", m->costs,
                            m->needs & GLIM_INFLUENCE_QUERIES ? "; needs a query" : "");
        glim__buffer_printf(&out, "  %s\n", m->cite);
    }
    return cli_put_buffer(run, &out, "the list");
}

static glim_status put_plan(cli_influence *c, const glim_influence_work *w) {
    cli_run *run = c->run;
    glim_plan plan;
    glim_status status = glim__influence_plan(w, c->method, run->method_opts, &plan, &run->err);
    uint64_t texts = 0, kept = 0, session = 0;
    if (!status && run->base && !c->streams)
        status = cli_influence_count(c, &plan.forward_tokens, &session);
    if (run->base && !c->streams)
        texts = (uint64_t)(c->train.n + c->query.n) * c->train.width * sizeof(float);
    kept = c->train.n * (sizeof(cli_mark) + sizeof(size_t)) + c->train.n * 8;
    plan.bytes += kept;
    plan.bytes = texts + (plan.bytes > session ? plan.bytes : session);
    plan.bytes += glim_context_bytes(run->ctx);
    plan.bytes_wanted = plan.bytes;
    return status ? status : cli_put_plan(run, c->method->name, &plan);
}

static void release(cli_influence *c) {
    glim_context *ctx = c->run->ctx;
    for (size_t k = 0; k < c->n_columns && c->names; k++)
        glim__free(ctx, c->names[k]);
    glim__free(ctx, c->names);
    glim__free(ctx, c->columns);
    glim__free(ctx, c->marks);
    glim__free(ctx, c->queries);
    glim__free(ctx, c->single);
    glim__free(ctx, c->twins.first);
    glim__free(ctx, c->groups.of);
    glim__free(ctx, c->groups.names);
    glim__free(ctx, c->groups.sizes);
    glim__free(ctx, c->groups.sum);
    glim__free(ctx, c->groups.actual);
    glim__buffer_release(&c->line);
    glim__free(ctx, c->steps.samples);
    glim__free(ctx, c->steps.influence);
    glim__free(ctx, c->steps.change);
    glim_extremes_free(c->ends);
    glim__truth_release(&c->truth);
    glim_document_free(c->doc);
    cli_influence_close(c);
}

static glim_status run_influence(cli_run *run) {
    const cli_options *o = &run->o;
    cli_influence c = {.run = run, .csv = {.fd = -1}, .raw = {.fd = -1}};
    /* a head's numbers are the first process's work, but not the texts that it reads */
    bool texts = cli_is_fitted(run) && o->model;
    bool together = (cli_influence_streams(run) || texts) && !o->list && !o->dry_run;
    if (cli_team_hushed(run) && !together)
        return GLIM_OK;
    if (o->list)
        return put_list(run);
    glim__buffer_init(&c.line, run->ctx);
    glim_status status = together ? cli_team_open(run) : GLIM_OK;
    if (!status)
        status = cli_influence_open(&c);
    if (cli_team_hushed(run) && !c.streams) {
        release(&c);
        return status;
    }
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
        .head = run->linear,
        .train = &c.train.features,
        .queries = c.query.n ? &c.query.features : NULL,
    };
    if (c.streams)
        cli_influence_model_work(&c, &w);
    if (!status && o->dry_run) {
        status = put_plan(&c, &w);
        release(&c);
        return status;
    }
    if (!status)
        status = glim_document_new(&c.doc, run->ctx, &run->err);
    if (!status)
        status = run_method(&c, &w);
    if (c.doc && c.ends && (!status || status == GLIM_ECANCELLED)) {
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
    .synopsis = "--train FILE [TEXT | --query FILE]",
    .text = "text",
    .examples = examples,
    .groups = groups,
    .takes_influence = true,
    .keeps = true,
    .run = run_influence,
};
