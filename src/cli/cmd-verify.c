/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glim verify: a model against a recording, site by site in walk order, so that
 * the first one that differs names the place; and a model alone, all its weights
 * scanned for values that are not finite. Interrupted, it reports what it has.
 */
#include "model/model.h"
#include "model/published.h"
#include "cli/commands.h"
#include "cli/picture.h"
#include "file/gguf.h"
#include "file/safetensors.h"
#include "tensor/kernels.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const glim_param own_flags[] = {
    {.name = "against",
     .type = GLIM_STRING,
     .offset = offsetof(cli_options, recording),
     .value_name = "FILE",
     .help = "a recording (safetensors with ids and sites)",
     .group = "Verify"},
    {.name = "tolerance",
     .type = GLIM_REAL,
     .offset = offsetof(cli_options, tolerance),
     .def.r = 1e-3,
     .min = 0,
     .max = 1,
     .help = "largest difference, as a share of the largest recorded value"},
    {0},
};

struct check {
    cli_run *run;
    const glim_safetensors *st;
    json_t *rows;
    glim_buffer text;
    int compared, failed;
    bool ok; /* the rows are whole */
    char first[160];
    double first_off;
    bool gradient;
};

static double difference(const float *a, const float *b, size_t n) {
    double scale = 1e-6, most = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(b[i]) && fabs((double)b[i]) > scale)
            scale = fabs((double)b[i]);
    for (size_t i = 0; i < n; i++) {
        double d = a[i] == b[i] ? 0 : fabs((double)a[i] - b[i]) / scale;
        if (!(d <= most))
            most = isnan(d) ? INFINITY : d;
    }
    return most;
}

static void note(struct check *c, const char *name, double off, const char *problem) {
    bool ok = !problem && off <= c->run->o.tolerance;
    json_t *o = json_object();
    glim__json_set(&c->ok, o, "site", json_string(name));
    glim__json_set(&c->ok, o, "difference", glim__json_number(off));
    glim__json_set(&c->ok, o, "ok", json_boolean(ok));
    glim__json_add(&c->ok, c->rows, o);
    if (problem)
        glim__buffer_printf(&c->text, "%-44s %s\n", name, problem);
    else
        glim__buffer_printf(&c->text, "%-44s %8.1e  %s\n", name, off, ok ? "ok" : "DIFFERS");
    c->compared++;
    if (ok)
        return;
    if (!c->failed++) {
        snprintf(c->first, sizeof c->first, "%s", name);
        c->first_off = off;
    }
}

static glim_status visit(void *data, const glim_site *site, glim_error *err) {
    struct check *c = data;
    char name[160];
    if (site->gradient != c->gradient)
        return GLIM_OK;
    snprintf(name, sizeof name, "%s%s", site->gradient ? "grad." : "", site->name);
    const glim_st_tensor *t = glim__safetensors_find(c->st, name);
    if (!t || strcmp(t->dtype, "F32"))
        return GLIM_OK;
    size_t n = 1, have = 1;
    for (int i = 0; i < t->n_dims; i++)
        n *= t->dims[i];
    for (int i = 0; i < site->n_dims; i++)
        have *= site->dims[i];
    if (n != have) {
        note(c, name, NAN, "has another shape in the recording");
        return GLIM_OK;
    }
    float *want = glim__alloc(c->run->ctx, n * sizeof *want);
    if (!want)
        return glim__oom(c->run->ctx, err, name, n * sizeof *want);
    memcpy(want, t->data, n * sizeof *want);
    note(c, name, difference(site->data, want, n), NULL);
    glim__free(c->run->ctx, want);
    return GLIM_OK;
}

static glim_status visit_grad(void *data, const glim_site *site, glim_error *err) {
    ((struct check *)data)->gradient = true;
    return visit(data, site, err);
}

/* The ids of a tensor, or NULL: none, or (with the reason in `status`) ids from V up,
   which the model does not have. */
static int32_t *read_ids(struct check *c, const char *name, int V, size_t *n, glim_status *status) {
    const glim_st_tensor *t = glim__safetensors_find(c->st, name);
    *n = 0;
    if (!t || strcmp(t->dtype, "I64") || t->n_dims != 1 || !t->dims[0] || t->dims[0] > 1 << 24)
        return NULL;
    int32_t *ids = glim__calloc(c->run->ctx, (size_t)t->dims[0], sizeof *ids);
    if (!ids)
        *status = glim__oom(c->run->ctx, &c->run->err, "the tokens", t->dims[0] * sizeof *ids);
    for (size_t i = 0; ids && i < t->dims[0]; i++) {
        int64_t id;
        memcpy(&id, (const char *)t->data + 8 * i, 8);
        if (id < 0 || id >= V)
            *status = glim_fail(&c->run->err, GLIM_EFORMAT,
                                "'%s' holds token %lld, the model %d tokens (it was recorded "
                                "with another model)",
                                c->run->o.recording, (long long)id, V);
        ids[i] = (int32_t)id;
    }
    *n = ids ? (size_t)t->dims[0] : 0;
    return ids;
}

/* read: rows of the text that is read, T rows whose outputs are wanted. */
static glim_status backward(struct check *c, glim_session *s, size_t read, size_t T) {
    size_t n, n_row = 0;
    glim_status status = GLIM_OK;
    int32_t *target = read_ids(c, "target", glim_model_facts(c->run->model)->outputs, &n, &status);
    int32_t *row = target ? read_ids(c, "row", (int)T, &n_row, &status) : NULL;
    if (!target)
        return status;
    float one = 1;
    float *d =
        glim__calloc(c->run->ctx, read * (size_t)glim_model_facts(c->run->model)->width, sizeof *d);
    glim_seed seed = {
        .wanted = row ? (size_t)row[0] : T - 1, .ids = target, .weights = &one, .n = 1};
    if (!status && !d)
        status = glim__oom(c->run->ctx, &c->run->err, "a gradient", T * sizeof *d);
    c->gradient = true;
    if (!status)
        status = glim_session_backward(s, &seed, 1, d, &c->run->err);
    glim__free(c->run->ctx, d);
    glim__free(c->run->ctx, row);
    glim__free(c->run->ctx, target);
    return status;
}

static glim_status no_ids(struct check *c, const char *name, glim_status status) {
    return status ? status
                  : glim_fail(&c->run->err, GLIM_EFORMAT,
                              "'%s' has no tensor '%s' (I64, one dimension)", c->run->o.recording,
                              name);
}

static glim_status run_recording(struct check *c) {
    size_t T, S;
    glim_session *s = NULL;
    glim_error *err = &c->run->err;
    glim_status status = GLIM_OK;
    int V = glim_model_facts(c->run->model)->vocabulary;
    bool pair = c->run->model->encoder != NULL;
    int32_t *ids = read_ids(c, "ids", V, &S, &status);
    int32_t *written = ids && pair ? read_ids(c, "target_ids", V, &T, &status) : NULL;
    if (!ids || (pair && !written)) {
        status = no_ids(c, ids ? "target_ids" : "ids", status);
        glim__free(c->run->ctx, ids);
        return status;
    }
    T = pair ? T : S;
    uint32_t *rows = glim__calloc(c->run->ctx, T, sizeof *rows);
    if (!status)
        status = rows ? glim_session_new(&s, c->run->model, 0, err)
                      : glim__oom(c->run->ctx, err, "the tokens", T * sizeof *rows);
    for (size_t i = 0; i < T && !status; i++)
        rows[i] = (uint32_t)i;
    glim_hook hook = {"*", GLIM_HOOK_READ | GLIM_HOOK_GRAD, visit, c};
    glim_sequence text = {.ids = ids, .count = S};
    glim_sequence q = {.ids = pair ? written : ids, .count = T, .wanted = rows, .n_wanted = T};
    glim_batch b = {.sequences = &q,
                    .count = 1,
                    .hooks = &hook,
                    .n_hooks = 1,
                    .keep = true,
                    .sources = &text,
                    .n_sources = pair};
    if (!status)
        status = glim_session_forward(s, &b, err);
    if (!status)
        status = backward(c, s, S, T);
    glim_session_free(s);
    glim__free(c->run->ctx, written);
    glim__free(c->run->ctx, rows);
    glim__free(c->run->ctx, ids);
    return status;
}

/* The recorded pixels through a model of pictures. */
static glim_status run_pixels(struct check *c) {
    cli_run *run = c->run;
    const glim_model_info *info = glim_model_facts(run->model);
    const glim_st_tensor *t = glim__safetensors_find(c->st, "hook_pixels");
    size_t n = (size_t)info->image_height * (size_t)info->image_width * 3, n_target = 0;
    if (!t || strcmp(t->dtype, "F32") || t->bytes != n * sizeof(float))
        return glim_fail(&run->err, GLIM_EFORMAT,
                         "'%s' has no tensor 'hook_pixels' (F32, %d x %d x 3)", run->o.recording,
                         info->image_height, info->image_width);
    glim_status status = GLIM_OK;
    int32_t *target = read_ids(c, "target", info->outputs, &n_target, &status);
    float *pixels = glim__alloc(run->ctx, n * sizeof *pixels);
    glim_hook hooks[2] = {{"*", GLIM_HOOK_READ, visit, c}, {"*", GLIM_HOOK_GRAD, visit_grad, c}};
    if (!status && !pixels)
        status = glim__oom(run->ctx, &run->err, "pixels", n * sizeof *pixels);
    if (!status) {
        memcpy(pixels, t->data, n * sizeof *pixels);
        status = cli_picture_pass(run, pixels, hooks, 2, target != NULL, target ? target[0] : -1);
    }
    glim__free(run->ctx, target);
    glim__free(run->ctx, pixels);
    return status;
}

/* glim.verification/1; `tolerance` is NaN when weights were scanned. */
static glim_status put_json(struct check *c, double tolerance, bool partial) {
    bool ok = c->ok;
    json_t *o = json_object();
    glim__json_set(&ok, o, "schema", json_string("glim.verification/1"));
    glim__json_set(&ok, o, "ok", json_boolean(!c->failed));
    glim__json_set(&ok, o, "compared", json_integer(c->compared));
    glim__json_set(&ok, o, "first_difference",
                   c->failed ? glim__json_text(c->first, strlen(c->first)) : json_null());
    glim__json_set(&ok, o, "tolerance", glim__json_number(tolerance));
    glim__json_set(&ok, o, "sites", json_incref(c->rows));
    glim__json_set(&ok, o, "partial", json_boolean(partial));
    return cli_put_json(c->run, c->run->o.json, o, ok);
}

static glim_status put(struct check *c, double tolerance, bool partial) {
    if (c->run->o.json)
        return put_json(c, tolerance, partial);
    if (c->text.failed)
        return glim__oom(c->run->ctx, &c->run->err, "the report", c->text.len);
    return c->text.len ? cli_put(c->run, c->text.data, c->text.len) : GLIM_OK;
}

/* Writes what was found, also when the run was interrupted; its error stays. */
static glim_status conclude(struct check *c, double tolerance, glim_status status) {
    cli_run *run = c->run;
    glim_error kept = run->err;
    glim_context_reset(run->ctx);
    glim_status written = put(c, tolerance, status != GLIM_OK);
    if (!status)
        return written;
    run->err = kept;
    return status;
}

static glim_status report(struct check *c, glim_status status) {
    cli_run *run = c->run;
    if (status && status != GLIM_ECANCELLED)
        return status;
    if (!status && !c->compared)
        return glim_fail(&run->err, GLIM_EFORMAT, "'%s' holds no site of this model",
                         run->o.recording);
    if (!status && !c->failed)
        glim__buffer_printf(&c->text, "%d sites agree to %g\n", c->compared, run->o.tolerance);
    status = conclude(c, run->o.tolerance, status);
    if (status || !c->failed)
        return status;
    return glim_fail(&run->err, GLIM_ENUMERIC,
                     "%d of %d sites differ; the first is %s, by %.2g of its largest value",
                     c->failed, c->compared, c->first, c->first_off);
}

/* ---- a model alone ---- */

static void note_tensor(struct check *c, const char *name, uint64_t row) {
    json_t *o = json_object();
    glim__json_set(&c->ok, o, "site", glim__json_text(name, strlen(name)));
    glim__json_set(&c->ok, o, "difference", json_null());
    glim__json_set(&c->ok, o, "ok", json_false());
    glim__json_add(&c->ok, c->rows, o);
    cli_visible(&c->text, name, strlen(name), CLI_PLAIN, false);
    glim__buffer_printf(&c->text, ": row %" PRIu64 " holds a value that is not finite\n", row);
    if (!c->failed++)
        snprintf(c->first, sizeof c->first, "%s", name);
}

static glim_status scan_tensor(struct check *c, const glim_tensor *t, float *row) {
    const glim_type_info *info = glim__type_info(t->type);
    uint64_t rows = t->dims[1] * t->dims[2] * t->dims[3];
    uint64_t bytes = rows ? t->bytes / rows : 0;
    if (!info || !info->computes)
        return GLIM_OK;
    for (uint64_t r = 0; r < rows; r++) {
        glim__kernels_ref.dequantise[t->type]((const char *)t->data + r * bytes, row,
                                              (size_t)t->dims[0]);
        for (uint64_t i = 0; i < t->dims[0]; i++)
            if (!isfinite(row[i])) {
                note_tensor(c, t->name, r);
                return GLIM_OK;
            }
        if (r % 4096 == 0 && glim__check_cancel(c->run->ctx, &c->run->err))
            return GLIM_ECANCELLED;
    }
    return GLIM_OK;
}

static glim_status scan_all(struct check *c, const glim_gguf *g) {
    cli_run *run = c->run;
    uint64_t widest = 1;
    size_t n = glim__gguf_tensor_count(g);
    for (size_t i = 0; i < n; i++)
        if (glim__gguf_tensor_at(g, i)->dims[0] > widest)
            widest = glim__gguf_tensor_at(g, i)->dims[0];
    float *row = glim__calloc(run->ctx, (size_t)widest, sizeof *row);
    if (!row)
        return glim__oom(run->ctx, &run->err, "a row", widest * sizeof *row);
    glim_status status = GLIM_OK;
    glim__progress_begin(run->ctx, "scanning", n);
    for (; (size_t)c->compared < n && !status; c->compared += !status) {
        status = scan_tensor(c, glim__gguf_tensor_at(g, (size_t)c->compared), row);
        glim__progress_add(run->ctx, 1);
    }
    glim__progress_end(run->ctx);
    glim__free(run->ctx, row);
    return status ? status : glim__gguf_unchanged(g, &run->err);
}

static glim_status scan(struct check *c) {
    cli_run *run = c->run;
    glim_gguf *g = NULL;
    glim_status status = glim__model_file_open(&g, run->ctx, run->o.model, &run->err);
    if (!status)
        status = scan_all(c, g);
    glim__gguf_close(g);
    if (status && status != GLIM_ECANCELLED)
        return status;
    if (!status && !c->failed)
        glim__buffer_printf(&c->text, "%d tensors, all values finite\n", c->compared);
    status = conclude(c, NAN, status);
    if (status || !c->failed)
        return status;
    return glim_fail(&run->err, GLIM_ENUMERIC,
                     "%d of %d tensors hold values that are not finite; the first is '%s'",
                     c->failed, c->compared, c->first);
}

static glim_status compare(struct check *c) {
    cli_run *run = c->run;
    glim_safetensors *st = NULL;
    glim_status status = cli_open(run);
    if (!status)
        status = glim__safetensors_open(&st, run->ctx, run->o.recording, &run->err);
    c->st = st;
    if (!status)
        status = report(c, cli_reads_pictures(run) ? run_pixels(c) : run_recording(c));
    glim__safetensors_close(st);
    return status;
}

static glim_status run_verify(cli_run *run) {
    struct check c = {.run = run, .rows = json_array(), .ok = true};
    if (!run->o.model)
        return glim_fail(&run->err, GLIM_EUSAGE, "verify needs a model (-m FILE.gguf)");
    glim__buffer_init(&c.text, run->ctx);
    glim_status status = run->o.recording ? compare(&c) : scan(&c);
    glim__buffer_release(&c.text);
    json_decref(c.rows);
    return status;
}

static const glim_param *const groups[] = {cli_flags_model,     own_flags,      cli_flags_json,
                                           cli_flags_resources, cli_flags_talk, NULL};
static const char *const examples[] = {"glim verify -m model.gguf --against recording.safetensors",
                                       "glim verify -m model.gguf", NULL};

const cli_command cli_verify = {
    .name = "verify",
    .summary = "a model against a recording, or its weights alone",
    .family = "basics",
    .produces = "glim.verification/1",
    .synopsis = "-m MODEL [--against RECORDING]",
    .examples = examples,
    .groups = groups,
    .run = run_verify,
};
