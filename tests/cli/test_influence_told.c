/* SPDX-License-Identifier: Apache-2.0 */
/* What `glim influence` tells: written, read back, damaged, and with memory refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/influence-told.h"
#include "file/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char small[] =
    "a,b,where,y\n1,2,x,1.5\n2,1,x,2.5\n3,5,z,1\n4,2,z,5\n5,9,x,2\n6,1,z,7\n"
    "7,3,x,6\n8,2,x,9\n9,9,z,4\n2,2,x,3\n1,2,x,1.5\n";

/* ---- a run ---- */

struct place {
    char folder[64], train[96], json[96], html[96];
};

static void make_place(struct place *p) {
    strcpy(p->folder, "/tmp/glim-told-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->train, sizeof p->train, "%s/small.csv", p->folder);
    snprintf(p->json, sizeof p->json, "%s/a.json", p->folder);
    snprintf(p->html, sizeof p->html, "%s/a.html", p->folder);
    FILE *f = fopen(p->train, "w");
    assert_non_null(f);
    fputs(small, f);
    fclose(f);
}

static void clear_place(const struct place *p) {
    unlink(p->train);
    unlink(p->json);
    unlink(p->html);
    rmdir(p->folder);
}

/* The command as main() runs it, with the nth allocation refused (0: none). What is left are
   the context's own buffers. */
static glim_status run(char **words, int n, uint64_t nth, uint64_t *left) {
    cli_run r = {.command = cli_find(words[1])};
    assert_int_equal(cli_parse(&r, n, words), GLIM_OK);
    assert_int_equal(cli_context(&r), GLIM_OK);
    glim__fail_allocation(r.ctx, nth);
    glim_status status = r.command->run(&r);
    glim__fail_allocation(r.ctx, 0);
    glim_linear_close(r.linear);
    glim_model_close(r.model);
    glim__spare_trim(r.ctx);
    *left = glim_context_bytes(r.ctx);
    glim_context_free(r.ctx);
    free(r.method_opts);
    return status;
}

static void run_refused(char **words, int n, uint64_t faster) {
    glim_status status = GLIM_ENOMEM;
    uint64_t left, buffers;
    assert_int_equal(run(words, n, 0, &buffers), GLIM_OK);
    for (uint64_t nth = 1; status; nth += 1 + nth / faster) {
        status = run(words, n, nth, &left);
        if (status && status != GLIM_ENOMEM)
            fail_msg("allocation %llu: %d", (unsigned long long)nth, status);
        assert_true(left <= buffers);
    }
}

static char *query[] = {
    "glim",  "influence", "--train", NULL,     "--label", "y", "--columns", "a,b", "--table", NULL,
    "--row", "3",         "--group", "where",  "--check", "3", "--json",    NULL,  "--html",  NULL,
    "-q",    "--threads", "1",       "--kind", "linear"};
static char *plain[] = {"glim",      "influence", "--train", NULL,     "--label", "y",
                        "--columns", "a,b",       "--json",  NULL,     "--html",  NULL,
                        "-q",        "--threads", "1",       "--kind", "linear"};
static char *view[] = {"glim", "view", NULL, "--html", NULL, "-q"};
static char *stream[] = {
    "glim",    "influence", "-m",       GLIM_TESTS "/golden/models/llama-q4_0.gguf",
    "--train", NULL,        "--text",   "where",
    "--group", "y",         "--method", "tracin",
    "--by",    "token",     "--json",   NULL,
    "--html",  NULL,        "-q",       "--threads",
    "1",       "x z"};
enum {
    QUERY = sizeof query / sizeof *query,
    PLAIN = sizeof plain / sizeof *plain,
    VIEW = 6,
    STREAM = sizeof stream / sizeof *stream
};

static void fill_words(struct place *p) {
    query[3] = query[9] = plain[3] = stream[5] = p->train;
    query[17] = plain[9] = view[2] = stream[15] = p->json;
    query[19] = plain[11] = view[4] = stream[17] = p->html;
}

static void no_refused_allocation_leaks(void **state) {
    struct place p;
    make_place(&p);
    fill_words(&p);
    const uint64_t all = UINT64_MAX;
    run_refused(plain, PLAIN, all);
    run_refused(view, VIEW, all);
    run_refused(query, QUERY, all);
    run_refused(view, VIEW, all);
    run_refused(stream, STREAM, 60);
    run_refused(view, VIEW, all);
    clear_place(&p);
}

/* ---- a damaged document ---- */

struct damaging {
    json_t *all;
    glim_context *ctx;
    cli_run run;
    size_t read, refused;
};

/* Whatever is read can be drawn. */
static void try_to_read(struct damaging *d) {
    cli_told told;
    glim_document *doc;
    assert_int_equal(glim_document_new(&doc, d->ctx, &d->run.err), GLIM_OK);
    glim_status status = cli_told_read(&told, doc, d->all, "damaged", &d->run.err);
    if (!status) {
        assert_int_equal(cli_told_html(&d->run, &told), GLIM_OK);
        d->read++;
    } else {
        assert_int_equal(status, GLIM_EFORMAT);
        d->refused++;
    }
    glim_document_free(doc);
}

static json_t *other(int k) {
    return k == 0   ? json_null()
           : k == 1 ? json_string("x")
           : k == 2 ? json_integer(-1)
           : k == 3 ? json_real(1e308)
           : k == 4 ? json_array()
                    : json_object();
}

enum { OTHERS = 6 };

static void damage(struct damaging *d, json_t *at) {
    const char *key;
    json_t *v;
    if (json_is_object(at)) {
        json_t *copy = json_copy(at); /* members change while they are walked */
        json_object_foreach(copy, key, v) {
            for (int k = 0; k < OTHERS; k++) {
                json_object_set_new(at, key, other(k));
                try_to_read(d);
            }
            json_object_del(at, key);
            try_to_read(d);
            json_object_set(at, key, v);
            damage(d, v);
        }
        json_decref(copy);
    }
    for (size_t i = 0; i < json_array_size(at) && i < 2; i++) {
        v = json_incref(json_array_get(at, i));
        for (int k = 0; k < OTHERS; k++) {
            json_array_set_new(at, i, other(k));
            try_to_read(d);
        }
        json_array_set(at, i, v);
        damage(d, v);
        json_decref(v);
    }
}

static void damage_after(char **words, int n, struct place *p) {
    struct damaging d = {.run = {.o = {.quiet = true, .html = p->html, .html_limit = 1 << 30}}};
    glim_context_options options = {.threads = 1};
    uint64_t left;
    assert_int_equal(run(words, n, 0, &left), GLIM_OK);
    assert_int_equal(glim_context_new(&d.ctx, &options, NULL), GLIM_OK);
    d.run.ctx = d.ctx;
    d.all = json_load_file(p->json, 0, NULL);
    assert_non_null(d.all);
    try_to_read(&d);
    assert_int_equal(d.read, 1);
    damage(&d, d.all);
    assert_true(d.read > 50 && d.refused > 200);
    json_decref(d.all);
    glim_context_free(d.ctx);
}

static void a_damaged_document_is_refused_or_drawn(void **state) {
    struct place p;
    make_place(&p);
    fill_words(&p);
    damage_after(plain, PLAIN, &p);
    damage_after(query, QUERY, &p);
    damage_after(stream, STREAM, &p);
    clear_place(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_refused_allocation_leaks),
        cmocka_unit_test(a_damaged_document_is_refused_or_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
