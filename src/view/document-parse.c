/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A saved document read back. The file is anybody's: every member's type is
 * checked, sizes must agree, offsets must lie in the text.
 */
#include "view/panels.h"

#include <math.h>
#include <string.h>

struct reader {
    glim_document *doc;
    const char *name;
    glim_error *err;
    glim_status status; /* sticky */
};

static void wrong(struct reader *r, const char *member, const char *want) {
    if (!r->status)
        r->status =
            glim_fail(r->err, GLIM_EFORMAT, "'%s': member '%s' is not %s", r->name, member, want);
}

static void no_memory(struct reader *r) {
    if (!r->status)
        r->status = glim__oom(r->doc->ctx, r->err, "the document", 0);
}

static const json_t *object(struct reader *r, const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    if (!json_is_object(v))
        wrong(r, key, "an object");
    return v;
}

static const json_t *list(struct reader *r, const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    if (!json_is_array(v))
        wrong(r, key, "a list");
    return v;
}

static const char *string(struct reader *r, const json_t *o, const char *key, bool need,
                          size_t *len) {
    const json_t *v = json_object_get(o, key);
    size_t n = json_is_string(v) ? json_string_length(v) : 0;
    if (len)
        *len = n;
    if (!json_is_string(v)) {
        if (need || (v && !json_is_null(v)))
            wrong(r, key, "a string");
        return NULL;
    }
    const char *s = glim_document_text(r->doc, json_string_value(v), n);
    if (!s)
        no_memory(r);
    return s;
}

static double number(struct reader *r, const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    if (v && !json_is_null(v) && !json_is_number(v))
        wrong(r, key, "a number or null");
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static int64_t integer(struct reader *r, const json_t *o, const char *key, int64_t min, int64_t max,
                       int64_t absent) {
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v))
        return absent;
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) {
        wrong(r, key, "a whole number in range");
        return absent;
    }
    return json_integer_value(v);
}

static bool boolean(struct reader *r, const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    if (v && !json_is_boolean(v))
        wrong(r, key, "true or false");
    return json_is_true(v);
}

static void span(struct reader *r, const json_t *o, size_t *start, size_t *end) {
    int64_t n = (int64_t)r->doc->input.text_len;
    *start = (size_t)integer(r, o, "start", 0, n, 0);
    *end = (size_t)integer(r, o, "end", 0, n, 0);
    if (*end < *start)
        wrong(r, "end", "at least 'start'");
}

static void read_units(struct reader *r, const json_t *units) {
    glim_document *d = r->doc;
    size_t n = json_array_size(units);
    d->input.units = glim_document_alloc(d, n * sizeof *d->input.units);
    if (!d->input.units) {
        no_memory(r);
        return;
    }
    d->input.n_units = n;
    for (size_t i = 0; i < n && !r->status; i++) {
        const json_t *o = json_array_get(units, i);
        glim_document_unit *u = &d->input.units[i];
        u->text = string(r, o, "text", true, &u->text_len);
        span(r, o, &u->start, &u->end);
        u->fixed = boolean(r, o, "fixed");
        u->generated = boolean(r, o, "generated");
        u->first = (size_t)integer(r, o, "first_token", 0, INT32_MAX, (int64_t)i);
        u->count = (size_t)integer(r, o, "tokens", 0, INT32_MAX, 1);
        u->turn = (int)integer(r, o, "turn", 0, INT32_MAX, -1);
    }
}

static void read_input(struct reader *r, const json_t *o) {
    glim_document *d = r->doc;
    const char *text = string(r, o, "text", true, &d->input.text_len);
    d->input.text = text ? text : "";
    d->input.unit = string(r, o, "unit", false, NULL);
    const json_t *units = list(r, o, "units"), *turns = json_object_get(o, "turns");
    if (!r->status)
        read_units(r, units);
    if (!r->status)
        r->status = glim__document_image_parse(d, o, r->name, r->err);
    size_t n = json_array_size(turns);
    d->input.turns = glim_document_alloc(d, n * sizeof *d->input.turns);
    if (!d->input.turns)
        no_memory(r);
    for (size_t i = 0; i < n && !r->status; i++) {
        const json_t *t = json_array_get(turns, i);
        glim_document_turn *turn = &d->input.turns[d->input.n_turns++];
        turn->role = string(r, t, "role", true, NULL);
        span(r, t, &turn->start, &turn->end);
    }
}

static void read_model_and_method(struct reader *r, const json_t *all) {
    glim_document *d = r->doc;
    const json_t *m = object(r, all, "model"), *how = object(r, all, "method");
    d->model.file = string(r, m, "file", false, NULL);
    d->model.name = string(r, m, "name", false, NULL);
    d->model.architecture = string(r, m, "architecture", false, NULL);
    d->model.quantisation = string(r, m, "quantisation", false, NULL);
    d->model.digest = string(r, m, "digest", false, NULL);
    d->method.name = string(r, how, "name", true, NULL);
    d->method.summary = string(r, how, "summary", false, NULL);
    d->method.cite = string(r, how, "cite", false, NULL);
    d->method.caption = string(r, how, "caption", false, NULL);
    d->method.unit = string(r, how, "unit", false, NULL);
    d->method.additive = boolean(r, how, "additive");
    d->method.is_signed = json_object_get(how, "signed") ? boolean(r, how, "signed") : true;
    const json_t *params = json_object_get(how, "params");
    char *text = json_is_object(params) ? json_dumps(params, JSON_COMPACT) : NULL;
    d->method.params = glim_document_text(d, text ? text : "{}", text ? strlen(text) : 2);
    if (!d->method.params || (json_is_object(params) && !text))
        no_memory(r);
    free(text);
}

/* Scores are of a target; panels may do without. */
static void read_target(struct reader *r, const json_t *o, bool need) {
    glim_document *d = r->doc;
    const char *kind = string(r, o, "kind", false, NULL);
    const char *output = string(r, o, "output", false, NULL);
    d->target.kind = kind || !need ? kind : "next-token";
    d->target.output = output || !need ? output : "logit";
    d->target.text = string(r, o, "text", need, &d->target.text_len);
    d->target.id = (int32_t)integer(r, o, "id", 0, INT32_MAX, -1);
    d->target.against = string(r, o, "against", false, &d->target.against_len);
    d->target.against_id = (int32_t)integer(r, o, "against_id", 0, INT32_MAX, -1);
    d->target.value = number(r, o, "value");
    d->target.baseline_value = number(r, o, "baseline_value");
    d->target.prob = number(r, o, "prob");
}

static void read_rows(struct reader *r, const json_t *rows) {
    glim_document *d = r->doc;
    size_t n = json_array_size(rows);
    d->n_rows = n;
    if (!n) {
        wrong(r, "rows", "a list of rows");
        return;
    }
    d->rows = glim_document_alloc(d, n * sizeof *d->rows);
    if (!d->rows)
        no_memory(r);
    for (size_t i = 0; i < n && !r->status; i++) {
        const json_t *o = json_array_get(rows, i);
        glim_document_row *row = &d->rows[i];
        row->text = string(r, o, "text", true, &row->text_len);
        row->id = (int32_t)integer(r, o, "id", 0, INT32_MAX, -1);
        span(r, o, &row->start, &row->end);
        row->value = number(r, o, "value");
        row->baseline_value = number(r, o, "baseline_value");
        row->prob = number(r, o, "prob");
        row->residual = number(r, o, "residual");
    }
}

static void read_line(struct reader *r, const json_t *line, const char *key, double *out) {
    size_t U = r->doc->input.n_units;
    if (!json_is_array(line) || json_array_size(line) != U) {
        wrong(r, key, "one number a unit");
        return;
    }
    for (size_t u = 0; u < U; u++) {
        const json_t *v = json_array_get(line, u);
        if (!json_is_number(v) && !json_is_null(v))
            wrong(r, key, "a list of numbers and nulls");
        out[u] = json_is_number(v) ? json_number_value(v) : NAN;
    }
}

static double *read_numbers(struct reader *r, const json_t *all, const char *key, bool need) {
    glim_document *d = r->doc;
    const json_t *v = json_object_get(all, key);
    if (r->status || (!need && (!v || json_is_null(v))))
        return NULL;
    double *out = glim_document_alloc(d, d->n_rows * d->input.n_units * sizeof *out);
    if (!out) {
        no_memory(r);
        return NULL;
    }
    if (d->rows && json_array_size(v) != d->n_rows)
        wrong(r, key, "one list a row");
    for (size_t i = 0; i < d->n_rows && !r->status; i++)
        read_line(r, d->rows ? json_array_get(v, i) : v, key, out + i * d->input.n_units);
    return out;
}

static void read_checks(struct reader *r, const json_t *o) {
    glim_document *d = r->doc;
    const char *verdict = string(r, o, "verdict", true, NULL);
    const char *reason = string(r, o, "reason", false, NULL), *key;
    json_t *c;
    d->verdict = verdict && !strcmp(verdict, "ok")        ? GLIM_VERDICT_OK
                 : verdict && !strcmp(verdict, "careful") ? GLIM_VERDICT_CAREFUL
                                                          : GLIM_VERDICT_DISTRUST;
    d->verdict_reason = reason ? reason : "";
    json_object_foreach(json_object_get(o, "values"), key, c) {
        if (!glim_document_check_add(d, key, number(r, c, "value"),
                                     string(r, c, "meaning", false, NULL)))
            no_memory(r);
    }
}

static void read_rest(struct reader *r, const json_t *all) {
    glim_document *d = r->doc;
    const json_t *cost = object(r, all, "cost"), *notes = json_object_get(all, "notes");
    const char *version = string(r, all, "glim", false, NULL);
    d->version = version ? version : "unknown";
    d->cost.forward_tokens = (uint64_t)integer(r, cost, "forward_tokens", 0, INT64_MAX, 0);
    d->cost.backward_tokens = (uint64_t)integer(r, cost, "backward_tokens", 0, INT64_MAX, 0);
    d->cost.peak_bytes = (uint64_t)integer(r, cost, "peak_bytes", 0, INT64_MAX, 0);
    d->cost.threads = (int)integer(r, cost, "threads", 0, 4096, 0);
    d->cost.seconds = number(r, cost, "seconds");
    d->cost.kernels = string(r, cost, "kernels", false, NULL);
    d->seed = (uint64_t)integer(r, all, "seed", 0, INT64_MAX, 0);
    d->fixed_total = number(r, all, "fixed_total");
    d->partial = boolean(r, all, "partial");
    for (size_t i = 0; i < json_array_size(notes) && !r->status; i++) {
        const char *s = json_string_value(json_array_get(notes, i));
        if (s && !glim_document_note(d, "%s", s))
            no_memory(r);
    }
}

static void read_all(struct reader *r, const json_t *all) {
    glim_document *d = r->doc;
    const char *schema = string(r, all, "schema", true, NULL);
    const char *kind = string(r, all, "kind", true, NULL);
    if (!r->status && strcmp(schema, "glim.explanation/1"))
        wrong(r, "schema", "'glim.explanation/1'");
    bool of_panels = !r->status && glim__panel_document(kind);
    if (!r->status && strcmp(kind, "attribution") && strcmp(kind, "attribution-matrix") &&
        strcmp(kind, "attention") && !of_panels)
        wrong(r, "kind",
              "'attribution', 'attribution-matrix', 'attention', 'lens', 'patch', 'probe' or "
              "'maximize'");
    if (r->status)
        return;
    d->kind = kind;
    const json_t *scores = json_object_get(all, "scores"), *panels = json_object_get(all, "panels");
    of_panels = of_panels && (!scores || json_is_null(scores));
    const json_t *input = object(r, all, "input"), *target = object(r, all, "target");
    const json_t *checks = object(r, all, "checks");
    if (!r->status)
        read_input(r, input);
    if (!r->status)
        read_target(r, target, !of_panels);
    if (!r->status)
        read_model_and_method(r, all);
    d->n_rows = 1;
    if (!r->status && strcmp(kind, "attribution") != 0 && !glim__panel_document(kind))
        read_rows(r, json_object_get(all, "rows"));
    d->scores = read_numbers(r, all, "scores", !of_panels);
    d->error = of_panels ? NULL : read_numbers(r, all, "error", false);
    if (!r->status && (of_panels || panels))
        r->status = glim__panels_parse(d, panels, r->name, r->err);
    if (!r->status)
        r->status =
            glim__document_prediction_parse(d, json_object_get(all, "prediction"), r->name, r->err);
    if (!r->status && !strcmp(kind, "attention"))
        r->status =
            glim__document_attention_parse(d, json_object_get(all, "attention"), r->name, r->err);
    const json_t *links = json_object_get(all, "links");
    if (!r->status && links && !of_panels)
        r->status = glim__document_links_parse(d, links, r->name, r->err);
    if (!r->status)
        r->status = glim__document_levels_parse(d, json_object_get(all, "levels"), r->name, r->err);
    if (!r->status)
        read_checks(r, checks);
    if (!r->status)
        read_rest(r, all);
    if (!r->status)
        r->status = glim__profile_parse(d, json_object_get(all, "evaluation"), r->name, r->err);
}

glim_status glim_document_parse(glim_document **out, glim_context *ctx, const char *json, size_t n,
                                const char *name, glim_error *err) {
    json_t *all = NULL;
    struct reader r = {.name = name, .err = err};
    *out = NULL;
    glim_status status = glim__json_parse(&all, json, n, name, err);
    if (!status && !json_is_object(all))
        status = glim_fail(err, GLIM_EFORMAT, "'%s' is not a glim document", name);
    if (!status)
        status = glim_document_new(&r.doc, ctx, err);
    if (!status) {
        read_all(&r, all);
        status = r.status;
    }
    json_decref(all);
    if (status)
        glim_document_free(r.doc);
    else
        *out = r.doc;
    return status;
}
