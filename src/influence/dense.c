/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Left-looking panels of 48 columns: what the panels before take from a panel is one
 * product, which has nearly all of the work and runs on the tensor floor's tiles. LAPACK
 * would be the same with OpenBLAS, but that is optional.
 */
#include "influence/dense.h"
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

enum { PANEL = 48, STRIP = 12 };

struct panel {
    glim_context *ctx;
    double *a, *turned; /* turned (at, PANEL): minus the panel's rows, transposed */
    size_t n, at, width;
    bool solve; /* rows below the factored diagonal block */
};

static void strip_of_panel(void *data, size_t item, int worker) {
    struct panel *p = data;
    size_t from = p->at + (p->solve ? p->width : 0) + item * STRIP;
    size_t to = from + STRIP < p->n ? from + STRIP : p->n;
    if (!p->solve) {
        glim__kernels(p->ctx)->tile_f64((int)(to - from), (int)p->width, p->at, p->a + from * p->n,
                                        (ptrdiff_t)p->n, 1, p->turned, PANEL,
                                        p->a + from * p->n + p->at, (ptrdiff_t)p->n, true);
        return;
    }
    for (size_t i = from; i < to; i++) {
        double *x = p->a + i * p->n + p->at;
        for (size_t j = 0; j < p->width; j++) {
            const double *l = p->a + (p->at + j) * p->n + p->at;
            for (size_t k = 0; k < j; k++)
                x[j] -= x[k] * l[k];
            x[j] /= l[j];
        }
    }
}

/* The diagonal block; before: what stood on its diagonal at first. */
static bool factor_block(struct panel *p, const double *before) {
    for (size_t i = 0; i < p->width; i++) {
        double *x = p->a + (p->at + i) * p->n + p->at;
        for (size_t j = 0; j <= i; j++) {
            const double *l = p->a + (p->at + j) * p->n + p->at;
            for (size_t k = 0; k < j; k++)
                x[j] -= x[k] * l[k];
            if (j < i)
                x[j] /= l[j];
        }
        if (!(x[i] > 1e-13 * before[i]) || !(x[i] > 0))
            return false;
        x[i] = sqrt(x[i]);
    }
    return true;
}

glim_status glim__dense_cholesky(glim_context *ctx, double *a, size_t n, bool *positive,
                                 glim_error *err) {
    struct panel p = {.ctx = ctx, .a = a, .n = n};
    glim_status status = GLIM_OK;
    *positive = true;
    p.turned = glim__calloc(ctx, n + 1, PANEL * sizeof *p.turned);
    if (!p.turned)
        return glim__oom(ctx, err, "a panel", n * PANEL * sizeof *p.turned);
    for (; p.at < n && *positive && !status; p.at += p.width) {
        double before[PANEL];
        p.width = n - p.at < PANEL ? n - p.at : PANEL;
        for (size_t j = 0; j < p.width; j++) {
            before[j] = a[(p.at + j) * n + p.at + j];
            for (size_t k = 0; k < p.at; k++)
                p.turned[k * PANEL + j] = -a[(p.at + j) * n + k];
        }
        p.solve = false;
        if (p.at)
            glim__parallel(ctx, (n - p.at + STRIP - 1) / STRIP, strip_of_panel, &p);
        *positive = factor_block(&p, before);
        p.solve = true;
        if (*positive && p.at + p.width < n)
            glim__parallel(ctx, (n - p.at - p.width + STRIP - 1) / STRIP, strip_of_panel, &p);
        status = glim__check_cancel(ctx, err);
    }
    glim__free(ctx, p.turned);
    return status;
}

void glim__dense_forward(glim_context *ctx, const double *l, size_t n, size_t first, double *z,
                         size_t count, size_t ld, double *room) {
    for (size_t at = first / PANEL * PANEL; at < n; at += PANEL) {
        size_t width = n - at < PANEL ? n - at : PANEL, before = first / PANEL * PANEL;
        if (at > before)
            glim__kernels(ctx)->tile_f64((int)width, (int)count, at - before, l + at * n + before,
                                         (ptrdiff_t)n, 1, z + before * ld, (ptrdiff_t)ld, room,
                                         (ptrdiff_t)ld, false);
        for (size_t j = at; j < at + width; j++) {
            double *x = z + j * ld;
            for (size_t i = 0; i < count && at > before; i++)
                x[i] -= room[(j - at) * ld + i];
            for (size_t k = at; k < j; k++)
                for (size_t i = 0; i < count; i++)
                    x[i] -= l[j * n + k] * z[k * ld + i];
            for (size_t i = 0; i < count; i++)
                x[i] /= l[j * n + j];
        }
    }
}

void glim__dense_mirror(double *a, size_t n, bool from_lower) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            if (from_lower)
                a[j * n + i] = a[i * n + j];
            else
                a[i * n + j] = a[j * n + i];
        }
}
