/* SPDX-License-Identifier: Apache-2.0 */
/* From a picture to what a model sees of it, and to its pixels. */
#include "file/image.h"
#include "model/vision.h"

static glim_status check_sees(const glim_model *m, glim_error *err) {
    return m->vision ? GLIM_OK
                     : glim_fail(err, GLIM_EUSAGE, "'%s' reads text, not pictures", m->info.path);
}

/* A centred part, the odd pixel as torchvision and transformers leave it: above, left. */
static glim_status centre(glim_image **out, const glim_image *in, int width, int height,
                          glim_error *err) {
    return glim__image_crop(out, in, (in->width - width) / 2, (in->height - height) / 2, width,
                            height, err);
}

/* The picture takes the place of what it was made of. */
static void replace(glim_image **image, glim_image *next) {
    if (next) {
        glim_image_free(*image);
        *image = next;
    }
}

static glim_status resize(glim_image **image, int width, int height, glim_error *err) {
    glim_image *next = NULL;
    if ((*image)->width == width && (*image)->height == height)
        return GLIM_OK;
    glim_status status = glim__image_resize(&next, *image, width, height, err);
    replace(image, next);
    return status;
}

/* The shorter side to `shortest`, then the middle. */
static glim_status scale_and_cut(glim_image **image, const glim_vision *v, glim_error *err) {
    int w = (*image)->width, h = (*image)->height, shorter = w < h ? w : h;
    int64_t width = (int64_t)w * v->eye.shortest / shorter;
    int64_t height = (int64_t)h * v->eye.shortest / shorter;
    glim_image *next = NULL;
    if (width > GLIM_IMAGE_SIDE || height > GLIM_IMAGE_SIDE)
        return glim_fail(err, GLIM_ELIMIT, "a picture of %d x %d pixels is too narrow", w, h);
    glim_status status = resize(image, (int)width, (int)height, err);
    if (!status)
        status = centre(&next, *image, v->width, v->height, err);
    replace(image, next);
    return status;
}

glim_status glim_model_sees(const glim_model *m, glim_image **out, const glim_image *image,
                            glim_error *err) {
    *out = NULL;
    glim_status status = check_sees(m, err);
    if (status)
        return status;
    const glim_vision *v = m->vision;
    glim_image *now = NULL;
    int w = image->width, h = image->height, side = (int)(v->eye.share * (w < h ? w : h));
    side = side < 1 ? 1 : side;
    status = centre(&now, image, v->eye.share > 0 ? side : w, v->eye.share > 0 ? side : h, err);
    if (!status && v->eye.shortest)
        status = scale_and_cut(&now, v, err);
    if (!status)
        status = resize(&now, v->width, v->height, err);
    if (status)
        glim_image_free(now);
    else
        *out = now;
    return status;
}

void glim_model_pixels(const glim_model *m, const glim_image *seen, float *out) {
    const glim_vision_eye *eye = &m->vision->eye;
    size_t n = (size_t)seen->width * (size_t)seen->height;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            out[3 * i + c] =
                (float)((seen->rgb[3 * i + c] * eye->rescale - eye->mean[c]) / (double)eye->std[c]);
}
