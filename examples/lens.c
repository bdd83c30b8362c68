/* SPDX-License-Identifier: Apache-2.0 */
/* What would each layer say if it were the last? The lens is a document; its panels are found by
   name. usage: lens MODEL TEXT */
#include <glim/glim.h>
#include <glim/lens.h>
#include <stdio.h>
#include <string.h>

/* A row a layer, the last above: its likeliest word, and how far it is from the last layer. */
static void print_lens(const glim_document *doc) {
    const glim_panel *words = glim_document_panel(doc, "lens");
    const glim_panel *rank = glim_document_panel(doc, "lens-rank");
    const glim_panel *far = glim_document_panel(doc, "lens-divergence");
    for (size_t i = 0; i < words->rows.n; i++) {
        size_t last = (i + 1) * words->columns.n - 1; /* the cell of the last position */
        printf("%-5s  %-12s  %3.0f %%  rank of the answer %.0f, %.2f nats\n", words->rows.labels[i],
               words->texts[last], 100 * words->values[last], rank->values[last],
               far->values[last]);
    }
}

static glim_status read(const glim_model *model, glim_tokens *tokens, glim_error *err) {
    const glim_target_options target = {.output = "logit"};
    const glim_lens_options lens = {.top = 1};
    glim_predictor *p = NULL;
    glim_document *doc = NULL;
    glim_status status = glim_predictor_lm(&p, model, tokens, &target, err);
    if (!status)
        status = glim_lens_read(&doc, p, &lens, err);
    if (!status)
        print_lens(doc);
    glim_document_free(doc);
    glim_predictor_free(p);
    return status;
}

int main(int argc, char **argv) {
    glim_context *ctx = NULL;
    glim_model *model = NULL;
    glim_tokens *tokens = NULL;
    glim_error err = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL TEXT\n", argv[0]);
        return 2;
    }
    glim_status status = glim_context_new(&ctx, NULL, &err);
    if (!status)
        status = glim_model_open(&model, ctx, argv[1], &err);
    if (!status)
        status = glim_model_tokenize(model, &tokens, argv[2], strlen(argv[2]), &err);
    if (!status)
        status = read(model, tokens, &err);
    if (status)
        fprintf(stderr, "%s\n", err.message);
    glim_tokens_free(tokens);
    glim_model_close(model);
    glim_context_free(ctx);
    return glim_status_exit(status);
}
