/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_coalitions [cpu]: what Kernel SHAP of 12 features spends outside the predictor
 * on 2,048 coalitions, as one JSON object of seconds: of the wall clock, or of the
 * processor. The predictor is a sum with a product, whose own time is taken off.
 */
#include "base/context.h"
#include "explain/methods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { D = 12 };

static bool cpu;
static double inside;

static double now(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return cpu ? (double)u.ru_utime.tv_sec + 1e-6 * (double)u.ru_utime.tv_usec : glim__seconds();
}

static glim_status values(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err) {
    double began = now();
    for (size_t i = 0; i < n; i++) {
        out[i] = 0;
        for (size_t u = 0; u < D; u++)
            out[i] += keep[i * D + u] * (1.0 + (double)u) * (1 + keep[i * D] * keep[i * D + 5]);
    }
    inside += now() - began;
    return GLIM_OK;
}

static void plan_values(const glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                        glim_plan *out) {
    out->forward_tokens += n;
}

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    doc->input.n_units = D;
    doc->input.units = glim_document_alloc(doc, D * sizeof *doc->input.units);
    doc->n_rows = 1;
    if (!doc->input.units)
        return glim__oom(p->ctx, err, "units", 0);
    for (size_t u = 0; u < D; u++)
        doc->input.units[u] = (glim_document_unit){.text = "", .turn = -1};
    return GLIM_OK;
}

static void cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    *forward = *backward = 0;
}

/* Seconds outside of one explanation, the best of many. */
static double outside(glim_predictor *p, const char *method, const char *const *set) {
    const glim_method *m = glim_method_find(method);
    glim_error err = {0};
    double best = 1e9;
    void *opts = calloc(1, m->opts_size + 1);
    glim_param_defaults(m->params, opts);
    for (; *set; set += 2)
        if (glim_param_set(glim_param_find(m->params, set[0]), opts, set[1], &err))
            exit(1);
    for (int i = 0; i < 30; i++) {
        glim_document *doc;
        double began = now();
        inside = 0;
        if (glim_explain(&doc, p, m, opts, 1, &err)) {
            fprintf(stderr, "bench: %s\n", err.message);
            exit(1);
        }
        double took = now() - began - inside;
        best = took < best ? took : best;
        glim_document_free(doc);
    }
    free(opts);
    return best;
}

int main(int argc, char **argv) {
    static const char *const kernel[] = {"n-samples", "2000", NULL}; /* and four a unit */
    glim_unit unit[D];
    glim_context *ctx;
    size_t row_end = D;
    double value = 156;
    glim_context_options o = {.threads = 1};
    cpu = argc > 1 && !strcmp(argv[1], "cpu");
    if (glim_context_new(&ctx, &o, NULL))
        return 1;
    for (size_t u = 0; u < D; u++)
        unit[u] = (glim_unit){.start = u, .end = u + 1, .first = u, .count = 1, .turn = -1};
    glim_units units = {.ctx = ctx, .at = unit, .count = D};
    glim_predictor p = {.ctx = ctx,
                        .name = "sum",
                        .can = GLIM_CAN_PREDICT,
                        .units = &units,
                        .n_rows = 1,
                        .row_end = &row_end,
                        .value = &value,
                        .values = values,
                        .plan_values = plan_values,
                        .describe = describe,
                        .cost = cost};
    printf("{\"kernel_shap\": %.6f}\n", outside(&p, "kernel-shap", kernel));
    glim_context_free(ctx);
    return 0;
}
