/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path patching: what a sender does to the target through one receiver alone. In a first pass
 * the sender has the donor's value and everything else that would pass it on, heads and (unless
 * they may) feed-forward parts, keeps the base's; what then arrives at the receiver is written
 * down. In a second pass the base has that at the receiver, and all is free. With "logits" as
 * the receiver the first pass is the answer: the direct path.
 */
#include "structure/patching.h"

#include "model/model.h"
#include "structure/patch.h"

#include <glim/patch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct end {
    glim_patch_kind kind; /* GLIM_PATCH_KINDS: the logits */
    size_t layer, head;
};

struct work {
    const glim_lm *base, *donor;
    glim_patching run;        /* for its stores: what the donor has */
    glim_patch_store kept[2]; /* the base's heads and feed-forward parts */
    struct end from, to;
    bool mlps;
    float *arrived; /* (T, D) at the receiver */
    size_t D;
    bool writes; /* the second pass */
};

/* "blocks.3.attn.hook_z[5]", without the brackets where there are no heads. */
static bool read_end(const char *text, const glim_model *m, bool sender, struct end *out) {
    char *end, site[32];
    size_t prefix = strlen(m->site_prefix);
    *out = (struct end){.kind = GLIM_PATCH_KINDS, .head = GLIM_EVERY};
    if (!sender && !strcmp(text, "logits"))
        return true;
    text += strncmp(text, m->site_prefix, prefix) ? 0 : prefix;
    if (strncmp(text, "blocks.", 7) != 0)
        return false;
    out->layer = strtoul(text + 7, &end, 10);
    size_t n = strcspn(end, "[");
    if (end == text + 7 || *end != '.' || out->layer >= (size_t)m->hyper.L || n >= sizeof site)
        return false;
    memcpy(site, end + 1, n - 1);
    site[n - 1] = 0;
    int k = 0;
    while (k < GLIM_PATCH_KINDS && strcmp(site, glim__patch_site((glim_patch_kind)k)) != 0)
        k++;
    out->kind = (glim_patch_kind)k;
    bool by_head = k >= GLIM_PATCH_Z && k < GLIM_PATCH_KINDS;
    bool known = sender ? k == GLIM_PATCH_Z || k == GLIM_PATCH_MLP_OUT || k == GLIM_PATCH_ATTN_OUT
                        : k > GLIM_PATCH_Z && k < GLIM_PATCH_KINDS;
    end += n;
    if (*end == '[') {
        out->head = strtoul(end + 1, &end, 10);
        size_t heads = (size_t)(k >= GLIM_PATCH_K ? m->hyper.G : m->hyper.H);
        return known && by_head && !strcmp(end, "]") && out->head < heads;
    }
    return known && !*end;
}

static glim_status check_path(struct work *w, const glim_path *path, glim_error *err) {
    const glim_model *m = w->base->model;
    if (!read_end(path->sender, m, true, &w->from))
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.80s' is no sender: blocks.N.attn.hook_z[HEAD], blocks.N.hook_attn_out "
                         "or blocks.N.hook_mlp_out",
                         path->sender);
    if (!read_end(path->receiver, m, false, &w->to))
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.80s' is no receiver: blocks.N.attn.hook_q[HEAD], _k or _v, or logits",
                         path->receiver);
    bool before = w->to.kind == GLIM_PATCH_KINDS || w->from.layer < w->to.layer;
    return before ? GLIM_OK
                  : glim_fail(err, GLIM_EUSAGE, "%.60s does not stand before %.60s", path->sender,
                              path->receiver);
}

/* ---- passes ---- */

static void put(float *to, const glim_patch_store *s, size_t layer, size_t rows, size_t head) {
    size_t D = head == GLIM_EVERY ? s->width : s->width / s->heads;
    size_t at = head == GLIM_EVERY ? 0 : head * D;
    for (size_t t = 0; t < rows; t++)
        memcpy(to + t * s->width + at, s->values + (layer * s->T + t) * s->width + at,
               D * sizeof *to);
}

/* The first pass: all is the base's but the sender. */
static glim_status freeze(void *data, const glim_site *s, glim_error *err) {
    struct work *w = data;
    size_t layer = (size_t)s->layer;
    bool heads = strstr(s->name, ".attn.hook_z"), mlp = strstr(s->name, "hook_mlp_out");
    glim_patch_kind kind = heads ? GLIM_PATCH_Z : mlp ? GLIM_PATCH_MLP_OUT : GLIM_PATCH_ATTN_OUT;
    if (w->writes)
        return GLIM_OK;
    if (heads || (mlp && !w->mlps))
        put(s->data, &w->kept[mlp], layer, s->dims[0], GLIM_EVERY);
    if (kind == w->from.kind && layer == w->from.layer)
        put(s->data, &w->run.donor[0][kind], layer, s->dims[0], w->from.head);
    return GLIM_OK;
}

/* What arrives at the receiver is kept; in the second pass it is put there. */
static glim_status arrive(void *data, const glim_site *s, glim_error *err) {
    struct work *w = data;
    size_t heads = s->dims[1], D = s->dims[2], head = w->to.head == GLIM_EVERY ? 0 : w->to.head;
    size_t n = w->to.head == GLIM_EVERY ? heads * D : D;
    if ((size_t)s->layer != w->to.layer)
        return GLIM_OK;
    for (size_t t = 0; t < s->dims[0]; t++) {
        float *here = s->data + (t * heads + head) * D, *there = w->arrived + t * n;
        memcpy(w->writes ? here : there, w->writes ? there : here, n * sizeof *here);
    }
    return GLIM_OK;
}

static glim_status pass(struct work *w, double *value, glim_error *err) {
    const char *prefix = w->base->model->site_prefix;
    const char *const where[] = {"attn.hook_z", "hook_mlp_out", "hook_attn_out", "attn.hook_q"};
    char names[4][64];
    glim_hook hooks[4];
    uint32_t *wanted = glim__calloc(w->run.ctx, w->base->base.n_rows + 1, sizeof *wanted);
    if (!wanted)
        return glim__oom(w->run.ctx, err, "the rows", w->base->base.n_rows * 4);
    for (size_t r = 0; r < w->base->base.n_rows; r++)
        wanted[r] = (uint32_t)w->base->rows[r].at;
    for (int i = 0; i < 4; i++) {
        bool receiver = i == 3 && w->to.kind != GLIM_PATCH_KINDS;
        snprintf(names[i], sizeof names[i], "%sblocks.*.%s", prefix,
                 receiver ? glim__patch_site(w->to.kind) : where[i]);
        hooks[i] = (glim_hook){names[i], GLIM_HOOK_WRITE, i == 3 ? arrive : freeze, w};
    }
    glim_sequence q = {.ids = w->base->ids, .types = w->base->types, .count = w->base->base.T};
    glim__lm_wanted(w->base, wanted, w->base->base.n_rows, q.count, &q);
    glim_batch b = {.sequences = &q,
                    .count = 1,
                    .hooks = hooks,
                    .n_hooks = w->to.kind == GLIM_PATCH_KINDS ? 3 : 4};
    glim_status status = glim_session_forward(w->run.session, &b, err);
    if (!status)
        *value = glim__patching_target(&w->run, w->run.session, 0);
    glim__free(w->run.ctx, wanted);
    return status;
}

/* ---- the whole ---- */

/* Values of both runs: the donor's stay in the stores, the base's are moved out of them. */
static glim_status read_runs(struct work *w, glim_predictor *base, glim_predictor *donor,
                             glim_error *err) {
    static const glim_patch_kind kinds[] = {GLIM_PATCH_Z, GLIM_PATCH_MLP_OUT, GLIM_PATCH_ATTN_OUT};
    glim_status status = glim__patching_init(&w->run, base, NULL, err);
    for (int k = 0; k < 2 && !status; k++)
        status = glim__patching_room(&w->run, kinds[k], false, base->T, err);
    if (!status)
        status = glim__patching_donate(&w->run, base, err);
    for (int k = 0; k < 2 && !status; k++) {
        w->kept[k] = w->run.donor[0][kinds[k]];
        w->run.donor[0][kinds[k]].values = NULL;
    }
    for (int k = 0; k < 3 && !status; k++)
        status = glim__patching_room(&w->run, kinds[k], false, base->T, err);
    return status ? status : glim__patching_donate(&w->run, donor, err);
}

static glim_status run_path(struct work *w, const glim_path *path, double *value, glim_error *err) {
    glim_status status = check_path(w, path, err);
    w->writes = false;
    if (!status)
        status = pass(w, value, err);
    w->writes = true;
    return status || w->to.kind == GLIM_PATCH_KINDS ? status : pass(w, value, err);
}

glim_status glim_patch_path(double *effects, glim_predictor *clean, glim_predictor *corrupted,
                            const glim_path *paths, size_t n, bool noise, bool mlps,
                            glim_error *err) {
    glim_predictor *base = noise ? clean : corrupted, *donor = noise ? corrupted : clean;
    struct work w = {.base = (glim_lm *)base, .donor = (glim_lm *)donor, .mlps = mlps};
    glim_status status = glim__patch_check(clean, corrupted, err);
    if (!status && (w.base->written || base->T != donor->T))
        status = glim_fail(err, GLIM_EUSAGE,
                           w.base->written ? "paths are followed through one stack of blocks; both "
                                             "halves of this model have maps (leave out --path)"
                                           : "paths need inputs of as many tokens (%zu and %zu)",
                           clean->T, corrupted->T);
    if (!status)
        status = read_runs(&w, base, donor, err);
    if (!status) {
        size_t widest = (size_t)w.base->model->hyper.H * (size_t)w.base->model->hyper.D;
        w.arrived = glim__calloc(base->ctx, base->T * widest, sizeof *w.arrived);
        if (!w.arrived)
            status = glim__oom(base->ctx, err, "a receiver", base->T * widest * 4);
    }
    double to = glim__patch_target(donor);
    for (size_t i = 0; i < n && !status; i++) {
        double value = 0;
        status = run_path(&w, &paths[i], &value, err);
        effects[i] = (value - w.run.value) / (to - w.run.value);
    }
    for (int k = 0; k < 2; k++)
        glim__free(base->ctx, w.kept[k].values);
    glim__free(base->ctx, w.arrived);
    glim__patching_release(&w.run);
    return status;
}
