/* SPDX-License-Identifier: Apache-2.0 */
/* Links in Pharaoh's format: what parses lies within the words, each pair once and in
   order, and agrees with itself. */
#include "explain/align.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    enum { S = 40, T = 30 };
    static glim_context *ctx;
    glim_context_options options = {.threads = 1};
    glim_links links;
    glim_aer sum = {0};
    glim_error err;
    if (!ctx && glim_context_new(&ctx, &options, &err))
        return 0;
    if (glim__gold_parse(&links, ctx, (const char *)data, n, "fuzz", 1, S, T, &err))
        return 0;
    for (size_t i = 0; i < links.count; i++) {
        const glim_link *l = &links.at[i];
        if (l->source >= S || l->target >= T ||
            (i && l[-1].target * S + l[-1].source >= l->target * S + l->source))
            abort();
    }
    glim__aer_add(&sum, &links, &links);
    if (sum.a_and_p != sum.a || sum.a_and_s != sum.s)
        abort();
    glim__links_free(&links);
    return 0;
}
