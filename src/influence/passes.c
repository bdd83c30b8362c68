/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passes. Samples are read some at a time and run in their order, as many as fit, in
 * ragged batches; a hook stands on every chosen weight, so no other input is kept. Losses
 * are sums in double of each output's own term, in the order of outputs. A batch is cut
 * by what memory held when the pass began, not by what earlier batches left behind.
 *
 * Rejected: batches sorted by length. Without padding they gain nothing, and the order of
 * samples would depend on how many are read at a time.
 */
#include "influence/passes.h"
#include "base/rng.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_TOKENS = 2048, FEW_TOKENS = 256, LOOKED_AT = 4096 };

/* What a gradient keeps without a budget is bounded (plan.c); batches beyond compute
   blocks twice. And what a batch of many samples takes in all. */
static const uint64_t KEPT_AT_MOST = (uint64_t)256 << 20, TAKEN_AT_MOST = (uint64_t)512 << 20;

struct walk {
    glim_context *ctx;
    const glim_model *m;
    const glim_pass_options *options;
    const glim_pass_visitor *visitor;
    bool back;
    glim_session *s;
    glim_hook *hooks;
    struct chosen *whose;
    size_t n_hooks;
    uint64_t room;      /* bytes that a batch may take */
    glim_arena scratch; /* of a batch */
    /* the batch */
    size_t first, count, n_labels;
    const glim_example *x;
    size_t *at;      /* [count + 1] where labels of a sample begin */
    int32_t *labels; /* [n_labels] */
    double *terms;   /* [n_labels] */
    double *loss;    /* [count] */
};

struct chosen {
    struct walk *w;
    size_t weight;
};

static glim_status oom(const struct walk *w, uint64_t bytes, glim_error *err) {
    return glim__oom(w->ctx, err, "a batch of samples", bytes);
}

/* ---- how large ---- */

struct size {
    size_t rows, read, longest, labels, count; /* read: rows of sources */
};

static void add(struct size *z, const glim_example *x) {
    z->rows += x->count;
    z->read += x->n_source;
    z->labels += x->n_labels;
    z->longest = x->count > z->longest ? x->count : z->longest;
    z->longest = x->n_source > z->longest ? x->n_source : z->longest;
    z->count++;
}

/* Bytes of a batch at least; *kept adds what keeps all layers. */
static uint64_t batch_bytes(const glim_model *m, const struct size *z, const glim_hook *hooks,
                            size_t n_hooks, bool back, uint64_t *kept) {
    uint64_t each = 0, more = 0, L = (uint64_t)m->hyper.L, C = (uint64_t)m->hyper.C;
    size_t wanted = m->pool == GLIM_POOL_MEAN ? z->rows : z->labels;
    uint64_t bytes = glim_session_plan(m, z->rows, z->count, z->longest, wanted, back, &each);
    if (back)
        bytes += glim_session_plan_hooks(m, hooks, n_hooks, z->rows, z->longest, true, &more);
    *kept = back ? L * (each + more) : 0;
    uint64_t own = z->labels * (sizeof(glim_seed) + 32) + z->count * 2 * sizeof(glim_sequence);
    return bytes + own + (back ? 4 * C * (m->encoder ? z->read : z->rows) : 0) + 4096;
}

/* Samples that make the next batch, of n; at least one. */
static size_t take(const struct walk *w, const glim_example *x, size_t n) {
    size_t most = w->options->most_tokens ? w->options->most_tokens : MOST_TOKENS;
    for (size_t limit = most;; limit /= 2) {
        struct size z = {0};
        size_t k = 0;
        for (; k < n && (!k || z.rows + z.read + x[k].count + x[k].n_source <= limit); k++)
            add(&z, &x[k]);
        uint64_t kept = 0, bytes = batch_bytes(w->m, &z, w->hooks, w->n_hooks, w->back, &kept);
        bool small = limit <= FEW_TOKENS || w->options->most_tokens ||
                     (kept <= KEPT_AT_MOST && bytes + kept <= TAKEN_AT_MOST);
        if (k == 1 || (bytes <= w->room && small))
            return k;
        while (z.rows + z.read <= limit / 2) /* a smaller limit that parts them */
            limit /= 2;
    }
}

/* ---- losses ---- */

/* Output k of the batch: its label, drawn if it must be, and -log p of it. */
static void judge(void *data, size_t k, int worker) {
    struct walk *w = data;
    size_t i = 0, V = (size_t)w->m->outputs;
    for (size_t high = w->count; i + 1 < high;) { /* whose it is */
        size_t middle = (i + high) / 2;
        if (w->at[middle] <= k)
            i = middle;
        else
            high = middle;
    }
    size_t own = k - w->at[i];
    const float *z = glim_session_logits(w->s, i, own);
    float top = z[0];
    double sum = 0, part = 0;
    for (size_t v = 1; v < V; v++)
        top = z[v] > top ? z[v] : top;
    for (size_t v = 0; v < V; v++)
        sum += exp((double)z[v] - top);
    if (w->options->sampled) {
        double u = sum * glim__rng_uniform(w->options->seed, w->first + i, own);
        size_t v = 0;
        for (; v + 1 < V && (part += exp((double)z[v] - top)) <= u; v++)
            ;
        w->labels[k] = (int32_t)v;
    }
    w->terms[k] = top + log(sum) - (double)z[w->labels[k]];
}

static void add_losses(struct walk *w) {
    if (w->n_labels)
        glim__parallel(w->ctx, w->n_labels, judge, w);
    for (size_t i = 0; i < w->count; i++) {
        w->loss[i] = w->x[i].n_labels ? 0 : NAN;
        for (size_t k = w->at[i]; k < w->at[i + 1]; k++)
            w->loss[i] += w->terms[k];
    }
}

/* ---- a batch ---- */

static glim_status lay_out(struct walk *w, glim_error *err) {
    w->at = glim__arena_calloc(&w->scratch, w->count + 1, sizeof *w->at);
    w->loss = glim__arena_calloc(&w->scratch, w->count, sizeof *w->loss);
    if (!w->at || !w->loss)
        return oom(w, w->count * 16, err);
    for (size_t i = 0; i < w->count; i++)
        w->at[i + 1] = w->at[i] + w->x[i].n_labels;
    w->n_labels = w->at[w->count];
    w->labels = glim__arena_calloc(&w->scratch, w->n_labels + 1, sizeof *w->labels);
    w->terms = glim__arena_calloc(&w->scratch, w->n_labels + 1, sizeof *w->terms);
    if (!w->labels || !w->terms)
        return oom(w, w->n_labels * 12, err);
    for (size_t i = 0; i < w->count; i++)
        for (size_t k = 0; k < w->x[i].n_labels; k++)
            w->labels[w->at[i] + k] = w->x[i].labels[k];
    return GLIM_OK;
}

static glim_status forward(struct walk *w, glim_error *err) {
    glim_sequence *q = glim__arena_calloc(&w->scratch, 2 * w->count, sizeof *q);
    if (!q)
        return oom(w, w->count * sizeof *q, err);
    for (size_t i = 0; i < w->count; i++) {
        const glim_example *x = &w->x[i];
        q[i] = (glim_sequence){.ids = x->ids,
                               .types = x->types,
                               .count = x->count,
                               .wanted = x->wanted,
                               .n_wanted = x->n_wanted};
        q[w->count + i] = (glim_sequence){.ids = x->source, .count = x->n_source};
    }
    glim_batch b = {.sequences = q,
                    .count = w->count,
                    .hooks = w->hooks,
                    .n_hooks = w->n_hooks,
                    .keep = w->back};
    if (w->m->encoder) {
        b.sources = q + w->count;
        b.n_sources = w->count;
    }
    return glim_session_forward(w->s, &b, err);
}

static glim_pass_sample sample_of(const struct walk *w, size_t i) {
    return (glim_pass_sample){.sample = w->first + i,
                              .example = &w->x[i],
                              .labels = w->labels + w->at[i],
                              .loss = w->loss[i],
                              .session = w->s,
                              .sequence = i};
}

static glim_status make_seeds(struct walk *w, glim_seed *seeds, glim_error *err) {
    static const float minus = -1;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < w->count; i++) {
        glim_pass_sample s = sample_of(w, i);
        for (size_t k = 0; k < w->x[i].n_labels && !status; k++) {
            glim_seed *e = &seeds[w->at[i] + k];
            *e = (glim_seed){.sequence = i,
                             .wanted = k,
                             .ids = &w->labels[w->at[i] + k],
                             .weights = &minus,
                             .n = 1,
                             .log_softmax = true};
            if (w->visitor->seed)
                status = w->visitor->seed(w->visitor->data, &s, k, e, err);
        }
    }
    return status;
}

static glim_status walk_back(struct walk *w, glim_error *err) {
    size_t rows = 0;
    for (size_t i = 0; i < w->count; i++)
        rows += w->m->encoder ? w->x[i].n_source : w->x[i].count;
    glim_seed *seeds = glim__arena_calloc(&w->scratch, w->n_labels, sizeof *seeds);
    float *d = glim__spare_take(w->ctx, rows * (size_t)w->m->hyper.C * sizeof *d);
    glim_status status =
        seeds && d ? make_seeds(w, seeds, err) : oom(w, rows * (uint64_t)w->m->hyper.C * 4, err);
    if (!status)
        status = glim_session_backward(w->s, seeds, w->n_labels, d, err);
    glim__spare_give(w->ctx, d);
    return status;
}

static glim_status run_batch(struct walk *w, glim_error *err) {
    const glim_pass_visitor *v = w->visitor;
    glim_status status = lay_out(w, err);
    if (!status && (w->n_labels || v->value))
        status = forward(w, err);
    if (!status)
        add_losses(w);
    for (size_t i = 0; i < w->count && !status && v->forward; i++) {
        glim_pass_sample s = sample_of(w, i);
        status = v->forward(v->data, &s, err);
    }
    if (!status && w->n_labels && w->back)
        status = walk_back(w, err);
    if (status == GLIM_ENUMERIC)
        glim_prefix(err, status, "samples %zu to %zu", w->first + 1, w->first + w->count);
    if (!status && v->batch)
        status = v->batch(v->data, w->first, w->count, w->loss, err);
    glim__arena_reset(&w->scratch);
    return status;
}

/* ---- all of them ---- */

static glim_status see(void *data, const glim_site *site, glim_error *err) {
    const struct chosen *c = data;
    const struct walk *w = c->w;
    return w->visitor->weight(w->visitor->data, w->first + site->sequence, c->weight, site->dims[0],
                              site->data, site->value, err);
}

static glim_status see_value(void *data, const glim_site *site, glim_error *err) {
    const struct walk *w = data;
    return w->visitor->value(w->visitor->data, w->first + site->sequence, site, err);
}

static glim_status place_hooks(struct walk *w, glim_error *err) {
    size_t n;
    const glim_weight *all = glim_model_weights(w->m, &n);
    w->hooks = glim__calloc(w->ctx, n + 2, sizeof *w->hooks); /* and two others */
    w->whose = glim__calloc(w->ctx, n + 1, sizeof *w->whose);
    if (!w->hooks || !w->whose)
        return oom(w, n * sizeof *w->hooks, err);
    for (size_t i = 0; i < n && w->back; i++) {
        if (!w->options->chosen[i])
            continue;
        w->whose[w->n_hooks] = (struct chosen){w, i};
        w->hooks[w->n_hooks] = (glim_hook){.pattern = all[i].name,
                                           .actions = GLIM_HOOK_WEIGHT,
                                           .visit = see,
                                           .data = &w->whose[w->n_hooks]};
        w->n_hooks++;
    }
    if (w->options->hook)
        w->hooks[w->n_hooks++] = *w->options->hook;
    if (w->visitor->value && w->options->site)
        w->hooks[w->n_hooks++] = (glim_hook){
            .pattern = w->options->site, .actions = GLIM_HOOK_READ, .visit = see_value, .data = w};
    return GLIM_OK;
}

static glim_status run(struct walk *w, glim_samples *samples, size_t first, size_t count,
                       glim_error *err) {
    glim_arena arena;
    glim_status status = GLIM_OK;
    glim_example *x = glim__calloc(w->ctx, GLIM_PASS_SAMPLES, sizeof *x);
    glim__arena_init(&arena, w->ctx, 1 << 16);
    if (!x)
        status = oom(w, GLIM_PASS_SAMPLES * sizeof *x, err);
    for (size_t at = 0, n; at < count && !status; at += n) {
        n = count - at < GLIM_PASS_SAMPLES ? count - at : GLIM_PASS_SAMPLES;
        status = glim__samples_read(samples, first + at, n, &arena, x, err);
        for (size_t i = 0; i < n && !status; i += w->count) {
            w->first = first + at + i;
            w->x = x + i;
            w->count = take(w, x + i, n - i);
            status = run_batch(w, err);
            glim__progress_add(w->ctx, w->count);
            if (!status)
                status = glim__check_cancel(w->ctx, err);
        }
        glim__arena_reset(&arena);
    }
    glim__arena_release(&arena);
    glim__free(w->ctx, x);
    return status;
}

glim_status glim__pass(const glim_model *model, glim_samples *samples, size_t first, size_t count,
                       const glim_pass_options *options, const glim_pass_visitor *visitor,
                       glim_error *err) {
    static const glim_pass_options none = {0};
    struct walk w = {
        .ctx = model->ctx, .m = model, .options = options ? options : &none, .visitor = visitor};
    if (model->outputs != glim__samples_model(samples)->outputs)
        return glim_fail(err, GLIM_EUSAGE, "'%.200s' has %d outputs, the model of the samples %d",
                         model->info.path, model->outputs, glim__samples_model(samples)->outputs);
    w.back = visitor->weight && w.options->chosen;
    w.room = glim__budget_left(w.ctx) / 2;
    glim__arena_init(&w.scratch, w.ctx, 1 << 14);
    glim_status status = place_hooks(&w, err);
    if (!status)
        status = glim_session_new(&w.s, model, 0, err);
    glim__progress_begin_items(w.ctx, w.back ? "samples, forward and back" : "samples", count);
    if (!status)
        status = run(&w, samples, first, count, err);
    glim__progress_end(w.ctx);
    glim_session_free(w.s);
    glim__arena_release(&w.scratch);
    glim__free(w.ctx, w.hooks);
    glim__free(w.ctx, w.whose);
    return status;
}

/* ---- plans ---- */

static const glim_hook every_weight = {.pattern = "*", .actions = GLIM_HOOK_WEIGHT};

static glim_status look(const glim_model *m, glim_samples *samples, size_t seen,
                        struct size *longest, glim_pass_size *out, glim_error *err) {
    size_t N = glim__samples_count(samples);
    glim_arena arena;
    glim_status status = GLIM_OK;
    glim__arena_init(&arena, m->ctx, 1 << 14);
    for (size_t i = 0; i < seen && !status; i++) {
        glim_example x;
        status = glim__samples_read(samples, i * N / seen, 1, &arena, &x, err);
        glim__arena_reset(&arena);
        if (status)
            break;
        size_t n = x.count + x.n_source;
        out->tokens += n;
        out->cut += x.cut;
        out->silent += !x.n_labels;
        out->longest = n > out->longest ? n : out->longest;
        struct size one = {0};
        add(&one, &x);
        longest->rows = one.rows > longest->rows ? one.rows : longest->rows;
        longest->read = one.read > longest->read ? one.read : longest->read;
        longest->labels = one.labels > longest->labels ? one.labels : longest->labels;
        longest->longest = one.longest > longest->longest ? one.longest : longest->longest;
        status = glim__check_cancel(m->ctx, err);
    }
    glim__arena_release(&arena);
    return status;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* A batch of mean samples, as `take` would choose it without a budget, that has the longest
   one in it. */
static uint64_t full_bytes(const glim_model *m, const glim_pass_options *options,
                           const struct size *one, size_t mean, bool back) {
    size_t asked = options ? options->most_tokens : 0;
    for (size_t limit = asked ? asked : MOST_TOKENS;; limit /= 2) {
        size_t count = limit / mean ? limit / mean : 1;
        count = count < GLIM_PASS_SAMPLES ? count : GLIM_PASS_SAMPLES;
        size_t labels = count * one->labels < limit ? count * one->labels : limit;
        struct size z = {.rows = larger(limit, one->rows),
                         .read = one->read ? larger(limit, one->read) : 0,
                         .labels = larger(labels, one->labels),
                         .longest = one->longest,
                         .count = count};
        uint64_t kept, bytes = batch_bytes(m, &z, &every_weight, back, back, &kept);
        if (limit <= FEW_TOKENS || asked || (kept <= KEPT_AT_MOST && bytes + kept <= TAKEN_AT_MOST))
            return bytes + (kept < KEPT_AT_MOST ? kept : KEPT_AT_MOST);
    }
}

glim_status glim__pass_measure(const glim_model *model, glim_samples *samples,
                               const glim_pass_options *options, bool back, glim_pass_size *out,
                               glim_error *err) {
    size_t N = glim__samples_count(samples), seen = N < LOOKED_AT ? N : LOOKED_AT;
    struct size one = {.count = 1};
    *out = (glim_pass_size){.counted = seen == N};
    glim_status status = look(model, samples, seen, &one, out, err);
    if (status)
        return status;
    uint64_t kept, tables = GLIM_PASS_SAMPLES * (uint64_t)out->longest * 12 + (1 << 18);
    out->bytes = batch_bytes(model, &one, &every_weight, back, back, &kept) + tables;
    out->wanted = full_bytes(model, options, &one, (size_t)(out->tokens / seen) + 1, back) + tables;
    out->wanted = out->wanted > out->bytes ? out->wanted : out->bytes;
    if (seen < N) {
        out->tokens = (uint64_t)((double)out->tokens * (double)N / (double)seen);
        out->cut = (size_t)((double)out->cut * (double)N / (double)seen);
        out->silent = (size_t)((double)out->silent * (double)N / (double)seen);
    }
    return GLIM_OK;
}

uint64_t glim__pass_plan(const glim_model *model, glim_samples *samples,
                         const glim_pass_options *options) {
    glim_pass_size size;
    bool back = options && options->chosen;
    return glim__pass_measure(model, samples, options, back, &size, NULL) ? UINT64_MAX : size.bytes;
}

/* ---- which weights ---- */

static glim_status none_fits(const glim_weight *all, size_t n, const char *pattern,
                             glim_error *err) {
    char list[280] = "";
    size_t at = 0;
    for (size_t i = 0; i < n && at + 40 < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%.38s", i ? ", " : "", all[i].name);
    return glim_fail(err, GLIM_EUSAGE, "no weight is called '%.60s' (there are %s%s)", pattern,
                     list, at + 40 < sizeof list ? "" : ", ...");
}

glim_status glim__weights_choose(const glim_model *model, const char *patterns, uint8_t *chosen,
                                 glim_error *err) {
    size_t n;
    const glim_weight *all = glim_model_weights(model, &n);
    const char *at = !patterns                  ? "*mlp.W_in,*mlp.W_gate,*mlp.W_out"
                     : !strcmp(patterns, "all") ? "*blocks.*"
                                                : patterns;
    bool any = false;
    memset(chosen, 0, n);
    while (*at) {
        char one[200];
        size_t len = strcspn(at, ","), fits = 0;
        snprintf(one, sizeof one, "%.*s", (int)len, at);
        for (size_t i = 0; i < n; i++)
            if (glim__site_match(one, all[i].name)) {
                chosen[i] = 1;
                fits++;
            }
        any = any || fits;
        if (!fits && patterns) /* not every model has a gate */
            return none_fits(all, n, one, err);
        at += len + (at[len] == ',');
    }
    return any ? GLIM_OK : none_fits(all, n, patterns ? patterns : "*mlp.W_in", err);
}
