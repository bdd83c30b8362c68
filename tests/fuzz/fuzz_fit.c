/* SPDX-License-Identifier: Apache-2.0 */
/* A fitted model's file, and tables in every format: the first byte chooses. What is
   read as a model answers a row of ones. */
#include "predict/fit.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void answer(const glim_linear *l) {
    const glim_linear_info *i = glim_linear_facts(l);
    const char **cells = calloc(i->n_columns + 1, sizeof *cells);
    double *z = calloc(i->outputs + 2, sizeof *z);
    glim_error err;
    for (size_t c = 0; c < i->n_columns; c++)
        cells[c] = "1";
    glim_linear_row(l, i->columns, cells, i->n_columns, z, &err);
    free(cells);
    free(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static glim_context *ctx;
    glim_context_options options = {.threads = 1};
    glim_error err;
    glim_linear *l;
    glim_table *t;
    double x = 0;
    if (!n || (!ctx && glim_context_new(&ctx, &options, &err)))
        return 0;
    char *text = malloc(n); /* ends where the input ends, so that a read behind it is seen */
    memcpy(text, data + 1, n - 1);
    text[n - 1] = 0;
    if (data[0] % 5 == 4) {
        if (!glim__linear_read(&l, ctx, text, n - 1, "fuzz", &err))
            answer(l);
        glim_linear_close(l);
    } else {
        if (!glim__table_read(&t, ctx, text, n - 1, (glim_table_format)(data[0] % 5), "fuzz", &err))
            for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
                x += glim__table_number(t->cells[i], &x) + glim__table_missing(t->cells[i]);
        glim__table_close(t);
    }
    free(text);
    return 0;
}
