/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patches in a store. The key is of the base's tokens and rows, of its embeddings where they are
 * others, and of every value that is put in: means, zeros, noise, another input. So nobody need
 * say how a run came to be.
 */
#include "structure/patching.h"

#include <string.h>

void glim__patching_keep(glim_patching *w, glim_kept_work *kept) {
    const glim_lm *lm = w->base;
    size_t T = lm->base.T, R = lm->base.n_rows;
    w->kept = kept->store ? kept : NULL;
    if (!kept->store)
        return;
    glim_digest d = glim__work_digest(kept, "patches");
    glim__digest_bytes(&d, lm->ids, T * sizeof *lm->ids);
    glim__digest_bytes(&d, lm->types ? lm->types : (const uint8_t *)"", lm->types ? T : 0);
    glim__digest_bytes(&d, lm->written ? lm->written : lm->ids,
                       lm->written ? R * sizeof *lm->written : 0);
    for (size_t r = 0; r < R; r++) {
        const int64_t row[] = {(int64_t)lm->rows[r].at, lm->rows[r].id, lm->rows[r].against};
        glim__digest_bytes(&d, row, sizeof row);
    }
    glim__digest_number(&d, (uint64_t)lm->output);
    glim__digest_bytes(&d, w->embeddings ? w->embeddings : w->stream,
                       w->embeddings ? w->T * w->C * sizeof *w->embeddings : 0);
    for (int e = 0; e < 2; e++) {
        size_t own = e || !lm->written ? T : R;
        glim__digest_bytes(&d, w->map[e] ? w->map[e] : (const int64_t *)"",
                           w->map[e] ? own * sizeof *w->map[e] : 0);
        for (int k = 0; k < GLIM_PATCH_KINDS; k++) {
            const glim_patch_store *s = &w->donor[e][k];
            glim__digest_bytes(&d, s->values ? s->values : (const float *)"",
                               s->values ? s->layers * s->T * s->width * sizeof *s->values : 0);
        }
    }
    kept->key = glim__digest_end(&d);
}

/* An item as a number: half, kind, blocks, and a position or a head. */
static uint64_t number_of(const glim_patch_item *item) {
    bool heads = item->head != GLIM_EVERY;
    uint64_t column = heads ? item->head : item->position; /* GLIM_EVERY + 1 is 0 */
    uint64_t n = (uint64_t)item->encoder << 4 | (uint64_t)item->kind;
    n = n << 12 | item->first;
    n = (n << 12 | item->past) << 1 | heads;
    return n << 32 | (uint32_t)(column + 1);
}

glim_status glim__patching_found(glim_patching *w, const glim_patch_item *item, double *out,
                                 bool *found, glim_error *err) {
    uint64_t at = number_of(item);
    *found = false;
    return w->kept ? glim__work_get_reals(w->kept, &at, out, found, 1, err) : GLIM_OK;
}

glim_status glim__patching_put(glim_patching *w, const glim_patch_item *items, const double *values,
                               size_t n, glim_error *err) {
    uint64_t *at = w->kept ? glim__calloc(w->ctx, n, sizeof *at) : NULL;
    if (!w->kept)
        return GLIM_OK;
    if (!at)
        return glim__oom(w->ctx, err, "patches", n * sizeof *at);
    for (size_t i = 0; i < n; i++)
        at[i] = number_of(&items[i]);
    glim_status status = glim__work_put_reals(w->kept, at, values, n, err);
    glim__free(w->ctx, at);
    return status;
}
