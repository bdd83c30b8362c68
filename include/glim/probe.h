/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h: what can be read off a model's inner values, and where. A probe is a small model
 * fitted on the values of a site to tell a property of texts, or of the words in them. Its
 * accuracy says that the property can be read there, not that the model uses it; so each
 * comes with what the same probe makes of labels that mean nothing (Hewitt, Liang 2019, EMNLP),
 * with baselines that read no layer, and with how short a code of the labels it makes (minimum
 * description length, online: Voita, Titov 2020, EMNLP).
 *
 * All sites are seen in one pass over the texts. Their values wait in a temporary file, and one
 * site at a time is in memory. Bits do not depend on threads.
 */
#ifndef GLIM_PROBE_H
#define GLIM_PROBE_H

#include <glim/explain.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum glim_probe_kind {
    GLIM_PROBE_LINEAR, /* logistic regression; ridge regression of numbers */
    GLIM_PROBE_MLP     /* one hidden layer of rectified units */
} glim_probe_kind;

/* Zero and NULL mean the default, apart from strength. Strings are borrowed. */
typedef struct glim_probe_options {
    /* Rows of texts: .csv, .tsv, .jsonl, .txt (LABEL, tab, text). Words with tags: .conll (word,
       tab, tag; an empty line behind a sentence; of CoNLL-U the word and UPOS), .tags or .txt
       (word/tag word/tag), .jsonl ("tokens", "tags" and perhaps "text"). */
    const char *path;
    const char *each;         /* "text", "word"; NULL: by the file */
    const char *text, *label; /* columns ("text", "label") */
    const char *group;        /* a column: its rows are never parted */
    bool numbers;             /* the label is a number */
    bool drop_missing;        /* leave out rows without text or label; else an error */
    const char *sites; /* patterns by commas; NULL: the embedding and the end of each block */
    const char *pool;  /* of texts: "last", "mean", "first"; NULL: decoders last, else mean */
    const char *word;  /* of words: "last" (NULL), "first", "mean" of their tokens */
    bool half;         /* values wait as halves: half the disk, three digits */
    glim_probe_kind kind;
    double strength;     /* of L2 (1/C); < 0: chosen by inner cross-validation, 1e-4 to 1e4 */
    size_t folds;        /* 5; each row is tested once in each repeat */
    size_t repeats;      /* 1 */
    size_t inner;        /* 5 folds that choose the strength */
    size_t permutations; /* texts: 20 controls */
    bool no_control, no_code, no_baseline; /* leave these out */
    size_t hidden;                         /* MLP: 128 units */
    double decay;      /* MLP: weight decay; 0: chosen by inner cross-validation, 1e-5 to 1 */
    bool random_model; /* probe the same model with the rows of its blocks' weights in random
                          order as well: what its shape alone makes of the texts */
    const char *store; /* a file where what is done is kept, so that a run that was killed goes
                          on there (SQLite): values of texts, what was found at sites; or NULL */
    uint64_t seed;
    const char *save; /* a file for the directions (directions.h), or NULL */
    /* The directions as concepts (TCAV: Kim et al. 2018, ICML): for each text, whether moving
       the site along the class raises this output: a token that follows, or a class of the
       model; NULL: not asked. */
    const char *concept_target;
    const char *concept_class; /* whose direction; NULL: the last class */
    size_t concept_inputs;     /* texts that are walked back, even distances apart; 200 */
    size_t directions;         /* random ones to compare with, 20 */
} glim_probe_options;

/* Returns a document of the kind "probe", all of it in panels: "accuracy" (or "r2"): lines of
   the probe, its control, what is between them, and baselines, by site; "compression": that of
   the code (numbers: of one that has them to a hundredth of their standard deviation); "confusion"
   of the best site; "layers": all numbers; "concept". On ECANCELLED the document is a valid partial
   one with the sites that were done. Errors: EUSAGE (one class, a class too rare for the folds,
   unknown sites with the names near to them), EFORMAT (naming file and line), EIO (no room on
   disk), ENOMEM, EBUDGET. */
GLIM_API glim_status glim_probe(glim_document **out, const glim_model *model,
                                const glim_probe_options *options, glim_error *err);

/* What that takes: tokens to run, bytes of memory and of disk. Reads the data. */
GLIM_API glim_status glim_probe_plan(glim_plan *out, uint64_t *disk, const glim_model *model,
                                     const glim_probe_options *options, glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
