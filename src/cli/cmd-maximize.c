/* SPDX-License-Identifier: Apache-2.0 */
/* glim maximize: which inputs most activate a neuron, a head, a direction or an output. */
#include "cli/commands.h"
#include "cli/picture.h"
#include "cli/show.h"
#include "file/image.h"

#include <glim/maximize.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(cli_options, field)

static const glim_param what_flags[] = {
    {.name = "site",
     .type = GLIM_STRING,
     .offset = AT(site),
     .value_name = "NAME",
     .help = "where (glim info --sites lists them)",
     .group = "What is activated"},
    {.name = "index",
     .type = GLIM_STRING,
     .offset = AT(indices),
     .value_name = "1,5,8-11",
     .help = "neurons of the site, all in one pass"},
    {.name = "head",
     .type = GLIM_INT,
     .offset = AT(head),
     .def.i = -1,
     .min = -1,
     .max = 4095,
     .help = "a head of attn.hook_z: how long its vector is"},
    {.name = "direction",
     .type = GLIM_STRING,
     .offset = AT(direction),
     .value_name = "FILE[:TENSOR]",
     .help = "along a vector, as of a probe (safetensors)"},
    {.name = "target",
     .type = GLIM_STRING,
     .offset = AT(target),
     .value_name = "TOKEN",
     .help = "the logit of a token or a class"},
    {.name = "pool",
     .type = GLIM_CHOICE,
     .offset = AT(pool),
     .def.s = "max",
     .choices = "max|last|mean",
     .help = "a text's value of its tokens'"},
    {0},
};

static const glim_param corpus_flags[] = {
    {.name = "data",
     .type = GLIM_STRING,
     .offset = AT(data),
     .value_name = "FILE",
     .help = "texts: .txt, a line each; .csv, .tsv, .jsonl",
     .group = "Texts of a corpus"},
    {.name = "text",
     .type = GLIM_STRING,
     .offset = AT(text_column),
     .def.s = "text",
     .value_name = "COLUMN",
     .help = "the column of texts"},
    {.name = "top",
     .type = GLIM_INT,
     .offset = AT(top),
     .def.i = 10,
     .min = 1,
     .max = 1000,
     .help = "texts that are kept for each neuron"},
    {.name = "window",
     .type = GLIM_INT,
     .offset = AT(text_window),
     .def.i = 128,
     .min = 4,
     .max = 65536,
     .help = "tokens; longer texts are cut"},
    {0},
};

static const glim_param search_flags[] = {
    {.name = "search",
     .type = GLIM_CHOICE,
     .offset = AT(search),
     .choices = "tokens|embeddings|both|none",
     .help = "by gradients (tokens; with --data none)",
     .group = "Inputs that are searched for"},
    {.name = "start",
     .type = GLIM_STRING,
     .offset = AT(start),
     .value_name = "TEXT",
     .help = "where the first restart begins (by chance)"},
    {.name = "length",
     .type = GLIM_INT,
     .offset = AT(length),
     .def.i = 8,
     .min = 1,
     .max = GLIM_MAXIMIZE_LENGTH,
     .help = "tokens"},
    {.name = "restarts",
     .type = GLIM_INT,
     .offset = AT(restarts),
     .def.i = 3,
     .min = 1,
     .max = 1000,
     .help = "other beginnings, by --seed"},
    {.name = "steps",
     .type = GLIM_INT,
     .offset = AT(steps),
     .min = 0,
     .max = 100000,
     .help = "at most (60; of pictures 256)"},
    {.name = "candidates",
     .type = GLIM_INT,
     .offset = AT(candidates),
     .def.i = 64,
     .min = 1,
     .max = 65536,
     .help = "swaps that are run in a step"},
    {.name = "choices",
     .type = GLIM_INT,
     .offset = AT(choices),
     .def.i = 64,
     .min = 1,
     .max = 65536,
     .help = "tokens of a place that they are drawn of"},
    {.name = "fluency",
     .type = GLIM_STRING,
     .offset = AT(fluency),
     .value_name = "0,0.5,2",
     .help = "weights of what the model finds likely (0)"},
    {0},
};

static const glim_param picture_flags[] = {
    {.name = "save-picture",
     .type = GLIM_STRING,
     .offset = AT(save_picture),
     .value_name = "FILE.png",
     .help = "the picture",
     .group = "Pictures (models of them; --target CLASS)"},
    {.name = "rate",
     .type = GLIM_REAL,
     .offset = AT(rate),
     .def.r = 0.05,
     .min = 1e-6,
     .max = 10,
     .help = "of a step"},
    {.name = "jitter",
     .type = GLIM_INT,
     .offset = AT(jitter),
     .def.i = 8,
     .min = 0,
     .max = 64,
     .help = "pixels that each step moves it by"},
    {.name = "l2",
     .type = GLIM_REAL,
     .offset = AT(l2),
     .def.r = 0.01,
     .min = 0,
     .max = 1,
     .help = "weight of strong colours"},
    {.name = "variation",
     .type = GLIM_REAL,
     .offset = AT(variation),
     .def.r = 0.2,
     .min = 0,
     .max = 1,
     .help = "weight of differences of neighbours"},
    {0},
};

/* ---- indices ---- */

static glim_status no_indices(cli_run *run, glim_error *err) {
    return glim_fail(err, GLIM_EUSAGE, "--index '%.80s' is no list like 3,7,10-15 of at most %d",
                     run->o.indices, GLIM_MAXIMIZE_UNITS);
}

static glim_status read_indices(cli_run *run, size_t **out, size_t *n) {
    const char *s = run->o.indices;
    *n = 0;
    *out = s ? glim__calloc(run->ctx, GLIM_MAXIMIZE_UNITS, sizeof **out) : NULL;
    if (s && !*out)
        return glim__oom(run->ctx, &run->err, "the neurons", GLIM_MAXIMIZE_UNITS * sizeof **out);
    while (s && *s) {
        char *end;
        unsigned long long from = strtoull(s, &end, 10), to = from;
        bool ok = end != s && *s >= '0' && *s <= '9';
        if (ok && *end == '-') {
            s = end + 1;
            to = strtoull(s, &end, 10);
            ok = end != s && *s >= '0' && *s <= '9';
        }
        if (!ok || to < from || to > UINT32_MAX || to - from >= GLIM_MAXIMIZE_UNITS - *n ||
            (*end && (*end != ',' || !end[1])))
            return no_indices(run, &run->err);
        for (unsigned long long i = from; i <= to; i++)
            (*out)[(*n)++] = (size_t)i;
        s = end + (*end == ',');
    }
    return run->o.indices && !*n ? no_indices(run, &run->err) : GLIM_OK;
}

/* ---- weights of fluency ---- */

enum { MOST_WEIGHTS = 64 };

static glim_status read_weights(cli_run *run, double *out, size_t *n) {
    const char *s = run->o.fluency;
    for (*n = 0; s && *s;) {
        char *end;
        double weight = strtod(s, &end);
        bool ok = end != s && weight >= 0 && weight <= 1e6 && *n < MOST_WEIGHTS;
        for (size_t i = 0; i < *n && ok; i++)
            ok = out[i] != weight;
        if (!ok || (*end && (*end != ',' || !end[1])))
            return glim_fail(&run->err, GLIM_EUSAGE,
                             "--fluency '%.80s' is no list like 0,0.5,2 of at most %d different "
                             "weights from 0 on",
                             run->o.fluency, MOST_WEIGHTS);
        out[(*n)++] = weight;
        s = end + (*end == ',');
    }
    return GLIM_OK;
}

/* ---- the command ---- */

static glim_maximize_options options_of(const cli_run *run, const size_t *indices, size_t n,
                                        const double *weights, size_t n_weights) {
    const cli_options *o = &run->o;
    return (glim_maximize_options){.site = o->site,
                                   .indices = indices,
                                   .n_indices = n,
                                   .head = (int)o->head,
                                   .direction = o->direction,
                                   .target = o->target,
                                   .pool = o->pool,
                                   .data = o->data,
                                   .text_column = o->text_column,
                                   .top = (size_t)o->top,
                                   .window = (size_t)o->text_window,
                                   .search = o->search,
                                   .start = o->start,
                                   .length = (size_t)o->length,
                                   .restarts = (size_t)o->restarts,
                                   .steps = (size_t)o->steps,
                                   .candidates = (size_t)o->candidates,
                                   .choices = (size_t)o->choices,
                                   .fluencies = weights,
                                   .n_fluencies = n_weights,
                                   .rate = o->rate,
                                   .l2 = o->l2 > 0 ? o->l2 : -1,
                                   .variation = o->variation > 0 ? o->variation : -1,
                                   .jitter = o->jitter ? (int)o->jitter : -1,
                                   .store = o->store,
                                   .seed = (uint64_t)o->seed};
}

/* What fits only one kind of model. */
static glim_status check_kind(cli_run *run) {
    const cli_options *o = &run->o;
    bool picture = cli_reads_pictures(run);
    const char *lone = o->site        ? "site"
                       : o->indices   ? "index"
                       : o->direction ? "direction"
                       : o->data      ? "data"
                       : o->head >= 0 ? "head"
                       : o->fluency   ? "fluency"
                       : o->store     ? "store"
                                      : NULL;
    if (picture && lone)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--%s is for models of texts; of a model of pictures a class is climbed "
                         "to (--target CLASS)",
                         lone);
    if (!picture && o->save_picture)
        return glim_fail(&run->err, GLIM_EUSAGE, "--save-picture is for models of pictures");
    return GLIM_OK;
}

static glim_status save_picture(cli_run *run, const glim_document *doc) {
    glim_image image = {.ctx = run->ctx,
                        .width = doc->input.image.width,
                        .height = doc->input.image.height,
                        .rgb = (uint8_t *)doc->input.image.rgb};
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    glim_status status = glim__png_write(&out, run->ctx, &image, &run->err);
    if (!status)
        status = glim__file_write(run->o.save_picture, out.data, out.len, &run->err);
    glim__buffer_release(&out);
    if (!status)
        cli_wrote(run, run->o.save_picture);
    return status;
}

static glim_status maximize_and_show(cli_run *run, const glim_maximize_options *o) {
    glim_document *doc = NULL;
    glim_status status = glim_maximize(&doc, run->model, o, &run->err);
    if (doc) { /* a partial one, too */
        glim_error kept = run->err;
        glim_context_reset(run->ctx);
        glim_status shown = cli_show(run, doc);
        if (!shown && run->o.save_picture)
            shown = save_picture(run, doc);
        if (status)
            run->err = kept;
        else
            status = shown;
    }
    glim_document_free(doc);
    return status;
}

static glim_status run_maximize(cli_run *run) {
    size_t *indices = NULL, n = 0, n_weights = 0;
    double weights[MOST_WEIGHTS];
    glim_plan plan;
    glim_status status = cli_open(run);
    if (!status)
        status = check_kind(run);
    if (!status)
        status = read_indices(run, &indices, &n);
    if (!status)
        status = read_weights(run, weights, &n_weights);
    glim_maximize_options o = options_of(run, indices, n, weights, n_weights);
    bool planned = run->o.dry_run || run->o.memory;
    if (!status && planned)
        status = glim_maximize_plan(&plan, run->model, &o, &run->err);
    if (!status && run->o.dry_run) {
        status = cli_put_plan(run, "maximize", &plan);
    } else if (!status) {
        run->planned = true;
        if (planned)
            status = glim__check_budget(run->ctx, plan.bytes, "maximize needs",
                                        "take fewer neurons or a smaller --window", &run->err);
        if (!status)
            status = maximize_and_show(run, &o);
    }
    glim__free(run->ctx, indices);
    return status;
}

static const glim_param *const groups[] = {cli_flags_model,
                                           what_flags,
                                           corpus_flags,
                                           search_flags,
                                           picture_flags,
                                           cli_flags_output,
                                           cli_flags_resources,
                                           cli_flags_store,
                                           cli_flags_plan,
                                           cli_flags_talk,
                                           NULL};
static const char *const examples[] = {
    "glim maximize -m model.gguf --site blocks.5.mlp.hook_post --index 123 --data corpus.txt",
    "glim maximize -m model.gguf --target \" Paris\" --fluency 1",
    "glim maximize -m efficientnet-lite0 --target 207 --save-picture dog.png", NULL};

const cli_command cli_maximize = {
    .name = "maximize",
    .summary = "which inputs most activate a neuron, head, direction or logit",
    .synopsis = "-m MODEL --site NAME --index N",
    .keeps = true,
    .examples = examples,
    .groups = groups,
    .run = run_maximize,
};
