/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a forward or a gradient will need, from the nodes alone: the same tape
 * that runs is built and asked. Attention's packed copies, products' scratch
 * and the logits are added by formula.
 */
#include "model/session.h"

#include <string.h>

/* Without a budget, what a gradient keeps is bounded all the same: enough for 512
   rows of a model of 135 million weights, beyond which blocks are computed again. */
static const uint64_t KEEP_WITHOUT_BUDGET = (uint64_t)256 << 20;

static uint64_t attention_bytes(const glim_model *m, size_t sequences, size_t source, bool keep) {
    const glim_hyper *h = &m->hyper;
    uint64_t D = (uint64_t)h->D, Dp = (D + 15) / 16 * 16, Sp = (source + 15) / 16 * 16 + 16;
    uint64_t one = keep ? 2 * D * Sp + source * Dp : D * Sp + source * Dp;
    uint64_t scratch = (uint64_t)(keep ? 3 : 1) * 48 * Sp * (uint64_t)glim_context_threads(m->ctx);
    return 4 * (sequences * (uint64_t)h->G * one + scratch);
}

static uint64_t layer_bytes(const glim_model *m, const glim_layer *w, size_t rows, bool keep) {
    const glim_mixture *x = w->mixture;
    const glim_matrix *all[] = {&w->q,
                                &w->o,
                                &w->gate,
                                &w->up,
                                &w->down,
                                x ? &x->shared_gate : NULL,
                                x ? &x->shared_down : NULL};
    uint64_t most = 0, experts = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint64_t n =
            all[i] && all[i]->data ? glim__linear_scratch(m->ctx, all[i], (int64_t)rows) : 0;
        most = n > most ? n : most;
    }
    if (x) {
        const glim_matrix *one[] = {x->how.gate, x->how.down};
        experts = glim__experts_scratch(&x->how, rows, keep);
        for (int i = 0; i < 2; i++) {
            uint64_t n = glim__linear_scratch(m->ctx, one[i], (int64_t)rows);
            most = n > most ? n : most;
        }
    }
    return most + experts;
}

static uint64_t product_bytes(const glim_model *m, size_t rows, size_t wanted, bool keep) {
    uint64_t most = m->head.data ? glim__linear_scratch(m->ctx, &m->head, (int64_t)wanted) : 0;
    for (int i = 0; i<m->hyper.L; i += m->hyper.L> 1 ? m->hyper.L - 1 : 1) {
        uint64_t n = layer_bytes(m, &m->layers[i], rows, keep);
        most = n > most ? n : most;
    }
    return most;
}

/* Raises *kept and *working to what block i needs. */
static void plan_block(glim_tape *t, const glim_model *m, int i, bool keep, uint64_t *kept,
                       uint64_t *working) {
    uint64_t k = 0, w = 0;
    glim_node key, value;
    t->count = 0;
    m->arch->block(t, m, i, glim__op_input(t, NULL, m->hyper.C), &key, &value);
    glim__tape_plan(t, keep, &k, &w);
    t->count = 0;
    *kept = k > *kept ? k : *kept;
    *working = w > *working ? w : *working;
}

/* The encoder over texts of `source` rows, the gradient of what it gives, and keys and
   values of it that a cache keeps. */
static uint64_t source_bytes(const glim_model *m, size_t sequences, size_t source, bool keep) {
    const glim_hyper *h = &m->hyper;
    uint64_t rows = (uint64_t)sequences * source;
    uint64_t known = 2 * (uint64_t)h->L * source * (uint64_t)h->G * (uint64_t)h->D * 4;
    return glim_session_plan(m->encoder, (size_t)rows, sequences, source, (size_t)rows, keep,
                             NULL) +
           (keep ? rows * (uint64_t)h->C * 4 : known);
}

uint64_t glim_session_plan(const glim_model *m, size_t rows, size_t sequences, size_t source,
                           size_t wanted, bool keep, uint64_t *per_kept_layer) {
    const glim_hyper *h = &m->hyper;
    uint64_t kept = 0, working = 0, C = (uint64_t)h->C, V = (uint64_t)m->outputs;
    glim_rows shape = {.T = (int64_t)rows};
    glim_rope ropes[GLIM_MAX_ROPES] = {{0}};
    glim_tape *t = glim__calloc(m->ctx, 1, sizeof *t);
    if (per_kept_layer)
        *per_kept_layer = 0;
    if (m->vision) {
        glim__free(m->ctx, t);
        return UINT64_MAX;
    }
    if (!t)
        return UINT64_MAX;
    for (int i = 0; i < m->n_ropes; i++)
        ropes[i].width = m->ropes[i].width;
    glim_rows read = {.T = (int64_t)(sequences * source)};
    glim__tape_begin(t, m->ctx, NULL, &shape);
    t->ropes = ropes;
    t->memory_rows = &read;
    plan_block(t, m, 0, keep, &kept, &working);
    plan_block(t, m, h->L - 1, keep, &kept, &working); /* a mixture comes behind dense blocks */
    glim__free(m->ctx, t);
    if (per_kept_layer)
        *per_kept_layer = kept;
    uint64_t stream = rows * C * 4;
    uint64_t added = (m->positions.data ? stream : 0) + (m->embed_norm ? 2 * stream : 0);
    uint64_t base = keep ? ((uint64_t)h->L + 1) * stream + 3 * stream : 2 * stream;
    /* Backward holds the seeds' gradient twice: as it is given, and as the tape walks
       it. A soft cap has its own input. */
    uint64_t wide = (keep ? 3 : 1) + (h->logit_cap > 0 ? (keep ? 2 : 1) : 0);
    uint64_t logits = wanted * (wide * V + 3 * C * (keep ? 2 : 1)) * 4;
    uint64_t tables = (uint64_t)source * (uint64_t)h->rope_width * 8 * (uint64_t)m->n_ropes;
    /* A block that is computed again needs its kept values for a while, and the
       workspace holds sizes that do not fit each other. */
    uint64_t bytes = base + added + (keep ? kept : 0) + working + working / 4 +
                     attention_bytes(m, sequences, source, keep) +
                     product_bytes(m, rows, wanted, keep) + logits + tables;
    return m->encoder ? bytes + source_bytes(m, sequences, source, keep) : bytes;
}

uint64_t glim__session_least(const glim_session *s, const glim_batch *b) {
    size_t rows = 0, wanted = 0, longest = 0;
    for (size_t i = 0; i < b->count; i++) {
        rows += b->sequences[i].count;
        wanted += b->sequences[i].n_wanted;
        longest = b->sequences[i].prefix + b->sequences[i].count > longest
                      ? b->sequences[i].prefix + b->sequences[i].count
                      : longest;
    }
    for (size_t i = 0; i < b->n_sources; i++)
        longest = b->sources[i].count > longest ? b->sources[i].count : longest;
    glim_model alone = *s->m;
    alone.encoder = NULL;
    return glim_session_plan(&alone, rows, b->count, longest, wanted, b->keep, NULL);
}

/* Whether some hook reads a site whose name ends so, other than in the final norm; with
   `heads` only hooks that see patterns head by head count, without only the others. */
static bool hooked_by(const glim_model *m, const glim_hook *hooks, size_t n, const char *end,
                      bool heads) {
    size_t count, length = strlen(end);
    const char *const *sites = glim_model_sites(m, &count);
    for (size_t i = 0; i < count; i++) {
        size_t have = strlen(sites[i]);
        if (have < length || strcmp(sites[i] + have - length, end))
            continue;
        for (size_t k = 0; k < n; k++) {
            bool by_head =
                (hooks[k].actions & (GLIM_HOOK_HEADS | GLIM_HOOK_WRITE)) == GLIM_HOOK_HEADS;
            if (by_head == heads && glim__site_match(hooks[k].pattern, sites[i]))
                return true;
        }
    }
    return false;
}

static bool hooked(const glim_model *m, const glim_hook *hooks, size_t n, const char *end) {
    return hooked_by(m, hooks, n, end, false) || hooked_by(m, hooks, n, end, true);
}

/* Inputs of products that are kept for the weights' hooks only; whose, the hook may choose,
   but a layer has no more than all. */
static uint64_t inputs_kept(const glim_model *m, size_t rows) {
    const glim_hook every = {.pattern = "*", .actions = GLIM_HOOK_WEIGHT};
    glim_rows shape = {.T = (int64_t)rows}, read = {.T = 1}; /* the memory is kept anyway */
    glim_tape *t = glim__calloc(m->ctx, 1, sizeof *t);
    if (!t)
        return UINT64_MAX / 4;
    uint64_t most = 0;
    for (int last = 0; last < 2; last++) {
        uint64_t kept[2] = {0, 0}, working = 0;
        for (int hooked = 0; hooked < 2; hooked++) {
            glim__tape_begin(t, m->ctx, NULL, &shape);
            t->memory_rows = &read;
            t->hooks = &every;
            t->n_hooks = (size_t)hooked;
            plan_block(t, m, last ? m->hyper.L - 1 : 0, true, &kept[hooked], &working);
        }
        most = kept[1] - kept[0] > most ? kept[1] - kept[0] : most;
    }
    glim__free(m->ctx, t);
    return most;
}

uint64_t glim_session_plan_hooks(const glim_model *m, const glim_hook *hooks, size_t n, size_t rows,
                                 size_t source, bool keep, uint64_t *per_kept_layer) {
    const glim_hyper *h = &m->hyper;
    uint64_t T = rows, C = (uint64_t)h->C, H = (uint64_t)h->H, D = (uint64_t)h->D, most = 0;
    uint64_t padded = ((uint64_t)source + 15) / 16 * 16;
    bool whole =
        hooked(m, hooks, n, "hook_attn_scores") || hooked_by(m, hooks, n, "hook_pattern", false);
    bool heads = hooked_by(m, hooks, n, "hook_pattern", true);
    if (hooked(m, hooks, n, "hook_normalized") || hooked(m, hooks, n, "hook_scale"))
        most = 4 * T * C;
    if (hooked(m, hooks, n, "hook_result"))
        most = 4 * (T * H * C + T * H * D);
    uint64_t pattern = whole ? 4 * H * T * padded : 0;
    uint64_t one = heads ? 4 * T * (uint64_t)source : 0;
    bool weights = false;
    for (size_t i = 0; i < n; i++)
        weights = weights || (hooks[i].actions & GLIM_HOOK_WEIGHT);
    uint64_t inputs = weights && keep ? inputs_kept(m, rows) : 0;
    if (per_kept_layer)
        *per_kept_layer = keep ? pattern + inputs : 0;
    if (weights && keep && m->encoder)
        most += (uint64_t)m->encoder->hyper.L * inputs_kept(m->encoder, source);
    /* the pattern, its tight copy, and on the way back its gradient */
    return most + inputs + (keep ? 3 : 2) * pattern + (keep ? 2 : 1) * one;
}

int glim__session_fits(glim_session *s, size_t wanted) {
    int L = s->m->hyper.L;
    if (s->keep_layers >= 0)
        return s->keep_layers < L ? s->keep_layers : L;
    int64_t longest = 0;
    for (size_t i = 0; i < s->rows.n_parts; i++) {
        int64_t n = s->rows.parts[i].prefix + s->rows.parts[i].count;
        longest = n > longest ? n : longest;
    }
    uint64_t each = 0;
    uint64_t least = glim_session_plan(s->m, (size_t)s->rows.T, s->rows.n_parts, (size_t)longest,
                                       wanted, true, &each);
    uint64_t more = 0;
    least += glim_session_plan_hooks(s->m, s->hooks, s->n_hooks, (size_t)s->rows.T, (size_t)longest,
                                     true, &more);
    each += more;
    uint64_t idle = glim__workspace_idle(&s->space); /* can be used again */
    uint64_t left = glim__budget_left(s->ctx);
    left = left > s->reserve ? left - s->reserve : 0;
    left = left > UINT64_MAX - idle ? UINT64_MAX : left + idle;
    uint64_t room = left > least ? left - least : 0;
    if (!glim_context_budget(s->ctx) && room > KEEP_WITHOUT_BUDGET)
        room = KEEP_WITHOUT_BUDGET;
    uint64_t n = each ? room / each : (uint64_t)L;
    return n < (uint64_t)L ? (int)n : L;
}
