/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles of patterns in a file: every byte against means written down plainly, of both
 * precisions, at every level, at the edges; the same for any number of threads; damaged
 * files and refused memory.
 */
#include "view-testing.h"

#include "file/safetensors.h"
#include "tensor/dequantise.h"
#include "view/tiles.h"

#include <unistd.h>

enum { L = 2, H = 2, MOST_ALLOCATIONS = 1000 };

struct shape {
    size_t rows, columns;
    bool causal, half;
};

static const struct shape shapes[] = {
    {300, 300, true, false}, {300, 300, true, true},  {1, 1, true, false},
    {7, 530, false, true},   {600, 20, false, false},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static glim_context *context_of(int threads) {
    glim_context *ctx;
    assert_int_equal(glim_context_new(&ctx, &(glim_context_options){.threads = threads}, NULL),
                     GLIM_OK);
    return ctx;
}

/* Some sharp and some small weights, nothing above the diagonal of a causal pattern. */
static float weight(const struct shape *s, size_t head, size_t t, size_t k) {
    if (s->causal && k > t)
        return 0;
    float x = (float)((t * 31 + k * 17 + head * 7) % 101) / 101;
    float w = x > 0.9f ? x : x * 0.001f;
    return s->half ? glim__half_to_float(glim__float_to_half(w)) : w;
}

static void put_file(const struct shape *s, const char *path) {
    glim_outfile f;
    const uint64_t dims[] = {L, H, s->rows, s->columns};
    assert_int_equal(glim__npy_begin(&f, path, s->half, 4, dims, NULL), GLIM_OK);
    for (size_t h = 0; h < L * H; h++)
        for (size_t t = 0; t < s->rows; t++)
            for (size_t k = 0; k < s->columns; k++) {
                float x = weight(s, h, t, k);
                uint16_t half = glim__float_to_half(x);
                assert_int_equal(s->half ? glim__outfile_write(&f, &half, 2, NULL)
                                         : glim__outfile_write(&f, &x, 4, NULL),
                                 GLIM_OK);
            }
    assert_int_equal(glim__outfile_commit(&f, NULL), GLIM_OK);
}

static double mean(const struct shape *s, size_t head, size_t row, size_t column, size_t step) {
    double sum = 0;
    size_t n = 0;
    for (size_t t = row; t < row + step && t < s->rows; t++)
        for (size_t k = column; k < column + step && k < s->columns; k++)
            if (!s->causal || k <= t) {
                sum += (double)weight(s, head, t, k);
                n++;
            }
    return n ? sum / (double)n : 0;
}

static void path_of(char path[64]) {
    snprintf(path, 64, "/tmp/glim-tiles-%d.npy", (int)getpid());
}

static void check_tile(const struct shape *s, const glim_tile *at, const uint8_t *bytes,
                       float scale) {
    size_t step = (size_t)1 << at->level, head = at->layer * H + at->head;
    double most = 0;
    for (size_t i = 0; i < TILE_BYTES; i++) {
        size_t row = (at->row * TILE_SIDE + i / TILE_SIDE) * step;
        size_t column = (at->column * TILE_SIDE + i % TILE_SIDE) * step;
        double want = mean(s, head, row, column, step);
        double share = sqrt(scale > 0 ? want / (double)scale : 0);
        most = want > most ? want : most;
        if (fabs(255 * share - bytes[i]) > 0.501)
            fail_msg("%zu x %zu level %d: cell %zu is %d, wants %g", s->rows, s->columns, at->level,
                     i, bytes[i], 255 * share);
    }
    assert_float_equal(scale, most, 1e-6 * most);
}

static void tiles_are_means(void **state) {
    char path[64];
    path_of(path);
    glim_context *ctx = context_of(2);
    uint8_t *bytes = malloc(TILE_BYTES);
    for (size_t i = 0; i < N_SHAPES; i++) {
        const struct shape *s = &shapes[i];
        glim_tiles t;
        put_file(s, path);
        assert_int_equal(glim__tiles_open(&t, ctx, path, s->causal, NULL), GLIM_OK);
        for (int level = 0; level <= glim__tiles_top(&t); level++) {
            size_t span = (size_t)TILE_SIDE << level;
            for (size_t r = 0; r * span < s->rows; r++)
                for (size_t c = 0; c * span < s->columns; c++) {
                    glim_tile at = {1, i % H, r, c, level};
                    float scale;
                    assert_int_equal(glim__tiles_cut(&t, &at, bytes, &scale, NULL), GLIM_OK);
                    check_tile(s, &at, bytes, scale);
                }
        }
        glim__tiles_close(&t);
    }
    free(bytes);
    unlink(path);
    glim_context_free(ctx);
}

static void bits_do_not_depend_on_threads(void **state) {
    char path[64];
    path_of(path);
    put_file(&shapes[0], path);
    uint8_t *bytes[2] = {malloc(TILE_BYTES), malloc(TILE_BYTES)};
    float scales[2];
    for (int i = 0; i < 2; i++) {
        glim_context *ctx = context_of(1 + 2 * i);
        glim_tiles t;
        assert_int_equal(glim__tiles_open(&t, ctx, path, true, NULL), GLIM_OK);
        glim_tile at = {0, 1, 0, 0, 1};
        assert_int_equal(glim__tiles_cut(&t, &at, bytes[i], &scales[i], NULL), GLIM_OK);
        glim__tiles_close(&t);
        glim_context_free(ctx);
    }
    assert_memory_equal(bytes[0], bytes[1], TILE_BYTES);
    assert_true(scales[0] == scales[1]);
    free(bytes[0]);
    free(bytes[1]);
    unlink(path);
}

static void what_is_not_there_is_refused(void **state) {
    static const glim_tile wrong[] = {{L, 0, 0, 0, 0}, {0, H, 0, 0, 0},       {0, 0, 2, 0, 0},
                                      {0, 0, 0, 2, 0}, {0, 0, 0, 0, -1},      {0, 0, 0, 0, 2},
                                      {0, 0, 1, 0, 1}, {0, 0, SIZE_MAX, 0, 0}};
    char path[64];
    path_of(path);
    put_file(&shapes[0], path);
    glim_context *ctx = context_of(1);
    glim_tiles t;
    glim_error err;
    uint8_t *bytes = malloc(TILE_BYTES);
    float scale;
    assert_int_equal(glim__tiles_open(&t, ctx, path, true, NULL), GLIM_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(glim__tiles_cut(&t, &wrong[i], bytes, &scale, &err), GLIM_EUSAGE);
        assert_non_null(strstr(err.message, "there is no tile"));
    }
    glim__tiles_close(&t);
    free(bytes);
    unlink(path);
    glim_context_free(ctx);
}

/* A header as NumPy writes it, with something else in it, and `data` bytes behind. */
static void put_header(const char *path, const char *literal, size_t data) {
    FILE *f = fopen(path, "wb");
    uint8_t head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)strlen(literal), 0};
    fwrite(head, 1, sizeof head, f);
    fwrite(literal, 1, strlen(literal), f);
    for (size_t i = 0; i < data; i++)
        fputc(0, f);
    fclose(f);
}

static void damaged_files_are_named(void **state) {
    static const struct {
        const char *literal, *says;
        size_t data;
    } cases_[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 2, 2), }", "cut short", 15},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 2, 2), }", "float16", 64},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1, 2, 2), }", "C order", 64},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4), }", "no patterns", 64},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 2, 3), }", "no patterns", 64},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1, 2, 2), }", "no patterns", 64},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (x), }", "shape", 64},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9, 99999999999, 99999999999), }",
         "too large", 64},
        {"{'descr': '<f4', 'shape': (1, 1, 2, 2), }", "lacks", 64},
    };
    char path[64];
    path_of(path);
    glim_context *ctx = context_of(1);
    for (size_t i = 0; i < sizeof cases_ / sizeof *cases_; i++) {
        glim_tiles t;
        glim_error err;
        put_header(path, cases_[i].literal, cases_[i].data);
        assert_int_equal(glim__tiles_open(&t, ctx, path, true, &err), GLIM_EFORMAT);
        if (!strstr(err.message, cases_[i].says))
            fail_msg("%s: '%s' says nothing of '%s'", cases_[i].literal, err.message,
                     cases_[i].says);
    }
    unlink(path);
    glim_context_free(ctx);
}

static void refused_memory_is_an_error(void **state) {
    char path[64];
    path_of(path);
    put_file(&shapes[2], path);
    uint8_t *bytes = malloc(TILE_BYTES);
    for (uint64_t nth = 1;; nth++) {
        glim_context *ctx = context_of(1);
        glim_tiles t;
        glim_error err = {0};
        float scale;
        glim__fail_allocation(ctx, nth);
        glim_status status = glim__tiles_open(&t, ctx, path, true, &err);
        if (!status) {
            status = glim__tiles_cut(&t, &(glim_tile){0}, bytes, &scale, &err);
            glim__tiles_close(&t);
        }
        assert_true(!status || (status == GLIM_ENOMEM && *err.message));
        glim_context_free(ctx);
        if (!status)
            break;
        assert_true(nth < MOST_ALLOCATIONS);
    }
    free(bytes);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_are_means),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(what_is_not_there_is_refused),
        cmocka_unit_test(damaged_files_are_named),
        cmocka_unit_test(refused_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
