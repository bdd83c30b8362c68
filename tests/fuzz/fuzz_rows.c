/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that stream beside the table in memory; the first byte chooses the format. Both are
   refused, or both have the same cells. */
#include "file/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void compare(glim_rows *r, const glim_table *t) {
    glim_arena arena;
    const char **cells;
    size_t columns;
    glim__arena_init(&arena, t->ctx, 1 << 12);
    glim__rows_columns(r, &columns);
    if (glim__rows_count(r) != t->n_rows || columns != t->n_columns)
        abort();
    for (size_t i = t->n_rows; i-- > 0;) {
        if (glim__rows_read(r, i, 1, &arena, &cells, NULL))
            abort();
        for (size_t c = 0; c < columns; c++)
            if (strcmp(cells[c], t->cells[i * columns + c]) != 0)
                abort();
        glim__arena_reset(&arena);
    }
    glim__arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const char *const ends[] = {"csv", "tsv", "jsonl", "txt"};
    static glim_context *ctx;
    glim_context_options options = {.threads = 1};
    glim_error err;
    glim_rows *r;
    glim_table *t;
    char path[64];
    if (!n || (!ctx && glim_context_new(&ctx, &options, &err)))
        return 0;
    snprintf(path, sizeof path, "/tmp/glim-fuzz-%d.%s", (int)getpid(), ends[data[0] % 4]);
    FILE *f = fopen(path, "wb");
    if (!f)
        return 0;
    fwrite(data + 1, 1, n - 1, f);
    fclose(f);
    glim_status one = glim__table_open(&t, ctx, path, &err);
    glim_status two = glim__rows_open(&r, ctx, path, false, &err);
    if (!one != !two)
        abort();
    if (!one)
        compare(r, t);
    glim__rows_close(r);
    glim__table_close(t);
    unlink(path);
    return 0;
}
