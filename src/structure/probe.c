/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole run: read the data, run the texts once, then take one site after another off the
 * disk and ask all that is asked of it. What can be known before is checked before: the data,
 * the sites, the memory.
 */
#include "structure/probe-run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- options ---- */

static size_t or_else(size_t given, size_t usual) {
    return given ? given : usual;
}

static glim_status check_word(const char *given, const char *const *known, const char *flag,
                              glim_error *err) {
    for (size_t i = 0; given && known[i]; i++)
        if (!strcmp(given, known[i]))
            return GLIM_OK;
    return given ? glim_fail(err, GLIM_EUSAGE, "%s '%.40s' is none of %s, %s%s%s", flag, given,
                             known[0], known[1], known[2] ? ", " : "", known[2] ? known[2] : "")
                 : GLIM_OK;
}

static glim_status read_options(glim_probe_run *r, const glim_probe_options *o, glim_error *err) {
    static const char *const pools[] = {"last", "mean", "first", NULL};
    static const char *const each[] = {"text", "word", NULL, NULL};
    r->how = (glim_probe_how){.kind = o->kind,
                              .strength = o->kind == GLIM_PROBE_MLP ? (o->decay > 0 ? o->decay : -1)
                                          : o->strength < 0         ? -1
                                                                    : o->strength,
                              .folds = or_else(o->folds, 5),
                              .repeats = or_else(o->repeats, 1),
                              .inner = or_else(o->inner, 5),
                              .permutations = or_else(o->permutations, 20),
                              .hidden = or_else(o->hidden, 128),
                              .max_iterations = 1000,
                              .controls = !o->no_control,
                              .codelength = !o->no_code,
                              .seed = o->seed};
    const glim_probe_how *h = &r->how;
    if (!o->path)
        return glim_fail(err, GLIM_EUSAGE, "a probe needs data (--data FILE)");
    if (isnan(o->strength) || isinf(o->strength) || isinf(o->decay))
        return glim_fail(err, GLIM_EUSAGE, "the strength is no number");
    if (h->folds < 2 || h->folds > 1000 || h->inner < 2 || h->inner > 1000)
        return glim_fail(err, GLIM_EUSAGE, "folds are between 2 and 1000");
    if (h->repeats > 1000 || h->permutations > 10000 || h->hidden > 65536)
        return glim_fail(err, GLIM_ELIMIT,
                         "at most 1000 repeats, 10000 permutations, 65536 hidden units");
    if (o->directions == 1)
        return glim_fail(err, GLIM_EUSAGE, "one random direction shows no spread; take 20");
    if (o->save && o->kind == GLIM_PROBE_MLP)
        return glim_fail(
            err, GLIM_EUSAGE,
            "a probe with a hidden layer has no one direction to save (--probe linear)");
    glim_status status = check_word(o->pool, pools, "--pool", err);
    if (!status)
        status = check_word(o->word, pools, "--word", err);
    return status ? status : check_word(o->each, each, "--each", err);
}

/* ---- what can be known before ---- */

static glim_status count_classes(glim_probe_run *r, glim_error *err) {
    const glim_probe_target *t = &r->data.target;
    size_t most = 0;
    if (t->n_groups < r->how.folds)
        return glim_fail(err, GLIM_EUSAGE, "'%.200s' has %zu %s, fewer than %zu folds (--folds)",
                         r->o->path, t->n_groups,
                         r->data.words ? "sentences"
                         : r->o->group ? "groups"
                                       : "rows",
                         r->how.folds);
    if (t->values)
        return GLIM_OK;
    size_t *count = glim__calloc(r->ctx, t->n_classes, sizeof *count);
    if (!count)
        return glim__oom(r->ctx, err, "the classes", t->n_classes * sizeof *count);
    for (size_t i = 0; i < t->n; i++)
        most = ++count[t->labels[i]] > most ? count[t->labels[i]] : most;
    r->majority = (double)most / (double)t->n;
    glim_status status = GLIM_OK;
    for (size_t k = 0; k < t->n_classes && !status; k++)
        if (count[k] < 2)
            status = glim_fail(err, GLIM_EUSAGE,
                               "class '%.60s' has one %s in '%.200s'; to be fitted and tested it "
                               "needs two",
                               t->classes[k], r->data.words ? "word" : "row", r->o->path);
    glim__free(r->ctx, count);
    return status;
}

static glim_status prepare(glim_probe_run *r, const glim_model *model, const glim_probe_options *o,
                           glim_error *err) {
    *r = (glim_probe_run){.ctx = model->ctx, .model = model, .own = *o, .majority = NAN};
    r->own.text = o->text ? o->text : "text";
    r->own.label = o->label ? o->label : "label";
    r->o = &r->own;
    glim_status status = read_options(r, o, err);
    if (!status && model->vision)
        status = glim_fail(err, GLIM_EUSAGE, "'%.200s' reads pictures; probes read texts",
                           model->info.path);
    if (status)
        return status;
    status = glim__probe_data_open(&r->data, r->ctx, r->o, err);
    if (!status)
        status = count_classes(r, err);
    if (!status)
        status = glim__probe_tokens(&r->inputs, model, &r->data, err);
    if (!status)
        status = glim__probe_store_open(&r->store, model, r->o, &r->inputs, r->data.n, err);
    return status ? status : glim__probe_concept_check(r, err);
}

static void release(glim_probe_run *r) {
    for (size_t s = 0; s < r->store.n_sites && r->layers; s++)
        glim__probe_layer_release(&r->layers[s], r->ctx);
    for (size_t s = 0; s < r->store.n_sites && r->shuffled.layers; s++)
        glim__probe_layer_release(&r->shuffled.layers[s], r->ctx);
    glim__free(r->ctx, r->shuffled.layers);
    glim__probe_store_close(&r->shuffled.store);
    glim_model_close(r->shuffled.model);
    glim__work_close(&r->kept);
    for (size_t s = 0; s < r->store.n_sites && r->directions; s++)
        glim__free(r->ctx, (float *)r->directions[s].weights);
    glim__probe_layer_release(&r->baseline, r->ctx);
    glim__free(r->ctx, r->layers);
    glim__free(r->ctx, r->directions);
    glim__free(r->ctx, r->concepts);
    glim__probe_folds_release(&r->folds, r->ctx);
    glim__probe_store_close(&r->store);
    glim__probe_inputs_release(&r->inputs);
    glim__probe_data_close(&r->data);
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* Bytes at least; what is held already is in them. */
static void measure(const glim_probe_run *r, glim_plan *out, uint64_t *disk) {
    const glim_probe_target *t = &r->data.target;
    uint64_t n = r->data.n, S = r->store.n_sites, wanted;
    uint64_t pass = glim__probe_pass_plan(&r->store, &r->inputs, &wanted), kept = 0;
    uint64_t fit = 4 * n * r->store.widest + glim__probe_layer_plan(t, &r->how, r->store.widest);
    fit += 4 * n * r->how.repeats + S * (4 * t->n_groups + 8 * t->n_classes * t->n_classes);
    if (!r->o->no_baseline)
        fit = larger(fit, glim__probe_baseline_plan(t, &r->how));
    for (size_t s = 0; s < S && (r->o->save || r->o->concept_target); s++)
        kept += 4 * (r->store.sites[s].width + 1) * glim__probe_directions(t);
    fit += kept + S * GLIM_PROBE_DRAWS * 8;
    size_t texts = r->o->concept_inputs ? r->o->concept_inputs : 200;
    *out = (glim_plan){.forward_tokens = r->inputs.total, .seconds = -1, .bounded = true};
    if (r->o->concept_target) {
        fit = larger(fit, kept + glim__probe_concept_plan(r));
        out->backward_tokens = r->inputs.n <= texts ? r->inputs.total : texts * r->inputs.longest;
        out->forward_tokens += out->backward_tokens;
        out->bounded = r->inputs.n <= texts;
    }
    uint64_t copy = r->o->random_model && r->model->file ? glim__gguf_bytes(r->model->file) : 0;
    copy += copy / 16; /* where each row was */
    out->forward_tokens += r->o->random_model ? r->inputs.total : 0;
    out->bytes = glim_context_bytes(r->ctx) + larger(pass, fit) + copy;
    out->bytes_wanted = glim_context_bytes(r->ctx) + larger(wanted, fit) + copy;
    *disk = r->store.bytes * (1 + (r->o->store != NULL)) * (1 + r->o->random_model);
}

glim_status glim_probe_plan(glim_plan *out, uint64_t *disk, const glim_model *model,
                            const glim_probe_options *options, glim_error *err) {
    glim_probe_run r;
    glim_status status = prepare(&r, model, options, err);
    if (!status)
        measure(&r, out, disk);
    release(&r);
    return status;
}

/* ---- the run ---- */

static glim_status save(const glim_probe_run *r, glim_error *err) {
    const glim_model_info *i = glim_model_facts(r->model);
    const glim_probe_target *t = &r->data.target;
    char pool[32];
    const char *usual = r->model->hyper.both_ways || r->model->encoder ? "mean" : "last";
    if (r->data.words)
        snprintf(pool, sizeof pool, "word-%s", r->o->word ? r->o->word : "last");
    else
        snprintf(pool, sizeof pool, "%s", r->o->pool ? r->o->pool : usual);
    glim_directions d = {.ctx = r->ctx,
                         .at = r->directions,
                         .n = r->store.n_sites,
                         .classes = t->classes,
                         .n_classes = t->n_classes,
                         .model_digest = i->digest,
                         .architecture = i->architecture,
                         .pool = pool,
                         .target = r->data.words ? "tag" : r->o->label};
    return glim_directions_save(&d, r->o->save, err);
}

static glim_status run(glim_probe_run *r, glim_error *err) {
    size_t S = r->store.n_sites;
    r->layers = glim__calloc(r->ctx, S, sizeof *r->layers);
    if (r->o->save || r->o->concept_target)
        r->directions = glim__calloc(r->ctx, S, sizeof *r->directions);
    if (!r->layers || (!r->directions && (r->o->save || r->o->concept_target)))
        return glim__oom(r->ctx, err, "the sites", S * sizeof *r->layers);
    glim_status status = glim__probe_folds_make(&r->folds, r->ctx, &r->data.target, &r->how, err);
    if (!status && r->o->random_model) /* first, since not every model can be */
        status = glim__model_shuffled(&r->shuffled.model, r->model, 0, r->how.seed, err);
    if (!status)
        status = glim__work_open(&r->kept, r->model, r->o->store, err);
    if (!status)
        status = glim__probe_sites(r, &r->store, r->layers, false, err);
    if (!status && r->o->random_model)
        status = glim__probe_shuffled(r, err);
    if (!status && r->o->save)
        status = save(r, err);
    if (!status && r->o->concept_target)
        status = glim__probe_concepts(r, err);
    return status;
}

glim_status glim_probe(glim_document **out, const glim_model *model,
                       const glim_probe_options *options, glim_error *err) {
    glim_probe_run r;
    glim_plan plan;
    uint64_t disk;
    double began = glim__seconds();
    *out = NULL;
    glim_status status = prepare(&r, model, options, err);
    bool ready = !status;
    if (!status)
        measure(&r, &plan, &disk);
    if (!status)
        status = glim__check_budget(r.ctx, plan.bytes, "probes need",
                                    "probe fewer rows or narrower sites", err);
    if (!status)
        status = run(&r, err);
    r.seconds = glim__seconds() - began;
    r.partial = ready && r.layers && status == GLIM_ECANCELLED;
    if (!status || r.partial) {
        glim_status made = glim__probe_document(out, &r, r.partial ? NULL : err);
        status = status ? status : made;
    }
    release(&r);
    return status;
}
