/* SPDX-License-Identifier: Apache-2.0 */
/* Coalitions become masks over units and go to the predictor a chunk at a time; equal
   ones are asked once. */
#include "explain/game.h"
#include "predict/background.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 };

/* Encoders have a token for what is absent; decoders read on; a picture has a colour, a
   column a mean. */
static glim_absent usual(const glim_predictor *p) {
    return p->superpixels                                      ? GLIM_ABSENT_OWN
           : p->image || p->columns                            ? GLIM_ABSENT_MEAN
           : p->model && glim_model_facts(p->model)->both_ways ? GLIM_ABSENT_MASK
                                                               : GLIM_ABSENT_DELETE;
}

glim_status glim__absent_of(const glim_predictor *p, const char *name, glim_absent *out,
                            glim_error *err) {
    static const char *const names[] = {"delete", "mask", "mean",  "attention", "zero",
                                        "blur",   "own",  "black", "resample"};
    *out = usual(p);
    for (int i = 0; i < 9; i++)
        if (!strcmp(name, names[i]))
            *out = (glim_absent)i;
    if (*out == GLIM_ABSENT_RESAMPLE)
        return p->columns && p->table
                   ? GLIM_OK
                   : glim_fail(err, GLIM_EUSAGE,
                               "--absent resample takes cells of a table's other rows (--table "
                               "FILE --row N)");
    if (!p->image && *out >= GLIM_ABSENT_ZERO)
        return glim_fail(err, GLIM_EUSAGE, "--absent %s is for pictures", name);
    if (p->image && (*out == GLIM_ABSENT_DELETE || *out == GLIM_ABSENT_ATTENTION))
        return glim_fail(err, GLIM_EUSAGE,
                         "a patch of a picture cannot be taken out, only painted over (--absent "
                         "mean, own, zero, black or blur)");
    return GLIM_OK;
}

/* A plan asks the same, of a predictor that it does not change otherwise. */
void glim__background_set(const glim_predictor *p, int64_t rows, uint64_t seed) {
    ((glim_predictor *)p)->background = (size_t)rows;
    ((glim_predictor *)p)->background_seed = seed;
}

void glim__absent_note(const glim_predictor *p, glim_absent absent, glim_document *doc) {
    static const char *const words[] = {
        "an absent unit's tokens are deleted; later positions move up",
        "each token of an absent unit becomes a neutral token",
        "each embedding of an absent unit becomes the mean of the vocabulary",
        "no later token attends to an absent unit; positions stay"};
    static const char *const painted[] = {"is what the model reads as zero",
                                          "is blurred, as widely as it is broad",
                                          "has its own mean colour", "is black"};
    if (absent == GLIM_ABSENT_RESAMPLE)
        glim_document_note(doc,
                           "absent columns have the cells of each of %zu rows of the table; the "
                           "target is the mean over these rows",
                           glim__background_count(p));
    else if (p->columns)
        glim_document_note(doc,
                           "an absent column has what is usual in it: a mean; of words the most "
                           "frequent one (in fitted models their shares)");
    else if (p->image)
        glim_document_note(doc, "an absent %s %s", p->superpixels ? "superpixel" : "patch",
                           absent < GLIM_ABSENT_ZERO ? "has the mean colour of the picture"
                                                     : painted[absent - GLIM_ABSENT_ZERO]);
    else
        glim_document_note(doc, "%s", words[absent]);
}

/* Whether two units say the same. */
static bool same_text(const glim_document *doc, size_t a, size_t b) {
    const glim_document_unit *u = &doc->input.units[a], *v = &doc->input.units[b];
    return u->text_len == v->text_len && !memcmp(u->text, v->text, u->text_len);
}

/* Numbers the features among the first `end` units. */
static void number(glim_game *g, const glim_document *doc, size_t end) {
    const glim_units *units = g->p->units;
    g->d = 0;
    for (size_t u = 0; u < units->count; u++) {
        g->feature[u] = SIZE_MAX;
        if (units->at[u].fixed || u >= end)
            continue;
        for (size_t v = 0; v < u && doc && g->feature[u] == SIZE_MAX; v++)
            if (g->feature[v] != SIZE_MAX && same_text(doc, u, v))
                g->feature[u] = g->feature[v];
        if (g->feature[u] == SIZE_MAX)
            g->feature[u] = g->d++;
    }
}

/* The rows from g->first on that see as many units as it does. */
static size_t rows_alike(const glim_predictor *p, size_t first) {
    size_t n = 1;
    while (first + n < p->n_rows && p->row_end[first + n] == p->row_end[first])
        n++;
    return n;
}

static glim_status start(glim_game *g, glim_predictor *p, const char *absent, glim_error *err) {
    size_t U = p->units->count;
    *g = (glim_game){.p = p};
    glim_status status = glim__absent_of(p, absent, &g->absent, err);
    if (status)
        return status;
    g->feature = glim__calloc(p->ctx, U + 1, sizeof *g->feature);
    g->keep = glim__calloc(p->ctx, CHUNK, U + 1);
    g->values = glim__calloc(p->ctx, CHUNK * p->n_rows, sizeof *g->values);
    return g->feature && g->keep && g->values ? GLIM_OK
                                              : glim__oom(p->ctx, err, "the masks", CHUNK * U);
}

static void end(glim_game *g) {
    glim__free(g->p->ctx, g->feature);
    glim__free(g->p->ctx, g->keep);
    glim__free(g->p->ctx, g->values);
}

glim_status glim__games(glim_predictor *p, const char *absent, glim_document *doc, bool by_text,
                        glim_game_fn *play, void *data, glim_error *err) {
    glim_game g;
    glim_status status = start(&g, p, absent, err);
    if (!status)
        glim__absent_note(p, g.absent, doc);
    for (size_t r = 0; r < p->n_rows && !status; r += g.rows) {
        g.first = r;
        g.rows = rows_alike(p, r);
        g.all = p->value + r;
        g.asked = 0;
        number(&g, by_text ? doc : NULL, p->row_end[r]);
        if (g.d)
            status = play(&g, data, err);
    }
    end(&g);
    return status;
}

/* first[i] = the first of the n coalitions that equals the i-th. slots: a power of two
   above n of them, zero. */
static void find_equals(const uint8_t *z, size_t n, size_t d, uint32_t *first, uint32_t *slots,
                        size_t mask) {
    for (size_t i = 0; i < n; i++) {
        uint64_t h = 14695981039346656037u; /* FNV-1a */
        for (size_t k = 0; k < d; k++)
            h = (h ^ z[i * d + k]) * 1099511628211u;
        size_t at = (h ^ h >> 32) & mask;
        while (slots[at] && memcmp(z + (size_t)(slots[at] - 1) * d, z + i * d, d))
            at = (at + 1) & mask;
        if (!slots[at])
            slots[at] = (uint32_t)i + 1;
        first[i] = slots[at] - 1;
    }
}

static void put_masks(glim_game *g, const uint8_t *z, const size_t *index, size_t m) {
    size_t U = g->p->units->count;
    for (size_t i = 0; i < m; i++)
        for (size_t u = 0; u < U; u++)
            g->keep[i * U + u] = g->feature[u] == SIZE_MAX || z[index[i] * g->d + g->feature[u]];
}

/* Tells what the coalitions index[0 .. m), and the blocks like them, will take. */
static void foresee(glim_game *g, const uint8_t *z, const size_t *index, size_t m) {
    glim_plan plan = {0};
    for (size_t i = 0; i < m; i += CHUNK) {
        size_t n = m - i < CHUNK ? m - i : CHUNK;
        put_masks(g, z, index + i, n);
        g->p->plan_values(g->p, g->keep, n, g->absent, &plan);
    }
    glim__progress_expect(g->p->ctx, g->blocks * plan.forward_tokens);
}

/* Asks for the coalitions index[0 .. m). */
static glim_status ask(glim_game *g, const uint8_t *z, const size_t *index, size_t m, double *out,
                       glim_error *err) {
    size_t R = g->p->n_rows;
    put_masks(g, z, index, m);
    glim_status status = g->p->values(g->p, g->keep, m, g->absent, g->values, err);
    if (!status)
        status = glim__check_cancel(g->p->ctx, err);
    for (size_t i = 0; i < m && !status; i++)
        memcpy(out + index[i] * g->rows, g->values + i * R + g->first, g->rows * sizeof *out);
    g->asked += status ? 0 : m;
    return status;
}

struct coalitions {
    const uint8_t *z;
    size_t d;
};

static int by_mask(const void *a, const void *b, void *data) {
    const struct coalitions *c = data;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    int order = memcmp(c->z + i * c->d, c->z + k * c->d, c->d);
    return order ? order : i < k ? -1 : i > k;
}

/* Those that differ, index[0 .. m): of a model in their order, so that those that begin
   alike are asked together; a black box is asked in the order given. */
static size_t list_fresh(const glim_game *g, const uint8_t *z, size_t n, const uint32_t *first,
                         size_t *index) {
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (first[i] == i)
            index[m++] = i;
    if (g->p->model)
        qsort_r(index, m, sizeof *index, by_mask, &(struct coalitions){z, g->d});
    return m;
}

glim_status glim__game_values(glim_game *g, const uint8_t *z, size_t n, double *out,
                              glim_error *err) {
    glim_context *ctx = g->p->ctx;
    size_t slots = 2;
    while (slots < 2 * n)
        slots *= 2;
    uint32_t *first = glim__calloc(ctx, n + slots, sizeof *first);
    size_t *index = glim__calloc(ctx, n + 1, sizeof *index);
    glim_status status = GLIM_OK;
    if (!first || !index) {
        status = glim__oom(ctx, err, "coalitions", (n + slots) * sizeof *first);
        goto done;
    }
    find_equals(z, n, g->d, first, first + n, slots - 1);
    size_t m = list_fresh(g, z, n, first, index);
    if (g->blocks)
        foresee(g, z, index, m);
    for (size_t i = 0; i < m && !status; i += CHUNK)
        status = ask(g, z, index + i, m - i < CHUNK ? m - i : CHUNK, out, err);
    for (size_t i = 0; i < n && !status; i++)
        if (first[i] != i)
            memcpy(out + i * g->rows, out + first[i] * g->rows, g->rows * sizeof *out);
done:
    glim__free(ctx, first);
    glim__free(ctx, index);
    return status;
}

void glim__game_spread(const glim_game *g, const double *features, double *units) {
    size_t U = g->p->units->count;
    for (size_t r = 0; r < g->rows; r++)
        for (size_t u = 0; u < U; u++)
            if (g->feature[u] != SIZE_MAX)
                units[(g->first + r) * U + u] = features[r * g->d + g->feature[u]];
}

double glim__game_spread_of(size_t rows, size_t d, const double *phi, const double *error) {
    double worst = 0;
    for (size_t r = 0; r < rows; r++) {
        double most = 0, off = 0;
        for (size_t i = r * d; i < (r + 1) * d; i++) {
            most = fmax(most, fabs(phi[i]));
            off = fmax(off, error[i]);
        }
        worst = most > 0 ? fmax(worst, off / most) : worst;
    }
    return worst;
}

double glim__game_additive(const glim_game *g, glim_document *doc, const double *phi,
                           const double *error, const double *base) {
    glim__game_spread(g, phi, doc->scores);
    if (error)
        glim__game_spread(g, error, doc->error);
    for (size_t r = 0; r < g->rows; r++) {
        double sum = 0;
        for (size_t i = r * g->d; i < (r + 1) * g->d; i++)
            sum += phi[i];
        if (doc->rows) {
            doc->rows[g->first + r].baseline_value = base[r];
            doc->rows[g->first + r].residual = sum - (g->all[r] - base[r]);
        } else {
            doc->target.baseline_value = base[r];
        }
    }
    return error ? glim__game_spread_of(g->rows, g->d, phi, error) : 0;
}

void glim__game_sampled(glim_document *doc, uint64_t asked, double worst, const char *raise) {
    glim_document_check_add(doc, "coalitions", (double)asked, "asked of the model");
    glim_document_check_add(doc, "standard_error", worst,
                            "largest, as a share of the largest score");
    if (worst > 0.25)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "standard errors reach %.0f %% of the largest score; raise %s",
                            100 * worst, raise);
}

/* A coalition that lacks the first unit costs as much as any. */
glim_status glim__games_plan(const glim_predictor *p, const char *absent, glim_game_size *samples,
                             glim_game_size *room, const void *opts, glim_plan *out,
                             glim_error *err) {
    glim_game g;
    size_t U = p->units->count;
    uint64_t bytes = 0, bytes_wanted = 0;
    glim_status status = start(&g, (glim_predictor *)p, absent, err);
    for (size_t r = 0; r < p->n_rows && !status; r += g.rows) {
        g.rows = rows_alike(p, r);
        number(&g, NULL, p->row_end[r]);
        if (!g.d)
            continue;
        glim_plan one = {0};
        for (size_t u = 0; u < U; u++)
            g.keep[u] = g.feature[u] != 0;
        p->plan_values(p, g.keep, 1, g.absent, &one);
        uint64_t n = samples(opts, g.d, g.rows), more = room(opts, g.d, g.rows);
        out->forward_tokens += n * one.forward_tokens;
        out->asks += n * one.asks;
        bytes = one.bytes + more > bytes ? one.bytes + more : bytes;
        bytes_wanted =
            one.bytes_wanted + more > bytes_wanted ? one.bytes_wanted + more : bytes_wanted;
    }
    bytes += status ? 0 : CHUNK * (U + 1 + 8 * p->n_rows) + 8 * U;
    out->bytes = bytes > out->bytes ? bytes : out->bytes;
    out->bytes_wanted = bytes_wanted > out->bytes_wanted ? bytes_wanted : out->bytes_wanted;
    out->bounded = false;
    end(&g);
    return status;
}
