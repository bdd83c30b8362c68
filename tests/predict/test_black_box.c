/* SPDX-License-Identifier: Apache-2.0 */
/* Black boxes that behave and that do not: children are small shell scripts. */
#include "box-testing.h"

#include "predict/child.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const two[] = {"a", "b"};

static void no_child_is_left(void) {
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static int open_files(void) {
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* ---- one question ---- */

static void a_child_answers_in_order_and_duplicates_are_asked_once(void **state) {
    const char *texts[] = {"a", "b", "a", "a"};
    glim_context *ctx = begin();
    double out[8];
    glim_error err;
    int files = open_files();
    glim_black_box *box =
        open_box(ctx,
                 "process:while read l; do echo '{\"classes\":[\"no\",\"yes\"],\"scale\":\"prob\","
                 "\"outputs\":[[0.25,0.75],[1,0]]}'; done",
                 NULL);
    assert_int_equal(ask(box, texts, 4, out, &err), GLIM_OK);
    const double want[] = {0.25, 0.75, 1, 0, 0.25, 0.75, 0.25, 0.75};
    assert_memory_equal(out, want, sizeof want);
    const glim_black_box_info *info = glim_black_box_facts(box);
    assert_int_equal(info->asked, 2);
    assert_int_equal(info->calls, 1);
    assert_int_equal(info->scale, GLIM_SCALE_PROB);
    assert_string_equal(info->classes[1], "yes");
    assert_int_equal(ask(box, texts + 1, 2, out, &err), GLIM_OK); /* remembered */
    assert_int_equal(info->asked, 2);
    glim_black_box_close(box);
    no_child_is_left();
    assert_int_equal(open_files(), files);
    end_context(ctx);
}

static void a_plain_command_needs_no_shell(void **state) {
    static const struct {
        const char *command;
        size_t n;
        const char *words[4];
    } cases[] = {
        {"python3 x.py", 2, {"python3", "x.py"}},
        {"  a  'b c' \"d\\\"e\"", 3, {"a", "b c", "d\"e"}},
        {"a\\ b ''", 2, {"a b", ""}},
        {"a '$x' \"x;y\"", 3, {"a", "$x", "x;y"}},
        {"a $x", 0, {0}},
        {"a | b", 0, {0}},
        {"X=1 a", 0, {0}},
        {"a b=1", 2, {"a", "b=1"}},
        {"a 'b", 0, {0}},
        {"a *.py", 0, {0}},
        {"a \"$x\"", 0, {0}},
        {"a ~/b", 0, {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char copy[64], *words[8];
        snprintf(copy, sizeof copy, "%s", cases[i].command);
        assert_int_equal(glim__command_split(copy, words, 8), cases[i].n);
        for (size_t k = 0; k < cases[i].n; k++)
            assert_string_equal(words[k], cases[i].words[k]);
    }
    char many[] = "a b c", *words[2];
    assert_int_equal(glim__command_split(many, words, 2), 0);
}

/* ---- answers that are none ---- */

static const struct {
    const char *answer;
    glim_status status;
    const char *says;
} bad[] = {
    {"{\"outputs\":[[1,2]]}", GLIM_EFORMAT, "answered 1 row to 2 inputs: '{\"outputs\""},
    {"{\"outputs\":[]}", GLIM_EFORMAT, "answered 0 rows to 2 inputs"},
    {"{\"outputs\":[[1],[2],[3]]}", GLIM_EFORMAT, "more rows than the 2 inputs"},
    {"{\"outputs\":[[1,2],[3]]}", GLIM_EFORMAT, "row 1 has 1 number, not 2: '[3]'"},
    {"{\"outputs\":[[],[]]}", GLIM_EFORMAT, "0 numbers a row"},
    {"{\"outputs\":[[NaN],[1]]}", GLIM_ENUMERIC, "row 0 holds a number that is not finite: 'NaN"},
    {"{\"outputs\":[[1],[-Infinity]]}", GLIM_ENUMERIC, "row 1"},
    {"{\"outputs\":[[1],[null]]}", GLIM_ENUMERIC, "'null"},
    {"{\"outputs\":[[1],[1e999]]}", GLIM_ENUMERIC, "'1e999"},
    {"{\"outputs\":[[\"high\"],[1]]}", GLIM_EFORMAT, "something else than a number: '\"high\"]"},
    {"{\"outputs\":[[0x1],[1]]}", GLIM_EFORMAT, "comma"},
    {"{\"outputs\":[[1.],[1]]}", GLIM_EFORMAT, "something else"},
    {"{\"outputs\":[[1,],[1,]]}", GLIM_EFORMAT, "something else"},
    {"{\"outputs\":[[1] [1]]}", GLIM_EFORMAT, "comma"},
    {"{\"outputs\":[1,2]}", GLIM_EFORMAT, "row 0 is no list of numbers: '1,2]}'"},
    {"{\"outputs\":\"[[1],[2]]\"}", GLIM_EFORMAT, "no list of rows"},
    {"{\"output\":[[1],[2]]}", GLIM_EFORMAT, "no member \"outputs\": '{\"output\""},
    {"{\"outputs\":[[1],[2]}", GLIM_EFORMAT, "no JSON object"},
    {"{\"outputs\":[[1],[2]]} x", GLIM_EFORMAT, "no JSON object"},
    {"[[1],[2]]", GLIM_EFORMAT, "no JSON object"},
    {"hello", GLIM_EFORMAT, "no JSON object: 'hello'"},
    {"", GLIM_EFORMAT, "no JSON object: ''"},
    {"{\"error\":\"out of paper\"}", GLIM_EIO, "it says: '\"out of paper\"'"},
    {"{\"outputs\":[[0.5,0.6],[1,0]],\"scale\":\"prob\"}", GLIM_EFORMAT,
     "probabilities of row 0 sum to 1.1, not to 1 within 0.001"},
    {"{\"outputs\":[[1.5,-0.5],[1,0]],\"scale\":\"prob\"}", GLIM_EFORMAT, "the probability 1.5"},
    {"{\"outputs\":[[1],[0]],\"scale\":\"logprob\"}", GLIM_EFORMAT, "the log-probability 1"},
    {"{\"outputs\":[[1],[2]],\"scale\":\"percent\"}", GLIM_EFORMAT, "\"scale\" is none of"},
    {"{\"outputs\":[[1],[2]],\"scale\":[1]}", GLIM_EFORMAT, "\"scale\" is none of"},
    {"{\"outputs\":[[1],[2]],\"classes\":[\"a\",\"b\"]}", GLIM_EFORMAT,
     "names 2 classes and answers 1 numbers"},
    {"{\"outputs\":[[1,2],[2,3]],\"classes\":[\"a\",\"a\"]}", GLIM_EFORMAT, "two classes"},
    {"{\"outputs\":[[1],[2]],\"classes\":[\"\"]}", GLIM_EFORMAT, "no name"},
    {"{\"outputs\":[[1],[2]],\"classes\":[1]}", GLIM_EFORMAT, "no list of names"},
    {"{\"outputs\":[[1],[2]],\"classes\":{\"a\":1}}", GLIM_EFORMAT, "no list of names"},
};

static void a_bad_answer_is_an_error_that_quotes_it(void **state) {
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        glim_context *ctx = begin();
        char spec[512];
        glim_error err = {0};
        snprintf(spec, sizeof spec, "process:read l; echo '%s'; read l", bad[i].answer);
        glim_black_box *box = open_box(ctx, spec, NULL);
        if (ask(box, two, 2, NULL, &err) != bad[i].status || !strstr(err.message, bad[i].says))
            fail_msg("%s: %s", bad[i].answer, err.message);
        assert_contains(err.message, "predictor 'process:");
        glim_black_box_close(box);
        end_context(ctx);
    }
    no_child_is_left();
}

static void a_long_quote_is_cut_and_escaped(void **state) {
    glim_context *ctx = begin();
    glim_error err = {0};
    glim_black_box *box = open_box(
        ctx, "process:read l; printf '\\033[31m'; head -c 3000 /dev/zero | tr '\\0' 'x'; echo",
        NULL);
    assert_int_equal(ask(box, two, 2, NULL, &err), GLIM_EFORMAT);
    assert_contains(err.message, "\\x1B[31mxxx");
    assert_contains(err.message, "xxx...'");
    assert_true(strlen(err.message) < 400);
    glim_black_box_close(box);
    end_context(ctx);
}

/* Answers of a first and a second batch. */
static const char *const changes[][3] = {
    {"{\"outputs\":[[1,2]]}", "{\"outputs\":[[1,2,3]]}", "row 0 has 3 numbers, not 2"},
    {"{\"outputs\":[[1]],\"classes\":[\"a\"]}", "{\"outputs\":[[1]],\"classes\":[\"b\"]}",
     "class 0 was called 'a' before and now 'b'"},
    {"{\"outputs\":[[1]]}", "{\"outputs\":[[1]],\"classes\":[\"b\"]}",
     "class 0 was called '0' before and now 'b'"},
    {"{\"outputs\":[[1]],\"scale\":\"prob\"}", "{\"outputs\":[[1]],\"scale\":\"logit\"}",
     "its scale was 'prob' before and now is 'logit'"},
};

static void a_box_may_not_change_its_classes(void **state) {
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        glim_context *ctx = begin();
        char spec[512];
        double out[6];
        glim_error err = {0};
        snprintf(spec, sizeof spec, "process:read l; echo '%s'; read l; echo '%s'; read l",
                 changes[i][0], changes[i][1]);
        glim_black_box *box = open_box(ctx, spec, &(glim_black_box_options){.batch_size = 1});
        assert_int_equal(ask(box, two, 2, out, &err), GLIM_EFORMAT);
        assert_contains(err.message, changes[i][2]);
        assert_true(out[0] == 1); /* what was answered before is there */
        assert_true(isnan(out[glim_black_box_facts(box)->n_classes]));
        glim_black_box_close(box);
        end_context(ctx);
    }
}

static void names_and_scale_may_be_left_out_later(void **state) {
    glim_context *ctx = begin();
    glim_error err = {0};
    glim_black_box *box = open_box(
        ctx,
        "process:read l; echo '{\"outputs\":[[1]],\"classes\":[\"a\"],\"scale\":\"prob\"}'; "
        "read l; echo '{\"outputs\":[[1]]}'; read l",
        &(glim_black_box_options){.batch_size = 1});
    assert_int_equal(ask(box, two, 2, NULL, &err), GLIM_OK);
    assert_string_equal(glim_black_box_facts(box)->classes[0], "a");
    glim_black_box_close(box);
    end_context(ctx);
}

/* ---- children that do not work ---- */

static void a_child_that_dies_is_started_again_once(void **state) {
    static const struct {
        const char *spec, *says;
        int restarts;
    } cases[] = {
        {"process:read l; exit 3", "the process ended with status 3", 1},
        {"process:read l; printf '{\"outp'; exit 1", "answered: '{\"outp'", 1},
        {"process:read l; kill -9 $$", "ended by signal 9", 1},
        {"process:exec >&-; read l; read l", "before it had answered", 1},
        {"process:/nowhere/at-all", "cannot start '/nowhere/at-all': No such file", 0},
        {"process:nowhere-at-all; true", "ended with status 0", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_context *ctx = begin();
        glim_error err = {0};
        int files = open_files();
        glim_black_box *box = open_box(ctx, cases[i].spec, NULL);
        assert_int_equal(ask(box, two, 2, NULL, &err), GLIM_EIO);
        assert_contains(err.message, cases[i].says);
        assert_int_equal(glim_black_box_facts(box)->restarts, cases[i].restarts);
        glim_black_box_close(box);
        assert_int_equal(open_files(), files);
        end_context(ctx);
        no_child_is_left();
    }
}

/* More than a pipe holds; SIGPIPE would end this test. */
static void a_child_that_does_not_read_is_no_signal(void **state) {
    enum { LEN = 1 << 20 };
    glim_context *ctx = begin();
    glim_error err = {0};
    double *values;
    char *text = malloc(LEN);
    memset(text, 'x', LEN);
    signal(SIGPIPE, SIG_DFL);
    glim_black_box *box = open_box(ctx, "process:exec 0<&-; exec sleep 30", NULL);
    assert_int_equal(glim_black_box_ask(box, &(glim_input){text, LEN}, 1, &values, &err), GLIM_EIO);
    assert_contains(err.message, "closed its pipes before it had answered");
    glim_black_box_close(box);
    no_child_is_left();
    free(text);
    end_context(ctx);
}

static void a_child_for_each_batch_is_borne_up_to_a_limit(void **state) {
    glim_context *ctx = begin();
    const char *texts[] = {"a", "b", "c", "d"};
    glim_error err = {0};
    glim_black_box *box = open_box(ctx, "process:read l; echo '{\"outputs\":[[1]]}'; exit 0",
                                   &(glim_black_box_options){.batch_size = 1});
    assert_int_equal(ask(box, texts, 4, NULL, &err), GLIM_OK);
    assert_int_equal(glim_black_box_facts(box)->restarts, 3);
    for (int i = 0; i < 5; i++) {
        char name[4][8];
        const char *more[4] = {name[0], name[1], name[2], name[3]};
        for (int k = 0; k < 4; k++)
            snprintf(name[k], 8, "%d-%d", i, k);
        if (ask(box, more, 4, NULL, &err))
            break;
        assert_true(i < 4);
    }
    assert_contains(err.message, "ended with status 0");
    glim_black_box_close(box);
    no_child_is_left();
    end_context(ctx);
}

static void a_child_that_hangs_is_ended(void **state) {
    static const char *const specs[] = {"process:sleep 30", "process:sleep 30; true",
                                        "process:trap '' TERM; printf '{'; sleep 30 & wait; wait"};
    for (size_t i = 0; i < 3; i++) {
        glim_context *ctx = begin();
        glim_error err = {0};
        double before = glim__seconds();
        glim_black_box *box = open_box(ctx, specs[i], &(glim_black_box_options){.timeout = 0.2});
        assert_int_equal(ask(box, two, 2, NULL, &err), GLIM_EIO);
        assert_contains(err.message, "no whole answer within 0.2 seconds");
        glim_black_box_close(box);
        assert_true(glim__seconds() - before < 3);
        no_child_is_left();
        end_context(ctx);
    }
}

/* True unless the process is gone, or a zombie that its new parent has yet to reap. */
static bool runs(int pid) {
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    fclose(f);
    return state != 'Z';
}

static void what_a_child_has_started_ends_with_it(void **state) {
    char file[] = "/tmp/glim-test-XXXXXX", spec[256];
    FILE *f = fdopen(mkstemp(file), "r");
    glim_context *ctx = begin();
    glim_error err = {0};
    int pid = 0;
    snprintf(spec, sizeof spec, "process:sleep 30 & echo $! >%s; wait", file);
    glim_black_box *box = open_box(ctx, spec, &(glim_black_box_options){.timeout = 0.3});
    assert_int_equal(ask(box, two, 2, NULL, &err), GLIM_EIO);
    glim_black_box_close(box);
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    for (int i = 0; i < 100 && runs(pid); i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_false(runs(pid));
    fclose(f);
    unlink(file);
    end_context(ctx);
}

static void endless_output_is_bounded(void **state) {
    glim_context *ctx = begin();
    glim_error err = {0};
    glim_black_box *box = open_box(ctx, "process:yes x | tr -d '\\n'", NULL);
    assert_int_equal(ask(box, two, 2, NULL, &err), GLIM_ELIMIT);
    assert_contains(err.message, "has no end: 'xxxx");
    assert_true(glim_context_peak(ctx) < 16 << 20);
    glim_black_box_close(box);
    no_child_is_left();
    end_context(ctx);
}

static void a_second_line_is_refused(void **state) {
    glim_context *ctx = begin();
    glim_error err = {0};
    glim_black_box *box = open_box(
        ctx, "process:read l; printf '{\"outputs\":[[1],[2]]}\\nloading done\\n'; read l", NULL);
    assert_int_equal(ask(box, two, 2, NULL, &err), GLIM_EFORMAT);
    assert_contains(err.message, "more than one line");
    assert_contains(err.message, "'loading done");
    glim_black_box_close(box);
    end_context(ctx);
}

static void a_line_may_come_in_parts(void **state) {
    glim_context *ctx = begin();
    glim_error err = {0};
    double out[2];
    glim_black_box *box =
        open_box(ctx,
                 "process:while read l; do printf '{\"outputs\":[[1'; sleep 0.1; printf '],'; "
                 "sleep 0.1; printf '[2]]}\\n'; done",
                 NULL);
    assert_int_equal(ask(box, two, 2, out, &err), GLIM_OK);
    assert_true(out[0] == 1 && out[1] == 2);
    glim_black_box_close(box);
    end_context(ctx);
}

/* The child writes 3 MB before it reads anything, and we have 2 MB to say. */
static void large_batches_do_not_block(void **state) {
    enum { N = 100, LEN = 20000 };
    glim_context *ctx = begin();
    glim_input in[N];
    glim_error err = {0};
    double *values;
    char *text = malloc(N * LEN), spec[2048];
    int at =
        snprintf(spec, sizeof spec,
                 "process:head -c 3000000 /dev/zero | tr '\\0' ' '; read l; echo '{\"outputs\":[");
    memset(text, 'x', N * LEN);
    for (int i = 0; i < N; i++) {
        snprintf(text + i * LEN, 8, "%06d", i);
        text[i * LEN + 6] = 'x';
        in[i] = (glim_input){text + i * LEN, LEN};
        at += snprintf(spec + at, sizeof spec - (size_t)at, "%s[%d]", i ? "," : "", i);
    }
    snprintf(spec + at, sizeof spec - (size_t)at, "]}'");
    glim_black_box *box = open_box(ctx, spec, NULL);
    if (glim_black_box_ask(box, in, N, &values, &err))
        fail_msg("%s", err.message);
    for (int i = 0; i < N; i++)
        assert_true(values[i] == i);
    glim_black_box_values_free(box, values);
    glim_black_box_close(box);
    free(text);
    end_context(ctx);
}

/* A second child that held the first one's pipe would keep it from its end. */
static void children_hold_no_pipes_of_others(void **state) {
    char file[] = "/tmp/glim-test-XXXXXX", spec[256];
    int fd = mkstemp(file);
    close(fd);
    unlink(file);
    glim_context *ctx = begin();
    glim_error err = {0};
    snprintf(spec, sizeof spec,
             "process:while read l; do echo '{\"outputs\":[[1],[2]]}'; done; touch %s", file);
    glim_black_box *a = open_box(ctx, spec, NULL);
    glim_black_box *b =
        open_box(ctx, "process:while read l; do echo '{\"outputs\":[[1],[2]]}'; done", NULL);
    assert_int_equal(ask(a, two, 2, NULL, &err), GLIM_OK);
    assert_int_equal(ask(b, two, 2, NULL, &err), GLIM_OK);
    glim_black_box_close(a);
    assert_int_equal(access(file, F_OK), 0);
    unlink(file);
    glim_black_box_close(b);
    end_context(ctx);
}

static void *cancel_soon(void *ctx) {
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    glim_context_cancel(ctx);
    return NULL;
}

static void cancelling_ends_within_a_second(void **state) {
    glim_context *ctx = begin();
    glim_error err = {0};
    pthread_t thread;
    glim_black_box *box = open_box(ctx, "process:sleep 30; true", NULL);
    double before = glim__seconds();
    pthread_create(&thread, NULL, cancel_soon, ctx);
    assert_int_equal(ask(box, two, 2, NULL, &err), GLIM_ECANCELLED);
    pthread_join(thread, NULL);
    glim_black_box_close(box);
    assert_true(glim__seconds() - before < 1.2);
    no_child_is_left();
    end_context(ctx);
}

/* ---- numbers ---- */

static void numbers_are_read_to_the_last_bit(void **state) {
    enum { N = 2000 };
    char file[] = "/tmp/glim-test-XXXXXX", spec[128], names[N][8];
    double want[N], *values;
    glim_input in[N];
    glim_error err = {0};
    FILE *out = fdopen(mkstemp(file), "w");
    srand(7);
    fprintf(out, "{\"outputs\":[");
    for (int i = 0; i < N; i++) {
        char text[64];
        double x = (rand() - RAND_MAX / 2) *
                   pow(10, rand() % (i % 2 ? 40 : 600) - (i % 2 ? 20 : 300)) *
                   (1 + rand() / (double)RAND_MAX);
        snprintf(text, sizeof text, "%.*g", 1 + rand() % 20, x);
        want[i] = strtod(text, NULL);
        fprintf(out, "%s[%s]", i ? ", " : "", text);
        snprintf(names[i], sizeof names[i], "%d", i);
        in[i] = (glim_input){names[i], strlen(names[i])};
    }
    fprintf(out, "]}\n");
    fclose(out);
    snprintf(spec, sizeof spec, "process:read l; cat %s", file);
    glim_context *ctx = begin();
    glim_black_box *box = open_box(ctx, spec, &(glim_black_box_options){.batch_size = N});
    if (glim_black_box_ask(box, in, N, &values, &err))
        fail_msg("%s", err.message);
    for (int i = 0; i < N; i++)
        if (values[i] != want[i])
            fail_msg("%d: %.17g, not %.17g", i, values[i], want[i]);
    glim_black_box_values_free(box, values);
    glim_black_box_close(box);
    unlink(file);
    end_context(ctx);
}

static void the_request_is_valid_json(void **state) {
    glim_context *ctx = begin();
    glim_buffer b;
    glim__buffer_init(&b, ctx);
    glim__batch_request(&b, GLIM_INPUT_TEXT,
                        (glim_input[]){{"a\"\\\n\x01é", 7}, {"", 0}, {"x\0y", 3}}, 3);
    assert_string_equal(b.data, "{\"schema\":\"glim.batch/1\",\"kind\":\"text\",\"inputs\":["
                                "\"a\\\"\\\\\\u000a\\u0001é\",\"\",\"x\\u0000y\"]}\n");
    glim__buffer_release(&b);
    end_context(ctx);
}

/* ---- specs ---- */

static void a_spec_that_is_none_is_refused(void **state) {
    static const char *const specs[] = {"",         "process",   "process:",       "model:x",
                                        "plugin:",  "http:",     "openai:ftp://x", "http:x y",
                                        "proces:x", "openai:x y"};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        glim_context *ctx = begin();
        glim_black_box *box;
        glim_error err = {0};
        glim_status status = glim_black_box_open(&box, ctx, specs[i], NULL, &err);
        if (status != GLIM_EUSAGE && status != GLIM_EUNSUPPORTED)
            fail_msg("'%s': %d %s", specs[i], status, err.message);
        end_context(ctx);
    }
}

#ifdef GLIM_WITH_CURL
static void secrets_of_an_address_are_not_told(void **state) {
    glim_context *ctx = begin();
    glim_black_box *box =
        open_box(ctx, "openai:https://me:secret@example.org/v1?key=secret#model", NULL);
    assert_string_equal(glim_black_box_facts(box)->spec, "openai:https://example.org/v1#model");
    glim_black_box_close(box);
    glim_error err = {0};
    assert_int_equal(glim_black_box_open(
                         &box, ctx, "http://x/",
                         &(glim_black_box_options){.headers = "A: b\nsecret-without-colon"}, &err),
                     GLIM_EUSAGE);
    assert_contains(err.message, "header 2");
    assert_null(strstr(err.message, "secret"));
    end_context(ctx);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_answers_in_order_and_duplicates_are_asked_once),
        cmocka_unit_test(a_plain_command_needs_no_shell),
        cmocka_unit_test(a_bad_answer_is_an_error_that_quotes_it),
        cmocka_unit_test(a_long_quote_is_cut_and_escaped),
        cmocka_unit_test(a_box_may_not_change_its_classes),
        cmocka_unit_test(names_and_scale_may_be_left_out_later),
        cmocka_unit_test(a_child_that_dies_is_started_again_once),
        cmocka_unit_test(a_child_that_does_not_read_is_no_signal),
        cmocka_unit_test(a_child_for_each_batch_is_borne_up_to_a_limit),
        cmocka_unit_test(a_child_that_hangs_is_ended),
        cmocka_unit_test(what_a_child_has_started_ends_with_it),
        cmocka_unit_test(endless_output_is_bounded),
        cmocka_unit_test(a_second_line_is_refused),
        cmocka_unit_test(a_line_may_come_in_parts),
        cmocka_unit_test(large_batches_do_not_block),
        cmocka_unit_test(children_hold_no_pipes_of_others),
        cmocka_unit_test(cancelling_ends_within_a_second),
        cmocka_unit_test(numbers_are_read_to_the_last_bit),
        cmocka_unit_test(the_request_is_valid_json),
        cmocka_unit_test(a_spec_that_is_none_is_refused),
#ifdef GLIM_WITH_CURL
        cmocka_unit_test(secrets_of_an_address_are_not_told),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
