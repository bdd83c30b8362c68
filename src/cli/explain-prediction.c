/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the model says of the input that is explained: the likeliest classes with their
 * probabilities, and a row's own values. A class is asked about as its explanation would ask;
 * of a network for pictures one pass tells all of them.
 */
#include "cli/again.h"
#include "cli/explain-why.h"
#include "cli/picture.h"
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

enum { SHOWN = 10 };

struct predicting {
    cli_run *run;
    glim_document *doc;
    glim_document_class top[SHOWN];
    size_t n, all; /* classes kept, and met */
    double sum;    /* of all */
};

/* The likeliest come first; the first of equal ones. False when memory is refused. */
static bool add_class(struct predicting *t, const char *name, double prob) {
    size_t at = t->n;
    t->sum += prob;
    t->all++;
    while (at && prob > t->top[at - 1].prob)
        at--;
    if (at == SHOWN)
        return true;
    const char *text = glim_document_text(t->doc, name, strlen(name));
    t->n += t->n < SHOWN;
    memmove(t->top + at + 1, t->top + at, (t->n - 1 - at) * sizeof *t->top);
    t->top[at] = (glim_document_class){text, strlen(name), prob};
    return text != NULL;
}

/* ---- classes ---- */

static glim_status keep_logits(void *data, const glim_site *site, glim_error *err) {
    memcpy(data, site->data, site->dims[site->n_dims - 1] * sizeof(float));
    return GLIM_OK;
}

static glim_status ask_picture(struct predicting *t, glim_error *err) {
    cli_run *run = t->run;
    size_t V = (size_t)glim_model_facts(run->model)->outputs;
    float *logits = glim__calloc(run->ctx, V, sizeof *logits);
    glim_hook hook = {"hook_logits", GLIM_HOOK_READ, keep_logits, logits};
    double top = -INFINITY, sum = 0;
    char number[16];
    bool room = logits != NULL;
    glim_status status = room ? cli_picture_pass(run, NULL, &hook, 1, false, -1) : GLIM_ENOMEM;
    for (size_t i = 0; i < V && !status; i++)
        top = fmax(top, (double)logits[i]);
    for (size_t i = 0; i < V && !status; i++)
        sum += exp((double)logits[i] - top);
    for (size_t i = 0; i < V && !status && room; i++)
        room =
            add_class(t, cli_class_name(run, (int)i, number), exp((double)logits[i] - top) / sum);
    glim__free(run->ctx, logits);
    return room ? status : glim__oom(run->ctx, err, "the classes", V * sizeof *logits);
}

static glim_status ask_others(struct predicting *t, glim_predictor *p, glim_error *err) {
    cli_again again;
    const glim_rival *list = NULL;
    size_t n = 0;
    glim_status status = cli_again_init(&again, t->run, p, t->doc);
    if (!status && again.how.rivals)
        status = again.how.rivals(again.how.data, &list, &n, err);
    for (size_t i = 0; i < n && !status; i++)
        if (!add_class(t, list[i].text, list[i].prob))
            status = glim__oom(t->run->ctx, err, "the classes", n * sizeof *list);
    cli_again_release(&again);
    return status;
}

/* Next tokens are no classes: glim predict ranks them. */
static bool of_classes(const cli_run *run, const glim_predictor *p) {
    size_t labels = 0;
    glim_predictor_label_scores(p, &labels);
    return run->box || run->linear || labels || !run->model ||
           (glim_model_facts(run->model)->task == GLIM_TASK_CLASSIFY && run->tokens);
}

/* ---- a row ---- */

/* "name = value" of each column, as the row is read. */
static glim_status keep_row(struct predicting *t, const glim_predictor *p, glim_error *err) {
    glim_document *d = t->doc, *own = NULL;
    size_t n = d->input.n_units;
    glim_status status = glim_document_new(&own, p->ctx, err);
    if (!status)
        status = p->describe(p, own, err);
    const char **columns = glim_document_alloc(d, (n + 1) * sizeof *columns);
    const char **values = glim_document_alloc(d, (n + 1) * sizeof *values);
    bool room = columns && values;
    for (size_t u = 0; u < n && !status && room && own->input.n_units == n; u++) {
        const glim_document_unit *unit = &own->input.units[u];
        const char *name = p->column_names[u], *at = unit->text, *end = at + unit->text_len;
        at += at < end && *at == ' ';
        size_t skip = strlen(name) + strlen(" = ");
        at += (size_t)(end - at) >= skip && !memcmp(at, name, strlen(name)) ? skip : 0;
        columns[u] = glim_document_text(d, name, strlen(name));
        values[u] = glim_document_text(d, at, (size_t)(end - at));
        room = columns[u] && values[u];
    }
    if (!status && room && own->input.n_units == n) {
        d->prediction.columns = columns;
        d->prediction.values = values;
    }
    glim_document_free(own);
    return status || room ? status : glim__oom(p->ctx, err, "the row", n * sizeof *values);
}

glim_status cli_predicted(cli_run *run, glim_predictor *p, glim_document *doc) {
    struct predicting t = {.run = run, .doc = doc};
    doc->prediction.other = NAN;
    bool picture = run->model && !run->tokens && !run->box;
    glim_status status = GLIM_OK;
    if (picture)
        status = ask_picture(&t, &run->err);
    else if (of_classes(run, p) && doc->n_rows == 1)
        status = ask_others(&t, p, &run->err);
    if (!status && t.n > 1) {
        glim_document_class *list = glim_document_alloc(doc, t.n * sizeof *list);
        if (!list)
            return glim__oom(run->ctx, &run->err, "the classes", t.n * sizeof *list);
        memcpy(list, t.top, t.n * sizeof *list);
        doc->prediction.classes = list;
        doc->prediction.n_classes = t.n;
        double rest = t.sum;
        for (size_t i = 0; i < t.n; i++)
            rest -= list[i].prob;
        /* of labels that may all be true nothing is left over */
        doc->prediction.other = fabs(t.sum - 1) > 1e-3 ? NAN : t.all > t.n ? fmax(rest, 0) : 0;
    }
    if (!status && p->column_names && doc->n_rows == 1 && doc->input.unit &&
        !strcmp(doc->input.unit, "column"))
        status = keep_row(&t, p, &run->err);
    return status;
}
