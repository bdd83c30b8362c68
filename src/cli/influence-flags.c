/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples that want a look: likely mislabelled (the fit leans on them, and says another
 * class; a whole classifier gives their label less than a half), far from the others (leverage),
 * influential; and samples that are the same to the model.
 */
#include "cli/influence.h"

#include <math.h>

/* Whether the head says another class than the sample's. */
static bool is_contradicted(cli_influence *c, size_t i) {
    const glim_features *f = &c->train.features;
    size_t P = f->width;
    bool differs = false;
    double *x = glim__calloc(c->run->ctx, P + 1 + c->head.O, sizeof *x), *z = x + P + 1;
    if (x && !f->read(f->data, i, 1, x, x + P, NULL)) {
        glim__linear_outputs(c->run->linear, x, z);
        differs = (double)glim__head_class(&c->head, z) != x[P];
    }
    glim__free(c->run->ctx, x);
    return differs;
}

unsigned cli_sample_flags(cli_influence *c, size_t i, const cli_mark *m) {
    unsigned flags = 0;
    bool strong = (double)m->score > c->score_limit;
    if (!isnan(m->leverage) && (double)m->leverage > c->columns[c->leverage].threshold)
        flags |= CLI_FAR;
    if (strong)
        flags |= CLI_INFLUENTIAL;
    if (strong && c->head.logistic && m->loss > 0.69f && /* below a half: maybe another class */
        is_contradicted(c, i))
        flags |= CLI_MISLABELLED;
    if (c->streams && c->loss != SIZE_MAX && (double)m->loss > c->columns[c->loss].threshold)
        flags |= CLI_MISLABELLED; /* a classifier gives the label less than a half */
    return flags;
}

glim_status cli_influence_flags(cli_influence *c) {
    c->score_limit = NAN;
    if (c->score != SIZE_MAX) {
        const glim_influence_ends *e = glim_extremes_column(c->ends, c->score);
        c->score_limit = c->columns[c->score].threshold;
        if (isnan(c->score_limit)) /* self-influence has no convention */
            c->score_limit = e->mean + 3 * e->deviation;
    }
    if (c->streams)
        return GLIM_OK;
    return glim__twins_find(&c->twins, c->run->ctx, &c->train.features, &c->run->err);
}
