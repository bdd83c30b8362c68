/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a picture, decoded within a budget and resized. */
#include "file/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    glim_context *ctx;
    glim_context_options options = {.threads = 1, .memory = 32 << 20};
    glim_image *image = NULL, *small = NULL;
    if (glim__context_new(&ctx, &options, NULL))
        return 0;
    if (!glim_image_decode(&image, ctx, data, size, "it", NULL) && image->width < 2000 &&
        image->height < 2000)
        glim__image_resize(&small, image, 17, 5, NULL);
    glim_image_free(small);
    glim_image_free(image);
    glim_context_free(ctx);
    return 0;
}
