/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns as they stream by, head after head, and what is kept of each: a line of
 * numbers, its part in the matrix that is shown, the attention that every column draws,
 * and for alignment the layer's small matrix. Rows are handed to threads and summed in
 * their order afterwards, so that the numbers do not depend on how many there are.
 */
#include "explain/attention-look.h"
#include "file/safetensors.h"
#include "model/model.h"
#include "tensor/dequantise.h"

#include <math.h>
#include <string.h>

enum { ROWS = 32, COLUMNS = 512, NEAR = 8, LANES = 8 };

struct glim_row_stats {
    double sum, entropy, distance, previous, first, self, induction, strongest;
    size_t followed; /* earlier places of the same token */
};

struct one_head {
    glim_look *look;
    const float *a; /* (T, S) */
    int layer;
};

/* ---- numbers of a row ---- */

static bool square(const glim_look *look) {
    return look->side != GLIM_SIDE_CROSS;
}

/* ln(x) of a normal x > 0, and something finite of 0: Cephes' logf without its branches, so
   that the compiler takes many at once. */
static inline float log_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t shift = (int32_t)(bits - 0x3f3504f3u) >> 23; /* x = 2^shift m, m from sqrt(1/2) */
    bits -= (uint32_t)shift << 23;
    float m, e = (float)shift;
    memcpy(&m, &bits, sizeof m);
    float r = m - 1, z = r * r, y = 7.0376836292e-2f;
    y = y * r - 1.1514610310e-1f;
    y = y * r + 1.1676998740e-1f;
    y = y * r - 1.2420140846e-1f;
    y = y * r + 1.4249322787e-1f;
    y = y * r - 1.6668057665e-1f;
    y = y * r + 2.0000714765e-1f;
    y = y * r - 2.4999993993e-1f;
    y = y * r + 3.3333331174e-1f;
    return e * 0.693359375f + (r + (y * r * z - 2.12194440e-4f * e - 0.5f * z));
}

/* Sums over a piece of a row, in LANES chains. */
struct lanes {
    double sum[LANES], at[LANES];
    float entropy[LANES], top[LANES];
};

static void take_lanes(struct lanes *l, const float *a, const float *open, size_t from) {
    for (int k = 0; k < LANES; k++) {
        float x = a[k], seen = x * open[k];
        l->sum[k] += (double)x;
        l->at[k] += (double)x * (double)((int32_t)from + k);
        l->entropy[k] -= x * log_of(x);
        l->top[k] = seen > l->top[k] ? seen : l->top[k];
    }
}

/* What columns from .. to, all on one side of `at`, add to a row. */
static void add_piece(const glim_look *look, const float *a, size_t from, size_t to, double at,
                      struct glim_row_stats *out) {
    struct lanes l = {0};
    float rest[2][LANES] = {{0}};
    size_t s = from;
    for (; s + LANES <= to; s += LANES)
        take_lanes(&l, a + s, look->open + s, s);
    if (s < to) {
        memcpy(rest[0], a + s, (to - s) * sizeof *a);
        memcpy(rest[1], look->open + s, (to - s) * sizeof *a);
        take_lanes(&l, rest[0], rest[1], s);
    }
    double sum = 0, where = 0;
    for (int k = 0; k < LANES; k++) {
        sum += l.sum[k];
        where += l.at[k];
        out->entropy += (double)l.entropy[k];
        out->strongest = l.top[k] > out->strongest ? (double)l.top[k] : out->strongest;
    }
    out->sum += sum;
    out->distance += fabs(at * sum - where);
}

/* Itself and, looking at itself, the first are no links: they stand between the pieces. */
static void row_stats(const glim_look *look, const float *a, size_t t, struct glim_row_stats *out) {
    size_t end = look->causal ? t + 1 : look->S;
    *out = (struct glim_row_stats){.strongest = 0};
    out->first = (double)a[0];
    if (!square(look)) {
        add_piece(look, a, 0, end, 0, out);
        return;
    }
    add_piece(look, a, 0, t, (double)t, out);
    add_piece(look, a, t + 1, end, (double)t, out);
    out->previous = t ? (double)a[t - 1] : 0;
    out->self = (double)a[t];
    out->sum += out->self;
    out->entropy -= out->self > 0 ? out->self * log(out->self) : 0;
    for (int32_t s = look->same[t]; s >= 0; s = look->same[s]) {
        out->induction += (double)a[s + 1];
        out->followed++;
    }
}

/* The first column that has the row's strongest link. */
static size_t column_of_link(const glim_look *look, const float *a, size_t t, double strongest) {
    size_t s = 0;
    while ((double)(a[s] * look->open[s]) < strongest || (square(look) && s == t))
        s++;
    return s;
}

static void stats_item(void *data, size_t item, int worker) {
    const struct one_head *h = data;
    glim_look *look = h->look;
    for (size_t t = item * ROWS; t < (item + 1) * ROWS && t < look->T; t++)
        row_stats(look, h->a + t * look->S, t, &look->row_stats[t]);
}

/* Means over rows; a row of its own, the first of all, has no token before. */
static void head_stats(glim_look *look, const float *a, int layer, int head) {
    struct glim_row_stats sum = {.strongest = 0};
    size_t at = 0;
    for (size_t t = 0; t < look->T; t++) {
        const struct glim_row_stats *r = &look->row_stats[t];
        sum.entropy += r->entropy;
        sum.distance += r->distance;
        sum.previous += r->previous;
        sum.first += r->first;
        sum.self += r->self;
        sum.induction += r->induction;
        sum.followed += r->followed;
        look->worst_sum = fmax(look->worst_sum, fabs(r->sum - 1));
        if (look->row_of[t] >= 0 && r->strongest > sum.strongest) {
            sum.strongest = r->strongest;
            at = t;
        }
    }
    double T = (double)look->T;
    bool is_square = square(look), linked = sum.strongest > 0;
    size_t column = linked ? column_of_link(look, a + at * look->S, at, sum.strongest) : 0;
    look->stats[look->n_stats++] =
        (glim_document_head){.layer = layer,
                             .head = head,
                             .entropy = sum.entropy / T,
                             .distance = is_square ? sum.distance / T : NAN,
                             .previous = is_square && look->T > 1 ? sum.previous / (T - 1) : NAN,
                             .first = sum.first / T,
                             .self = is_square ? sum.self / T : NAN,
                             .induction = sum.followed ? sum.induction / (double)sum.followed : NAN,
                             .strongest = linked ? sum.strongest : NAN,
                             .strongest_row = linked ? (size_t)look->row_of[at] : 0,
                             .strongest_unit = linked ? (size_t)look->column_of[column] : 0};
}

/* ---- matrices ---- */

/* Mean over a row's tokens. */
static void shown_item(void *data, size_t row, int worker) {
    const struct one_head *h = data;
    glim_look *look = h->look;
    const glim_unit *u = &look->rows.at[row];
    double *out = look->shown + row * look->S, part = 1 / (double)u->count;
    for (size_t t = u->first; t < u->first + u->count; t++)
        for (size_t s = 0; s < (look->causal ? t + 1 : look->S); s++)
            out[s] += part * (double)h->a[t * look->S + s];
}

/* What columns draw from rows that are not near: the neighbourhood is no sink. */
static void received_item(void *data, size_t item, int worker) {
    const struct one_head *h = data;
    glim_look *look = h->look;
    size_t from = item * COLUMNS, to = from + COLUMNS < look->S ? from + COLUMNS : look->S;
    for (size_t t = 0; t < look->T; t++) {
        const float *row = h->a + t * look->S;
        size_t near = t > NEAR ? t - NEAR : 0, past = t + NEAR + 1;
        size_t before = square(look) ? (near < to ? near : to) : to;
        for (size_t s = from; s < before; s++)
            look->received[s] += row[s];
        for (size_t s = past > from ? past : from; s < to && square(look) && !look->causal; s++)
            look->received[s] += row[s];
    }
}

/* Rows are means, columns sums over the tokens of a word (Clark et al. 2019). */
static void layer_item(void *data, size_t row, int worker) {
    const struct one_head *h = data;
    glim_look *look = h->look;
    const glim_unit *r = &look->rows.at[row];
    size_t U = look->columns.count;
    double *out = look->layers + ((size_t)h->layer * look->rows.count + row) * U;
    for (size_t t = r->first; t < r->first + r->count; t++)
        for (size_t u = 0; u < U; u++) {
            const glim_unit *c = &look->columns.at[u];
            for (size_t s = c->first; s < c->first + c->count; s++)
                out[u] += (double)h->a[t * look->S + s] / (double)r->count;
        }
}

static int raw_layers(const glim_look *look) {
    return look->o->raw_layers ? look->o->raw_layers : look->L - look->o->raw_layer;
}

static glim_status put_raw(glim_look *look, const float *pattern, glim_error *err) {
    size_t S = look->S;
    glim_status status = GLIM_OK;
    if (!look->o->half)
        return glim__outfile_write(&look->raw, pattern, look->T * S * sizeof *pattern, err);
    for (size_t t = 0; t < look->T && !status; t++) {
        for (size_t s = 0; s < S; s++)
            look->raw_row[s] = glim__float_to_half(pattern[t * S + s]);
        status = glim__outfile_write(&look->raw, look->raw_row, S * sizeof *look->raw_row, err);
    }
    return status;
}

glim_status glim__look_head(glim_look *look, int layer, int head, const float *pattern,
                            glim_error *err) {
    const glim_attention_options *o = look->o;
    struct one_head h = {look, pattern, layer};
    bool mine = o->head < 0 || o->head == head;
    glim_status status = glim__check_cancel(look->ctx, err);
    if (status)
        return status;
    glim__parallel(look->ctx, (look->T + ROWS - 1) / ROWS, stats_item, &h);
    head_stats(look, pattern, layer, head);
    glim__keep_head(&look->keep, &look->stats[look->n_stats - 1], pattern);
    if (look->layers && mine)
        glim__parallel(look->ctx, look->rows.count, layer_item, &h);
    if (!look->layers && mine && (o->layer < 0 || o->layer == layer)) {
        glim__parallel(look->ctx, look->rows.count, shown_item, &h);
        glim__parallel(look->ctx, (look->S + COLUMNS - 1) / COLUMNS, received_item, &h);
        look->heads_shown++;
    }
    if (o->raw && layer >= o->raw_layer && layer < o->raw_layer + raw_layers(look))
        status = put_raw(look, pattern, err);
    glim__progress_add(look->ctx, 1);
    return status;
}

/* ---- room ---- */

uint64_t glim__look_bytes(const glim_look *look) {
    uint64_t R = look->rows.count, U = look->columns.count, T = look->T, S = look->S;
    uint64_t matrices = look->o->align ? (uint64_t)look->L * R * U : R * S;
    return 8 * (matrices + 3 * R * U + 3 * S) + T * (sizeof(struct glim_row_stats) + 12) + 8 * S +
           (uint64_t)look->L * (uint64_t)look->H * 2 * sizeof(glim_document_head) +
           glim__keep_bytes(look->o->heads, look->L, look->H, T, S);
}

static void map_units(int32_t *out, size_t n, const glim_units *units) {
    for (size_t i = 0; i < n; i++)
        out[i] = -1;
    for (size_t u = 0; u < units->count; u++)
        for (size_t i = 0; i < units->at[u].count; i++)
            out[units->at[u].first + i] = (int32_t)u;
}

/* The last earlier place of each token. */
static void find_same(glim_look *look) {
    const int32_t *ids = look->side == GLIM_SIDE_DECODER ? look->written : look->ids;
    for (size_t t = 0; t < look->T; t++) {
        int64_t s = (int64_t)t - 1;
        while (s >= 0 && ids[s] != ids[t])
            s--;
        look->same[t] = (int32_t)s;
    }
}

glim_status glim__look_room(glim_look *look, glim_error *err) {
    glim_context *ctx = look->ctx;
    size_t R = look->rows.count, U = look->columns.count, T = look->T, S = look->S;
    size_t heads = (size_t)look->L * (size_t)look->H;
    look->row_stats = glim__calloc(ctx, T + 1, sizeof *look->row_stats);
    look->same = glim__calloc(ctx, T + 1, sizeof *look->same);
    look->row_of = glim__calloc(ctx, T + 1, sizeof *look->row_of);
    look->column_of = glim__calloc(ctx, S + 1, sizeof *look->column_of);
    look->open = glim__calloc(ctx, S + 1, sizeof *look->open);
    look->stats = glim__calloc(ctx, heads + 1, sizeof *look->stats);
    look->received = glim__calloc(ctx, S + 1, sizeof *look->received);
    look->raw_row = glim__calloc(ctx, S + 1, sizeof *look->raw_row);
    look->shown = look->o->align ? NULL : glim__calloc(ctx, R * S + 1, sizeof *look->shown);
    look->layers = look->o->align
                       ? glim__calloc(ctx, (size_t)look->L * R * U + 1, sizeof *look->layers)
                       : NULL;
    if (!look->row_stats || !look->same || !look->row_of || !look->column_of || !look->open ||
        !look->stats || !look->received || !look->raw_row || (!look->shown && !look->layers))
        return glim__oom(ctx, err, "what is kept of the attention", glim__look_bytes(look));
    map_units(look->row_of, T, &look->rows);
    map_units(look->column_of, S, &look->columns);
    for (size_t s = square(look); s < S; s++)
        look->open[s] = look->column_of[s] >= 0;
    if (square(look))
        find_same(look);
    const uint64_t dims[] = {(uint64_t)raw_layers(look), (uint64_t)look->H, T, S};
    glim_status status = glim__keep_init(&look->keep, ctx, look->o->heads, look->L, look->H, T, S,
                                         look->causal, err);
    if (!status && look->o->raw)
        status = glim__npy_begin(&look->raw, look->o->raw, look->o->half, 4, dims, err);
    return status;
}

/* ---- running ---- */

static glim_status visit(void *data, const glim_site *site, glim_error *err) {
    glim_look *look = data;
    if (site->heads != look->H || site->dims[0] != look->T || site->dims[1] != look->S ||
        site->layer < 0 || site->layer >= look->L)
        return glim_fail(err, GLIM_EINTERNAL, "the pattern '%s' has an unexpected shape",
                         site->name);
    return glim__look_head(look, site->layer, site->head, site->data, err);
}

glim_hook glim__look_hook(glim_look *look) {
    static const char *const sites[] = {[GLIM_SIDE_SELF] = "blocks.*.attn.hook_pattern",
                                        [GLIM_SIDE_ENCODER] = "encoder.blocks.*.attn.hook_pattern",
                                        [GLIM_SIDE_DECODER] = "decoder.blocks.*.attn.hook_pattern",
                                        [GLIM_SIDE_CROSS] =
                                            "decoder.blocks.*.cross_attn.hook_pattern"};
    return (glim_hook){sites[look->side], GLIM_HOOK_READ | GLIM_HOOK_HEADS, visit, look};
}

glim_status glim__look_pass(glim_look *look, glim_error *err) {
    glim_session *s = NULL;
    glim_hook hook = glim__look_hook(look);
    bool two = look->m->encoder;
    uint8_t *types = glim__calloc(look->ctx, look->n_ids + 1, 1);
    if (!types)
        return glim__oom(look->ctx, err, "the tokens", look->n_ids);
    if (look->m->types.data)
        glim__token_types(look->m->tokenizer, look->tokens, types);
    uint32_t last = (uint32_t)((two ? look->n_written : look->n_ids) - 1);
    glim_sequence text = {.ids = look->ids, .types = types, .count = look->n_ids}, q = text;
    if (two)
        q = (glim_sequence){.ids = look->written, .count = look->n_written};
    q.wanted = &last;
    q.n_wanted = 1;
    glim_batch b = {.sequences = &q,
                    .count = 1,
                    .hooks = &hook,
                    .n_hooks = 1,
                    .sources = &text,
                    .n_sources = two};
    glim_status status = glim_session_new(&s, look->m, 0, err);
    if (!status)
        status = glim_session_forward(s, &b, err);
    if (s)
        glim_session_cost(s, &look->forward, &look->backward);
    glim_session_free(s);
    glim__free(look->ctx, types);
    return status;
}
