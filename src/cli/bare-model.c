/* SPDX-License-Identifier: Apache-2.0 */
/* Documents about parts of a model, without any input: neurons by their weights (glim lens
   --neuron), heads by what they do (glim attention --detect). */
#include "cli/commands.h"
#include "cli/show.h"

#include <glim/heads.h>
#include <glim/lens.h>
#include <stdlib.h>

static glim_status open_bare(cli_run *run, const char *flag) {
    const cli_options *o = &run->o;
    if (o->text || o->file || o->chat)
        return glim_fail(&run->err, GLIM_EUSAGE, "%s is about the model alone, and takes no text",
                         flag);
    return cli_open(run);
}

/* ---- neurons ---- */

enum { MOST = 256 };

/* "3:17" or "3:17,3:18,5:0". */
static glim_status read_neurons(cli_run *run, const char *text, glim_neuron *at, size_t *n) {
    for (const char *s = text; *s;) {
        char *end = NULL;
        bool ok = *s >= '0' && *s <= '9';
        long layer = ok ? strtol(s, &end, 10) : 0, neuron = 0;
        ok = ok && *end == ':' && end[1] >= '0' && end[1] <= '9';
        if (ok)
            neuron = strtol(end + 1, &end, 10);
        ok = ok && (!*end || (*end == ',' && end[1])) && layer < 1 << 20 && neuron < 1L << 30;
        if (!ok)
            return glim_fail(&run->err, GLIM_EUSAGE,
                             "--neuron takes LAYER:NUMBER, both from 0, as in 3:17,3:18; not "
                             "'%.60s'",
                             text);
        if (*n == MOST)
            return glim_fail(&run->err, GLIM_EUSAGE, "more than %d neurons", (int)MOST);
        at[(*n)++] = (glim_neuron){(int)layer, (size_t)neuron};
        s = *end ? end + 1 : end;
    }
    return GLIM_OK;
}

glim_status cli_neurons(cli_run *run) {
    glim_neuron at[MOST];
    size_t n = 0;
    glim_document *doc = NULL;
    glim_status status = GLIM_OK;
    for (int i = 0; i < CLI_SITES && run->o.neuron[i] && !status; i++)
        status = read_neurons(run, run->o.neuron[i], at, &n);
    if (!status)
        status = open_bare(run, "--neuron");
    if (!status && run->o.dry_run)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--neuron reads weights only; there is nothing to plan");
    if (!status)
        status = glim_neurons_read(&doc, run->model, at, n, (size_t)run->o.top, &run->err);
    return cli_show_ended(run, doc, status);
}

/* ---- heads ---- */

glim_status cli_detect_heads(cli_run *run) {
    const cli_options *o = &run->o;
    const glim_heads_options h = {
        .length = (size_t)o->length, .draws = (size_t)o->draws, .seed = (uint64_t)o->seed};
    glim_plan plan;
    glim_document *doc = NULL;
    glim_status status = open_bare(run, "--detect");
    if (!status)
        status = glim_heads_plan(&plan, run->model, &h, &run->err);
    if (status)
        return status;
    if (o->dry_run)
        return cli_put_plan(run, "heads", &plan);
    status = glim__check_budget(run->ctx, plan.bytes, "heads need",
                                "repeat fewer tokens with --length", &run->err);
    if (!status)
        status = glim_heads_detect(&doc, run->model, &h, &run->err);
    return cli_show_ended(run, doc, status);
}
