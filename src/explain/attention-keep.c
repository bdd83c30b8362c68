/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which heads tell most is only known when all have gone by: the best so far are kept, and
 * one that tells more takes the place of the one that tells least. A head tells much when
 * its rows are sharp (their entropy is far below that of looking everywhere) and do not just
 * look at the first token or at themselves.
 */
#include "explain/attention-keep.h"
#include "base/context.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 64, LARGEST = 32, LEAST = 16, ROWS = 16, ROOM = 1 << 20 };

/* ---- sizes ---- */

static size_t largest_of(size_t S) {
    return S < LARGEST ? S : LARGEST;
}

static size_t head_bytes(size_t T, size_t S) {
    return T * (largest_of(S) * 2 * sizeof(uint16_t) + sizeof(float));
}

static size_t most_kept(size_t heads, size_t T, size_t S) {
    size_t n = T ? ROOM / head_bytes(T, S) : 0;
    n = n > LEAST ? n : LEAST;
    return n < heads ? n : heads;
}

/* Of a layer all heads, of a head itself; "3", "3.7". */
static glim_status ask(glim_keep *k, const char *word, size_t n, glim_error *err) {
    char text[32], *end;
    snprintf(text, sizeof text, "%.*s", (int)(n < 31 ? n : 31), word);
    long layer = strtol(text, &end, 10), from = 0, to = k->H - 1;
    bool number = end != text;
    if (number && *end == '.') {
        char *dot = end + 1;
        from = to = strtol(dot, &end, 10);
        number = end != dot;
    }
    if (!number || *end || layer < 0 || layer >= k->L || from < 0 || to >= k->H)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%s' is no head (LAYER.HEAD or LAYER, from 0.0 to %d.%d)", text, k->L - 1,
                         k->H - 1);
    for (long h = from; h <= to; h++)
        k->asked[layer * k->H + h] = 1;
    return GLIM_OK;
}

static glim_status ask_all(glim_keep *k, const char *heads, glim_error *err) {
    glim_status status = GLIM_OK;
    size_t n = (size_t)k->L * (size_t)k->H;
    k->asked = glim__calloc(k->ctx, n, 1);
    if (!k->asked)
        return glim__oom(k->ctx, err, "the heads", n);
    for (const char *s = heads; !status; s++) {
        size_t len = strcspn(s, ",");
        status = ask(k, s, len, err);
        s += len;
        if (!*s)
            break;
    }
    for (size_t h = 0; h < n; h++)
        k->most_kept += k->asked[h];
    return status;
}

static double chance_of(size_t T, size_t S, bool causal) {
    double sum = 0;
    for (size_t t = 0; t < T; t++)
        sum += log((double)(causal ? t + 1 : S));
    return T ? sum / (double)T : 0;
}

static bool make_room(glim_keep *k) {
    glim_document_patterns *p = &k->p;
    size_t heads = (size_t)k->L * (size_t)k->H, K = p->n_largest, T = p->T;
    p->most = glim__calloc(k->ctx, heads + 1, sizeof *p->most);
    p->cells = glim__calloc(k->ctx, heads * p->cell_rows * p->cell_columns + 1, 1);
    p->kept = glim__calloc(k->ctx, k->most_kept + 1, sizeof *p->kept);
    k->telling = glim__calloc(k->ctx, k->most_kept + 1, sizeof *k->telling);
    k->sums = glim__calloc(k->ctx, p->cell_rows * p->cell_columns + 1, sizeof *k->sums);
    if (!p->most || !p->cells || !p->kept || !k->telling || !k->sums)
        return false;
    for (size_t h = 0; h < heads; h++)
        p->most[h] = NAN;
    for (size_t i = 0; i < k->most_kept; i++) {
        glim_document_kept *one = &p->kept[i];
        one->columns = glim__calloc(k->ctx, T * K + 1, sizeof *one->columns);
        one->weights = glim__calloc(k->ctx, T * K + 1, sizeof *one->weights);
        one->tail = glim__calloc(k->ctx, T + 1, sizeof *one->tail);
        if (!one->columns || !one->weights || !one->tail)
            return false;
    }
    return true;
}

glim_status glim__keep_init(glim_keep *k, glim_context *ctx, const char *heads, int L, int H,
                            size_t T, size_t S, bool causal, glim_error *err) {
    *k = (glim_keep){.ctx = ctx, .on = heads != NULL, .L = L, .H = H};
    if (!heads)
        return GLIM_OK;
    if (S > UINT16_MAX + 1)
        return glim_fail(err, GLIM_ELIMIT,
                         "%zu tokens are more than a report shows (leave out --heads)", S);
    size_t longest = T > S ? T : S;
    int level = 0;
    while (((longest + ((size_t)1 << level) - 1) >> level) > SIDE)
        level++;
    size_t step = (size_t)1 << level;
    k->p = (glim_document_patterns){.T = T,
                                    .S = S,
                                    .causal = causal,
                                    .level = level,
                                    .cell_rows = (T + step - 1) >> level,
                                    .cell_columns = (S + step - 1) >> level,
                                    .n_largest = largest_of(S)};
    k->chance = chance_of(T, S, causal);
    glim_status status = GLIM_OK;
    if (strcmp(heads, "auto") != 0)
        status = ask_all(k, heads, err);
    else
        k->most_kept = most_kept((size_t)L * (size_t)H, T, S);
    if (!status && !make_room(k))
        status =
            glim__oom(ctx, err, "the patterns of a report", glim__keep_bytes(heads, L, H, T, S));
    return status;
}

void glim__keep_release(glim_keep *k) {
    glim_document_patterns *p = &k->p;
    for (size_t i = 0; p->kept && i < k->most_kept; i++) {
        glim__free(k->ctx, p->kept[i].columns);
        glim__free(k->ctx, p->kept[i].weights);
        glim__free(k->ctx, p->kept[i].tail);
    }
    void *const all[] = {p->most, p->cells, p->kept, k->telling, k->sums, k->asked};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            glim__free(k->ctx, all[i]);
    *k = (glim_keep){.ctx = k->ctx};
}

uint64_t glim__keep_bytes(const char *heads, int L, int H, size_t T, size_t S) {
    if (!heads)
        return 0;
    uint64_t n = (uint64_t)L * (uint64_t)H, kept = 0;
    for (const char *s = heads; *s; s += strcspn(s, ","), s += *s == ',')
        kept += memchr(s, '.', strcspn(s, ",")) ? 1 : (uint64_t)H;
    kept = strcmp(heads, "auto") != 0 ? (kept < n ? kept : n) : most_kept(n, T, S);
    return 2 * (n * (SIDE * SIDE + 8) + kept * (head_bytes(T, S) + 256)) +
           (T + S) * sizeof(glim_document_token) + SIDE * SIDE * sizeof(double);
}

/* ---- cells ---- */

struct one {
    glim_keep *keep;
    const float *a;
    glim_document_kept *kept;
};

static size_t seen(const glim_document_patterns *p, size_t t) {
    return p->causal ? t + 1 : p->S;
}

/* A row of cells: sums in the order of rows and columns, then means. */
static void cells_item(void *data, size_t row, int worker) {
    const struct one *x = data;
    const glim_document_patterns *p = &x->keep->p;
    size_t step = (size_t)1 << p->level, from = row * step,
           to = from + step < p->T ? from + step : p->T;
    double *out = x->keep->sums + row * p->cell_columns;
    for (size_t c = 0; c < p->cell_columns; c++) {
        double sum = 0;
        size_t count = 0;
        for (size_t t = from; t < to; t++) {
            size_t end = (c + 1) * step < seen(p, t) ? (c + 1) * step : seen(p, t);
            for (size_t s = c * step; s < end; s++)
                sum += (double)x->a[t * p->S + s];
            count += end > c * step ? end - c * step : 0;
        }
        out[c] = count ? sum / (double)count : 0;
    }
}

static void keep_cells(glim_keep *k, const glim_document_head *stats, const float *pattern) {
    struct one x = {.keep = k, .a = pattern};
    size_t n = k->p.cell_rows * k->p.cell_columns,
           h = (size_t)stats->layer * (size_t)k->H + (size_t)stats->head;
    double most = 0;
    glim__parallel(k->ctx, k->p.cell_rows, cells_item, &x);
    for (size_t i = 0; i < n; i++)
        most = k->sums[i] > most ? k->sums[i] : most;
    k->p.most[h] = (float)most;
    for (size_t i = 0; i < n; i++)
        k->p.cells[h * n + i] =
            most > 0 ? (uint8_t)lrint(255 * sqrt(fmax(k->sums[i], 0) / most)) : 0;
}

/* ---- the largest weights of rows ---- */

/* Puts a weight in the place of the smallest one; equal ones: the first columns stay. */
static void take(size_t *at, const float *row, size_t n, size_t s, size_t *least) {
    at[*least] = s;
    for (size_t i = 0; i < n; i++)
        if (row[at[i]] < row[at[*least]] || (row[at[i]] == row[at[*least]] && at[i] > at[*least]))
            *least = i;
}

static int by_column(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static void keep_row(const struct one *x, size_t t) {
    const glim_document_patterns *p = &x->keep->p;
    const float *row = x->a + t * p->S;
    size_t all = seen(p, t), K = p->n_largest, n = all < K ? all : K, at[LARGEST] = {0}, least = 0;
    double tail = 0;
    for (size_t s = 0; s < n; s++)
        at[s] = s;
    for (size_t i = 1; i < n; i++)
        least = row[i] <= row[least] ? i : least;
    for (size_t s = n; s < all; s++)
        if (row[s] > row[at[least]])
            take(at, row, n, s, &least);
    qsort(at, n, sizeof *at, by_column);
    for (size_t s = 0, i = 0; s < all; s++) {
        if (i == n || at[i] != s) {
            tail += (double)row[s];
            continue;
        }
        double w = fmin(fmax((double)row[s], 0), 1);
        x->kept->columns[t * K + i] = (uint16_t)s;
        x->kept->weights[t * K + i++] = (uint16_t)lrint(UINT16_MAX * w);
    }
    x->kept->tail[t] = (float)tail;
}

static void rows_item(void *data, size_t item, int worker) {
    const struct one *x = data;
    for (size_t t = item * ROWS; t < (item + 1) * ROWS && t < x->keep->p.T; t++)
        keep_row(x, t);
}

static double telling(const glim_keep *k, const glim_document_head *h) {
    double sharp = k->chance > 0 ? 1 - h->entropy / k->chance : 1;
    bool square = isfinite(h->self);
    return sharp * (square ? fmax(1 - h->first - h->self, 0) : 1);
}

/* Where a head goes, or NULL: it tells less than those that are there. */
static glim_document_kept *place_of(glim_keep *k, const glim_document_head *h) {
    double tells = telling(k, h);
    size_t i = k->p.n_kept;
    if (k->asked && !k->asked[h->layer * k->H + h->head])
        return NULL;
    if (i < k->most_kept) {
        k->p.n_kept++;
    } else {
        i = 0;
        for (size_t j = 1; j < k->most_kept; j++)
            if (k->telling[j] < k->telling[i])
                i = j;
        if (!k->most_kept || !(tells > k->telling[i]))
            return NULL;
    }
    k->telling[i] = tells;
    k->p.kept[i].layer = h->layer;
    k->p.kept[i].head = h->head;
    return &k->p.kept[i];
}

void glim__keep_head(glim_keep *k, const glim_document_head *stats, const float *pattern) {
    if (!k->on)
        return;
    keep_cells(k, stats, pattern);
    struct one x = {.keep = k, .a = pattern, .kept = place_of(k, stats)};
    if (x.kept)
        glim__parallel(k->ctx, (k->p.T + ROWS - 1) / ROWS, rows_item, &x);
}

/* ---- the document ---- */

static void *copy(glim_document *doc, const void *from, size_t n) {
    void *to = glim_document_alloc(doc, n + 1);
    return to ? memcpy(to, from, n) : NULL;
}

static int by_head(const void *a, const void *b) {
    const glim_document_kept *x = a, *y = b;
    return x->layer != y->layer ? x->layer - y->layer : x->head - y->head;
}

glim_status glim__keep_tell(const glim_keep *k, glim_document *doc, glim_error *err) {
    glim_document_patterns *p = &doc->attention.patterns;
    if (!k->on)
        return GLIM_OK;
    size_t heads = (size_t)k->L * (size_t)k->H, numbers = k->p.T * k->p.n_largest;
    *p = k->p;
    p->most = copy(doc, k->p.most, heads * sizeof *p->most);
    p->cells = copy(doc, k->p.cells, heads * p->cell_rows * p->cell_columns);
    p->kept = copy(doc, k->p.kept, p->n_kept * sizeof *p->kept);
    bool done = p->most && p->cells && p->kept;
    for (size_t i = 0; done && i < p->n_kept; i++) {
        glim_document_kept *one = &p->kept[i];
        one->columns = copy(doc, one->columns, numbers * sizeof *one->columns);
        one->weights = copy(doc, one->weights, numbers * sizeof *one->weights);
        one->tail = copy(doc, one->tail, p->T * sizeof *one->tail);
        done = one->columns && one->weights && one->tail;
    }
    if (!done)
        return glim__oom(k->ctx, err, "the document", heads * SIDE * SIDE);
    qsort(p->kept, p->n_kept, sizeof *p->kept, by_head);
    return GLIM_OK;
}
