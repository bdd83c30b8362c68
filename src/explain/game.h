/* SPDX-License-Identifier: Apache-2.0 */
/*
 * game.h: a target as a function of which features are there, as Shapley values and
 * LIME ask it. A feature is a unit, or all units with the same text.
 */
#ifndef GLIM_EXPLAIN_GAME_H
#define GLIM_EXPLAIN_GAME_H

#include "explain/methods.h"

/* --absent: its choices, what they mean here. Errors: EUSAGE (a choice that this
   predictor has no use for). */
#define GLIM_ABSENT_CHOICES "auto|delete|mask|mean|attention|zero|blur|own|black|resample"
#define GLIM_ABSENT_HELP                                                                           \
    "drop the tokens, put a neutral token (auto for encoders), the mean embedding, or hide them "  \
    "from attention; pictures: mean colour (auto), own (the unit's mean colour; auto for "         \
    "superpixels), zero, black, blur; tables: mean (auto), resample: cells of the table's other "  \
    "rows, the mean over them"
/* The parameter, whose field of the options is `absent`. */
#define GLIM_ABSENT_PARAM(opts_type)                                                               \
    {                                                                                              \
        .name = "absent", .type = GLIM_CHOICE, .offset = offsetof(opts_type, absent),              \
        .def.s = "auto", .choices = GLIM_ABSENT_CHOICES, .help = GLIM_ABSENT_HELP                  \
    }
/* --background, of --absent resample. */
#define GLIM_BACKGROUND_PARAM(opts_type)                                                           \
    {                                                                                              \
        .name = "background", .type = GLIM_INT, .offset = offsetof(opts_type, background),         \
        .def.i = 100, .min = 1, .max = 1000000,                                                    \
        .help = "--absent resample: rows of the table that are drawn, at most"                     \
    }
/* Sets it in the predictor, before values or plans are asked. */
void glim__background_set(const glim_predictor *p, int64_t rows, uint64_t seed);
glim_status glim__absent_of(const glim_predictor *p, const char *name, glim_absent *out,
                            glim_error *err);
void glim__absent_note(const glim_predictor *p, glim_absent absent, glim_document *doc);

/* The target rows first .. first + rows, which see the same d features. */
typedef struct glim_game {
    glim_predictor *p;
    glim_absent absent;
    size_t first, rows, d;
    size_t *feature;   /* [units] the unit's feature, or SIZE_MAX: it stays */
    const double *all; /* (rows) the target with everything there */
    uint8_t *keep;     /* (CHUNK, units) */
    double *values;    /* (CHUNK, n_rows) */
    uint64_t asked;    /* coalitions so far */
    size_t blocks;     /* like the next one, with it: told to the progress; 0 = not known */
} glim_game;

typedef glim_status glim_game_fn(glim_game *g, void *data, glim_error *err);

/* Calls `play` for each run of target rows that see the same units; with `by_text`,
   units of the same text are one feature. `absent` is a choice of --absent, noted in the
   document. */
glim_status glim__games(glim_predictor *p, const char *absent, glim_document *doc, bool by_text,
                        glim_game_fn *play, void *data, glim_error *err);
/* out (n, rows) = the target with the features of each coalition, z (n, d), there. */
glim_status glim__game_values(glim_game *g, const uint8_t *z, size_t n, double *out,
                              glim_error *err);
/* Puts numbers of features (rows, d) into (n_rows, units) of a document. */
void glim__game_spread(const glim_game *g, const double *features, double *units);

/* What an additive method ends with: scores phi and their errors (rows, d; NULL: they are
   of no sample) and the target with nothing there, base (rows), into the document.
   Returns the largest error as a share of the largest score of its row. */
double glim__game_additive(const glim_game *g, glim_document *doc, const double *phi,
                           const double *error, const double *base);

/* The share that glim__game_additive returns, of scores and errors (rows, d) so far. */
double glim__game_spread_of(size_t rows, size_t d, const double *phi, const double *error);

/* Methods that sample go on until this is reached or their budget is spent. */
#define GLIM_TOLERANCE_PARAM(opts_type)                                                            \
    {                                                                                              \
        .name = "tolerance", .type = GLIM_REAL, .offset = offsetof(opts_type, tolerance),          \
        .def.r = 0, .min = 0, .max = 1,                                                            \
        .help = "stop when no standard error exceeds this share of the largest score"              \
    }
/* What a method that samples has to say at its end: the checks "coalitions" and
   "standard_error", and the verdict on it. `raise` is the flag that takes more. */
void glim__game_sampled(glim_document *doc, uint64_t asked, double worst, const char *raise);

/* Adds the cost of samples(opts, d) coalitions for each run of rows, and the bytes that
   room(opts, d, rows) names. */
typedef uint64_t glim_game_size(const void *opts, size_t d, size_t rows);
glim_status glim__games_plan(const glim_predictor *p, const char *absent, glim_game_size *samples,
                             glim_game_size *room, const void *opts, glim_plan *out,
                             glim_error *err);

#endif
