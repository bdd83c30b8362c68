/* SPDX-License-Identifier: Apache-2.0 */
/* Which words made the model say what it says next? usage: explain MODEL TEXT */
#include <glim/glim.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    glim_context *ctx = NULL;
    glim_model *model = NULL;
    glim_tokens *tokens = NULL;
    glim_predictor *predictor = NULL;
    glim_document *doc = NULL;
    glim_error err = {0};
    glim_target_options target = {.auto_units = true};

    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL.gguf TEXT\n", argv[0]);
        return 2;
    }
    glim_status status = glim_context_new(&ctx, NULL, &err);
    if (!status)
        status = glim_model_open(&model, ctx, argv[1], &err);
    if (!status)
        status = glim_model_tokenize(model, &tokens, argv[2], strlen(argv[2]), &err);
    if (!status)
        status = glim_predictor_lm(&predictor, model, tokens, &target, &err);
    if (!status)
        status = glim_explain(&doc, predictor, glim_method_find("occlusion"), NULL, 0, &err);
    if (!status) {
        printf("why '%.*s' follows:\n", (int)doc->target.text_len, doc->target.text);
        for (size_t i = 0; i < doc->input.n_units; i++)
            if (!doc->input.units[i].fixed)
                printf("%+8.2f %.*s\n", doc->scores[i], (int)doc->input.units[i].text_len,
                       doc->input.units[i].text);
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    glim_document_free(doc);
    glim_predictor_free(predictor);
    glim_tokens_free(tokens);
    glim_model_close(model);
    glim_context_free(ctx);
    return glim_status_exit(status);
}
