/* SPDX-License-Identifier: Apache-2.0 */
/* glim explain: which parts of the input made the model say this. */
#include "cli/align-flags.h"
#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/judge.h"
#include "cli/menu.h"
#include "cli/show.h"
#include "cli/explain-why.h"
#include "file/safetensors.h"
#include "predict/predictor.h"

#include <stdlib.h>
#include <string.h>

static glim_status show_plan(cli_run *run, glim_predictor *p) {
    glim_plan plan;
    if (run->o.evaluate)
        return cli_judge_into_plan(run, p);
    glim_status status = glim_explain_plan(&plan, p, run->method, run->method_opts, &run->err);
    return status ? status : cli_put_plan(run, run->method->name, &plan);
}

/* ---- the array behind the scores ---- */

static glim_status keep_gradient(void *data, size_t sample, size_t row, const float *g,
                                 glim_error *err) {
    const glim_predictor *p = ((void **)data)[0];
    memcpy(((void **)data)[1], g, p->T * p->C * sizeof *g);
    return GLIM_OK;
}

/* (T, C) gradient of the first target row for the family of input gradients, else the
   scores (rows, units): other methods take slopes elsewhere, if any. */
static glim_status write_raw(cli_run *run, glim_predictor *p, const glim_document *doc) {
    bool gradient = !strcmp(run->method->family, "gradients");
    size_t n = gradient ? p->T * p->C : doc->n_rows * doc->input.n_units;
    uint64_t dims[2] = {gradient ? p->T : doc->n_rows, gradient ? p->C : doc->input.n_units};
    float *all = glim__calloc(run->ctx, n + 1, sizeof *all);
    float *x = gradient ? glim__calloc(run->ctx, n, sizeof *x) : NULL;
    double *values = glim__calloc(run->ctx, p->n_rows, sizeof *values);
    void *data[2] = {p, all};
    glim_status status = all && values && (x || !gradient)
                             ? GLIM_OK
                             : glim__oom(run->ctx, &run->err, "the array", n * sizeof *all);
    if (!status && gradient)
        status = p->embed(p, x, &run->err);
    if (!status && gradient)
        status = p->gradient(p, x, 1, 0, values, keep_gradient, data, &run->err);
    for (size_t i = 0; i < n && !gradient && !status; i++)
        all[i] = (float)doc->scores[i];
    if (!status)
        status = glim__npy_write(run->ctx, run->o.raw, all, 2, dims, &run->err);
    glim__free(run->ctx, all);
    glim__free(run->ctx, x);
    glim__free(run->ctx, values);
    return status;
}

/* Links of the words, when they are asked for. */
static glim_status align(cli_run *run, glim_document *doc) {
    glim_align_options a;
    glim_buffer gold;
    glim__buffer_init(&gold, run->ctx);
    glim_status status = cli_align(run, &gold, &a);
    if (!status && run->o.align)
        status = glim_document_align(doc, &a, &run->err);
    glim__buffer_release(&gold);
    return status;
}

/* An explanation that could not be judged is shown all the same. */
static glim_status judge(cli_run *run, glim_predictor *p, glim_document *doc) {
    glim_status status = cli_judge_into(run, p, doc);
    if (status == GLIM_ECANCELLED)
        glim_document_note(doc, "interrupted before it was judged");
    else if (status)
        glim_document_note(doc, "it was not judged: %s", run->err.message);
    return status;
}

static glim_status show(cli_run *run, glim_predictor *p, glim_document *doc, bool whole) {
    glim_status status = run->o.raw && whole ? write_raw(run, p, doc) : GLIM_OK;
    if (!status)
        status = align(run, doc);
    return status ? status : cli_show(run, doc);
}

static glim_status explain(cli_run *run, glim_predictor *p) {
    const char *why = NULL;
    glim_document *doc = NULL;
    if (!run->method) {
        run->method = glim_method_default(p, &why);
        if (run->o.verbose)
            fprintf(stderr, "glim: method %s: %s\n", run->method->name, why);
    }
    if (run->o.dry_run)
        return show_plan(run, p);
    run->planned = true;
    glim_status status =
        glim_explain(&doc, p, run->method, run->method_opts, (uint64_t)run->o.seed, &run->err);
    bool whole = !status;
    if (whole)
        status = cli_why(run, p, doc);
    if (whole && !status)
        status = cli_predicted(run, p, doc);
    if (whole && !status && run->o.evaluate)
        status = judge(run, p, doc);
    if (doc) { /* a partial one, too */
        glim_error kept = run->err;
        glim_context_reset(run->ctx);
        glim_status shown = show(run, p, doc, whole);
        if (status)
            run->err = kept;
        else
            status = shown;
    }
    glim_document_free(doc);
    return status;
}

static glim_status run_explain(cli_run *run) {
    if (run->o.evaluate && cli_wants_pick(run))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--evaluate judges one explanation; many: glim evaluate --data FILE");
    glim_status status = cli_why_target(run);
    if (status)
        return status;
    return run->o.list ? cli_menu(run) : cli_bind(run, explain, cli_pick);
}

static const glim_param *const groups[] = {cli_flags_model,
                                           cli_flags_task,
                                           cli_flags_predictor,
                                           cli_flags_calls,
                                           cli_flags_input,
                                           cli_flags_steer,
                                           cli_flags_target,
                                           cli_flags_picture,
                                           cli_flags_align,
                                           cli_flags_judged,
                                           cli_flags_method,
                                           cli_flags_output,
                                           cli_flags_raw,
                                           cli_flags_resources,
                                           cli_flags_plan,
                                           cli_flags_talk,
                                           NULL};
static const char *const examples[] = {
    "glim explain -m model.gguf --why \" Paris\" --not \" Rome\" \"Her city is\"",
    "glim explain --predictor \"process:python3 sentiment.py\" \"a fine film\"", NULL};

const cli_command cli_explain = {
    .name = "explain",
    .summary = "which parts of the input made the model say this",
    .family = "importance",
    .produces = "glim.explanation/1",
    .synopsis = "-m MODEL TEXT",
    .steers = true,
    .text = "text",
    .examples = examples,
    .groups = groups,
    .takes_method = true,
    .run = run_explain,
};
