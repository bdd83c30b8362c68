/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/stability.h"

#include <math.h>

bool glim__twins_init(glim_twins *t, const glim_subject *s) {
    size_t U = s->doc->input.n_units;
    *t = (glim_twins){.ctx = s->p->ctx};
    t->a = glim__calloc(t->ctx, 2 * U + 1, sizeof *t->a);
    t->order_a = glim__calloc(t->ctx, 2 * U + 1, sizeof *t->order_a);
    if (!t->a || !t->order_a)
        return false;
    t->b = t->a + U;
    t->order_b = t->order_a + U;
    return true;
}

void glim__twins_release(glim_twins *t) {
    glim__free(t->ctx, t->a);
    glim__free(t->ctx, t->order_a);
}

void glim__twins_fill(glim_twins *t, const glim_subject *s, size_t r, const double *a,
                      const double *b) {
    size_t U = s->doc->input.n_units;
    t->n = 0;
    for (size_t u = 0; u < U && u < s->p->row_end[r]; u++) {
        double x = a[r * U + u], y = b[r * U + u];
        if (s->p->units->at[u].fixed || isnan(x) || isnan(y))
            continue;
        t->a[t->n] = x;
        t->b[t->n++] = y;
    }
    glim__importance_order(t->a, t->n, s->doc->method.is_signed, t->order_a);
    glim__importance_order(t->b, t->n, s->doc->method.is_signed, t->order_b);
}

double glim__twins_tau(const glim_twins *t) {
    return glim__kendall_tau_b(t->a, t->b, t->n, false);
}
