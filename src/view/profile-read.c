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

/* Of another shape it is left out of pictures, too. */
static glim_curve *read_curve(struct reader *r, const json_t *o, glim_context *ctx) {
    const json_t *own = json_object_get(o, "own");
    const char *key;
    double *line;
    if (json_array_size(own) != GLIM_CURVE)
        return NULL;
    glim_curve *c = glim__calloc(ctx, 1, sizeof *c);
    if (!c) {
        r->status = r->status ? r->status : glim__oom(ctx, r->err, "a curve", sizeof *c);
        return NULL;
    }
    for (size_t i = 0; (line = glim__curve_line(c, i, &key)); i++)
        for (size_t k = 0; k < GLIM_CURVE; k++) {
            const json_t *x = json_array_get(json_object_get(o, key), k);
            line[k] = json_is_number(x) ? json_number_value(x) : NAN;
        }
    return c;
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
                       .note = text(r, o, "note"),
                       .curve = read_curve(r, json_object_get(o, "curve"), e->ctx)};
}

/* More than fits is left out. */
static void read_ranks(struct reader *r, const json_t *list, glim_evaluation *e) {
    size_t n = json_array_size(list);
    if (!n)
        return;
    glim_seed_ranks *to = e->ranks = glim__calloc(e->ctx, 1, sizeof *to);
    if (!to) {
        r->status = r->status ? r->status : glim__oom(e->ctx, r->err, "ranks", sizeof *to);
        return;
    }
    to->n_seeds = json_array_size(json_object_get(json_array_get(list, 0), "ranks"));
    to->n_seeds = to->n_seeds < GLIM_RANKED_SEEDS ? to->n_seeds : GLIM_RANKED_SEEDS;
    for (size_t i = 0; i < n && i < GLIM_RANKED_UNITS; i++) {
        const json_t *o = json_array_get(list, i), *ranks = json_object_get(o, "ranks");
        to->units[i].unit = (size_t)count(r, o, "unit");
        to->units[i].text = text(r, o, "text");
        to->units[i].text_len = json_string_length(json_object_get(o, "text"));
        for (size_t k = 0; k < to->n_seeds; k++)
            to->units[i].rank[k] = (size_t)json_integer_value(json_array_get(ranks, k));
        to->n_units = i + 1;
    }
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
    if (!r->status)
        read_ranks(r, json_object_get(k->all, "seed_ranks"), &k->e);
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

glim_status glim__profile_panels_of(glim_document **out, glim_context *ctx, const json_t *all,
                                    glim_error *err) {
    struct reader r = {.name = "the document", .err = err, .whole = true};
    glim_profile_kept k = {.e.ctx = ctx, .all = json_incref((json_t *)all)};
    glim_document *doc = NULL;
    *out = NULL;
    r.status = glim_document_new(&doc, ctx, err);
    k.profile = (glim_profile){.e = &k.e, .doc = doc};
    if (r.status)
        json_decref(k.all);
    else
        read_kept(&r, &k);
    if (!r.status) {
        r.status = glim__profile_panels(out, &k.profile, 1, err);
        glim__profile_close(&k);
    }
    glim_document_free(doc);
    return r.status;
}

void glim__profile_close(glim_profile_kept *k) {
    for (size_t i = 0; k->e.measures && i < k->e.n_measures; i++)
        glim__free(k->e.ctx, k->e.measures[i].curve);
    glim__free(k->e.ctx, k->e.measures);
    glim__free(k->e.ctx, k->e.ranks);
    json_decref(k->all);
    k->e.measures = NULL;
    k->e.ranks = NULL;
    k->all = NULL;
}
