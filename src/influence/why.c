/* SPDX-License-Identifier: Apache-2.0 */
#include "influence/why.h"

#include <string.h>

/* The first token whose rows these are; SIZE_MAX: they are not those of tokens. Keys and
   values of cross-attention are read from the source. */
static size_t place(const glim_why_sample *s, const glim_weight *w, size_t rows) {
    bool crosses = strstr(w->name, "cross_attn.W_K") || strstr(w->name, "cross_attn.W_V");
    if (s->source && (crosses || !strncmp(w->name, "encoder.", 8)))
        return rows == s->source ? 0 : SIZE_MAX;
    return rows == s->tokens ? s->source : SIZE_MAX;
}

void glim__why_add(const glim_why_room *r, size_t weight, size_t rows, const double *each,
                   double by) {
    bool parted = glim__why_parted(r->parts);
    size_t first = parted ? 0 : place(r->sample, &r->weights[weight], rows), Q = r->count;
    for (size_t t = 0; t < rows; t++) {
        double *to = parted              ? r->out + r->parts->of[weight] * Q
                     : first == SIZE_MAX ? r->rest
                                         : r->out + (first + t) * Q;
        for (size_t q = 0; q < Q; q++)
            to[q] += by * each[t * Q + q];
    }
}

glim_status glim__why_meet(const glim_why_room *r, glim_context *ctx, glim_products *products,
                           const glim_factors_view *view, double by, glim_error *err) {
    size_t bytes = view->rows * r->count * sizeof(double);
    double *each = glim__spare_take(ctx, bytes);
    if (!each)
        return glim__oom(ctx, err, "rows of a sample", bytes);
    memset(each, 0, bytes);
    glim_status status = glim__products_rows(products, view, each, err);
    if (!status)
        glim__why_add(r, view->weight, view->rows, each, by);
    glim__spare_give(ctx, each);
    return status;
}
