/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fitted models on the command line. One of texts becomes the end of the model that
 * --model names, and from there on is a classifier as any other; one of a table answers
 * for --table FILE, a row or all of them.
 */
#include "cli/fitted.h"
#include "cli/commands.h"
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

bool cli_is_fitted(const cli_run *run) {
    return run->o.predictor && !strncmp(run->o.predictor, "fit:", 4);
}

glim_status cli_open_fitted(cli_run *run) {
    const char *class_name = run->o.class_name;
    if (run->o.store && !run->command->keeps)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--store keeps the answers of programs and servers; this is a file");
    glim_status status = glim_linear_open(&run->linear, run->ctx, run->o.predictor + 4, &run->err);
    if (status)
        return status;
    if (!glim_linear_facts(run->linear)->site) {
        if (run->o.model)
            return glim_fail(&run->err, GLIM_EUSAGE,
                             "'%s' reads the columns of a table, no texts (leave out --model)",
                             run->o.predictor + 4);
        return GLIM_OK;
    }
    if (!run->o.model)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "'%s' reads texts through the model that it was fitted on (-m MODEL)",
                         run->o.predictor + 4);
    run->o.class_name = NULL; /* of a fitted model it may be given */
    status = cli_open(run);
    run->o.class_name = class_name;
    run->base = run->model;
    run->model = NULL;
    if (!status)
        status = glim_model_open_fitted(&run->model, run->base, run->linear, &run->err);
    return status;
}

/* ---- rows ---- */

glim_status cli_open_rows(cli_run *run, glim_table **out) {
    const cli_options *o = &run->o;
    glim_status status = glim__table_open(out, run->ctx, o->table, &run->err);
    if (!status && (size_t)o->row > (*out)->n_rows)
        status = glim_fail(&run->err, GLIM_EUSAGE, "'%s' has %zu rows; there is no row %lld",
                           o->table, (*out)->n_rows, (long long)o->row);
    return status;
}

static glim_status open_table(cli_run *run, glim_table **out) {
    const cli_options *o = &run->o;
    *out = NULL;
    if (o->text || o->file || o->chat || o->context || o->context_file)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "this model reads the columns of a table (--table FILE.csv --row N), no "
                         "text");
    if (!o->table)
        return glim_fail(&run->err, GLIM_EUSAGE, "there is no row (give --table FILE.csv --row N)");
    return cli_open_rows(run, out);
}

static const char *const *cells_of(const glim_table *t, size_t row) {
    return t->cells + row * t->n_columns;
}

glim_status cli_fitted_table(cli_run *run) {
    const cli_options *o = &run->o;
    if (o->continuation || o->generate || strcmp(o->units, "auto") != 0)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--continuation, --generate and --units are for texts");
    if (o->target && o->class_name)
        return glim_fail(&run->err, GLIM_EUSAGE, "give either --target or --class");
    return open_table(run, &run->table);
}

glim_status cli_fitted_at(cli_run *run, size_t row, glim_predictor **out) {
    const cli_options *o = &run->o;
    glim_class_options c = {.class_name = o->class_name ? o->class_name : o->target,
                            .against = o->against,
                            .output = o->output};
    const glim_table *t = run->table;
    glim_status status = glim_predictor_row(out, run->linear, t->columns, cells_of(t, row),
                                            t->n_columns, &c, &run->err);
    if (status)
        return glim_prefix(&run->err, status, "row %zu of '%.200s'", row + 1, o->table);
    (*out)->table = t; /* what methods sample from */
    (*out)->table_row = row;
    return GLIM_OK;
}

glim_status cli_fitted_row(cli_run *run, glim_predictor **out) {
    glim_status status = cli_fitted_table(run);
    if (!status && !run->o.row)
        status = glim_fail(&run->err, GLIM_EUSAGE,
                           "one row is explained (--row N, 1 is the first below the header)");
    return status ? status : cli_fitted_at(run, (size_t)run->o.row - 1, out);
}

/* ---- predict ---- */

/* Probabilities of values (K) in place of them; a linear model keeps its value. */
static void probabilities(double *z, size_t K) {
    double top = -INFINITY, sum = 0;
    if (K == 2) { /* z is the log odds of each */
        double p = 1 / (1 + exp(-z[1]));
        z[0] = z[1] > 0 ? exp(-z[1]) * p : 1 - p;
        z[1] = p;
        return;
    }
    for (size_t k = 0; k < K; k++)
        top = z[k] > top ? z[k] : top;
    for (size_t k = 0; k < K; k++)
        sum += z[k] = exp(z[k] - top);
    for (size_t k = 0; k < K; k++)
        z[k] /= sum;
}

struct answers {
    const glim_linear_info *info;
    glim_table *t;
    size_t first, n, width; /* rows; numbers of a row */
    double *logits, *probs; /* (n, width) */
};

static json_t *outputs_json(const struct answers *a, size_t i, const size_t *order, size_t top,
                            bool *ok) {
    json_t *outputs = json_array();
    for (size_t j = 0; j < top; j++) {
        size_t k = order[j];
        const char *name = a->info->n_classes ? a->info->classes[k]
                           : a->info->target  ? a->info->target
                                              : "value";
        double logit = a->logits[i * a->width + k], prob = a->probs[i * a->width + k];
        bool linear = !a->info->n_classes;
        json_t *o = cli_output_json(name, strlen(name), (int64_t)k, linear ? NAN : logit,
                                    linear ? NAN : prob, ok);
        if (linear)
            glim__json_set(ok, o, "score", glim__json_number(logit));
        glim__json_add(ok, outputs, o);
    }
    return outputs;
}

/* The cells that the model reads, as an explanation shows them. */
static json_t *row_text(const cli_run *run, const struct answers *a, size_t i) {
    glim_buffer text;
    glim__buffer_init(&text, run->ctx);
    for (size_t c = 0; c < a->info->n_columns; c++) {
        const char *name = a->info->columns[c];
        glim__columns_name(&text, name);
        glim__buffer_puts(&text,
                          glim__table_cell(a->t, a->first + i, glim__table_find(a->t, name)));
    }
    json_t *o = glim__json_text(text.data ? text.data : "", text.len);
    glim__buffer_release(&text);
    return o;
}

/* One row as texts are answered; several as a list of such answers. */
static glim_status as_json(cli_run *run, const struct answers *a, size_t *order, size_t top) {
    bool ok = true;
    json_t *list = json_array();
    for (size_t i = 0; i < a->n; i++) {
        json_t *one = json_object();
        cli_order(a->probs + i * a->width, a->width, order);
        glim__json_set(&ok, one, "schema", json_string("glim.prediction/1"));
        glim__json_set(&ok, one, "text", row_text(run, a, i));
        glim__json_set(&ok, one, "row", json_integer((json_int_t)a->first + (json_int_t)i + 1));
        glim__json_set(&ok, one, "predictor", json_string(run->o.predictor));
        glim__json_set(&ok, one, "outputs", outputs_json(a, i, order, top, &ok));
        glim__json_set(&ok, one, "tokens", json_array());
        glim__json_add(&ok, list, one);
    }
    if (run->o.row) {
        json_t *one = json_incref(json_array_get(list, 0));
        json_decref(list);
        return cli_put_json(run, run->o.json, one, ok);
    }
    return cli_put_json(run, run->o.json, list, ok);
}

/* A line a row: its number, the class and its probability. */
static void put_line(cli_run *run, glim_buffer *out, const struct answers *a, size_t i, size_t k) {
    glim__buffer_printf(out, "%6zu  ", a->first + i + 1);
    if (!a->info->n_classes) {
        glim__buffer_printf(out, "%.6g\n", a->logits[i * a->width]);
        return;
    }
    size_t from = out->len;
    cli_visible(out, a->info->classes[k], strlen(a->info->classes[k]), CLI_PLAIN, cli_ascii(run));
    cli_pad(out, from, 20);
    glim__buffer_printf(out, " %6.1f %%\n", 100 * a->probs[i * a->width + k]);
}

static glim_status as_table(cli_run *run, const struct answers *a, size_t *order, size_t top) {
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    for (size_t i = 0; i < a->n; i++) {
        cli_order(a->probs + i * a->width, a->width, order);
        if (!run->o.row || !a->info->n_classes) {
            put_line(run, &out, a, i, order[0]);
            continue;
        }
        for (size_t j = 0; j < top; j++) {
            const char *name = a->info->classes[order[j]];
            cli_rank(run, &out, j + 1, name, strlen(name), a->probs[order[j]], a->logits[order[j]]);
        }
    }
    return cli_put_buffer(run, &out, "the answer");
}

static glim_status as_raw(cli_run *run, const struct answers *a) {
    float *all = glim__calloc(run->ctx, a->n, a->width * sizeof *all);
    if (!all)
        return glim__oom(run->ctx, &run->err, "the array", a->n * a->width * sizeof *all);
    for (size_t i = 0; i < a->n * a->width; i++)
        all[i] = (float)a->logits[i];
    glim_status status = cli_put_raw(run, all, a->n, a->width);
    glim__free(run->ctx, all);
    return status;
}

static glim_status answer_rows(cli_run *run, struct answers *a) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < a->n && !status; i++) {
        double *z = a->logits + i * a->width, *p = a->probs + i * a->width;
        status = glim_linear_row(run->linear, a->t->columns, cells_of(a->t, a->first + i),
                                 a->t->n_columns, z, &run->err);
        if (status)
            return glim_prefix(&run->err, status, "row %zu of '%.200s'", a->first + i + 1,
                               run->o.table);
        memcpy(p, z, a->width * sizeof *p);
        if (a->info->n_classes)
            probabilities(p, a->width);
        if (i % 256 == 0)
            status = glim__check_cancel(run->ctx, &run->err);
    }
    return status;
}

static glim_status show_rows(cli_run *run, struct answers *a) {
    size_t top = (size_t)run->o.top < a->width ? (size_t)run->o.top : a->width;
    size_t *order = glim__calloc(run->ctx, a->width, sizeof *order);
    glim_status status = order ? GLIM_OK : glim__oom(run->ctx, &run->err, "the classes", a->width);
    if (!status && run->o.raw)
        status = as_raw(run, a);
    if (!status && run->o.json)
        status = as_json(run, a, order, top);
    if (!status && cli_wants_terminal(run))
        status = as_table(run, a, order, top);
    glim__free(run->ctx, order);
    return status;
}

glim_status cli_predict_fitted(cli_run *run) {
    struct answers a = {.info = glim_linear_facts(run->linear)};
    glim_status status = open_table(run, &a.t);
    if (!a.t)
        return status;
    if (!status) {
        a.first = run->o.row ? (size_t)run->o.row - 1 : 0;
        a.n = run->o.row ? 1 : a.t->n_rows;
        a.width = a.info->n_classes ? a.info->n_classes : 1;
        a.logits = glim__calloc(run->ctx, a.n, 2 * a.width * sizeof *a.logits);
        if (!a.logits)
            status = glim__oom(run->ctx, &run->err, "the answers", a.n * a.width * 16);
    }
    if (!status) {
        a.probs = a.logits + a.n * a.width;
        status = answer_rows(run, &a);
    }
    if (!status)
        status = show_rows(run, &a);
    glim__free(run->ctx, a.logits);
    glim__table_close(a.t);
    return status;
}

/* ---- info ---- */

static json_t *list_json(const char *const *names, size_t n, bool *ok) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        glim__json_add(ok, list, json_string(names[i]));
    return list;
}

static glim_status info_json(cli_run *run, const glim_linear_info *i) {
    bool ok = true;
    json_t *o = json_object();
    const char *how = i->kind == GLIM_FIT_LINEAR ? "linear model" : "logistic model";
    glim__json_set(&ok, o, "schema", json_string("glim.predictor/1"));
    glim__json_set(&ok, o, "predictor", json_string(run->o.predictor));
    glim__json_set(&ok, o, "kind", json_string("fit"));
    glim__json_set(&ok, o, "name", i->target ? json_string(i->target) : json_null());
    glim__json_set(&ok, o, "how", json_string(how));
    glim__json_set(&ok, o, "digest", json_string(i->digest));
    glim__json_set(&ok, o, "scale", json_string(i->kind == GLIM_FIT_LINEAR ? "raw" : "logit"));
    glim__json_set(&ok, o, "classes", list_json(i->classes, i->n_classes, &ok));
    if (i->site) {
        glim__json_set(&ok, o, "site", json_string(i->site));
        glim__json_set(&ok, o, "pool", json_string(i->pool));
    } else {
        glim__json_set(&ok, o, "columns", list_json(i->columns, i->n_columns, &ok));
    }
    return cli_put_json(run, run->o.json, o, ok);
}

static void put_list(glim_buffer *out, const char *const *names, size_t n, bool ascii) {
    for (size_t i = 0; i < n && i < 20; i++) {
        glim__buffer_puts(out, i ? ", " : "");
        cli_visible(out, names[i], strlen(names[i]), CLI_PLAIN, ascii);
    }
    glim__buffer_puts(out, n > 20 ? ", ...\n" : "\n");
}

static void info_text(cli_run *run, const glim_linear_info *i, glim_buffer *out) {
    bool ascii = cli_ascii(run);
    glim__buffer_printf(out, "predictor       ");
    cli_visible(out, run->o.predictor, strlen(run->o.predictor), CLI_PLAIN, ascii);
    glim__buffer_printf(out, "\nkind            %s model of %zu features%s",
                        i->kind == GLIM_FIT_LINEAR ? "linear" : "logistic", i->width,
                        i->target ? ", predicts " : "");
    if (i->target)
        cli_visible(out, i->target, strlen(i->target), CLI_PLAIN, ascii);
    glim__buffer_putc(out, '\n');
    if (i->n_classes) {
        glim__buffer_puts(out, "classes         ");
        put_list(out, i->classes, i->n_classes, ascii);
    }
    if (i->site) {
        glim__buffer_puts(out, "reads           texts through ");
        cli_visible(out, i->architecture, strlen(i->architecture), CLI_PLAIN, ascii);
        glim__buffer_puts(out, " at ");
        cli_visible(out, i->site, strlen(i->site), CLI_PLAIN, ascii);
        glim__buffer_printf(out, ", pooled by %s\n", i->pool);
    } else {
        glim__buffer_puts(out, "columns         ");
        put_list(out, i->columns, i->n_columns, ascii);
    }
    glim__buffer_printf(out, "fitted          on %zu rows, strength %g", i->rows, i->strength);
    if (i->held_out && isfinite(i->accuracy) && isfinite(i->low))
        glim__buffer_printf(out, "; accuracy %.1f %% (95 %%: %.1f to %.1f) on %zu held out",
                            100 * i->accuracy, 100 * i->low, 100 * i->high, i->held_out);
    else if (i->held_out && isfinite(i->accuracy))
        glim__buffer_printf(out, "; R\xc2\xb2 %.3f on %zu held out", i->accuracy, i->held_out);
    glim__buffer_puts(out, "\ncan             predict, gradients\n");
}

glim_status cli_info_fitted(cli_run *run) {
    glim_buffer out;
    glim_status status = glim_linear_open(&run->linear, run->ctx, run->o.predictor + 4, &run->err);
    if (status)
        return status;
    const glim_linear_info *i = glim_linear_facts(run->linear);
    if (run->o.json)
        return info_json(run, i);
    glim__buffer_init(&out, run->ctx);
    info_text(run, i, &out);
    return cli_put_buffer(run, &out, "the answer");
}
