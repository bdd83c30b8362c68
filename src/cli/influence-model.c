/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glim influence of a model's own weights: samples and queries stream as tokens, what comes
 * goes to the ends that are shown and to --csv; --check takes real steps on some samples.
 */
#include "cli/influence-model.h"
#include "file/store.h"
#include "influence/tail-patch.h"
#include "influence/truth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

/* "FILE:RATE" at the end of the list. */
static glim_status open_checkpoint(cli_model_influence *c, const char *entry, size_t n) {
    cli_run *run = c->run;
    char path[4096];
    size_t colon = n;
    while (colon && entry[colon - 1] != ':')
        colon--;
    char *end = NULL;
    double rate = colon > 1 ? strtod(entry + colon, &end) : NAN;
    if (colon < 2 || end != entry + n || !isfinite(rate) || colon > sizeof path)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--checkpoint: '%.*s' is not FILE:RATE (a file and its learning rate)",
                         n > 200 ? 200 : (int)n, entry);
    snprintf(path, sizeof path, "%.*s", (int)(colon - 1), entry);
    glim_status status =
        glim_model_open(&c->checkpoints[c->n_checkpoints], run->ctx, path, &run->err);
    if (!status)
        c->rates[++c->n_checkpoints] = rate;
    return status;
}

static glim_status open_checkpoints(cli_model_influence *c) {
    const char *at = c->run->o.checkpoints;
    size_t most = 1;
    for (const char *p = at; p && *p; p++)
        most += *p == ',';
    c->checkpoints = glim__calloc(c->run->ctx, most + 1, sizeof(glim_model *));
    c->rates = glim__calloc(c->run->ctx, most + 1, sizeof *c->rates);
    if (!c->checkpoints || !c->rates)
        return glim__oom(c->run->ctx, &c->run->err, "checkpoints", most * 16);
    c->rates[0] = c->run->o.rate;
    glim_status status = GLIM_OK;
    while (at && *at && !status) {
        size_t n = strcspn(at, ",");
        status = open_checkpoint(c, at, n);
        at += n + (at[n] == ',');
    }
    return status;
}

/* A TEXT is a row by itself; with --target what it should say. */
static glim_status open_query(cli_model_influence *c, const glim_samples_options *columns) {
    cli_run *run = c->run;
    const cli_options *o = &run->o;
    const char *names[2] = {"text", "label"}, *cells[2] = {NULL, o->target};
    glim_buffer text;
    if (o->query && o->text)
        return glim_fail(&run->err, GLIM_EUSAGE, "give one of TEXT and --query");
    if (o->query)
        return glim__samples_open(&c->query, run->model, o->query, columns, &run->err);
    if (!o->text)
        return GLIM_OK;
    glim__buffer_init(&text, run->ctx);
    glim_status status = cli_read_text(run, &text);
    glim__buffer_putc(&text, 0);
    cells[0] = text.data;
    if (!status && text.failed)
        status = glim__oom(run->ctx, &run->err, "the text", text.len);
    if (!status)
        status = glim__samples_one(&c->query, run->model, names, cells, o->target ? 2 : 1, NULL,
                                   &run->err);
    glim__buffer_release(&text);
    return status;
}

static glim_status open_all(cli_model_influence *c) {
    cli_run *run = c->run;
    const cli_options *o = &run->o;
    const glim_samples_options columns = {
        .text = o->text_column && strcmp(o->text_column, "text") != 0 ? o->text_column : NULL,
        .label = o->label,
        .skip_bad = o->missing && !strcmp(o->missing, "drop")};
    if (!o->train)
        return glim_fail(&run->err, GLIM_EUSAGE, "there are no training samples (--train FILE)");
    if (!o->model)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "%s reads training texts through a model (-m MODEL)", c->method->name);
    glim_status status = cli_open(run);
    if (!status)
        status = glim__samples_open(&c->train, run->model, o->train, &columns, &run->err);
    if (!status)
        status = open_query(c, &columns);
    if (!status)
        status = open_checkpoints(c);
    if (!status && o->store)
        status = glim__store_open(&c->store, run->ctx, o->store, NULL, &run->err);
    return status;
}

/* ---- what comes ---- */

static glim_status write_csv(cli_model_influence *c, const glim_influence_block *b,
                             glim_error *err) {
    char number[40];
    glim__buffer_clear(&c->line);
    for (size_t i = 0; i < b->count; i++) {
        glim__buffer_printf(&c->line, "%zu", glim__samples_row(c->train, b->first + i) + 1);
        for (size_t k = 0; k < c->n_columns; k++) {
            double v = b->values[i * c->n_columns + k];
            glim__buffer_putc(&c->line, ',');
            glim__number_text(v, false, number);
            glim__buffer_puts(&c->line, isfinite(v) ? number : "");
        }
        glim__buffer_puts(&c->line, "\r\n");
    }
    return c->line.failed ? glim__oom(c->run->ctx, err, "lines of the table", c->line.len)
                          : glim__outfile_write(&c->csv, c->line.data, c->line.len, err);
}

static glim_status take(void *data, const glim_influence_block *b, glim_error *err) {
    cli_model_influence *c = data;
    glim_influence_sink ends = glim_extremes_sink(c->ends);
    glim_status status = ends.take(ends.data, b, err);
    for (size_t k = 0; k < c->n_tried; k++)
        if (c->tried[k].sample >= b->first && c->tried[k].sample < b->first + b->count)
            c->tried[k].value = b->values[(c->tried[k].sample - b->first) * c->n_columns];
    c->done = b->first + b->count;
    return status || !c->writes_csv ? status : write_csv(c, b, err);
}

static glim_status begin_csv(cli_model_influence *c, glim_error *err) {
    glim_status status = glim__outfile_open(&c->csv, c->run->o.csv, err);
    c->writes_csv = !status;
    glim__buffer_clear(&c->line);
    glim__buffer_puts(&c->line, "row");
    for (size_t k = 0; k < c->n_columns; k++) {
        glim__buffer_printf(&c->line, ",%s", c->columns[k].name);
        if (c->columns[k].query != GLIM_NO_QUERY)
            glim__buffer_printf(&c->line, ":%zu", c->columns[k].query + 1);
    }
    glim__buffer_puts(&c->line, "\r\n");
    if (!status && c->line.failed)
        status = glim__oom(c->run->ctx, err, "the columns", c->line.len);
    return status ? status : glim__outfile_write(&c->csv, c->line.data, c->line.len, err);
}

static glim_status begin(void *data, const glim_influence_column *columns, size_t n,
                         glim_influence_sink *sink, glim_error *err) {
    cli_model_influence *c = data;
    c->n_columns = n;
    c->columns = glim__arena_calloc(&c->arena, n, sizeof *c->columns);
    if (!c->columns)
        return glim__oom(c->run->ctx, err, "the columns", n * sizeof *columns);
    for (size_t k = 0; k < n; k++) {
        c->columns[k] = columns[k];
        c->columns[k].name = glim__arena_strdup(&c->arena, columns[k].name);
        if (!c->columns[k].name)
            return glim__oom(c->run->ctx, err, "the columns", n * sizeof *columns);
    }
    *sink = (glim_influence_sink){take, c};
    glim_status status =
        glim_extremes_new(&c->ends, c->run->ctx, c->columns, n, (size_t)c->run->o.top, err);
    return status || !c->run->o.csv ? status : begin_csv(c, err);
}

static glim_status end_csv(cli_model_influence *c, glim_status status) {
    if (c->writes_csv && (!status || status == GLIM_ECANCELLED)) {
        glim_status ended = glim__outfile_commit(&c->csv, &c->run->err);
        if (!ended)
            cli_wrote(c->run, c->run->o.csv);
        return status ? status : ended;
    }
    if (c->writes_csv)
        glim__outfile_abort(&c->csv);
    return status;
}

/* ---- real steps ---- */

/* Samples whose steps will be taken: --check of them, spread evenly. */
static glim_status choose_tried(cli_model_influence *c, size_t n) {
    size_t most = (size_t)c->run->o.check < n ? (size_t)c->run->o.check : n;
    if (!c->run->o.check)
        return GLIM_OK;
    if (!c->query)
        return glim_fail(&c->run->err, GLIM_EUSAGE,
                         "--check takes real steps and looks at a query (a TEXT or --query FILE)");
    c->tried = glim__arena_calloc(&c->arena, most, sizeof *c->tried);
    if (!c->tried)
        return glim__oom(c->run->ctx, &c->run->err, "samples", most * sizeof *c->tried);
    c->n_tried = most;
    for (size_t k = 0; k < most; k++)
        c->tried[k] = (cli_tried){.sample = k * n / most, .value = NAN, .change = NAN};
    return GLIM_OK;
}

/* One rate for all, small enough that the longest gradient's own loss falls by about 0.05. */
static glim_status find_rate(cli_model_influence *c, glim_tail_patch *t, double *rate) {
    double most = 0, square;
    glim_status status = GLIM_OK;
    for (size_t k = 0; k < c->n_tried && !status; k++) {
        status = glim__tail_patch_square(t, c->tried[k].sample, &square, &c->run->err);
        most = square > most ? square : most;
    }
    *rate = most > 0 ? 0.05 / most : 0;
    return status;
}

static glim_status correlate(cli_model_influence *c) {
    glim_context *ctx = c->run->ctx;
    double *x = glim__calloc(ctx, 2 * c->n_tried, sizeof *x), *y = x + c->n_tried;
    size_t n = 0;
    if (!x)
        return glim__oom(ctx, &c->run->err, "changes", 2 * c->n_tried * sizeof *x);
    for (size_t k = 0; k < c->n_tried; k++)
        if (isfinite(c->tried[k].value) && isfinite(c->tried[k].change)) {
            x[n] = c->tried[k].value;
            y[n++] = c->tried[k].change;
        }
    c->pearson = glim__truth_pearson(x, y, n);
    glim_status status = glim__truth_spearman(ctx, x, y, n, &c->spearman, &c->run->err);
    glim__free(ctx, x);
    if (status)
        return status;
    glim_document_check_add(c->doc, "tail_patch", c->spearman,
                            "rank correlation of influences and what one real step on each "
                            "sample did to the first query; 1 is right");
    if (!(c->spearman >= 0.5))
        glim_document_judge(c->doc, GLIM_VERDICT_CAREFUL,
                            "real steps on samples do not follow the influences (rank "
                            "correlation %.2f)",
                            c->spearman);
    return status;
}

static glim_status check_steps(cli_model_influence *c, const glim_influence_work *w) {
    glim_gradient_work g;
    glim_tail_patch *t = NULL;
    glim_error *err = &c->run->err;
    double rate = 0, *changes = glim__calloc(c->run->ctx, w->n_queries + 1, sizeof *changes);
    glim_status status = changes ? GLIM_OK : glim__oom(c->run->ctx, err, "changes", 8);
    if (!status)
        status = glim__gradient_work_init(&g, w, cli_method_weights(c->run), err);
    if (status) {
        glim__free(c->run->ctx, changes);
        return status;
    }
    status = glim__tail_patch_new(&t, &g, err);
    if (!status)
        status = find_rate(c, t, &rate);
    for (size_t k = 0; k < c->n_tried && !status; k++) {
        status = glim__tail_patch_try(t, c->tried[k].sample, rate, changes, err);
        c->tried[k].change = changes[0];
    }
    if (!status)
        status = correlate(c);
    c->rate = rate;
    glim__tail_patch_free(t);
    glim__gradient_work_release(&g);
    glim__free(c->run->ctx, changes);
    return status;
}

/* The weights that the method was asked to look at. */
const char *cli_method_weights(const cli_run *run) {
    const glim_param *p = run->influence->params;
    p = p && run->method_opts ? glim_param_find(p, "weights") : NULL;
    return p ? *(const char *const *)(const void *)((const char *)run->method_opts + p->offset)
             : NULL;
}

/* ---- the run ---- */

static glim_status run_method(cli_model_influence *c, const glim_influence_work *w) {
    cli_run *run = c->run;
    glim_influence_out out = {begin, c, c->doc};
    double start = glim__seconds();
    glim_status status = choose_tried(c, w->n);
    if (!status)
        status = glim__influence_run(w, c->method, run->method_opts, &out, &run->err);
    if (!status && c->n_tried)
        status = check_steps(c, w);
    c->checked = !status && c->n_tried;
    c->seconds = glim__seconds() - start;
    c->partial = status == GLIM_ECANCELLED;
    return end_csv(c, status);
}

static glim_status answer(cli_model_influence *c) {
    bool ok = true;
    glim_status status = GLIM_OK;
    if (c->run->o.json) {
        json_t *all = cli_model_influence_json(c, &ok);
        status = cli_put_json(c->run, c->run->o.json, all, ok);
    }
    return !status && cli_wants_terminal(c->run) ? cli_model_influence_show(c) : status;
}

static void release(cli_model_influence *c) {
    glim_context *ctx = c->run->ctx;
    for (size_t k = 0; c->checkpoints && k < c->n_checkpoints; k++)
        glim_model_close(c->checkpoints[k]);
    glim__free(ctx, c->checkpoints);
    glim__free(ctx, c->rates);
    glim__samples_close(c->train);
    glim__samples_close(c->query);
    glim__store_close(c->store);
    glim__buffer_release(&c->line);
    glim_extremes_free(c->ends);
    glim_document_free(c->doc);
    glim__arena_release(&c->arena);
}

static glim_status put_plan(cli_model_influence *c, const glim_influence_work *w) {
    glim_plan plan;
    glim_status status =
        glim__influence_plan(w, c->method, c->run->method_opts, &plan, &c->run->err);
    plan.bytes += glim_context_bytes(c->run->ctx);
    plan.bytes_wanted += glim_context_bytes(c->run->ctx);
    return status ? status : cli_put_plan(c->run, c->method->name, &plan);
}

glim_status cli_model_influence_run(cli_run *run) {
    cli_model_influence c = {.run = run, .method = run->influence, .csv = {.fd = -1}};
    glim__arena_init(&c.arena, run->ctx, 4096);
    glim__buffer_init(&c.line, run->ctx);
    glim_status status = open_all(&c);
    const glim_influence_work w = {
        .ctx = run->ctx,
        .n = status ? 0 : glim__samples_count(c.train),
        .n_queries = c.query ? glim__samples_count(c.query) : 0,
        .target = {.output = run->o.output},
        .seed = (uint64_t)run->o.seed,
        .model = run->model,
        .samples = c.train,
        .query_samples = c.query,
        .checkpoints = (const glim_model *const *)c.checkpoints,
        .n_checkpoints = c.n_checkpoints,
        .rates = c.rates,
        .store = c.store,
    };
    if (!status && !run->o.dry_run)
        status = glim_document_new(&c.doc, run->ctx, &run->err);
    if (!status)
        status = run->o.dry_run ? put_plan(&c, &w) : run_method(&c, &w);
    if (c.ends && (!status || status == GLIM_ECANCELLED)) {
        glim_context_reset(run->ctx);
        glim_status shown = answer(&c);
        status = status ? status : shown;
    }
    release(&c);
    return status;
}
