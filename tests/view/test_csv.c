/* SPDX-License-Identifier: Apache-2.0 */
/* CSV, read back by a reader that knows RFC 4180 and nothing else. */
#include "view-testing.h"

enum { FIELD = 8192, FIELDS = 12 };

/* One record into fields; returns what lies behind its line end. */
static const char *read_record(const char *s, char (*out)[FIELD], size_t *n) {
    *n = 0;
    for (;;) {
        char *f = out[(*n)++];
        size_t len = 0;
        bool quoted = *s == '"';
        assert_true(*n <= FIELDS);
        for (s += quoted; *s; s++) {
            if (quoted && *s == '"' && s[1] != '"')
                break;
            if (!quoted && (*s == ',' || *s == '\r'))
                break;
            s += quoted && *s == '"';
            f[len++] = *s;
            assert_true(len < FIELD);
        }
        f[len] = 0;
        s += quoted;
        if (*s == '\r') {
            assert_int_equal(s[1], '\n');
            return s + 2;
        }
        assert_int_equal(*s++, ',');
    }
}

static void same_score(const char *field, double x) {
    if (!isfinite(x))
        assert_string_equal(field, "");
    else
        assert_true(fabs(strtod(field, NULL) - x) <= 1e-8 * fabs(x));
}

/* Behind the units of a row stand the groups of its levels. */
static const char *read_levels(const char *s, const glim_document *d, size_t row,
                               char (*fields)[FIELD], size_t skip) {
    size_t m;
    for (size_t k = 0; k < d->n_levels; k++)
        for (size_t i = 0; i < d->levels[k].n_groups; i++) {
            const glim_document_level *level = &d->levels[k];
            s = read_record(s, fields, &m);
            assert_int_equal(m, 8 + skip);
            assert_string_equal(fields[skip + 7], level->unit);
            assert_int_equal(atoi(fields[skip]), i);
            same_score(fields[skip + 5], level->scores[row * level->n_groups + i]);
        }
    return s;
}

static void every_score_stands_beside_its_unit(void **state) {
    static char fields[FIELDS][FIELD];
    glim_context *ctx = view_context();
    for (size_t i = 0; i < N_CASES; i++) {
        glim_document *d = document_of(ctx, &cases[i], 1);
        size_t n, m, skip = d->rows ? 2 : 0, U = d->input.n_units;
        char *text = render(d, "csv", NULL, &n);
        const char *s = read_record(text, fields, &m);
        size_t columns = 7 + skip + (d->n_levels > 0);
        assert_int_equal(m, columns);
        assert_string_equal(fields[skip + 1], "text");
        for (size_t k = 0; k < d->n_rows * U; k++) {
            const glim_document_unit *u = &d->input.units[k % U];
            s = read_record(s, fields, &m);
            assert_int_equal(m, columns);
            assert_int_equal(atoi(fields[skip]), k % U);
            if (glim__utf8_check(u->text, u->text_len) == u->text_len)
                assert_string_equal(fields[skip + 1], u->text);
            assert_int_equal(atoi(fields[skip + 4]), u->fixed);
            same_score(fields[skip + 5], d->scores[k]);
            same_score(fields[skip + 6], d->error ? d->error[k] : NAN);
            if (d->n_levels)
                assert_string_equal(fields[skip + 7], d->input.unit);
            if (k % U == U - 1)
                s = read_levels(s, d, k / U, fields, skip);
        }
        assert_int_equal(*s, 0);
        glim_view_free(ctx, text);
        glim_document_free(d);
    }
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_score_stands_beside_its_unit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
