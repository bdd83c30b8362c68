/* SPDX-License-Identifier: Apache-2.0 */
/*
 * predictor.h: what a method may ask of a predictor. The struct is a table of
 * functions plus the facts that do not change while it lives.
 */
#ifndef GLIM_PREDICT_PREDICTOR_H
#define GLIM_PREDICT_PREDICTOR_H

#include "base/buffer.h"
#include "base/context.h"

#include <glim/explain.h>
#include <glim/predictor.h>

struct glim_table; /* file/table.h */
struct glim_memo;  /* predict/memo.h */

/* What an absent unit is replaced by. */
typedef enum glim_absent {
    GLIM_ABSENT_DELETE,    /* its tokens are dropped; later positions move up */
    GLIM_ABSENT_MASK,      /* each token becomes the neutral token */
    GLIM_ABSENT_MEAN,      /* each embedding row becomes the vocabulary's mean */
    GLIM_ABSENT_ATTENTION, /* nobody attends to it; positions stay */
    GLIM_ABSENT_ZERO,      /* pictures: what the model reads as zero */
    GLIM_ABSENT_BLUR,      /* pictures: what is left when details are gone */
    GLIM_ABSENT_OWN,       /* pictures: the unit's own mean colour */
    GLIM_ABSENT_BLACK,     /* pictures */
    GLIM_ABSENT_RESAMPLE   /* tables: the cells of other rows, the mean over them */
} glim_absent;

/* Baselines in embedding space, for path methods. */
typedef enum glim_baseline {
    GLIM_BASELINE_ZERO,
    GLIM_BASELINE_MEAN,
    GLIM_BASELINE_TOKEN,
    GLIM_BASELINE_BOS, /* of a picture: black */
    GLIM_BASELINE_BLUR /* of a picture only */
} glim_baseline;

/* Called with the gradient (T, C) of target row `row` for input `sample`. */
typedef glim_status glim_gradient_sink(void *data, size_t sample, size_t row, const float *gradient,
                                       glim_error *err);

struct glim_predictor {
    glim_context *ctx;
    const char *name; /* "language model" */
    unsigned can;
    bool image; /* units are patches of a picture, or with superpixels parts of any shape */
    bool superpixels;
    int width, height;     /* of the picture */
    const uint32_t *place; /* [T] where token t, a pixel, lies in it; NULL without GRADIENT */
    const glim_units *units;
    bool columns;            /* units are columns of a table: an absent one has its mean */
    size_t chunk;            /* masks that a call of values takes best; 0 = any number */
    size_t n_rows;           /* target rows, >= 1 */
    size_t T, C;             /* rows and width of the embeddings; 0 without GRADIENT */
    const size_t *row_end;   /* [n_rows] first unit that row r cannot see: units >= it are absent
                                from its explanation (NaN) */
    const double *value;     /* [n_rows] the target on the input */
    const glim_model *model; /* NULL for a black box */
    const glim_rules *rules; /* of the walks of `gradient`: a method sets it for its run, and
                                puts NULL back; what has no inner ops takes no notice */

    /* out[i*n_rows + r] = target row r with the units absent whose keep[i*n_units + u]
       is 0 (fixed units are always kept). Rows that cannot see any removed unit
       keep their value. Work is batched to the memory budget, common prefixes
       are computed once; results do not depend on either. When it fails, values
       that were not reached are NaN. */
    glim_status (*values)(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err);
    struct glim_memo *memo; /* remembers values (memo.h), or NULL */
    /* Of a row of a table (else NULL): the table, borrowed, when it is known, which row, and
       the names of the columns that are units. */
    const struct glim_table *table;
    size_t table_row;
    const glim_cell *own; /* [n_units] the row's cells, when it is none of the table's; or NULL */
    size_t background;    /* rows of the table that GLIM_ABSENT_RESAMPLE takes at most, 0 = 100, */
    uint64_t background_seed;        /* and what they are drawn by; set before values are asked */
    const char *const *column_names; /* [n_units] */
    const char *label;               /* the column that it was fitted to predict, or NULL */
    const char *const *classes;      /* [n_classes]; none when it predicts a number */
    size_t n_classes;
    /* The target on n other rows, cells (n, n_units): out (n); with `each`, every class on the
       target's scale, out (n, n_classes). A cell may give a text and its number; the
       predictor takes what the column holds. When it fails, out is undefined. */
    glim_status (*rows)(glim_predictor *p, const glim_cell *cells, size_t n, bool each, double *out,
                        glim_error *err);
    /* x (T, C): the embeddings of the input as they enter block 0. */
    glim_status (*embed)(glim_predictor *p, float *x, glim_error *err);
    /* A baseline (T, C): fixed tokens keep their rows, others are replaced. */
    glim_status (*baseline)(glim_predictor *p, glim_baseline kind, float *x, glim_error *err);
    /* Evaluates the targets at n inputs xs (n, T, C): values (n, n_rows) always;
       gradients through the sink unless it is NULL. `row` picks one target row,
       or -1 all. */
    glim_status (*gradient)(glim_predictor *p, const float *xs, size_t n, long row, double *values,
                            glim_gradient_sink *sink, void *data, glim_error *err);
    /* Runs the input once and shows its inner values to n hooks; when one of them wants
       gradients, walks target row `row` back as well, or for -1 each in turn: visits of
       row r come before those of row r + 1. NULL: the predictor has no inner values. */
    glim_status (*observe)(glim_predictor *p, const glim_hook *hooks, size_t n, long row,
                           glim_error *err);
    /* The position whose row inside the model tells target row `row` (of an encoder-decoder
       among the written ones); SIZE_MAX: all of them alike. Where there is `observe`. */
    size_t (*row_at)(const glim_predictor *p, size_t row);
    /* With PROPOSE, else NULL: the input's tokens, own (T), the `most` likeliest others in the
       place of each, ids (T, most), and their shares (T, most), cumulated, so that the last
       is 1. Fixed tokens keep their place. Then the targets of n inputs given by their tokens (n,
       T), out (n, n_rows), NaN when it fails; and the cost of both, with n inputs in a call and
       `inputs` of them in all. */
    glim_status (*propose)(glim_predictor *p, size_t most, int32_t *own, int32_t *ids,
                           float *shares, glim_error *err);
    glim_status (*values_of)(glim_predictor *p, const int32_t *ids, size_t n, double *out,
                             glim_error *err);
    void (*plan_propose)(const glim_predictor *p, size_t n, size_t inputs, glim_plan *out);
    /* Cost of `values` for these masks, of n gradients, and of `observe`: for plans. */
    void (*plan_values)(const glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                        glim_plan *out);
    void (*plan_gradient)(const glim_predictor *p, size_t n, glim_plan *out);
    void (*plan_observe)(const glim_predictor *p, const glim_hook *hooks, size_t n, long row,
                         glim_plan *out);
    /* With options.late: makes the first pass unless it has been made, and tells the document
       (NULL: no) of target and rows again. Until then, or until `observe`, values are NaN
       and `late` is set. NULL: nothing is late. */
    bool late;
    glim_status (*read_late)(glim_predictor *p, glim_document *doc, glim_error *err);
    /* Fills model, input, target and rows of a document. */
    glim_status (*describe)(const glim_predictor *p, glim_document *doc, glim_error *err);
    /* Rows forward and backward so far. */
    void (*cost)(const glim_predictor *p, uint64_t *forward, uint64_t *backward);
    void (*free)(glim_predictor *p);
};

/* "name = " of the next column in a row's text, a space before all but the first. */
void glim__columns_name(glim_buffer *out, const char *name);
/* Text and units of a row of a table into a document; false when memory is refused. */
bool glim__columns_describe(const char *text, size_t len, const glim_unit *units, size_t n,
                            glim_document *doc);

#endif
