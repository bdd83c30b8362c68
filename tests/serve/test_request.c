/* SPDX-License-Identifier: Apache-2.0 */
/* What a request may say: addresses, files, and the words that a child gets. */
#include "serve/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const glim_param flags[] = {
    {.name = "model", .type = GLIM_STRING, .help = "", .value_name = "FILE"},
    {.name = "steps", .type = GLIM_INT, .min = 1, .max = 64, .help = ""},
    {.name = "rate", .type = GLIM_REAL, .min = -1, .max = 1, .help = ""},
    {.name = "units", .type = GLIM_CHOICE, .choices = "word|token", .help = ""},
    {.name = "align", .type = GLIM_BOOL, .help = ""},
    {.name = "target", .type = GLIM_STRING, .help = ""},
    {.name = "data", .type = GLIM_STRING, .value_name = "FILE", .help = ""},
    {.name = "gold", .type = GLIM_STRING, .value_name = "LINKS", .help = ""},
    {.name = "steer", .type = GLIM_STRING, .max = 2, .value_name = "SPEC", .help = ""},
    {.name = "predictor", .type = GLIM_STRING, .value_name = "SPEC", .help = ""},
    {.name = "json", .type = GLIM_STRING, .value_name = "FILE", .help = ""},
    {.name = "later", .type = GLIM_STRING, .value_name = "FILE", .help = ""},
    {.name = "file", .type = GLIM_STRING, .value_name = "FILE", .help = ""},
    {.name = "chat", .type = GLIM_STRING, .value_name = "FILE", .help = ""},
    {.name = "quiet", .type = GLIM_BOOL, .help = ""},
    {.name = "dry-run", .type = GLIM_BOOL, .help = ""},
    {0},
};
static const glim_param *const groups[] = {flags, NULL};
static const serve_command commands[] = {
    {.name = "say", .summary = "", .text = "text", .groups = groups, .wants_model = true},
    {.name = "bare", .summary = "", .groups = groups},
    {0},
};
static const serve_options options = {.commands = commands};

struct ground {
    glim_context *ctx;
    serve_model model[2];
    serve_models models;
    serve_places places;
    char folder[64];
};

static void put(const char *folder, const char *name) {
    char path[256];
    glim_error err;
    snprintf(path, sizeof path, "%.100s/%.50s", folder, name);
    assert_int_equal(glim__file_write(path, "x", 1, &err), GLIM_OK);
}

static struct ground *open_ground(void) {
    static struct ground g;
    char path[256];
    g = (struct ground){.folder = "/tmp/glim-serve-XXXXXX"};
    assert_int_equal(glim_context_new(&g.ctx, &(glim_context_options){.threads = 1}, NULL), 0);
    assert_non_null(mkdtemp(g.folder));
    g.model[0] = (serve_model){.id = "one", .given = "one.gguf"};
    g.model[1] = (serve_model){.id = "eye", .given = "eye", .picture = true};
    g.model[0].path = glim__strdup(g.ctx, "/m/one.gguf");
    g.model[1].path = glim__strdup(g.ctx, "/m/eye");
    g.models = (serve_models){g.model, 2};
    g.places.ctx = g.ctx;
    snprintf(g.places.root, sizeof g.places.root, "%s/root", g.folder);
    snprintf(g.places.uploads, sizeof g.places.uploads, "%s/uploads", g.folder);
    mkdir(g.places.root, 0700);
    mkdir(g.places.uploads, 0700);
    snprintf(path, sizeof path, "%.100s/inner", g.places.root);
    mkdir(path, 0700);
    put(g.places.root, "a.csv");
    put(path, "b.csv");
    put(g.folder, "secret");
    snprintf(path, sizeof path, "%.100s/out", g.places.root);
    assert_int_equal(symlink("../secret", path), 0);
    snprintf(path, sizeof path, "%.100s/in", g.places.root);
    assert_int_equal(symlink("inner/../a.csv", path), 0);
    snprintf(path, sizeof path, "%.100s-more", g.places.root); /* begins like the root */
    mkdir(path, 0700);
    put(path, "c.csv");
    return &g;
}

static void close_ground(struct ground *g) {
    char line[128];
    snprintf(line, sizeof line, "rm -r %s", g->folder);
    assert_int_equal(system(line), 0); // NOLINT(cert-env33-c): a test's own folder
    glim__free(g->ctx, g->model[0].path);
    glim__free(g->ctx, g->model[1].path);
    glim_context_free(g->ctx);
}

static void addresses_are_matched_whole(void **state) {
    int64_t id = 0;
    char allowed[64];
    assert_string_equal(serve_route_find("GET", "/api/v1/jobs/17", &id, allowed)->path,
                        "/api/v1/jobs/{id}");
    assert_int_equal(id, 17);
    assert_string_equal(serve_route_find("HEAD", "/api/v1/info", &id, allowed)->method, "GET");
    assert_null(serve_route_find("PUT", "/api/v1/jobs/17", &id, allowed));
    assert_string_equal(allowed, "GET, PATCH, DELETE");
    static const char *const nowhere[] = {"",
                                          "/api/v1/jobs/",
                                          "/api/v1/jobs/0",
                                          "/api/v1/jobs/-1",
                                          "/api/v1/jobs/1x",
                                          "/x",
                                          "//",
                                          "/api/v1/jobs/1/",
                                          "/api/v1/jobs/01",
                                          "/api/v1/jobs/9999999999999999999"};
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        assert_null(serve_route_find("GET", nowhere[i], &id, allowed));
        assert_string_equal(allowed, "");
    }
}

static void files_lie_under_the_root(void **state) {
    struct ground *g = open_ground();
    char out[PATH_MAX], sent[NAME_MAX + 16];
    glim_error err;
    static const char *const good[] = {"a.csv", "in", "inner/b.csv", "./inner/../a.csv",
                                       "inner//b.csv"};
    static const char *const bad[] = {"out",
                                      "../secret",
                                      "/etc/passwd",
                                      "inner",
                                      "",
                                      ".",
                                      "..",
                                      "nosuch",
                                      "../root-more/c.csv",
                                      "a.csv/",
                                      "inner/../../secret",
                                      "upload:",
                                      "upload:../secret",
                                      "upload:.",
                                      "upload:x"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(serve_resolve(&g->places, good[i], false, out, &err), GLIM_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(serve_resolve(&g->places, bad[i], false, out, &err), GLIM_EUSAGE);
    assert_int_equal(serve_upload(&g->places, "t.txt", "abc", 3, sent, &err), GLIM_OK);
    assert_int_equal(serve_resolve(&g->places, sent, false, out, &err), GLIM_OK);
    assert_memory_equal(out, g->places.uploads, strlen(g->places.uploads));
    assert_int_equal(serve_upload(&g->places, "../t", "abc", 3, sent, &err), GLIM_EUSAGE);
    *g->places.root = 0; /* no root: no file but those that were sent */
    assert_int_equal(serve_resolve(&g->places, "a.csv", false, out, &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "--root"));
    close_ground(g);
}

/* The words joined by spaces, or the error behind "!". */
static const char *made(struct ground *g, const char *body, char out[4096]) {
    serve_words w;
    glim_error err;
    json_t *v = json_loads(body, JSON_ALLOW_NUL, NULL);
    assert_non_null(v);
    if (serve_words_make(&w, &options, &g->models, &g->places, v, NULL, &err)) {
        snprintf(out, 4096, "!%s", err.message);
    } else {
        snprintf(out, 4096, "%.*s", (int)w.words.len, w.words.data);
        memcpy(out, w.words.data, w.words.len < 4095 ? w.words.len : 4095);
        for (size_t i = 0; i + 1 < w.words.len && i < 4095; i++)
            out[i] = out[i] ? out[i] : ' ';
        serve_words_release(&w);
    }
    json_decref(v);
    return out;
}

static void a_request_becomes_words(void **state) {
    struct ground *g = open_ground();
    char out[4096], want[4096];
    assert_string_equal(
        made(g,
             "{\"command\":\"say\",\"model\":\"one\",\"input\":{\"text\":\"--json=x\"},"
             "\"parameters\":{\"steps\":3,\"rate\":-0.5,\"units\":\"word\",\"align\":true,"
             "\"target\":\"-x\"}}",
             out),
        "say --quiet --model=/m/one.gguf --steps=3 --rate=-0.5 --units=word --align --target=-x -- "
        "--json=x");
    assert_string_equal(made(g,
                             "{\"command\":\"bare\",\"parameters\":{\"steps\":3.0,\"align\":false,"
                             "\"target\":null,\"gold\":\"0-0 1p2\"}}",
                             out),
                        "bare --quiet --steps=3 --gold=0-0 1p2");
    snprintf(
        want, sizeof want,
        "bare --quiet --data=%.100s/inner/b.csv --steer=%.100s/a.csv:2@1-3 --steer=%.100s/a.csv "
        "--predictor=fit:%.100s/a.csv",
        g->places.root, g->places.root, g->places.root, g->places.root);
    assert_string_equal(
        made(g,
             "{\"command\":\"bare\",\"parameters\":{\"data\":\"inner/b.csv\",\"steer\":"
             "[\"in:2@1-3\",\"a.csv\"],\"predictor\":\"fit:a.csv\"}}",
             out),
        want);
    snprintf(want, sizeof want, "say --quiet --model=/m/eye -- %.100s/a.csv", g->places.root);
    assert_string_equal(
        made(g, "{\"command\":\"say\",\"model\":\"eye\",\"input\":{\"file\":\"a.csv\"}}", out),
        want);
    assert_string_equal(
        made(g,
             "{\"command\":\"say\",\"model\":\"one\",\"input\":{\"chat\":[{\"role\":\"user\","
             "\"content\":\"hi\"}]}}",
             out),
        "say --quiet --model=/m/one.gguf --chat=/proc/self/fd/4");
    close_ground(g);
}

static void what_cannot_be_is_named(void **state) {
    struct ground *g = open_ground();
    static const struct {
        const char *member, *says;
    } wrong[] = {
        {"\"parameters\":{\"steps\":0}", "1 to 64"},
        {"\"parameters\":{\"steps\":65}", "1 to 64"},
        {"\"parameters\":{\"steps\":1.5}", "steps: a whole number"},
        {"\"parameters\":{\"steps\":\"3\"}", "steps: a whole number"},
        {"\"parameters\":{\"steps\":true}", "steps"},
        {"\"parameters\":{\"rate\":2}", "-1 to 1"},
        {"\"parameters\":{\"units\":\"words\"}", "word|token"},
        {"\"parameters\":{\"units\":\"word|token\"}", "none of"},
        {"\"parameters\":{\"align\":1}", "align: true or false"},
        {"\"parameters\":{\"target\":3}", "target: a text"},
        {"\"parameters\":{\"target\":\"a\\u0000b\"}", "target: a text holds no NUL"},
        {"\"parameters\":{\"target\":[\"a\"]}", "target: one value"},
        {"\"parameters\":{\"steer\":[\"in\",\"in\",\"in\"]}", "steer: 2 values"},
        {"\"parameters\":{\"data\":\"../secret\"}", "data: "},
        {"\"parameters\":{\"data\":\"out\"}", "no such file"},
        {"\"parameters\":{\"gold\":\"../secret\"}", "no such file"},
        {"\"parameters\":{\"steer\":\"../secret:3\"}", "no such file"},
        {"\"parameters\":{\"predictor\":\"process:sh\"}", "fit:FILE"},
        {"\"parameters\":{\"predictor\":\"fit:../secret\"}", "no such file"},
        {"\"parameters\":{\"json\":\"x\"}", "json: say has no such"},
        {"\"parameters\":{\"later\":\"a.csv\"}", "later: say has no such"},
        {"\"parameters\":{\"model\":\"x\"}", "model: say has no such"},
        {"\"parameters\":{\"dry-run\":true}", "dry-run"},
        {"\"parameters\":{\"\":1}", "no such"},
        {"\"parameters\":{\"nosuch\":1}", "nosuch"},
        {"\"parameters\":[]", "parameters: an object"},
        {"\"input\":[]", "input: one of"},
        {"\"input\":{\"text\":\"a\",\"chat\":[]}", "input: one of"},
        {"\"input\":{\"text\":\"a\\u0000\"}", "input.text: a text holds no NUL"},
        {"\"input\":{\"chat\":[{\"role\":\"user\",\"content\":\"a\",\"x\":1}]}", "input.chat"},
        {"\"input\":{\"file\":\"../secret\"}", "no such file"},
        {"\"x\":1", "x: there is no such member"},
    };
    char body[512], out[4096];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(body, sizeof body, "{\"command\":\"say\",\"model\":\"one\",%s}", wrong[i].member);
        made(g, body, out);
        if (*out != '!' || !strstr(out, wrong[i].says))
            fail_msg("%s: %s", wrong[i].member, out);
    }
    assert_non_null(strstr(made(g, "{\"command\":\"say\"}", out), "!model: one of"));
    assert_non_null(strstr(made(g, "{\"command\":\"rm\"}", out), "!command"));
    assert_non_null(strstr(made(g, "[]", out), "!the body"));
    assert_non_null(strstr(
        made(g, "{\"command\":\"say\",\"model\":\"eye\",\"input\":{\"text\":\"/etc/passwd\"}}",
             out),
        "!input: a picture"));
    assert_non_null(
        strstr(made(g, "{\"command\":\"bare\",\"input\":{\"text\":\"a\"}}", out), "!input.text"));
    close_ground(g);
}

static void refused_memory_is_told(void **state) {
    struct ground *g = open_ground();
    static const char body[] =
        "{\"command\":\"say\",\"model\":\"one\",\"input\":{\"text\":\"hello\"},"
        "\"parameters\":{\"data\":\"inner/b.csv\",\"steer\":[\"in:2\"],\"target\":\"a\"}}";
    json_t *v = json_loads(body, 0, NULL);
    bool whole = false;
    for (uint64_t n = 1; !whole && n < 200; n++) {
        serve_words w;
        glim_error err = {0};
        glim__fail_allocation(g->ctx, n);
        glim_status status = serve_words_make(&w, &options, &g->models, &g->places, v, NULL, &err);
        if (!status)
            status = serve_words_answer(&w, "-", true, &err);
        glim__fail_allocation(g->ctx, 0);
        whole = !status;
        if (status)
            assert_int_equal(status, GLIM_ENOMEM);
        serve_words_release(&w);
    }
    assert_true(whole);
    json_decref(v);
    close_ground(g);
}

static void errors_have_three_parts(void **state) {
    static const struct {
        const char *line, *what, *why, *todo;
    } cases[] = {
        {"--steps: '0' is out of range (1 to 64)", "--steps", "'0' is out of range", "1 to 64"},
        {"a: b: c", "a", "b: c", ""},
        {"alone\n", "alone", "", ""},
        {"a: f(x) of (b (c))", "a", "f(x) of", "b (c)"},
        {"a: b)", "a", "b)", ""},
        {"a: (b)", "a", "(b)", ""},
        {"(b)", "(b)", "", ""},
        {"", "", "", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool ok = true;
        json_t *o = serve_error_json(&ok, cases[i].line, strlen(cases[i].line));
        assert_string_equal(json_string_value(json_object_get(o, "what")), cases[i].what);
        assert_string_equal(json_string_value(json_object_get(o, "why")), cases[i].why);
        assert_string_equal(json_string_value(json_object_get(o, "todo")), cases[i].todo);
        json_decref(o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_matched_whole), cmocka_unit_test(files_lie_under_the_root),
        cmocka_unit_test(a_request_becomes_words),     cmocka_unit_test(what_cannot_be_is_named),
        cmocka_unit_test(refused_memory_is_told),      cmocka_unit_test(errors_have_three_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
