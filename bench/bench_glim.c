/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_glim MODEL [THREADS] [NAME...]: glim's side of the workloads of peers.py,
 * each the best of several runs after a warm-up, as one JSON object of seconds.
 * peak_gflops is the multiply-add peak in registers and first cache, gflop_row
 * the products of one row with all blocks' weights, forward.
 */
#include "base/context.h"
#include "explain/methods.h"
#include "model/model.h"
#include "tensor/kernels.h"

#include <glim/glim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char text[] =
    "The history of a language is the history of the people who speak it, and the words that they "
    "borrow tell where they have been. Traders carried names of spices and cloth, sailors those of "
    "winds and ropes, and scholars whole grammars. ";

struct bench {
    glim_context *ctx;
    glim_model *model;
    glim_session *session;
    int32_t ids[512];
    float *d, *x;
    int T;
    glim_predictor *p;
    const glim_method *method;
    void *opts;
    double peak;
};

static void die(const glim_error *err) {
    fprintf(stderr, "bench: %s\n", err->message);
    exit(1);
}

static double best(void (*fn)(struct bench *), struct bench *b, double least) {
    double top = 1e9, spent = 0;
    fn(b);
    for (int i = 0; i < 3 || spent < least; i++) {
        double t = glim__seconds();
        fn(b);
        t = glim__seconds() - t;
        spent += t;
        top = t < top ? t : top;
    }
    return top;
}

static void forward(struct bench *b) {
    glim_error err;
    uint32_t last = (uint32_t)b->T - 1;
    glim_sequence q = {.ids = b->ids, .count = (size_t)b->T, .wanted = &last, .n_wanted = 1};
    glim_batch batch = {.sequences = &q, .count = 1};
    if (glim_session_forward(b->session, &batch, &err))
        die(&err);
}

static void gradient(struct bench *b) {
    glim_error err;
    uint32_t last = (uint32_t)b->T - 1;
    int32_t id = 100;
    float one = 1;
    glim_sequence q = {.ids = b->ids, .count = (size_t)b->T, .wanted = &last, .n_wanted = 1};
    glim_batch batch = {.sequences = &q, .count = 1, .keep = true};
    glim_seed seed = {.ids = &id, .weights = &one, .n = 1};
    if (glim_session_forward(b->session, &batch, &err) ||
        glim_session_backward(b->session, &seed, 1, b->d, &err))
        die(&err);
}

static void explain(struct bench *b) {
    glim_error err;
    glim_document *doc = NULL;
    if (glim_explain(&doc, b->p, b->method, b->opts, 0, &err))
        die(&err);
    glim_document_free(doc);
}

static void open_again(struct bench *b) {
    glim_error err;
    glim_model *m = NULL;
    if (glim_model_open(&m, b->ctx, glim_model_facts(b->model)->path, &err))
        die(&err);
    glim_model_close(m);
}

static void hot_item(void *data, size_t item, int worker) {
    static float hot[8192];
    const glim_kernels *k = data;
    float c[12 * 32];
    for (int i = 0; i < 1000; i++)
        k->tile(12, 32, 128, hot, 128, 1, hot + 2048, 32, c, 32, false);
}

static void peak(struct bench *b) {
    glim__parallel(b->ctx, 8, hot_item, (void *)glim__kernels(b->ctx));
}

static void make_predictor(struct bench *b, size_t T, const char *method, const char *const *set) {
    glim_error err;
    static glim_tokens *tokens;
    glim_predictor_free(b->p);
    glim_tokens_free(tokens);
    free(b->opts);
    char *many = malloc(20 * sizeof text);
    many[0] = 0;
    for (int i = 0; i < 19; i++)
        strcat(many, text);
    if (glim_model_tokenize(b->model, &tokens, many, strlen(many), &err))
        die(&err);
    free(many);
    tokens->count = T;
    tokens->text_len = tokens->at[T - 1].end;
    glim_target_options o = {.units = GLIM_UNIT_TOKEN, .output = "logit"};
    if (glim_predictor_lm(&b->p, b->model, tokens, &o, &err))
        die(&err);
    b->method = glim_method_find(method);
    b->opts = calloc(1, b->method->opts_size + 1);
    if (b->method->params)
        glim_param_defaults(b->method->params, b->opts);
    for (; set && *set; set += 2)
        if (glim_param_set(glim_param_find(b->method->params, set[0]), b->opts, set[1], &err))
            die(&err);
}

static bool wanted(int argc, char **argv, const char *name) {
    for (int i = 3; i < argc; i++)
        if (!strcmp(argv[i], name))
            return true;
    return argc <= 3;
}

static void fill_ids(struct bench *b) {
    glim_error err;
    glim_tokens *t = NULL;
    char *many = malloc(20 * sizeof text);
    many[0] = 0;
    for (int i = 0; i < 19; i++)
        strcat(many, text);
    if (glim_model_tokenize(b->model, &t, many, strlen(many), &err))
        die(&err);
    for (size_t i = 0; i < 512; i++)
        b->ids[i] = t->at[i % t->count].id;
    glim_tokens_free(t);
    free(many);
}

/* Seconds of a prompt and at most `n` tokens after it; *made: how many. */
static double generate(struct bench *b, size_t n, size_t *made) {
    glim_error err;
    glim_tokens *t = NULL;
    const char *prompt = "The history of a language";
    if (glim_model_tokenize(b->model, &t, prompt, strlen(prompt), &err))
        die(&err);
    size_t start = t->count;
    double s = glim__seconds();
    if (glim_generate(b->model, t, n, NULL, NULL, NULL, &err))
        die(&err);
    s = glim__seconds() - s;
    *made = t->count - start;
    glim_tokens_free(t);
    return s;
}

static double gflop_row(const glim_model *m) {
    double sum = 0;
    for (int i = 0; i < m->hyper.L; i++) {
        const glim_layer *w = &m->layers[i];
        const glim_matrix *all[] = {&w->q, &w->k, &w->v, &w->o, &w->gate, &w->up, &w->down};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            sum += 2e-9 * (double)all[k]->rows * (double)all[k]->cols;
    }
    return sum;
}

static double decode(struct bench *b) {
    size_t first, all;
    double one = generate(b, 1, &first), again = generate(b, 1, &first);
    double s = generate(b, 65, &all);
    return (s - (again < one ? again : one)) / (double)(all - first);
}

int main(int argc, char **argv) {
    static const char *const ig[] = {"baseline", "zero", "steps", "50", "refine", "none", NULL};
    static const char *const orders[] = {"exact-units", "0", "pairs", "5", NULL};
    struct bench b = {0};
    glim_error err;
    glim_context_options options = {.threads = argc > 2 ? atoi(argv[2]) : 2};
    if (argc < 2) {
        fprintf(stderr, "usage: bench_glim MODEL [THREADS] [NAME...]\n");
        return 2;
    }
    if (glim_context_new(&b.ctx, &options, &err) ||
        glim_model_open(&b.model, b.ctx, argv[1], &err) ||
        glim_session_new(&b.session, b.model, 0, &err))
        die(&err);
    fill_ids(&b);
    b.d = malloc(512 * sizeof(float) * (size_t)glim_model_facts(b.model)->width);
    b.peak = 8.0 * 1000 * 2 * 12 * 32 * 128 / best(peak, &b, 0.3) / 1e9;
    printf("{\"peak_gflops\": %.1f, \"gflop_row\": %.6f", b.peak, gflop_row(b.model));
    if (wanted(argc, argv, "open"))
        printf(", \"open\": %.6f", best(open_again, &b, 0.2));
    static const struct {
        const char *name;
        int T;
        void (*fn)(struct bench *);
    } passes[] = {{"prefill_128", 128, forward},
                  {"prefill_512", 512, forward},
                  {"grad_128", 128, gradient},
                  {"grad_512", 512, gradient}};
    for (size_t i = 0; i < 4; i++)
        if (wanted(argc, argv, passes[i].name)) {
            b.T = passes[i].T;
            double s = best(passes[i].fn, &b, 1);
            printf(", \"%s\": %.6f", passes[i].name, s);
            fflush(stdout);
        }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf(", \"peak_bytes\": %ld", usage.ru_maxrss * 1024);
    if (wanted(argc, argv, "decode")) {
        double s = decode(&b);
        for (int i = 0; i < 3; i++) {
            double again = decode(&b);
            s = again < s ? again : s;
        }
        printf(", \"decode\": %.6f", s);
    }
    static const struct {
        const char *name, *method;
        size_t T;
        const char *const *set;
    } methods[] = {{"occlusion_32", "occlusion", 32, NULL},
                   {"shapley_16", "shapley", 16, orders},
                   {"ig_32", "integrated-gradients", 32, ig},
                   {"ig_128", "integrated-gradients", 128, ig}};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (wanted(argc, argv, methods[i].name)) {
            make_predictor(&b, methods[i].T, methods[i].method, methods[i].set);
            printf(", \"%s\": %.6f", methods[i].name, best(explain, &b, 1));
            fflush(stdout);
        }
    printf("}\n");
    return 0;
}
