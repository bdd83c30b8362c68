/* SPDX-License-Identifier: Apache-2.0 */
/*
 * predictor.h: black boxes. A black box is any program that answers questions: it
 * maps N inputs to an (N, K) matrix of numbers, one column a class. glim can ask it
 * and nothing else, so methods that need gradients refuse it by name.
 *
 *   process:COMMAND   a child process: a line of JSON in, a line of JSON out
 *   http:URL          the same JSON by POST (https:URL as well)
 *   openai:URL#MODEL  a server with the OpenAI API: labels or next tokens
 *   plugin:FILE.so    a shared object (plugin.h)
 *
 * The protocol of `process` and `http`, one line each way for a batch:
 *
 *   {"schema": "glim.batch/1", "kind": "text", "inputs": ["...", "..."]}
 *   {"outputs": [[0.1, 0.9], [0.8, 0.2]], "classes": ["neg", "pos"], "scale": "prob"}
 *
 * "classes" may be left out (the columns are then called 0, 1, ...), and so may
 * "scale": "prob", "logprob", "logit", or "raw" when nothing is said. An answer
 * {"error": "..."} fails the call with these words. Other members are ignored. For
 * pictures "kind" is "image" and every input a PNG file in base64; for rows of a table
 * it is "row" and every input an object, {"column": 1.5, "other": "red"}, null in
 * an empty cell.
 */
#ifndef GLIM_PREDICTOR_H
#define GLIM_PREDICTOR_H

#include <glim/image.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a batch holds. */
typedef enum glim_input_kind {
    GLIM_INPUT_TEXT,
    GLIM_INPUT_IMAGE, /* a PNG file in base64 */
    GLIM_INPUT_ROW    /* a row of a table: a JSON object of columns and cells */
} glim_input_kind;

/* What the numbers of a black box are. */
typedef enum glim_scale {
    GLIM_SCALE_RAW,     /* any scores */
    GLIM_SCALE_LOGIT,   /* a softmax over the classes makes them probabilities (of a
                           single class: a logistic function) */
    GLIM_SCALE_LOGPROB, /* logarithms of probabilities of more than these classes */
    GLIM_SCALE_PROB     /* probabilities that sum to one within 0.001 */
} glim_scale;

/* One input. Bytes are borrowed; valid UTF-8. */
typedef struct glim_input {
    const char *text;
    size_t len;
} glim_input;

typedef struct glim_black_box glim_black_box;

/* Zero means the default. Strings are copied. */
typedef struct glim_black_box_options {
    double timeout;        /* seconds that one batch may take; default 60 */
    size_t batch_size;     /* inputs in a call at most; default 256 */
    size_t concurrency;    /* calls under way at once (http, openai); default 4 */
    const char *headers;   /* lines "Name: value" for http and openai; never shown */
    const char *labels;    /* openai: "positive,negative"; NULL = next tokens */
    const char *prompt;    /* openai: text around the input, with "{text}" */
    bool length_normalise; /* openai: label scores as means over their tokens */
    const char *store;     /* a file (SQLite) that keeps all answers; what it has is not asked
                              again. NULL = none */
} glim_black_box_options;

/* What is known about a black box; classes only after the first answer. */
typedef struct glim_black_box_info {
    const char *spec;           /* as given, without passwords and query strings */
    const char *kind;           /* "process", "http", "openai", "plugin", "function" */
    const char *name;           /* of the model or plugin, or NULL */
    const char *how;            /* how numbers are got, e.g. "logprobs of the labels"; or NULL */
    const char *digest;         /* SHA-256 of a plugin's file, or NULL */
    const char *const *classes; /* [n_classes] UTF-8 */
    size_t n_classes;
    glim_scale scale;
    size_t batch_size, concurrency;
    uint64_t asked, calls, restarts; /* so far: inputs, calls, children started again */
} glim_black_box_info;

/* Opens a black box. A child is started and a server asked with the first input.
   Errors: EUSAGE (a spec that is none), EIO, EUNSUPPORTED (http without libcurl),
   ENOMEM, EBUDGET. */
GLIM_API glim_status glim_black_box_open(glim_black_box **out, glim_context *ctx, const char *spec,
                                         const glim_black_box_options *options, glim_error *err);
/* Answers one batch: n inputs to values (n, K) in row order. A failure fills *err. */
typedef glim_status glim_black_box_function(void *data, glim_input_kind kind,
                                            const glim_input *inputs, size_t n, double *values,
                                            glim_error *err);
/* A function of the caller as a black box with K named classes. */
GLIM_API glim_status glim_black_box_new(glim_black_box **out, glim_context *ctx,
                                        glim_black_box_function *function, void *data,
                                        const char *const *classes, size_t n_classes,
                                        glim_scale scale, glim_error *err);
/* Stops the child, closes connections; NULL is fine. */
GLIM_API void glim_black_box_close(glim_black_box *box);
GLIM_API const glim_black_box_info *glim_black_box_facts(const glim_black_box *box);

/* Asks: *values (n, K) in the order of the inputs, to be freed with
   glim_black_box_values_free. Equal inputs are asked once, and remembered. On an
   error *values may still be there, NaN where no answer was reached. Errors: EIO
   (the box died, hung, could not be reached), EFORMAT (an answer that is none:
   quoted), ENUMERIC (NaN and infinities), ELIMIT, ECANCELLED. */
GLIM_API glim_status glim_black_box_ask(glim_black_box *box, const glim_input *inputs, size_t n,
                                        double **values, glim_error *err);
GLIM_API void glim_black_box_values_free(glim_black_box *box, double *values);

/* What is explained of a black box. Strings are borrowed for the call. */
typedef struct glim_class_options {
    const char *class_name; /* NULL = the class with the largest value on the input */
    const char *against;    /* a class to contrast with, or NULL */
    const char *output;     /* "prob", "logit", "logprob", "score"; NULL = score for raw scores,
                               prob for probabilities and logits, else logprob */
    const char *mask_token; /* what --absent mask writes for a word; NULL = "..." */
    glim_unit_kind units;   /* word or sentence */
    bool auto_units;
} glim_class_options;

/* The black box with one text as a predictor; box and text are borrowed and must
   outlive it. Asks for the text itself. Errors: EUSAGE (no such class, an output
   that cannot be had from its scale, units that need tokens), EFORMAT (text that is
   not UTF-8), and those of asking. */
GLIM_API glim_status glim_predictor_black_box(glim_predictor **out, glim_black_box *box,
                                              const char *text, size_t len,
                                              const glim_class_options *options, glim_error *err);
/* The same with a picture, whose patches or superpixels are painted over. `cut`: its name,
   superpixels, segments and patch, of which 0 is a fourteenth of the longer side; a
   target is in `options`. The box may be used for texts again afterwards. Errors: as above,
   and EUSAGE for a cut that cannot be made, or from a box of the kind openai, which reads texts. */
GLIM_API glim_status glim_predictor_black_box_image(glim_predictor **out, glim_black_box *box,
                                                    const glim_image *image,
                                                    const glim_image_options *cut,
                                                    const glim_class_options *options,
                                                    glim_error *err);
/* One row (K) for a picture; freed with glim_black_box_values_free. Errors: as of asking. */
GLIM_API glim_status glim_black_box_ask_image(glim_black_box *box, const glim_image *image,
                                              double **values, glim_error *err);
/* A cell: its text, or (text NULL) a number, of which NaN is an empty cell. */
typedef struct glim_cell {
    const char *text;
    double number;
} glim_cell;

/* A row of n named columns, all borrowed. `usual` is what an absent cell has instead,
   such as the column's mean; only asking needs none. */
typedef struct glim_row {
    const char *const *columns;
    const glim_cell *cells, *usual;
    size_t n;
} glim_row;

/* The same with a row, whose columns are the units; what it points to must outlive the
   predictor. Errors: as above, EUSAGE without columns, EFORMAT (text that is not UTF-8). */
GLIM_API glim_status glim_predictor_black_box_row(glim_predictor **out, glim_black_box *box,
                                                  const glim_row *row,
                                                  const glim_class_options *options,
                                                  glim_error *err);
GLIM_API glim_status glim_black_box_ask_row(glim_black_box *box, const glim_row *row,
                                            double **values, glim_error *err);
/* Values of a row (K) on another scale: "prob", "logit", "logprob", "score".
   Errors: EUSAGE when the box's scale does not tell. */
GLIM_API glim_status glim_black_box_output(const glim_black_box *box, const double *row,
                                           size_t class_index, const char *output, double *value,
                                           glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
