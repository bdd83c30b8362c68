/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics that ask about another class, or the same in other words, need the predictor bound
 * anew. All that the flags say stays; a class is named as --target or --class would name it.
 */
#include "cli/again.h"
#include "cli/bind.h"
#include "cli/box-row.h"
#include "cli/fitted.h"
#include "cli/picture.h"
#include "predict/predictor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PARAPHRASES = 1 << 24 };
enum { MOST = 50 }; /* classes that are asked one by one; next tokens that are kept */

/* ---- binding ---- */

static bool in_table(const cli_run *run) {
    return run->box ? run->box->row != NULL : run->linear && !run->model;
}

static bool is_picture(const cli_run *run) {
    return run->box ? run->box->image != NULL : run->model && !run->tokens;
}

static glim_status bind_box(cli_again *a, cli_run *run, glim_predictor **out, const char *target,
                            const char *text, size_t n) {
    const cli_box_bound *b = run->box;
    glim_class_options how = *b->how;
    how.class_name = target;
    if (b->image)
        return glim_predictor_black_box_image(out, b->box, b->image, b->cut, &how, &run->err);
    if (b->row)
        return glim_predictor_black_box_row(out, b->box, b->row, &how, &run->err);
    glim__buffer_clear(&a->text);
    glim__buffer_append(&a->text, text ? text : a->words.data, text ? n : a->words.len);
    if (a->text.failed)
        return glim__oom(run->ctx, &run->err, "the text", n);
    return glim_predictor_black_box(out, b->box, a->text.data ? a->text.data : "", a->text.len,
                                    &how, &run->err);
}

/* A text of --data stands alone; others may be inside a prompt. */
static glim_status read_tokens(cli_again *a, cli_run *run, const char *text, size_t n) {
    glim_tokens_free(a->tokens);
    a->tokens = run->tokens = NULL;
    glim__buffer_clear(&a->text);
    glim__buffer_append(&a->text, text, n);
    glim__buffer_putc(&a->text, 0);
    if (a->text.failed)
        return glim__oom(run->ctx, &run->err, "the text", n);
    run->o.text = a->text.data;
    run->o.file = NULL;
    glim_status status = run->o.data
                             ? glim_model_tokenize(run->model, &run->tokens, text, n, &run->err)
                             : cli_input(run);
    a->tokens = run->tokens;
    return status;
}

static glim_status bind_model(cli_again *a, cli_run *run, glim_predictor **out, const char *text,
                              size_t n) {
    glim_status status = text ? read_tokens(a, run, text, n) : GLIM_OK;
    if (is_picture(run) && !text)
        return cli_picture_predictor(run, out);
    return status ? status : cli_make_predictor(run, out);
}

static glim_status bind(void *data, glim_predictor **out, const char *target, const char *text,
                        size_t n, glim_error *err) {
    cli_again *a = data;
    cli_run run = *a->run; /* whose flags are changed */
    *out = NULL;
    run.o.target = run.box || in_table(&run) ? NULL : target;
    run.o.class_name = in_table(&run) ? target : NULL;
    run.err = (glim_error){0};
    glim_status status = run.box          ? bind_box(a, &run, out, target, text, n)
                         : in_table(&run) ? cli_fitted_at(&run, a->p->table_row, out)
                                          : bind_model(a, &run, out, text, n);
    if (status && err)
        *err = run.err;
    return status;
}

/* ---- who else is likely ---- */

/* A list in which the likeliest come first; false when memory is refused. */
static bool add_rival(cli_again *a, const char *text, size_t len, double prob) {
    if (a->n == MOST && !(prob > a->list[MOST - 1].prob))
        return true;
    size_t at = a->n < MOST ? a->n++ : MOST - 1;
    glim__free(a->run->ctx, (char *)a->list[at].text);
    char *copy = glim__calloc(a->run->ctx, len + 1, 1);
    if (copy && len)
        memcpy(copy, text, len);
    glim_rival new = {copy, len, prob};
    for (; at && prob > a->list[at - 1].prob; at--)
        a->list[at] = a->list[at - 1];
    a->list[at] = new;
    return copy != NULL;
}

static glim_status no_room(cli_run *run, glim_error *err) {
    return glim__oom(run->ctx, err, "the classes", MOST * sizeof(glim_rival));
}

/* What the class gets, from a document about it. */
static glim_status ask_class(cli_again *a, const char *name, glim_error *err) {
    glim_predictor *p = NULL;
    glim_document *doc = NULL;
    glim_status status = bind(a, &p, name, NULL, 0, err);
    if (!status)
        status = glim_document_new(&doc, a->run->ctx, err);
    if (!status)
        status = p->describe(p, doc, err);
    if (!status && isfinite(doc->target.prob) &&
        !add_rival(a, name, strlen(name), doc->target.prob))
        status = no_room(a->run, err);
    glim_document_free(doc);
    glim_predictor_free(p);
    return status;
}

static glim_status ask_classes(cli_again *a, const char *const *names, size_t n, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t k = 0; names && n <= MOST && k < n && !status; k++)
        status = ask_class(a, names[k], err);
    return status;
}

static glim_status take_logits(void *data, size_t row, const float *logits, glim_error *err) {
    cli_again *a = data;
    const cli_run *run = a->run;
    size_t V = (size_t)glim_model_facts(run->model)->outputs;
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < V; i++)
        top = logits[i] > top ? logits[i] : top;
    for (size_t i = 0; i < V; i++)
        sum += exp(logits[i] - top);
    for (size_t i = 0; i < V; i++) {
        double prob = exp(logits[i] - top) / sum;
        size_t len = 0;
        if (a->n == MOST && !(prob > a->list[MOST - 1].prob))
            continue;
        const char *text = glim_model_token_bytes(run->model, (int32_t)i, &len);
        if (!add_rival(a, text, len, prob))
            return no_room(a->run, err);
    }
    return GLIM_OK;
}

/* The classes by name, or the tokens that may come next. */
static glim_status find_rivals(cli_again *a, glim_error *err) {
    const cli_run *run = a->run;
    if (run->box) {
        const glim_black_box_info *box = glim_black_box_facts(run->box->box);
        return ask_classes(a, box->classes, box->n_classes, err);
    }
    if (run->linear) {
        const glim_linear_info *fit = glim_linear_facts(run->linear);
        return ask_classes(a, fit->classes, fit->n_classes, err);
    }
    size_t n = 0;
    const glim_label_score *labels = glim_predictor_label_scores(a->p, &n);
    for (size_t i = 0; i < n; i++)
        if (!add_rival(a, labels[i].text, strlen(labels[i].text), labels[i].prob))
            return no_room(a->run, err);
    if (n)
        return GLIM_OK;
    const glim_model_info *info = glim_model_facts(run->model);
    if (info->task == GLIM_TASK_CLASSIFY)
        return ask_classes(a, info->labels, (size_t)info->outputs, err);
    return cli_logits(a->run, true, take_logits, a);
}

static glim_status rivals(void *data, const glim_rival **list, size_t *n, glim_error *err) {
    cli_again *a = data;
    glim_status status = a->known ? GLIM_OK : find_rivals(a, err);
    a->known = !status;
    *list = a->list;
    *n = status ? 0 : a->n;
    return status;
}

/* ---- what can be asked ---- */

/* One target that could be another, of few enough to ask about each: no tokens that were written
 * one after the other. */
static bool has_rivals(const cli_run *run, const glim_predictor *p, const glim_document *doc) {
    if (p->n_rows != 1 || doc->rows || run->o.continuation || run->o.generate || run->o.against)
        return false;
    if (run->box)
        return glim_black_box_facts(run->box->box)->n_classes <= MOST;
    if (run->linear)
        return glim_linear_facts(run->linear)->n_classes <= MOST;
    if (is_picture(run))
        return glim_model_facts(run->model)->outputs <= MOST;
    glim_task task = glim_model_facts(run->model)->task;
    return task == GLIM_TASK_CLASSIFY || task == GLIM_TASK_GENERATE ||
           (task == GLIM_TASK_FILL && cli_masks(run, NULL) == 1);
}

/* The words that a user wrote, where another's could stand. */
static glim_status read_words(cli_again *a, const glim_document *doc) {
    const cli_options *o = &a->run->o;
    bool inside = o->prompt_file || o->labels || o->as_chat;
    if (in_table(a->run) || is_picture(a->run) || o->chat || o->context || o->context_file ||
        o->source || (inside && o->file && !strcmp(o->file, "-")))
        return GLIM_OK;
    glim_status status = GLIM_OK;
    if (inside && !a->run->box && !o->data)
        status = cli_read_text(a->run, &a->words);
    else
        glim__buffer_append(&a->words, doc->input.text ? doc->input.text : "", doc->input.text_len);
    if (!status && a->words.failed)
        status = glim__oom(a->run->ctx, &a->run->err, "the text", doc->input.text_len);
    a->how.text = status || !a->words.len ? NULL : a->words.data;
    a->how.len = a->words.len;
    return status;
}

/* --paraphrases: the lines of a file that are not empty. */
static glim_status read_paraphrases(cli_again *a) {
    cli_run *run = a->run;
    size_t n = 0;
    if (!run->o.paraphrases)
        return GLIM_OK;
    if (!a->how.text)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--paraphrases is for one target of one text (no chat, no context, no "
                         "--continuation or --generate)");
    glim_status status = glim__file_read(&a->file, run->o.paraphrases, MOST_PARAPHRASES, &run->err);
    for (size_t i = 0; i < a->file.len && !status; i++)
        n += a->file.data[i] == '\n';
    a->lines = status ? NULL : glim__calloc(run->ctx, n + 2, sizeof *a->lines);
    if (!status && !a->lines)
        return glim__oom(run->ctx, &run->err, "the paraphrases", n * sizeof *a->lines);
    n = 0;
    for (char *save, *s = status || !a->file.data ? NULL : strtok_r(a->file.data, "\r\n", &save); s;
         s = strtok_r(NULL, "\r\n", &save))
        if (s[strspn(s, " \t")])
            a->lines[n++] = s;
    a->how.paraphrases = a->lines;
    return status || n
               ? status
               : glim_fail(&run->err, GLIM_EFORMAT, "'%s' has no paraphrase", run->o.paraphrases);
}

glim_status cli_again_init(cli_again *a, cli_run *run, const glim_predictor *p,
                           const glim_document *doc) {
    *a = (cli_again){.run = run, .p = p};
    a->how.data = a;
    a->how.bind = bind;
    glim__buffer_init(&a->text, run->ctx);
    glim__buffer_init(&a->words, run->ctx);
    glim__buffer_init(&a->file, run->ctx);
    if (!has_rivals(run, p, doc))
        return read_paraphrases(a);
    a->list = glim__calloc(run->ctx, MOST, sizeof *a->list);
    if (!a->list)
        return no_room(run, &run->err);
    a->how.rivals = rivals;
    glim_status status = read_words(a, doc);
    return status ? status : read_paraphrases(a);
}

void cli_again_release(cli_again *a) {
    if (!a->run)
        return;
    for (size_t i = 0; i < a->n; i++)
        glim__free(a->run->ctx, (char *)a->list[i].text);
    glim__free(a->run->ctx, a->list);
    glim_tokens_free(a->tokens);
    glim__buffer_release(&a->text);
    glim__buffer_release(&a->words);
    glim__buffer_release(&a->file);
    glim__free(a->run->ctx, a->lines);
    *a = (cli_again){0};
}
