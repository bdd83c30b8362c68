/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into a model by hooks: read a head's pattern, steer the residual stream towards the
   answer's embedding, and differentiate the answer by a neuron. usage: inside MODEL TEXT LAYER HEAD
   NEURON */
#include <glim/glim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct look {
    size_t head, neuron, wide, far; /* far: the position that the last token looks at most */
    float share, activation, slope;
    const float *direction; /* (C) added to the last token's stream, or NULL */
};

/* (heads, T, S): where the last token looks. */
static glim_status read_pattern(void *data, const glim_site *s, glim_error *err) {
    struct look *l = data;
    size_t T = s->dims[1], S = s->dims[2];
    if (l->head >= s->dims[0])
        return glim_fail(err, GLIM_EUSAGE, "%s has %zu heads", s->name, s->dims[0]);
    const float *row = s->data + (l->head * T + T - 1) * S;
    for (size_t i = 0; i < S; i++)
        if (!i || row[i] > l->share) {
            l->share = row[i];
            l->far = i;
        }
    return GLIM_OK;
}

/* (T, C). A hook that writes must write the same when a block is computed a second time for its
   gradient. */
static glim_status steer(void *data, const glim_site *s, glim_error *err) {
    const struct look *l = data;
    float *row = s->data + (s->dims[0] - 1) * s->dims[1];
    for (size_t c = 0; c < s->dims[1] && l->direction; c++)
        row[c] += 2 * l->direction[c];
    return GLIM_OK;
}

/* (T, F): first the activations, on backward their gradient. */
static glim_status see_neuron(void *data, const glim_site *s, glim_error *err) {
    struct look *l = data;
    if (l->neuron >= s->dims[1])
        return glim_fail(err, GLIM_EUSAGE, "%s has %zu neurons", s->name, s->dims[1]);
    float x = s->data[(s->dims[0] - 1) * s->dims[1] + l->neuron];
    *(s->gradient ? &l->slope : &l->activation) = x;
    return GLIM_OK;
}

struct input {
    int32_t *ids;
    float *gradient;  /* (n, width) of the embeddings */
    float *direction; /* (width) */
    size_t n;
};

static glim_status look_inside(glim_session *s, const struct input *x, struct look *l, int layer,
                               int32_t *answer, glim_error *err) {
    char pattern[64], stream[64], neuron[64];
    uint32_t last = (uint32_t)x->n - 1;
    const float one = 1;
    snprintf(pattern, sizeof pattern, "blocks.%d.attn.hook_pattern", layer);
    snprintf(stream, sizeof stream, "blocks.%d.hook_resid_pre", layer);
    snprintf(neuron, sizeof neuron, "blocks.%d.mlp.hook_post", layer);
    const glim_hook hooks[] = {{pattern, GLIM_HOOK_READ, read_pattern, l},
                               {stream, GLIM_HOOK_WRITE, steer, l},
                               {neuron, GLIM_HOOK_READ | GLIM_HOOK_GRAD, see_neuron, l}};
    const glim_sequence q = {.ids = x->ids, .count = x->n, .wanted = &last, .n_wanted = 1};
    const glim_batch b = {.sequences = &q, .count = 1, .hooks = hooks, .n_hooks = 3, .keep = true};
    glim_status status = glim_session_forward(s, &b, err);
    if (status)
        return status;
    const float *logits = glim_session_logits(s, 0, 0);
    if (*answer < 0) /* the likeliest, of the first run */
        *answer = glim_sample(logits, (int)l->wide, NULL, 0);
    printf("%s: logit %.3f; head %zu looks %.0f %% at token %zu; neuron %zu is %+.4f", stream,
           logits[*answer], l->head, 100 * l->share, l->far + 1, l->neuron, l->activation);
    const glim_seed seed = {.ids = answer, .weights = &one, .n = 1};
    status = glim_session_backward(s, &seed, 1, x->gradient, err);
    if (!status)
        printf(", d logit / d neuron %+.4f\n", l->slope);
    return status;
}

static glim_status run(const glim_model *m, const glim_tokens *t, struct look *l, int layer,
                       glim_error *err) {
    const glim_model_info *info = glim_model_facts(m);
    glim_session *s = NULL;
    struct input x = {.n = t->count};
    int32_t answer = -1;
    if (layer < 0 || layer >= info->layers || info->task != GLIM_TASK_GENERATE)
        return glim_fail(err, GLIM_EUSAGE, "a decoder and one of its blocks are needed");
    l->wide = (size_t)info->outputs;
    x.ids = calloc(x.n, sizeof *x.ids);
    x.gradient = calloc(x.n * (size_t)info->width, sizeof *x.gradient);
    x.direction = calloc((size_t)info->width, sizeof *x.direction);
    glim_status status = x.ids && x.gradient && x.direction
                             ? glim_session_new(&s, m, 0, err)
                             : glim_fail(err, GLIM_ENOMEM, "out of memory");
    for (size_t i = 0; i < x.n && !status; i++)
        x.ids[i] = t->at[i].id;
    if (!status)
        status = look_inside(s, &x, l, layer, &answer, err);
    if (!status)
        status = glim_model_embedding(m, answer, x.direction, err);
    l->direction = x.direction;
    if (!status)
        status = look_inside(s, &x, l, layer, &answer, err);
    glim_session_free(s);
    free(x.ids);
    free(x.gradient);
    free(x.direction);
    return status;
}

int main(int argc, char **argv) {
    glim_context *ctx = NULL;
    glim_model *model = NULL;
    glim_tokens *tokens = NULL;
    glim_error err = {0};
    if (argc != 6) {
        fprintf(stderr, "usage: %s MODEL TEXT LAYER HEAD NEURON\n", argv[0]);
        return 2;
    }
    struct look l = {.head = strtoul(argv[4], NULL, 10), .neuron = strtoul(argv[5], NULL, 10)};
    glim_status status = glim_context_new(&ctx, NULL, &err);
    if (!status)
        status = glim_model_open(&model, ctx, argv[1], &err);
    if (!status)
        status = glim_model_tokenize(model, &tokens, argv[2], strlen(argv[2]), &err);
    if (!status)
        status = run(model, tokens, &l, atoi(argv[3]), &err);
    if (status)
        fprintf(stderr, "%s\n", err.message);
    glim_tokens_free(tokens);
    glim_model_close(model);
    glim_context_free(ctx);
    return glim_status_exit(status);
}
