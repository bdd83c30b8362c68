/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values depend on the model, the tokens, and how a row's vector is made of them; what is fitted
 * depends on the values, the labels and all that is asked.
 */
#include "structure/probe-record.h"

#include "base/packing.h"

#include <string.h>

static void add_inputs(glim_digest *d, const glim_probe_run *r) {
    glim__digest_number(d, r->inputs.n);
    for (size_t i = 0; i < r->inputs.n; i++) {
        const glim_probe_input *x = &r->inputs.at[i];
        glim__digest_bytes(d, x->ids, x->n * sizeof *x->ids);
        glim__digest_bytes(d, x->types ? x->types : (const uint8_t *)"", x->types ? x->n : 0);
    }
    glim__digest_number(d, r->data.words);
    if (r->data.words)
        glim__digest_bytes(d, r->data.spans, r->data.n * sizeof *r->data.spans);
}

static void add_target(glim_digest *d, const glim_probe_target *t) {
    glim__digest_number(d, t->n_classes);
    if (t->values)
        glim__digest_bytes(d, t->values, t->n * sizeof *t->values);
    else
        glim__digest_bytes(d, t->labels, t->n * sizeof *t->labels);
    glim__digest_bytes(d, t->group, t->n * sizeof *t->group);
    if (t->type)
        glim__digest_bytes(d, t->type, t->n * sizeof *t->type);
}

static void add_how(glim_digest *d, const glim_probe_how *h) {
    const uint64_t numbers[] = {(uint64_t)h->kind, h->folds,  h->repeats,        h->inner,
                                h->permutations,   h->hidden, h->max_iterations, h->controls,
                                h->codelength,     h->seed};
    glim__digest_real(d, h->strength);
    glim__digest_bytes(d, numbers, sizeof numbers);
}

void glim__probe_keys(const glim_probe_run *r, const glim_probe_store *s, bool shuffled,
                      glim_store_key *values, glim_store_key *layers) {
    glim_digest d = glim__work_digest(&r->kept, "values of sites");
    glim__digest_number(&d, shuffled ? 1 + r->how.seed : 0);
    add_inputs(&d, r);
    glim__digest_text(&d, r->o->pool);
    glim__digest_text(&d, r->o->word);
    glim__digest_number(&d, s->half);
    glim__digest_number(&d, s->n_sites);
    for (size_t i = 0; i < s->n_sites; i++)
        glim__digest_text(&d, s->sites[i].name);
    *values = glim__digest_end(&d);
    d = glim__work_digest(&r->kept, "probes");
    glim__digest_bytes(&d, values->bytes, sizeof values->bytes);
    add_how(&d, &r->how);
    add_target(&d, &r->data.target);
    glim__digest_number(&d, shuffled);
    glim__digest_number(&d, r->directions != NULL);
    *layers = glim__digest_end(&d);
}

/* ---- what was found at a site ---- */

glim_status glim__probe_layer_put(glim_probe_run *r, uint64_t site, const glim_probe_layer *l,
                                  const float *direction, size_t n, glim_error *err) {
    glim_buffer b;
    size_t K = r->data.target.n_classes;
    glim__buffer_init(&b, r->ctx);
    glim__buffer_append(&b, l, sizeof *l); /* its pointers are read by nobody */
    if (l->confusion)
        glim__buffer_append(&b, l->confusion, K * K * sizeof *l->confusion);
    if (l->wrong)
        glim__buffer_append(&b, l->wrong, r->data.target.n_groups * sizeof *l->wrong);
    if (direction)
        glim__buffer_append(&b, direction, n * sizeof *direction);
    glim_status status = b.failed ? glim__oom(r->ctx, err, "what is kept", b.len)
                                  : glim__work_put(&r->kept, site, b.data, b.len, err);
    glim__buffer_release(&b);
    return status;
}

static glim_status take(glim_unpacking *u, glim_context *ctx, bool wanted, size_t n, void *out,
                        glim_error *err) {
    void *own = wanted ? glim__calloc(ctx, n, 1) : NULL;
    if (wanted && !own)
        return glim__oom(ctx, err, "what is kept", n);
    if (own)
        glim__unpack_bytes(u, own, n);
    memcpy(out, &own, sizeof own);
    return GLIM_OK;
}

glim_status glim__probe_layer_get(glim_probe_run *r, uint64_t site, glim_probe_layer *out,
                                  float *direction, size_t n, bool *found, glim_error *err) {
    glim_buffer b;
    size_t K = r->data.target.n_classes;
    glim__buffer_init(&b, r->ctx);
    glim_status status = glim__work_get(&r->kept, site, &b, found, err);
    if (!status && *found) {
        glim_probe_layer own;
        glim_unpacking u = {b.data, b.data + b.len, false};
        glim__unpack_bytes(&u, &own, sizeof own);
        bool confusion = own.confusion, wrong = own.wrong;
        own.confusion = NULL;
        own.wrong = NULL;
        status = take(&u, r->ctx, confusion, K * K * sizeof *own.confusion, &own.confusion, err);
        if (!status)
            status = take(&u, r->ctx, wrong, r->data.target.n_groups * sizeof *own.wrong,
                          &own.wrong, err);
        if (direction)
            glim__unpack_bytes(&u, direction, n * sizeof *direction);
        if (!status && (u.failed || u.at != u.end))
            status = glim__store_unsound(r->kept.store, err);
        if (status)
            glim__probe_layer_release(&own, r->ctx);
        else
            *out = own;
    }
    glim__buffer_release(&b);
    return status;
}
