/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_aopc MODEL [PROMPTS]: which method ranks best? For every prompt and method
 * the units are removed in the order of their scores, one after the other, and
 * the drop of the target's probability is averaged over the steps (AOPC,
 * comprehensiveness; DeYoung et al. 2020). Two ways of removing are used, because
 * a method that removes the same way wins its own game. Higher is better; the
 * row "random" is the mean over orders drawn at random. Prints a Markdown table.
 */
#include "base/rng.h"
#include "explain/methods.h"

#include <glim/glim.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const english[] = {
    "The capital of France is",
    "The opposite of hot is",
    "Two plus three equals",
    "The chemical symbol for gold is",
    "Water freezes at zero degrees and boils at one hundred degrees",
    "My dog barks at the mailman every morning, so the mailman is afraid of my",
    "Romeo and Juliet was written by William",
    "The sun rises in the east and sets in the",
    "She put the milk back into the",
    "The movie was boring and far too long; I would not recommend it to my",
    "Paris is the capital of France, and Rome is the capital of",
    "The president of the United States lives in the White",
    "An apple a day keeps the doctor",
    "He forgot his umbrella, so when it started to rain he got",
};

static const char *const chinese[] = {
    "中国的首都是",
    "一年有十二个月，一个星期有七",
    "太阳从东方升起，从西方",
    "我昨天去超市买了苹果、香蕉和",
    "北京是中国的首都，东京是日本的",
    "他饿了，所以他去餐厅吃",
};

struct tally {
    double drop[2];
    double rows;
};

enum { METHODS = 8 };

static const struct {
    const char *name, *method;
    const char *set[5];
} entries[METHODS] = {
    {"occlusion, delete", "occlusion", {"absent", "delete"}},
    {"occlusion, attention", "occlusion", {"absent", "attention"}},
    {"occlusion, mean", "occlusion", {"absent", "mean"}},
    {"input-x-gradient", "input-x-gradient", {NULL}},
    {"gradient", "gradient", {NULL}},
    {"integrated-gradients", "integrated-gradients", {"refine", "none"}},
    {"smoothgrad", "smoothgrad", {"n-samples", "16"}},
    {"random", NULL, {NULL}},
};

static const double *sort_scores;
static int by_score(const void *a, const void *b) {
    double x = sort_scores[*(const size_t *)a], y = sort_scores[*(const size_t *)b];
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Mean drop over removing the first 1, 2, ... units of the order. */
static double curve(glim_predictor *p, const size_t *order, size_t n, glim_absent absent) {
    size_t U = p->units->count;
    glim_error err;
    uint8_t *keep = malloc(n * U);
    double *out = malloc(n * sizeof *out), sum = 0;
    memset(keep, 1, n * U);
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i <= k; i++)
            keep[k * U + order[i]] = 0;
    if (p->values(p, keep, n, absent, out, &err)) {
        fprintf(stderr, "bench: %s\n", err.message);
        exit(1);
    }
    for (size_t k = 0; k < n; k++)
        sum += p->value[0] - out[k];
    free(keep);
    free(out);
    return sum / (double)n;
}

static void add_curves(glim_predictor *p, const double *scores, struct tally *t) {
    size_t n = 0, *order = malloc(p->units->count * sizeof *order);
    for (size_t u = 0; u < p->units->count; u++)
        if (!p->units->at[u].fixed)
            order[n++] = u;
    sort_scores = scores;
    qsort(order, n, sizeof *order, by_score);
    t->drop[0] += curve(p, order, n, GLIM_ABSENT_DELETE);
    t->drop[1] += curve(p, order, n, GLIM_ABSENT_ATTENTION);
    free(order);
}

static void run_entry(glim_predictor *p, int e, struct tally *t) {
    glim_error err = {0};
    size_t U = p->units->count;
    double forward, backward;
    if (!entries[e].method) {
        double *scores = malloc(U * sizeof *scores);
        struct tally many = {0};
        for (uint64_t k = 0; k < 10; k++) {
            for (size_t u = 0; u < U; u++)
                scores[u] = glim__rng_uniform(1, k, u);
            add_curves(p, scores, &many);
        }
        t->drop[0] += many.drop[0] / 10;
        t->drop[1] += many.drop[1] / 10;
        free(scores);
        return;
    }
    const glim_method *m = glim_method_find(entries[e].method);
    void *opts = calloc(1, m->opts_size + 1);
    glim_document *doc = NULL;
    if (m->params)
        glim_param_defaults(m->params, opts);
    for (int i = 0; entries[e].set[i]; i += 2)
        glim_param_set(glim_param_find(m->params, entries[e].set[i]), opts, entries[e].set[i + 1],
                       &err);
    if (glim_explain(&doc, p, m, opts, 1, &err)) {
        fprintf(stderr, "bench: %s\n", err.message);
        exit(1);
    }
    forward = (double)doc->cost.forward_tokens;
    backward = (double)doc->cost.backward_tokens;
    t->rows += (forward + backward) / (double)p->T;
    add_curves(p, doc->scores, t);
    glim_document_free(doc);
    free(opts);
}

static void run_prompt(glim_model *m, const char *text, struct tally *all) {
    glim_error err = {0};
    glim_tokens *t = NULL;
    glim_predictor *p = NULL;
    glim_target_options o = {.units = GLIM_UNIT_WORD, .output = "logprob"};
    if (glim_model_tokenize(m, &t, text, strlen(text), &err) ||
        glim_predictor_lm(&p, m, t, &o, &err)) {
        fprintf(stderr, "bench: %s\n", err.message);
        exit(1);
    }
    for (int e = 0; e < METHODS; e++)
        run_entry(p, e, &all[e]);
    glim_predictor_free(p);
    glim_tokens_free(t);
}

int main(int argc, char **argv) {
    glim_context *ctx = NULL;
    glim_model *m = NULL;
    glim_error err = {0};
    struct tally all[METHODS] = {{{0}, 0}};
    size_t n = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_aopc MODEL [chinese]\n");
        return 2;
    }
    if (glim_context_new(&ctx, NULL, &err) || glim_model_open(&m, ctx, argv[1], &err)) {
        fprintf(stderr, "bench: %s\n", err.message);
        return 1;
    }
    for (size_t i = 0; i < sizeof english / sizeof *english; i++, n++)
        run_prompt(m, english[i], all);
    for (size_t i = 0; argc > 2 && i < sizeof chinese / sizeof *chinese; i++, n++)
        run_prompt(m, chinese[i], all);
    printf(
        "%s, %zu prompts\n\n| method | by deletion | by attention | passes |\n|---|---|---|---|\n",
        glim_model_facts(m)->architecture, n);
    for (int e = 0; e < METHODS; e++)
        printf("| %s | %.2f | %.2f | %.1f |\n", entries[e].name, all[e].drop[0] / (double)n,
               all[e].drop[1] / (double)n, all[e].rows / (double)n);
    glim_model_close(m);
    glim_context_free(ctx);
    return 0;
}
