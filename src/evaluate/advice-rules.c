/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What glim advises, as a table. Where places come from: occlusion, gradient and integrated
 * gradients were measured on language models (docs/default-method.md), and all methods of
 * tables on a fitted one, where LIME orders columns worse for sure (docs/results.md). Exact values
 * go before sampled ones for accuracy; what gives the same bits whatever the seed goes first for
 * consistency; few features or whole sentences for simplicity; shares that add up to the target for
 * comprehensiveness. Of training samples: the head's exact Hessian, then curvature, then single
 * gradients (docs/methods.md). docs/advice.md shows what follows.
 */
#include "evaluate/advice-rules.h"

enum {
    DECODER = 1 << GLIM_ACCESS_DECODER,
    ENCODER = 1 << GLIM_ACCESS_ENCODER,
    PAIR = 1 << GLIM_ACCESS_ENCODER_DECODER,
    EYE = 1 << GLIM_ACCESS_IMAGE,
    FITTED = 1 << GLIM_ACCESS_FITTED,
    BOX = 1 << GLIM_ACCESS_BLACK_BOX,
    OPEN = DECODER | ENCODER | PAIR,
    ANY = OPEN | EYE | FITTED | BOX,

    CLASSIFY = 1 << GLIM_JOB_CLASSIFY,
    GENERATE = 1 << GLIM_JOB_GENERATE,
    TRANSLATE = 1 << GLIM_JOB_TRANSLATE,
    DIALOGUE = 1 << GLIM_JOB_DIALOGUE,
    ANSWER = 1 << GLIM_JOB_ANSWER,
    TABLE = 1 << GLIM_JOB_TABLE,
    IMAGE = 1 << GLIM_JOB_IMAGE,
    WRITING = GENERATE | TRANSLATE | DIALOGUE | ANSWER,
    TEXT = WRITING | CLASSIFY,
    ALL = TEXT | TABLE | IMAGE,

    PARTS = 1 << GLIM_WANT_PARTS,
    CONTRAST = 1 << GLIM_WANT_CONTRAST,
    LOOKS = 1 << GLIM_WANT_LOOKS,
    ALIGNMENT = 1 << GLIM_WANT_ALIGNMENT,
    EXAMPLES = 1 << GLIM_WANT_EXAMPLES,
    TRAINING = 1 << GLIM_WANT_TRAINING,
    INSIDE = 1 << GLIM_WANT_INSIDE,
    WHICH = PARTS | CONTRAST,
};

/* place: accuracy, consistency, simplicity, comprehensiveness */
const glim_rule glim__advice_rules[] = {
    /* ---- parts of a text ---- */
    {OPEN | BOX, TEXT, WHICH, 1, 12, "shapley", "explain", "--exact-units 12", .power = true,
     .place = {1, 2, 5, 1},
     .why = "few parts: every combination is asked, so the shares are exact and add up"},
    {OPEN | BOX, TEXT, WHICH, 1, 200, "occlusion", "explain", "", .fixed = 1, .each = 1,
     .place = {2, 1, 3, 5},
     .why = "leads our measurements; differences of the model's own answers, the same each time"},
    {OPEN | BOX, TEXT, WHICH, 30, 0, "occlusion", "explain", "--units sentence", .fixed = 1,
     .each = 1.0 / 15, .place = {9, 8, 2, 8},
     .why = "whole sentences: a coarse answer, for a fraction of the passes"},
    {OPEN | BOX, TEXT, WHICH, 13, 100, "kernel-shap", "explain", "", .fixed = 512, .each = 4,
     .elastic = "n-samples", .least = 256, .place = {3, 7, 6, 3},
     .why = "shares that add up, with standard errors, where exact ones are out of reach"},
    {OPEN | BOX, TEXT, WHICH, 13, 100, "owen", "explain", "", .fixed = 500, .elastic = "max-evals",
     .least = 50, .place = {4, 4, 4, 2},
     .why = "shares that add up at any budget, over turns, sentences and words"},
    {OPEN | BOX, TEXT, WHICH, 101, 0, "owen", "explain", "", .fixed = 500, .elastic = "max-evals",
     .least = 50, .place = {2, 3, 4, 1},
     .why = "many parts: it goes into turns and sentences only where they matter"},
    {OPEN | BOX, TEXT, WHICH, 3, 0, "lime", "explain", "--num-features 6", .fixed = 1000,
     .elastic = "num-samples", .least = 200, .place = {8, 9, 1, 9},
     .why = "names six parts at most, and says how well they stand for the model"},
    {OPEN, TEXT, WHICH, 1, 0, "integrated-gradients", "explain", "--refine none", .fixed = 96,
     .place = {5, 3, 8, 4},
     .why = "contributions along a path, whatever the number of parts; prints what they miss"},
    {OPEN, TEXT, PARTS, 1, 200, "gradient", "explain", "", .fixed = 3, .place = {6, 5, 7, 9},
     .why = "second or third in our measurements, for one gradient"},
    {OPEN, TEXT, PARTS, 201, 0, "gradient", "explain", "", .fixed = 3, .place = {1, 1, 3, 6},
     .why = "one gradient whatever the number of parts, and second or third in our measurements"},
    {OPEN, TEXT, CONTRAST, 1, 0, "input-x-gradient", "explain", "", .fixed = 3,
     .place = {7, 5, 7, 7}, .why = "one gradient of the difference: what speaks for both cancels"},
    {DECODER, WRITING, PARTS, 1, 200, "reagent", "explain", "", .fixed = 480, .place = {7, 8, 9, 7},
     .why = "puts the model's own words in a part's place: no texts with gaps"},

    /* ---- columns of a table ---- */
    {FITTED | BOX, TABLE, WHICH, 1, 12, "shapley", "explain", "--exact-units 12", .power = true,
     .place = {1, 2, 5, 1},
     .why = "few columns: every combination is asked, so the shares are exact and add up"},
    {FITTED | BOX, TABLE, WHICH, 2, 0, "kernel-shap", "explain", "", .fixed = 512, .each = 4,
     .elastic = "n-samples", .least = 256, .place = {2, 6, 6, 2},
     .why = "shares of columns that add up, with standard errors"},
    {FITTED | BOX, TABLE, WHICH, 1, 0, "occlusion", "explain", "", .fixed = 1, .each = 1,
     .place = {3, 1, 3, 5},
     .why = "one question a column: what the answer loses with a usual value there"},
    {FITTED | BOX, TABLE, WHICH, 2, 0, "lime", "explain", "", .fixed = 5000,
     .elastic = "num-samples", .least = 500, .place = {5, 7, 1, 6},
     .why = "rules such as age in (38, 47], drawn as the table's columns are"},
    {FITTED, TABLE, WHICH, 1, 0, "integrated-gradients", "explain", "--refine none", .fixed = 96,
     .place = {4, 3, 7, 3},
     .why = "contributions of columns that add up to the difference from a usual row"},
    {FITTED | BOX, TABLE, EXAMPLES, 1, 0, "lime", "explain", "--pick 5", .fixed = 500000,
     .elastic = NULL, .place = {1, 1, 1, 1},
     .why = "explains 100 rows and shows the five that together say most"},

    /* ---- parts of a picture ---- */
    {EYE | BOX, IMAGE, WHICH, 2, 100, "kernel-shap", "explain", "", .fixed = 512, .each = 4,
     .elastic = "n-samples", .least = 256, .place = {1, 7, 5, 2},
     .why = "shares of the parts that add up, with standard errors"},
    {EYE | BOX, IMAGE, WHICH, 2, 0, "owen", "explain", "", .fixed = 500, .elastic = "max-evals",
     .least = 50, .place = {2, 3, 4, 1},
     .why = "shares over halves of halves of the picture: it looks closer where it matters"},
    {EYE | BOX, IMAGE, WHICH, 2, 0, "lime", "explain", "--superpixels slic", .fixed = 1000,
     .elastic = "num-samples", .least = 200, .place = {3, 8, 1, 6},
     .why = "parts that follow the picture's edges, and how well they stand for the model"},
    {EYE | BOX, IMAGE, WHICH, 1, 0, "occlusion", "explain", "", .fixed = 1, .each = 1,
     .place = {4, 1, 3, 4},
     .why = "covers each part in turn: differences of the model's own answers"},
    {EYE, IMAGE, WHICH, 1, 0, "integrated-gradients", "explain", "--refine none", .fixed = 96,
     .place = {5, 2, 7, 5},
     .why = "contributions along a path from a baseline; prints what they miss"},
    {EYE, IMAGE, WHICH | LOOKS, 1, 0, "grad-cam", "explain", "", .fixed = 3, .place = {6, 4, 2, 8},
     .why = "where on the last map inside the model the evidence lies, for one gradient"},
    {EYE, IMAGE, PARTS | LOOKS, 1, 0, "gradient", "explain", "", .fixed = 3, .place = {7, 5, 8, 9},
     .why = "where the answer reacts to small changes, for one gradient"},

    /* ---- attention ---- */
    {OPEN, TEXT, LOOKS, 1, 0, "attention-norm", "explain", "", .fixed = 1, .place = {1, 2, 2, 3},
     .why = "weighs what is looked at by what is taken from it: tokens that only draw looks fall"},
    {OPEN, TEXT, LOOKS, 1, 0, "attention", "attention", "", .fixed = 1, .place = {3, 1, 3, 1},
     .why = "the patterns themselves, mean or head by head; what draws looks anyway is named"},
    {OPEN, TEXT, LOOKS, 1, 0, "attention-gradient", "explain", "", .fixed = 3,
     .place = {2, 4, 4, 4},
     .why = "of all looks those that speak for the target, followed through the layers"},
    {OPEN, TEXT, LOOKS, 1, 0, "attention-rollout", "explain", "", .fixed = 1, .place = {5, 3, 1, 2},
     .why = "one map: looks followed through all layers down to the input"},

    /* ---- alignment ---- */
    {PAIR | DECODER, TRANSLATE, ALIGNMENT, 1, 0, "attention", "attention", "--align", .fixed = 1,
     .place = {1, 1, 1, 2},
     .why = "links by where the model looks while it translates: one pass for all words"},
    {PAIR | DECODER, TRANSLATE, ALIGNMENT, 1, 0, "occlusion", "explain", "--align", .fixed = 1,
     .each = 1, .place = {2, 2, 2, 1},
     .why = "links by what each written word loses without a source word: effects, not looks"},
    {PAIR | DECODER, TRANSLATE, ALIGNMENT, 1, 0, "gradient", "explain", "--align", .fixed = 1,
     .each = 2, .place = {3, 3, 3, 3},
     .why = "links by how strongly each written word reacts; a gradient for each"},

    /* ---- training samples: passes over them, there and back as three ---- */
    {FITTED, TABLE, TRAINING, 1, 0, "influence-functions", "influence", "", .fixed = 1,
     .place = {1, 1, 2, 1},
     .why = "exact up to first order for such a model; --check N compares it with refits"},
    {FITTED, TABLE, TRAINING, 1, 0, "diagnostics", "influence", "", .fixed = 1,
     .place = {2, 2, 1, 2},
     .why = "which rows the fit leans on whatever is asked: one number a row, no query"},
    {OPEN, CLASSIFY, TRAINING, 1, 0, "influence-functions", "influence", "--predictor fit:FILE",
     .fixed = 1, .head = true, .place = {1, 1, 3, 1},
     .why = "of a head that was fitted on the model: exact up to first order, checked by refits"},
    {OPEN, TEXT, TRAINING, 1, 0, "ekfac", "influence", "", .fixed = 9, .place = {2, 6, 7, 3},
     .why = "divides by the curvature: what other samples made up for is taken off"},
    {OPEN, TEXT, TRAINING, 1, 0, "gradient-cosine", "influence", "", .fixed = 3,
     .place = {3, 2, 1, 8},
     .why =
         "which samples pull the same way: a baseline that is hard to beat, long texts or short"},
    {OPEN, TEXT, TRAINING, 1, 0, "trak", "influence", "", .fixed = 3, .place = {4, 7, 6, 5},
     .why = "keeps projected gradients (--store), so that other queries cost next to nothing"},
    {OPEN, TEXT, TRAINING, 1, 0, "tracin", "influence", "", .fixed = 3, .place = {5, 3, 4, 2},
     .why = "steps on each sample, which add up over samples, groups and kept --checkpoints"},
    {OPEN, TEXT, TRAINING, 1, 0, "datainf", "influence", "", .fixed = 9, .place = {6, 5, 5, 4},
     .why = "for low-rank adapters, of whose small matrices its inverse is good"},
    {OPEN, TEXT, TRAINING, 1, 0, "similarity", "influence", "", .fixed = 1, .place = {7, 4, 2, 9},
     .why = "a first look, without gradients: samples that are like the query to the model"},
    {0},
};

const glim_refusal glim__advice_refusals[] = {
    {ANY, ALL, INSIDE,
     "what single layers and neurons know, this version of glim does not tell; `glim capture` "
     "saves the inner values for tools that do, and `glim fit` fits a linear model to them"},
    {DECODER | ENCODER | PAIR, TABLE | IMAGE, ~0U,
     "this kind of model reads texts: tables are for a fitted model or a black box, pictures for "
     "a model of pictures or a black box"},
    {EYE, ALL & ~IMAGE, ~0U, "a model of pictures has classes of pictures only (--task image)"},
    {FITTED, ALL & ~TABLE, ~0U,
     "a fitted model of a table reads rows (--task table); one that was fitted to texts is asked "
     "about as the model that it was put on"},
    {ENCODER, GENERATE | TRANSLATE | DIALOGUE, ~0U,
     "an encoder writes nothing: it has classes, and answers that stand in a text"},
    {PAIR, CLASSIFY | DIALOGUE, ~0U,
     "an encoder-decoder writes about a text and has no classes: --task translate, generate, or "
     "answer"},
    {BOX, WRITING, ~0U,
     "a black box is asked for the probabilities of classes, so glim cannot explain what it "
     "writes: make classes of its answers (--task classify), or run a model with its weights"},
    {PAIR, ALL, CONTRAST,
     "why this and not that is asked of one word, and an encoder-decoder is explained for all "
     "that it wrote: explain both texts, --target A and --target B, and compare"},
    {ENCODER, ANSWER, CONTRAST,
     "an answer that stands in a text is a place, with no other to hold against it: ask for parts"},
    {BOX, ALL, LOOKS, "a black box does not show where it looks: ask for parts"},
    {FITTED, ALL, LOOKS, "a fitted model of a table looks at every column: ask for parts"},
    {ANY & ~(PAIR | DECODER), ALL, ALIGNMENT, "words are aligned in what a model writes"},
    {ANY, ALL & ~TRANSLATE, ALIGNMENT, "words are aligned in translations (--task translate)"},
    {ANY, ALL & ~TABLE, EXAMPLES,
     "which examples say most is told for rows of a table; of texts and pictures explain each: "
     "this version of glim does not choose among them"},
    {ENCODER, ANSWER, TRAINING,
     "of answers that stand in a text this version of glim reads no training samples; of classes, "
     "completions, chats and translations it does"},
    {BOX | EYE, ALL, TRAINING,
     "training samples are traced through weights of models of texts, or through a fitted model of "
     "what such a model holds inside (`glim influence`)"},
    {0},
};
