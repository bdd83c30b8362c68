/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of a weight there are five blobs: its bases, their eigenvalues, and Lambda, which comes
 * later. What was made in one go is written in one transaction, so a process that is killed,
 * or finds the disk full, leaves the bases, or everything, or nothing.
 *
 * A second key, of the weight's name alone, tells that there are factors of something else:
 * who expected to find his own wants to know.
 */
#include "influence/factor-store.h"

#include "model/weights-digest.h"

#include <string.h>

enum { FORMAT = 1, IN, OUT, IN_AT, OUT_AT, LAMBDA };

static glim_store_key key_of(const glim_factor_store *s, const char *name) {
    glim_digest d = s->common;
    glim__digest_text(&d, name);
    return glim__digest_end(&d);
}

static glim_store_key name_key(const char *name) {
    glim_digest d;
    glim__digest_begin(&d);
    glim__digest_text(&d, "ekfac weight");
    glim__digest_text(&d, name);
    return glim__digest_end(&d);
}

glim_status glim__factor_store_init(glim_factor_store *s, glim_store *store,
                                    const glim_factor_origin *o, glim_error *err) {
    *s = (glim_factor_store){.ctx = o->model->ctx, .store = store};
    size_t n;
    s->weights = glim_model_weights(o->model, &n);
    glim__digest_begin(&s->common);
    glim__digest_text(&s->common, "ekfac");
    glim__digest_number(&s->common, FORMAT);
    glim__digest_text(&s->common, glim_version());
    glim__digest_text(&s->common, glim__kernels(s->ctx)->name);
    glim__digest_text(&s->common, o->samples);
    glim__digest_number(&s->common, o->most);
    glim__digest_number(&s->common, o->empirical ? UINT64_MAX : o->seed);
    return glim__digest_weights(&s->common, o->model, err);
}

/* ---- reading ---- */

static glim_status read(glim_factor_store *s, const glim_store_key *key, int64_t at, void *out,
                        size_t bytes, bool *found, glim_error *err) {
    glim_buffer b;
    glim__buffer_init(&b, s->ctx);
    glim_status status = glim__store_get(s->store, key, at, &b, found, err);
    if (!status && *found && b.len != bytes)
        status = glim__store_unsound(s->store, err);
    else if (!status && *found)
        memcpy(out, b.data, bytes);
    glim__buffer_release(&b);
    return status;
}

static glim_status get(void *data, glim_factor *f, bool *found, bool *whole, glim_error *err) {
    glim_factor_store *s = data;
    const char *name = s->weights[f->weight].name;
    glim_store_key key = key_of(s, name), other = name_key(name);
    struct {
        int64_t at;
        void *to;
        size_t bytes;
    } parts[] = {{IN, f->in, f->C * f->C * sizeof *f->in},
                 {OUT, f->out, f->F * f->F * sizeof *f->out},
                 {IN_AT, f->in_at, f->C * sizeof *f->in_at},
                 {OUT_AT, f->out_at, f->F * sizeof *f->out_at}};
    glim_status status = GLIM_OK;
    *found = true;
    *whole = false;
    for (size_t i = 0; i < 4 && !status && *found; i++)
        status = read(s, &key, parts[i].at, parts[i].to, parts[i].bytes, found, err);
    if (!status && *found)
        status = read(s, &key, LAMBDA, f->lambda, f->F * f->C * sizeof *f->lambda, whole, err);
    s->found += *whole;
    uint64_t n = 0;
    if (!status && !*found)
        status = glim__store_count(s->store, &other, &n, err);
    s->other += n > 0;
    return status;
}

/* ---- writing ---- */

static glim_status put_bases(glim_factor_store *s, const glim_store_key *key, const glim_factor *f,
                             glim_error *err) {
    glim_store_key name = name_key(s->weights[f->weight].name);
    glim_status status =
        glim__store_put(s->store, key, IN, f->in, f->C * f->C * sizeof *f->in, err);
    if (!status)
        status = glim__store_put(s->store, key, OUT, f->out, f->F * f->F * sizeof *f->out, err);
    if (!status)
        status = glim__store_put(s->store, key, IN_AT, f->in_at, f->C * sizeof *f->in_at, err);
    if (!status)
        status = glim__store_put(s->store, key, OUT_AT, f->out_at, f->F * sizeof *f->out_at, err);
    return status ? status : glim__store_put(s->store, &name, 0, "", 0, err);
}

static glim_status put(void *data, const glim_factor *f, bool whole, glim_error *err) {
    glim_factor_store *s = data;
    glim_store_key key = key_of(s, s->weights[f->weight].name);
    glim_status status = glim__store_begin(s->store, err);
    if (status)
        return status;
    status = whole ? glim__store_put(s->store, &key, LAMBDA, f->lambda,
                                     f->F * f->C * sizeof *f->lambda, err)
                   : put_bases(s, &key, f, err);
    if (!status)
        return glim__store_commit(s->store, err);
    glim__store_rollback(s->store);
    return status;
}

glim_factor_keeper glim__factor_store_keeper(glim_factor_store *s) {
    return (glim_factor_keeper){get, put, s};
}

uint64_t glim__factor_store_plan(const glim_factor_options *o) {
    uint64_t sums, all, kept = glim__factors_plan(o, &sums, &all);
    return kept + kept / 50 + 65536; /* pages of the store are not full to the last byte */
}
