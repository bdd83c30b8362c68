/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is explained, and what explanations are judged against: a model, a black box or a
 * fitted model, bound to the input and the target that the flags name.
 */
#include "cli/bind.h"
#include "cli/box-row.h"
#include "cli/commands.h"
#include "cli/fitted.h"
#include "cli/pick.h"
#include "cli/picture.h"
#include "predict/predictor.h"

#include <string.h>

/* The kind of that name; of "auto", whatever is chosen later, the first. */
static glim_unit_kind unit_kind(const char *name) {
    for (int i = 0; glim_unit_kind_name((glim_unit_kind)i); i++)
        if (!strcmp(name, glim_unit_kind_name((glim_unit_kind)i)))
            return (glim_unit_kind)i;
    return GLIM_UNIT_TOKEN;
}

static glim_target_options target_of(const cli_run *run) {
    const cli_options *o = &run->o;
    return (glim_target_options){.target = o->target,
                                 .against = o->against,
                                 .continuation = o->continuation,
                                 .generate = (size_t)o->generate,
                                 .labels = o->labels,
                                 .length_normalise = o->length_normalise,
                                 .output = o->output,
                                 .source = o->source,
                                 .units = unit_kind(o->units),
                                 .auto_units = !strcmp(o->units, "auto")};
}

glim_status cli_make_predictor(cli_run *run, glim_predictor **out) {
    const cli_options *o = &run->o;
    glim_target_options t = target_of(run);
    unsigned needs = run->method ? run->method->needs : GLIM_CAN_PREDICT;
    t.late = run->command == &cli_explain && !o->evaluate && (needs & GLIM_CAN_ATTENTION) &&
             !(needs & GLIM_CAN_PREDICT);
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

/* ---- black boxes and fitted models ---- */

/* --label: the class that the table says of the row is explained. */
static glim_status aim(cli_run *run, const glim_table *t, size_t row, const char **name) {
    size_t column;
    if (run->command == &cli_explain || !run->o.label)
        return GLIM_OK;
    glim_status status = glim__table_column(t, run->o.label, &column, &run->err);
    if (!status)
        *name = glim__table_cell(t, row, column);
    return status;
}

struct box_rows {
    glim_black_box *box;
    cli_row *cells;
    cli_texts *texts;
    glim_class_options *how;
};

static glim_status make_box_row(cli_run *run, void *data, size_t row, glim_predictor **out) {
    struct box_rows *b = data;
    cli_row_move(b->cells, row);
    glim_status status = aim(run, b->cells->table, row, &b->how->class_name);
    if (!status)
        status = glim_predictor_black_box_row(out, b->box, &b->cells->row, b->how, &run->err);
    if (status)
        return status;
    (*out)->table = b->cells->table; /* what methods sample from */
    (*out)->table_row = row;
    return GLIM_OK;
}

static glim_status make_box_text(cli_run *run, void *data, size_t row, glim_predictor **out) {
    struct box_rows *b = data;
    const char *text = cli_texts_at(b->texts, row);
    glim_status status = aim(run, b->texts->table, row, &b->how->class_name);
    *out = NULL;
    if (status)
        return status;
    return text ? glim_predictor_black_box(out, b->box, text, strlen(text), b->how, &run->err)
                : GLIM_OK;
}

static glim_status make_model_text(cli_run *run, void *data, size_t row, glim_predictor **out) {
    const cli_texts *texts = data;
    glim_status status = aim(run, texts->table, row, &run->o.target);
    *out = NULL;
    if (!status)
        status = cli_texts_tokens(run, texts, row);
    return status || !run->tokens ? status : cli_make_predictor(run, out);
}

static glim_status make_fitted_row(cli_run *run, void *data, size_t row, glim_predictor **out) {
    glim_status status = aim(run, run->table, row, &run->o.class_name);
    return status ? status : cli_fitted_at(run, row, out);
}

static glim_status bind_box(cli_run *run, cli_bound *use, cli_many *many) {
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
    const cli_box_bound bound = {box, &c, in_table ? &cells.row : NULL, image, &cut};
    run->box = &bound;
    if (!status && texts.table)
        status = many(run, texts.table, texts.column, make_box_text, &rows);
    else if (!status && in_table && cli_wants_many(run))
        status = many(run, cells.table, SIZE_MAX, make_box_row, &rows);
    else if (!status && in_table)
        status = make_box_row(run, &rows, (size_t)o->row - 1, &p);
    else if (!status && picture)
        status = glim_predictor_black_box_image(&p, box, image, &cut, &c, &run->err);
    else if (!status)
        status =
            glim_predictor_black_box(&p, box, text.data ? text.data : "", text.len, &c, &run->err);
    if (!status && p)
        status = use(run, p);
    run->box = NULL;
    glim_predictor_free(p);
    glim_image_free(image);
    glim_black_box_close(box);
    cli_row_close(&cells);
    cli_texts_close(&texts);
    glim__buffer_release(&text);
    return status;
}

/* Texts of a file: --pick is for models that have classes; others are judged over them, too. */
static glim_status many_texts(cli_run *run, cli_many *many) {
    cli_texts texts;
    glim_task task = run->model ? glim_model_facts(run->model)->task : GLIM_TASK_CLASSIFY;
    bool rows = task == GLIM_TASK_TRANSLATE || task == GLIM_TASK_LABEL;
    if (run->o.data && run->model && task != GLIM_TASK_CLASSIFY && task != GLIM_TASK_GENERATE &&
        task != GLIM_TASK_FILL && !(rows && run->command == &cli_compare))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--data is for models that say the next word or which class a text is of");
    if (!run->model || (!run->o.data && task != GLIM_TASK_CLASSIFY))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--data is for models that say which class a text is of");
    glim_status status = cli_texts_open(run, &texts);
    if (!status)
        status = many(run, texts.table, texts.column, make_model_text, &texts);
    cli_texts_close(&texts);
    return status;
}

/* A fitted model of texts is a model; one of tables explains a row. */
static glim_status open_fitted(cli_run *run, glim_predictor **p, cli_many *many) {
    glim_status status = cli_open_fitted(run);
    if (!status && !run->model && cli_wants_many(run) && !cli_wants_texts(run)) {
        status = cli_fitted_table(run);
        return status ? status : many(run, run->table, SIZE_MAX, make_fitted_row, NULL);
    }
    if (!status && !run->model && cli_wants_texts(run))
        return many_texts(run, many);
    if (status || !run->model)
        return status ? status : cli_fitted_row(run, p);
    if (run->o.target && run->o.class_name)
        return glim_fail(&run->err, GLIM_EUSAGE, "give either --target or --class");
    run->o.target = run->o.class_name ? run->o.class_name : run->o.target;
    return cli_wants_texts(run) ? many_texts(run, many) : cli_input(run);
}

glim_status cli_bind(cli_run *run, cli_bound *use, cli_many *many) {
    if (cli_wants_many(run) && !run->o.table && !cli_wants_texts(run))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--pick is for rows of a table (--table FILE) or texts (--data FILE)");
    if (run->o.predictor && !cli_is_fitted(run))
        return bind_box(run, use, many);
    glim_predictor *p = NULL;
    glim_status status = cli_is_fitted(run) ? open_fitted(run, &p, many) : cli_open(run);
    if (!status && !run->linear && cli_reads_pictures(run))
        status = cli_picture_predictor(run, &p);
    else if (!status && !run->linear)
        status = cli_wants_texts(run) ? many_texts(run, many) : cli_input(run);
    bool picked = !p && (cli_wants_texts(run) || (run->linear && !run->model));
    if (!status && !p && !picked)
        status = cli_make_predictor(run, &p);
    if (!status && p)
        status = use(run, p);
    glim_predictor_free(p);
    return status;
}

/* ---- the same over another model ---- */

/* A next token, a class or a masked word; tokens that were written would be written again. */
bool cli_can_rebind(const cli_run *run, const glim_predictor *p, const glim_document *doc) {
    return p->model && p->model == run->model && !run->linear && run->tokens && p->n_rows == 1 &&
           !run->o.continuation && !run->o.generate && !doc->rows && doc->target.text &&
           glim_model_facts(run->model)->task != GLIM_TASK_TRANSLATE;
}

glim_status cli_rebind(const cli_run *run, glim_predictor **out, const glim_model *model,
                       const char *target, glim_error *err) {
    glim_target_options t = target_of(run);
    t.target = target;
    return glim_predictor_lm(out, model, run->tokens, &t, err);
}

/* What is named by its text: of rows what was written, else the token, class or label. */
static void name_targets(glim_target_options *t, const glim_document *doc) {
    bool written =
        doc->rows && doc->target.kind &&
        (!strcmp(doc->target.kind, "generated") || !strcmp(doc->target.kind, "continuation"));
    t->generate = 0;
    if (written)
        t->continuation = doc->target.text;
    else if (!doc->rows && strcmp(doc->target.kind ? doc->target.kind : "", "similarity") != 0)
        t->target = doc->target.text;
}

glim_status cli_bind_like(cli_run *run, glim_predictor **out, const glim_predictor *like,
                          const glim_document *doc) {
    glim_target_options t = target_of(run);
    t.like = like;
    if (cli_reads_pictures(run)) {
        run->o.target = doc->target.text;
        return cli_picture_predictor(run, out);
    }
    if (!like)
        name_targets(&t, doc);
    return glim_predictor_lm(out, run->model, run->tokens, &t, &run->err);
}

glim_status cli_bind_same(cli_run *run, glim_predictor **out, const glim_predictor *p) {
    glim_target_options t = target_of(run);
    glim_document *doc = NULL;
    *out = NULL;
    glim_status status = glim_document_new(&doc, run->ctx, &run->err);
    if (!status)
        status = p->describe(p, doc, &run->err);
    if (!status) {
        name_targets(&t, doc); /* what was written is read again */
        t.same = p;
        t.target = NULL;
        if (glim_model_facts(run->model)->task != GLIM_TASK_EMBED)
            t.against = NULL;
        status = glim_predictor_lm(out, run->model, run->tokens, &t, &run->err);
    }
    glim_document_free(doc);
    return status;
}
