/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures on the command line: reading one, ranking its classes, one pass over it. */
#include "cli/picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cli_reads_pictures(const cli_run *run) {
    return glim_model_facts(run->model)->task == GLIM_TASK_IMAGE;
}

const char *cli_class_name(const cli_run *run, int id, char number[16]) {
    const char *const *labels = glim_model_facts(run->model)->labels;
    snprintf(number, 16, "class %d", id);
    return labels ? labels[id] : number;
}

static glim_status check_flags(cli_run *run) {
    const cli_options *o = &run->o;
    const char *of_texts = o->file           ? "file"
                           : o->chat         ? "chat"
                           : o->tmpl         ? "template"
                           : o->no_template  ? "no-template"
                           : o->prefix       ? "prefix"
                           : o->context      ? "context"
                           : o->context_file ? "context-file"
                           : o->continuation ? "continuation"
                           : o->generate     ? "generate"
                                             : NULL;
    if (of_texts)
        return glim_fail(&run->err, GLIM_EUSAGE, "--%s is for texts, not for pictures", of_texts);
    if (o->units && strcmp(o->units, "auto") != 0)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--units is for texts; those of a picture are patches (--patch) or "
                         "--superpixels");
    if (!o->text)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "this model reads pictures (give a PNG or JPEG file)");
    return GLIM_OK;
}

bool cli_wants_picture(const cli_run *run) {
    return run->o.task && !strcmp(run->o.task, "image");
}

glim_status cli_read_picture(cli_run *run, glim_image **image) {
    *image = NULL;
    glim_status status = check_flags(run);
    return status ? status : glim_image_read(image, run->ctx, run->o.text, &run->err);
}

glim_status cli_see(cli_run *run, glim_image **seen) {
    glim_image *image = NULL;
    *seen = NULL;
    glim_status status = cli_read_picture(run, &image);
    if (!status)
        status = glim_model_sees(run->model, seen, image, &run->err);
    glim_image_free(image);
    return status;
}

static glim_status read_pixels(cli_run *run, float **pixels) {
    glim_image *seen = NULL;
    *pixels = NULL;
    glim_status status = cli_see(run, &seen);
    if (status)
        return status;
    size_t n = (size_t)seen->width * (size_t)seen->height * 3;
    *pixels = glim__alloc(run->ctx, n * sizeof **pixels);
    if (*pixels)
        glim_model_pixels(run->model, seen, *pixels);
    else
        status = glim__oom(run->ctx, &run->err, "pixels", n * sizeof **pixels);
    glim_image_free(seen);
    return status;
}

static glim_status walk_back(cli_run *run, glim_image_session *s, size_t pixels, int target) {
    size_t V = (size_t)glim_model_facts(run->model)->outputs;
    float *seeds = glim__calloc(run->ctx, V, sizeof *seeds);
    float *d = glim__alloc(run->ctx, pixels * sizeof *d);
    glim_status status =
        seeds && d ? GLIM_OK : glim__oom(run->ctx, &run->err, "a gradient", pixels * 4);
    if (!status) {
        if (target < 0)
            target = glim_sample(glim_image_session_logits(s, 0), (int)V, NULL, 0);
        seeds[target] = 1;
        status = glim_image_session_backward(s, seeds, d, &run->err);
    }
    glim__free(run->ctx, seeds);
    glim__free(run->ctx, d);
    return status;
}

glim_status cli_picture_pass(cli_run *run, const float *pixels, const glim_hook *hooks,
                             size_t n_hooks, bool grad, int target) {
    const glim_model_info *info = glim_model_facts(run->model);
    glim_image_session *s = NULL;
    float *own = NULL;
    glim_status status = pixels ? GLIM_OK : read_pixels(run, &own);
    glim_image_batch b = {.pixels = pixels ? pixels : own,
                          .count = 1,
                          .hooks = hooks,
                          .n_hooks = n_hooks,
                          .keep = grad};
    if (!status)
        status = glim_image_session_new(&s, run->model, &run->err);
    if (!status)
        status = glim_image_session_forward(s, &b, &run->err);
    if (!status && grad)
        status =
            walk_back(run, s, (size_t)info->image_height * (size_t)info->image_width * 3, target);
    glim_image_session_free(s);
    glim__free(run->ctx, own);
    return status;
}

glim_status cli_plan_picture(cli_run *run, bool backward) {
    const glim_model_info *info = glim_model_facts(run->model);
    uint64_t pixels = (uint64_t)info->image_height * (uint64_t)info->image_width;
    uint64_t bytes =
        glim_image_session_plan(run->model, 1, backward) + glim_context_bytes(run->ctx);
    glim_plan plan = {.forward_tokens = pixels,
                      .backward_tokens = backward ? pixels : 0,
                      .bytes = bytes,
                      .bytes_wanted = bytes,
                      .bounded = true};
    return cli_put_plan(run, run->command->name, &plan);
}

/* ---- predict ---- */

struct rank {
    int id;
    float logit;
};

static int by_size(const void *a, const void *b) {
    const struct rank *x = a, *y = b;
    return x->logit != y->logit ? (x->logit < y->logit ? 1 : -1) : x->id - y->id;
}

static glim_status keep_logits(void *data, const glim_site *site, glim_error *err) {
    memcpy(data, site->data, site->dims[site->n_dims - 1] * sizeof(float));
    return GLIM_OK;
}

static glim_status put_ranks(cli_run *run, const struct rank *ranks, size_t n, double all) {
    glim_buffer out;
    json_t *outputs = json_array();
    bool ok = true;
    char number[16];
    glim__buffer_init(&out, run->ctx);
    for (size_t i = 0; i < n; i++) {
        const char *name = cli_class_name(run, ranks[i].id, number);
        double logit = (double)ranks[i].logit, prob = exp(logit - all);
        cli_rank(run, &out, i + 1, name, strlen(name), prob, logit);
        glim__json_add(&ok, outputs,
                       cli_output_json(name, strlen(name), ranks[i].id, logit, prob, &ok));
    }
    glim_status status = GLIM_OK;
    if (run->o.json) {
        json_t *answer = cli_prediction_json(run, json_incref(outputs), &ok);
        status = cli_put_json(run, run->o.json, answer, ok);
    }
    if (!status && cli_wants_terminal(run))
        status = cli_put_buffer(run, &out, "the answer");
    else
        glim__buffer_release(&out);
    json_decref(outputs);
    return status;
}

glim_status cli_predict_picture(cli_run *run) {
    size_t V = (size_t)glim_model_facts(run->model)->outputs;
    if (run->o.dry_run)
        return cli_plan_picture(run, false);
    float *logits = glim__calloc(run->ctx, V, sizeof *logits);
    struct rank *ranks = glim__calloc(run->ctx, V, sizeof *ranks);
    glim_hook hook = {"hook_logits", GLIM_HOOK_READ, keep_logits, logits};
    glim_status status = logits && ranks ? cli_picture_pass(run, NULL, &hook, 1, false, -1)
                                         : glim__oom(run->ctx, &run->err, "the logits", V * 12);
    if (!status) {
        double sum = 0;
        for (size_t i = 0; i < V; i++)
            ranks[i] = (struct rank){(int)i, logits[i]};
        qsort(ranks, V, sizeof *ranks, by_size);
        for (size_t i = 0; i < V; i++)
            sum += exp((double)logits[i] - ranks[0].logit);
        if (run->o.raw)
            status = cli_put_raw(run, logits, 1, V);
        if (!status)
            status = put_ranks(run, ranks, (size_t)run->o.top < V ? (size_t)run->o.top : V,
                               ranks[0].logit + log(sum));
    }
    glim__free(run->ctx, logits);
    glim__free(run->ctx, ranks);
    return status;
}

/* ---- explain ---- */

/* Squares, but for lime, which wants few units that hang together. */
glim_image_options cli_cut(const cli_run *run) {
    const cli_options *o = &run->o;
    const char *how = o->superpixels;
    if (!how || !strcmp(how, "auto"))
        how = o->segments || (!o->patch && run->method && !strcmp(run->method->name, "lime"))
                  ? "slic"
                  : "grid";
    return (glim_image_options){
        .patch = (int)o->patch, .superpixels = how, .segments = (int)o->segments, .name = o->text};
}

glim_status cli_picture_predictor(cli_run *run, glim_predictor **out) {
    const cli_options *o = &run->o;
    glim_image *seen = NULL;
    glim_image_options how = cli_cut(run);
    how.target = o->target;
    how.against = o->against;
    how.output = o->output;
    glim_status status = cli_see(run, &seen);
    if (!status)
        status = glim_predictor_image(out, run->model, seen, &how, &run->err);
    glim_image_free(seen);
    return status;
}
