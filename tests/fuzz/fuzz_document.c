/* SPDX-License-Identifier: Apache-2.0 */
/* Saved documents: whatever parses must render in every view, and in the terminal
   within its width and without an escape that nobody asked for. */
#include "view/width.h"

#include <glim/glim.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_terminal(const char *text, int width) {
    if (strchr(text, '\x1b'))
        abort();
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        if (glim__text_width(line, strcspn(line, "\n"), 1) > width)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static glim_context *ctx;
    glim_context_options options = {.threads = 1};
    glim_document *doc = NULL;
    glim_error err;
    if (!ctx && glim_context_new(&ctx, &options, &err))
        return 0;
    if (glim_document_parse(&doc, ctx, (const char *)data, n, "fuzz", &err))
        return 0;
    for (size_t i = 0; glim_views()[i]; i++)
        for (int width = 20; width <= 120; width += 50) {
            glim_view_options how = {.width = width,
                                     .color = (glim_color)(width == 70 ? width % 4 : 0),
                                     .ascii = width == 70,
                                     .numbers = width == 20,
                                     .lang = width == 70 ? "zh-CN" : NULL};
            char *text = NULL;
            size_t len;
            if (glim_view_render(glim_views()[i], doc, &how, &text, &len, &err))
                continue;
            if (!strcmp(glim_views()[i]->name, "terminal") && !how.color)
                check_terminal(text, width);
            glim_view_free(ctx, text);
        }
    glim_document_free(doc);
    return 0;
}
