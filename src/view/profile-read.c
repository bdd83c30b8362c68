/* SPDX-License-Identifier: Apache-2.0 */
/* A profile read back: the member `evaluation` of an explanation, or a whole
   glim.evaluation/1, which is then drawn as the run drew it. */
#include "view/profile.h"
#include "view/views.h"

#include <math.h>
#include <string.h>

struct reader {
    const char *name;
    glim_error *err;
    bool whole;         /* a document of its own */
    glim_status status; /* sticky */
};

static void wrong(struct reader *r, const char *member, const char *want) {
    if (!r->status)
        r->status = glim_fail(r->err, GLIM_EFORMAT, "'%s': member '%s' of %s is not %s", r->name,
                              member, r->whole ? "the evaluation" : "'evaluation'", want);
}

static double number(struct reader *r, const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    if (v && !json_is_null(v) && !json_is_number(v))
        wrong(r, key, "a number or null");
    return json_is_number(v) ? json_number_value(v) : NAN;
}

/* A mark or a skill, which bars show. */
static double share(struct reader *r, const json_t *o, const char *key) {
    double x = number(r, o, key);
    if (x < 0 || x > 1)
        wrong(r, key, "between 0 and 1");
    return x;
}

static uint64_t count(struct reader *r, const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    if (json_is_integer(v) && json_integer_value(v) >= 0)
        return (uint64_t)json_integer_value(v);
    wrong(r, key, "a whole number");
    return 0;
}

static const char *text(struct reader *r, const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    if (v && !json_is_null(v) && !json_is_string(v))
        wrong(r, key, "a text or null");
    return json_string_value(v);
}

/* A metric that this glim does not know is left out of pictures; the member keeps it. */
static void read_measure(struct reader *r, const json_t *o, glim_evaluation *e) {
    const char *name = text(r, o, "metric");
    if (!name)
        wrong(r, "metric", "the name of a metric");
    const glim_metric *metric = name ? glim_metric_find(name) : NULL;
    size_t inputs = e->inputs ? (size_t)count(r, o, "inputs") : 0;
    if (!metric)
        return;
    e->measures[e->n_measures++] =
        (glim_measure){.metric = metric,
                       .value = number(r, o, "value"),
                       .random = number(r, o, "random"),
                       .random_se = number(r, o, "random_se"),
                       .reversed = number(r, o, "reversed"),
                       .best = number(r, o, "best"),
                       .skill = share(r, o, "skill"),
                       .n = (size_t)count(r, o, "rows"),
                       .inputs = inputs,
                       .low = inputs ? number(r, o, "low") : NAN,
                       .high = inputs ? number(r, o, "high") : NAN,
                       .failed = json_is_true(json_object_get(o, "failed")),
                       .why = text(r, o, "why"),
                       .note = text(r, o, "note")};
}

static void read_told(struct reader *r, glim_profile_kept *k) {
    const json_t *marks = json_object_get(k->all, "marks");
    const json_t *list = json_object_get(k->all, "measures");
    if (!json_is_object(marks))
        wrong(r, "marks", "an object");
    if (!json_is_array(list))
        wrong(r, "measures", "a list");
    for (int q = 0; q < GLIM_QUALITIES; q++) {
        k->e.marks[q] = share(r, marks, glim_quality_name((glim_quality)q));
        k->e.low[q] = k->e.high[q] = NAN;
    }
    for (size_t i = 0; i < json_array_size(list) && !r->status; i++)
        read_measure(r, json_array_get(list, i), &k->e);
    k->e.capped = json_is_true(json_object_get(k->all, "capped"));
    k->e.asked = count(r, k->all, "asked");
    k->e.seconds = number(r, k->all, "seconds");
    k->profile.absent = text(r, k->all, "absent");
    k->profile.draws = (size_t)count(r, k->all, "draws");
    k->profile.seed = count(r, k->all, "seed");
}

/* Room for the measures that `all` lists, read from it. */
static void read_kept(struct reader *r, glim_profile_kept *k) {
    size_t n = json_array_size(json_object_get(k->all, "measures"));
    k->e.measures = glim__calloc(k->e.ctx, n + 1, sizeof *k->e.measures);
    if (!k->all || !k->e.measures)
        r->status = glim__oom(k->e.ctx, r->err, "the evaluation", n * sizeof *k->e.measures);
    else
        read_told(r, k);
    if (r->status)
        glim__profile_close(k);
}

glim_status glim__profile_open(glim_profile_kept *out, const glim_document *doc, const char *name,
                               glim_error *err) {
    struct reader r = {.name = name, .err = err};
    *out = (glim_profile_kept){.e.ctx = doc->ctx};
    out->profile = (glim_profile){.e = &out->e, .doc = doc, .inside = true};
    out->all = glim__profile_value(doc);
    read_kept(&r, out);
    return r.status;
}

/* ---- a document of its own ---- */

static const char *text_or(struct reader *r, const json_t *o, const char *key, const char *none) {
    const char *s = text(r, o, key);
    return s ? s : none;
}

/* What is shown of the explanation that was judged. */
static void read_explanation(struct reader *r, glim_profile_kept *k, glim_document *doc) {
    const json_t *o = json_object_get(k->all, "explanation");
    const json_t *target = json_object_get(o, "target"), *notes = json_object_get(k->all, "notes");
    if (!json_is_object(target))
        wrong(r, "explanation", "an object with a target");
    doc->method.name = text_or(r, o, "method", "");
    doc->model.file = text(r, o, "model");
    doc->target.text = text_or(r, target, "text", "");
    doc->target.text_len = json_string_length(json_object_get(target, "text"));
    doc->target.output = text_or(r, target, "output", "logit");
    doc->target.value = number(r, target, "value");
    for (size_t i = 0; i < json_array_size(notes) && !r->status; i++) {
        const char *note = json_string_value(json_array_get(notes, i));
        if (!glim_document_note(doc, "%s", note ? note : ""))
            r->status = glim__oom(doc->ctx, r->err, "the evaluation", 0);
    }
}

static void read_inputs(struct reader *r, glim_profile_kept *k) {
    const json_t *o = json_object_get(k->all, "inputs"), *pairs = json_object_get(o, "intervals");
    if (!json_is_object(o))
        return;
    k->inputs = (glim_profile_inputs){.available = (size_t)count(r, o, "available"),
                                      .chosen = (size_t)count(r, o, "chosen"),
                                      .judged = (size_t)count(r, o, "judged"),
                                      .failed = (size_t)count(r, o, "failed"),
                                      .empty = (size_t)count(r, o, "empty"),
                                      .partial = json_is_true(json_object_get(o, "partial"))};
    k->profile.inputs = &k->inputs;
    for (int q = 0; q < GLIM_QUALITIES; q++) {
        const json_t *pair = json_object_get(pairs, glim_quality_name((glim_quality)q));
        const json_t *low = json_array_get(pair, 0), *high = json_array_get(pair, 1);
        k->e.low[q] = json_is_number(low) ? json_number_value(low) : NAN;
        k->e.high[q] = json_is_number(high) ? json_number_value(high) : NAN;
    }
}

glim_status glim__profile_read(glim_profile_kept *out, glim_document *doc, json_t *all,
                               const char *name, glim_error *err) {
    struct reader r = {.name = name, .err = err, .whole = true};
    const json_t *inputs = json_object_get(all, "inputs");
    *out = (glim_profile_kept){.e.ctx = doc->ctx, .all = json_incref(all)};
    out->profile = (glim_profile){.e = &out->e, .doc = doc, .saved = all};
    if (json_is_object(inputs))
        out->e.inputs = (size_t)count(&r, inputs, "judged");
    if (!r.status)
        read_kept(&r, out);
    if (!r.status)
        read_inputs(&r, out);
    if (!r.status)
        read_explanation(&r, out, doc);
    if (r.status)
        glim__profile_close(out);
    return r.status;
}

void glim__profile_close(glim_profile_kept *k) {
    glim__free(k->e.ctx, k->e.measures);
    json_decref(k->all);
    k->e.measures = NULL;
    k->all = NULL;
}
