/* SPDX-License-Identifier: Apache-2.0 */
/* Colours as eyes tell them apart (IEC 61966-2-1 to XYZ, CIE 1976 L*a*b*), and numbers of labels.
 */
#include "predict/superpixel.h"

#include <math.h>
#include <string.h>

/* Light of every byte, 0 to 1: the inverse of sRGB's curve. */
static void fill_light(double light[256], int least, int most) {
    double range = most > least ? most - least : 1;
    for (int i = least; i <= most; i++) {
        double v = (i - least) / range;
        light[i] = v > 0.04045 ? pow((v + 0.055) / 1.055, 2.4) : v / 12.92;
    }
}

static double curve(double t) {
    return t > 0.008856 ? cbrt(t) : 7.787 * t + 16.0 / 116;
}

void glim__superpixel_lab(float *lab, const glim_image *image, bool stretch, double factor) {
    static const double xyz[3][3] = {{0.412453 / 0.95047, 0.357580 / 0.95047, 0.180423 / 0.95047},
                                     {0.212671, 0.715160, 0.072169},
                                     {0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883}};
    size_t n = (size_t)image->width * (size_t)image->height;
    int least = stretch ? 255 : 0, most = stretch ? 0 : 255;
    double light[256] = {0};
    for (size_t i = 0; i < 3 * n && stretch; i++) {
        least = image->rgb[i] < least ? image->rgb[i] : least;
        most = image->rgb[i] > most ? image->rgb[i] : most;
    }
    fill_light(light, least, most);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *rgb = image->rgb + 3 * i;
        double f[3];
        for (int k = 0; k < 3; k++)
            f[k] = curve(xyz[k][0] * light[rgb[0]] + xyz[k][1] * light[rgb[1]] +
                         xyz[k][2] * light[rgb[2]]);
        lab[3 * i] = (float)(factor * (116 * f[1] - 16));
        lab[3 * i + 1] = (float)(factor * 500 * (f[0] - f[1]));
        lab[3 * i + 2] = (float)(factor * 200 * (f[1] - f[2]));
    }
}

size_t glim__superpixel_number(uint32_t *label, size_t pixels, uint32_t *map, size_t most) {
    size_t n = 0;
    memset(map, 0xff, most * sizeof *map);
    for (size_t i = 0; i < pixels; i++) {
        if (map[label[i]] == UINT32_MAX)
            map[label[i]] = (uint32_t)n++;
        label[i] = map[label[i]];
    }
    return n;
}
