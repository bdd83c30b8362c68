/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights and files are hashed in full: neither a header nor a date tells a fine-tune from its
 * base, or a text from its correction.
 */
#include "structure/kept-work.h"

#include "model/weights-digest.h"
#include "tensor/kernels.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { FORMAT = 1, PIECE = 1 << 16 };

glim_status glim__work_open(glim_kept_work *k, const glim_model *m, const char *path,
                            glim_error *err) {
    *k = (glim_kept_work){.ctx = m->ctx};
    if (!path)
        return GLIM_OK;
    glim_status status = glim__store_open(&k->store, k->ctx, path, NULL, err);
    if (status)
        return status;
    glim__digest_begin(&k->common);
    glim__digest_text(&k->common, "structure");
    glim__digest_number(&k->common, FORMAT);
    glim__digest_text(&k->common, glim_version());
    glim__digest_text(&k->common, glim__kernels(k->ctx)->name);
    return m->file ? glim__digest_weights(&k->common, m, err) : GLIM_OK;
}

void glim__work_close(glim_kept_work *k) {
    glim__store_close(k->store);
    k->store = NULL;
}

glim_digest glim__work_digest(const glim_kept_work *k, const char *what) {
    glim_digest d = k->common;
    if (!k->store)
        glim__digest_begin(&d);
    glim__digest_text(&d, what);
    return d;
}

glim_status glim__work_file(const glim_kept_work *k, glim_digest *d, const char *path,
                            glim_error *err) {
    char piece[PIECE];
    ssize_t n = 1;
    if (!k->store || !path)
        return GLIM_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    glim_status status = GLIM_OK;
    while (fd >= 0 && n && !status) {
        n = read(fd, piece, sizeof piece);
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0)
            crypto_generichash_update(&d->state, (const unsigned char *)piece, (size_t)n);
        status = glim__check_cancel(k->ctx, err);
    }
    if (fd < 0 || n < 0)
        status = glim_fail(err, GLIM_EIO, "cannot read '%.200s': %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return status;
}

/* ---- bytes ---- */

glim_status glim__work_get(glim_kept_work *k, uint64_t at, glim_buffer *out, bool *found,
                           glim_error *err) {
    *found = false;
    return k->store ? glim__store_get(k->store, &k->key, (int64_t)at, out, found, err) : GLIM_OK;
}

glim_status glim__work_put(glim_kept_work *k, uint64_t at, const void *data, size_t n,
                           glim_error *err) {
    return k->store ? glim__store_put(k->store, &k->key, (int64_t)at, data, n, err) : GLIM_OK;
}

/* ---- numbers ---- */

glim_status glim__work_get_reals(glim_kept_work *k, const uint64_t *at, double *x, bool *found,
                                 size_t n, glim_error *err) {
    glim_buffer b;
    glim_status status = GLIM_OK;
    glim__buffer_init(&b, k->ctx);
    for (size_t i = 0; i < n && !status; i++) {
        status = glim__work_get(k, at[i], &b, &found[i], err);
        if (!status && found[i] && b.len != sizeof *x)
            status = glim__store_unsound(k->store, err);
        else if (!status && found[i])
            memcpy(&x[i], b.data, sizeof *x);
    }
    glim__buffer_release(&b);
    return status;
}

glim_status glim__work_put_reals(glim_kept_work *k, const uint64_t *at, const double *x, size_t n,
                                 glim_error *err) {
    if (!k->store)
        return GLIM_OK;
    glim_status status = glim__store_begin(k->store, err);
    if (status)
        return status;
    for (size_t i = 0; i < n && !status; i++)
        status = glim__work_put(k, at[i], &x[i], sizeof x[i], err);
    if (!status)
        return glim__store_commit(k->store, err);
    glim__store_rollback(k->store);
    return status;
}

/* ---- states ---- */

bool glim__work_is_due(const glim_kept_work *k) {
    return k->store && glim__seconds() >= k->due;
}

void glim__work_was_put(glim_kept_work *k, double began) {
    double now = glim__seconds();
    k->due = now + (now - began > 0.01 ? 20 * (now - began) : 0.2);
}
