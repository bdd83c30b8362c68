/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fitted model's file, schema glim.linear/1: JSON, because a person may want to read
 * the weights, and doubles survive it to the bit. What is read is checked member by
 * member: sizes against each other, numbers for being finite, columns for covering
 * every feature once.
 */
#include "predict/fit.h"
#include "base/json.h"
#include "base/map.h"

#include <math.h>
#include <sodium.h>
#include <string.h>

enum { MOST_BYTES = 1 << 28, MOST_FEATURES = 1 << 22, MOST_OUTPUTS = 10000 };

/* ---- the model ---- */

glim_status glim__linear_new(glim_linear **out, glim_context *ctx, glim_error *err) {
    glim_linear *l = *out = glim__calloc(ctx, 1, sizeof *l);
    if (!l)
        return glim__oom(ctx, err, "the model", sizeof *l);
    l->ctx = ctx;
    glim__arena_init(&l->arena, ctx, 1 << 14);
    l->info.accuracy = l->info.low = l->info.high = NAN;
    return GLIM_OK;
}

glim_status glim__linear_shape(glim_linear *l, size_t P, size_t O, glim_error *err) {
    l->info.width = P;
    l->info.outputs = O;
    l->mean = glim__arena_calloc(&l->arena, P, sizeof *l->mean);
    l->scale = glim__arena_calloc(&l->arena, P, sizeof *l->scale);
    l->weights = glim__arena_calloc(&l->arena, O * P, sizeof *l->weights);
    l->bias = glim__arena_calloc(&l->arena, O, sizeof *l->bias);
    return l->mean && l->scale && l->weights && l->bias
               ? GLIM_OK
               : glim__oom(l->ctx, err, "the weights", O * P * sizeof *l->weights);
}

void glim_linear_close(glim_linear *l) {
    if (!l)
        return;
    glim_context *ctx = l->ctx;
    glim__arena_release(&l->arena);
    glim__free(ctx, l);
}

const glim_linear_info *glim_linear_facts(const glim_linear *l) {
    return &l->info;
}

void glim_linear_weights(const glim_linear *l, double *weights, double *bias) {
    size_t P = l->info.width;
    for (size_t k = 0; k < l->info.outputs; k++) {
        bias[k] = l->bias[k];
        for (size_t j = 0; j < P; j++) {
            weights[k * P + j] = l->weights[k * P + j] / l->scale[j];
            bias[k] -= weights[k * P + j] * l->mean[j];
        }
    }
}

void glim__linear_outputs(const glim_linear *l, const double *x, double *z) {
    size_t P = l->info.width;
    for (size_t k = 0; k < l->info.outputs; k++) {
        z[k] = l->bias[k];
        for (size_t j = 0; j < P; j++)
            z[k] += l->weights[k * P + j] * ((x[j] - l->mean[j]) / l->scale[j]);
    }
}

/* ---- writing ---- */

static json_t *numbers(const double *x, size_t n, bool *ok) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        glim__json_add(ok, list, glim__json_number(x[i]));
    return list;
}

static json_t *strings(const char *const *s, size_t n, bool *ok) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        glim__json_add(ok, list, json_string(s[i]));
    return list;
}

static json_t *text_or_null(const char *s) {
    return s ? json_string(s) : json_null();
}

static json_t *input_json(const glim_linear *l, bool *ok) {
    json_t *o = json_object(), *columns = json_array();
    if (l->info.site) {
        glim__json_set(ok, o, "kind", json_string("text"));
        glim__json_set(ok, o, "site", json_string(l->info.site));
        glim__json_set(ok, o, "pool", json_string(l->info.pool));
        glim__json_set(ok, o, "architecture", json_string(l->info.architecture));
        glim__json_set(ok, o, "model_digest", json_string(l->info.model_digest));
        json_decref(columns);
        return o;
    }
    for (size_t i = 0; i < l->info.n_columns; i++) {
        const glim_fit_column *c = &l->columns[i];
        json_t *one = json_object();
        glim__json_set(ok, one, "name", json_string(c->name));
        glim__json_set(ok, one, "values",
                       c->values ? strings(c->values, c->n_values, ok) : json_null());
        glim__json_add(ok, columns, one);
    }
    glim__json_set(ok, o, "kind", json_string("table"));
    glim__json_set(ok, o, "columns", columns);
    return o;
}

static json_t *fit_json(const glim_linear_info *i, bool *ok) {
    json_t *o = json_object();
    glim__json_set(ok, o, "strength", glim__json_number(i->strength));
    glim__json_set(ok, o, "l1_ratio", glim__json_number(i->l1_ratio));
    glim__json_set(ok, o, "rows", json_integer((json_int_t)i->rows));
    glim__json_set(ok, o, "held_out", json_integer((json_int_t)i->held_out));
    glim__json_set(ok, o, i->kind == GLIM_FIT_LINEAR ? "r2" : "accuracy",
                   glim__json_number(i->accuracy));
    glim__json_set(ok, o, "low", glim__json_number(i->low));
    glim__json_set(ok, o, "high", glim__json_number(i->high));
    return o;
}

static json_t *linear_json(const glim_linear *l, bool *ok) {
    const glim_linear_info *i = &l->info;
    json_t *o = json_object(), *weights = json_array();
    for (size_t k = 0; k < i->outputs; k++)
        glim__json_add(ok, weights, numbers(l->weights + k * i->width, i->width, ok));
    glim__json_set(ok, o, "schema", json_string("glim.linear/1"));
    glim__json_set(ok, o, "version", json_string(GLIM_VERSION));
    glim__json_set(ok, o, "kind", json_string(i->kind == GLIM_FIT_LINEAR ? "linear" : "logistic"));
    glim__json_set(ok, o, "target", text_or_null(i->target));
    glim__json_set(ok, o, "classes", strings(i->classes, i->n_classes, ok));
    glim__json_set(ok, o, "input", input_json(l, ok));
    glim__json_set(ok, o, "fit", fit_json(i, ok));
    glim__json_set(ok, o, "mean", numbers(l->mean, i->width, ok));
    glim__json_set(ok, o, "scale", numbers(l->scale, i->width, ok));
    glim__json_set(ok, o, "bias", numbers(l->bias, i->outputs, ok));
    glim__json_set(ok, o, "weights", weights);
    return o;
}

glim_status glim_linear_save(const glim_linear *l, const char *path, glim_error *err) {
    glim_buffer text;
    glim__buffer_init(&text, l->ctx);
    bool ok = true;
    json_t *o = linear_json(l, &ok);
    glim_status status = glim__json_write(&text, ok ? o : NULL, 1, false, err);
    glim__buffer_putc(&text, '\n');
    json_decref(o);
    if (!status && text.failed)
        status = glim__oom(l->ctx, err, "the file", text.len);
    if (!status)
        status = glim__file_write(path, text.data, text.len, err);
    glim__buffer_release(&text);
    return status;
}

/* ---- reading ---- */

struct reader {
    glim_linear *l;
    const char *name;
    glim_status status;
    glim_error *err;
};

static void wrong(struct reader *r, const char *member, const char *want) {
    if (!r->status)
        r->status =
            glim_fail(r->err, GLIM_EFORMAT, "'%s': \"%s\" is not %s", r->name, member, want);
}

static void refused(struct reader *r) {
    if (!r->status)
        r->status = glim__oom(r->l->ctx, r->err, "the model", 0);
}

/* A copy of a string without NUL, or NULL. */
static const char *string(struct reader *r, const json_t *v, const char *member) {
    if (r->status)
        return NULL;
    if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v)) {
        wrong(r, member, "a string");
        return NULL;
    }
    const char *copy = glim__arena_strdup(&r->l->arena, json_string_value(v));
    if (!copy)
        refused(r);
    return copy;
}

static const char **string_list(struct reader *r, const json_t *v, const char *member, size_t *n) {
    *n = json_array_size(v);
    if (!json_is_array(v))
        wrong(r, member, "a list of strings");
    const char **out = glim__arena_calloc(&r->l->arena, *n + 1, sizeof *out);
    if (!out)
        refused(r);
    for (size_t i = 0; i < *n && out && !r->status; i++) {
        out[i] = string(r, json_array_get(v, i), member);
        if (i && !r->status && !strcmp(member, "values") && strcmp(out[i - 1], out[i]) >= 0)
            wrong(r, member, "sorted");
    }
    return out;
}

static void number_list(struct reader *r, const json_t *v, const char *member, double least,
                        double *out, size_t n) {
    if (!json_is_array(v) || json_array_size(v) != n)
        wrong(r, member, "a list of the right length");
    for (size_t i = 0; i < n && !r->status; i++) {
        const json_t *x = json_array_get(v, i);
        out[i] = json_number_value(x);
        if (!json_is_number(x) || !isfinite(out[i]) || !(out[i] > least))
            wrong(r, member, least < 0 ? "made of finite numbers" : "made of positive numbers");
    }
}

static void read_columns(struct reader *r, const json_t *list, size_t width) {
    glim_linear *l = r->l;
    size_t n = json_array_size(list), at = 0;
    glim_map names;
    glim__map_init(&names, l->ctx);
    if (!json_is_array(list) || !n || n > GLIM_MOST_COLUMNS)
        wrong(r, "columns", "a list of columns");
    l->columns = r->status ? NULL : glim__arena_calloc(&l->arena, n, sizeof *l->columns);
    l->column_names = r->status ? NULL : glim__arena_calloc(&l->arena, n, sizeof *l->column_names);
    if (!l->columns || !l->column_names)
        refused(r);
    for (size_t i = 0; i < n && l->columns && l->column_names && !r->status; i++) {
        const json_t *o = json_array_get(list, i), *values = json_object_get(o, "values");
        glim_fit_column *c = &l->columns[i];
        c->name = l->column_names[i] = string(r, json_object_get(o, "name"), "name");
        c->first = at;
        if (values && !json_is_null(values))
            c->values = string_list(r, values, "values", &c->n_values);
        if (c->values && !c->n_values)
            wrong(r, "values", "a list with values");
        int32_t old = -1;
        if (!r->status && c->name &&
            !glim__map_set(&names, c->name, strlen(c->name), (int32_t)i, &old))
            refused(r);
        if (old >= 0)
            wrong(r, "columns", "a list of different names");
        at += c->values ? c->n_values : 1;
    }
    glim__map_release(&names);
    if (!r->status && at != width)
        wrong(r, "columns", "as many features as there are weights");
    l->info.columns = l->column_names;
    l->info.n_columns = n;
}

static void read_input(struct reader *r, const json_t *o, size_t width) {
    glim_linear_info *i = &r->l->info;
    const char *kind = string(r, json_object_get(o, "kind"), "kind");
    if (r->status)
        return;
    if (!strcmp(kind, "table")) {
        read_columns(r, json_object_get(o, "columns"), width);
        return;
    }
    if (strcmp(kind, "text") != 0) {
        wrong(r, "kind", "\"table\" or \"text\"");
        return;
    }
    i->site = string(r, json_object_get(o, "site"), "site");
    i->pool = string(r, json_object_get(o, "pool"), "pool");
    i->architecture = string(r, json_object_get(o, "architecture"), "architecture");
    i->model_digest = string(r, json_object_get(o, "model_digest"), "model_digest");
    if (!r->status && strcmp(i->pool, "mean") && strcmp(i->pool, "last") && strcmp(i->pool, "cls"))
        wrong(r, "pool", "\"mean\", \"last\" or \"cls\"");
}

/* Facts for people: absent ones are not there. */
static void read_fit(struct reader *r, const json_t *o) {
    glim_linear_info *i = &r->l->info;
    double *const into[] = {&i->strength, &i->l1_ratio, &i->low, &i->high, &i->accuracy};
    const char *const names[] = {"strength", "l1_ratio", "low", "high",
                                 i->kind == GLIM_FIT_LINEAR ? "r2" : "accuracy"};
    for (size_t k = 0; k < 5; k++) {
        const json_t *v = json_object_get(o, names[k]);
        *into[k] = json_is_number(v) ? json_number_value(v) : NAN;
    }
    json_int_t rows = json_integer_value(json_object_get(o, "rows"));
    json_int_t held = json_integer_value(json_object_get(o, "held_out"));
    i->rows = rows > 0 ? (size_t)rows : 0;
    i->held_out = held > 0 ? (size_t)held : 0;
}

static void read_classes(struct reader *r, const json_t *root) {
    glim_linear_info *i = &r->l->info;
    const char *kind = string(r, json_object_get(root, "kind"), "kind");
    if (r->status)
        return;
    i->kind = !strcmp(kind, "linear") ? GLIM_FIT_LINEAR : GLIM_FIT_LOGISTIC;
    if (strcmp(kind, "linear") != 0 && strcmp(kind, "logistic") != 0)
        wrong(r, "kind", "\"logistic\" or \"linear\"");
    r->l->classes = string_list(r, json_object_get(root, "classes"), "classes", &i->n_classes);
    i->classes = r->l->classes;
    if (i->kind == GLIM_FIT_LINEAR ? i->n_classes > 0
                                   : i->n_classes < 2 || i->n_classes > MOST_OUTPUTS)
        wrong(r, "classes", "what this kind of model has");
}

static void read_all(struct reader *r, const json_t *root) {
    glim_linear *l = r->l;
    const json_t *schema = json_object_get(root, "schema"), *rows;
    const json_t *target = json_object_get(root, "target");
    if (!json_is_string(schema) || strcmp(json_string_value(schema), "glim.linear/1") != 0) {
        wrong(r, "schema", "\"glim.linear/1\": glim fit did not write this file");
        return;
    }
    read_classes(r, root);
    if (target && !json_is_null(target))
        l->info.target = string(r, target, "target");
    size_t P = json_array_size(json_object_get(root, "mean"));
    size_t O = l->info.kind == GLIM_FIT_LINEAR || l->info.n_classes == 2 ? 1 : l->info.n_classes;
    rows = json_object_get(root, "weights");
    if (!P || P > MOST_FEATURES)
        wrong(r, "mean", "a list of numbers");
    if (json_array_size(rows) != O)
        wrong(r, "weights", "a list for each class (of two, one)");
    for (size_t k = 0; k < O && !r->status; k++) /* before there is room for them */
        if (json_array_size(json_array_get(rows, k)) != P)
            wrong(r, "weights", "as wide as \"mean\"");
    if (!r->status)
        r->status = glim__linear_shape(l, P, O, r->err);
    number_list(r, json_object_get(root, "mean"), "mean", -INFINITY, l->mean, r->status ? 0 : P);
    number_list(r, json_object_get(root, "scale"), "scale", 0, l->scale, r->status ? 0 : P);
    number_list(r, json_object_get(root, "bias"), "bias", -INFINITY, l->bias, r->status ? 0 : O);
    for (size_t k = 0; k < O && !r->status; k++)
        number_list(r, json_array_get(rows, k), "weights", -INFINITY, l->weights + k * P, P);
    if (!r->status)
        read_input(r, json_object_get(root, "input"), P);
    read_fit(r, json_object_get(root, "fit"));
}

glim_status glim__linear_read(glim_linear **out, glim_context *ctx, const char *bytes, size_t n,
                              const char *name, glim_error *err) {
    unsigned char hash[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof hash + 1];
    json_t *root;
    *out = NULL;
    glim_status status = glim__json_parse(&root, bytes, n, name, err);
    if (status)
        return status;
    struct reader r = {.name = name, .err = err};
    r.status = glim__linear_new(&r.l, ctx, err);
    if (!r.status)
        read_all(&r, root);
    json_decref(root);
    crypto_hash_sha256(hash, (const unsigned char *)bytes, n);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    if (!r.status && (!(r.l->info.path = glim__arena_strdup(&r.l->arena, name)) ||
                      !(r.l->info.digest = glim__arena_strdup(&r.l->arena, hex))))
        refused(&r);
    if (r.status) {
        glim_linear_close(r.l);
        return r.status;
    }
    *out = r.l;
    return GLIM_OK;
}

glim_status glim_linear_open(glim_linear **out, glim_context *ctx, const char *path,
                             glim_error *err) {
    glim_buffer bytes;
    *out = NULL;
    glim__buffer_init(&bytes, ctx);
    glim_status status = glim__file_read(&bytes, path, MOST_BYTES, err);
    if (!status)
        status = glim__linear_read(out, ctx, bytes.data ? bytes.data : "", bytes.len, path, err);
    glim__buffer_release(&bytes);
    return status;
}
