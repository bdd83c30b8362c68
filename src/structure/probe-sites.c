/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One site after another off the disk, and all that is asked of it. A site that a store has is
 * asked nothing, and where it has all of them no text is run.
 */
#include "structure/probe-record.h"

#include <string.h>

static size_t direction_floats(const glim_probe_run *r, size_t width) {
    return r->directions ? glim__probe_directions(&r->data.target) * (width + 1) : 0;
}

/* Room for a site's direction. */
static glim_status make_direction(glim_probe_run *r, size_t s, glim_error *err) {
    size_t O = glim__probe_directions(&r->data.target), width = r->store.sites[s].width;
    if (!r->directions)
        return GLIM_OK;
    float *w = glim__calloc(r->ctx, O, (width + 1) * sizeof *w);
    if (!w)
        return glim__oom(r->ctx, err, "the directions", O * width * sizeof *w);
    r->directions[s] = (glim_direction){r->store.sites[s].name, O, width, w, w + O * width};
    return GLIM_OK;
}

struct sites {
    glim_probe_run *r;
    glim_probe_store *store;
    glim_probe_layer *layers;
    bool shuffled;
    glim_store_key values, found;
};

static float *weights_of(const struct sites *x, size_t s) {
    return x->r->directions && !x->shuffled ? (float *)x->r->directions[s].weights : NULL;
}

/* Takes what there is; *missing: sites that are not. */
static glim_status take_kept(struct sites *x, size_t *missing, glim_error *err) {
    glim_probe_run *r = x->r;
    glim_status status = GLIM_OK;
    r->kept.key = x->found;
    *missing = 0;
    for (size_t s = 0; s < x->store->n_sites && !status; s++) {
        bool found = false;
        if (!x->shuffled)
            status = make_direction(r, s, err);
        if (!status)
            status =
                glim__probe_layer_get(r, s, &x->layers[s], weights_of(x, s),
                                      direction_floats(r, x->store->sites[s].width), &found, err);
        *missing += !found;
    }
    return status;
}

static glim_status ask_site(struct sites *x, glim_probe_learner *l, float *values, size_t s,
                            glim_error *err) {
    glim_probe_run *r = x->r;
    float *w = weights_of(x, s);
    l->width = x->store->sites[s].width;
    glim_status status = glim__probe_store_get(x->store, s, values, err);
    if (!status)
        status = glim__probe_layer(l, &r->folds, x->shuffled, &x->layers[s], err);
    if (status && status != GLIM_ECANCELLED)
        glim_prefix(err, status, "%s", x->store->sites[s].name);
    if (!status && w)
        status = glim__probe_direction(l, x->layers[s].strength, w,
                                       w + glim__probe_directions(&l->target) * l->width, err);
    r->kept.key = x->found;
    return status
               ? status
               : glim__probe_layer_put(r, s, &x->layers[s], w, direction_floats(r, l->width), err);
}

static glim_status baseline(struct sites *x, const glim_probe_learner *l, glim_error *err) {
    glim_probe_run *r = x->r;
    const glim_model *reader = r->model->encoder ? r->model->encoder : r->model;
    bool found = false;
    r->kept.key = x->found;
    glim_status status =
        glim__probe_layer_get(r, x->store->n_sites, &r->baseline, NULL, 0, &found, err);
    if (status || found)
        return status;
    status =
        glim__probe_baseline(l, &r->folds, &r->inputs, (size_t)reader->hyper.V, &r->baseline, err);
    return status ? status
                  : glim__probe_layer_put(r, x->store->n_sites, &r->baseline, NULL, 0, err);
}

static glim_status ask_all(struct sites *x, glim_error *err) {
    glim_probe_run *r = x->r;
    size_t S = x->store->n_sites, n = r->data.n;
    uint64_t each = glim__probe_layer_fits(&r->data.target, &r->how, x->shuffled);
    float *values = glim__calloc(r->ctx, n, x->store->widest * sizeof *values);
    if (!values)
        return glim__oom(r->ctx, err, "the values of a site", n * x->store->widest * 4);
    bool plain = !x->shuffled && !r->o->no_baseline;
    glim__progress_begin_items(
        r->ctx, x->shuffled ? "shuffled weights" : "probes",
        S * each + (plain ? glim__probe_layer_fits(&r->data.target, &r->how, true) : 0));
    glim_probe_learner l = {.ctx = r->ctx, .how = &r->how, .target = r->data.target, .x = values};
    glim_status status = GLIM_OK;
    for (size_t s = 0; s < S && !status; s++) {
        if (x->layers[s].done)
            glim__progress_add(r->ctx, each);
        else
            status = ask_site(x, &l, values, s, err);
    }
    if (!status && plain)
        status = baseline(x, &l, err);
    glim__progress_end(r->ctx);
    glim__free(r->ctx, values);
    return status;
}

glim_status glim__probe_sites(glim_probe_run *r, glim_probe_store *store, glim_probe_layer *layers,
                              bool shuffled, glim_error *err) {
    struct sites x = {.r = r, .store = store, .layers = layers, .shuffled = shuffled};
    size_t missing;
    if (r->kept.store)
        glim__probe_keys(r, store, shuffled, &x.values, &x.found);
    glim_status status = take_kept(&x, &missing, err);
    r->kept.key = x.values;
    if (!status && missing)
        status = glim__probe_pass(store, &r->inputs, &r->data, &r->kept, &r->forward_tokens, err);
    return status ? status : ask_all(&x, err);
}

glim_status glim__probe_shuffled(glim_probe_run *r, glim_error *err) {
    size_t S = r->store.n_sites;
    glim_status status = glim__probe_store_open(&r->shuffled.store, r->shuffled.model, r->o,
                                                &r->inputs, r->data.n, err);
    if (!status && !(r->shuffled.layers = glim__calloc(r->ctx, S, sizeof *r->shuffled.layers)))
        status = glim__oom(r->ctx, err, "the sites", S * sizeof *r->shuffled.layers);
    return status ? status
                  : glim__probe_sites(r, &r->shuffled.store, r->shuffled.layers, true, err);
}
