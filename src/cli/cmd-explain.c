/* SPDX-License-Identifier: Apache-2.0 */
/* glim explain: which parts of the input made the model say this. */
#include "cli/align-flags.h"
#include "cli/box-row.h"
#include "cli/commands.h"
#include "cli/fitted.h"
#include "cli/menu.h"
#include "cli/pick.h"
#include "cli/picture.h"
#include "cli/show.h"
#include "file/safetensors.h"
#include "predict/predictor.h"

#include <stdlib.h>
#include <string.h>

/* The kind of that name; of "auto", whatever is chosen later, the first. */
static glim_unit_kind unit_kind(const char *name) {
    for (int i = 0; glim_unit_kind_name((glim_unit_kind)i); i++)
        if (!strcmp(name, glim_unit_kind_name((glim_unit_kind)i)))
            return (glim_unit_kind)i;
    return GLIM_UNIT_TOKEN;
}

static glim_status make_predictor(cli_run *run, glim_predictor **out) {
    const cli_options *o = &run->o;
    unsigned needs = run->method ? run->method->needs : GLIM_CAN_PREDICT;
    bool looks = (needs & GLIM_CAN_ATTENTION) && !(needs & GLIM_CAN_PREDICT);
    glim_target_options t = {.target = o->target,
                             .against = o->against,
                             .continuation = o->continuation,
                             .generate = (size_t)o->generate,
                             .labels = o->labels,
                             .length_normalise = o->length_normalise,
                             .output = o->output,
                             .source = o->source,
                             .late = looks,
                             .units = unit_kind(o->units),
                             .auto_units = !strcmp(o->units, "auto")};
    bool writes =
        o->continuation || o->generate || glim_model_facts(run->model)->task == GLIM_TASK_TRANSLATE;
    glim_status status =
        o->align && !writes
            ? glim_fail(&run->err, GLIM_EUSAGE,
                        "--align joins words that were written with words that were read "
                        "(--continuation TEXT or --generate N)")
            : GLIM_OK;
    return status ? status : glim_predictor_lm(out, run->model, run->tokens, &t, &run->err);
}

static glim_status show_plan(cli_run *run, const glim_predictor *p) {
    glim_plan plan;
    glim_status status = glim_explain_plan(&plan, p, run->method, run->method_opts, &run->err);
    return status ? status : cli_put_plan(run, run->method->name, &plan);
}

/* ---- the array behind the scores ---- */

static glim_status keep_gradient(void *data, size_t sample, size_t row, const float *g,
                                 glim_error *err) {
    const glim_predictor *p = ((void **)data)[0];
    memcpy(((void **)data)[1], g, p->T * p->C * sizeof *g);
    return GLIM_OK;
}

/* (T, C) gradient of the first target row for the family of input gradients, else the
   scores (rows, units): other methods take slopes elsewhere, if any. */
static glim_status write_raw(cli_run *run, glim_predictor *p, const glim_document *doc) {
    bool gradient = !strcmp(run->method->family, "gradients");
    size_t n = gradient ? p->T * p->C : doc->n_rows * doc->input.n_units;
    uint64_t dims[2] = {gradient ? p->T : doc->n_rows, gradient ? p->C : doc->input.n_units};
    float *all = glim__calloc(run->ctx, n + 1, sizeof *all);
    float *x = gradient ? glim__calloc(run->ctx, n, sizeof *x) : NULL;
    double *values = glim__calloc(run->ctx, p->n_rows, sizeof *values);
    void *data[2] = {p, all};
    glim_status status = all && values && (x || !gradient)
                             ? GLIM_OK
                             : glim__oom(run->ctx, &run->err, "the array", n * sizeof *all);
    if (!status && gradient)
        status = p->embed(p, x, &run->err);
    if (!status && gradient)
        status = p->gradient(p, x, 1, 0, values, keep_gradient, data, &run->err);
    for (size_t i = 0; i < n && !gradient && !status; i++)
        all[i] = (float)doc->scores[i];
    if (!status)
        status = glim__npy_write(run->ctx, run->o.raw, all, 2, dims, &run->err);
    glim__free(run->ctx, all);
    glim__free(run->ctx, x);
    glim__free(run->ctx, values);
    return status;
}

/* Links of the words, when they are asked for. */
static glim_status align(cli_run *run, glim_document *doc) {
    glim_align_options a;
    glim_buffer gold;
    glim__buffer_init(&gold, run->ctx);
    glim_status status = cli_align(run, &gold, &a);
    if (!status && run->o.align)
        status = glim_document_align(doc, &a, &run->err);
    glim__buffer_release(&gold);
    return status;
}

static glim_status explain(cli_run *run, glim_predictor *p) {
    const char *why = NULL;
    glim_document *doc = NULL;
    if (run->then)
        return run->then(run, p);
    if (!run->method) {
        run->method = glim_method_default(p, &why);
        if (run->o.verbose)
            fprintf(stderr, "glim: method %s: %s\n", run->method->name, why);
    }
    if (run->o.dry_run)
        return show_plan(run, p);
    run->planned = true;
    glim_status status =
        glim_explain(&doc, p, run->method, run->method_opts, (uint64_t)run->o.seed, &run->err);
    if (doc) { /* a partial one, too */
        glim_error kept = run->err;
        glim_context_reset(run->ctx);
        glim_status shown = run->o.raw && !status ? write_raw(run, p, doc) : GLIM_OK;
        if (!shown)
            shown = align(run, doc);
        if (!shown)
            shown = cli_show(run, doc);
        if (status)
            run->err = kept;
        else
            status = shown;
    }
    glim_document_free(doc);
    return status;
}

/* ---- black boxes and fitted models ---- */

struct box_rows {
    glim_black_box *box;
    cli_row *cells;
    cli_texts *texts;
    const glim_class_options *how;
};

static glim_status make_box_row(cli_run *run, void *data, size_t row, glim_predictor **out) {
    struct box_rows *b = data;
    cli_row_move(b->cells, row);
    glim_status status =
        glim_predictor_black_box_row(out, b->box, &b->cells->row, b->how, &run->err);
    if (status)
        return status;
    (*out)->table = b->cells->table; /* what methods sample from */
    (*out)->table_row = row;
    return GLIM_OK;
}

static glim_status make_box_text(cli_run *run, void *data, size_t row, glim_predictor **out) {
    struct box_rows *b = data;
    const char *text = cli_texts_at(b->texts, row);
    *out = NULL;
    return text ? glim_predictor_black_box(out, b->box, text, strlen(text), b->how, &run->err)
                : GLIM_OK;
}

static glim_status make_model_text(cli_run *run, void *data, size_t row, glim_predictor **out) {
    glim_status status = cli_texts_tokens(run, data, row);
    *out = NULL;
    return status || !run->tokens ? status : make_predictor(run, out);
}

static glim_status make_fitted_row(cli_run *run, void *data, size_t row, glim_predictor **out) {
    return cli_fitted_at(run, row, out);
}

static glim_status explain_box(cli_run *run) {
    const cli_options *o = &run->o;
    glim_black_box *box = NULL;
    glim_predictor *p = NULL;
    glim_buffer text;
    glim_class_options c = {.class_name = o->class_name ? o->class_name : o->target,
                            .against = o->against,
                            .output = o->output,
                            .mask_token = o->mask_token,
                            .units = unit_kind(o->units),
                            .auto_units = !strcmp(o->units, "auto")};
    if (o->align || o->source)
        return glim_fail(&run->err, GLIM_EUSAGE, "--%s is for models that write",
                         o->align ? "align" : "source");
    if (o->continuation || o->generate)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--continuation and --generate are for models; a black box has classes "
                         "(--class NAME)");
    if (o->target && o->class_name)
        return glim_fail(&run->err, GLIM_EUSAGE, "give either --target or --class");
    glim_image *image = NULL;
    glim_image_options cut = cli_cut(run);
    glim__buffer_init(&text, run->ctx);
    cli_row cells = {0};
    cli_texts texts = {0};
    bool picture = cli_wants_picture(run), in_table = o->table || o->row;
    glim_status status = cli_wants_texts(run) ? cli_texts_open(run, &texts)
                         : in_table           ? cli_row_open(run, &cells)
                         : picture            ? cli_read_picture(run, &image)
                                              : cli_read_text(run, &text);
    if (!status)
        status = cli_open_box(run, &box);
    struct box_rows rows = {box, &cells, &texts, &c};
    if (!status && texts.table)
        status = cli_pick(run, texts.table, texts.column, make_box_text, &rows);
    else if (!status && in_table && cli_wants_pick(run))
        status = cli_pick(run, cells.table, SIZE_MAX, make_box_row, &rows);
    else if (!status && in_table)
        status = make_box_row(run, &rows, (size_t)o->row - 1, &p);
    else if (!status && picture)
        status = glim_predictor_black_box_image(&p, box, image, &cut, &c, &run->err);
    else if (!status)
        status =
            glim_predictor_black_box(&p, box, text.data ? text.data : "", text.len, &c, &run->err);
    glim_image_free(image);
    if (!status && p)
        status = explain(run, p);
    glim_predictor_free(p);
    glim_black_box_close(box);
    cli_row_close(&cells);
    cli_texts_close(&texts);
    glim__buffer_release(&text);
    return status;
}

/* --pick among texts, by a model that has classes. */
static glim_status pick_texts(cli_run *run) {
    cli_texts texts;
    if (run->linear ? !run->model : glim_model_facts(run->model)->task != GLIM_TASK_CLASSIFY)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--data is for models that say which class a text is of");
    glim_status status = cli_texts_open(run, &texts);
    if (!status)
        status = cli_pick(run, texts.table, texts.column, make_model_text, &texts);
    cli_texts_close(&texts);
    return status;
}

/* A fitted model of texts is a model; one of tables explains a row. */
static glim_status open_fitted(cli_run *run, glim_predictor **p) {
    glim_status status = cli_open_fitted(run);
    if (!status && !run->model && cli_wants_pick(run) && !cli_wants_texts(run)) {
        status = cli_fitted_table(run);
        return status ? status : cli_pick(run, run->table, SIZE_MAX, make_fitted_row, NULL);
    }
    if (!status && !run->model && cli_wants_texts(run))
        return pick_texts(run);
    if (status || !run->model)
        return status ? status : cli_fitted_row(run, p);
    if (run->o.target && run->o.class_name)
        return glim_fail(&run->err, GLIM_EUSAGE, "give either --target or --class");
    run->o.target = run->o.class_name ? run->o.class_name : run->o.target;
    return cli_wants_texts(run) ? pick_texts(run) : cli_input(run);
}

static glim_status run_explain(cli_run *run) {
    if (run->o.list)
        return cli_menu(run);
    if (cli_wants_pick(run) && !run->o.table && !cli_wants_texts(run))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--pick is for rows of a table (--table FILE) or texts (--data FILE)");
    if (run->o.predictor && !cli_is_fitted(run))
        return explain_box(run);
    glim_predictor *p = NULL;
    glim_status status = cli_is_fitted(run) ? open_fitted(run, &p) : cli_open(run);
    if (!status && !run->linear && cli_reads_pictures(run))
        status = cli_picture_predictor(run, &p);
    else if (!status && !run->linear)
        status = cli_wants_texts(run) ? pick_texts(run) : cli_input(run);
    bool picked = !p && (cli_wants_texts(run) || (run->linear && !run->model));
    if (!status && !p && !picked)
        status = make_predictor(run, &p);
    if (!status && p)
        status = explain(run, p);
    glim_predictor_free(p);
    return status;
}

static const glim_param *const groups[] = {
    cli_flags_model,  cli_flags_task,      cli_flags_predictor, cli_flags_calls,  cli_flags_input,
    cli_flags_target, cli_flags_picture,   cli_flags_align,     cli_flags_method, cli_flags_output,
    cli_flags_raw,    cli_flags_resources, cli_flags_plan,      cli_flags_talk,   NULL};
static const char *const examples[] = {
    "glim explain -m model.gguf \"The capital of France is\"",
    "glim explain -m model.gguf --chat talk.json --generate 24 --html why.html",
    "glim explain --predictor \"process:python3 sentiment.py\" \"a fine film\"", NULL};

const cli_command cli_explain = {
    .name = "explain",
    .summary = "which parts of the input made the model say this",
    .synopsis = "-m MODEL TEXT",
    .text = "text",
    .examples = examples,
    .groups = groups,
    .takes_method = true,
    .run = run_explain,
};
