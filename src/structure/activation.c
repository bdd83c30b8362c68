/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activations by a hook: on the way there it reads rows, on the way back it adds what they
 * weigh to their gradient, so that a site is a target as a logit is. The model is cut behind
 * the block of the site; of outputs the head has the one row that is asked for. Rejected: an
 * objective on the logits with a hook that throws them away; the blocks above would be run.
 */
#include "structure/activation.h"
#include "predict/lm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_ROWS = 1024, MOST_SEQUENCES = 128 };
static const uint64_t TAKEN_AT_MOST = (uint64_t)384 << 20;

/* ---- a run ---- */

static void read_row(const glim_activation *a, const float *x, float *out) {
    double sum = 0;
    x += a->offset;
    switch (a->kind) {
    case GLIM_ACTIVATION_NEURON:
        for (size_t u = 0; u < a->n; u++)
            out[u] = x[a->indices[u]];
        return;
    case GLIM_ACTIVATION_HEAD:
        for (size_t c = 0; c < a->width; c++)
            sum += (double)x[c] * x[c];
        *out = (float)sqrt(sum);
        return;
    default:
        for (size_t c = 0; c < a->width; c++)
            sum += (double)x[c] * a->direction[c];
        *out = (float)sum;
    }
}

static void weigh_row(const glim_activation *a, size_t row, float *d) {
    double weight = a->weights[row], length = 0;
    const float *x = a->vectors ? a->vectors + row * a->width : NULL;
    d += a->offset;
    switch (a->kind) {
    case GLIM_ACTIVATION_NEURON:
        d[a->indices[a->unit]] += (float)weight;
        return;
    case GLIM_ACTIVATION_HEAD:
        for (size_t c = 0; c < a->width && x; c++)
            length += (double)x[c] * x[c];
        for (size_t c = 0; c < a->width && length > 0; c++)
            d[c] += (float)(weight * x[c] / sqrt(length));
        return;
    default:
        for (size_t c = 0; c < a->width; c++)
            d[c] += (float)(weight * a->direction[c]);
    }
}

static glim_status visit(void *data, const glim_site *site, glim_error *err) {
    glim_activation *a = data;
    size_t first = a->row_at ? a->row_at[site->sequence] : 0, cols = 1;
    for (int i = 1; i < site->n_dims; i++)
        cols *= site->dims[i];
    a->seen = true;
    if (!a->row_at) { /* the first look */
        a->cols = cols;
        a->width = site->n_dims == 3 ? site->dims[2] : 0;
        return GLIM_OK;
    }
    for (size_t r = 0; r < site->dims[0] && a->out && !site->gradient; r++) {
        read_row(a, site->data + r * cols, a->out + (first + r) * a->n);
        if (a->vectors)
            memcpy(a->vectors + (first + r) * a->width, site->data + r * cols + a->offset,
                   a->width * sizeof(float));
    }
    for (size_t r = 0; r < site->dims[0] && a->weights && site->gradient; r++)
        if (a->weights[first + r] != 0)
            weigh_row(a, first + r, site->data + r * cols);
    return GLIM_OK;
}

static glim_hook hook_of(const glim_activation *a, bool keep) {
    return (glim_hook){.pattern = a->site,
                       .actions = GLIM_HOOK_READ | (keep ? GLIM_HOOK_GRAD : 0),
                       .visit = visit,
                       .data = (void *)a};
}

static bool has_logits(const glim_activation *a) {
    return a->kind == GLIM_ACTIVATION_OUTPUT || a->likely;
}

static void take_logits(const glim_activation *a, size_t n, float *out) {
    for (size_t i = 0; i < n; i++)
        for (size_t r = a->row_at[i]; r < a->row_at[i + 1]; r++)
            out[r] = glim_session_logits(a->s, i, r - a->row_at[i])[a->output];
}

/* What a run needs beside its values. */
struct run {
    glim_sequence *q;
    size_t *row_at;
    uint32_t *every;
};

static void release_run(glim_activation *a, struct run *r) {
    glim__free(a->ctx, r->q);
    glim__free(a->ctx, r->row_at);
    glim__free(a->ctx, r->every);
    a->row_at = NULL;
    a->out = NULL;
}

static glim_status lay_out(glim_activation *a, const glim_sequence *x, size_t n, struct run *r,
                           glim_error *err) {
    size_t longest = 1;
    bool reads = a->m->encoder != NULL;
    for (size_t i = 0; i < n; i++)
        longest = x[i].count > longest ? x[i].count : longest;
    *r = (struct run){.q = glim__calloc(a->ctx, 2 * n, sizeof *r->q),
                      .row_at = glim__calloc(a->ctx, n + 1, sizeof *r->row_at),
                      .every = glim__calloc(a->ctx, longest, sizeof *r->every)};
    if (!r->q || !r->row_at || !r->every)
        return glim__oom(a->ctx, err, "a batch of texts", n * 2 * sizeof *r->q);
    for (size_t k = 0; k < longest; k++)
        r->every[k] = (uint32_t)k;
    for (size_t i = 0; i < n; i++) {
        r->row_at[i + 1] = r->row_at[i] + (a->whole_text ? 1 : x[i].count);
        r->q[i] = x[i];
        if (reads) {
            r->q[n + i] = x[i];
            r->q[i] = (glim_sequence){.ids = &a->m->start, .count = 1};
        }
        r->q[i].wanted = r->every;
        r->q[i].n_wanted = !has_logits(a) ? 0 : a->whole_text || reads ? 1 : x[i].count;
    }
    return GLIM_OK;
}

static glim_status run(glim_activation *a, const glim_sequence *x, size_t n, bool append, bool keep,
                       float *out, struct run *r, glim_error *err) {
    glim_status status = lay_out(a, x, n, r, err);
    if (status)
        return status;
    a->hook = hook_of(a, keep);
    a->row_at = r->row_at;
    a->out = out;
    a->weights = NULL;
    glim_batch b = {.sequences = r->q,
                    .count = n,
                    .hooks = &a->hook,
                    .n_hooks = *a->site ? 1 : 0,
                    .append = append,
                    .keep = keep};
    if (a->m->encoder) {
        b.sources = r->q + n;
        b.n_sources = n;
    }
    status = glim_session_forward(a->s, &b, err);
    if (!status && a->kind == GLIM_ACTIVATION_OUTPUT)
        take_logits(a, n, out);
    return status;
}

glim_status glim__activation_run(glim_activation *a, const glim_sequence *x, size_t n, bool append,
                                 float *out, glim_error *err) {
    struct run r;
    float *vectors = a->vectors;
    a->vectors = NULL;
    glim_status status = run(a, x, n, append, false, out, &r, err);
    release_run(a, &r);
    a->vectors = vectors;
    return status;
}

glim_status glim__activation_run_kept(glim_activation *a, const glim_sequence *q, float *out,
                                      glim_error *err) {
    struct run r;
    glim__free(a->ctx, a->vectors);
    a->vectors = NULL;
    if (a->kind == GLIM_ACTIVATION_HEAD) {
        a->vectors = glim__alloc(a->ctx, q->count * a->width * sizeof *a->vectors);
        if (!a->vectors)
            return glim__oom(a->ctx, err, "a head", q->count * a->width * sizeof *a->vectors);
    }
    glim_status status = run(a, q, 1, false, true, out, &r, err);
    a->kept_rows = a->whole_text ? 1 : q->count;
    release_run(a, &r);
    return status;
}

/* A seed for each row that weighs, behind those that are given. */
static size_t add_seeds(const glim_activation *a, size_t rows, float *weights, glim_seed *all,
                        size_t n) {
    for (size_t r = 0; r < rows; r++) {
        weights[r] = (float)a->weights[r];
        if (a->weights[r] != 0)
            all[n++] = (glim_seed){.wanted = r, .ids = &a->output, .weights = &weights[r], .n = 1};
    }
    return n;
}

glim_status glim__activation_gradient(glim_activation *a, size_t unit, const double *weights,
                                      const glim_seed *seeds, size_t n, float *d, glim_error *err) {
    bool output = a->kind == GLIM_ACTIVATION_OUTPUT;
    size_t rows = a->kept_rows, row_at[2] = {0, rows};
    glim_seed *all = glim__calloc(a->ctx, n + rows, sizeof *all);
    float *own = glim__calloc(a->ctx, rows, sizeof *own);
    glim_status status =
        all && own ? GLIM_OK : glim__oom(a->ctx, err, "the seeds", (n + rows) * sizeof *all);
    a->weights = weights;
    a->unit = unit;
    a->row_at = row_at;
    a->seen = false;
    if (!status && n)
        memcpy(all, seeds, n * sizeof *all);
    if (!status && output)
        n = add_seeds(a, rows, own, all, n);
    if (!status)
        status = glim_session_backward(a->s, all, n, d, err);
    a->weights = NULL;
    a->row_at = NULL;
    glim__free(a->ctx, all);
    glim__free(a->ctx, own);
    if (!status && !output && !a->seen)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%s' has no gradient to search by (take the value before it, or give "
                         "texts: --data FILE)",
                         a->site);
    return status;
}

/* ---- how large ---- */

uint64_t glim__activation_plan(const glim_activation *a, size_t rows, size_t sequences,
                               size_t longest, bool keep) {
    const glim_model *m = glim__activation_model(a);
    glim_hook hook = hook_of(a, keep);
    size_t wanted = !has_logits(a) ? 0 : a->whole_text ? sequences : m->encoder ? sequences : rows;
    size_t own = m->encoder ? sequences : rows;
    uint64_t each = 0, bytes = glim_session_plan(m, own, sequences, longest, wanted, keep, &each);
    bytes += glim_session_plan_hooks(m, &hook, *a->site ? 1 : 0, own, longest, keep, NULL);
    return bytes + sequences * 2 * sizeof(glim_sequence) + rows * a->n * sizeof(float) +
           (keep ? 2 * rows * (uint64_t)m->hyper.C * 4 : 0) + 4096;
}

size_t glim__activation_take(const glim_activation *a, const glim_sequence *x, size_t n) {
    uint64_t left = glim__budget_left(a->ctx) / 2;
    uint64_t room = left < TAKEN_AT_MOST ? left : TAKEN_AT_MOST;
    for (size_t limit = MOST_ROWS;; limit /= 2) {
        size_t k = 0, rows = 0, longest = 0;
        for (; k < n && k < MOST_SEQUENCES && (!k || rows + x[k].count <= limit); k++) {
            size_t whole = x[k].prefix + x[k].count;
            rows += x[k].count;
            longest = whole > longest ? whole : longest;
        }
        if (k <= 1 || glim__activation_plan(a, rows, k, longest, false) <= room)
            return k;
    }
}

/* ---- opening ---- */

static glim_status find_class(const glim_model *m, const char *name, int32_t *id, glim_error *err) {
    const glim_model_info *info = glim_model_facts(m);
    char list[240] = "", number[24];
    size_t at = 0;
    for (int i = 0; i < info->outputs; i++) {
        snprintf(number, sizeof number, "%d", i);
        const char *label = info->labels ? info->labels[i] : number;
        if (!strcmp(label, name) || !strcmp(number, name)) {
            *id = i;
            return GLIM_OK;
        }
        if (at + 44 < sizeof list)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%.40s", i ? ", " : "", label);
    }
    return glim_fail(err, GLIM_EUSAGE, "there is no class '%.60s' (there are %s)", name, list);
}

static glim_status open_output(glim_activation *a, const glim_maximize_options *o,
                               glim_error *err) {
    glim_task task = glim_model_facts(a->m)->task;
    bool words =
        task == GLIM_TASK_GENERATE || task == GLIM_TASK_FILL || task == GLIM_TASK_TRANSLATE;
    int32_t id = 0;
    if (o->site || o->n_indices || o->direction || o->head >= 0)
        return glim_fail(err, GLIM_EUSAGE,
                         "--target names an output: it has no --site, --index, "
                         "--head or --direction");
    if (task == GLIM_TASK_EMBED)
        return glim_fail(err, GLIM_EUSAGE,
                         "this model embeds texts and has no outputs with a name "
                         "(take a --site; glim info --sites lists them)");
    glim_status status =
        words ? glim_model_token(a->m, o->target, &id, err) : find_class(a->m, o->target, &id, err);
    a->kind = GLIM_ACTIVATION_OUTPUT;
    a->n = 1;
    a->layer = -1;
    a->whole_text = task == GLIM_TASK_CLASSIFY || task == GLIM_TASK_TRANSLATE;
    snprintf(a->label, sizeof a->label, "%.60s", o->target);
    a->output = words && !a->likely ? 0 : id;
    if (!status && words && !a->likely)
        status = glim__model_part(&a->part, a->m, a->m->hyper.L, &id, 1, err);
    return status;
}

static glim_status no_site(const glim_model *m, const char *site, glim_error *err) {
    return glim_fail(err, GLIM_EUSAGE,
                     "this model has no site '%.80s' (glim info --sites lists them: "
                     "blocks.%d.mlp.hook_post)",
                     site, m->hyper.L / 2);
}

static bool ends_in(const char *name, const char *end) {
    size_t n = strlen(name), k = strlen(end);
    return n >= k && !strcmp(name + n - k, end);
}

static glim_status find_site(glim_activation *a, const char *site, glim_error *err) {
    static const char *const behind[] = {"ln_final.", "hook_logits", "readout.", "hook_embedding"};
    static const char *const of_rows[] = {"hook_pattern", "hook_attn_scores", "hook_result"};
    size_t n;
    const char *const *all = glim_model_sites(a->m, &n);
    bool known = false;
    for (size_t i = 0; i < n && !known; i++)
        known = !strcmp(all[i], site);
    if (!known || strlen(site) >= sizeof a->site)
        return no_site(a->m, site, err);
    for (size_t i = 0; i < 4; i++)
        if (strstr(site, behind[i]))
            return glim_fail(err, GLIM_EUSAGE,
                             "'%s' is behind the last block (an output: --target; the last "
                             "block's own: a hook_resid_post)",
                             site);
    for (size_t i = 0; i < 3; i++)
        if (ends_in(site, of_rows[i]))
            return glim_fail(err, GLIM_EUSAGE,
                             "'%s' is no vector of a token (of a head take attn.hook_z)", site);
    strcpy(a->site, site);
    const char *block = strstr(site, "blocks.");
    a->layer = -1;
    if (block && sscanf(block, "blocks.%9d.", &a->layer) != 1)
        return no_site(a->m, site, err);
    a->whole_text = a->m->encoder && strncmp(site, "encoder.", 8) != 0;
    return GLIM_OK;
}

/* One token, to see what a row is like. */
static glim_status look(glim_activation *a, glim_error *err) {
    const glim_model *m = glim__activation_model(a);
    int32_t id = 0;
    glim_session *s = NULL;
    glim_hook hook = hook_of(a, false);
    glim_sequence q = {.ids = &id, .count = 1}, w = {.ids = &a->m->start, .count = 1};
    glim_batch b = {.sequences = m->encoder ? &w : &q,
                    .count = 1,
                    .hooks = &hook,
                    .n_hooks = 1,
                    .sources = m->encoder ? &q : NULL,
                    .n_sources = m->encoder ? 1 : 0};
    glim_status status = glim_session_new(&s, m, 0, err);
    if (!status)
        status = glim_session_forward(s, &b, err);
    glim_session_free(s);
    if (!status && !a->seen)
        return glim_fail(err, GLIM_EUSAGE, "'%s' shows no values", a->site);
    return status;
}

/* What of a row counts. */
static glim_status choose(glim_activation *a, const glim_maximize_options *o, glim_error *err) {
    size_t heads = a->width ? a->cols / a->width : 0;
    if (o->head >= 0 && !heads)
        return glim_fail(err, GLIM_EUSAGE, "'%s' has no heads (attn.hook_z has)", a->site);
    if (o->head >= 0 && (size_t)o->head >= heads)
        return glim_fail(err, GLIM_EUSAGE, "'%s' has heads 0 to %zu, not %d", a->site, heads - 1,
                         o->head);
    a->offset = o->head >= 0 ? (size_t)o->head * a->width : 0;
    a->width = o->head >= 0 ? a->width : a->cols;
    if (o->direction && o->n_indices)
        return glim_fail(err, GLIM_EUSAGE, "give either --index or --direction");
    if (o->n_indices > GLIM_MAXIMIZE_UNITS)
        return glim_fail(err, GLIM_EUSAGE, "%zu units; at most %d at once", o->n_indices,
                         GLIM_MAXIMIZE_UNITS);
    for (size_t i = 0; i < o->n_indices; i++)
        if (o->indices[i] >= a->width)
            return glim_fail(err, GLIM_EUSAGE, "'%s' has indices 0 to %zu, not %zu", a->site,
                             a->width - 1, o->indices[i]);
    a->indices = o->indices;
    a->n = o->n_indices ? o->n_indices : 1;
    a->kind = o->n_indices   ? GLIM_ACTIVATION_NEURON
              : o->direction ? GLIM_ACTIVATION_DIRECTION
                             : GLIM_ACTIVATION_HEAD;
    if (a->kind == GLIM_ACTIVATION_HEAD && o->head < 0)
        return glim_fail(err, GLIM_EUSAGE, "what of '%s'? (--index 0 to %zu, a --direction FILE%s)",
                         a->site, a->cols - 1, heads ? ", or a --head" : "");
    const char *slash = o->direction ? strrchr(o->direction, '/') : NULL;
    snprintf(a->label, sizeof a->label, "%.60s",
             slash          ? slash + 1
             : o->direction ? o->direction
                            : "");
    return o->direction
               ? glim__direction_read(&a->direction, a->ctx, o->direction, a->layer, a->width, err)
               : GLIM_OK;
}

static glim_status open_site(glim_activation *a, const glim_maximize_options *o, glim_error *err) {
    if (!o->site)
        return glim_fail(err, GLIM_EUSAGE,
                         "say what is to be activated: a --site with --index, --head or "
                         "--direction, or an output's --target");
    glim_status status = find_site(a, o->site, err);
    if (!status && !a->likely && !a->m->encoder)
        status = glim__model_part(&a->part, a->m, a->layer < 0 ? 1 : a->layer + 1, NULL, 0, err);
    if (!status)
        status = look(a, err);
    return status ? status : choose(a, o, err);
}

glim_status glim__activation_open(glim_activation *a, const glim_model *m,
                                  const glim_maximize_options *o, size_t positions, bool likely,
                                  glim_error *err) {
    *a = (glim_activation){.ctx = m->ctx, .m = m, .likely = likely};
    glim_status status = o->target ? open_output(a, o, err) : open_site(a, o, err);
    if (!status)
        status = glim_session_new(&a->s, glim__activation_model(a), positions, err);
    if (status)
        glim__activation_close(a);
    return status;
}

void glim__activation_close(glim_activation *a) {
    if (!a->ctx)
        return;
    glim_session_free(a->s);
    glim__free(a->ctx, a->direction);
    glim__free(a->ctx, a->vectors);
    glim_model_close(a->part);
    *a = (glim_activation){0};
}

void glim__activation_name(const glim_activation *a, size_t unit, char *out, size_t n) {
    char head[24] = "";
    if (a->offset || (a->width && a->width < a->cols))
        snprintf(head, sizeof head, ".%zu", a->offset / a->width);
    if (a->kind == GLIM_ACTIVATION_NEURON)
        snprintf(out, n, "%s%s[%zu]", a->site, head, a->indices[unit]);
    else if (a->kind == GLIM_ACTIVATION_HEAD)
        snprintf(out, n, "%s%s", a->site, head);
    else if (a->kind == GLIM_ACTIVATION_DIRECTION)
        snprintf(out, n, "%s%s along %s", a->site, head, a->label);
    else
        snprintf(out, n, "logit of %s", a->label);
}

/* ---- a text's value ---- */

glim_status glim__text_pool_find(glim_text_pool *out, const char *name, glim_error *err) {
    static const char *const names[] = {"max", "last", "mean"};
    *out = GLIM_TEXT_MAX;
    for (int i = 0; i < 3 && name; i++)
        if (!strcmp(name, names[i])) {
            *out = (glim_text_pool)i;
            return GLIM_OK;
        }
    return name ? glim_fail(err, GLIM_EUSAGE, "the pool '%.40s' is none of max, last, mean", name)
                : GLIM_OK;
}

double glim__text_value(const float *values, size_t stride, const uint8_t *is_free, size_t rows,
                        glim_text_pool pool, size_t *at) {
    double best = NAN, sum = 0, n = 0, last = NAN;
    *at = SIZE_MAX;
    for (size_t r = 0; r < rows; r++) {
        if (is_free && !is_free[r])
            continue;
        last = values[r * stride];
        sum += last;
        n++;
        if (!(last <= best)) {
            best = last;
            *at = r;
        }
    }
    return pool == GLIM_TEXT_MAX ? best : pool == GLIM_TEXT_LAST ? last : n > 0 ? sum / n : NAN;
}

void glim__text_slope(const float *values, size_t stride, const uint8_t *is_free, size_t rows,
                      glim_text_pool pool, double *out) {
    size_t at, n = 0, last = SIZE_MAX;
    glim__text_value(values, stride, is_free, rows, pool, &at);
    for (size_t r = 0; r < rows; r++) {
        out[r] = 0;
        if (is_free && !is_free[r])
            continue;
        last = r;
        n++;
    }
    for (size_t r = 0; r < rows; r++)
        if (pool == GLIM_TEXT_MEAN && (!is_free || is_free[r]))
            out[r] = 1 / (double)n;
    if (pool == GLIM_TEXT_MAX && at < SIZE_MAX)
        out[at] = 1;
    if (pool == GLIM_TEXT_LAST && last < SIZE_MAX)
        out[last] = 1;
}
