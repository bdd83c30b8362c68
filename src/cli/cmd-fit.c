/* SPDX-License-Identifier: Apache-2.0 */
/* glim fit: a linear or logistic model of a table's columns, or of a model's
   representation of texts, into a file that is a predictor. */
#include "cli/commands.h"

#include <math.h>
#include <string.h>

static const glim_param own_flags[] = {
    {.name = "data",
     .type = GLIM_STRING,
     .offset = offsetof(cli_options, data),
     .value_name = "FILE",
     .help = ".csv, .tsv, .jsonl; .txt: LABEL, tab, text",
     .group = "Data"},
    {.name = "label",
     .type = GLIM_STRING,
     .offset = offsetof(cli_options, label),
     .value_name = "COLUMN",
     .def.s = "label",
     .help = "the column to predict"},
    {.name = "columns",
     .type = GLIM_STRING,
     .offset = offsetof(cli_options, columns),
     .value_name = "A,B",
     .help = "columns to fit on (default: all others)"},
    {.name = "missing",
     .type = GLIM_CHOICE,
     .offset = offsetof(cli_options, missing),
     .def.s = "error",
     .choices = "error|drop",
     .help = "rows with missing cells"},
    {.name = "text",
     .type = GLIM_STRING,
     .offset = offsetof(cli_options, text_column),
     .value_name = "COLUMN",
     .def.s = "text",
     .help = "with --model: the column of texts"},
    {.name = "on",
     .type = GLIM_STRING,
     .offset = offsetof(cli_options, on),
     .value_name = "SITE",
     .help = "with --model: blocks.N.hook_resid_post; default: the last"},
    {.name = "pool",
     .type = GLIM_CHOICE,
     .offset = offsetof(cli_options, pool),
     .def.s = "mean",
     .choices = "mean|last|cls",
     .help = "with --model: one vector of all tokens"},
    {.name = "kind",
     .type = GLIM_CHOICE,
     .offset = offsetof(cli_options, kind),
     .def.s = "logistic",
     .choices = "logistic|linear",
     .help = "classes or numbers",
     .group = "Fit"},
    {.name = "strength",
     .type = GLIM_REAL,
     .offset = offsetof(cli_options, strength),
     .def.r = -1,
     .min = -1,
     .max = 1e12,
     .help = "of the penalty (1/C); default: by cross-validation"},
    {.name = "l1-ratio",
     .type = GLIM_REAL,
     .offset = offsetof(cli_options, l1_ratio),
     .max = 1,
     .help = "0 is L2, 1 is L1, between: elastic net"},
    {.name = "class-weights",
     .type = GLIM_STRING,
     .offset = offsetof(cli_options, class_weights),
     .value_name = "W",
     .help = "balanced, or NAME=2,OTHER=1"},
    {.name = "raw-scale",
     .type = GLIM_BOOL,
     .offset = offsetof(cli_options, raw_scale),
     .help = "do not divide columns by their deviation"},
    {.name = "held-out",
     .type = GLIM_REAL,
     .offset = offsetof(cli_options, held_out),
     .def.r = 0.2,
     .max = 0.99,
     .help = "share of the rows to measure on"},
    {.name = "folds",
     .type = GLIM_INT,
     .offset = offsetof(cli_options, folds),
     .def.i = 5,
     .min = 2,
     .max = 1000,
     .help = "of cross-validation"},
    {.name = "iterations",
     .type = GLIM_INT,
     .offset = offsetof(cli_options, iterations),
     .def.i = 1000,
     .min = 1,
     .max = 1000000,
     .help = "at most"},
    {.name = "out",
     .letter = 'o',
     .type = GLIM_STRING,
     .offset = offsetof(cli_options, out),
     .value_name = "FILE",
     .help = "the file to write, for --predictor fit:FILE"},
    {0},
};

/* ---- what was found ---- */

static json_t *grid_json(const glim_fit_report *r, bool *ok) {
    json_t *list = json_array();
    for (size_t i = 0; i < r->n_grid; i++) {
        json_t *o = json_object();
        glim__json_set(ok, o, "strength", glim__json_number(r->grid[i].strength));
        glim__json_set(ok, o, "score", glim__json_number(r->grid[i].score));
        glim__json_set(ok, o, "error", glim__json_number(r->grid[i].error));
        glim__json_add(ok, list, o);
    }
    return list;
}

static json_t *report_json(const cli_run *run, const glim_fit_report *r, bool *ok) {
    json_t *o = json_object(), *held = json_null();
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"strength", r->strength},
                   {"l1_ratio", r->l1_ratio},
                   {"loss", r->loss},
                   {"slope", r->slope},
                   {"seconds", r->seconds}};
    const struct {
        const char *name;
        size_t value;
    } counts[] = {{"rows", r->rows},      {"left_out", r->left_out}, {"cut", r->cut},
                  {"features", r->width}, {"classes", r->n_classes}, {"iterations", r->iterations},
                  {"zeros", r->zeros},    {"folds", r->folds}};
    glim__json_set(ok, o, "schema", json_string("glim.fit/1"));
    glim__json_set(ok, o, "kind", json_string(r->kind == GLIM_FIT_LINEAR ? "linear" : "logistic"));
    glim__json_set(ok, o, "data", json_string(run->o.data));
    glim__json_set(ok, o, "file", json_string(run->o.out));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        glim__json_set(ok, o, counts[i].name, json_integer((json_int_t)counts[i].value));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        glim__json_set(ok, o, numbers[i].name, glim__json_number(numbers[i].value));
    glim__json_set(ok, o, "converged", json_boolean(r->converged));
    glim__json_set(ok, o, "separable", json_boolean(r->separable));
    glim__json_set(ok, o, "grid", grid_json(r, ok));
    if (r->held_out) {
        held = json_object();
        glim__json_set(ok, held, "rows", json_integer((json_int_t)r->held_out));
        if (r->kind == GLIM_FIT_LINEAR) {
            glim__json_set(ok, held, "rmse", glim__json_number(r->rmse));
            glim__json_set(ok, held, "r2", glim__json_number(r->r2));
        } else {
            glim__json_set(ok, held, "correct", json_integer((json_int_t)r->correct));
            glim__json_set(ok, held, "accuracy", glim__json_number(r->accuracy));
            glim__json_set(ok, held, "low", glim__json_number(r->low));
            glim__json_set(ok, held, "high", glim__json_number(r->high));
            glim__json_set(ok, held, "majority", glim__json_number(r->majority));
        }
    }
    glim__json_set(ok, o, "held_out", held);
    return o;
}

static void put_grid(glim_buffer *out, const glim_fit_report *r) {
    bool linear = r->kind == GLIM_FIT_LINEAR;
    glim__buffer_printf(out, "strength        %s, mean of %zu folds\n",
                        linear ? "squared error" : "accuracy", r->folds);
    for (size_t i = 0; i < r->n_grid; i++) {
        bool chosen = r->grid[i].strength == r->strength;
        glim__buffer_printf(out, "  %9g     ", r->grid[i].strength);
        if (linear)
            glim__buffer_printf(out, "%10.4g +- %.2g", r->grid[i].score, r->grid[i].error);
        else
            glim__buffer_printf(out, "%6.1f %% +- %.1f", 100 * r->grid[i].score,
                                100 * r->grid[i].error);
        glim__buffer_puts(out, chosen ? "  taken\n" : "\n");
    }
}

static void put_held_out(glim_buffer *out, const glim_fit_report *r) {
    if (!r->held_out) {
        glim__buffer_puts(out, "held out        nothing: how good it is was not measured\n");
    } else if (r->kind == GLIM_FIT_LINEAR) {
        glim__buffer_printf(out,
                            "held out        R2 %.3f, error %.4g (root mean square), %zu rows\n",
                            r->r2, r->rmse, r->held_out);
    } else {
        glim__buffer_printf(out,
                            "held out        accuracy %.1f %% (95 %%: %.1f to %.1f), %zu of %zu "
                            "rows\n                always the most frequent class: %.1f %%\n",
                            100 * r->accuracy, 100 * r->low, 100 * r->high, r->correct, r->held_out,
                            100 * r->majority);
    }
}

static glim_status put_report(cli_run *run, const glim_fit_report *r) {
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    glim__buffer_printf(&out, "fitted          %zu rows, %zu features", r->rows, r->width);
    if (r->n_classes)
        glim__buffer_printf(&out, ", %zu classes", r->n_classes);
    glim__buffer_putc(&out, '\n');
    if (r->n_grid)
        put_grid(&out, r);
    else
        glim__buffer_printf(&out, "strength        %g\n", r->strength);
    if (r->zeros)
        glim__buffer_printf(&out, "weights         %zu are 0\n", r->zeros);
    put_held_out(&out, r);
    return cli_put_buffer(run, &out, "the report");
}

/* What a user should know, whether or not the report is read. */
static void tell(const cli_run *run, const glim_fit_report *r) {
    if (run->o.quiet)
        return;
    if (r->left_out)
        fprintf(stderr, "glim: note: %zu rows with missing cells were left out\n", r->left_out);
    if (r->cut)
        fprintf(stderr, "glim: note: %zu texts were longer than the model's context and were cut\n",
                r->cut);
    if (r->separable)
        fprintf(stderr, "glim: note: the classes can be told apart without error, so without a "
                        "penalty there are no best weights (take a --strength above 0)\n");
    else if (!r->converged)
        fprintf(stderr,
                "glim: note: the fit ended before its slope was small (%.1e; more --iterations, or "
                "a larger --strength)\n",
                r->slope);
}

/* ---- fitting ---- */

static glim_status check(cli_run *run) {
    const cli_options *o = &run->o;
    if (!o->data)
        return glim_fail(&run->err, GLIM_EUSAGE, "fit needs data (--data FILE.csv)");
    if (!o->out)
        return glim_fail(&run->err, GLIM_EUSAGE, "fit needs a file to write (-o FILE)");
    if (o->strength < 0 && o->strength != -1)
        return glim_fail(&run->err, GLIM_EUSAGE, "--strength %g is below 0", o->strength);
    if (!o->model && o->on)
        return glim_fail(&run->err, GLIM_EUSAGE, "--on names a site of a model (-m MODEL)");
    if (o->model && o->columns)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--columns is for tables; of texts --text names the column");
    return GLIM_OK;
}

static glim_status fit_texts(cli_run *run, const glim_fit_options *how, glim_linear **out,
                             glim_fit_report *report) {
    const cli_options *o = &run->o;
    char last[64];
    glim_status status = cli_open(run);
    if (status)
        return status;
    const glim_model_info *i = glim_model_facts(run->model);
    snprintf(last, sizeof last, "blocks.%d.%s", i->layers - 1,
             i->both_ways ? "hook_normalized_resid_post" : "hook_resid_post");
    glim_fit_texts texts = {.path = o->data,
                            .text = o->text_column,
                            .label = o->label,
                            .site = o->on ? o->on : last,
                            .pool = o->pool,
                            .drop_missing = !strcmp(o->missing, "drop")};
    return glim_fit_representation(out, report, run->model, &texts, how, &run->err);
}

static glim_status run_fit(cli_run *run) {
    const cli_options *o = &run->o;
    glim_linear *l = NULL;
    glim_fit_report report = {0};
    glim_fit_options how = {.kind =
                                !strcmp(o->kind, "linear") ? GLIM_FIT_LINEAR : GLIM_FIT_LOGISTIC,
                            .strength = o->strength,
                            .l1_ratio = o->l1_ratio,
                            .raw_scale = o->raw_scale,
                            .class_weights = o->class_weights,
                            .held_out = o->held_out,
                            .folds = (size_t)o->folds,
                            .seed = (uint64_t)o->seed,
                            .max_iterations = (size_t)o->iterations};
    glim_status status = check(run);
    if (!status && o->model)
        status = fit_texts(run, &how, &l, &report);
    else if (!status)
        status = glim_fit_columns(&l, &report, run->ctx,
                                  &(glim_fit_table){.path = o->data,
                                                    .label = o->label,
                                                    .columns = o->columns,
                                                    .drop_missing = !strcmp(o->missing, "drop")},
                                  &how, &run->err);
    if (!status)
        status = glim_linear_save(l, o->out, &run->err);
    if (!status && o->json) {
        bool ok = true;
        json_t *answer = report_json(run, &report, &ok);
        status = cli_put_json(run, o->json, answer, ok);
    }
    if (!status && (!o->json || strcmp(o->json, "-") != 0))
        status = put_report(run, &report);
    if (!status) {
        tell(run, &report);
        cli_wrote(run, o->out);
    }
    glim_linear_close(l);
    return status;
}

static const glim_param *const groups[] = {cli_flags_model,     own_flags,      cli_flags_json,
                                           cli_flags_resources, cli_flags_talk, NULL};
static const char *const examples[] = {
    "glim fit --data wine.csv --label class -o wine.fit",
    "glim fit -m MiniLM --data reviews.csv --text review --label mood -o mood.fit",
    "glim explain --predictor fit:mood.fit -m MiniLM \"a fine film\"", NULL};

const cli_command cli_fit = {
    .name = "fit",
    .summary = "fit a linear or logistic model on a table or on texts",
    .family = "basics",
    .produces = "glim.fit/1",
    .synopsis = "--data FILE --label COLUMN -o FILE",
    .examples = examples,
    .groups = groups,
    .run = run_fit,
};
