/* SPDX-License-Identifier: Apache-2.0 */
/* What the model says of the input, as the member `prediction` of an explanation. */
#include "view/views.h"

#include <math.h>
#include <string.h>

enum { MOST = 1000 };

json_t *glim__document_prediction_json(bool *ok, const glim_document *d) {
    json_t *o = json_object(), *classes = json_array(), *row = json_array();
    for (size_t i = 0; i < d->prediction.n_classes; i++) {
        const glim_document_class *c = &d->prediction.classes[i];
        json_t *one = json_object();
        glim__json_set(ok, one, "text", glim__json_text(c->text, c->text_len));
        glim__json_set(ok, one, "prob", glim__json_number(c->prob));
        glim__json_add(ok, classes, one);
    }
    for (size_t u = 0; d->prediction.values && u < d->input.n_units; u++) {
        const char *name = d->prediction.columns[u], *value = d->prediction.values[u];
        json_t *one = json_object();
        glim__json_set(ok, one, "column", glim__json_text(name, strlen(name)));
        glim__json_set(ok, one, "value", glim__json_text(value, strlen(value)));
        glim__json_add(ok, row, one);
    }
    glim__json_set(ok, o, "classes", classes);
    glim__json_set(ok, o, "other", glim__json_number(d->prediction.other));
    if (d->prediction.values)
        glim__json_set(ok, o, "row", row);
    else
        json_decref(row);
    return o;
}

bool glim__document_predicts(const glim_document *d) {
    return d->prediction.n_classes || d->prediction.values;
}

bool glim__document_explains(const glim_document *d, const glim_document_class *c) {
    return d->target.text && c->text_len == d->target.text_len &&
           !memcmp(c->text, d->target.text, c->text_len);
}

/* ---- reading ---- */

static glim_status wrong(const char *name, const char *what, glim_error *err) {
    return glim_fail(err, GLIM_EFORMAT, "'%s': member 'prediction' has no %s", name, what);
}

static const char *text_of(glim_document *d, const json_t *x) {
    const char *s = json_string_value(x);
    return s ? glim_document_text(d, s, json_string_length(x)) : NULL;
}

static glim_status read_classes(glim_document *d, const json_t *list, const char *name,
                                glim_error *err) {
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > MOST)
        return wrong(name, "list of classes", err);
    glim_document_class *out = glim_document_alloc(d, (n + 1) * sizeof *out);
    if (!out)
        return glim__oom(d->ctx, err, "the classes", n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(list, i), *text = json_object_get(o, "text");
        const json_t *prob = json_object_get(o, "prob");
        if (!json_is_string(text) || !json_is_number(prob) || json_number_value(prob) < 0 ||
            json_number_value(prob) > 1)
            return wrong(name, "classes with probabilities", err);
        out[i] = (glim_document_class){text_of(d, text), json_string_length(text),
                                       json_number_value(prob)};
        if (!out[i].text)
            return glim__oom(d->ctx, err, "the classes", n);
    }
    d->prediction.classes = out;
    d->prediction.n_classes = n;
    return GLIM_OK;
}

static glim_status read_row(glim_document *d, const json_t *list, const char *name,
                            glim_error *err) {
    size_t n = d->input.n_units;
    if (!list || json_is_null(list))
        return GLIM_OK;
    if (json_array_size(list) != n || !n)
        return wrong(name, "value for each unit", err);
    const char **columns = glim_document_alloc(d, n * sizeof *columns);
    const char **values = glim_document_alloc(d, n * sizeof *values);
    if (!columns || !values)
        return glim__oom(d->ctx, err, "the row", n * sizeof *values);
    for (size_t u = 0; u < n; u++) {
        const json_t *o = json_array_get(list, u);
        const json_t *column = json_object_get(o, "column"), *value = json_object_get(o, "value");
        if (!json_is_string(column) || !json_is_string(value))
            return wrong(name, "columns with values", err);
        columns[u] = text_of(d, column);
        values[u] = text_of(d, value);
        if (!columns[u] || !values[u])
            return glim__oom(d->ctx, err, "the row", n);
    }
    d->prediction.columns = columns;
    d->prediction.values = values;
    return GLIM_OK;
}

glim_status glim__document_prediction_parse(glim_document *d, const json_t *o, const char *name,
                                            glim_error *err) {
    const json_t *other = json_object_get(o, "other");
    if (!o || json_is_null(o))
        return GLIM_OK;
    d->prediction.other = json_is_number(other) ? json_number_value(other) : NAN;
    glim_status status = read_classes(d, json_object_get(o, "classes"), name, err);
    return status ? status : read_row(d, json_object_get(o, "row"), name, err);
}
