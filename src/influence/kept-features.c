/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of features on disk. */
#include "influence/kept-features.h"

#include <errno.h>
#include <string.h>

glim_status glim__kept_features_open(glim_kept_features *k, glim_context *ctx, glim_store *store,
                                     const glim_store_key *key, size_t block_bytes,
                                     glim_error *err) {
    *k = (glim_kept_features){.ctx = ctx, .store = store, .block_bytes = block_bytes};
    if (store)
        k->key = *key;
    else if (!(k->file = tmpfile()))
        return glim_fail(err, GLIM_EIO, "cannot make a temporary file for features: %s",
                         strerror(errno));
    return GLIM_OK;
}

glim_status glim__kept_features_look(glim_kept_features *k, const char *kind, size_t which,
                                     glim_error *err) {
    glim_digest d;
    uint64_t own = 0, others = 0;
    if (!k->store)
        return GLIM_OK;
    glim__digest_begin(&d);
    glim__digest_text(&d, "kept features");
    glim__digest_text(&d, kind);
    glim__digest_number(&d, which);
    const glim_store_key any = glim__digest_end(&d);
    glim_status status = glim__store_count(k->store, &k->key, &own, err);
    if (!status)
        status = glim__store_count(k->store, &any, &others, err);
    k->other = !status && !own && others;
    return status || own || others ? status : glim__store_put(k->store, &any, 0, "", 0, err);
}

void glim__kept_features_close(glim_kept_features *k) {
    if (k->file)
        fclose(k->file);
    k->file = NULL;
}

static glim_status seek(const glim_kept_features *k, size_t block, glim_error *err) {
    if (fseeko(k->file, (off_t)(block * k->block_bytes), SEEK_SET))
        return glim_fail(err, GLIM_EIO, "the temporary file of features: %s", strerror(errno));
    return GLIM_OK;
}

glim_status glim__kept_features_put(glim_kept_features *k, size_t block, const void *data, size_t n,
                                    glim_error *err) {
    if (k->store)
        return glim__store_put(k->store, &k->key, (int64_t)block, data, n, err);
    glim_status status = seek(k, block, err);
    if (!status && (fwrite(data, 1, n, k->file) != n || fflush(k->file)))
        status = glim_fail(err, GLIM_EIO,
                           "cannot write features to a temporary file in %s: %s (those of texts "
                           "and gradients can be kept elsewhere: --store FILE)",
                           P_tmpdir, strerror(errno));
    return status;
}

glim_status glim__kept_features_get(glim_kept_features *k, size_t block, void *data, size_t n,
                                    bool *found, glim_error *err) {
    *found = false;
    if (!k->store) {
        glim_status status = seek(k, block, err);
        *found = !status && fread(data, 1, n, k->file) == n;
        return status;
    }
    glim_buffer bytes;
    glim__buffer_init(&bytes, k->ctx);
    glim_status status = glim__store_get(k->store, &k->key, (int64_t)block, &bytes, found, err);
    *found = *found && !status && bytes.len == n;
    if (*found)
        memcpy(data, bytes.data, n);
    glim__buffer_release(&bytes);
    return status;
}
