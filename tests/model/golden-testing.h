/* SPDX-License-Identifier: Apache-2.0 */
/* Sites, logits and gradients against a recording of transformers. */
#ifndef GLIM_TESTS_GOLDEN_TESTING_H
#define GLIM_TESTS_GOLDEN_TESTING_H

#include "model-testing.h"

struct check {
    const glim_safetensors *golden;
    const char *file;
    const char *prefix; /* "" or "grad." or "grad.logprob." */
    int compared;
    double worst;
    char worst_name[160];
};

static inline double scale_of(const float *x, size_t n) {
    double most = 1e-6;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]) && fabs(x[i]) > most)
            most = fabs(x[i]);
    return most;
}

static inline double difference(const float *a, const float *b, size_t n) {
    double scale = scale_of(b, n), most = 0;
    for (size_t i = 0; i < n; i++) {
        if (isinf(b[i]) && a[i] == b[i])
            continue;
        double d = fabs((double)a[i] - b[i]) / scale;
        if (!(d <= most))
            most = isnan(d) ? INFINITY : d;
    }
    return most;
}

static inline double tolerance(const char *name, bool gradient) {
    if (gradient)
        return 5e-5;
    return strstr(name, "hook_logits") ? 2e-5 : 1e-5;
}

static inline glim_status compare(void *data, const glim_site *site, glim_error *err) {
    struct check *c = data;
    char name[160];
    snprintf(name, sizeof name, "%s%s", site->gradient ? c->prefix : "", site->name);
    const glim_st_tensor *t = glim__safetensors_find(c->golden, name);
    if (!t)
        return GLIM_OK;
    size_t n = 1, have = 1;
    for (int i = 0; i < t->n_dims; i++)
        n *= t->dims[i];
    for (int i = 0; i < site->n_dims; i++)
        have *= site->dims[i];
    if (n != have)
        fail_msg("%s, %s: %zu values, recorded %zu", c->file, name, have, n);
    float *want = malloc(n * sizeof *want);
    memcpy(want, t->data, n * sizeof *want);
    double d = difference(site->data, want, n);
    if (d > tolerance(name, site->gradient))
        fail_msg("%s, %s differs by %.3g of its largest value", c->file, name, d);
    if (d > c->worst) {
        c->worst = d;
        snprintf(c->worst_name, sizeof c->worst_name, "%s", name);
    }
    c->compared++;
    free(want);
    return GLIM_OK;
}

static inline int32_t *read_ids(const glim_safetensors *st, const char *name, size_t *n) {
    const glim_st_tensor *t = glim__safetensors_find(st, name);
    if (!t)
        return NULL;
    *n = (size_t)t->dims[0];
    int32_t *ids = malloc(*n * sizeof *ids);
    for (size_t i = 0; i < *n; i++) {
        int64_t id;
        memcpy(&id, (const char *)t->data + 8 * i, 8);
        ids[i] = (int32_t)id;
    }
    return ids;
}

/* Log-probability seed of the recorded target at the last row. */
static inline void logprob_seed(const float *logits, int V, int32_t id, float *dense) {
    double top = logits[0], sum = 0;
    for (int i = 1; i < V; i++)
        top = logits[i] > top ? logits[i] : top;
    for (int i = 0; i < V; i++)
        sum += exp(logits[i] - top);
    for (int i = 0; i < V; i++)
        dense[i] = (float)((i == id) - exp(logits[i] - top) / sum);
}

static inline void backward_and_compare(glim_session *s, struct check *c, const glim_seed *seed,
                                        const char *prefix, size_t T) {
    glim_error err = {0};
    float *d = malloc(T * (size_t)s->m->hyper.C * sizeof *d);
    c->prefix = prefix;
    if (glim_session_backward(s, seed, 1, d, &err))
        fail_msg("%s: %s", c->file, err.message);
    free(d);
}

/* Sites of the recording: the model must have every one of them. */
static inline int recorded_sites(const glim_safetensors *st) {
    static const char *const kinds[] = {"hook_",  "blocks.",  "ln_final.",
                                        "embed.", "encoder.", "decoder."};
    int n = 0;
    for (size_t i = 0; i < glim__safetensors_count(st); i++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            n += !strncmp(glim__safetensors_at(st, i)->name, kinds[k], strlen(kinds[k]));
    return n;
}

#endif
