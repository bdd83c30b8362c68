/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of a weight there are five blobs: its bases, their eigenvalues, and Lambda, which comes
 * later. What was made in one go is written in one transaction, so a process that is killed,
 * or finds the disk full, leaves the bases, or everything, or nothing.
 *
 * Sums of a pass that is not done yet have a key of their own, how many samples are in them
 * first: sums of one pass go into one transaction too. Those over 900 MB, which SQLite takes
 * in no blob, are not kept.
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

/* ---- sums of a pass ---- */

static glim_store_key sums_key(const glim_factor_store *s, const glim_factor_sums *sums) {
    glim_digest d = s->common;
    glim__digest_text(&d, sums->second ? "squares so far" : "covariances so far");
    glim__digest_text(&d, s->weights[sums->weight].name);
    return glim__digest_end(&d);
}

/* Samples in the sums of all weights, or 0 where they differ. */
static glim_status common_samples(glim_factor_store *s, const glim_factor_sums *sums, size_t n,
                                  uint64_t *done, glim_error *err) {
    glim_status status = GLIM_OK;
    glim_buffer b;
    glim__buffer_init(&b, s->ctx);
    *done = 0;
    for (size_t i = 0; i < n && !status && (!i || *done); i++) {
        glim_store_key key = sums_key(s, &sums[i]);
        uint64_t own = 0;
        bool found = false;
        status = glim__store_get(s->store, &key, 0, &b, &found, err);
        if (!status && found && b.len == sizeof own)
            memcpy(&own, b.data, sizeof own);
        *done = i && own != *done ? 0 : own;
    }
    glim__buffer_release(&b);
    return status;
}

static glim_status get_sums(void *data, const glim_factor_sums *sums, size_t n, size_t *done,
                            glim_error *err) {
    glim_factor_store *s = data;
    uint64_t samples;
    glim_status status = common_samples(s, sums, n, &samples, err);
    for (size_t i = 0; i < n && !status && samples; i++) {
        glim_store_key key = sums_key(s, &sums[i]);
        for (size_t k = 0; k < sums[i].n && !status; k++) {
            bool found = false;
            status = read(s, &key, (int64_t)k + 1, sums[i].parts[k].data, sums[i].parts[k].n,
                          &found, err);
            if (!status && !found)
                status = glim__store_unsound(s->store, err);
        }
    }
    *done = status ? 0 : (size_t)samples;
    return status;
}

static glim_status put_sums_of(glim_factor_store *s, const glim_factor_sums *sums, uint64_t done,
                               glim_error *err) {
    glim_store_key key = sums_key(s, sums);
    glim_status status = glim__store_put(s->store, &key, 0, &done, done ? sizeof done : 0, err);
    for (size_t k = 0; k < sums->n && !status; k++)
        status = glim__store_put(s->store, &key, (int64_t)k + 1, done ? sums->parts[k].data : "",
                                 done ? sums->parts[k].n : 0, err);
    return status;
}

static glim_status put_sums(void *data, const glim_factor_sums *sums, size_t n, size_t done,
                            glim_error *err) {
    const size_t most = 900000000;
    glim_factor_store *s = data;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sums[i].n; k++)
            if (sums[i].parts[k].n > most)
                return GLIM_OK;
    glim_status status = glim__store_begin(s->store, err);
    if (status)
        return status;
    for (size_t i = 0; i < n && !status; i++)
        status = put_sums_of(s, &sums[i], done, err);
    if (!status)
        return glim__store_commit(s->store, err);
    glim__store_rollback(s->store);
    return status;
}

glim_factor_keeper glim__factor_store_keeper(glim_factor_store *s) {
    return (glim_factor_keeper){get, put, s, get_sums, put_sums};
}

uint64_t glim__factor_store_plan(const glim_factor_options *o) {
    uint64_t sums, all, kept = glim__factors_plan(o, &sums, &all);
    kept += all;                     /* while they are made */
    return kept + kept / 50 + 65536; /* pages of the store are not full to the last byte */
}
