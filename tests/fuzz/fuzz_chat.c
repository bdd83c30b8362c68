/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a chat file, through every template. */
#include "fuzz-model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const char *const names[] = {"chatml",   "llama2", "mistral", "phi3",  "glm4",
                                        "chatglm3", "zephyr", "gemma",   "llama3"};
    glim_tokens *t = NULL;
    glim_error err;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!glim_model_tokenize_chat(fuzz_model(i), &t, (const char *)data, n, "fuzz", names[i],
                                      &err))
            fuzz_check_tokens(t);
    return 0;
}
