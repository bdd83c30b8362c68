/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a map: defaults, what makes no sense, and what a map will take. */
#include "reduce/embedding.h"

#include <math.h>

static double or_else(double given, double usual) {
    return given == 0 ? usual : given;
}

static glim_status check(const glim_map_options *o, glim_error *err) {
    const struct {
        const char *name;
        double at, least, most;
    } all[] = {
        {"perplexity", o->perplexity, 1, 1e6},
        {"early-exaggeration", o->early_exaggeration, 1e-3, 1e4},
        {"exaggeration", o->exaggeration, 1e-3, 1e4},
        {"learning-rate", o->learning_rate, 0, 1e9},
        {"initial-momentum", o->initial_momentum, 0, 0.9999},
        {"final-momentum", o->final_momentum, 0, 0.9999},
        {"theta", o->theta, -1, 2},
        {"max-step-norm", o->max_step_norm, -1, 1e9},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(all[i].at >= all[i].least && all[i].at <= all[i].most))
            return glim_fail(err, GLIM_EUSAGE, "--%s %g is not between %g and %g", all[i].name,
                             all[i].at, all[i].least, all[i].most);
    return GLIM_OK;
}

glim_status glim__embed_options(glim_map_options *out, size_t n, size_t width,
                                const glim_map_options *given, glim_error *err) {
    glim_map_options *o = out;
    *o = *given;
    if (n < 1 || width < 1)
        return glim_fail(err, GLIM_EUSAGE, "a map needs points, and numbers in them");
    if (n > UINT32_MAX / 2)
        return glim_fail(err, GLIM_ELIMIT, "%zu points; a map has at most 2^31", n);
    o->neighbours = o->neighbours ? o->neighbours : 5;
    o->perplexity = or_else(o->perplexity, 30);
    o->early_exaggeration = or_else(o->early_exaggeration, 12);
    o->early_exaggeration_iter = o->early_exaggeration_iter ? o->early_exaggeration_iter : 250;
    o->exaggeration = or_else(o->exaggeration, 1);
    o->n_iter = o->n_iter ? o->n_iter : 500;
    o->initial_momentum = or_else(o->initial_momentum, 0.8);
    o->final_momentum = or_else(o->final_momentum, 0.8);
    o->theta = or_else(o->theta, 0.5);
    o->max_step_norm = or_else(o->max_step_norm, 5);
    glim_status status = check(o, err);
    o->perplexity = fmax(1, fmin(o->perplexity, ((double)n - 1) / 3));
    o->pca = o->pca < width && o->pca < n ? o->pca : 0;
    o->search = glim__neighbours_choose(n, o->search);
    o->gradient = glim__repulsion_choose(n, o->gradient);
    return status;
}

glim_status glim_embed_plan(uint64_t *bytes, double *work, size_t n, size_t width,
                            const glim_map_options *options, glim_error *err) {
    glim_map_options o;
    glim_status status = glim__embed_options(&o, n, width, options, err);
    if (status)
        return status;
    bool tsne = o.method == GLIM_MAP_TSNE;
    size_t seen = tsne && o.pca ? o.pca : width, least = n < width ? n : width;
    size_t k = tsne ? (size_t)(3 * o.perplexity) + 1 : o.neighbours;
    double N = (double)n, turns = (double)(o.early_exaggeration_iter + o.n_iter);
    uint64_t side = least <= 2000 ? least : 70;
    uint64_t pca =
        side * side * 40 + (least > 2000 ? (n + 2 * width) * side * 8 : 0) + 2 * width * 64 * 8;
    uint64_t near = glim__neighbours_plan(n, o.pca ? width : seen, k, o.search);
    uint64_t descent = glim__affinity_plan(n, k) + glim__tsne_plan(n, o.gradient);
    *bytes = n * 8 + (o.normalise ? (uint64_t)n * width * 4 : 0) +
             (o.pca ? (uint64_t)n * o.pca * 4 : 0) + n * o.neighbours * 8 +
             (tsne ? near + descent : near) + pca + o.snapshots * n * 8;
    *work = N * N * (double)width * (o.search == GLIM_MAP_SEARCH_EXACT) +
            N * (double)width * (double)side;
    if (tsne)
        *work += turns * (o.gradient == GLIM_MAP_GRADIENT_EXACT ? 6 * N * N
                                                                : N * (double)(8 * k + 500) + 4e6);
    return GLIM_OK;
}
