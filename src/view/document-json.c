/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document as JSON, schema glim.explanation/1 (docs/schema). Member order is
 * fixed, NaN is null, and the text is valid UTF-8 whatever the tokens hold.
 */
#include "base/utf8.h"
#include "view/views.h"

#include <math.h>
#include <string.h>

static json_t *text(const char *s, size_t n) {
    return s ? glim__json_text(s, n) : json_null();
}

static json_t *word(const char *s) {
    return s ? glim__json_text(s, strlen(s)) : json_null();
}

static void set(json_t *o, const char *key, json_t *value) {
    json_object_set_new(o, key, value);
}

static json_t *model_json(const glim_document *d) {
    json_t *o = json_object();
    set(o, "file", word(d->model.file));
    set(o, "name", word(d->model.name));
    set(o, "architecture", word(d->model.architecture));
    set(o, "quantisation", word(d->model.quantisation));
    set(o, "digest", word(d->model.digest));
    return o;
}

/* An offset of the text as it is written: a broken byte becomes three. */
static json_t *offset(const glim_document *d, size_t at) {
    const char *s = d->input.text;
    size_t n = d->input.text_len, i = s ? glim__utf8_check(s, n) : 0, shown = at;
    while (i < at && i < n) {
        uint32_t cp;
        int len = glim__utf8_decode(s + i, n - i, &cp);
        shown += len ? 0 : 2;
        i += len ? (size_t)len : 1;
    }
    return json_integer((json_int_t)shown);
}

static void set_span(json_t *o, const glim_document *d, size_t start, size_t end) {
    set(o, "start", offset(d, start));
    set(o, "end", offset(d, end));
}

static json_t *unit_json(const glim_document *d, const glim_document_unit *u) {
    json_t *o = json_object();
    set(o, "text", text(u->text, u->text_len));
    set_span(o, d, u->start, u->end);
    set(o, "fixed", json_boolean(u->fixed));
    set(o, "generated", json_boolean(u->generated));
    set(o, "first_token", json_integer((json_int_t)u->first));
    set(o, "tokens", json_integer((json_int_t)u->count));
    set(o, "turn", u->turn < 0 ? json_null() : json_integer(u->turn));
    if (d->input.image.width) {
        set(o, "x", json_integer(u->x));
        set(o, "y", json_integer(u->y));
        set(o, "width", json_integer(u->width));
        set(o, "height", json_integer(u->height));
    }
    return o;
}

static json_t *input_json(const glim_document *d) {
    json_t *o = json_object(), *units = json_array(), *turns = json_array();
    set(o, "text", text(d->input.text, d->input.text_len));
    set(o, "unit", word(d->input.unit));
    for (size_t i = 0; i < d->input.n_units; i++)
        json_array_append_new(units, unit_json(d, &d->input.units[i]));
    for (size_t i = 0; i < d->input.n_turns; i++) {
        json_t *t = json_object();
        set(t, "role", word(d->input.turns[i].role));
        set_span(t, d, d->input.turns[i].start, d->input.turns[i].end);
        json_array_append_new(turns, t);
    }
    set(o, "units", units);
    set(o, "turns", turns);
    if (d->input.image.width)
        set(o, "image", glim__document_image_json(d));
    return o;
}

static json_t *id_json(int32_t id) {
    return id < 0 ? json_null() : json_integer(id);
}

static json_t *target_json(const glim_document *d) {
    json_t *o = json_object();
    set(o, "kind", word(d->target.kind));
    set(o, "output", word(d->target.output));
    set(o, "text", text(d->target.text, d->target.text_len));
    set(o, "id", id_json(d->target.id));
    set(o, "against",
        d->target.against ? text(d->target.against, d->target.against_len) : json_null());
    set(o, "against_id", id_json(d->target.against_id));
    set(o, "value", glim__json_number(d->target.value));
    set(o, "baseline_value", glim__json_number(d->target.baseline_value));
    set(o, "prob", glim__json_number(d->target.prob));
    return o;
}

static json_t *method_json(const glim_document *d) {
    json_t *o = json_object();
    json_t *params = d->method.params ? json_loads(d->method.params, 0, NULL) : NULL;
    set(o, "name", word(d->method.name));
    set(o, "summary", word(d->method.summary));
    set(o, "params", params ? params : json_object());
    set(o, "cite", word(d->method.cite));
    set(o, "caption", word(d->method.caption));
    set(o, "additive", json_boolean(d->method.additive));
    set(o, "signed", json_boolean(d->method.is_signed));
    return o;
}

static json_t *rows_json(const glim_document *d) {
    json_t *list = json_array();
    for (size_t i = 0; i < d->n_rows; i++) {
        const glim_document_row *r = &d->rows[i];
        json_t *o = json_object();
        set(o, "text", text(r->text, r->text_len));
        set(o, "id", id_json(r->id));
        set_span(o, d, r->start, r->end);
        set(o, "value", glim__json_number(r->value));
        set(o, "baseline_value", glim__json_number(r->baseline_value));
        set(o, "prob", glim__json_number(r->prob));
        set(o, "residual", glim__json_number(r->residual));
        json_array_append_new(list, o);
    }
    return list;
}

/* One list for a plain attribution, a list of rows for a matrix. */
static json_t *numbers_json(const glim_document *d, const double *x) {
    if (!x)
        return json_null();
    json_t *list = json_array();
    for (size_t r = 0; r < d->n_rows; r++) {
        json_t *row = d->rows ? json_array() : list;
        for (size_t u = 0; u < d->input.n_units; u++)
            json_array_append_new(row, glim__json_number(x[r * d->input.n_units + u]));
        if (d->rows)
            json_array_append_new(list, row);
    }
    return list;
}

static json_t *checks_json(const glim_document *d) {
    static const char *const verdicts[] = {"ok", "careful", "do not trust"};
    json_t *o = json_object(), *list = json_object();
    set(o, "verdict", json_string(verdicts[d->verdict]));
    set(o, "reason", word(d->verdict_reason));
    for (size_t i = 0; i < d->n_checks; i++) {
        json_t *c = json_object();
        set(c, "value", glim__json_number(d->checks[i].value));
        set(c, "meaning", word(d->checks[i].meaning));
        set(list, d->checks[i].name, c);
    }
    set(o, "values", list);
    return o;
}

static json_t *cost_json(const glim_document *d) {
    json_t *o = json_object();
    set(o, "forward_tokens", json_integer((json_int_t)d->cost.forward_tokens));
    set(o, "backward_tokens", json_integer((json_int_t)d->cost.backward_tokens));
    set(o, "seconds", glim__json_number(d->cost.seconds));
    set(o, "peak_bytes", json_integer((json_int_t)d->cost.peak_bytes));
    set(o, "threads", json_integer(d->cost.threads));
    set(o, "kernels", word(d->cost.kernels));
    return o;
}

json_t *glim__document_json(const glim_document *d) {
    json_t *o = json_object(), *notes = json_array();
    set(o, "schema", json_string("glim.explanation/1"));
    set(o, "kind", word(d->kind));
    set(o, "glim", word(d->version));
    set(o, "model", model_json(d));
    set(o, "input", input_json(d));
    set(o, "target", target_json(d));
    set(o, "method", method_json(d));
    if (d->rows)
        set(o, "rows", rows_json(d));
    set(o, "scores", numbers_json(d, d->scores));
    set(o, "error", numbers_json(d, d->error));
    set(o, "fixed_total", glim__json_number(d->fixed_total));
    set(o, "checks", checks_json(d));
    set(o, "cost", cost_json(d));
    set(o, "seed", json_integer((json_int_t)d->seed));
    for (size_t i = 0; i < d->n_notes; i++)
        json_array_append_new(notes, word(d->notes[i]));
    set(o, "notes", notes);
    set(o, "partial", json_boolean(d->partial));
    return o;
}

static glim_status render(const glim_document *doc, const glim_view_options *options, char **out,
                          size_t *n, glim_error *err) {
    glim_buffer b;
    json_t *value = glim__document_json(doc);
    glim__buffer_init(&b, doc->ctx);
    glim_status status = glim__json_write(&b, value, 1, false, err);
    json_decref(value);
    if (status) {
        glim__buffer_release(&b);
        return status;
    }
    glim__buffer_putc(&b, '\n');
    return glim__view_finish(&b, out, n, err);
}

const glim_view glim__view_json = {
    .name = "json", .summary = "the document, schema glim.explanation/1", .render = render};
