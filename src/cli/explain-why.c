/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why A and not B: the attribution of the difference to the input's words, and behind it what
 * the inside says: through the lens, from which layer on A is ahead; directly, which layers,
 * heads, positions and neurons push it; by ablation, what would really be lost without them.
 * Direct parts and losses may differ: what a part adds others may make up for, or undo.
 */
#include "cli/explain-why.h"
#include "predict/predictor.h"

#include <glim/lens.h>
#include <glim/patch.h>
#include <string.h>

glim_status cli_why_target(cli_run *run) {
    cli_options *o = &run->o;
    if (!o->why && !o->why_not)
        return GLIM_OK;
    if (!o->why)
        return glim_fail(&run->err, GLIM_EUSAGE, "--not needs the other side: --why TOKEN");
    if (o->target || o->against || o->continuation || o->generate || o->output)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--why A --not B is itself the target: leave out --target, --against, "
                         "--continuation, --generate and --output");
    if (o->predictor)
        return glim_fail(&run->err, GLIM_EUSAGE, "--why looks inside a model (-m FILE)");
    o->target = o->why;
    o->against = o->why_not;
    o->output = "logit";
    return GLIM_OK;
}

/* A part that this model has not is told; other failures are failures. */
static glim_status noted(cli_run *run, glim_document *doc, const char *what, glim_status status) {
    if (status != GLIM_EUSAGE && status != GLIM_EUNSUPPORTED)
        return status;
    glim_document_note(doc, "%s: %s", what, run->err.message);
    run->err = (glim_error){0};
    return GLIM_OK;
}

static glim_status copy(cli_run *run, glim_document *doc, const glim_document *from,
                        const char *name) {
    const glim_panel *p = from ? glim_document_panel(from, name) : NULL;
    return !p || glim_document_panel_copy(doc, p)
               ? GLIM_OK
               : glim__oom(run->ctx, &run->err, "the document", 0);
}

static glim_status through_lens(cli_run *run, glim_predictor *p, glim_document *doc) {
    glim_document *lens = NULL;
    size_t at = p->row_at(p, 0);
    bool writes = glim_model_facts(run->model)->task == GLIM_TASK_TRANSLATE;
    const glim_lens_options o = {.first = writes ? 0 : at, .count = 1, .top = 5};
    glim_status status = glim_lens_read(&lens, p, &o, &run->err);
    if (!status)
        status = copy(run, doc, lens, "lens-target");
    if (!status)
        status = copy(run, doc, lens, "lens-top");
    glim_document_free(lens);
    return noted(run, doc, "no lens", status);
}

static glim_status directly(cli_run *run, glim_predictor *p, glim_document *doc) {
    enum { NEURONS = 10 };
    glim_direct *d = NULL;
    glim_status status = glim_direct_read(&d, p, 0, NEURONS, &run->err);
    if (!status)
        status = glim_direct_show(d, p, doc, &run->err);
    glim_direct_free(d);
    return noted(run, doc, "no direct parts", status);
}

static glim_status without(cli_run *run, glim_predictor *p, glim_document *doc) {
    glim_document *lost = NULL;
    const glim_ablate_options mean = {.how = GLIM_ABLATE_MEAN};
    glim_status status = glim_patch_ablate(&lost, p, &mean, &run->err);
    if (!status)
        status = copy(run, doc, lost, "ablated");
    if (!status)
        status = copy(run, doc, lost, "ablated-heads");
    glim_document_free(lost);
    return noted(run, doc, "no ablation", status);
}

glim_status cli_why(cli_run *run, glim_predictor *p, glim_document *doc) {
    if (!run->o.why)
        return GLIM_OK;
    glim_status status = through_lens(run, p, doc);
    if (!status)
        status = directly(run, p, doc);
    return status ? status : without(run, p, doc);
}
