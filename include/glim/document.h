/* SPDX-License-Identifier: Apache-2.0 */
/*
 * document.h: an explanation, schema glim.explanation/1 (docs/schema/). A
 * document owns all it holds and outlives the model; one call frees it. NaN in
 * a number means "not there" and is null in JSON.
 */
#ifndef GLIM_DOCUMENT_H
#define GLIM_DOCUMENT_H

#include <glim/panel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum glim_verdict {
    GLIM_VERDICT_OK,
    GLIM_VERDICT_CAREFUL,
    GLIM_VERDICT_DISTRUST
} glim_verdict;

typedef struct glim_document_unit {
    const char *text; /* bytes of the source, or the name of a fixed unit ("<|im_start|>") */
    size_t text_len;
    size_t start, end;   /* bytes in input.text; equal for fixed units without text */
    size_t first, count; /* tokens */
    bool fixed, generated;
    int turn;                /* -1 = none */
    int x, y, width, height; /* of a picture: the box around the unit, in pixels; else 0 */
} glim_document_unit;

typedef struct glim_document_turn {
    const char *role;
    size_t start, end;
} glim_document_turn;

/* A row of a matrix: one produced (or given) token and its target. */
typedef struct glim_document_row {
    const char *text;
    size_t text_len;
    int32_t id;
    size_t start, end; /* bytes in input.text */
    double value, baseline_value, prob;
    double residual; /* of an additive method, else NaN */
} glim_document_row;

typedef struct glim_document_check {
    const char *name; /* "completeness_residual" */
    double value;
    const char *meaning; /* a few words, or NULL */
} glim_document_check;

/* Units that belong together: a word of tokens, a sentence of words, a turn. */
typedef struct glim_document_group {
    size_t start, end;   /* bytes in input.text */
    size_t first, count; /* units of input; fixed ones among them do not count */
    int turn;            /* -1 = none */
    bool generated;
} glim_document_group;

/* The same run seen from further away: every scored unit is in one group, and groups of
   a level lie inside of those of the next. */
typedef struct glim_document_level {
    const char *unit; /* "word", "sentence", "turn", "segment" (of a pair of texts) */
    const char *rule; /* what a group's score is of its units': "sum", "l2", "max" (by size) */
    glim_document_group *groups;
    size_t n_groups;
    double *scores; /* (n_rows, n_groups); NaN = none of its units has a score */
    double *error;  /* standard errors at most: those of units may depend on each other; or NULL */
} glim_document_level;

/* What one head does, as means over the rows of its pattern; NaN: not there. */
typedef struct glim_document_head {
    int layer, head;
    double entropy;                       /* of a row, nats */
    double distance;                      /* tokens between the one that looks and what it sees */
    double previous, first, self;         /* shares on the token before, the first, itself */
    double induction;                     /* share on what followed the same token before */
    double strongest;                     /* the largest weight besides first and self ... */
    size_t strongest_row, strongest_unit; /* ... and where it lies */
} glim_document_head;

/* A row and a unit that belong together. */
typedef struct glim_document_link {
    size_t row, unit;
    bool sure; /* of gold: else possible */
} glim_document_link;

/* A token on a side of a pattern: bytes start .. end of input.text, or by its name. */
typedef struct glim_document_token {
    size_t start, end;
    const char *name; /* of one without text, else NULL */
} glim_document_token;

/* The largest weights of a head's rows: of row t the first min(n_largest, what it can see). */
typedef struct glim_document_kept {
    int layer, head;
    uint16_t *columns; /* (T, n_largest) ascending in a row */
    uint16_t *weights; /* likewise, in 65535ths */
    float *tail;       /* [T] what the row's other weights add up to */
} glim_document_kept;

/* What a report shows of every head. A cell is the mean over the weights that rows can see in a
   square of 2^level tokens, and most[h] * (byte / 255)^2. */
typedef struct glim_document_patterns {
    size_t T, S; /* tokens that look and are looked at; 0: nothing is kept */
    bool causal;
    const glim_document_token *rows, *columns; /* [T], [S]; the same when the sides are */
    int level;
    size_t cell_rows, cell_columns; /* at most 64 */
    float *most;                    /* [layers * heads] NaN: not seen */
    uint8_t *cells;                 /* (layers * heads, cell_rows, cell_columns) */
    size_t n_largest;
    glim_document_kept *kept; /* [n_kept] by layer and head */
    size_t n_kept;
} glim_document_patterns;

/* Which words are looked at; of the kind "attention". */
typedef struct glim_document_attention {
    const char *side;    /* "self", "encoder", "decoder", "cross"; NULL: none */
    int layers, heads;   /* of the model, on that side */
    int layer, head;     /* shown; -1 = the mean over all */
    const char *sink;    /* "show", "hide", "renormalise" */
    const size_t *sinks; /* tokens that draw attention whatever they say */
    size_t n_sinks;
    double sink_share;               /* of the shown attention */
    const glim_document_head *stats; /* [n_stats] layer by layer */
    size_t n_stats;
    const char *raw; /* file of the whole patterns, or NULL */
    size_t raw_rows, raw_columns;
    int raw_layer, raw_layers; /* the first of them, and how many */
    bool raw_half;             /* float16, else float32 */
    glim_document_patterns patterns;
} glim_document_attention;

/* Which words of rows and units belong together, by the scores. */
typedef struct glim_document_links {
    const char *rule; /* "argmax", ...; NULL: no links */
    const glim_document_link *found, *gold;
    size_t n_found, n_gold;
    bool has_gold;
    double aer, precision, recall; /* against gold, else NaN */
    const double *layer_aer;       /* [n_layers] of each layer, or NULL */
    size_t n_layers;
} glim_document_links;

/* A class that the model may say, with its probability. */
typedef struct glim_document_class {
    const char *text;
    size_t text_len;
    double prob;
} glim_document_class;

typedef struct glim_document {
    glim_context *ctx;
    void *owner;      /* the arena; use glim_document_new and glim_document_free */
    const char *kind; /* "attribution", "attribution-matrix", "attention"; without units: "lens",
                         "patch", "probe", "maximize", "structure" */
    struct {
        const char *file, *name, *architecture, *quantisation, *digest;
    } model;
    struct {
        const char *text;
        size_t text_len;
        const char *unit; /* "token", "character", "word", "sentence", "turn", "patch", ... */
        glim_document_unit *units;
        size_t n_units;
        glim_document_turn *turns;
        size_t n_turns;
        struct { /* of a picture, whose text is empty */
            const char *name;
            int width, height;
            const uint8_t *rgb;    /* (height, width, 3) as the model saw it; NULL = no picture */
            const uint32_t *label; /* (height, width) the unit of each pixel; NULL: the boxes */
        } image;
    } input;
    struct {
        const char *kind;   /* "next-token", "masked-token", "class", "contrast", ... */
        const char *output; /* "logit", "logprob", "prob", "score", "similarity" */
        const char *text;   /* of the explained token or continuation */
        size_t text_len;
        int32_t id;          /* -1 for a continuation */
        const char *against; /* of the contrast, or NULL */
        size_t against_len;
        int32_t against_id;
        double value, baseline_value, prob;
    } target;
    struct {
        const char *name, *summary, *cite, *caption;
        const char *params; /* a JSON object, defaults filled in */
        bool additive, is_signed;
        const char *fold; /* the rule of levels; NULL = there are none */
        const char *unit; /* "share", "size"; NULL = scores are in the target's unit */
    } method;
    struct {                                /* what the model says of the input */
        const glim_document_class *classes; /* the likeliest first; none when it has no classes */
        size_t n_classes;
        double other; /* probability of all others; NaN: classes do not exclude each other */
        const char *const *columns, *const *values; /* [n_units] of a row of a table, or NULL */
    } prediction;
    glim_document_attention attention;
    glim_document_links links;
    glim_document_row *rows;     /* matrix and attention */
    size_t n_rows;               /* 1 for a plain attribution (rows may be NULL then) */
    double *scores;              /* (n_rows, n_units); NaN = not applicable */
    double *error;               /* standard errors, same shape, or NULL */
    double fixed_total;          /* sum over fixed units of an additive method, else NaN */
    double fixed_size;           /* sum of their sizes, where a method knows them, else NaN */
    glim_document_level *levels; /* from small groups to large; what is no text has none */
    size_t n_levels;
    glim_panel *panels; /* what is shown besides */
    size_t n_panels;
    glim_document_check *checks;
    size_t n_checks;
    glim_verdict verdict;
    const char *verdict_reason; /* "" when ok */
    struct {
        uint64_t forward_tokens, backward_tokens, peak_bytes;
        double seconds;
        int threads;
        const char *kernels;
    } cost;
    uint64_t seed;
    const char **notes;
    size_t n_notes;
    const char *evaluation; /* how good it is: a JSON object, glim.evaluation/1 without what stands
                               here already; NULL = it was not judged */
    bool partial;           /* interrupted: scores that were not reached are NaN */
    const char *version;    /* of the glim that made it */
} glim_document;

/* An empty document. Errors: ENOMEM, EBUDGET. */
GLIM_API glim_status glim_document_new(glim_document **out, glim_context *ctx, glim_error *err);
GLIM_API void glim_document_free(glim_document *doc);
/* Memory that lives as long as the document; NULL when refused. */
GLIM_API void *glim_document_alloc(glim_document *doc, size_t n);
GLIM_API const char *glim_document_text(glim_document *doc, const char *s, size_t n); /* copies */
/* Appends a check or a note; the words are copied. False when memory is refused. */
GLIM_API bool glim_document_check_add(glim_document *doc, const char *name, double value,
                                      const char *meaning);
GLIM_API bool glim_document_note(glim_document *doc, const char *format, ...) GLIM_PRINTF(2, 3);
/* Appends a panel of rows x columns: its arrays are made (values NaN, labels empty) where its
   kind has them, `texts`, `marked`, `low` and `high` left NULL. Borrowed until the next is
   added. NULL when memory is refused. */
GLIM_API glim_panel *glim_document_panel_add(glim_document *doc, glim_panel_kind kind,
                                             const char *name, const char *title, size_t rows,
                                             size_t columns);
/* A copy of another document's panel behind the others. False when memory is refused. */
GLIM_API bool glim_document_panel_copy(glim_document *doc, const glim_panel *panel);
/* One by its name, or NULL. */
GLIM_API const glim_panel *glim_document_panel(const glim_document *doc, const char *name);
/* Names an axis' labels, which are copied; printf. False when memory is refused. */
GLIM_API bool glim_document_label(glim_document *doc, glim_panel_axis *axis, size_t i,
                                  const char *format, ...) GLIM_PRINTF(4, 5);
/* Lowers the verdict (never raises it) and keeps the reason of the worst. */
GLIM_API void glim_document_judge(glim_document *doc, glim_verdict verdict, const char *format, ...)
    GLIM_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif
