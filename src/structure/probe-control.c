/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels that mean nothing, for what a probe can learn by heart.
 *
 * Words: each spelling gets one label for the whole corpus, drawn from the labels of all rows
 * (Hewitt, Liang 2019). A probe can only know it by remembering the word. Texts do not recur,
 * so their labels are dealt out anew: a permutation, whose test says how often chance does as
 * well. Where all rows of a group have one label, groups are dealt to, not rows.
 */
#include "base/rng.h"
#include "structure/probe-rows.h"

static void of_types(const glim_probe_target *t, uint64_t seed, uint64_t stream, int32_t *labels,
                     double *values) {
    for (size_t i = 0; i < t->n; i++) {
        uint32_t from = glim__rng_below(seed, stream, t->type[i], (uint32_t)t->n);
        if (t->values)
            values[i] = t->values[from];
        else
            labels[i] = t->labels[from];
    }
}

static bool same(const glim_probe_target *t, size_t i, size_t k) {
    return t->values ? t->values[i] == t->values[k] : t->labels[i] == t->labels[k];
}

/* first (n_groups) a row of each group; whether its label is that of all. */
static bool groups_agree(const glim_probe_target *t, uint32_t *first) {
    bool agree = true;
    for (size_t g = 0; g < t->n_groups; g++)
        first[g] = UINT32_MAX;
    for (size_t i = 0; i < t->n; i++) {
        uint32_t *at = &first[t->group[i]];
        if (*at == UINT32_MAX)
            *at = (uint32_t)i;
        agree = agree && same(t, *at, i);
    }
    return agree;
}

static void shuffle(uint32_t *x, size_t n, uint64_t seed, uint64_t stream) {
    for (size_t i = n; i > 1; i--) {
        uint32_t k = glim__rng_below(seed, stream, i, (uint32_t)i), swap = x[i - 1];
        x[i - 1] = x[k];
        x[k] = swap;
    }
}

glim_status glim__probe_control(glim_context *ctx, const glim_probe_target *t, uint64_t seed,
                                uint64_t stream, int32_t *labels, double *values, glim_error *err) {
    if (t->type) {
        of_types(t, seed, stream, labels, values);
        return GLIM_OK;
    }
    size_t most = t->n > t->n_groups ? t->n : t->n_groups;
    uint32_t *from = glim__calloc(ctx, most + 1, sizeof *from);
    if (!from)
        return glim__oom(ctx, err, "the control", most * sizeof *from);
    bool whole = groups_agree(t, from);
    if (whole) {
        shuffle(from, t->n_groups, seed, stream);
    } else {
        for (size_t i = 0; i < t->n; i++)
            from[i] = (uint32_t)i;
        shuffle(from, t->n, seed, stream);
    }
    for (size_t i = 0; i < t->n; i++) {
        size_t row = from[whole ? t->group[i] : i];
        if (t->values)
            values[i] = t->values[row];
        else
            labels[i] = t->labels[row];
    }
    glim__free(ctx, from);
    return GLIM_OK;
}
