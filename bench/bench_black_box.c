/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What glim's protocol costs a row: a child that answers at once (this program
 * again, with a line made beforehand) is asked for distinct texts in batches of
 * 256. The time of a row is everything: JSON both ways, pipes, checks, the cache.
 * usage: bench_black_box [ROWS]
 */
#include "base/context.h"

#include <glim/predictor.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 256, TEXT = 120 };

/* Reads a line, writes a line, for ever. */
static int child(void) {
    static char line[1 << 20];
    char answer[BATCH * 64];
    int n = snprintf(answer, sizeof answer, "{\"outputs\":[");
    for (int i = 0; i < BATCH; i++)
        n += snprintf(answer + n, sizeof answer - (size_t)n, "%s[%.17g,%.17g]", i ? "," : "",
                      0.1 + i * 1e-3, 0.9 - i * 1e-3);
    n += snprintf(answer + n, sizeof answer - (size_t)n,
                  "],\"classes\":[\"negative\",\"positive\"],\"scale\":\"prob\"}\n");
    for (;;) {
        ssize_t got = read(STDIN_FILENO, line, sizeof line);
        if (got <= 0)
            return 0;
        for (ssize_t at = 0, out; line[got - 1] == '\n' && at < n; at += out)
            if ((out = write(STDOUT_FILENO, answer + at, (size_t)(n - at))) <= 0)
                return 1;
    }
}

static double run(glim_context *ctx, const char *self, size_t rows) {
    char spec[4200], *texts = calloc(rows, TEXT);
    glim_input *in = calloc(rows, sizeof *in);
    glim_black_box *box;
    glim_error err = {0};
    double *values = NULL;
    snprintf(spec, sizeof spec, "process:%s --child", self);
    for (size_t i = 0; i < rows; i++) {
        snprintf(texts + i * TEXT, TEXT,
                 "text %zu: a film with a \"plot\", and music that nobody heard before the end of "
                 "the year",
                 i);
        in[i] = (glim_input){texts + i * TEXT, strlen(texts + i * TEXT)};
    }
    glim_status status =
        glim_black_box_open(&box, ctx, spec, &(glim_black_box_options){.batch_size = BATCH}, &err);
    if (!status) /* starts the child */
        status = glim_black_box_ask(box, in, BATCH, &values, &err);
    glim_black_box_values_free(box, values);
    double began = glim__seconds();
    if (!status)
        status = glim_black_box_ask(box, in + BATCH, rows - BATCH, &values, &err);
    double seconds = glim__seconds() - began;
    if (status)
        fprintf(stderr, "%s\n", err.message);
    glim_black_box_values_free(box, values);
    glim_black_box_close(box);
    free(texts);
    free(in);
    return status ? -1 : seconds / (double)(rows - BATCH);
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--child"))
        return child();
    size_t rows = argc > 1 ? strtoul(argv[1], NULL, 10) / BATCH * BATCH : 256 * BATCH;
    char self[4096] = "";
    glim_context *ctx = NULL;
    glim_error err;
    double best = 1;
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0 || rows < 2 * BATCH ||
        glim_context_new(&ctx, &(glim_context_options){.threads = 1}, &err))
        return 2;
    for (int i = 0; i < 5 && best >= 0; i++) {
        double seconds = run(ctx, self, rows);
        best = seconds < best ? seconds : best;
    }
    glim_context_free(ctx);
    if (best < 0)
        return 1;
    printf("black box: %.2f microseconds a row, %zu rows in batches of %d\n", 1e6 * best, rows,
           BATCH);
    return 0;
}
