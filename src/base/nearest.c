/* SPDX-License-Identifier: Apache-2.0 */
/* Levenshtein 1966, a row of the table at a time. */
#include "base/nearest.h"

#include <string.h>

int glim__edit_distance(const char *a, size_t n, const char *b) {
    size_t m = strlen(b);
    int row[GLIM_NEAREST_MOST + 1];
    if (n > GLIM_NEAREST_MOST || m > GLIM_NEAREST_MOST)
        return GLIM_NEAREST_MOST;
    for (size_t j = 0; j <= m; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int corner = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int change = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            int other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < other ? change : other;
        }
    }
    return row[m];
}
