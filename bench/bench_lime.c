/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What LIME takes beside the predictor: processor seconds of one thread for 5,000 samples
 * of a text of 100 words, and of rows of 13 and 30 columns, of a target that costs next to
 * nothing. Rows include learning the table (1,000 rows) anew. For bench/lime-peer.py.
 */
#include "base/rng.h"
#include "file/table.h"
#include "predict/predictor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { WORDS = 100, ROWS = 1000, MOST = 30, RUNS = 20 };

struct cheap {
    glim_predictor base;
    glim_unit unit[WORDS];
    glim_units units;
    double w[WORDS], value;
    size_t row_end;
    glim_table *t;
    char text[WORDS * 8];
};

static glim_status values(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err) {
    const struct cheap *c = (const struct cheap *)p;
    size_t U = c->units.count;
    for (size_t i = 0; i < n; i++) {
        out[i] = 0;
        for (size_t u = 0; u < U; u++)
            out[i] += c->w[u] * keep[i * U + u];
    }
    return GLIM_OK;
}

static glim_status rows(glim_predictor *p, const glim_cell *cells, size_t n, bool each, double *out,
                        glim_error *err) {
    const struct cheap *c = (const struct cheap *)p;
    size_t U = c->units.count;
    for (size_t i = 0; i < n; i++) {
        double z = 0;
        for (size_t u = 0; u < U; u++)
            z += c->w[u] * cells[i * U + u].number;
        out[i] = 1 / (1 + exp(-z));
    }
    return GLIM_OK;
}

static void plan_values(const glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                        glim_plan *out) {
    out->forward_tokens += n;
}

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    const struct cheap *c = (const struct cheap *)p;
    doc->n_rows = 1;
    doc->target.output = "prob";
    bool ok = glim__columns_describe(c->text, strlen(c->text), c->unit, c->units.count, doc);
    return ok ? GLIM_OK : glim__oom(p->ctx, err, "the document", 0);
}

static void cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    *forward = *backward = 0;
}

static void begin(struct cheap *c, glim_context *ctx, size_t U) {
    *c = (struct cheap){.row_end = U};
    for (size_t u = 0, at = 0; u < U; u++) {
        c->w[u] = glim__rng_normal(1, u, 0);
        c->unit[u] = (glim_unit){.start = at, .first = u, .count = 1, .turn = -1};
        at += (size_t)snprintf(c->text + at, sizeof c->text - at, "w%zu ", u);
        c->unit[u].end = at;
    }
    c->units = (glim_units){.ctx = ctx, .at = c->unit, .count = U};
    c->base = (glim_predictor){.ctx = ctx,
                               .name = "cheap",
                               .can = GLIM_CAN_PREDICT,
                               .units = &c->units,
                               .n_rows = 1,
                               .row_end = &c->row_end,
                               .value = &c->value,
                               .values = values,
                               .plan_values = plan_values,
                               .describe = describe,
                               .cost = cost};
}

/* The columns of normal numbers that bench/lime-peer.py draws likewise. */
static int add_table(struct cheap *c, glim_context *ctx) {
    size_t U = c->units.count, at = 0;
    glim_error err;
    char *csv = malloc(ROWS * MOST * 24);
    for (size_t u = 0; u < U; u++)
        at += (size_t)sprintf(csv + at, "c%zu%c", u, u + 1 < U ? ',' : '\n');
    for (size_t i = 0; i < ROWS; i++)
        for (size_t u = 0; u < U; u++)
            at += (size_t)sprintf(csv + at, "%.9g%c", glim__rng_normal(2, i, u),
                                  u + 1 < U ? ',' : '\n');
    glim_status status = glim__table_read(&c->t, ctx, csv, at, GLIM_TABLE_CSV, "t.csv", &err);
    free(csv);
    if (status)
        return 1;
    c->base.columns = true;
    c->base.table = c->t;
    c->base.table_row = 3;
    c->base.column_names = c->t->columns;
    c->base.rows = rows;
    return 0;
}

static double used(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + 1e-6 * (double)u.ru_utime.tv_usec;
}

static int measure(const char *name, struct cheap *c, const char *features, const char *bins) {
    const glim_method *m = glim_method_find("lime");
    void *opts = calloc(1, m->opts_size + 1);
    glim_error err = {0};
    double began = 0;
    glim_param_defaults(m->params, opts);
    int failed = glim_param_set(glim_param_find(m->params, "num-samples"), opts, "5000", &err) ||
                 glim_param_set(glim_param_find(m->params, "num-features"), opts, features, &err) ||
                 glim_param_set(glim_param_find(m->params, "discretizer"), opts, bins, &err);
    for (int i = -1; i < RUNS && !failed; i++) { /* the clock is coarse: all runs as one */
        glim_document *doc = NULL;
        began = i ? began : used();
        failed = glim_explain(&doc, &c->base, m, opts, 1, &err) != GLIM_OK;
        glim_document_free(doc);
    }
    free(opts);
    if (failed)
        fprintf(stderr, "%s\n", err.message);
    else
        printf("%s %s %.6f\n", name, features, (used() - began) / RUNS);
    return failed;
}

int main(void) {
    static const size_t widths[] = {13, 30};
    static struct cheap c;
    glim_context *ctx;
    glim_error err;
    char name[32];
    if (glim_context_new(&ctx, &(glim_context_options){.threads = 1}, &err))
        return 2;
    begin(&c, ctx, WORDS);
    int failed = measure("text", &c, "10", "none") || measure("text", &c, "100", "none");
    for (int i = 0; i < 2 && !failed; i++) {
        begin(&c, ctx, widths[i]);
        failed = add_table(&c, ctx);
        snprintf(name, sizeof name, "bins%zu", widths[i]);
        failed = failed || measure(name, &c, "10", "quartile");
        snprintf(name, sizeof name, "numbers%zu", widths[i]);
        failed = failed || measure(name, &c, "10", "none");
        glim__table_close(c.t);
    }
    glim_context_free(ctx);
    return failed;
}
