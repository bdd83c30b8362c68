/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a document keeps of patterns: weights to half a 65535th, what the others add up to,
 * means of cells, the heads that tell most; the same bits for any number of threads, read
 * back as written, damaged ones refused, refused memory told.
 */
#include "view-testing.h"

#include "explain/attention-keep.h"
#include "file/deflate.h"

enum { L = 3, H = 8, N = 70, K = 32, MOST_ALLOCATIONS = 1000 };

static glim_context *context_of(int threads) {
    glim_context *ctx;
    assert_int_equal(glim_context_new(&ctx, &(glim_context_options){.threads = threads}, NULL),
                     GLIM_OK);
    return ctx;
}

/* Rows that add up to one; the later the head, the sharper. */
static void fill(float *a, size_t h, bool causal) {
    for (size_t t = 0; t < N; t++) {
        size_t n = causal ? t + 1 : N;
        double sum = 0;
        for (size_t s = 0; s < N; s++)
            sum += s < n ? exp(0.2 * (double)h * sin((double)(t * 13 + s * 7 + h))) : 0;
        for (size_t s = 0; s < N; s++)
            a[t * N + s] =
                s < n ? (float)(exp(0.2 * (double)h * sin((double)(t * 13 + s * 7 + h))) / sum) : 0;
    }
}

static glim_status go(glim_keep *k, glim_context *ctx, const char *heads, bool causal,
                      glim_error *err) {
    float *a = malloc(N * N * sizeof *a);
    glim_status status = glim__keep_init(k, ctx, heads, L, H, N, N, causal, err);
    for (size_t h = 0; h < L * H && !status; h++) {
        fill(a, h, causal);
        glim_document_head stats = {.layer = (int)h / H,
                                    .head = (int)h % H,
                                    .entropy = 4 - 0.1 * (double)h,
                                    .first = 0.1,
                                    .self = 0.1};
        glim__keep_head(k, &stats, a);
    }
    free(a);
    return status;
}

static void check_row(const glim_keep *k, const glim_document_kept *one, const float *a, size_t t) {
    size_t n = k->p.causal ? t + 1 : N, kept = n < K ? n : K, i = 0;
    double tail = 0, least = 1, largest = 0;
    for (size_t s = 0; s < n; s++) {
        float w = a[t * N + s];
        if (i < kept && one->columns[t * K + i] == s) {
            assert_float_equal(one->weights[t * K + i] / 65535.0, w, 0.5001 / 65535);
            least = (double)w < least ? (double)w : least;
            i++;
        } else {
            tail += (double)w;
            largest = (double)w > largest ? (double)w : largest;
        }
    }
    assert_int_equal(i, kept);
    assert_true(least >= largest);
    assert_true(one->tail[t] == (float)tail);
}

static void weights_and_tails_are_those_of_the_pattern(void **state) {
    float *a = malloc(N * N * sizeof *a);
    for (int causal = 0; causal < 2; causal++) {
        glim_context *ctx = context_of(2);
        glim_keep k;
        assert_int_equal(go(&k, ctx, "auto", causal, NULL), GLIM_OK);
        assert_int_equal(k.p.level, 1);
        assert_int_equal(k.p.n_kept, L * H); /* a short text: all of them */
        for (size_t i = 0; i < k.p.n_kept; i++) {
            fill(a, (size_t)(k.p.kept[i].layer * H + k.p.kept[i].head), causal);
            for (size_t t = 0; t < N; t++)
                check_row(&k, &k.p.kept[i], a, t);
        }
        glim__keep_release(&k);
        glim_context_free(ctx);
    }
    free(a);
}

static void cells_are_means_of_what_can_be_seen(void **state) {
    glim_context *ctx = context_of(2);
    glim_keep k;
    float *a = malloc(N * N * sizeof *a);
    assert_int_equal(go(&k, ctx, "1.2", true, NULL), GLIM_OK);
    size_t R = k.p.cell_rows, step = (size_t)1 << k.p.level, h = 11;
    assert_int_equal(R, (N + step - 1) / step);
    fill(a, h, true);
    for (size_t r = 0; r < R; r++)
        for (size_t c = 0; c <= r; c++) {
            double sum = 0;
            size_t n = 0;
            for (size_t t = r * step; t < (r + 1) * step && t < N; t++)
                for (size_t s = c * step; s < (c + 1) * step && s <= t; s++, n++)
                    sum += (double)a[t * N + s];
            double share = sqrt(sum / (double)n / (double)k.p.most[h]);
            assert_float_equal(255 * share, k.p.cells[(h * R + r) * R + c], 0.501);
        }
    assert_int_equal(k.p.n_kept, 1);
    assert_int_equal(k.p.kept[0].layer * H + k.p.kept[0].head, 10);
    free(a);
    glim__keep_release(&k);
    glim_context_free(ctx);
}

/* Of a text so long that 16 heads are room enough, the sharpest of all stay. */
static void the_heads_that_tell_most_stay(void **state) {
    enum { T = 900 };
    glim_context *ctx = context_of(1);
    glim_keep k;
    float *a = calloc(T * T, sizeof *a);
    for (size_t t = 0; t < T; t++)
        a[t * T + t / 2] = 1;
    assert_int_equal(glim__keep_init(&k, ctx, "auto", 5, H, T, T, true, NULL), GLIM_OK);
    for (size_t h = 0; h < 5 * H; h++) {
        double sharp = (double)((h * 7) % 40) / 40; /* each once */
        glim_document_head stats = {.layer = (int)(h / H),
                                    .head = (int)(h % H),
                                    .entropy = k.chance * (1 - sharp),
                                    .first = h == 17 ? 0.9 : 0};
        glim__keep_head(&k, &stats, a);
    }
    assert_int_equal(k.p.n_kept, 16);
    for (size_t i = 0; i < 16; i++) {
        size_t h = (size_t)(k.p.kept[i].layer * H + k.p.kept[i].head);
        assert_true(h != 17 && (h * 7) % 40 >= 40 - 16 - 1);
    }
    free(a);
    glim__keep_release(&k);
    glim_context_free(ctx);
}

static void names_of_heads_are_checked(void **state) {
    static const char *const wrong[] = {"",   "x",    "3",       "0.8",  "-1",
                                        "0.", "0.1,", "0.1 1.1", "1.1.1"};
    glim_context *ctx = context_of(1);
    glim_keep k;
    glim_error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(glim__keep_init(&k, ctx, wrong[i], L, H, N, N, true, &err), GLIM_EUSAGE);
        assert_non_null(strstr(err.message, "is no head"));
        glim__keep_release(&k);
    }
    assert_int_equal(glim__keep_init(&k, ctx, "2,0.1,0.1", L, H, N, N, true, &err), GLIM_OK);
    assert_int_equal(k.most_kept, H + 1);
    glim__keep_release(&k);
    assert_int_equal(glim__keep_init(&k, ctx, "auto", 1, 1, 2, 65537, false, &err), GLIM_ELIMIT);
    glim__keep_release(&k);
    glim_context_free(ctx);
}

/* ---- in a document ---- */

static glim_status kept_document(glim_document **doc, glim_context *ctx, glim_error *err) {
    glim_keep k;
    static double scores[] = {1};
    glim_status status = go(&k, ctx, "0,2.7", true, err);
    *doc = NULL;
    if (!status)
        status = glim_document_new(doc, ctx, err);
    if (!status)
        status = glim__keep_tell(&k, *doc, err);
    glim__keep_release(&k);
    if (status)
        return status;
    glim_document *d = *doc;
    glim_document_token *tokens = glim_document_alloc(d, N * sizeof *tokens);
    glim_document_unit *unit = glim_document_alloc(d, sizeof *unit);
    glim_document_row *row = glim_document_alloc(d, sizeof *row);
    if (!tokens || !unit || !row)
        return glim__oom(ctx, err, "a test", 0);
    for (size_t i = 0; i < N; i++)
        tokens[i] = (glim_document_token){i, i + 1, i ? NULL : "<s>"};
    static char text[N + 1];
    memset(text, 'a', N);
    *unit = (glim_document_unit){.text = text, .text_len = N, .end = N, .count = N, .turn = -1};
    *row = (glim_document_row){.text = text, .text_len = N, .end = N, .value = NAN, .prob = NAN};
    d->kind = "attention";
    d->input.text = text;
    d->input.text_len = N;
    d->input.unit = "sentence";
    d->input.units = unit;
    d->input.n_units = d->n_rows = 1;
    d->rows = row;
    d->scores = scores;
    d->target.kind = "attention";
    d->target.output = "share";
    d->target.text = "";
    d->method.name = "attention-map";
    d->attention.side = "self";
    d->attention.layers = L;
    d->attention.heads = H;
    d->attention.layer = d->attention.head = -1;
    d->attention.patterns.rows = d->attention.patterns.columns = tokens;
    return GLIM_OK;
}

static void what_is_written_is_read_back(void **state) {
    char *texts[2];
    for (int i = 0; i < 2; i++) {
        glim_context *ctx = context_of(1 + 2 * i);
        glim_document *d, *again;
        glim_error err = {0};
        size_t n, m;
        assert_int_equal(kept_document(&d, ctx, &err), GLIM_OK);
        char *text = render(d, "json", NULL, &n);
        if (glim_document_parse(&again, ctx, text, n, "a.json", &err))
            fail_msg("%s", err.message);
        char *second = render(again, "json", NULL, &m);
        assert_string_equal(text, second);
        const glim_document_patterns *p = &d->attention.patterns, *q = &again->attention.patterns;
        assert_int_equal(q->n_kept, H + 1);
        for (size_t k = 0; k < p->n_kept; k++)
            assert_memory_equal(p->kept[k].columns, q->kept[k].columns,
                                N * K * sizeof *p->kept[k].columns);
        texts[i] = strdup(text);
        glim_view_free(ctx, text);
        glim_view_free(ctx, second);
        glim_document_free(again);
        glim_document_free(d);
        glim_context_free(ctx);
    }
    assert_string_equal(texts[0], texts[1]); /* of one thread and of three */
    free(texts[0]);
    free(texts[1]);
}

/* The text with what stands between `from` and `to` put in the place of a member's value. */
static char *with(const char *text, const char *key, const char *value) {
    const char *at = strstr(strstr(text, "\"summary\": {"), key) + strlen(key);
    const char *end = at + 1;
    int depth = 0;
    bool quoted = false;
    for (end = at; quoted || depth || (*end != ',' && *end != '\n' && *end != '}'); end++) {
        quoted = *end == '"' ? !quoted : quoted;
        depth += (*end == '[' || *end == '{') - (*end == ']' || *end == '}');
    }
    char *out = malloc(strlen(text) + strlen(value) + 1);
    sprintf(out, "%.*s%s%s", (int)(at - text), text, value, end);
    return out;
}

static void damaged_arrays_are_refused(void **state) {
    static const char *const wrongs[][3] = {
        {"\"rows\": ", "[]", "'rows'"},
        {"\"rows\": ", "[[0, 9999]]", "'rows'"},
        {"\"rows\": ", "[3]", "'rows'"},
        {"\"level\": ", "7", "'shape'"},
        {"\"level\": ", "99", "'level'"},
        {"\"shape\": ", "[65, 65]", "'shape'"},
        {"\"shape\": ", "[38]", "'shape'"},
        {"\"cells\": ", "3", "'cells'"},
        {"\"cells\": ", "\"eJw=\"", "'cells'"},
        {"\"largest\": ", "0", "'largest'"},
        {"\"largest\": ", "31", "damaged"},
        {"\"kept\": ", "[]", "damaged"},
        {"\"kept\": ", "[{\"layer\": 3, \"head\": 0}]", "damaged"},
        {"\"weights\": ", "null", "'weights'"},
    };
    glim_context *ctx = context_of(1);
    glim_document *d, *again;
    size_t n;
    assert_int_equal(kept_document(&d, ctx, NULL), GLIM_OK);
    char *whole = render(d, "json", NULL, &n), *text = strdup(whole);
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        char *bad = with(text, wrongs[i][0], wrongs[i][1]);
        glim_error err = {0};
        assert_int_equal(glim_document_parse(&again, ctx, bad, strlen(bad), "a.json", &err),
                         GLIM_EFORMAT);
        if (!strstr(err.message, wrongs[i][2]))
            fail_msg("%s%s: '%s'", wrongs[i][0], wrongs[i][1], err.message);
        free(bad);
    }
    char *weights = strstr(text, "\"weights\": \"") + 40; /* a letter of the packed bytes */
    *weights = *weights == 'A' ? 'B' : 'A';
    assert_int_equal(glim_document_parse(&again, ctx, text, n, "a.json", NULL), GLIM_EFORMAT);
    *weights = '!';
    assert_int_equal(glim_document_parse(&again, ctx, text, n, "a.json", NULL), GLIM_EFORMAT);
    free(text);
    glim_view_free(ctx, whole);
    glim_document_free(d);
    glim_context_free(ctx);
}

static void arrays_of_any_length_come_back(void **state) {
    glim_context *ctx = context_of(1);
    uint8_t *a = malloc(100001), *b = malloc(100001);
    static const size_t sizes[] = {0, 1, 2, 3, 24576, 24577, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        glim_buffer text;
        glim__buffer_init(&text, ctx);
        for (size_t k = 0; k < n; k++)
            a[k] = (uint8_t)(k * k >> 7);
        assert_int_equal(glim__deflate(&text, a, n, NULL), GLIM_OK);
        assert_int_equal(glim__inflate(ctx, b, n, text.data, text.len, "x", NULL), GLIM_OK);
        assert_memory_equal(a, b, n);
        assert_true(glim__inflate_fits(n, text.len));
        assert_int_equal(glim__inflate(ctx, b, n + 1, text.data, text.len, "x", NULL),
                         GLIM_EFORMAT);
        if (n)
            assert_int_equal(glim__inflate(ctx, b, n - 1, text.data, text.len, "x", NULL),
                             GLIM_EFORMAT);
        assert_int_equal(glim__inflate(ctx, b, n, text.data, text.len / 2, "x", NULL),
                         GLIM_EFORMAT);
        glim__buffer_release(&text);
    }
    free(a);
    free(b);
    glim_context_free(ctx);
}

static void refused_memory_is_an_error(void **state) {
    glim_document *d, *again = NULL;
    glim_context *whole = context_of(1);
    size_t n;
    assert_int_equal(kept_document(&d, whole, NULL), GLIM_OK);
    char *text = render(d, "json", NULL, &n);
    for (uint64_t nth = 1;; nth++) {
        glim_context *ctx = context_of(1);
        glim_error err = {0};
        glim__fail_allocation(ctx, nth);
        glim_status status = glim_document_parse(&again, ctx, text, n, "a.json", &err);
        assert_true(!status || (status == GLIM_ENOMEM && *err.message));
        if (!status)
            glim_document_free(again);
        glim_context_free(ctx);
        if (!status)
            break;
        assert_true(nth < MOST_ALLOCATIONS);
    }
    for (uint64_t nth = 1;; nth++) {
        glim_context *ctx = context_of(1);
        glim_error err = {0};
        glim_document *made = NULL;
        glim_view_options o = {0};
        char *out = NULL;
        size_t m;
        glim__fail_allocation(ctx, nth);
        glim_status status = kept_document(&made, ctx, &err);
        if (!status)
            status = glim_view_render(glim_view_find("json"), made, &o, &out, &m, &err);
        assert_true(!status || (status == GLIM_ENOMEM && *err.message));
        glim_view_free(ctx, out);
        glim_document_free(made);
        glim_context_free(ctx);
        if (!status)
            break;
        assert_true(nth < MOST_ALLOCATIONS);
    }
    glim_view_free(whole, text);
    glim_document_free(d);
    glim_context_free(whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_and_tails_are_those_of_the_pattern),
        cmocka_unit_test(cells_are_means_of_what_can_be_seen),
        cmocka_unit_test(the_heads_that_tell_most_stay),
        cmocka_unit_test(names_of_heads_are_checked),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(damaged_arrays_are_refused),
        cmocka_unit_test(arrays_of_any_length_come_back),
        cmocka_unit_test(refused_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
