/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row of a table and a fitted model as a predictor. Units are columns (a category's
 * indicators are one unit); x (P, 1) is standardised, so 0 is the mean of a column over
 * the rows that were fitted, and what is absent is put there. The target is linear in x
 * unless probabilities are asked for; then input times gradient, occlusion and
 * integrated gradients all are weight times distance from the mean, exactly.
 *
 * Of two classes the logit of a class is its log odds.
 */
#include "base/buffer.h"
#include "predict/background.h"
#include "predict/fit.h"
#include "predict/predictor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum row_output { OUTPUT_LOGIT, OUTPUT_LOGPROB, OUTPUT_PROB };

struct row {
    glim_predictor base;
    const glim_linear *linear;
    glim_unit *unit; /* (n_columns) */
    glim_units units;
    glim_buffer text;               /* "name = value", two spaces before all but the first */
    double *x;                      /* (P) standardised */
    double *z;                      /* (K) scratch: logits, then probabilities */
    float *g;                       /* (P) scratch */
    glim_fit_background background; /* of --absent resample, once it was asked */
    enum row_output output;
    size_t class_index, against;
    bool contrast;
    size_t row_end[1];
    double value[1], prob;
    uint64_t forward, backward;
};

/* ---- the target ---- */

static size_t classes_of(const struct row *r) {
    return r->linear->info.n_classes;
}

/* The logit of class k from the outputs; of two classes the log odds. */
static double logit_of(const struct row *r, const double *z, size_t k) {
    return r->linear->info.outputs > 1 ? z[k] : k ? z[0] : -z[0];
}

/* r->z: outputs of standardised x. */
static void run(struct row *r, const double *x) {
    const glim_linear *l = r->linear;
    size_t P = l->info.width;
    for (size_t k = 0; k < l->info.outputs; k++) {
        r->z[k] = l->bias[k];
        for (size_t j = 0; j < P; j++)
            r->z[k] += l->weights[k * P + j] * x[j];
    }
    r->forward++;
}

/* log p of class k. */
static double log_prob(const struct row *r, size_t k) {
    size_t K = r->linear->info.outputs;
    if (K == 1) {
        double z = logit_of(r, r->z, k);
        return z > 0 ? -log1p(exp(-z)) : z - log1p(exp(z));
    }
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < K; i++)
        top = r->z[i] > top ? r->z[i] : top;
    for (size_t i = 0; i < K; i++)
        sum += exp(r->z[i] - top);
    return r->z[k] - top - log(sum);
}

static double class_value(const struct row *r, size_t k) {
    if (!classes_of(r))
        return r->z[0];
    return r->output == OUTPUT_LOGIT     ? logit_of(r, r->z, k)
           : r->output == OUTPUT_LOGPROB ? log_prob(r, k)
                                         : exp(log_prob(r, k));
}

static double target_of(const struct row *r) {
    return class_value(r, r->class_index) - (r->contrast ? class_value(r, r->against) : 0);
}

/* Adds by * d(value of class k)/dz to dz (outputs). */
static void add_slope(const struct row *r, size_t k, double by, double *dz) {
    size_t O = r->linear->info.outputs;
    double sign = O == 1 && classes_of(r) && !k ? -1 : 1;
    if (!classes_of(r) || r->output == OUTPUT_LOGIT) {
        dz[O == 1 ? 0 : k] += by * sign;
        return;
    }
    double p = exp(log_prob(r, k)), scale = by * (r->output == OUTPUT_PROB ? p : 1);
    if (O == 1) {
        dz[0] += scale * sign * (1 - p);
        return;
    }
    for (size_t i = 0; i < O; i++)
        dz[i] += scale * ((i == k) - exp(log_prob(r, i)));
}

/* ---- what methods ask ---- */

/* The mean over the rows whose cells the absent columns take. */
static glim_status resampled(struct row *r, const uint8_t *keep, size_t n, double *out,
                             glim_error *err) {
    glim_fit_background *b = &r->background;
    glim_status status = glim__fit_background_make(b, &r->base, r->linear, r->x, err);
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < b->n && !status; k++) {
            glim__fit_background_outputs(b, k, keep + i * r->units.count, r->z);
            sum += target_of(r);
        }
        out[i] = status ? NAN : sum / (double)b->n;
    }
    r->forward += n * b->n;
    glim__progress_add(r->base.ctx, n * b->n);
    return status ? status : glim__check_cancel(r->base.ctx, err);
}

static glim_status values(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err) {
    struct row *r = (struct row *)p;
    size_t U = r->units.count;
    if (absent == GLIM_ABSENT_RESAMPLE)
        return resampled(r, keep, n, out, err);
    double *x = glim__calloc(p->ctx, p->T, sizeof *x);
    if (!x)
        return glim__oom(p->ctx, err, "a row", p->T * sizeof *x);
    glim_status status = GLIM_OK;
    if (absent == GLIM_ABSENT_ATTENTION)
        status = glim_fail(err, GLIM_EUSAGE,
                           "a row of a table has no attention to hide a column from (take "
                           "--absent mean)");
    for (size_t i = 0; i < n; i++) {
        for (size_t u = 0; u < U; u++)
            for (size_t t = r->unit[u].first; t < r->unit[u].first + r->unit[u].count; t++)
                x[t] = keep[i * U + u] ? r->x[t] : 0;
        run(r, x);
        out[i] = status ? NAN : target_of(r);
    }
    glim__progress_add(p->ctx, n);
    glim__free(p->ctx, x);
    return status ? status : glim__check_cancel(p->ctx, err);
}

/* The features of one column of another row, standardised. */
static glim_status read_cell(const struct row *r, const glim_fit_column *c, const glim_cell *cell,
                             double *x, glim_error *err) {
    const glim_linear *l = r->linear;
    size_t n = c->values ? c->n_values : 1;
    double number = cell->number;
    if (c->values) {
        int32_t k = cell->text ? glim__fit_find(c->values, c->n_values, cell->text, false) : -1;
        if (k < 0)
            return glim_fail(err, GLIM_EFORMAT,
                             "the table's column '%.60s' holds '%.40s', which it did not when it "
                             "was fitted",
                             c->name, cell->text ? cell->text : "a number");
        memset(x + c->first, 0, n * sizeof *x);
        x[c->first + (size_t)k] = 1;
    } else {
        if (cell->text && !glim__table_number(cell->text, &number))
            number = NAN;
        if (!isfinite(number))
            return glim_fail(err, GLIM_EFORMAT,
                             "the table's column '%.60s' holds '%.40s', which is no number",
                             c->name, cell->text ? cell->text : "");
        x[c->first] = number;
    }
    for (size_t j = c->first; j < c->first + n; j++)
        x[j] = (x[j] - l->mean[j]) / l->scale[j];
    return GLIM_OK;
}

static glim_status other_rows(glim_predictor *p, const glim_cell *cells, size_t n, bool each,
                              double *out, glim_error *err) {
    struct row *r = (struct row *)p;
    size_t U = r->units.count, K = each ? classes_of(r) : 1;
    glim_status status = GLIM_OK;
    double *x = glim__calloc(p->ctx, p->T, sizeof *x);
    if (!x)
        return glim__oom(p->ctx, err, "a row", p->T * sizeof *x);
    for (size_t i = 0; i < n && !status; i++) {
        for (size_t u = 0; u < U && !status; u++)
            status = read_cell(r, &r->linear->columns[u], &cells[i * U + u], x, err);
        run(r, x);
        for (size_t k = 0; k < K && !status; k++)
            out[i * K + k] = each ? class_value(r, k) : target_of(r);
    }
    glim__progress_add(p->ctx, n);
    glim__free(p->ctx, x);
    return status ? status : glim__check_cancel(p->ctx, err);
}

static glim_status embed(glim_predictor *p, float *x, glim_error *err) {
    const struct row *r = (const struct row *)p;
    for (size_t t = 0; t < p->T; t++)
        x[t] = (float)r->x[t];
    return GLIM_OK;
}

/* Every baseline that a table can have is the mean of its columns. */
static glim_status baseline(glim_predictor *p, glim_baseline kind, float *x, glim_error *err) {
    memset(x, 0, p->T * sizeof *x);
    return GLIM_OK;
}

static glim_status gradient(glim_predictor *p, const float *xs, size_t n, long row, double *out,
                            glim_gradient_sink *sink, void *data, glim_error *err) {
    struct row *r = (struct row *)p;
    const glim_linear *l = r->linear;
    size_t P = p->T, O = l->info.outputs;
    double *x = glim__calloc(p->ctx, P + O, sizeof *x), *dz = x ? x + P : NULL;
    glim_status status = x ? GLIM_OK : glim__oom(p->ctx, err, "a row", (P + O) * sizeof *x);
    for (size_t i = 0; i < n && !status; i++) {
        for (size_t t = 0; t < P; t++)
            x[t] = xs[i * P + t];
        run(r, x);
        out[i] = target_of(r);
        if (!sink)
            continue;
        memset(dz, 0, O * sizeof *dz);
        add_slope(r, r->class_index, 1, dz);
        if (r->contrast)
            add_slope(r, r->against, -1, dz);
        for (size_t t = 0; t < P; t++) {
            double sum = 0;
            for (size_t k = 0; k < O; k++)
                sum += dz[k] * l->weights[k * P + t];
            r->g[t] = (float)sum;
        }
        r->backward++;
        status = sink(data, i, 0, r->g, err);
    }
    glim__progress_add(p->ctx, sink ? 2 * n : n);
    glim__free(p->ctx, x);
    return status;
}

static void plan_values(const glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                        glim_plan *out) {
    const struct row *r = (const struct row *)p;
    if (absent != GLIM_ABSENT_RESAMPLE) {
        out->forward_tokens += n;
        return;
    }
    uint64_t bytes = glim__fit_background_bytes(p, r->linear);
    out->forward_tokens += n * glim__background_count(p);
    out->bytes = bytes > out->bytes ? bytes : out->bytes;
}

static void plan_gradient(const glim_predictor *p, size_t n, glim_plan *out) {
    out->forward_tokens += n;
    out->backward_tokens += n;
}

/* ---- the document ---- */

static const char *copy(glim_document *doc, const char *s) {
    return s ? glim_document_text(doc, s, strlen(s)) : NULL;
}

void glim__columns_name(glim_buffer *out, const char *name) {
    glim__buffer_printf(out, "%s%s = ", out->len ? " " : "", name);
}

bool glim__columns_describe(const char *text, size_t len, const glim_unit *units, size_t n,
                            glim_document *doc) {
    doc->input.text = glim_document_text(doc, text, len);
    doc->input.text_len = len;
    doc->input.unit = "column";
    doc->input.n_units = n;
    doc->input.units = glim_document_alloc(doc, n * sizeof *doc->input.units);
    if (!doc->input.text || !doc->input.units)
        return false;
    for (size_t u = 0; u < n; u++)
        doc->input.units[u] = (glim_document_unit){.text = doc->input.text + units[u].start,
                                                   .text_len = units[u].end - units[u].start,
                                                   .start = units[u].start,
                                                   .end = units[u].end,
                                                   .first = units[u].first,
                                                   .count = units[u].count,
                                                   .turn = -1};
    return true;
}

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    static const char *const outputs[] = {"logit", "logprob", "prob"};
    const struct row *r = (const struct row *)p;
    const glim_linear_info *i = &r->linear->info;
    const char *name = i->n_classes ? i->classes[r->class_index] : i->target ? i->target : "value";
    doc->kind = "attribution";
    doc->model.file = copy(doc, i->path ? i->path : "fit");
    doc->model.architecture = i->n_classes ? "logistic" : "linear";
    doc->model.digest = copy(doc, i->digest);
    doc->n_rows = 1;
    doc->target.kind = !i->n_classes ? "value" : r->contrast ? "contrast" : "class";
    doc->target.output = i->n_classes ? outputs[r->output] : "score";
    doc->target.text = copy(doc, name);
    doc->target.text_len = strlen(name);
    doc->target.id = (int32_t)r->class_index;
    doc->target.against_id = r->contrast ? (int32_t)r->against : -1;
    doc->target.against = r->contrast ? copy(doc, i->classes[r->against]) : NULL;
    doc->target.against_len = r->contrast ? strlen(i->classes[r->against]) : 0;
    doc->target.value = r->value[0];
    doc->target.prob = r->prob;
    doc->target.baseline_value = NAN;
    if (!glim__columns_describe(r->text.data, r->text.len, r->unit, r->units.count, doc) ||
        !doc->model.file || !doc->target.text || (r->contrast && !doc->target.against))
        return glim__oom(p->ctx, err, "the document", 0);
    return GLIM_OK;
}

static void cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    *forward = ((const struct row *)p)->forward;
    *backward = ((const struct row *)p)->backward;
}

static void free_row(glim_predictor *p) {
    struct row *r = (struct row *)p;
    glim__free(p->ctx, r->unit);
    glim__free(p->ctx, r->x);
    glim__free(p->ctx, r->z);
    glim__free(p->ctx, r->g);
    glim__fit_background_release(&r->background, p->ctx);
    glim__buffer_release(&r->text);
    glim__free(p->ctx, r);
}

/* ---- making ---- */

/* The cells of the model's columns, by name. */
static glim_status pick_cells(const glim_linear *l, const char *const *names,
                              const char *const *cells, size_t n, const char **out,
                              glim_error *err) {
    if (!l->info.n_columns)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%s' reads texts through a model (give -m MODEL and a TEXT)",
                         l->info.path ? l->info.path : "the fitted model");
    for (size_t c = 0, at = 0; c < l->info.n_columns; c++) {
        out[c] = NULL;
        for (size_t i = 0; i < n && !out[c]; i++, at++) /* most often they come in order */
            if (!strcmp(names[at % n], l->columns[c].name))
                out[c] = cells[at % n];
        if (!out[c])
            return glim_fail(err, GLIM_EUSAGE, "the table has no column '%.60s', which '%s' reads",
                             l->columns[c].name, l->info.path ? l->info.path : "the fitted model");
    }
    return GLIM_OK;
}

glim_status glim_linear_row(const glim_linear *l, const char *const *names,
                            const char *const *cells, size_t n, double *out, glim_error *err) {
    const char **mine = glim__calloc(l->ctx, l->info.n_columns + 1, sizeof *mine);
    double *x = glim__calloc(l->ctx, l->info.width, sizeof *x);
    glim_status status = mine && x ? pick_cells(l, names, cells, n, mine, err)
                                   : glim__oom(l->ctx, err, "a row", l->info.width * 8);
    if (!status)
        status = glim__fit_encode(l->columns, l->info.n_columns, mine, "the row", NULL, x, err);
    if (!status)
        glim__linear_outputs(l, x, out);
    if (!status && l->info.n_classes == 2) {
        out[1] = out[0];
        out[0] = -out[1];
    }
    glim__free(l->ctx, mine);
    glim__free(l->ctx, x);
    return status;
}

static glim_status make_units(struct row *r, const char *const *cells, glim_error *err) {
    const glim_linear *l = r->linear;
    size_t U = l->info.n_columns;
    r->unit = glim__calloc(r->base.ctx, U, sizeof *r->unit);
    for (size_t u = 0; u < U && r->unit; u++) {
        const glim_fit_column *c = &l->columns[u];
        r->unit[u] = (glim_unit){
            .start = r->text.len, .first = c->first, .count = c->values ? c->n_values : 1};
        glim__columns_name(&r->text, c->name);
        glim__buffer_puts(&r->text, cells[u]);
        r->unit[u].end = r->text.len;
        r->unit[u].turn = -1;
    }
    if (!r->unit || r->text.failed)
        return glim__oom(r->base.ctx, err, "the columns", U * sizeof *r->unit);
    r->units = (glim_units){.ctx = r->base.ctx, .at = r->unit, .count = U};
    r->row_end[0] = U;
    return GLIM_OK;
}

static glim_status read_cells(struct row *r, const char *const *names, const char *const *cells,
                              size_t n, glim_error *err) {
    const glim_linear *l = r->linear;
    glim_context *ctx = r->base.ctx;
    size_t P = l->info.width;
    const char **mine = glim__calloc(ctx, l->info.n_columns + 1, sizeof *mine);
    r->x = glim__calloc(ctx, P, sizeof *r->x);
    r->z = glim__calloc(ctx, l->info.outputs, sizeof *r->z);
    r->g = glim__calloc(ctx, P, sizeof *r->g);
    glim_status status = mine && r->x && r->z && r->g
                             ? pick_cells(l, names, cells, n, mine, err)
                             : glim__oom(ctx, err, "a row", P * sizeof *r->x);
    if (!status)
        status = glim__fit_encode(l->columns, l->info.n_columns, mine, "the row", NULL, r->x, err);
    for (size_t j = 0; j < P && !status; j++)
        r->x[j] = (r->x[j] - l->mean[j]) / l->scale[j];
    if (!status)
        status = make_units(r, mine, err);
    glim__free(ctx, mine);
    return status;
}

static glim_status find_class(const struct row *r, const char *name, size_t *out, glim_error *err) {
    const glim_linear_info *i = &r->linear->info;
    char all[200] = "";
    size_t used = 0;
    for (size_t k = 0; k < i->n_classes; k++)
        if (!strcmp(i->classes[k], name)) {
            *out = k;
            return GLIM_OK;
        }
    for (size_t k = 0; k < i->n_classes && used + 1 < sizeof all; k++) {
        int n = snprintf(all + used, sizeof all - used, "%s%.40s", k ? ", " : "", i->classes[k]);
        used += n > 0 ? (size_t)n : 0;
    }
    if (!i->n_classes)
        return glim_fail(err, GLIM_EUSAGE,
                         "a linear model has no classes (leave out the class and --against)");
    return glim_fail(err, GLIM_EUSAGE, "there is no class '%.60s' (there are %s)", name, all);
}

static glim_status choose_output(struct row *r, const char *name, glim_error *err) {
    static const char *const names[] = {"logit", "logprob", "prob"};
    bool classes = classes_of(r);
    if (!name || (!classes && !strcmp(name, "score")))
        return GLIM_OK;
    for (size_t i = 0; i < 3 && classes; i++)
        if (!strcmp(name, names[i])) {
            r->output = (enum row_output)i;
            return GLIM_OK;
        }
    return glim_fail(err, GLIM_EUSAGE, "output '%s' is not one of %s", name,
                     classes ? "logit, logprob, prob" : "score");
}

static glim_status choose_target(struct row *r, const glim_class_options *o, glim_error *err) {
    size_t K = classes_of(r);
    glim_status status = choose_output(r, o->output, err);
    run(r, r->x);
    for (size_t k = 1; k < K; k++)
        if (logit_of(r, r->z, k) > logit_of(r, r->z, r->class_index))
            r->class_index = k;
    if (!status && o->class_name)
        status = find_class(r, o->class_name, &r->class_index, err);
    r->contrast = o->against;
    if (!status && o->against)
        status = find_class(r, o->against, &r->against, err);
    if (status)
        return status;
    r->value[0] = target_of(r);
    r->prob = K ? exp(log_prob(r, r->class_index)) : NAN;
    return GLIM_OK;
}

glim_status glim_predictor_row(glim_predictor **out, const glim_linear *linear,
                               const char *const *names, const char *const *cells, size_t n,
                               const glim_class_options *options, glim_error *err) {
    struct row *r = glim__calloc(linear->ctx, 1, sizeof *r);
    *out = NULL;
    if (!r)
        return glim__oom(linear->ctx, err, "the predictor", sizeof *r);
    r->base = (glim_predictor){.ctx = linear->ctx,
                               .name = "fitted model",
                               .can = GLIM_CAN_PREDICT | GLIM_CAN_GRADIENT,
                               .columns = true,
                               .n_rows = 1,
                               .T = linear->info.width,
                               .C = 1,
                               .units = &r->units,
                               .row_end = r->row_end,
                               .value = r->value,
                               .column_names = linear->info.columns,
                               .label = linear->info.target,
                               .classes = linear->info.classes,
                               .n_classes = linear->info.n_classes,
                               .values = values,
                               .rows = other_rows,
                               .embed = embed,
                               .baseline = baseline,
                               .gradient = gradient,
                               .plan_values = plan_values,
                               .plan_gradient = plan_gradient,
                               .describe = describe,
                               .cost = cost,
                               .free = free_row};
    r->linear = linear;
    glim__buffer_init(&r->text, linear->ctx);
    glim_status status = read_cells(r, names, cells, n, err);
    if (!status)
        status = choose_target(r, options, err);
    if (status) {
        free_row(&r->base);
        return status;
    }
    *out = &r->base;
    return GLIM_OK;
}
