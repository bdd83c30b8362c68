/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attention.h: which words a model's heads look at while it reads and writes, and, of a
 * translation, which word of the source belongs to which word of the target.
 */
#ifndef GLIM_ATTENTION_H
#define GLIM_ATTENTION_H

#include <glim/explain.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How links are read off a matrix of target words by source words. */
typedef struct glim_align_options {
    const char *extract; /* "argmax" (NULL), "intersection", "softmax-threshold",
                            "grow-diag-final-and" */
    const char *gold;    /* a line of links that are right, "0-0 1p1", or NULL */
    size_t gold_len;
    const char *gold_name; /* for messages */
    size_t gold_line;      /* likewise, from 1 */
} glim_align_options;

/* Strings are borrowed for the call. */
typedef struct glim_attention_options {
    const char *side;         /* of an encoder-decoder "encoder", "decoder" or "cross" (NULL) */
    const char *continuation; /* text that is read behind the input; of an encoder-decoder what
                                 is written about it (NULL = what the model writes) */
    size_t generate;          /* decoders: tokens to write behind the input; 0 = none */
    int layer, head;          /* what is shown; -1 = the mean over all */
    const char *sink;         /* "show", "hide", "renormalise"; NULL = show, or when words are
                                 aligned renormalise */
    glim_unit_kind units;
    bool auto_units;           /* words; sentences of long texts */
    const char *raw;           /* a .npy file for the whole patterns (L, H, T, S), or NULL */
    bool half;                 /* of raw: float16, rounded to nearest */
    int raw_layer, raw_layers; /* of raw: so many from this one on; 0 = all */
    const char *heads;  /* whose largest weights are kept, "3.7,4" (layer 3's head 7, all of 4) or
                           "auto", those that tell most; and cells of all. NULL = none */
    bool align;         /* a translation's target words by its source words, and their links */
    const char *at;     /* "input" (NULL): what the model looks at when it reads a word of the
                           target; "output": when it is about to write it */
    const char *source; /* decoders: the part of the input that was translated, which stands
                           there once */
    glim_align_options links;
} glim_attention_options;

/* Runs the tokens once, which grow by what is written, and returns a document of the kind
   "attention". No more than one pattern of a layer is held. On ECANCELLED the document is a
   valid partial one. Errors: EUSAGE (no such side, layer, head or source), ELIMIT (too many
   units), EFORMAT (gold), and those of a forward pass. */
GLIM_API glim_status glim_attention_read(glim_document **out, const glim_model *model,
                                         glim_tokens *tokens, const glim_attention_options *options,
                                         glim_error *err);
/* What that will cost, before anything is written. */
GLIM_API glim_status glim_attention_plan(glim_plan *out, const glim_model *model,
                                         const glim_tokens *tokens,
                                         const glim_attention_options *options, glim_error *err);

/* Adds links to a document whose rows are the tokens of a translation: rows become words,
   whose scores, values and log-probabilities add up, and each finds its source words among
   the units that are neither fixed nor generated. Errors: EUSAGE (no rows), EFORMAT (gold). */
GLIM_API glim_status glim_document_align(glim_document *doc, const glim_align_options *options,
                                         glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
