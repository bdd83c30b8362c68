/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A saved glim.comparison/1 read back into what a run hands to its views, so that both are drawn
 * in one way. It keeps no picture: parts of one are then shown by their names.
 */
#include "cli/compare.h"

#include <math.h>
#include <string.h>

struct reader {
    cli_comparison *c;
    const char *name;
    glim_error *err;
    glim_status status; /* sticky */
};

static void wrong(struct reader *r, const char *member, const char *want) {
    if (!r->status)
        r->status = glim_fail(r->err, GLIM_EFORMAT, "'%.200s': member '%s' is not %s", r->name,
                              member, want);
}

static void *room(struct reader *r, size_t n, size_t size) {
    void *p = r->status ? NULL : glim__arena_calloc(&r->c->arena, n + 1, size);
    if (!p && !r->status)
        r->status = glim__oom(r->c->run->ctx, r->err, "the comparison", n * size);
    return p;
}

static double real_of(const json_t *x) {
    return json_is_number(x) ? json_number_value(x) : NAN;
}

static double real(const json_t *o, const char *key) {
    return real_of(json_object_get(o, key));
}

static uint64_t count(const json_t *o, const char *key) {
    json_int_t n = json_integer_value(json_object_get(o, key));
    return n > 0 ? (uint64_t)n : 0;
}

/* A text that lives as long as the comparison, NULL where there is none; *n, unless NULL, its
   bytes. */
static const char *text_of(struct reader *r, const json_t *x, size_t *n) {
    size_t len = json_string_length(x);
    char *s = json_is_string(x) ? room(r, len, 1) : NULL;
    if (s)
        memcpy(s, json_string_value(x), len);
    if (n)
        *n = s ? len : 0;
    return s;
}

static const char *text(struct reader *r, const json_t *o, const char *key) {
    return text_of(r, json_object_get(o, key), NULL);
}

static void read_answer(cli_answer *out, const json_t *x) {
    const char *s = json_string_value(x);
    size_t n = json_string_length(x);
    *out = (cli_answer){.told = s != NULL, .len = n < sizeof out->text ? n : sizeof out->text};
    if (s)
        memcpy(out->text, s, out->len);
}

/* A mean that was told. */
static cli_tally tally(double x) {
    return (cli_tally){.sum = isnan(x) ? 0 : x, .n = !isnan(x)};
}

/* ---- the first input's explanations ---- */

static void read_units(struct reader *r, glim_document *d, const json_t *all) {
    const json_t *units = json_object_get(all, "units");
    size_t n = r->c->n_units, written = (size_t)count(all, "written");
    glim_document_unit *list = d->input.units = room(r, n, sizeof *list);
    for (size_t u = 0; u < n && list; u++) {
        list[u].text = text_of(r, json_array_get(units, u), &list[u].text_len);
        list[u].generated = u + written >= n;
    }
    d->input.n_units = list ? n : 0;
}

static void read_scores(struct reader *r, glim_document *d, const json_t *list) {
    size_t n = r->c->n_units;
    bool many = d->n_rows > 1;
    d->scores = room(r, d->n_rows * n, sizeof *d->scores);
    for (size_t row = 0; row < d->n_rows && d->scores; row++) {
        const json_t *one = many ? json_array_get(list, row) : list;
        if (json_array_size(one) != n)
            wrong(r, "scores", "a score for each unit");
        for (size_t u = 0; u < n; u++)
            d->scores[row * n + u] = real_of(json_array_get(one, u));
    }
}

static void read_rows(struct reader *r, glim_document *d, const json_t *rows) {
    if (d->n_rows < 2)
        return;
    d->rows = room(r, d->n_rows, sizeof *d->rows);
    for (size_t i = 0; i < d->n_rows && d->rows; i++)
        d->rows[i].text =
            text_of(r, json_object_get(json_array_get(rows, i), "text"), &d->rows[i].text_len);
}

static glim_verdict verdict_of(const char *s) {
    return s && !strcmp(s, "distrust")  ? GLIM_VERDICT_DISTRUST
           : s && !strcmp(s, "careful") ? GLIM_VERDICT_CAREFUL
                                        : GLIM_VERDICT_OK;
}

static void read_run(struct reader *r, const json_t *all, size_t i) {
    cli_comparison *c = r->c;
    const json_t *o = json_array_get(json_object_get(all, "runs"), i);
    const json_t *model = json_object_get(o, "model"), *cost = json_object_get(o, "cost");
    const json_t *target = json_object_get(all, "target"), *rows = json_object_get(all, "rows");
    if (!r->status)
        r->status = glim_document_new(&c->docs[i], c->run->ctx, r->err);
    if (r->status)
        return;
    glim_document *d = c->docs[i];
    const char *method = text(r, o, "method");
    d->kind = "attribution";
    d->method.name = method ? method : "";
    d->method.is_signed = json_is_true(json_object_get(o, "signed"));
    d->model.file = text(r, model, "file");
    d->model.quantisation = text(r, model, "quantisation");
    d->target.text = text_of(r, json_object_get(target, "text"), &d->target.text_len);
    d->target.output = text(r, target, "output");
    d->target.value = real(o, "value");
    d->target.prob = real(o, "prob");
    d->input.unit = text(r, all, "unit");
    d->verdict = verdict_of(json_string_value(json_object_get(o, "verdict")));
    d->verdict_reason = text(r, o, "reason");
    d->cost.forward_tokens = count(cost, "forward_tokens");
    d->cost.backward_tokens = count(cost, "backward_tokens");
    d->cost.seconds = real(cost, "seconds");
    d->seed = count(all, "seed");
    d->n_rows = json_array_size(rows) > 1 ? json_array_size(rows) : 1;
    read_units(r, d, all);
    read_rows(r, d, rows);
    read_scores(r, d, json_object_get(o, "scores"));
}

/* ---- what runs say ---- */

/* Of one of n numbers, a list. */
static double at(const json_t *o, const char *key, size_t i) {
    return real_of(json_array_get(json_object_get(o, key), i));
}

static void read_model(struct reader *r, const json_t *o, size_t i) {
    cli_compared *run = &r->c->runs[i];
    const json_t *drift = json_object_get(o, "drift");
    const char *name = text(r, o, "name");
    r->c->names[i] = name ? name : "";
    for (size_t k = 0; cli_columns[k].name; k++)
        r->c->told[i * CLI_COLUMNS + k] = real(o, cli_columns[k].key);
    run->kl = tally(real(o, "kl"));
    run->no_kl = text(r, o, "no_kl");
    run->no_drift = text(r, o, "no_drift");
    run->layers = json_array_size(drift);
    run->drift = room(r, run->layers, sizeof *run->drift);
    for (size_t l = 0; l < run->layers && run->drift; l++)
        run->drift[l] = tally(real_of(json_array_get(drift, l)));
}

static void read_pairs(struct reader *r, const json_t *o) {
    size_t n = r->c->n;
    cli_pair *list = r->c->pairs = room(r, n * n, sizeof *list);
    for (size_t i = 0; i < n * n && list; i++) {
        static const char *const keys[] = {"kendall", "jaccard", "rbo", "sign_flips"};
        cli_tally *const to[] = {&list[i].tau, &list[i].jaccard, &list[i].rbo, &list[i].signs};
        for (size_t k = 0; k < 4; k++)
            *to[k] = tally(
                real_of(json_array_get(json_array_get(json_object_get(o, keys[k]), i / n), i % n)));
        list[i].units = r->c->n_units;
    }
}

/* What models say at each target of the first input. */
static void read_said_rows(struct reader *r, const json_t *rows, cli_said *said, size_t i) {
    size_t n = json_array_size(rows);
    if (n < 2 || !json_is_array(json_object_get(json_array_get(rows, 0), "kl")))
        return;
    said->row_kl = room(r, n, sizeof *said->row_kl);
    said->row_answers = room(r, n, sizeof *said->row_answers);
    for (size_t k = 0; k < n && said->row_kl && said->row_answers; k++) {
        const json_t *row = json_array_get(rows, k);
        said->row_kl[k] = at(row, "kl", i);
        read_answer(&said->row_answers[k], json_array_get(json_object_get(row, "likeliest"), i));
    }
}

static void read_input(struct reader *r, const json_t *o, cli_compared_input *in) {
    cli_comparison *c = r->c;
    in->said = room(r, c->n, sizeof *in->said);
    in->text = text_of(r, json_object_get(o, "text"), &in->len);
    in->target = text_of(r, json_object_get(o, "target"), &in->target_len);
    in->row = count(o, "row") ? (size_t)count(o, "row") - 1 : 0;
    for (size_t i = 0; i < c->n && in->said; i++) {
        in->said[i].value = at(o, "value", i);
        in->said[i].like.tau = at(o, "kendall", i);
        in->said[i].flips = at(o, "flips", i);
        in->said[i].kl = at(o, "kl", i);
        read_answer(&in->said[i].answer, json_array_get(json_object_get(o, "likeliest"), i));
    }
}

/* Of one input its numbers stand with the models. */
static void read_only_input(struct reader *r, const json_t *all) {
    cli_comparison *c = r->c;
    const json_t *models = json_object_get(all, "models");
    read_input(r, NULL, c->inputs);
    c->inputs->text = text_of(r, json_object_get(all, "text"), &c->inputs->len);
    for (size_t i = 0; i < c->n && !r->status; i++) {
        const json_t *o = json_array_get(models, i);
        c->inputs->said[i].flips = real(o, "flips");
        read_answer(&c->inputs->said[i].answer, json_object_get(o, "likeliest"));
    }
}

static void read_inputs(struct reader *r, const json_t *all) {
    cli_comparison *c = r->c;
    const json_t *many = json_object_get(all, "many"), *list = json_object_get(many, "inputs");
    c->many = json_is_object(many);
    c->n_inputs = c->many ? json_array_size(list) : 1;
    c->available = (size_t)count(many, "available");
    c->chosen = (size_t)count(many, "chosen");
    c->failed = (size_t)count(many, "failed");
    c->empty = (size_t)count(many, "empty");
    c->inputs = room(r, c->n_inputs, sizeof *c->inputs);
    if (!c->n_inputs)
        wrong(r, "many", "what was said of some inputs");
    for (size_t i = 0; i < c->n_inputs && c->many && !r->status; i++)
        read_input(r, json_array_get(list, i), &c->inputs[i]);
    if (!c->many && !r->status)
        read_only_input(r, all);
    for (size_t i = 0; i < c->n && !r->status; i++)
        read_said_rows(r, json_object_get(all, "rows"), &c->inputs->said[i], i);
}

/* ---- methods judged ---- */

static glim_interval interval_of(const json_t *o) {
    return (glim_interval){.mean = real(o, "mean"),
                           .low = real(o, "low"),
                           .high = real(o, "high"),
                           .p = real(o, "p"),
                           .n = (size_t)count(o, "inputs")};
}

static void read_judgement(struct reader *r, const json_t *o) {
    cli_comparison *c = r->c;
    const char *name = json_string_value(json_object_get(o, "metric"));
    const glim_metric *metric = name ? glim_metric_find(name) : NULL;
    const json_t *means = json_object_get(o, "means"), *pairs = json_object_get(o, "differences");
    if (!metric || c->n_judged == COMPARE_METRICS)
        return; /* of a later glim: left out of pictures */
    cli_judgement *j = &c->judged[c->n_judged++];
    *j = (cli_judgement){.metric = metric, .n_pairs = json_array_size(pairs)};
    j->means = room(r, c->n, sizeof *j->means);
    j->pairs = room(r, j->n_pairs, sizeof *j->pairs);
    for (size_t i = 0; i < c->n && j->means; i++)
        j->means[i] = interval_of(json_array_get(means, i));
    for (size_t i = 0; i < j->n_pairs && j->pairs; i++) {
        const json_t *one = json_array_get(pairs, i);
        j->pairs[i] = (cli_difference){.first = (size_t)count(one, "first"),
                                       .second = (size_t)count(one, "second"),
                                       .told = interval_of(one),
                                       .p = real(one, "p_holm")};
        if (j->pairs[i].first >= c->n || j->pairs[i].second >= c->n)
            wrong(r, "differences", "about runs that there are");
    }
}

static void read_left_out(struct reader *r, const json_t *list) {
    cli_comparison *c = r->c;
    for (size_t i = 0; i < json_array_size(list) && i < COMPARE_MOST; i++) {
        const json_t *o = json_array_get(list, i);
        const char *method = text(r, o, "method");
        const char *why = json_string_value(json_object_get(o, "why"));
        cli_left_out *to = &c->left_out[c->n_left_out++];
        to->method = method ? method : "";
        snprintf(to->why, sizeof to->why, "%s", why ? why : "");
    }
}

/* ---- the whole ---- */

glim_status cli_compare_read(cli_comparison *c, const json_t *all, const char *name) {
    struct reader r = {.c = c, .name = name, .err = &c->run->err};
    const json_t *models = json_object_get(all, "models"), *runs = json_object_get(all, "runs");
    const json_t *judged = json_object_get(json_object_get(all, "many"), "judged");
    const char *of = json_string_value(json_object_get(all, "of"));
    size_t n = json_array_size(runs);
    c->saved = all;
    c->models = of && !strcmp(of, "models");
    c->partial = json_is_true(json_object_get(all, "partial"));
    c->asks = json_is_true(json_object_get(all, "black_box"));
    c->n_units = json_array_size(json_object_get(all, "units"));
    if (!n || n > COMPARE_MOST)
        wrong(&r, "runs", "a list of 1 to 32");
    if (c->models && json_array_size(models) != n)
        wrong(&r, "models", "a list of one a run");
    c->names = room(&r, n, sizeof *c->names);
    c->told = room(&r, n * CLI_COLUMNS, sizeof *c->told);
    for (; c->n < n && !r.status; c->n++)
        read_run(&r, all, c->n);
    for (size_t i = 0; i < n && !r.status; i++) {
        if (c->models)
            read_model(&r, json_array_get(models, i), i);
        else
            c->names[i] = c->docs[i]->method.name;
    }
    if (!r.status)
        read_pairs(&r, json_object_get(all, "agreement"));
    if (!r.status)
        read_inputs(&r, all);
    for (size_t i = 0; i < json_array_size(judged) && !r.status; i++)
        read_judgement(&r, json_array_get(judged, i));
    read_left_out(&r, json_object_get(all, "left_out"));
    return r.status;
}
