/* SPDX-License-Identifier: Apache-2.0 */
/* Rows and sums that several processes make, beside those of one. */
#include "../base/base-testing.h"

#include "../base/team-testing.h"
#include "base/rng.h"
#include "influence/shares.h"

#include <stdlib.h>

enum { MOST = 300 };

static const size_t sizes[] = {1, 2, 7, 31, 64, 65, 130, MOST};
enum { SIZES = sizeof sizes / sizeof *sizes };

static glim_context *context_of(const glim_team *team) {
    glim_context *ctx = make_context(1, 0);
    glim__context_set_team(ctx, team);
    return ctx;
}

/* ---- rows ---- */

struct rows {
    glim_context *ctx;
    size_t made, taken, skipped, fail_at; /* fail_at: 1 + a sample */
    uint64_t sum;
};

struct record {
    uint64_t sample, extra;
};

static bool wanted(void *data, size_t first) {
    return first / 16 % 3 != 1;
}

static glim_status make(void *data, size_t first, size_t count, void *records, glim_error *err) {
    struct rows *r = data;
    struct record *to = records;
    for (size_t i = 0; i < count; i++) {
        if (first + i + 1 == r->fail_at)
            return glim_fail(err, GLIM_ENUMERIC, "sample %zu is bad", first + i);
        if (to[i].extra) /* they are zeroed */
            return GLIM_EIO;
        to[i] = (struct record){first + i, (first + i) * (first + i) + 1};
        r->made++;
    }
    glim__progress_begin_items(r->ctx, "a pass", count);
    glim__progress_add(r->ctx, count);
    glim__progress_end(r->ctx);
    return GLIM_OK;
}

static glim_status take(void *data, size_t first, size_t count, const void *records,
                        glim_error *err) {
    struct rows *r = data;
    const struct record *from = records;
    if (first != r->taken)
        return glim_fail(err, GLIM_EIO, "sample %zu comes before %zu", first, r->taken);
    for (size_t i = 0; i < count && from; i++)
        if (from[i].sample != first + i || from[i].extra != (first + i) * (first + i) + 1)
            return glim_fail(err, GLIM_EIO, "sample %zu is another", first + i);
    r->taken += count;
    r->skipped += from ? 0 : count;
    return GLIM_OK;
}

static glim_share share_of(glim_context *ctx, size_t n, struct rows *r) {
    *r = (struct rows){.ctx = ctx};
    return (glim_share){.ctx = ctx,
                        .stage = "rows",
                        .n = n,
                        .block = 16,
                        .bytes = sizeof(struct record),
                        .work = make,
                        .take = take,
                        .data = r};
}

static bool share_rows(const glim_team *t, void *data) {
    glim_context *ctx = context_of(t);
    bool good = true;
    for (size_t k = 0; k < 2 * SIZES && good; k++) {
        struct rows r;
        size_t n = sizes[k / 2];
        glim_share s = share_of(ctx, n, &r);
        s.wanted = k % 2 ? wanted : NULL;
        good = !glim__share(&s, NULL) && r.taken == (t->rank ? 0 : n);
        good = good && (k % 2 || n < (size_t)t->size || r.made); /* everyone has work */
        size_t all = r.made + r.skipped;
        good = good && !glim__team_total(ctx, &all, NULL) && (t->rank || all == n);
    }
    end_context(ctx);
    return good;
}

static void rows_come_in_order_from_all(void **state) {
    for (int size = 1; size <= TEAM_MOST; size++)
        assert_true(team_run(size, share_rows, NULL));
}

static void note(void *data, const glim_progress *p) {
    *(uint64_t *)data = p->done;
}

/* All samples, whoever works on them. */
static bool tell_progress(const glim_team *t, void *data) {
    bool good = true;
    for (int k = 0; k < 4 && good; k++) {
        uint64_t done = 0;
        struct rows r;
        glim_context *ctx;
        glim_context_options o = {.threads = 1, .progress = note, .progress_data = &done};
        assert_int_equal(glim__context_new(&ctx, &o, NULL), GLIM_OK);
        glim__context_set_team(ctx, t);
        glim_share s = share_of(ctx, MOST, &r);
        s.inner = k % 2;
        s.wanted = k / 2 ? wanted : NULL;
        good = !glim__share(&s, NULL) && done == MOST;
        end_context(ctx);
    }
    return good;
}

static void progress_reaches_the_end(void **state) {
    for (int size = 1; size <= 3; size++)
        assert_true(team_run(size, tell_progress, NULL));
}

/* The second process fails: nobody is left waiting. */
static bool fail_rows(const glim_team *t, void *data) {
    glim_context *ctx = context_of(t);
    struct rows r;
    glim_error err = {0};
    glim_share s = share_of(ctx, MOST, &r);
    r.fail_at = t->rank == 1 ? 17 : 0;
    glim_status status = glim__share(&s, &err);
    end_context(ctx);
    return t->rank == 1 ? status == GLIM_ENUMERIC : t->rank || status == GLIM_EIO;
}

static void a_failure_ends_all(void **state) {
    for (int size = 2; size <= 4; size++)
        assert_true(team_run(size, fail_rows, NULL));
}

static void refused_memory_and_a_cancellation_are_told(void **state) {
    glim_context *ctx = make_context(1, 0);
    struct rows r;
    glim_share s = share_of(ctx, MOST, &r);
    glim__fail_allocation(ctx, 1);
    assert_int_equal(glim__share(&s, NULL), GLIM_ENOMEM);
    glim__fail_allocation(ctx, 0);
    glim_context_cancel(ctx);
    assert_int_equal(glim__share(&s, NULL), GLIM_ECANCELLED);
    assert_int_equal(r.taken, 0);
    end_context(ctx);
}

/* ---- sums ---- */

enum { WIDE = 9000 }; /* more than a message */

struct sums {
    glim_context *ctx;
    double part[3], total[3];
    float *part32, *total32;
    uint64_t seen, all;
};

static double term(size_t i, size_t k) {
    return glim__rng_normal(5, i, k) * (i % 7 ? 1 : 1e6);
}

static glim_status add_samples(void *data, size_t first, size_t count, glim_error *err) {
    struct sums *s = data;
    for (size_t i = first; i < first + count; i++) {
        for (size_t k = 0; k < 3; k++)
            s->part[k] += term(i, k);
        float few[11];
        for (size_t k = 0; k < 11; k++)
            few[k] = (float)term(i, k);
        for (size_t k = 0; k < WIDE; k++)
            s->part32[k] += few[k % 11];
    }
    s->seen += count;
    return GLIM_OK;
}

static glim_status add_pieces(void *data, size_t first, size_t count, glim_error *err) {
    struct sums *s = data;
    const glim_partial all[] = {
        {GLIM_SUM_F64, 3, s->part, s->total, glim__sum_owner(s->ctx, 0)},
        {GLIM_SUM_F32, WIDE, s->part32, s->total32, glim__sum_owner(s->ctx, 1)},
        {GLIM_SUM_U64, 1, &s->seen, &s->all, 0},
    };
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < 3 && !status; i++)
        status = glim__pieces_add(s->ctx, first, count, &all[i], err);
    memset(s->part, 0, sizeof s->part);
    memset(s->part32, 0, WIDE * sizeof *s->part32);
    s->seen = 0;
    return status;
}

struct kept {
    size_t n;
    double total[3];
    float total32[WIDE];
};

/* Of n samples; the first process keeps them, or compares. */
static bool sum_up(const glim_team *t, void *data) {
    struct kept *k = data;
    struct sums s = {.ctx = context_of(t)};
    s.part32 = calloc(2 * WIDE, sizeof *s.part32);
    s.total32 = s.part32 + WIDE;
    const glim_piecewise how = {.ctx = s.ctx,
                                .stage = "sums",
                                .n = k->n,
                                .piece = add_samples,
                                .add = add_pieces,
                                .data = &s};
    bool good = !glim__piecewise(&how, NULL);
    good = good && !glim__team_broadcast(s.ctx, glim__sum_owner(s.ctx, 1), s.total32,
                                         WIDE * sizeof *s.total32, NULL);
    if (!t->rank) {
        good = good && s.all == k->n;
        if (t->size == 1) {
            memcpy(k->total, s.total, sizeof s.total);
            memcpy(k->total32, s.total32, sizeof k->total32);
        }
    }
    good = good && !memcmp(k->total32, s.total32, sizeof k->total32) &&
           (t->rank || !memcmp(k->total, s.total, sizeof s.total));
    free(s.part32);
    end_context(s.ctx);
    return good;
}

static void sums_have_the_bits_of_one_process(void **state) {
    static struct kept k;
    for (size_t i = 0; i < SIZES; i++) {
        k.n = sizes[i];
        for (int size = 1; size <= TEAM_MOST; size++)
            if (!team_run(size, sum_up, &k))
                fail_msg("%zu samples, %d processes", k.n, size);
    }
    double plain = 0;
    for (size_t i = 0; i < MOST; i++)
        plain += term(i, 0);
    assert_true(plain != k.total[0]); /* or the order would not matter here */
}

static void pieces_have_all_samples(void **state) {
    for (size_t n = 1; n < 2000; n++) {
        size_t pieces = glim__pieces(n);
        assert_true(pieces >= 1 && pieces <= GLIM_PIECES);
        assert_int_equal(glim__piece_begins(n, 0), 0);
        assert_int_equal(glim__piece_begins(n, pieces), n);
        for (size_t p = 0; p < pieces && pieces > 1; p++)
            assert_true(glim__piece_begins(n, p + 1) - glim__piece_begins(n, p) >=
                        GLIM_PIECE_LEAST);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_in_order_from_all),
        cmocka_unit_test(progress_reaches_the_end),
        cmocka_unit_test(a_failure_ends_all),
        cmocka_unit_test(refused_memory_and_a_cancellation_are_told),
        cmocka_unit_test(sums_have_the_bits_of_one_process),
        cmocka_unit_test(pieces_have_all_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
