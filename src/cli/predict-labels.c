/* SPDX-License-Identifier: Apache-2.0 */
/* glim predict --labels: answers of a decoder as classes. */
#include "cli/commands.h"

#include <math.h>
#include <string.h>

/* The labels by score, largest first; equal ones in their own order. */
static void sort(const glim_label_score *l, size_t n, size_t *order) {
    for (size_t k = 0; k < n; k++) {
        size_t at = k;
        for (; at && l[order[at - 1]].score < l[k].score; at--)
            order[at] = order[at - 1];
        order[at] = k;
    }
}

static glim_status as_json(cli_run *run, const glim_label_score *l, const size_t *order, size_t n) {
    bool ok = true;
    json_t *outputs = json_array();
    for (size_t i = 0; i < n; i++) {
        size_t k = order[i];
        json_t *o =
            cli_output_json(l[k].text, strlen(l[k].text), (int64_t)k, l[k].score, l[k].prob, &ok);
        glim__json_set(&ok, o, "score", glim__json_number(l[k].score));
        glim__json_add(&ok, outputs, o);
    }
    json_t *all = cli_prediction_json(run, outputs, &ok);
    return cli_put_json(run, run->o.json, all, ok);
}

static glim_status as_table(cli_run *run, const glim_label_score *l, const size_t *order,
                            size_t n) {
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    for (size_t i = 0; i < n; i++) {
        const glim_label_score *s = &l[order[i]];
        cli_rank(run, &out, i + 1, s->text, strlen(s->text), s->prob, s->score);
    }
    return cli_put_buffer(run, &out, "the answer");
}

/* The scores (1, labels), in the order in which they were named. */
static glim_status as_array(cli_run *run, const glim_label_score *l, size_t n) {
    float *all = glim__calloc(run->ctx, n, sizeof *all);
    if (!all)
        return glim__oom(run->ctx, &run->err, "the array", n * sizeof *all);
    for (size_t k = 0; k < n; k++)
        all[k] = (float)l[k].score;
    glim_status status = cli_put_raw(run, all, 1, n);
    glim__free(run->ctx, all);
    return status;
}

static glim_status show(cli_run *run, const glim_label_score *l, size_t n) {
    size_t shown = (size_t)run->o.top < n ? (size_t)run->o.top : n;
    size_t *order = glim__calloc(run->ctx, n, sizeof *order);
    if (!order)
        return glim__oom(run->ctx, &run->err, "the labels", n * sizeof *order);
    sort(l, n, order);
    glim_status status = run->o.raw ? as_array(run, l, n) : GLIM_OK;
    if (!status && run->o.json)
        status = as_json(run, l, order, shown);
    if (!status && cli_wants_terminal(run))
        status = as_table(run, l, order, shown);
    glim__free(run->ctx, order);
    return status;
}

glim_status cli_predict_labels(cli_run *run) {
    glim_predictor *p = NULL;
    size_t n;
    glim_target_options o = {.labels = run->o.labels,
                             .length_normalise = run->o.length_normalise,
                             .units = GLIM_UNIT_TOKEN};
    glim_status status = glim_predictor_lm(&p, run->model, run->tokens, &o, &run->err);
    if (status)
        return status;
    const glim_label_score *l = glim_predictor_label_scores(p, &n);
    status = show(run, l, n);
    glim_predictor_free(p);
    return status;
}
