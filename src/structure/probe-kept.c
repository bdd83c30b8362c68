/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of rows between a store and the file of values: a blob a site, all in one transaction. */
#include "structure/probe-store.h"

static uint64_t row_bytes(const glim_probe_store *s, size_t site) {
    return (uint64_t)s->sites[site].width * (s->half ? 2 : 4);
}

glim_status glim__probe_block_get(glim_probe_store *s, glim_kept_work *kept, size_t block,
                                  size_t first, size_t n, bool *found, glim_error *err) {
    glim_buffer b;
    glim_status status = GLIM_OK;
    *found = kept->store != NULL;
    glim__buffer_init(&b, s->ctx);
    for (size_t k = 0; k < s->n_sites && *found && !status; k++) {
        status = glim__work_get(kept, block * s->n_sites + k, &b, found, err);
        if (!status && *found && b.len != n * row_bytes(s, k))
            status = glim__store_unsound(kept->store, err);
        else if (!status && *found)
            status = glim__spool_put(&s->spool, s->sites[k].at + first * row_bytes(s, k), b.data,
                                     b.len, err);
    }
    glim__buffer_release(&b);
    return status;
}

static glim_status put_all(glim_probe_store *s, glim_kept_work *kept, size_t block, size_t first,
                           size_t n, char *bytes, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t k = 0; k < s->n_sites && !status; k++) {
        size_t size = n * row_bytes(s, k);
        status =
            glim__spool_get(&s->spool, s->sites[k].at + first * row_bytes(s, k), bytes, size, err);
        if (!status)
            status = glim__work_put(kept, block * s->n_sites + k, bytes, size, err);
    }
    return status;
}

glim_status glim__probe_block_put(glim_probe_store *s, glim_kept_work *kept, size_t block,
                                  size_t first, size_t n, glim_error *err) {
    if (!kept->store)
        return GLIM_OK;
    char *bytes = glim__calloc(s->ctx, n + 1, s->widest * (s->half ? 2 : 4));
    if (!bytes)
        return glim__oom(s->ctx, err, "a block of values", n * s->widest * 4);
    glim_status status = glim__store_begin(kept->store, err);
    if (!status) {
        status = put_all(s, kept, block, first, n, bytes, err);
        if (status)
            glim__store_rollback(kept->store);
        else
            status = glim__store_commit(kept->store, err);
    }
    glim__free(s->ctx, bytes);
    return status;
}
