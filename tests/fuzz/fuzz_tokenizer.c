/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a text: refused, or tokens whose bytes are the text. */
#include "fuzz-model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    glim_tokens *t = NULL;
    glim_error err;
    for (size_t which = 0; which < 3; which++)
        if (!glim_model_tokenize(fuzz_model(which), &t, (const char *)data, n, &err))
            fuzz_check_tokens(t);
    return 0;
}
