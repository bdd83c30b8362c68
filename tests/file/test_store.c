/* SPDX-License-Identifier: Apache-2.0 */
/* The store that evaluations and black boxes share: what it keeps, and what it says when it cannot.
 */
#include "file/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static glim_context *ctx;
static char path[64];

static glim_store_key key_of(const char *a, const char *b) {
    glim_digest d;
    glim__digest_begin(&d);
    glim__digest_text(&d, a);
    glim__digest_text(&d, b);
    return glim__digest_end(&d);
}

static glim_store *open_store(void) {
    glim_store *s = NULL;
    glim_error err = {0};
    if (glim__store_open(&s, ctx, path, NULL, &err))
        fail_msg("%s", err.message);
    return s;
}

static void put(glim_store *s, const glim_store_key *key, int64_t at, const char *text) {
    glim_error err = {0};
    if (glim__store_put(s, key, at, text, strlen(text), &err))
        fail_msg("%s", err.message);
}

/* "" = nothing is there. */
static void holds(glim_store *s, const glim_store_key *key, int64_t at, const char *text) {
    glim_buffer b;
    bool found;
    glim_error err = {0};
    glim__buffer_init(&b, ctx);
    if (glim__store_get(s, key, at, &b, &found, &err))
        fail_msg("%s", err.message);
    assert_int_equal(found, *text != 0);
    assert_string_equal(b.data ? b.data : "", text);
    glim__buffer_release(&b);
}

static void refused(glim_status want, const char *says, glim_status got, const glim_error *err) {
    assert_int_equal(got, want);
    if (!strstr(err->message, says))
        fail_msg("'%s' does not say '%s'", err->message, says);
}

static glim_status open_refused(const char *says, glim_status want) {
    glim_store *s = NULL;
    glim_error err = {0};
    glim_status status = glim__store_open(&s, ctx, path, NULL, &err);
    refused(want, says, status, &err);
    assert_null(s);
    return status;
}

static void bytes_are_found_by_key_and_number_alone(void **state) {
    glim_store_key a = key_of("ab", "c"), b = key_of("a", "bc"), none = key_of(NULL, "abc");
    uint64_t n = 0;
    glim_store *s = open_store();
    put(s, &a, 0, "zero");
    put(s, &a, 7, "seven");
    put(s, &b, 0, "other");
    put(s, &a, 0, "again");
    glim__store_close(s);
    s = open_store();
    holds(s, &a, 0, "again");
    holds(s, &a, 7, "seven");
    holds(s, &b, 0, "other");
    holds(s, &b, 7, "");
    holds(s, &none, 0, "");
    assert_int_equal(glim__store_count(s, &a, &n, NULL), GLIM_OK);
    assert_int_equal(n, 2);
    glim__store_close(s);
}

static void what_was_not_committed_is_gone(void **state) {
    glim_store_key a = key_of("a", "b");
    glim_store *s = open_store();
    assert_int_equal(glim__store_begin(s, NULL), GLIM_OK);
    put(s, &a, 1, "lost");
    glim__store_rollback(s);
    holds(s, &a, 1, "");
    assert_int_equal(glim__store_begin(s, NULL), GLIM_OK);
    put(s, &a, 2, "kept");
    assert_int_equal(glim__store_commit(s, NULL), GLIM_OK);
    put(s, &a, 3, "by itself");
    glim__store_close(s); /* as a process that ends */
    s = open_store();
    holds(s, &a, 1, "");
    holds(s, &a, 2, "kept");
    holds(s, &a, 3, "by itself");
    glim__store_close(s);
}

static void a_bit_that_turned_is_an_error(void **state) {
    glim_store_key a = key_of("a", "b");
    glim_buffer b;
    bool found;
    glim_error err = {0};
    glim_store *s = open_store();
    put(s, &a, 0, "12345678");
    put(s, &a, 1, "12345678");
    assert_int_equal(
        glim__store_run(s, "UPDATE kept SET data = x'3132333435363739' WHERE at = 0", &err),
        GLIM_OK);
    assert_int_equal(glim__store_run(s, "UPDATE kept SET at = 5 WHERE at = 1", &err), GLIM_OK);
    glim__buffer_init(&b, ctx);
    for (int64_t at = 0; at < 6; at += 5) {
        glim_status status = glim__store_get(s, &a, at, &b, &found, &err);
        refused(GLIM_EFORMAT, "no sound store", status, &err);
        assert_false(found);
    }
    glim__buffer_release(&b);
    glim__store_close(s);
}

static void files_that_are_none_are_left_alone(void **state) {
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("no database", f);
    fclose(f);
    open_refused("no sound store", GLIM_EFORMAT);
    unlink(path);
    sqlite3 *db;
    sqlite3_open(path, &db);
    sqlite3_exec(db, "CREATE TABLE mine(x)", NULL, NULL, NULL);
    open_refused("another program's", GLIM_EFORMAT);
    sqlite3_exec(db, "DROP TABLE mine", NULL, NULL, NULL);
    sqlite3_close(db);
    glim_store *s = open_store();
    assert_int_equal(glim__store_run(s, "PRAGMA user_version=2", NULL), GLIM_OK);
    glim__store_close(s);
    open_refused("version 2", GLIM_EUNSUPPORTED);
}

static void a_full_disk_and_a_lock_are_told(void **state) {
    static char large[1 << 20];
    glim_store_key a = key_of("a", "b");
    glim_error err = {0};
    glim_store *s = open_store();
    put(s, &a, 0, "before");
    assert_int_equal(glim__store_run(s, "PRAGMA max_page_count=20", NULL), GLIM_OK);
    glim_status status = glim__store_put(s, &a, 1, large, sizeof large, &err);
    refused(GLIM_EIO, "is full", status, &err);
    holds(s, &a, 0, "before");
    glim_store *other = open_store();
    sqlite3_busy_timeout(glim__store_db(s), 0);
    assert_int_equal(glim__store_begin(other, NULL), GLIM_OK);
    status = glim__store_put(s, &a, 1, "x", 1, &err);
    refused(GLIM_EIO, "in use by another process", status, &err);
    holds(s, &a, 0, "before"); /* reading goes on */
    assert_int_equal(glim__store_commit(other, NULL), GLIM_OK);
    put(s, &a, 1, "after");
    assert_int_equal(glim__store_run(s, "PRAGMA query_only=1", NULL), GLIM_OK);
    status = glim__store_put(s, &a, 2, "x", 1, &err);
    refused(GLIM_EIO, "read-only", status, &err);
    glim__store_close(other);
    glim__store_close(s);
}

static int set_up(void **state) {
    snprintf(path, sizeof path, "/tmp/glim-store-%d", (int)getpid());
    unlink(path);
    return glim_context_new(&ctx, &(glim_context_options){.threads = 1}, NULL);
}

static int tear_down(void **state) {
    unlink(path);
    glim_context_free(ctx);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(bytes_are_found_by_key_and_number_alone), TEST(what_was_not_committed_is_gone),
        TEST(a_bit_that_turned_is_an_error),           TEST(files_that_are_none_are_left_alone),
        TEST(a_full_disk_and_a_lock_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
