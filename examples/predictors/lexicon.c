/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A black box in a shared object: good words minus bad words, as logits.
 *
 *   cc -shared -fPIC -o lexicon.so lexicon.c
 *   glim explain --predictor plugin:./lexicon.so "a dull film with great music"
 */
#include <glim/plugin.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *const classes[] = {"negative", "positive"};

static const struct {
    const char *word;
    double weight;
} lexicon[] = {{"great", 1.5}, {"good", 1},    {"beautiful", 1.5}, {"charming", 1},
               {"loved", 2},   {"boring", -2}, {"bad", -1.5},      {"dull", -1.5},
               {"awful", -2},  {"hated", -2},  {"not", -0.75}};

static double weight_of(const char *word, size_t n) {
    for (size_t i = 0; i < sizeof lexicon / sizeof *lexicon; i++)
        if (strlen(lexicon[i].word) == n && !memcmp(lexicon[i].word, word, n))
            return lexicon[i].weight;
    return 0;
}

static double score(const char *text, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && isalpha((unsigned char)text[end]))
            end++;
        sum += weight_of(text + i, end - i);
        i = end > i ? end : i + 1;
    }
    return sum;
}

static int predict(void *state, const glim_plugin_batch *batch, double *values, char *why,
                   size_t why_size) {
    if (strcmp(batch->kind, "text")) {
        snprintf(why, why_size, "this plugin reads texts, not %s", batch->kind);
        return 1;
    }
    for (size_t i = 0; i < batch->count; i++) {
        values[2 * i + 1] = score(batch->texts[i], batch->lengths[i]);
        values[2 * i] = -values[2 * i + 1];
    }
    return 0;
}

static const glim_plugin plugin = {.version = GLIM_PLUGIN_VERSION,
                                   .size = sizeof(glim_plugin),
                                   .name = "word list",
                                   .classes = classes,
                                   .n_classes = 2,
                                   .scale = "logit",
                                   .predict = predict};

GLIM_PLUGIN_EXPORT const glim_plugin *glim_plugin_open(int version) {
    return version == GLIM_PLUGIN_VERSION ? &plugin : NULL;
}
