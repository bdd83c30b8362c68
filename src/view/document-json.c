/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document as JSON, schema glim.explanation/1 (docs/schema). Member order is
 * fixed, NaN is null, and the text is valid UTF-8 whatever the tokens hold.
 */
#include "base/utf8.h"
#include "view/panels.h"

#include <math.h>
#include <string.h>

static json_t *text(const char *s, size_t n) {
    return s ? glim__json_text(s, n) : json_null();
}

static json_t *word(const char *s) {
    return s ? glim__json_text(s, strlen(s)) : json_null();
}

static json_t *model_json(bool *ok, const glim_document *d) {
    json_t *o = json_object();
    glim__json_set(ok, o, "file", word(d->model.file));
    glim__json_set(ok, o, "name", word(d->model.name));
    glim__json_set(ok, o, "architecture", word(d->model.architecture));
    glim__json_set(ok, o, "quantisation", word(d->model.quantisation));
    glim__json_set(ok, o, "digest", word(d->model.digest));
    return o;
}

json_t *glim__document_offset(const glim_document *d, size_t at) {
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

static void set_span(bool *ok, json_t *o, const glim_document *d, size_t start, size_t end) {
    glim__json_set(ok, o, "start", glim__document_offset(d, start));
    glim__json_set(ok, o, "end", glim__document_offset(d, end));
}

static json_t *unit_json(bool *ok, const glim_document *d, const glim_document_unit *u) {
    json_t *o = json_object();
    glim__json_set(ok, o, "text", text(u->text, u->text_len));
    set_span(ok, o, d, u->start, u->end);
    glim__json_set(ok, o, "fixed", json_boolean(u->fixed));
    glim__json_set(ok, o, "generated", json_boolean(u->generated));
    glim__json_set(ok, o, "first_token", json_integer((json_int_t)u->first));
    glim__json_set(ok, o, "tokens", json_integer((json_int_t)u->count));
    glim__json_set(ok, o, "turn", u->turn < 0 ? json_null() : json_integer(u->turn));
    if (d->input.image.width) {
        glim__json_set(ok, o, "x", json_integer(u->x));
        glim__json_set(ok, o, "y", json_integer(u->y));
        glim__json_set(ok, o, "width", json_integer(u->width));
        glim__json_set(ok, o, "height", json_integer(u->height));
    }
    return o;
}

static json_t *input_json(bool *ok, const glim_document *d) {
    json_t *o = json_object(), *units = json_array(), *turns = json_array();
    glim__json_set(ok, o, "text", text(d->input.text ? d->input.text : "", d->input.text_len));
    glim__json_set(ok, o, "unit", word(d->input.unit));
    for (size_t i = 0; i < d->input.n_units; i++)
        glim__json_add(ok, units, unit_json(ok, d, &d->input.units[i]));
    for (size_t i = 0; i < d->input.n_turns; i++) {
        json_t *t = json_object();
        glim__json_set(ok, t, "role", word(d->input.turns[i].role));
        set_span(ok, t, d, d->input.turns[i].start, d->input.turns[i].end);
        glim__json_add(ok, turns, t);
    }
    glim__json_set(ok, o, "units", units);
    glim__json_set(ok, o, "turns", turns);
    if (d->input.image.width)
        glim__json_set(ok, o, "image", glim__document_image_json(ok, d));
    return o;
}

static json_t *id_json(int32_t id) {
    return id < 0 ? json_null() : json_integer(id);
}

static json_t *target_json(bool *ok, const glim_document *d) {
    json_t *o = json_object();
    glim__json_set(ok, o, "kind", word(d->target.kind));
    glim__json_set(ok, o, "output", word(d->target.output));
    glim__json_set(ok, o, "text", text(d->target.text, d->target.text_len));
    glim__json_set(ok, o, "id", id_json(d->target.id));
    glim__json_set(ok, o, "against",
                   d->target.against ? text(d->target.against, d->target.against_len)
                                     : json_null());
    glim__json_set(ok, o, "against_id", id_json(d->target.against_id));
    glim__json_set(ok, o, "value", glim__json_number(d->target.value));
    glim__json_set(ok, o, "baseline_value", glim__json_number(d->target.baseline_value));
    glim__json_set(ok, o, "prob", glim__json_number(d->target.prob));
    return o;
}

static json_t *method_json(bool *ok, const glim_document *d) {
    json_t *o = json_object();
    json_t *params = d->method.params ? json_loads(d->method.params, 0, NULL) : NULL;
    glim__json_set(ok, o, "name", word(d->method.name));
    glim__json_set(ok, o, "summary", word(d->method.summary));
    glim__json_set(ok, o, "params", d->method.params ? params : json_object());
    glim__json_set(ok, o, "cite", word(d->method.cite));
    glim__json_set(ok, o, "caption", word(d->method.caption));
    glim__json_set(ok, o, "additive", json_boolean(d->method.additive));
    glim__json_set(ok, o, "signed", json_boolean(d->method.is_signed));
    if (d->method.unit)
        glim__json_set(ok, o, "unit", word(d->method.unit));
    return o;
}

static json_t *rows_json(bool *ok, const glim_document *d) {
    json_t *list = json_array();
    for (size_t i = 0; i < d->n_rows; i++) {
        const glim_document_row *r = &d->rows[i];
        json_t *o = json_object();
        glim__json_set(ok, o, "text", text(r->text, r->text_len));
        glim__json_set(ok, o, "id", id_json(r->id));
        set_span(ok, o, d, r->start, r->end);
        glim__json_set(ok, o, "value", glim__json_number(r->value));
        glim__json_set(ok, o, "baseline_value", glim__json_number(r->baseline_value));
        glim__json_set(ok, o, "prob", glim__json_number(r->prob));
        glim__json_set(ok, o, "residual", glim__json_number(r->residual));
        glim__json_add(ok, list, o);
    }
    return list;
}

/* One list for a plain attribution, a list of rows for a matrix. */
static json_t *numbers_json(bool *ok, const glim_document *d, const double *x) {
    if (!x)
        return json_null();
    json_t *list = json_array();
    for (size_t r = 0; r < d->n_rows; r++) {
        json_t *row = d->rows ? json_array() : list;
        for (size_t u = 0; u < d->input.n_units; u++)
            glim__json_add(ok, row, glim__json_number(x[r * d->input.n_units + u]));
        if (d->rows)
            glim__json_add(ok, list, row);
    }
    return list;
}

static json_t *checks_json(bool *ok, const glim_document *d) {
    static const char *const verdicts[] = {"ok", "careful", "do not trust"};
    json_t *o = json_object(), *list = json_object();
    glim__json_set(ok, o, "verdict", json_string(verdicts[d->verdict]));
    glim__json_set(ok, o, "reason", word(d->verdict_reason));
    for (size_t i = 0; i < d->n_checks; i++) {
        json_t *c = json_object();
        glim__json_set(ok, c, "value", glim__json_number(d->checks[i].value));
        glim__json_set(ok, c, "meaning", word(d->checks[i].meaning));
        glim__json_set(ok, list, d->checks[i].name, c);
    }
    glim__json_set(ok, o, "values", list);
    return o;
}

static json_t *cost_json(bool *ok, const glim_document *d) {
    json_t *o = json_object();
    glim__json_set(ok, o, "forward_tokens", json_integer((json_int_t)d->cost.forward_tokens));
    glim__json_set(ok, o, "backward_tokens", json_integer((json_int_t)d->cost.backward_tokens));
    glim__json_set(ok, o, "seconds", glim__json_number(d->cost.seconds));
    glim__json_set(ok, o, "peak_bytes", json_integer((json_int_t)d->cost.peak_bytes));
    glim__json_set(ok, o, "threads", json_integer(d->cost.threads));
    glim__json_set(ok, o, "kernels", word(d->cost.kernels));
    return o;
}

static json_t *document_json(bool *ok, const glim_document *d) {
    json_t *o = json_object(), *notes = json_array();
    glim__json_set(ok, o, "schema", json_string("glim.explanation/1"));
    glim__json_set(ok, o, "kind", word(d->kind));
    glim__json_set(ok, o, "glim", word(d->version));
    glim__json_set(ok, o, "model", model_json(ok, d));
    glim__json_set(ok, o, "input", input_json(ok, d));
    glim__json_set(ok, o, "target", target_json(ok, d));
    glim__json_set(ok, o, "method", method_json(ok, d));
    if (glim__document_predicts(d))
        glim__json_set(ok, o, "prediction", glim__document_prediction_json(ok, d));
    if (d->rows)
        glim__json_set(ok, o, "rows", rows_json(ok, d));
    glim__json_set(ok, o, "scores", numbers_json(ok, d, d->scores));
    glim__json_set(ok, o, "error", numbers_json(ok, d, d->error));
    glim__json_set(ok, o, "levels", glim__document_levels_json(ok, d));
    if (d->n_panels || glim__of_panels(d))
        glim__json_set(ok, o, "panels", glim__panels_json(ok, d));
    if (d->attention.side)
        glim__json_set(ok, o, "attention", glim__document_attention_json(ok, d));
    if (d->links.rule)
        glim__json_set(ok, o, "links", glim__document_links_json(ok, d));
    glim__json_set(ok, o, "fixed_total", glim__json_number(d->fixed_total));
    glim__json_set(ok, o, "checks", checks_json(ok, d));
    glim__json_set(ok, o, "cost", cost_json(ok, d));
    glim__json_set(ok, o, "seed", json_integer((json_int_t)d->seed));
    for (size_t i = 0; i < d->n_notes; i++)
        glim__json_add(ok, notes, word(d->notes[i]));
    glim__json_set(ok, o, "notes", notes);
    glim__json_set(ok, o, "partial", json_boolean(d->partial));
    if (d->evaluation)
        glim__json_set(ok, o, "evaluation", glim__profile_value(d));
    return o;
}

json_t *glim__document_json(const glim_document *d) {
    bool ok = true;
    json_t *o = document_json(&ok, d);
    if (ok)
        return o;
    json_decref(o);
    return NULL;
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
