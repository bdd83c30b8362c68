/* SPDX-License-Identifier: Apache-2.0 */
/*
 * document.h: an explanation, schema glim.explanation/1 (docs/schema/). A
 * document owns all it holds and outlives the model; one call frees it. NaN in
 * a number means "not there" and is null in JSON.
 */
#ifndef GLIM_DOCUMENT_H
#define GLIM_DOCUMENT_H

#include <glim/base.h>

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

typedef struct glim_document {
    glim_context *ctx;
    void *owner;      /* the arena; use glim_document_new and glim_document_free */
    const char *kind; /* "attribution" or "attribution-matrix" */
    struct {
        const char *file, *name, *architecture, *quantisation, *digest;
    } model;
    struct {
        const char *text;
        size_t text_len;
        const char *unit; /* "token", "word", "sentence", "turn", "patch", "superpixel" */
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
    } method;
    glim_document_row *rows; /* matrix only */
    size_t n_rows;           /* 1 for a plain attribution (rows may be NULL then) */
    double *scores;          /* (n_rows, n_units); NaN = not applicable */
    double *error;           /* standard errors, same shape, or NULL */
    double fixed_total;      /* sum over fixed units of an additive method, else NaN */
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
    bool partial;        /* interrupted: scores that were not reached are NaN */
    const char *version; /* of the glim that made it */
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
/* Lowers the verdict (never raises it) and keeps the reason of the worst. */
GLIM_API void glim_document_judge(glim_document *doc, glim_verdict verdict, const char *format, ...)
    GLIM_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif
