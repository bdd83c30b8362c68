/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages of a model of pictures:
 *
 *   stem    y = relu6(norm(conv(x)))
 *   block   y = project(depthwise(expand(x))) [+ x]     the first two end in relu6
 *   last    logits = mean over the map of relu6(norm(conv(x))) W^T + b
 *
 * Sites: hook_pixels, stem.hook_out, blocks.N.hook_expand, .hook_depthwise,
 * .hook_project, .hook_out (H, W, C), head.hook_out, hook_pooled, hook_logits.
 */
#include "model/vision.h"

#include <stdio.h>
#include <string.h>

glim_status glim__vision_rows_init(glim_vision_rows *r, glim_context *ctx, size_t images,
                                   glim_error *err) {
    *r = (glim_vision_rows){.ctx = ctx, .images = images};
    r->parts = glim__calloc(ctx, GLIM_VISION_SIZES * images, sizeof *r->parts);
    return r->parts ? GLIM_OK
                    : glim__oom(ctx, err, "a batch", GLIM_VISION_SIZES * images * sizeof *r->parts);
}

void glim__vision_rows_release(glim_vision_rows *r) {
    glim__free(r->ctx, r->parts);
    *r = (glim_vision_rows){.ctx = r->ctx};
}

const glim_rows *glim__vision_rows(glim_vision_rows *r, int64_t pixels) {
    int k = 0;
    while (k < r->n && r->parts[(size_t)k * r->images].count != pixels)
        k++;
    if (k < r->n)
        return &r->at[k];
    if (k == GLIM_VISION_SIZES)
        return NULL;
    glim_rows_part *parts = r->parts + (size_t)k * r->images;
    for (size_t i = 0; i < r->images; i++)
        parts[i] = (glim_rows_part){.first = (int64_t)i * pixels, .count = pixels};
    r->at[k] = (glim_rows){.T = (int64_t)r->images * pixels, .parts = parts, .n_parts = r->images};
    r->n++;
    return &r->at[k];
}

/* The convolution that reads a stage's input. */
static const glim_conv *first_conv(const glim_model *m, int stage) {
    const glim_vision *v = m->vision;
    if (!stage)
        return &v->stem;
    if (stage > m->hyper.L)
        return &v->head;
    const glim_vision_block *b = &v->blocks[stage - 1];
    return b->expand.w ? &b->expand : &b->depthwise;
}

void glim__vision_input(const glim_model *m, int stage, int *height, int *width, int *channels) {
    const glim_conv *c = first_conv(m, stage);
    *height = c->in_h;
    *width = c->in_w;
    *channels = c->in_c;
}

static uint64_t map_size(const glim_conv *c) {
    return c->w ? (uint64_t)c->out_h * (uint64_t)c->out_w * (uint64_t)c->out_c : 0;
}

uint64_t glim__vision_largest(const glim_model *m) {
    const glim_vision *v = m->vision;
    uint64_t most = (uint64_t)v->height * (uint64_t)v->width * 3;
    for (int i = -2; i < 3 * m->hyper.L; i++) {
        const glim_vision_block *b = &v->blocks[i < 0 ? 0 : i / 3];
        const glim_conv *c = i == -2      ? &v->stem
                             : i == -1    ? &v->head
                             : i % 3 == 0 ? &b->expand
                             : i % 3 == 1 ? &b->depthwise
                                          : &b->project;
        most = map_size(c) > most ? map_size(c) : most;
    }
    return most;
}

static glim_node conv(glim_tape *t, glim_vision_rows *rows, glim_node x, const glim_conv *c,
                      const char *site) {
    const glim_rows *out = glim__vision_rows(rows, (int64_t)c->out_h * c->out_w);
    if (!out) {
        t->status = t->status ? t->status : GLIM_EINTERNAL;
        return 0;
    }
    return glim__op_site(t, glim__op_conv(t, x, c, out), GLIM_SITE_IMAGE, site, c->out_w);
}

static glim_node last_stage(glim_tape *t, const glim_model *m, glim_vision_rows *rows,
                            glim_node x) {
    glim_node y = conv(t, rows, x, &m->vision->head, "head.hook_out");
    y = glim__op_mean(t, y, glim__vision_rows(rows, 1));
    glim__op_site(t, y, GLIM_SITE_VALUE, "hook_pooled", 0);
    y = glim__op_linear(t, y, &m->head, m->head_bias);
    if (y)
        t->nodes[y].as.linear.few = true;
    return glim__op_site(t, y, GLIM_SITE_VALUE, "hook_logits", 0);
}

glim_node glim__vision_stage(glim_tape *t, const glim_model *m, glim_vision_rows *rows, int stage,
                             glim_node x) {
    const glim_vision *v = m->vision;
    if (!stage) {
        glim__op_site(t, x, GLIM_SITE_IMAGE, "hook_pixels", v->width);
        return conv(t, rows, x, &v->stem, "stem.hook_out");
    }
    if (stage > m->hyper.L)
        return last_stage(t, m, rows, x);
    const glim_vision_block *b = &v->blocks[stage - 1];
    glim_node y = b->expand.w ? conv(t, rows, x, &b->expand, "hook_expand") : x;
    y = conv(t, rows, y, &b->depthwise, "hook_depthwise");
    y = conv(t, rows, y, &b->project, "hook_project");
    if (b->residual)
        y = glim__op_add(t, x, y);
    return glim__op_site(t, y, GLIM_SITE_IMAGE, "hook_out", b->project.out_w);
}

static bool add_sites(glim_model *m, const glim_tape *t) {
    for (int i = 1; i <= t->count; i++)
        for (int k = 0; k < t->nodes[i].n_sites; k++) {
            char name[96];
            snprintf(name, sizeof name, "%s%s", t->prefix, t->nodes[i].sites[k].name);
            m->sites[m->n_sites] = glim__arena_strdup(&m->arena, name);
            if (!m->sites[m->n_sites++])
                return false;
        }
    return true;
}

glim_status glim__vision_sites(glim_model *m, glim_error *err) {
    enum { OF_A_BLOCK = 4, OTHERS = 5 };
    size_t L = (size_t)m->hyper.L;
    glim_vision_rows rows;
    glim_status status = glim__vision_rows_init(&rows, m->ctx, 1, err);
    glim_tape *t = glim__calloc(m->ctx, 1, sizeof *t);
    m->block_prefixes = glim__arena_calloc(&m->arena, L, sizeof *m->block_prefixes);
    m->sites = glim__arena_calloc(&m->arena, OF_A_BLOCK * L + OTHERS, sizeof *m->sites);
    bool ok = !status && t && m->block_prefixes && m->sites;
    for (int i = 0; i < glim__vision_stages(m) && ok; i++) {
        int h, w, c;
        char prefix[32];
        bool block = i && i <= m->hyper.L;
        glim__vision_input(m, i, &h, &w, &c);
        const glim_rows *in = glim__vision_rows(&rows, (int64_t)h * w);
        if (!in) {
            status = glim_fail(err, GLIM_EUNSUPPORTED, "its maps have more than %d sizes",
                               GLIM_VISION_SIZES);
            break;
        }
        snprintf(prefix, sizeof prefix, "blocks.%d.", i - 1);
        glim__tape_begin(t, m->ctx, NULL, in);
        if (block)
            t->prefix = m->block_prefixes[i - 1] = glim__arena_strdup(&m->arena, prefix);
        ok = t->prefix && glim__vision_stage(t, m, &rows, i, glim__op_input(t, NULL, c)) &&
             add_sites(m, t);
        t->count = 0;
    }
    glim__free(m->ctx, t);
    glim__vision_rows_release(&rows);
    if (!ok && !status)
        status = glim__oom(m->ctx, err, "the list of sites", L * OF_A_BLOCK * sizeof *m->sites);
    return status;
}
